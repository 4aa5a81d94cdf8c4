#include "cedar/policy_json.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>

#include "cedar/detail/public_data.h"
#include "json/value.h"
#include "json/write.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

constexpr json::Limits deep{.depth = 1'000, .allow_nul = true};

PolicySet policies_of(std::string_view text) {
  auto set = parse_policies(text, "p.cedar", Naming::by_order);
  REQUIRE_MESSAGE(set.has_value(), set.error().detail);
  return *set;
}

json::Document json_of(std::string_view text) {
  auto document = json::Document::parse(text, deep);
  REQUIRE_MESSAGE(document.has_value(), text);
  return *std::move(document);
}

std::string body_of(std::string_view expression) {
  const auto set =
      policies_of(std::format("permit(principal, action, resource) when {{ {} }};", expression));
  return json::to_string(json_of(to_json(set[0])).root()["conditions"].at(0)["body"]);
}

// JSON, text, JSON again.
void returns(const Policy& policy) {
  const std::string first = to_json(policy);
  const auto text = policy_text(json_of(first).root());
  REQUIRE_MESSAGE(text.has_value(), (text ? "" : text.error().detail), "\n", first);
  const auto again = parse_policies(*text, "again", Naming::by_order);
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().detail), "\n", *text);
  REQUIRE(again->policies().size() + again->templates().size() == 1);
  const Policy& twin = again->policies().empty() ? again->templates()[0] : (*again)[0];
  CHECK(to_json(twin) == first);
}

std::string refused(std::string_view body) {
  const auto document = json_of(
      std::format(R"({{"effect":"permit","principal":{{"op":"All"}},"action":{{"op":"All"}},)"
                  R"("resource":{{"op":"All"}},"conditions":[{{"kind":"when","body":{}}}]}})",
                  body));
  const auto text = policy_text(document.root());
  return text ? "text: " + *text : text.error().detail;
}

}  // namespace

TEST_CASE("expressions as JSON, as the official implementation writes them") {
  const std::pair<std::string_view, std::string_view> table[] = {
      {"- 3 == -(3)", R"({"==":{"left":{"Value":-3},"right":{"neg":{"arg":{"Value":3}}}}})"},
      {"1 - 2 + 3 == 1",
       R"({"==":{"left":{"+":{"left":{"-":{"left":{"Value":1},"right":{"Value":2}}},"right":{"Value":3}}},"right":{"Value":1}}})"},
      {"true && !false && true",
       R"({"&&":{"left":{"&&":{"left":{"Value":true},"right":{"!":{"arg":{"Value":false}}}}},"right":{"Value":true}}})"},
      {"context has a.b.c", R"({"has":{"left":{"Var":"context"},"attr":["a","b","c"]}})"},
      {"context has \"a b\"", R"({"has":{"left":{"Var":"context"},"attr":"a b"}})"},
      {"context[\"a b\"] == {a: 1}",
       R"({"==":{"left":{".":{"left":{"Var":"context"},"attr":"a b"}},"right":{"Record":{"a":{"Value":1}}}}})"},
      {"principal is A::B in [A::\"x\"]",
       R"({"is":{"left":{"Var":"principal"},"entity_type":"A::B","in":{"Set":[{"Value":{"__entity":{"type":"A","id":"x"}}}]}}})"},
      {"\"a\" like \"ab*\"",
       R"({"like":{"left":{"Value":"a"},"pattern":[{"Literal":"ab"},"Wildcard"]}})"},
      {"decimal(\"1.0\").lessThan(decimal(\"2\"))",
       R"({"lessThan":[{"decimal":[{"Value":"1.0"}]},{"decimal":[{"Value":"2"}]}]})"},
      {"[].isEmpty()", R"({"isEmpty":{"arg":{"Set":[]}}})"},
      {"if true then principal.hasTag(\"a\") else 1 >= 2",
       R"({"if-then-else":{"if":{"Value":true},"then":{"hasTag":{"left":{"Var":"principal"},"right":{"Value":"a"}}},"else":{">=":{"left":{"Value":1},"right":{"Value":2}}}}})"},
  };
  for (const auto& [text, expected] : table) {
    CAPTURE(text);
    CHECK(body_of(text) == expected);
    returns(
        policies_of(std::format("permit(principal, action, resource) when {{ {} }};", text))[0]);
  }
}

TEST_CASE("scopes, conditions and annotations") {
  const auto set = policies_of(
      "@id(\"x\") @foo @empty(\"\") forbid(principal is A::B in G::\"g\", action in "
      "[Action::\"a\", N::Action::\"b\"], resource == R::\"r\\\"\\n\") when { true } unless { "
      "false };");
  CHECK(
      to_json(set[0]) ==
      R"({"effect":"forbid","principal":{"op":"is","entity_type":"A::B","in":{"entity":{"type":"G","id":"g"}}},)"
      R"("action":{"op":"in","entities":[{"type":"Action","id":"a"},{"type":"N::Action","id":"b"}]},)"
      R"("resource":{"op":"==","entity":{"type":"R","id":"r\"\n"}},)"
      R"("conditions":[{"kind":"when","body":{"Value":true}},{"kind":"unless","body":{"Value":false}}],)"
      R"("annotations":{"id":"x","foo":null,"empty":""}})");
  for (const std::string_view text :
       {"permit(principal, action, resource);", "permit(principal, action in [], resource);",
        "permit(principal in ?principal, action == Action::\"a\", resource is T in ?resource);",
        "permit(principal == ?principal, action in Action::\"a\", resource is T);",
        "@if forbid(principal == A::\"\", action, resource in B::\"\\0\");"}) {
    CAPTURE(text);
    const auto one = policies_of(text);
    returns(one.templates().empty() ? one[0] : one.templates()[0]);
  }
}

TEST_CASE("a set with templates and links comes back as it was") {
  PolicySet::Builder builder;
  REQUIRE(builder.add("@id(\"a\") permit(principal, action, resource);", "a"));
  REQUIRE(builder.add("@id(\"t\") permit(principal == ?principal, action, resource in ?resource);",
                      "t"));
  REQUIRE(builder.link("t", "l", EntityUid("U", "u\""), EntityUid("R", "r")));
  const PolicySet set = builder.build();
  const std::string text = to_json(set);
  const auto again = policies_from_json(json_of(text).root());
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().detail));
  CHECK(to_json(*again) == text);
  REQUIRE(again->find("l") != nullptr);
  CHECK(again->find("l")->template_id == "t");
  CHECK(same(*again->find("l"), *set.find("l")));

  for (
      const auto& [wrong, words] :
      std::initializer_list<std::pair<std::string_view, std::string_view>>{
          {R"([])", "a policy set is an object"},
          {R"({"policies":{}})", "staticPolicies"},
          {R"({"staticPolicies":{"a":"permit(principal,action,resource); permit(principal,action,resource);"}})",
           "not exactly one policy"},
          {R"({"staticPolicies":{"a":"permit(principal == ?principal,action,resource);"}})",
           "not exactly one policy"},
          {R"({"staticPolicies":{"a":{"effect":"maybe"}}})", "`effect`"},
          {R"({"templateLinks":[{"templateId":"x","newId":"y","values":{}}]})",
           "there is no template"}}) {
    CAPTURE(wrong);
    const auto refused_set = policies_from_json(json_of(wrong).root());
    REQUIRE_FALSE(refused_set.has_value());
    CHECK(refused_set.error().detail.contains(words));
  }
}

TEST_CASE("values in JSON may be whole sets and records") {
  CHECK(refused(R"({"Value":[1,{"a":{"__extn":{"fn":"ip","arg":"1.1.1.1"}}}]})") ==
        "text: permit(principal, action, resource)\nwhen { [1, {\"a\": ip(\"1.1.1.1\")}] };\n");
  CHECK(refused(R"({"Value":{"__extn":{"fn":"decimal","args":["1.0"]}}})").starts_with("text:"));
}

TEST_CASE("what is no expression is refused, and no name or string gets out of its place") {
  const std::pair<std::string_view, std::string_view> table[] = {
      {R"({"foo":[]})", "there is no expression \"foo\""},
      {R"({"Value":null})", "a value is no null"},
      {R"({"Value":1.5})", "a value is no null"},
      {R"({"Value":{"__expr":"1"}})", "`__expr`"},
      {R"({"Slot":"?principal"})", "there is no expression"},
      {R"({"Var":"foo"})", "`Var`"},
      {R"({"==":{"left":{"Value":1},"right":{"Value":2},"x":1}})", "there is no member \"x\""},
      {R"({"!":{"arg":{"Value":true}},"neg":{"arg":{"Value":1}}})", "one member"},
      {R"({"decimal":{"Value":1}})", "an array"},
      {R"({"lessThan":[]})", "needs a receiver"},
      {R"({"has":{"left":{"Var":"context"},"attr":[]}})", "`attr`"},
      {R"({"has":{"left":{"Var":"context"},"attr":["a b","c"]}})", "cannot stand in a path"},
      {R"({"is":{"left":{"Var":"principal"},"entity_type":"A ::B"}})", "no name of an entity type"},
      {R"({"is":{"left":{"Var":"principal"},"entity_type":"if"}})", "no name of an entity type"},
      {R"({"Value":{"__entity":{"type":"A::\"x\" || true || A","id":"x"}}})", "no name"},
      {R"({"like":{"left":{"Value":"a"},"pattern":"a*"}})", "`pattern`"},
      {R"({"Set":{}})", "an array"},
      {R"({"/":{"left":{"Value":1},"right":{"Value":2}}})", "there is no expression \"/\""},
  };
  for (const auto& [body, words] : table) {
    CAPTURE(body);
    const std::string got = refused(body);
    CAPTURE(got);
    CHECK(got.contains(words));
    CHECK_FALSE(got.starts_with("text:"));
  }
  CHECK(refused(R"({".":{"left":{"Var":"context"},"attr":"a\"] || true || context[\"b"}})") ==
        "text: permit(principal, action, resource)\nwhen { (context)[\"a\\\"] || true || "
        "context[\\\"b\"] };\n");
}

TEST_CASE("long chains come through, deep nesting is refused") {
  std::string chain = "true";
  for (int i = 0; i < 400; ++i) chain += " && true";
  returns(policies_of(std::format("permit(principal, action, resource) when {{ {} }};", chain))[0]);
  const std::string nested = std::string(600, '[') + std::string(600, ']');
  CHECK(refused(std::format(R"({{"Value":{}}})", nested)).contains("nested more than 512"));
}

TEST_CASE("every policy of the corpus comes back from JSON") {
  const auto path = shared("cedar-corpus-2026-03-13.tar.xz");
  if (!path) return;
  int count = 0;
  for (const auto& [name, text] : unpack(*path)) {
    if (!name.ends_with(".cedar")) continue;
    CAPTURE(name);
    const auto set = parse_policies(without_nul(text, false), name, Naming::by_order);
    REQUIRE(set.has_value());
    returns((*set)[0]);
    ++count;
  }
  CHECK(count == 7809);
}
