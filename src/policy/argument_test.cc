#include "policy/argument.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "json/value.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

json::Document parsed(std::string_view text) {
  auto document = json::Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  return std::move(document).value();
}

// The schema of an object with these properties.
std::string with(std::string_view properties, std::string_view more = "") {
  return "{\"type\":\"object\",\"properties\":{" + std::string(properties) + "}" +
         std::string(more) + "}";
}

// What the arguments become, as Cedar text, or "refused: ...".
std::string convert(std::string_view schema, std::string_view arguments, const Reads& reads = {}) {
  const auto tree = parsed(schema);
  const auto program = ArgumentProgram::compile(tree.root());
  if (!program) return "schema: " + program.error().detail;
  const auto given = parsed(arguments);
  cedar::Arena arena;
  Sightings seen;
  Refusal refusal;
  const cedar::Value value = program->convert(given.root(), arena, seen, refusal, reads);
  if (!value) return "refused: " + refusal.argument + " " + refusal.words;
  return cedar::to_text(value);
}

std::string type_of(std::string_view schema) {
  const auto tree = parsed(schema);
  const auto program = ArgumentProgram::compile(tree.root());
  return program ? program->type() : "schema: " + program.error().detail;
}

struct Row {
  std::string_view property;   // schema of the property "a"
  std::string_view value;      // of "a"
  std::string_view converted;  // of "a"; otherwise what is refused
};

}  // namespace

TEST_CASE("a value becomes what its schema says, exactly, or the call is refused") {
  constexpr Row rows[] = {
      {R"({"type":"boolean"})", "true", "true"},
      {R"({"type":"boolean"})", "1", "refused: a must be true or false, is number"},
      {R"({"type":"boolean"})", "\"true\"", "refused: a must be true or false, is string"},
      {R"({"type":"integer"})", "5000", "5000"},
      {R"({"type":"integer"})", "5000.0", "5000"},
      {R"({"type":"integer"})", "5e3", "5000"},
      {R"({"type":"integer"})", "9223372036854775807", "9223372036854775807"},
      {R"({"type":"integer"})", "9223372036854775808", "refused: a must be an integer of 64 bits"},
      {R"({"type":"integer"})", "5.5", "refused: a must be an integer of 64 bits"},
      {R"({"type":"integer"})", "\"5\"", "refused: a must be an integer of 64 bits, is string"},
      {R"({"type":"number"})", "5", "decimal(\"5.0\")"},
      {R"({"type":"number"})", "2.0004", "decimal(\"2.0004\")"},
      {R"({"type":"number"})", "2.00004",
       "refused: a must be a number with at most four fraction digits"},
      {R"({"type":"number"})", "1e300",
       "refused: a must be a number with at most four fraction digits"},
      {R"({"type":"number","multipleOf":1})", "5", "5"},
      {R"({"type":["integer","number"]})", "5", "decimal(\"5.0\")"},
      {R"({"type":"string"})", "\"x\"", "\"x\""},
      {R"({"type":"string"})", "null", "refused: a must be a string, is null"},
      {R"({"type":"string"})", "5", "refused: a must be a string, is number"},
      {R"({"type":"string","enum":["x","y"]})", "\"x\"", "\"x\""},
      {R"({"enum":["x","y"]})", "\"x\"", "\"x\""},
      {R"({"const":"x"})", "\"x\"", "\"x\""},
      {R"({"type":"string","format":"uri"})", "\"2024-01-01\"", "\"2024-01-01\""},
      {R"({"type":"string"})", "\"2024-01-01\"", "\"2024-01-01\""},
      {R"({"type":"string","format":"date"})", "\"2024-01-01\"",
       "datetime(\"2024-01-01T00:00:00.000Z\")"},
      {R"({"type":"string","format":"date"})", "\"yesterday\"",
       "refused: a must be a date such as 2026-01-02"},
      {R"({"type":"string","format":"date-time"})", "\"2024-01-01T01:00:00+01:00\"",
       "datetime(\"2024-01-01T00:00:00.000Z\")"},
      {R"({"type":"string","format":"date-time"})", "\"2024-01-01\"",
       "refused: a must be a date and time such as 2026-01-02T03:04:05.678Z"},
      {R"({"type":"string","format":"duration"})", "\"PT0.5S\"", "duration(\"500ms\")"},
      {R"({"type":"string","format":"duration"})", "\"P1M\"",
       "refused: a must be a duration such as P1DT2H30M"},
      {R"({"type":"string","format":"ipv4"})", "\"10.1.2.3\"", "ip(\"10.1.2.3\")"},
      {R"({"type":"string","format":"ipv4"})", "\"::1\"", "refused: a must be an IPv4 address"},
      {R"({"type":"string","format":"ipv4"})", "\"10.0.0.0/8\"",
       "refused: a must be an IPv4 address"},
      {R"({"type":"string","format":"ipv6"})", "\"::ffff:10.1.2.3\"", "ip(\"10.1.2.3\")"},
      {R"({"type":"string","format":"ipv6"})", "\"10.1.2.3\"",
       "refused: a must be an IPv6 address"},
      {R"({"type":"array","items":{"type":"integer"}})", "[2,1,2]", "[1, 2]"},
      {R"({"type":"array","items":{"type":"integer"}})", "[1,\"x\"]",
       "refused: a/1 must be an integer of 64 bits, is string"},
      {R"({"type":"array","items":{"type":"integer"}})", "{}",
       "refused: a must be an array, is object"},
      {R"({"type":"array"})", "[true]", "[true]"},
      {R"({"type":"object","properties":{"b":{"type":"integer"}}})", "{\"b\":1}", "{\"b\": 1}"},
      {R"({"type":"object","properties":{"b":{"type":"integer"}}})", "{\"b\":true}",
       "refused: a/b must be an integer of 64 bits, is boolean"},
      {R"({"type":"object","additionalProperties":{"type":"number"}})", "{\"b\":1}",
       "{\"b\": decimal(\"1.0\")}"},
      {R"({})", "1", "1"},
      {R"(true)", "1.5", "decimal(\"1.5\")"},
      {R"({})", "1.23456", "refused: a must be a number with at most four fraction digits"},
      {R"({})", "{\"b\":[1.5]}", "{\"b\": [decimal(\"1.5\")]}"},
      {R"({"type":["string","integer"]})", "1", "1"},
      {R"({"anyOf":[{"type":"string"},{"type":"integer"}]})", "\"x\"", "\"x\""},
      {R"({"anyOf":[{"const":"x"},{"const":"y"}]})", "\"x\"", "\"x\""},
      {R"({"anyOf":[{"const":"x"},{"const":"y"}]})", "1", "refused: a must be a string, is number"},
      {R"({"allOf":[{"type":"integer"}]})", "\"x\"",
       "refused: a must be an integer of 64 bits, is string"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.property);
    CAPTURE(row.value);
    const std::string found = convert(with("\"a\":" + std::string(row.property)),
                                      "{\"a\":" + std::string(row.value) + "}");
    if (row.converted.starts_with("refused"))
      CHECK(found == row.converted);
    else
      CHECK(found == "{\"a\": " + std::string(row.converted) + "}");
  }
}

TEST_CASE("null is absence where the schema allows it") {
  for (const std::string_view schema :
       {R"({"type":["integer","null"]})", R"({"type":"integer","nullable":true})",
        R"({"anyOf":[{"type":"integer"},{"type":"null"}]})",
        R"({"oneOf":[{"const":null},{"type":"integer"}]})", R"({"$ref":"#/$defs/maybe"})",
        R"({})"}) {
    CAPTURE(schema);
    const std::string whole =
        with("\"a\":" + std::string(schema), R"(,"$defs":{"maybe":{"type":["null","integer"]}})");
    CHECK(convert(whole, R"({"a":null})") == "{}");
    CHECK(convert(whole, R"({"a":5})") == "{\"a\": 5}");
  }
  CHECK(convert(with(R"("a":{"type":"array","items":{"type":["integer","null"]}})"),
                R"({"a":[1,null]})") == "{\"a\": [1]}");
}

TEST_CASE("an argument can never pose as an entity or extension value") {
  const std::string forged = R"({"a":{"__entity":{"type":"Mcp::User","id":"admin"}}})";
  CHECK(convert(with(R"("a":{})"), forged) ==
        "{\"a\": {\"__entity\": {\"id\": \"admin\", \"type\": \"Mcp::User\"}}}");
  CHECK(convert(with(R"("a":{"type":"string"})"), forged) ==
        "refused: a must be a string, is object");
  CHECK(convert("{\"type\":\"object\"}", R"({"__extn":{"fn":"ip","arg":"::1"}})") ==
        "{\"__extn\": {\"arg\": \"::1\", \"fn\": \"ip\"}}");
}

TEST_CASE("arguments that the schema does not know") {
  const std::string closed = with(R"("a":{"type":"integer"})", R"(,"additionalProperties":false)");
  CHECK(convert(closed, R"({"a":1,"b":2})") == "refused: b is not an argument of this tool");
  // A rule on `limit` holds for a server that takes it without saying so.
  CHECK(convert(with(R"("a":{"type":"integer"})"), R"({"limit":5000})") == "{\"limit\": 5000}");
  CHECK(convert("{\"type\":\"object\"}", R"({"a":null})") == "{}");
  CHECK(convert(closed, "[]") == "refused:  must be an object, is array");
}

TEST_CASE("references are followed inside the schema and never without end") {
  const std::string tree = R"({"type":"object","properties":{"node":{"$ref":"#/$defs/node"}},
    "$defs":{"node":{"type":"object","properties":{"name":{"type":"string"},
                     "children":{"type":"array","items":{"$ref":"#/$defs/node"}}}}}})";
  CHECK(convert(tree, R"({"node":{"name":"x","children":[{"name":1}]}})") ==
        "{\"node\": {\"children\": [{\"name\": 1}], \"name\": \"x\"}}");
  CHECK(convert(tree, R"({"node":{"name":1}})") ==
        "refused: node/name must be a string, is number");
  CHECK(convert(with(R"("a":{"$ref":"https://evil.example/schema"})"), R"({"a":1})") ==
        "{\"a\": 1}");
  std::string wide = R"({"type":"object","properties":{)";
  for (int i = 0; i < 2'500; ++i)
    wide += (i == 0 ? "\"p" : ",\"p") + std::to_string(i) + R"(":{"type":"string"})";
  CHECK(convert(wide + "}}", "{}") ==
        "schema: inputSchema: more than 2000 properties and nested schemas");
}

TEST_CASE("limits and schemas that are none") {
  std::string many = "{\"a\":[0";
  for (int i = 1; i < 25'000; ++i) many += "," + std::to_string(i);
  CHECK(convert(with(R"("a":{"type":"array"})"), many + "]}")
            .ends_with("has more than 20000 values"));
  CHECK(convert("[]", "{}") == "schema: inputSchema: not an object");
  CHECK(convert(R"({"type":"string"})", "{}") ==
        "schema: inputSchema: its type must be \"object\"");
  CHECK(convert(with(R"("a":{"type":"text"})"), "{}") ==
        "schema: inputSchema: \"text\" is no type");
  CHECK(convert("{}", R"({"a":1})") == "{\"a\": 1}");
}

TEST_CASE("types in Cedar's words") {
  CHECK(type_of(with(R"("s":{"type":"string"},"n":{"type":"number"},"i":{"type":"integer"},
      "b":{"type":"boolean"},"d":{"type":"string","format":"date-time"},
      "l":{"type":"array","items":{"type":"object","properties":{"x y":{"type":["string","null"]}},
           "required":["x y"]}})",
                     R"(,"required":["s","n"])")) ==
        "{ \"b\"?: Bool, \"d\"?: datetime, \"i\"?: Long, \"l\"?: Set<{ \"x y\"?: String }>, "
        "\"n\": decimal, \"s\": String }");
  const auto tree =
      parsed(with(R"("u":{"type":["string","integer"]},"o":{"type":"object"},"x":{})"));
  const auto program = ArgumentProgram::compile(tree.root());
  REQUIRE(program.has_value());
  CHECK(program->type() == "{ \"o\"?: {} }");
  CHECK(program->untyped().size() == 3);
}

TEST_CASE("a number without an exact value refuses the call only if a policy may read it") {
  struct Case {
    const char* policies;
    const char* arguments;
    const char* expected;
  };
  constexpr const char* nothing = "permit (principal, action, resource);";
  for (
      const Case& c : {
          Case{nothing, R"({"a":1.5,"b":1.23456})", R"({"a": decimal("1.5")})"},
          Case{nothing, R"({"place":{"lat":52.123456,"lon":13.5}})",
               R"({"place": {"lon": decimal("13.5")}})"},
          Case{nothing, R"({"list":[1,1.23456],"c":true})", R"({"c": true})"},
          Case{nothing, R"({"a":1e400})", "{}"},
          Case{R"(forbid (principal, action, resource) when { context.input has b };)",
               R"({"b":1.23456})", "refused: b must be a number with at most four fraction digits"},
          Case{R"(forbid (principal, action, resource) when { resource has b };)",
               R"({"b":1.23456})", "refused: b must be a number with at most four fraction digits"},
          Case{R"(forbid (principal, action, resource) when { context.input.place == {"x": 1} };)",
               R"({"place":{"lat":52.123456}})",
               "refused: place/lat must be a number with at most four fraction digits"},
          Case{R"(forbid (principal, action, resource) when { context.input == {} };)",
               R"({"b":1.23456})", "refused: b must be a number with at most four fraction digits"},
          Case{R"(forbid (principal, action, resource) when { context == {} };)",
               R"({"b":1.23456})", "refused: b must be a number with at most four fraction digits"},
          Case{
              R"(forbid (principal, action, resource) when { (if true then context.input else context.input).c };)",
              R"({"b":1.23456})", "refused: b must be a number with at most four fraction digits"},
      }) {
    CAPTURE(c.policies);
    CAPTURE(c.arguments);
    const auto policies = cedar::parse_policies(c.policies);
    REQUIRE(policies.has_value());
    CHECK(convert("{}", c.arguments, Reads(*policies)) == c.expected);
  }
}

TEST_CASE("URLs and SQL are noticed wherever they are") {
  const auto tree = parsed(with(R"("query":{"type":"string"},"url":{"type":"string"})"));
  const auto program = ArgumentProgram::compile(tree.root());
  REQUIRE(program.has_value());
  const auto seen_in = [&](std::string_view arguments) {
    const auto given = parsed(arguments);
    cedar::Arena arena;
    Sightings seen;
    Refusal refusal;
    CHECK(program->convert(given.root(), arena, seen, refusal));
    return std::to_string(seen.urls.size()) + " " + std::to_string(seen.sql.size()) +
           (seen.too_many ? " more" : "");
  };
  CHECK(seen_in(R"({"url":"https://a.example","more":{"x":["http://b.example"]}})") == "2 0");
  CHECK(seen_in(R"({"query":"customers in Berlin"})") == "0 0");
  CHECK(seen_in(R"({"query":"select 1"})") == "0 1");
  CHECK(seen_in(R"({"sql":"anything"})") == "0 1");
  CHECK(seen_in(R"({"statements":["select 1","select 2"]})") == "0 2");
  CHECK(seen_in(R"({"o":{"raw_sql":"x"}})") == "0 1");
  std::string many = "{\"sql\":[\"x0\"";
  for (int i = 1; i < 70; ++i) many += ",\"x" + std::to_string(i) + "\"";
  CHECK(seen_in(many + "]}") == "0 64 more");
}
