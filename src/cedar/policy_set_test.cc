#include <doctest/doctest.h>

#include <array>
#include <format>
#include <string>
#include <string_view>

#include "cedar/policy_set.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

std::string error_of(std::string_view text) {
  const auto set = parse_policies(text, "p.cedar");
  return set ? std::string("(accepted)") : set.error().detail;
}
std::string condition(std::string_view expression) {
  return std::format("permit(principal, action, resource) when {{ {} }};", expression);
}
// The expression as it is printed.
std::string round(std::string_view expression) {
  const auto set = parse_policies(condition(expression));
  REQUIRE_MESSAGE(set.has_value(), set.error().detail);
  const auto again = parse_policies(print(*set));
  REQUIRE_MESSAGE(again.has_value(), again.error().detail);
  CHECK(same((*set)[0], (*again)[0]));
  return print(*(*set)[0].conditions[0].expression);
}
std::string repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("errors name file, line, column, what was expected and what was found") {
  struct Row {
    std::string_view text;
    std::string_view error;
  };
  static constexpr std::array<Row, 24> rows{{
      {"permit(principal, action, resource)",
       "p.cedar:1:36: expected `when`, `unless` or `;`, found the end of the text (a policy ends "
       "with `;`)"},
      {"allow(principal, action, resource);",
       "p.cedar:1:1: expected `permit` or `forbid`, found the word `allow` (write `permit`)"},
      {"permit(principal, action);",
       "p.cedar:1:25: expected `,` and then `resource`, found `)` (the scope names principal, "
       "action and resource; `resource` is missing)"},
      {"permit(principal, resource, action);",
       "p.cedar:1:19: expected `action`, found the word `resource` (the scope is (principal, "
       "action, resource), in this order)"},
      {"permit(principal, action, resource)\nwhen { context.n = 5 };",
       "p.cedar:2:18: expected an operator or `}`, found `=` (comparison is written `==`)"},
      {"permit(principal, action, resource)\nwhen { 1 < 2 < 3 };",
       "p.cedar:2:14: expected an operator or `}`, found `<` (comparisons do not chain; use "
       "parentheses)"},
      {"permit(principal, action, resource) when { 4 / 2 };",
       "p.cedar:1:46: expected an operator or `}`, found `/` (division is not supported; comments "
       "begin with `//`)"},
      {"permit(principal, action, resource) when { };",
       "p.cedar:1:44: expected a condition, found `}` (it cannot be empty; write `true`)"},
      {"permit(principal, action, resource) when { true and false };",
       "p.cedar:1:49: expected an operator or `}`, found the word `and` (the logical and is "
       "written `&&`)"},
      {"permit(principal, action, resource) when { true && if true then true else false };",
       "p.cedar:1:52: expected an expression, found the word `if` (an `if` inside an operand needs "
       "parentheses around it)"},
      {"permit(principal, action, resource) when { principle.x };",
       "p.cedar:1:44: expected an expression, found the word `principle` (did you mean "
       "`principal`?)"},
      {"permit(principal, action, resource) when { limit > 5 };",
       "p.cedar:1:44: expected an expression, found the word `limit` (a bare word is no value; "
       "perhaps \"limit\" or context.limit)"},
      {"permit(principal, action, resource) when { context.a.contain(1) };",
       "p.cedar:1:54: there is no method `contain` (did you mean `contains`?)"},
      {"permit(principal, action, resource) when { contains([1], 1) };",
       "p.cedar:1:44: `contains` is a method, not a function (write x.contains(...))"},
      {"permit(principal, action, resource) when { \"1.0\".decimal() };",
       "p.cedar:1:50: `decimal` is a function, not a method (write decimal(...))"},
      {"permit(principal, action, resource) when { [1].contains() };",
       "p.cedar:1:48: `contains` takes 1 argument, found 0"},
      {"permit(principal, action, resource) when { context.if };",
       "p.cedar:1:52: expected an attribute or method name, found the word `if` (`if` is reserved; "
       "in brackets and quotes it is a name)"},
      {"permit(principal, action, resource) when { \"\\q\" == \"q\" };",
       "p.cedar:1:45: bad escape `\\q` in a string (known are \\n \\r \\t \\0 \\\\ \\' \\\" \\xHH "
       "up to 7F and \\u{...})"},
      {"permit(principal, action, resource) when { 'a' == \"a\" };",
       "p.cedar:1:44: unexpected `'` (strings are written with double quotes)"},
      {"permit(principal == \"bob\", action, resource);",
       "p.cedar:1:21: expected an entity, found the string \"bob\" (an entity has a type, for "
       "example User::\"alice\")"},
      {"permit(principal in [User::\"a\"], action, resource);",
       "p.cedar:1:21: expected one entity, found `[` (a list of entities is possible for the "
       "action only)"},
      {"permit(principal, action == User::\"a\", resource);",
       "p.cedar:1:29: expected an entity of a type named `Action`, found `User::\"a\"`"},
      {"@id(\"a\")\npermit(principal, action, resource);\n@id(\"a\")\nforbid(principal, action, "
       "resource);",
       "p.cedar:3:1: the policy id `a` is taken (first at p.cedar:1:1)"},
      {"permit(principal, action, resource) when { {a: 1, \"a\": 2} == {} };",
       "p.cedar:1:51: the attribute `a` stands twice in this record"},
  }};
  for (const Row& row : rows) CHECK(error_of(row.text) == row.error);
}

TEST_CASE("what the language refuses") {
  for (const std::string_view expression : {"-9223372036854775809 == 1",
                                            "9223372036854775808 == 1",
                                            "!!!!!true",
                                            "-----1 == 1",
                                            "!-1 == 1",
                                            "-!true",
                                            "1 + if true then 1 else 2 == 2",
                                            "!if true then true else false",
                                            "context has \"a\".b",
                                            "context has a[\"b\"]",
                                            "context has a.b[\"c\"]",
                                            "context[context.s]",
                                            "\"a\" like context.s",
                                            "\"\\u{_41}\" == \"A\"",
                                            "\"\\u{}\" == \"\"",
                                            "\"\\u{d800}\" == \"\"",
                                            "\"\\u{110000}\" == \"\"",
                                            "\"\\x80\" == \"\"",
                                            "\"a\rb\" == \"\"",
                                            "\"a\\\nb\" == \"\"",
                                            "\"a\\*b\" == \"\"",
                                            "__cedar::User::\"a\" == 1",
                                            "context.__cedar",
                                            "principal == ?principal",
                                            "User::if::\"a\" == 1",
                                            "[1].isEmpty(1)",
                                            "principal.hasTag()",
                                            "1 = 1",
                                            "principal is \"User\"",
                                            "{if: 1} == {}",
                                            "/* */ true",
                                            "1 2",
                                            "(true",
                                            "[1, 2",
                                            "true &",
                                            "foo::bar",
                                            "foo::ip(\"1.1.1.1\")",
                                            "principal in",
                                            "context.",
                                            "@",
                                            "\"a"}) {
    CAPTURE(expression);
    CHECK(error_of(condition(expression)) != "(accepted)");
  }
  for (const std::string_view policy :
       {"permit(principal is User == User::\"a\", action, resource);",
        "permit(principal, action is Action, resource);",
        "permit(principal != User::\"a\", action, resource);",
        "permit(principal == ?resource, action, resource);",
        "@a @a permit(principal, action, resource);", "@a(b) permit(principal, action, resource);",
        "permit(User::\"a\" == principal, action, resource);",
        "permit(principal, action, resource) when true;", "permit", ";",
        "permit(principal, action, resource) when { true } else { false };", "\xFF",
        "\xEF\xBB\xBF"}) {
    CAPTURE(policy);
    CHECK(error_of(policy) != "(accepted)");
  }
}

TEST_CASE("what the language accepts, and how it is printed") {
  struct Row {
    std::string_view text;
    std::string_view printed;
  };
  static constexpr std::array<Row, 30> rows{{
      {"true", "true"},
      {"1+2 - 3*4 == -5", "1 + 2 - 3 * 4 == -5"},
      {"(1+2)+3 == 1-(2-3)", "(1 + 2) + 3 == 1 - (2 - 3)"},
      {"- - 1 == 1", "-(-1) == 1"},
      {"- 9223372036854775808 == 01", "-9223372036854775808 == 1"},
      {"-(9223372036854775807) < 0", "-(9223372036854775807) < 0"},
      {"-(-(1)) < 0", "-(-(1)) < 0"},
      {"!!true", "!(!true)"},
      {"!(true && false)", "!(true && false)"},
      {"true && (true && false)", "true && (true && false)"},
      {"(true || false) && true || true", "(true || false) && true || true"},
      {"if true then 1 == 1 else if false then true else false && true",
       "if true then 1 == 1 else if false then true else false && true"},
      {"(if true then 1 else 2) == 1", "(if true then 1 else 2) == 1"},
      {"context[\"a b\"].c[\"if\"] == context[\"x\"]",
       "context[\"a b\"].c[\"if\"] == context[\"x\"]"},
      {"context has \"a b\" && context has \"a\" && context has a.b.c",
       "context has \"a b\" && context has a && context has a.b.c"},
      {"User :: \"a\" in [Foo :: Bar :: \"b\",]", "User::\"a\" in [Foo::Bar::\"b\"]"},
      {"principal is A :: B in [C::\"c\"]", "principal is A::B in [C::\"c\"]"},
      {"\"h\\*llo\" like \"h\" || true", ""},
      {"\"x\" like \"a\\*b**c\\u{2a}\\\"\"", "\"x\" like \"a\\*b*c*\\\"\""},
      {"{a: 1, \"b c\": [true], \"if\": {}} == {}", "{a: 1, \"b c\": [true], \"if\": {}} == {}"},
      {"\"\\u{4_1}\\x41\\0\\t\\'\" == \"\"", "\"AA\\0\\t'\" == \"\""},
      {"\"a\nb\" == \"a\\nb\"", "\"a\\nb\" == \"a\\nb\""},
      {"ip(\"1.1.1.1\").isInRange(ip(\"1.0.0.0/8\"), 2)",
       "ip(\"1.1.1.1\").isInRange(ip(\"1.0.0.0/8\"), 2)"},
      {"1.foo == true.bar", "1.foo == true.bar"},
      {"(-1).foo", "(-1).foo"},
      {"principal.hasTag(\"a\") && principal.getTag(\"a\") == \"b\"",
       "principal.hasTag(\"a\") && principal.getTag(\"a\") == \"b\""},
      {"context.isEmpty.contains", "context.isEmpty.contains"},
      {"(context)\xC2\xA0.n // comment\r == 5", "context.n == 5"},
      {"[1, 2].contains(if true then 1 else 2)", "[1, 2].contains(if true then 1 else 2)"},
      {"context.when == context.permit", "context.when == context.permit"},
  }};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    if (row.printed.empty()) {
      CHECK(error_of(condition(row.text)) != "(accepted)");  // \* is no escape of ordinary strings
    } else {
      CHECK(round(row.text) == row.printed);
    }
  }
  CHECK(parse_policies("")->size() == 0);
  CHECK(parse_policies("// nothing\n")->size() == 0);
}

TEST_CASE("nesting is limited, length is not") {
  const auto nested = [](int depth) {
    return condition(repeat("(", depth) + "true" + repeat(")", depth));
  };
  CHECK(error_of(nested(500)) == "(accepted)");
  CHECK(error_of(nested(600)) == "p.cedar:1:556: nested more than 512 levels deep");
  CHECK(error_of(condition(repeat("[", 511) + repeat("]", 511) + " == 1")) == "(accepted)");
  CHECK(error_of(condition(repeat("[", 100'000))).contains("nested more than"));
  CHECK(error_of(condition("context" + repeat(".a", 510))) == "(accepted)");
  CHECK(error_of(condition("context" + repeat(".a", 520))).contains("nested more than"));
  CHECK(error_of(condition(repeat("if true then true else ", 600) + "true"))
            .contains("nested more than"));
  for (const std::string_view joint : {" && ", " || "})
    CHECK(error_of(condition(repeat(std::format("true{}", joint), 20'000) + "true")) ==
          "(accepted)");
  for (const std::string_view joint : {" + ", " - ", " * "})
    CHECK(error_of(condition(repeat(std::format("1{}", joint), 20'000) + "1 == 1")) ==
          "(accepted)");
}

TEST_CASE("a text with an error adds nothing, one above the limit is refused") {
  PolicySet::Builder builder(Naming::by_order, {.size = {100}, .policies = 2});
  CHECK(builder.add("permit(principal, action, resource); permit(", "a").error().code ==
        base::Code::malformed);
  CHECK(builder.add(repeat("permit(principal, action, resource);", 3), "b").error().code ==
        base::Code::too_large);
  CHECK(builder.add("permit(principal, action, resource);", "c").has_value());
  const PolicySet set = builder.build();
  REQUIRE(set.size() == 1);
  CHECK(set[0].id == "policy0");
  PolicySet::Builder many(Naming::by_order, {.policies = 2});
  CHECK(many.add(repeat("permit(principal, action, resource);", 3), "b").error().detail ==
        "b:1:73: more than 2 policies");
}

TEST_CASE("templates are linked with exactly their slots") {
  PolicySet::Builder builder;
  REQUIRE(
      builder
          .add("@id(\"t\") permit(principal == ?principal, action, resource is Doc in ?resource);"
               "@id(\"u\") forbid(principal in ?principal, action, resource);",
               "t.cedar")
          .has_value());
  const EntityUid bob("User", "bob");
  const EntityUid folder("Folder", "f");
  CHECK(builder.link("t", "l1", bob, folder).has_value());
  CHECK(builder.link("u", "l2", bob, {}).has_value());
  CHECK(builder.link("t", "l3", bob, {}).error().code == base::Code::invalid);
  CHECK(builder.link("u", "l3", bob, folder).error().code == base::Code::invalid);
  CHECK(builder.link("t", "l1", bob, folder).error().code == base::Code::conflict);
  CHECK(builder.link("x", "l4", bob, folder).error().code == base::Code::not_found);
  const PolicySet set = builder.build();
  CHECK(set.templates().size() == 2);
  REQUIRE(set.size() == 2);
  CHECK(set.find("l1")->template_id == "t");
  CHECK(set.find("t")->is_template());
  CHECK(set.find("nope") == nullptr);
  CHECK(print(set[0]) ==
        "@id(\"t\")\npermit (principal == User::\"bob\", action, resource is Doc in "
        "Folder::\"f\");\n");
  const auto again = parse_policies(print(*set.find("t")));
  REQUIRE(again.has_value());
  CHECK(same(again->templates()[0], *set.find("t")));
}

TEST_CASE("annotations, ids and places") {
  const auto set = parse_policies(
      "// one\n@id(\"a\") @owner @if(\"x\\ty\")\npermit(principal, action in [], resource,)\n "
      "unless { 1 == 2 };\nforbid(principal, action, resource);",
      "f.cedar");
  REQUIRE(set.has_value());
  const Policy& policy = (*set)[0];
  CHECK(policy.id == "a");
  CHECK((*set)[1].id == "policy1");
  CHECK(policy.annotation("owner") == "");
  CHECK(policy.annotation("if") == "x\ty");
  CHECK_FALSE(policy.annotation("none"));
  CHECK(policy.locate(policy.conditions[0].span).line == 4);
  CHECK(policy.locate(policy.conditions[0].expression->span).column == 11);
  CHECK(policy.text(policy.conditions[0].expression->span) == "1 == 2");
  CHECK(set->with_any_action().size() == 1);
}
