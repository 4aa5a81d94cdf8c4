#include <doctest/doctest.h>

#include <array>
#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/authorize.h"
#include "cedar/explain.h"
#include "cedar/from_json.h"
#include "cedar/policy_set.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

PolicySet policies_of(std::string_view text) {
  auto set = parse_policies(text, "p.cedar");
  REQUIRE_MESSAGE(set.has_value(), set.error().detail);
  return *set;
}

// bob in staff in all; read in any; User::"bob" has {level: 3}, tags {team: "red"}.
Entities world() {
  Arena arena;
  Entities::Builder builder;
  builder.add({"User", "bob"}, RecordBuilder(arena).add("level", Value::integer(3)).finish(),
              std::array{EntityUid("Group", "staff")},
              RecordBuilder(arena).add("team", Value::string("red")).finish());
  builder.add({"Group", "staff"}, {}, std::array{EntityUid("Group", "all")});
  builder.add({"Group", "all"}, {}, {});
  builder.add({"Action", "read"}, {},
              std::array{EntityUid("Action", "any"), EntityUid("Action", "safe")});
  builder.add({"Doc", "d"}, {}, {});
  return *builder.build();
}

struct Fixture {
  Entities entities = world();
  Arena arena;
  Answer answer;
  Request request{EntityUid("User", "bob"), EntityUid("Action", "read"), EntityUid("Doc", "d"),
                  Value::empty_record()};

  Decision decide(const PolicySet& set) {
    authorize(set, request, EntityView(entities), arena, answer);
    return answer.decision;
  }
  std::string explained(const PolicySet& set) {
    decide(set);
    return to_text(explain(set, request, EntityView(entities), arena, answer));
  }
};

std::string when(std::string_view effect, std::string_view expression) {
  return std::format("{}(principal, action, resource) when {{ {} }};", effect, expression);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "default deny, forbid wins, failing policies are skipped and reported") {
  CHECK(decide(PolicySet()) == Decision::deny);
  CHECK(decide(policies_of(when("permit", "true"))) == Decision::allow);
  CHECK(answer.reasons == std::vector<PolicyIndex>{0});

  CHECK(decide(policies_of(when("permit", "true") + when("forbid", "true") +
                           when("permit", "true") + when("forbid", "true"))) == Decision::deny);
  CHECK(answer.reasons == std::vector<PolicyIndex>{1, 3});
  CHECK_FALSE(answer.forbid_failed);

  CHECK(decide(policies_of(when("permit", "true") + when("forbid", "context.nope"))) ==
        Decision::allow);
  CHECK(answer.forbid_failed);
  REQUIRE(answer.errors.size() == 1);
  CHECK(answer.errors[0].policy == 1);
  CHECK(answer.errors[0].error.error == ErrorClass::attribute);

  CHECK(decide(policies_of(when("permit", "1"))) == Decision::deny);
  CHECK(answer.errors[0].error.error == ErrorClass::type);
  CHECK_FALSE(answer.forbid_failed);
}

TEST_CASE_FIXTURE(Fixture, "errors have their class") {
  struct Row {
    std::string_view expression;
    ErrorClass error;
  };
  static constexpr std::array<Row, 14> rows{
      {{"1 + true == 2", ErrorClass::type},
       {"context.x == 1", ErrorClass::attribute},
       {"principal.x == 1", ErrorClass::attribute},
       {"User::\"ghost\".level == 1", ErrorClass::entity},
       {"User::\"ghost\".getTag(\"a\") == 1", ErrorClass::entity},
       {"principal.getTag(\"a\") == 1", ErrorClass::tag},
       {"9223372036854775807 + 1 == 0", ErrorClass::arithmetic},
       {"-(-9223372036854775808) == 0", ErrorClass::arithmetic},
       {"decimal(\"1\") == 1", ErrorClass::extension},
       {"datetime(\"9999-12-31\").offset(duration(\"9223372036854775807ms\")) == 1",
        ErrorClass::extension},
       {"ip() == 1", ErrorClass::arity},
       {"decimal(\"1.0\").lessThan(decimal(\"1.0\"), 1)", ErrorClass::arity},
       {"principal in [principal, 1]", ErrorClass::type},
       {"[1].containsAll(1)", ErrorClass::type}}};
  for (const Row& row : rows) {
    CAPTURE(row.expression);
    CHECK(decide(policies_of(when("permit", row.expression))) == Decision::deny);
    REQUIRE(answer.errors.size() == 1);
    CHECK(answer.errors[0].error.error == row.error);
    CHECK_FALSE(answer.errors[0].error.message.empty());
  }
}

TEST_CASE_FIXTURE(Fixture, "the scope: every form of constraint, each policy once") {
  struct Row {
    std::string_view scope;
    bool matches;
  };
  static constexpr std::array<Row, 18> rows{
      {{"principal == User::\"bob\", action, resource", true},
       {"principal == User::\"eve\", action, resource", false},
       {"principal in Group::\"all\", action, resource", true},
       {"principal in User::\"bob\", action, resource", true},
       {"principal in Group::\"x\", action, resource", false},
       {"principal is User, action, resource", true},
       {"principal is Group, action, resource", false},
       {"principal is User in Group::\"staff\", action, resource", true},
       {"principal, action == Action::\"read\", resource", true},
       {"principal, action == Action::\"any\", resource", false},
       {"principal, action in Action::\"any\", resource", true},
       {"principal, action in Action::\"read\", resource", true},
       {"principal, action in [Action::\"x\", Action::\"any\", Action::\"safe\", Action::\"any\"], "
        "resource",
        true},
       {"principal, action in [], resource", false},
       {"principal, action in [Action::\"x\"], resource", false},
       {"principal, action, resource == Doc::\"d\"", true},
       {"principal, action, resource is Doc in Doc::\"d\"", true},
       {"principal, action, resource in Folder::\"f\"", false}}};
  for (const Row& row : rows) {
    CAPTURE(row.scope);
    CHECK(decide(policies_of(std::format("permit({});", row.scope))) ==
          (row.matches ? Decision::allow : Decision::deny));
    CHECK(answer.reasons.size() == (row.matches ? 1 : 0));
  }
}

TEST_CASE_FIXTURE(Fixture, "links decide by their own entities") {
  PolicySet::Builder builder;
  REQUIRE(
      builder.add("@id(\"t\") permit(principal in ?principal, action, resource == ?resource);", "t")
          .has_value());
  REQUIRE(builder.link("t", "no", EntityUid("Group", "x"), EntityUid("Doc", "d")).has_value());
  REQUIRE(builder.link("t", "yes", EntityUid("Group", "all"), EntityUid("Doc", "d")).has_value());
  const PolicySet set = builder.build();
  CHECK(decide(set) == Decision::allow);
  CHECK(set[answer.reasons[0]].id == "yes");
  CHECK(explained(set).contains("principal in Group::\"all\" at t:1:"));
}

TEST_CASE_FIXTURE(Fixture, "an entity of one call: attributes, tags and ancestors") {
  const EntityUid session("Session", "s");
  const Value attributes = RecordBuilder(arena).add("reads", Value::integer(7)).finish();
  const EntityView stored(entities);
  const std::array extra{
      make_entity(session, attributes, std::array{EntityUid("User", "bob")}, stored, arena)};
  request.context = RecordBuilder(arena).add("session", Value::entity(&session)).finish();
  const PolicySet set = policies_of(
      when("permit", "context.session.reads == 7 && context.session in Group::\"all\""));
  authorize(set, request, EntityView(entities, extra), arena, answer);
  CHECK(answer.decision == Decision::allow);
  CHECK(decide(set) == Decision::deny);
  CHECK(answer.errors[0].error.error == ErrorClass::entity);
}

TEST_CASE_FIXTURE(Fixture, "like: wildcards anywhere, bytes of other scalars untouched") {
  struct Row {
    std::string_view text;
    std::string_view pattern;
    bool matches;
  };
  static constexpr std::array<Row, 16> rows{
      {{"", "", true},
       {"a", "", false},
       {"abc", "a*c", true},
       {"abc", "*", true},
       {"abc", "a*b", false},
       {"abab", "*ab", true},
       {"aXbXc", "a*b*c", true},
       {"ab", "a*ab", false},
       {"aab", "a*ab", true},
       {"abcbc", "*b*bc", true},
       {"abc", "***", true},
       {"a*c", "a\\*c", true},
       {"abc", "a\\*c", false},
       {"h\xC3\xA9llo", "h*llo", true},
       {"abcabd", "*abd", true},
       {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a*a*a*a*a*a*a*a*a*b", false}}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CAPTURE(row.pattern);
    const PolicySet set =
        policies_of(when("permit", std::format("\"{}\" like \"{}\"", row.text, row.pattern)));
    CHECK(decide(set) == (row.matches ? Decision::allow : Decision::deny));
  }
}

TEST_CASE_FIXTURE(Fixture, "three values: what is possible while the input is unknown") {
  struct Row {
    std::string_view expression;
    bool yes, no, error;
  };
  // input and the field maybe are unknown; known is 5; the record r is {u: unknown, k: 1}.
  static constexpr std::array<Row, 34> rows{{
      {"true", true, false, false},
      {"context.input.limit > 500", true, true, true},
      {"context.input.limit > 500 || true", true, false, true},
      {"true || context.input.limit > 500", true, false, false},
      {"context.input.limit > 500 && false", false, true, true},
      {"false && context.input.limit > 500", false, true, false},
      {"!(context.input.limit > 500 && context.known == 6)", true, false, true},
      {"context has input", true, false, false},
      {"context has maybe", true, true, false},
      {"context has maybe && context.known == 6", false, true, false},
      {"context has maybe || context.known == 5", true, false, false},
      {"!(context has maybe)", true, true, false},
      {"context has maybe && context.maybe == 1", true, true, true},
      {"context has input.limit", true, true, true},
      {"context.input == 5", true, true, true},
      {"context.r == {u: 1, k: 1}", true, true, true},
      {"context.r.k == 1", true, false, false},
      {"[context.input.a, 1].contains(1)", true, true, true},
      {"[1].contains(context.input)", true, true, true},
      {"if context.input.a then true else true", true, false, true},
      {"if context has maybe then true else true", true, false, false},
      {"if context has maybe then 1 == 2 else context.known == 5", true, true, false},
      {"if context has maybe then context.nope else true", true, false, true},
      {"if context.input.a then 1 else 2", true, true, true},
      {"context.input + 1 == 2", true, true, true},
      {"context.input in [principal]", true, true, true},
      {"principal in context.input", true, true, true},
      {"context.input is User", true, true, true},
      {"context.input like \"a\"", true, true, true},
      {"ip(context.input).isLoopback()", true, true, true},
      {"principal.hasTag(context.input)", true, true, true},
      {"context.nope && context.input", false, false, true},
      {"context.input && context.nope", false, true, true},
      {"1 + context.input + \"a\" == 1", false, false, true},
  }};
  RecordBuilder inner(arena);
  inner.add("u", Value::unknown()).add("k", Value::integer(1));
  RecordBuilder context(arena);
  context.add("input", Value::unknown())
      .add("maybe", Value::unknown(true))
      .add("known", Value::integer(5))
      .add("r", inner.finish());
  request.context = context.finish();
  const EntityView view(entities);
  for (const Row& row : rows) {
    CAPTURE(row.expression);
    const PolicySet set = policies_of(
        when("permit", row.expression) +
        std::format("permit(principal, action, resource) unless {{ {} }};", row.expression));
    Evaluator evaluator(request, view, arena, true);
    const Possible found = evaluator.conditions(set[0]);
    CHECK(found.yes == row.yes);
    CHECK(found.no == row.no);
    CHECK(found.error == row.error);
    const Possible unless = evaluator.conditions(set[1]);
    CHECK(unless.yes == row.no);
    CHECK(unless.no == row.yes);
    CHECK(unless.error == row.error);
  }
}

TEST_CASE_FIXTURE(Fixture, "the outlook: is a tool worth listing") {
  request.context =
      RecordBuilder(arena).add("input", Value::unknown()).add("risk", Value::integer(95)).finish();
  const auto may = [&](std::string_view text, bool failing_forbids_deny = true) {
    return foresee(policies_of(text), request, EntityView(entities), arena)
        .may_allow(failing_forbids_deny);
  };
  const std::string permit = when("permit", "true");
  CHECK_FALSE(may(""));
  CHECK(may(permit));
  CHECK(may(when("permit", "context.input.limit < 5")));
  CHECK_FALSE(may(when("permit", "context.input.limit < 5 && context.risk < 50")));
  CHECK(may(permit + when("forbid", "context.input.limit > 500")));
  CHECK_FALSE(may(permit + when("forbid", "context.risk >= 90")));
  // Certainly true or failing: denied by a gateway that denies on failing forbids, possible in pure
  // Cedar.
  CHECK_FALSE(may(permit + when("forbid", "context.input.limit > 500 || context.risk >= 90")));
  CHECK(may(permit + when("forbid", "context.input.limit > 500 || context.risk >= 90"), false));
  CHECK_FALSE(may(permit + when("forbid", "context.nope")));
  CHECK_FALSE(may("permit(principal, action == Action::\"write\", resource);"));
}

TEST_CASE_FIXTURE(Fixture, "explanations name the clause, its place and the values read") {
  RecordBuilder input(arena);
  input.add("limit", Value::integer(5000));
  RecordBuilder context(arena);
  context.add("input", input.finish()).add("signals", Value::strings({"puppet"}, arena));
  request.context = context.finish();

  const PolicySet bulk = policies_of(
      "permit(principal, action, resource);\n"
      "@id(\"bulk\")\nforbid(principal is User, action in Action::\"any\", resource)\nwhen {\n"
      "  (context.input has limit && context.input.limit > 500) ||\n"
      "  context.input.limit > 9\n};");
  CHECK(explained(bulk) ==
        "forbidden by `bulk` (p.cedar:2:1)\n"
        "  context.input.limit > 500 at p.cedar:5:31 (context.input.limit = 5000)\n"
        "  context.input has limit at p.cedar:5:4 (context.input.limit = 5000)\n"
        "  principal is User at p.cedar:3:8 (principal = User::\"bob\")\n"
        "  action in Action::\"any\" at p.cedar:3:27 (action = Action::\"read\")\n");

  CHECK(explained(policies_of("forbid(principal, action, resource) unless { principal.level >= 4 "
                              "&& context.signals.contains(\"x\") };")) ==
        "forbidden by `policy0` (p.cedar:1:1)\n"
        "  principal.level >= 4 is not so at p.cedar:1:46 (principal.level = 3)\n");

  CHECK(explained(
            policies_of("@id(\"a\") permit(principal, action, resource) when { context has "
                        "approval && context.approval.level >= 2 };\n"
                        "@id(\"b\") permit(principal, action == Action::\"write\", resource);")) ==
        "no permit matched\n"
        "nearest permit `a` (p.cedar:1:1)\n"
        "  context.approval.level >= 2 is not so at p.cedar:1:77 (context.approval.level = "
        "(absent))\n"
        "  context has approval is not so at p.cedar:1:53 (context.approval = (absent))\n"
        "nearest permit `b` (p.cedar:2:1)\n"
        "  action == Action::\"write\" is not so at p.cedar:2:28 (action = Action::\"read\")\n");

  CHECK(explained(policies_of(when("permit", "true") +
                              "@id(\"f\") forbid(principal, action, resource) "
                              "when { true && !(context.signals < 3) };")) ==
        "permitted by `policy0` (p.cedar:1:1)\n"
        "  true at p.cedar:1:44\n"
        "failed and was skipped: `f` (p.cedar:1:51)\n"
        "  context.signals < 3 failed: type error: expected long, datetime or duration, found set "
        "at p.cedar:1:113 "
        "(context.signals = [\"puppet\"])\n");

  CHECK(explained(
            policies_of("permit(principal, action, resource) when { if principal.getTag(\"team\") "
                        "== \"red\" then context.input.limit < 6000 else false };")) ==
        "permitted by `policy0` (p.cedar:1:1)\n"
        "  principal.getTag(\"team\") == \"red\" at p.cedar:1:47 (principal.getTag(\"team\") = "
        "\"red\")\n"
        "  context.input.limit < 6000 at p.cedar:1:86 (context.input.limit = 5000)\n");
}

TEST_CASE_FIXTURE(Fixture, "deciding takes no new memory once it is warm") {
  const PolicySet set =
      policies_of(when("permit", "[context.n, 2].contains(1) || {a: context.n}.a == 1") +
                  when("forbid", "context.n > 5"));
  std::size_t warm = 0;
  for (int i = 0; i < 1000; ++i) {
    arena.reset();
    request.context = RecordBuilder(arena).add("n", Value::integer(1)).finish();
    CHECK(decide(set) == Decision::allow);
    if (i == 10) warm = arena.capacity();
  }
  CHECK(arena.capacity() == warm);
}

TEST_CASE_FIXTURE(Fixture, "the deepest expression is evaluated, printed and compared") {
  std::string deep = "true";
  for (int i = 0; i < 250; ++i) deep = "!(" + deep + " == false)";
  const PolicySet set = policies_of(when("permit", deep));
  (void)decide(set);
  CHECK(answer.errors.empty());
  CHECK(same(set[0], policies_of(print(set[0]))[0]));
}
