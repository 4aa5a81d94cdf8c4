#include "inspect/schema.h"

#include <doctest/doctest.h>

#include <string>

using namespace latticegate;
using inspect::Schema;

namespace {
Schema compiled(std::string_view text) {
  const auto document = json::Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  auto schema = Schema::compile(document->root());
  REQUIRE_MESSAGE(schema.has_value(), (schema ? std::string() : schema.error().detail));
  return *std::move(schema);
}
std::string verdict(const Schema& schema, std::string_view text) {
  const auto document = json::Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  return schema.validate(document->root()).text();
}
std::string refusal(std::string_view text, const inspect::SchemaLimits& limits = {}) {
  const auto document = json::Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  const auto schema = Schema::compile(document->root(), limits);
  return schema ? "accepted" : schema.error().detail;
}
}  // namespace

TEST_CASE("keywords hold and fail, each with a sentence") {
  struct Row {
    std::string_view schema, good, bad, sentence;
  };
  for (
      const Row& row : {
          Row{R"({"type":"string"})", R"("x")", "1", "arguments: must be a string, is 1"},
          Row{R"({"type":["string","null"]})", "null", "true",
              "arguments: must be null or a string, is true"},
          Row{R"({"type":"integer"})", "5.0", "5.5", "arguments: must be a whole number, is 5.5"},
          Row{R"({"type":"integer"})", "123456789012345678901", "\"5\"",
              "arguments: must be a whole number, is \"5\""},
          Row{R"({"enum":["a","b",{"x":[1]}]})", R"({"x":[1.0]})", "\"c\"",
              "arguments: must be one of \"a\", \"b\", an object; is \"c\""},
          Row{R"({"const":5})", "5.0", "6", "arguments: must be 5, is 6"},
          Row{R"({"minimum":1,"maximum":100})", "100", "5000",
              "arguments: must be at most 100, is 5000"},
          Row{R"({"exclusiveMinimum":0})", "0.1", "0", "arguments: must be above 0, is 0"},
          Row{R"({"minimum":3,"exclusiveMinimum":true})", "4", "3",
              "arguments: must be above 3, is 3"},
          Row{R"({"multipleOf":0.1})", "4.3", "4.35",
              "arguments: must be a multiple of 0.1, is 4.35"},
          Row{R"({"maximum":9007199254740993})", "9007199254740993", "9007199254740994",
              "arguments: must be at most 9007199254740993, is 9007199254740994"},
          Row{R"({"minLength":2,"maxLength":3})", "\"\xC3\xA4\xC3\xB6\xC3\xBC\"", "\"abcd\"",
              "arguments: must have at most 3 characters, has 4"},
          Row{R"({"pattern":"^a+$"})", "\"aa\"", "\"b\"",
              "arguments: must match the pattern \"^a+$\""},
          Row{R"({"format":"date-time"})", "\"2026-11-22T14:00:00.5+01:00\"", "\"yesterday\"",
              "arguments: must be of the format date-time"},
          Row{R"({"format":"ipv6"})", "\"fe80::1\"", "\"fe80::1::2\"",
              "arguments: must be of the format ipv6"},
          Row{R"({"format":"uuid"})", "\"123e4567-e89b-12d3-a456-426614174000\"", "\"x\"",
              "arguments: must be of the format uuid"},
          Row{R"({"format":"email"})", "\"a@b.test\"", "\"a b\"",
              "arguments: must be of the format email"},
          Row{R"({"format":"uri"})", "\"https://a.test/x?y#z\"", "\"no uri\"",
              "arguments: must be of the format uri"},
          Row{R"({"required":["a"]})", R"({"a":1})", "{}", "arguments: needs the member \"a\""},
          Row{R"({"properties":{"limit":{"type":"integer"}},"additionalProperties":false})",
              R"({"limit":1})", R"({"limt":1})",
              "limt: is not a member that is allowed here; did you mean \"limit\"?"},
          Row{R"({"properties":{"a/b":{"type":"string"}}})", R"({"a/b":"x","c":1})", R"({"a/b":1})",
              "a~1b: must be a string, is 1"},
          Row{R"({"additionalProperties":{"type":"number"}})", R"({"x":1})", R"({"x":"1"})",
              "x: must be a number, is \"1\""},
          Row{R"({"patternProperties":{"^x-":{"type":"number"}},"additionalProperties":false})",
              R"({"x-a":1})", R"({"y":1})", "y: is not a member that is allowed here"},
          Row{R"({"propertyNames":{"maxLength":2}})", R"({"ab":1})", R"({"abc":1})",
              "abc: has a name that is not allowed here"},
          Row{R"({"minProperties":1,"maxProperties":1})", R"({"a":1})", "{}",
              "arguments: must have at least 1 members, has 0"},
          Row{R"({"dependentRequired":{"a":["b"]}})", R"({"a":1,"b":2})", R"({"a":1})",
              "arguments: needs the member \"b\" beside \"a\""},
          Row{R"({"dependencies":{"a":{"required":["c"]}}})", R"({"b":1})", R"({"a":1})",
              "arguments: needs the member \"c\""},
          Row{R"({"items":{"type":"string"},"maxItems":2})", R"(["a","b"])", R"(["a",1])",
              "1: must be a string, is 1"},
          Row{R"({"prefixItems":[{"type":"string"}],"items":false})", R"(["a"])", R"(["a",1])",
              "1: is not allowed here"},
          Row{R"({"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}],"additionalItems":false})",
              R"(["a"])", R"(["a",1])", "1: is not allowed here"},
          Row{R"({"contains":{"type":"null"},"minContains":2})", "[null,1,null]", "[null]",
              "arguments: must contain 2 element(s) of a given form, has 1"},
          Row{R"({"uniqueItems":true})", R"([1,2,{"a":1}])", R"([{"a":1.0},{"a":1}])",
              "arguments: must not contain the same element twice"},
          Row{R"({"allOf":[{"minimum":1},{"maximum":2}]})", "2", "3",
              "arguments: must be at most 2, is 3"},
          Row{R"({"anyOf":[{"type":"string"},{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}]})",
              R"({"id":1})", R"({"id":"x"})",
              "arguments: matches none of the 2 forms that are allowed; the closest says: /id must "
              "be a whole number, is \"x\""},
          Row{R"({"oneOf":[{"minimum":1},{"maximum":5}]})", "9", "3",
              "arguments: must match exactly one of 2 forms, matches 2"},
          Row{R"({"not":{"type":"null"}})", "1", "null",
              "arguments: is of a form that is excluded here"},
          Row{R"({"if":{"properties":{"k":{"const":"a"}},"required":["k"]},"then":{"required":["x"]},"else":{"required":["y"]}})",
              R"({"k":"a","x":1})", R"({"k":"b","x":1})", "arguments: needs the member \"y\""},
          Row{R"({"$ref":"#/$defs/p","$defs":{"p":{"type":"number"}},"minimum":3})", "3", "2",
              "arguments: must be at least 3, is 2"},
          Row{R"({"$ref":"#here","$defs":{"p":{"$anchor":"here","type":"number"}}})", "3", "\"x\"",
              "arguments: must be a number, is \"x\""},
          Row{R"({"properties":{"next":{"$ref":"#"}},"required":["v"]})",
              R"({"v":1,"next":{"v":2}})", R"({"v":1,"next":{}})", "next: needs the member \"v\""},
          Row{R"({"properties":{"a":{}},"unevaluatedProperties":false})", R"({"a":1})",
              R"({"zz":1})", "zz: is not a member that is allowed here"},
          Row{"true", "1", "", ""},
          Row{"false", "", "1", "arguments: is not allowed here"},
      }) {
    CAPTURE(row.schema);
    const Schema schema = compiled(row.schema);
    CHECK(schema.unchecked().empty());
    if (!row.good.empty()) CHECK(verdict(schema, row.good) == "");
    if (!row.bad.empty()) CHECK(verdict(schema, row.bad) == row.sentence);
  }
}

TEST_CASE("arguments that are absent are an empty object") {
  CHECK(compiled(R"({"type":"object"})").validate({}).valid());
  CHECK(compiled(R"({"required":["a"]})").validate({}).text() ==
        "arguments: needs the member \"a\"");
}

TEST_CASE("all that is wrong is said, up to a limit") {
  const Schema schema = compiled(
      R"({"type":"object","properties":{"a":{"type":"string"},"b":{"minimum":5}},"required":["c"]})");
  CHECK(
      verdict(schema, R"({"a":1,"b":2})") ==
      "arguments: needs the member \"c\"\na: must be a string, is 1\nb: must be at least 5, is 2");
  const auto document = json::Document::parse(R"({"items":{"type":"string"}})");
  const auto many = Schema::compile(document->root(), {.violations = 3});
  const auto numbers = json::Document::parse("[1,2,3,4,5,6]");
  CHECK(many->validate(numbers->root()).violations.size() == 3);
}

TEST_CASE("schemas that are wrong, foreign or too large are refused with their place") {
  struct Row {
    std::string_view schema, words;
  };
  for (const Row& row : {
           Row{R"({"type":"any"})", "schema at its root: \"any\" is no type"},
           Row{R"({"properties":{"a":{"type":5}}})", "schema /properties/a: 5 is no type"},
           Row{R"({"$ref":"https://x.test/s.json"})", "leaves the schema; nothing is fetched"},
           Row{R"({"$ref":"other.json#/a"})", "leaves the schema"},
           Row{R"({"$ref":"#/$defs/none"})", "points to nothing"},
           Row{R"({"$dynamicRef":"#x"})", "$dynamicRef"},
           Row{R"({"$schema":"http://json-schema.org/draft-04/schema#"})", "the schema dialect"},
           Row{R"({"minLength":-1})", "minLength is a whole number"},
           Row{R"({"anyOf":[]})", "anyOf is a list of schemas"},
           Row{R"({"properties":[]})", "properties is an object"},
           Row{R"({"items":5})", "schema /items: a schema is an object"},
           Row{R"({"multipleOf":0})", "multipleOf is above 0"},
           Row{R"("x")", "a schema is an object"},
       }) {
    CAPTURE(row.schema);
    const std::string words = refusal(row.schema);
    CAPTURE(words);
    CHECK(words.contains(row.words));
  }
  CHECK(refusal(R"({"properties":{"a":{},"b":{}}})", {.subschemas = 2})
            .contains("more than 2 subschemas"));
  CHECK(refusal(R"({"properties":{"a":{},"b":{}}})", {.subschemas = 3}) == "accepted");
}

TEST_CASE("what cannot be checked is said") {
  const Schema schema = compiled(R"s({"properties":{"a":{"pattern":"(?=x)"},"b":{"format":"color"}},
      "patternProperties":{"(a)\\1":{}},"additionalProperties":false,"allOf":[{}],"unevaluatedItems":false})s");
  CHECK(schema.unchecked().size() == 4);
  CHECK(schema.unchecked()[0].starts_with("/properties/a: pattern \"(?=x)\": a look-ahead"));
  CHECK(verdict(schema, R"({"a":"y","other":1})") == "");
}

TEST_CASE("hostile schemas and values end in bounded time, and never as valid") {
  const Schema self = compiled(R"({"$ref":"#"})");
  const auto value = json::Document::parse("1");
  CHECK_FALSE(self.validate(value->root()).complete);
  CHECK_FALSE(self.validate(value->root()).valid());
  const Schema loop = compiled(R"({"allOf":[{"$ref":"#"},{"$ref":"#"}]})");
  CHECK_FALSE(loop.validate(value->root()).valid());
  // Every level asks both branches: 2^depth without a budget.
  const Schema wide =
      compiled(R"({"$defs":{"t":{"anyOf":[{"items":{"$ref":"#/$defs/t"},"minItems":9},)"
               R"({"items":{"$ref":"#/$defs/t"},"maxItems":0}]}},"$ref":"#/$defs/t"})");
  std::string deep;
  for (int i = 0; i < 31; ++i) deep += '[';
  for (int i = 0; i < 31; ++i) deep += ']';
  const auto nested = json::Document::parse(deep);
  CHECK_FALSE(wide.validate(nested->root()).valid());
  // A pattern over a long text pays from the same budget.
  const auto document = json::Document::parse(R"s({"pattern":"^(a|aa)+$"})s");
  const auto costly = Schema::compile(document->root(), {.work = 1000});
  const auto text = json::Document::parse("\"" + std::string(5000, 'a') + "\"");
  const auto result = costly->validate(text->root());
  CHECK_FALSE(result.complete);
  CHECK_FALSE(result.valid());
}
