// The validator in small: what each rule says, for which request, and where; templates and links;
// levels; limits; texts that deceive. The wide comparison is validate_conformance_test.
#include "cedar/validate.h"

#include <doctest/doctest.h>

#include <array>
#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/suspicious.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

constexpr std::string_view schema_text = R"(
entity Group in [Group];
entity User in [Group] { dept: String, age?: Long, boss?: User, tags: Set<String> } tags String;
entity Doc { owner: User, labels: Set<String>, ext?: { a?: Long }, at: datetime };
entity Color enum ["red", "green"];
action all;
action view, edit in [all] appliesTo {
  principal: [User], resource: [Doc],
  context: { n: Long, ip: ipaddr, opt?: String, color: Color, price: decimal } };
action join appliesTo { principal: [User, Group], resource: [Group] };
)";

const Schema& schema() {
  static const Schema parsed = parse_schema(schema_text).value();
  return parsed;
}

std::vector<std::string> findings_of(std::string_view text, ValidationSettings settings = {}) {
  const auto policies = parse_policies(text, "p");
  REQUIRE_MESSAGE(policies.has_value(), (policies ? "" : policies.error().detail));
  std::vector<std::string> all;
  for (const Finding& finding : validate(*policies, schema(), settings).findings)
    all.push_back(std::format("{} {}", name(finding.problem), describe(finding)));
  return all;
}

std::string viewing(std::string_view condition) {
  return std::format("permit(principal, action == Action::\"view\", resource) when {{ {} }};",
                     condition);
}

// The problems of a condition on viewing, as one word list.
std::string problems(std::string_view condition, ValidationSettings settings = {}) {
  const auto policies = parse_policies(viewing(condition));
  REQUIRE_MESSAGE(policies.has_value(), (policies ? "" : policies.error().detail));
  std::string all;
  for (const Finding& finding : validate(*policies, schema(), settings).findings)
    all += std::format("{}{}", all.empty() ? "" : " ", name(finding.problem));
  return all;
}

}  // namespace

TEST_CASE("a finding has words, a place and the kind of request it is about") {
  CHECK(findings_of("permit(principal, action, resource)\nwhen { principal.dept == \"a\" };") ==
        std::vector<std::string>{"no_attribute p:2:8: policy `policy0`: there is no attribute "
                                 "`dept` on Group (for Group, Action::\"join\", Group)"});
  CHECK(findings_of("permit(principal == Usr::\"a\", action == Action::\"viw\", resource);") ==
        std::vector<std::string>{
            "unknown_entity_type p:1:8: policy `policy0`: there is no entity type `Usr` (did you "
            "mean `User`?)",
            "unknown_action p:1:31: policy `policy0`: there is no action Action::\"viw\" (did you "
            "mean \"view\"?)",
            "no_applicable_action p:1:1: policy `policy0`: no action applies to what the scope "
            "admits",
            "impossible p:1:1: policy `policy0`: is false for every request that the schema "
            "admits"});
  CHECK(findings_of("permit(principal, action in [], resource);")[1].starts_with("empty_set"));
}

TEST_CASE("rules, one by one") {
  struct Case {
    std::string_view condition;
    std::string_view problems;
  };
  const std::array<Case, 54> cases{{
      // Presence.
      {"principal.age > 1", "optional_attribute"},
      {"principal has age && principal.age > 1", ""},
      {"principal has age || principal.age > 1", "optional_attribute"},
      {"!(principal has age) || principal.age > 1", "optional_attribute"},
      {"if principal has age then principal.age > 1 else true", ""},
      {"(principal has age && context.n > 1) && principal.age > 1", ""},
      {"(principal has age || principal has age) && principal.age > 1", ""},
      {"(principal has age || principal has boss) && principal.age > 1", "optional_attribute"},
      {"(if context.n > 1 then principal has age else principal has age) && principal.age > 1", ""},
      {"resource has ext.a && resource.ext.a > 1", ""},
      {"resource has ext && resource.ext has a && resource[\"ext\"][\"a\"] > 1", ""},
      {"resource.owner has boss.age && resource.owner.boss.age > 1", ""},
      {"principal has boss.boss && resource.owner.boss.boss == principal",
       "optional_attribute optional_attribute"},
      {"context has opt && context.opt == \"x\"", ""},
      {"principal has nothing && principal.nothing == 1", "impossible"},
      // Tags.
      {"principal.hasTag(\"a\") && principal.getTag(\"a\") == \"x\"", ""},
      {"principal.getTag(\"a\") == \"x\"", "unsafe_tag"},
      {"principal.hasTag(\"a\") && principal.getTag(\"b\") == \"x\"", "unsafe_tag"},
      {"principal.hasTag(principal.dept) && principal.getTag(principal.dept) == \"x\"", ""},
      {"resource.hasTag(\"a\") && resource.getTag(\"a\") == 1", "impossible"},
      // Types.
      {"context.n", "unexpected_type"},
      {"context.n == \"1\"", "incompatible_types"},
      {"principal.dept < \"b\"", "unexpected_type unexpected_type"},
      {"context.price < decimal(\"1.0\")", "unexpected_type unexpected_type"},
      {"context.price.lessThan(decimal(\"1.0\"))", ""},
      {"resource.at < datetime(\"2026-01-01\")", ""},
      {"resource.at < duration(\"1h\")", "unexpected_type"},
      {"resource.at.offset(duration(\"1h\")) > resource.at", ""},
      {"resource.labels.contains(1)", "incompatible_types"},
      {"resource.labels.containsAll([\"a\"])", ""},
      {"resource.labels.containsAny(\"a\")", "unexpected_type"},
      {"[1, \"a\"].contains(1)", "incompatible_types"},
      {"resource.labels == []", "empty_set"},
      {"resource.labels.isEmpty()", ""},
      {"principal.dept in [\"a\", \"b\"]", "unexpected_type unexpected_type"},
      {"(if context.n > 1 then 1 else \"a\") == 1", "incompatible_types"},
      {"{a: 1} == {a: 2}", ""},
      {"{a: 1} == {b: 2}", "incompatible_types"},
      {"principal.dept like \"a*\"", ""},
      {"context.n like \"a*\"", "unexpected_type"},
      {"-context.n + 1 * 2 > 0", ""},
      {"-context.ip > 0", "unexpected_type"},
      // What is known without a request.
      {"true || principal.nothing", ""},
      {"false && principal.nothing", "impossible"},
      {"principal is User && 1 == 1", ""},
      {"principal is Group", "impossible"},
      {"principal == resource", "impossible"},
      {"resource in principal", "impossible"},
      {"action in Action::\"all\" && action != Action::\"edit\"", ""},
      {"action in [Action::\"edit\"]", "impossible"},
      // Constructors and names.
      {"context.ip.isInRange(ip(\"10.0.0.0/8\"))", ""},
      {"ip(\"10.0.0\") == context.ip || decimal(\"1\") == context.price",
       "bad_literal bad_literal"},
      {"context has opt && ip(context.opt) == ip(\"1.1.1.1\", \"2.2.2.2\")",
       "computed_constructor arity"},
      {"context.color == Color::\"blue\" || principal is Nobody", "unknown_id unknown_entity_type"},
  }};
  for (const Case& one : cases) {
    CAPTURE(one.condition);
    CHECK(problems(one.condition) == one.problems);
  }
}

TEST_CASE("permissive mode lets types mix") {
  const ValidationSettings permissive{.mode = Strictness::permissive, .level = {}};
  for (const std::string_view fine :
       {"resource.labels == []", "{a: 1} == {b: 2}", "principal in [Group::\"a\", User::\"b\"]",
        "context has opt && ip(context.opt) == context.ip", "context.n == \"1\"",
        "(if context.n > 1 then {a: 1, b: 2} else {a: 3}).a == 1",
        "(if context.n > 1 then principal else resource) == principal"}) {
    CAPTURE(fine);
    CHECK(problems(fine, permissive).empty());
    CHECK_FALSE(problems(fine).empty());
  }
  CHECK(problems("(if context.n > 1 then principal else resource).dept == \"a\"", permissive) ==
        "no_attribute");
}

TEST_CASE("templates are checked for all that may fill their slots; links for what does") {
  CHECK(findings_of("@id(\"t\") permit(principal in ?principal, action == Action::\"view\", "
                    "resource == ?resource) when { resource.owner == principal };")
            .empty());
  CHECK(findings_of("permit(principal == ?principal, action, resource) when { principal.dept == "
                    "\"a\" };")
            .size() == 1);
  PolicySet::Builder builder;
  REQUIRE(builder
              .add("@id(\"t\") permit(principal in ?principal, action == Action::\"view\", "
                   "resource) when { context.n };",
                   "t")
              .has_value());
  REQUIRE(builder.link("t", "good", EntityUid("Group", "g"), {}).has_value());
  REQUIRE(builder.link("t", "bad", EntityUid("Doc", "d"), {}).has_value());
  REQUIRE(builder.link("t", "worse", EntityUid("Nope", "d"), {}).has_value());
  const PolicySet set = builder.build();
  std::vector<std::string> all;
  const Validation validation = validate(set, schema());
  for (const Finding& finding : validation.findings)
    all.push_back(std::format("{} {}", finding.policy->id, name(finding.problem)));
  CHECK(all == std::vector<std::string>{"bad no_applicable_action", "worse unknown_entity_type",
                                        "worse no_applicable_action", "t unexpected_type"});
  CHECK_FALSE(validation.valid());
}

TEST_CASE("levels count the entities that are read in a row") {
  struct Case {
    std::string_view condition;
    std::uint32_t level;
  };
  const std::array<Case, 9> cases{{
      {"context.n > 1", 0},
      {"principal == resource.owner || true", 1},
      {"principal.dept == \"a\"", 1},
      {"resource.owner.dept == \"a\"", 2},
      {"resource.owner has boss && resource.owner.boss.dept == \"a\"", 3},
      {"resource.owner has boss.age", 3},
      {"resource.owner in Group::\"g\"", 2},
      {"resource.owner.hasTag(\"x\")", 2},
      {"principal in resource.owner", 1},
  }};
  for (const Case& one : cases) {
    CAPTURE(one.condition);
    CHECK(problems(one.condition, {.level = one.level}).empty());
    if (one.level > 0)
      CHECK(problems(one.condition, {.level = one.level - 1}).starts_with("level"));
  }
  CHECK(problems("User::\"a\".dept == \"x\"", {.level = 5}) == "level");
  CHECK(problems("User::\"a\".dept == \"x\"").empty());
}

TEST_CASE("texts and names that are not what they look like") {
  struct Case {
    std::string_view text;
    Suspicion as_text;
    Suspicion as_name;
  };
  const std::array<Case, 14> cases{{
      {"plain ASCII {1} ~", Suspicion::none, Suspicion::none},
      {"tab\t", Suspicion::none, Suspicion::unusual},
      {"Gr\u00fc\u00dfe", Suspicion::none, Suspicion::none},
      {"\u043f\u0440\u0438\u0432\u0435\u0442", Suspicion::none, Suspicion::none},
      {"\u0430dmin", Suspicion::mixed_scripts, Suspicion::mixed_scripts},
      {"say_\u04bbello", Suspicion::mixed_scripts, Suspicion::mixed_scripts},
      {"\u6f22\u5b57\u304b\u306a", Suspicion::none, Suspicion::none},  // Han with Hiragana
      {"\u6f22\u5b57\ud55c\uae00", Suspicion::none, Suspicion::none},  // Han with Hangul
      {"\u304b\u306a\ud55c", Suspicion::mixed_scripts, Suspicion::mixed_scripts},
      {"user\u202e && admin", Suspicion::bidirectional, Suspicion::bidirectional},
      {"is\u200bAdmin", Suspicion::none, Suspicion::unusual},
      {"\U0001F34C", Suspicion::none, Suspicion::unusual},
      {"e\u0301", Suspicion::none, Suspicion::none},
      {"\u05d0b", Suspicion::mixed_scripts, Suspicion::mixed_scripts},
  }};
  for (const Case& one : cases) {
    CAPTURE(one.text);
    CHECK(suspicious_text(one.text) == one.as_text);
    CHECK(suspicious_name(one.text) == one.as_name);
  }
  CHECK(escaped("a\"\n\u0430") == "\"a\\\"\\u{a}\\u{430}\"");
  CHECK(problems("principal.dept == \"\u0430dmin\"") == "mixed_scripts");
  CHECK(problems("principal.dept like \"*\u0430dmin\"") == "mixed_scripts");
  CHECK(problems("principal.hasTag(\"a\u202e\")") == "bidirectional");
  CHECK(problems("principal.dept == \"\u0430dmin\"", {.level = {}, .texts = false}).empty());
  CHECK(problems("principal in Group::\"a\u200b\"") == "unusual_identifier");
}

TEST_CASE("limits: deep and wide policies end in findings, not in trouble") {
  std::string chain = "principal has age";
  for (int i = 0; i < 5000; ++i) chain += std::format(" && context has x{} || true", i);
  (void)problems(chain);
  std::string wide = "true";
  for (int i = 0; i < 5000; ++i) wide += std::format(" && principal.hasTag(\"{}\")", i);
  CHECK(problems(wide).contains("too_complex"));
  std::string nested = "principal";
  for (int i = 0; i < 200; ++i) nested = "(" + nested + " is User in principal)";
  CHECK(problems(nested).starts_with("unexpected_type"));
  std::string deep;
  for (int i = 0; i < 400; ++i) deep += "if context.n > 1 then context.n == 1 else (";
  deep += "true";
  deep += std::string(400, ')');
  const auto policies = parse_policies(viewing(deep));
  if (policies) CHECK(validate(*policies, schema()).valid());
}
