// The parts that tests/e2e/schema.test.mjs does not compare with the other generator: the text,
// names, limits.
#include "policy/compatible_schema.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>

#include "cedar/schema.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

constexpr std::string_view stub =
    "namespace M { @mcp_principal entity User; @mcp_resource entity Server;\n"
    "@mcp_action @doc(\"d\") action call; }";

base::Result<std::string> text_of(std::string_view tools, const CompatibleOptions& options = {}) {
  const auto document = json::Document::parse(tools, {.depth = 1'000});
  REQUIRE(document.has_value());
  const auto source = cedar::read_schema_text(stub);
  REQUIRE(source.has_value());
  auto made = compatible_schema(*source, document->root(), options);
  if (!made) return std::unexpected(std::move(made).error());
  CHECK(cedar::resolve(*made).has_value());
  return cedar::to_schema_text(*made);
}

std::string error_of(std::string_view tools) {
  const auto made = text_of(tools);
  return made ? "" : made.error().detail;
}

}  // namespace

TEST_CASE("a tool becomes an action with typed arguments") {
  const auto text = text_of(
      R"([{"name":"search","inputSchema":{"type":"object","properties":{"limit":{"type":"integer"},
          "kind":{"type":"string","enum":["a","b"]}},"required":["limit"]}}])");
  REQUIRE(text.has_value());
  CAPTURE(*text);
  CHECK(text->contains("namespace M::search::Input"));
  CHECK(text->contains("entity kind enum"));
  CHECK(text->contains("M::search::Input::kind"));
  CHECK(text->contains("searchInput"));
  CHECK_FALSE(text->contains("@doc"));
  const auto kept = text_of(R"([{"name":"search","inputSchema":{}}])", {.keep_annotations = true});
  REQUIRE(kept.has_value());
  CHECK(kept->contains("@doc"));
}

TEST_CASE("one tool that cannot be expressed refuses the list and is named") {
  CHECK(error_of("{}") == "no list of tools");
  CHECK(error_of(R"([{"name":"a/b","inputSchema":{}}])").contains("no Cedar identifier"));
  CHECK(error_of(R"([{"name":"t","inputSchema":{"properties":{"a":{"type":"x"}}}}])") ==
        "tool \"t\": a: there is no type \"x\"");
  CHECK(error_of(R"([{"name":"t","inputSchema":{}},{"name":"t","inputSchema":{}}])")
            .contains("an action of that name"));
}

TEST_CASE("nesting is limited") {
  const auto nested = [](int levels, std::string_view open, std::string_view close) {
    std::string schema;
    for (int i = 0; i < levels; ++i) schema += open;
    schema += R"({"type":"string"})";
    for (int i = 0; i < levels; ++i) schema += close;
    return std::format(R"([{{"name":"t","inputSchema":{{"properties":{{"a":{}}}}}}}])", schema);
  };
  const std::string_view object = R"({"type":"object","properties":{"a":)";
  const std::string_view array = R"({"type":"array","items":)";
  const std::string_view any = R"({"anyOf":[)";
  CHECK(error_of(nested(20, object, "}}")) == "");
  CHECK(error_of(nested(20, array, "}")) == "");
  CHECK(error_of(nested(20, any, "]}")) == "");
  CHECK(error_of(nested(100, object, "}}")).contains("more than 64 levels"));
  CHECK(error_of(nested(100, array, "}")).contains("more than 64 levels"));
  CHECK(error_of(nested(100, any, "]}")).contains("more than 64 levels"));
}
