#include "temporal/condition.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>

#include "cedar/format.h"
#include "cedar/policy_set.h"

using namespace latticegate;
using namespace latticegate::temporal;

namespace {

cedar::PolicyLimits with_temporal() { return {.temporal = true}; }

// "", or what is wrong with the condition and in which line and column of it.
std::string complaint(std::string_view body) {
  const std::string text =
      std::format("permit (principal, action, resource) when temporal {{\n{}\n}};", body);
  const auto read = cedar::parse_policies(text, "p", cedar::Naming::by_annotation, with_temporal());
  if (!read) return read.error().detail;
  const cedar::Policy& policy = read->policies()[0];
  const auto made = Condition::compile(*policy.temporal[0].formula);
  if (made) return {};
  const cedar::Location at = policy.locate(made.error().span);
  return std::format("{}:{}:{}: {}", at.file, at.line, at.column, made.error().message);
}

// The condition in its normal form, or the complaint.
std::string normal(std::string_view body) {
  const std::string text =
      std::format("permit (principal, action, resource) when temporal {{ {} }};", body);
  const auto read = cedar::parse_policies(text, "p", cedar::Naming::by_annotation, with_temporal());
  return read ? std::string(read->policies()[0].temporal[0].text) : read.error().detail;
}

}  // namespace

TEST_CASE("conditions that are accepted") {
  for (
      const std::string_view body : {
          R"(formerly within 1h M::Action::"read"::request{})",
          R"(formerly within 15m M::Action::"fraud/check"::response{ output.order_id: context.input.order_id, output.ok: true })",
          R"(previous within 1h M::Action::"login"::response{ input.user: context.input.user, output.result: true })",
          R"(!M::Action::"revoke"::request{ input.user: context.input.user }
              since within 1h
              M::Action::"grant"::request{ input.user: context.input.user })",
          R"(M::Action::"beat"::request{} since within 30s M::Action::"login"::request{})",
          R"(exists (total: Long). ((sum n for (n: Long), (t: Timepoint). where (formerly within 1h (
              M::Action::"crm/search"::response{ callerPrincipal: principal, output.count: n } && tp(t)))) == total
              && total > 2000))",
          R"(exists (n: Long). ((count for (t: Timepoint). where (
              M::Action::"login"::request{ input.user: _, input.server: * } && tp(t))) == n && n == 2))",
          R"(0 < count for (t: Timepoint). where (formerly within 1h (M::Action::"a"::request{} && tp(t))))",
          R"((count for (q: String). where (formerly within 1h M::Action::"a"::response{ requestId: q }))
              < count for (q: String). where (formerly within 1h M::Action::"a"::request{ requestId: q }))",
          R"(exists (u: String). (formerly within 1h M::Action::"a"::request{ input.user: u }
              && formerly within 1h M::Action::"b"::request{ input.user: u }))",
          R"(exists (p: M::Agent). (formerly within 1h M::Action::"a"::request{ callerPrincipal: p } && !(p == principal)))",
          R"(exists (a: Long). (formerly within 1h M::Action::"a"::request{ input.amount: a } && a > 100 && a <= 500))",
          R"(formerly within 1h (M::Action::"a"::request{} && formerly within 1h M::Action::"b"::request{}))",
          R"(formerly within 1h M::Action::"a"::request{ input.x: 1 }{ input.y: decimal("1.5"), input.z: -3 })",
          R"(formerly within 24h M::Action::"a"::request{})",
          R"(formerly within 1d M::Action::"a"::request{ input.who: M::User::"ada" })",
          R"(exists (x: Long). x == 5 && formerly within 1h M::Action::"a"::request{ input.n: x })",
          R"(exists (u: String). (formerly within 1h M::Action::"a"::request{ input.user: u }
              && exists (n: Long). ((count for (t: Timepoint). where (formerly within 1h (
              M::Action::"a"::request{ input.user: u } && tp(t)))) == n && n >= 2)))",
          R"(previous within 2h (M::Action::"a"::request{} && M::Action::"a"::request{ input.server: "s1" }))",
          R"(formerly within 1h M::Action::"a"::request{ input.dept: principal.department, input.r: resource.region })",
      })
    CHECK_MESSAGE(complaint(body) == "", body);
}

TEST_CASE("conditions that are refused, with the reason and the place") {
  struct Case {
    std::string_view body;
    std::string_view complaint;
  };
  for (
      const Case& one : {
          // the grammar
          Case{R"(formerly M::Action::"a"::request{})",
               "p:2:10: expected `within` and a window such as 1h, found the word `M` (`formerly` "
               "looks back over a "
               "window, always)"},
          Case{R"(formerly within 1w M::Action::"a"::request{})",
               "p:2:18: expected the unit of the window: s, m, h or d, found the word `w` (for "
               "example 30s, 15m, 1h, "
               "1d)"},
          Case{R"(formerly within ?w M::Action::"a"::request{})",
               "p:2:17: expected a window such as 30s, 15m, 1h or 1d, found `?w` (macros are not "
               "supported)"},
          Case{R"(formerly within 1h M::Action::"a"{})",
               "p:2:34: expected `::request`, `::response` or `::error` after the action, found "
               "`{` (an event has a "
               "kind)"},
          Case{R"(formerly within 1h M::Action::"a"::request)",
               "p:3:1: expected `{` and what the fields of the event are, or `{}`, found `}`"},
          Case{R"(formerly within 1h !M::Action::"a"::request{})",
               "p:2:20: expected one event, or a condition in parentheses, after `formerly`, found "
               "`!` (put "
               "parentheses around the negation)"},
          Case{R"(formerly within 1h formerly within 1h M::Action::"a"::request{})",
               "p:2:20: expected one event, or a condition in parentheses, after `formerly`, found "
               "the word "
               "`formerly` (put parentheses around the `formerly`)"},
          Case{R"(M::Action::"a"::request{} || M::Action::"b"::request{})",
               "p:2:27: expected `&&` or the end of the condition, found `||` (there is no `||` in "
               "a temporal "
               "condition; write two policies, or two blocks: `when { temporal { a } || temporal { "
               "b } }`)"},
          Case{R"(exists (n: Long). (n != 2 && M::Action::"a"::request{ input.n: n }))",
               "p:2:22: expected `==`, `<`, `<=`, `>` or `>=`, found `!=` (there is no `!=` here; "
               "write !(a == b))"},
          Case{R"(exists n. M::Action::"a"::request{ input.n: n })",
               "p:2:8: expected `(name: Type)`, found the word `n`"},
          Case{R"(exists (n). M::Action::"a"::request{ input.n: n })",
               "p:2:10: expected `:` and the type of the variable, found `)` (Long, String, Bool, "
               "Timepoint, or a "
               "type of entities such as Mcp::Agent)"},
          Case{R"(exists (count: Long). M::Action::"a"::request{ input.n: count })",
               "p:2:9: expected the name of a variable, found the word `count` (this word has a "
               "meaning of its own)"},
          Case{R"(M::Action::"a"::request{ input.n: count for (t: Timepoint). where tp(t) })",
               "p:2:35: a count or sum can only be compared, not be the value of a field"},
          Case{R"(M::Action::"a"::request{ input.n: [1, 2] })",
               "p:2:35: expected a value: a literal, a variable, context.x or principal, found `[` "
               "(sets are not "
               "supported in temporal conditions)"},
          Case{R"(same_session(1h, M::Action::"a"::request{}))",
               "p:2:1: expected an event, an operator or a comparison, found the word "
               "`same_session` (macros and "
               "functions are not supported here)"},
          Case{R"(revoked)",
               "p:3:1: expected `==`, `<`, `<=`, `>` or `>=`, found `}` (a word alone is no "
               "condition; an event is "
               "written Mcp::Action::\"server/tool\"::request{ })"},
          Case{R"(M::Action::"a"::request{ input.d: decimal("x") })",
               "p:2:43: not a decimal number with at most four digits behind the point"},
          Case{R"(M::Action::"a"::request{ input.d: 99999999999999999999 })",
               "p:2:35: the number is too large"},
          Case{"", "p:3:1: expected a temporal condition, found `}` (it cannot be empty)"},
          Case{R"(M::Action::"a"::request{} M::Action::"a"::request{})",
               "p:2:27: expected `&&` or `}`, found the word `M`"},
          // what can be watched
          Case{R"(formerly within 25h M::Action::"a"::request{})",
               "p:2:1: the window is longer than 24 hours, which is the limit"},
          Case{
              R"(formerly within 20h (M::Action::"a"::request{} && formerly within 20h M::Action::"b"::request{}))",
              "p:2:1: the windows reach back further than 24 hours, which is the limit"},
          Case{R"(formerly within 1h M::Action::"a"::request{ input.user: u })",
               "p:2:57: the variable `u` is not bound: put exists (u: Type). before the condition, "
               "or write _ for "
               "any value"},
          Case{R"(exists (x: Long). (0 < x && x < 2))",
               "p:2:1: nothing says what `x` is: it needs an event's field, `tp`, or an equality, "
               "not negated"},
          Case{R"(exists (x: String). !M::Action::"a"::request{ input.user: x })",
               "p:2:1: nothing says what `x` is: it needs an event's field, `tp`, or an equality, "
               "not negated"},
          Case{
              R"(exists (a: Long). (a > 100 && formerly within 1h M::Action::"a"::request{ input.n: a }))",
              "p:2:20: the variable `a` is used in a comparison before anything says what it is: "
              "put the event or "
              "equality that does in front of it"},
          Case{
              R"(exists (u: String). ((M::Action::"a"::request{ input.u: u } since within 1h M::Action::"b"::request{}) && formerly within 1h M::Action::"a"::request{ input.u: u }))",
              "p:2:23: the variable `u` is used in the left side of a `since` before anything says "
              "what it is: put "
              "the event or equality that does in front of it"},
          Case{R"((sum a for (t: Timepoint). where (M::Action::"a"::request{} && tp(t))) > 1)",
               "p:2:1: the sum of `a` needs `a` in its `for` list"},
          Case{R"((sum a for (a: String). where M::Action::"a"::request{ input.n: a }) > 1)",
               "p:2:12: only a Long can be summed, `a` is a String"},
          Case{R"((count for (a: String). where M::Action::"a"::request{}) > 1)",
               "p:2:1: the `for` variable `a` does not occur behind `where`"},
          Case{
              R"((count for (a: String). where !(formerly within 1h M::Action::"a"::request{ input.u: a })) > 1)",
              "p:2:1: nothing behind `where` says what the `for` variable `a` is: it needs an "
              "event's field, `tp`, or an equality, not negated"},
          Case{R"(formerly within 1h (context.input.x == 5))",
               "p:2:1: this looks at no event: it belongs into a `when { }` without `temporal`"},
          Case{R"(context.input.x == 5 && M::Action::"a"::request{})",
               "p:2:1: this looks at no event: it belongs into a `when { }` without `temporal`"},
          Case{R"(exists (x: Lang). M::Action::"a"::request{ input.n: x })",
               "p:2:8: there is no type `Lang` (did you mean `Long`?)"},
          Case{R"(exists (t: Long). (M::Action::"a"::request{} && tp(t)))",
               "p:2:52: `tp` binds a Timepoint, `t` is a Long"},
          Case{R"(exists (x: Long). (x == "s" && M::Action::"a"::request{}))",
               "p:2:20: a Long is never equal to a String"},
          Case{R"(exists (x: String). (M::Action::"a"::request{ input.u: x } && x > 3))",
               "p:2:63: only numbers (Long) are ordered, this is a String"},
          Case{R"(exists (x: Long). (x == * && M::Action::"a"::request{ input.n: x }))",
               "p:2:25: a wildcard cannot be compared: it is no value"},
      }) {
    INFO(one.body);
    CHECK(complaint(one.body) == one.complaint);
  }
}

TEST_CASE("nesting and width are limited") {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += '(';
  CHECK(complaint(deep).contains("nested more than 64 levels deep"));
  std::string wide = R"(M::Action::"a"::request{})";
  for (int i = 0; i < 300; ++i) wide += R"( && M::Action::"a"::request{})";
  CHECK(complaint(wide).contains("more than 256 conjuncts"));
  std::string many = "exists (v0: Long). (";
  for (int i = 1; i < 70; ++i) many += std::format("(exists (v{}: Long). v{} == 1) && ", i, i);
  CHECK(complaint(many + R"(M::Action::"a"::request{ input.n: v0 }))")
            .contains("more than 64 variables"));
}

TEST_CASE("a condition has one normal form") {
  CHECK(normal(R"(formerly within 1h A::Action::"x"::request{a:context.b})") ==
        R"(formerly within 3600s A::Action::"x"::request{a: context.b})");
  CHECK(normal(
            R"(!A::Action::"x"::request{} since within 1m (A::Action::"y"::request{} && tp(t)))") ==
        R"(!A::Action::"x"::request{} since within 60s (A::Action::"y"::request{} && tp(t)))");
  CHECK(normal(R"(exists (n: Long). (count for (t: Timepoint). where tp(t)) == n && n > 2)") ==
        R"(exists (n: Long). ((count for (t: Timepoint). where tp(t)) == n && n > 2))");
}

TEST_CASE("plain Cedar has no temporal conditions") {
  const std::string_view text =
      R"(permit (principal, action, resource) when temporal { formerly within 1h A::Action::"x"::request{} };)";
  const auto read = cedar::parse_policies(text, "p");
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().detail ==
        "p:1:43: expected an expression, found the word `temporal` (temporal conditions are not "
        "part of plain "
        "Cedar)");
}

TEST_CASE("blocks are attributes of the context, named after their policy") {
  const std::string_view text = R"(@id("first")
permit (principal, action, resource)
when { context.a && (temporal { formerly within 1h A::Action::"x"::request{} } || context.b) }
unless temporal { A::Action::"y"::request{} };
)";
  const auto read = cedar::parse_policies(text, "p", cedar::Naming::by_annotation, with_temporal());
  REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error().detail));
  const cedar::Policy& policy = read->policies()[0];
  REQUIRE(policy.temporal.size() == 2);
  CHECK(policy.temporal[0].attribute->text() == "first__temporal_0");
  CHECK(policy.temporal[1].attribute->text() == "first__temporal_1");
  const std::string printed = cedar::print(policy);
  const auto again =
      cedar::parse_policies(printed, "p", cedar::Naming::by_annotation, with_temporal());
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().detail));
  CHECK(cedar::same(policy, again->policies()[0]));
}

TEST_CASE("the formatter lays conditions out and keeps them") {
  const std::string_view text = R"(permit(principal,action,resource)
when temporal{exists(n:Long).((count for(t:Timepoint).where(formerly within 15m(A::Action::"x"::request{input.a:context.input.a}&&tp(t))))==n&&n>100)}
unless temporal {previous within 1h A::Action::"y"::request{}};
)";
  const auto once = cedar::format_policies(text, "p");
  REQUIRE_MESSAGE(once.has_value(), (once ? "" : once.error().detail));
  CHECK(once->contains(
      "formerly within 15m (A::Action::\"x\"::request{input.a: context.input.a} && tp(t))"));
  CHECK(cedar::format_policies(*once, "p").value() == *once);
}
