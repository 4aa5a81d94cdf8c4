#include "inspect/planted.h"

#include <doctest/doctest.h>

#include <format>
#include <vector>

#include "base/ascii.h"

using namespace latticegate;
using inspect::has_planted;

namespace {
constexpr std::string_view key = "a key of this gateway";
}

TEST_CASE("a mark is known again wherever it stands whole, and by its key only") {
  crypto::SeededRandom random(7);
  const std::string mark = inspect::plant(key, random);
  REQUIRE(mark.size() == 24);
  CHECK(inspect::plant(key, random) != mark);
  const std::string uuid = inspect::as_uuid(mark);
  REQUIRE(uuid.size() == 36);
  for (const std::string& text :
       {mark, uuid, "cus_" + mark, std::format("nora+{}@mail.example", mark),
        std::format("https://x.example/r/{}?a=1", mark), std::format("ada-{}-fe", mark),
        std::format("dead-beef-{}", mark), std::format("see {}, please", uuid),
        std::format("({})", uuid)}) {
    CAPTURE(text);
    CHECK(has_planted(key, text));
    CHECK_FALSE(has_planted("another key", text));
  }
  std::string capitals = mark;
  for (char& c : capitals)
    if (c >= 'a') c = static_cast<char>(c - ('a' - 'A'));
  CHECK(has_planted(key, capitals));
  std::string other = mark;
  other.back() = other.back() == '0' ? '1' : '0';
  for (const std::string& text :
       {other, mark.substr(1), mark + "0", std::string(), std::string("507f1f77bcf86cd799439011"),
        std::string("9f86d081-884c-4d65-9a2f-eaa0c55ad015")}) {
    CAPTURE(text);
    CHECK_FALSE(has_planted(key, text));
  }
}

TEST_CASE("it is looked for in values, names and what was decoded") {
  crypto::SeededRandom random(8);
  const std::string mark = inspect::plant(key, random);
  const auto in = [&](const std::string& text, std::vector<std::string> revealed = {}) {
    return has_planted(key, json::Document::parse(text)->root(), revealed);
  };
  CHECK(in(std::format(R"({{"a":[1,{{"b":"id {}"}}]}})", mark)));
  CHECK(in(std::format(R"({{"{}":1}})", mark)));
  CHECK(in(R"({"a":"nothing"})", {"decoded: " + mark}));
  CHECK_FALSE(in(R"({"a":"nothing"})", {"decoded"}));
  std::string escaped;  // the parser takes escapes off
  for (const char c : mark) escaped += std::format("\\u{:04x}", static_cast<unsigned>(c));
  CHECK(in(std::format(R"({{"a":"{}"}})", escaped)));
}
