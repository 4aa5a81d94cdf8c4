#include "gateway/cursor.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace latticegate::gateway;

TEST_CASE("a cursor comes back as it went, also with odd texts inside") {
  const CursorBinding binding{"0123456789abcdef0123456789abcdef", "c-1", "", "tools/list"};
  const std::vector<Leg> legs{{"crm", "p2"}, {"files", ""}, {"odd", "\"\\\n\xc3\xbc"}};
  const std::string cursor = seal_cursor(binding, legs);
  const auto opened = open_cursor(binding, cursor);
  REQUIRE(opened.has_value());
  CHECK(*opened == legs);
}

TEST_CASE("a cursor of somebody else, of another list or by another hand is refused") {
  const CursorBinding binding{"0123456789abcdef0123456789abcdef", "c-1", "sales", "tools/list"};
  const std::vector<Leg> legs{{"crm", "p2"}};
  const std::string cursor = seal_cursor(binding, legs);
  for (const CursorBinding& other :
       {CursorBinding{"x123456789abcdef0123456789abcdef", "c-1", "sales", "tools/list"},
        CursorBinding{binding.key, "c-2", "sales", "tools/list"},
        CursorBinding{binding.key, "c-1", "", "tools/list"},
        CursorBinding{binding.key, "c-1", "sales", "prompts/list"},
        CursorBinding{binding.key, "c-1sales", "", "tools/list"}})
    CHECK_FALSE(open_cursor(other, cursor).has_value());
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    std::string changed = cursor;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(open_cursor(binding, changed).has_value());
  }
  for (const std::string& odd :
       {std::string(), std::string("p2"), cursor.substr(0, 20), cursor + "AAAA", cursor + " ",
        std::string(longest_cursor + 1, 'A')})
    CHECK_FALSE(open_cursor(binding, odd).has_value());
}
