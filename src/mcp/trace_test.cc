#include "mcp/trace.h"

#include <doctest/doctest.h>

#include <string>

using namespace latticegate::mcp;

TEST_CASE("a traceparent is read strictly") {
  constexpr std::string_view good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto context = parse_traceparent(good);
  REQUIRE(context.has_value());
  CHECK(context->trace == "0af7651916cd43dd8448eb211c80319c");
  CHECK(context->parent == "b7ad6b7169203331");
  CHECK(to_text(*context) == good);
  CHECK(parse_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what")
            .has_value());
  for (const std::string_view bad :
       {"", "00", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-0af7651916cd43dd8448eb211c80319c b7ad6b7169203331-01"})
    CHECK_FALSE_MESSAGE(parse_traceparent(bad).has_value(), bad);
}
