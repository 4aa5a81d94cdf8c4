#include "mcp/mirror.h"

#include <doctest/doctest.h>

#include <format>
#include <map>
#include <string>

using namespace latticegate;

namespace {

json::Document parsed(std::string_view text) {
  auto document = json::Document::parse(text);
  REQUIRE(document.has_value());
  return *std::move(document);
}

std::string schema(std::string_view properties) {
  return std::format(R"({{"type":"object","properties":{}}})", properties);
}

}  // namespace

TEST_CASE("which annotations make a tool invalid") {
  struct Case {
    const char* properties;
    bool valid;
  };
  for (
      const Case& c : {
          Case{R"({"a":{"type":"string"}})", true},
          Case{R"({"a":{"type":"string","x-mcp-header":"Region"}})", true},
          Case{
              R"({"a":{"type":"integer","x-mcp-header":"R"},"b":{"type":"boolean","x-mcp-header":"S"}})",
              true},
          Case{R"({"o":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"R"}}}})",
               true},
          Case{R"({"x-mcp-header":{"type":"string"}})", true},
          Case{R"({"a":{"type":"string","x-mcp-header":""}})", false},
          Case{R"({"a":{"type":"string","x-mcp-header":{}}})", false},
          Case{R"({"a":{"type":"string","x-mcp-header":"Two Words"}})", false},
          Case{R"({"a":{"type":"string","x-mcp-header":"a:b"}})", false},
          Case{R"({"a":{"type":"string","x-mcp-header":"R\u00e9gion"}})", false},
          Case{R"({"a":{"type":"string","x-mcp-header":"a\tb"}})", false},
          Case{R"({"a":{"type":"number","x-mcp-header":"R"}})", false},
          Case{R"({"a":{"type":"array","x-mcp-header":"R"}})", false},
          Case{R"({"a":{"type":"null","x-mcp-header":"R"}})", false},
          Case{
              R"({"a":{"type":"string","x-mcp-header":"R"},"b":{"type":"string","x-mcp-header":"r"}})",
              false},
          Case{R"({"a":{"type":"array","items":{"type":"string","x-mcp-header":"R"}}})", false},
          Case{R"({"a":{"anyOf":[{"type":"string","x-mcp-header":"R"}]}})", false},
      }) {
    CAPTURE(c.properties);
    const auto document = parsed(schema(c.properties));
    CHECK(mcp::mirrors_of(document.root()).has_value() == c.valid);
  }
}

TEST_CASE("headers that come are compared with the arguments") {
  const auto tree = parsed(schema(
      R"({"s":{"type":"string","x-mcp-header":"S"},"n":{"type":"integer","x-mcp-header":"N"},)"
      R"("b":{"type":"boolean","x-mcp-header":"B"}})"));
  const auto mirrors = mcp::mirrors_of(tree.root());
  REQUIRE(mirrors.has_value());
  using Headers = std::map<std::string, std::string, std::less<>>;
  struct Case {
    const char* arguments;
    Headers headers;
    bool fits;
  };
  for (const Case& c : {
           Case{"{}", {}, true},
           Case{R"({"s":null})", {}, true},
           Case{R"({"s":"Hello"})", {{"mcp-param-s", "Hello"}}, true},
           Case{R"({"s":"Hello"})", {{"mcp-param-s", "=?base64?SGVsbG8=?="}}, true},
           Case{R"({"s":"Hello"})", {{"mcp-param-s", "=?base64?SGVsbG8?="}}, false},
           Case{R"({"s":"Hello"})", {{"mcp-param-s", "=?base64?SGVs!!!bG8=?="}}, false},
           Case{R"({"s":"SGVsbG8="})", {{"mcp-param-s", "SGVsbG8="}}, true},
           Case{R"({"s":"Hello"})", {{"mcp-param-s", "hello"}}, false},
           Case{R"({"s":"Hello"})", {}, false},
           Case{R"({})", {{"mcp-param-s", "Hello"}}, false},
           Case{R"({"n":42})", {{"mcp-param-n", "42"}}, true},
           Case{R"({"n":42})", {{"mcp-param-n", "42.0"}}, true},
           Case{R"({"n":42})", {{"mcp-param-n", "43"}}, false},
           Case{R"({"n":42})", {{"mcp-param-n", "\"42\""}}, false},
           Case{R"({"b":true})", {{"mcp-param-b", "true"}}, true},
           Case{R"({"b":true})", {{"mcp-param-b", "1"}}, false},
       }) {
    CAPTURE(c.arguments);
    const auto document = parsed(c.arguments);
    const auto wrong = mcp::mirror_mismatch(
        *mirrors, document.root(), [&](std::string_view name) -> std::optional<std::string_view> {
          const auto found = c.headers.find(name);
          if (found == c.headers.end()) return std::nullopt;
          return found->second;
        });
    CHECK(!wrong.has_value() == c.fits);
  }
  // What we send is what we accept.
  const auto document = parsed(R"({"s":" padded ","n":-7,"b":false})");
  Headers sent;
  for (auto& [name, value] : mcp::mirrored_headers(*mirrors, document.root())) {
    std::string key = name;
    for (char& c : key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    sent.emplace(std::move(key), value);
  }
  CHECK(sent.at("mcp-param-s") == "=?base64?IHBhZGRlZCA=?=");
  CHECK(!mcp::mirror_mismatch(*mirrors, document.root(), [&](std::string_view name) {
           return std::optional<std::string_view>(sent.at(std::string(name)));
         }).has_value());
}
