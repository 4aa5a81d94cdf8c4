#include "cedar/program.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <format>
#include <new>
#include <string>
#include <string_view>

#include "cedar/policy_set.h"
#include "cedar/twin.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

// Allocations of the whole program; only differences within one test mean anything.
std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  std::abort();
}
// Sorting asks for its buffer like this.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

PolicySet policies_of(std::string_view text) {
  auto set = parse_policies(text, "p.cedar", Naming::by_order);
  REQUIRE_MESSAGE(set.has_value(), set.error().detail);
  return *set;
}

// bob in staff in all, eve in nothing; read in any; d in folder in root.
Entities world() {
  Arena arena;
  Entities::Builder builder;
  const Value bob = RecordBuilder(arena)
                        .add("level", Value::integer(3))
                        .add("ok", Value::boolean(true))
                        .add("self", Value::entity({"User", "bob"}, arena))
                        .add("deep", RecordBuilder(arena).add("n", Value::integer(1)).finish())
                        .finish();
  builder.add({"User", "bob"}, bob, std::array{EntityUid("Group", "staff")},
              RecordBuilder(arena).add("team", Value::string("red")).finish());
  builder.add({"User", "eve"}, {}, {});
  builder.add({"Group", "staff"}, {}, std::array{EntityUid("Group", "all")});
  builder.add({"Group", "all"}, {}, {});
  builder.add({"Action", "read"}, {},
              std::array{EntityUid("Action", "any"), EntityUid("Action", "safe")});
  builder.add({"Doc", "d"}, {}, std::array{EntityUid("Folder", "folder")});
  builder.add({"Folder", "folder"}, {}, std::array{EntityUid("Folder", "root")});
  return *builder.build();
}

struct Fixture {
  Entities entities = world();
  Arena arena;
  Value context = RecordBuilder(arena)
                      .add("n", Value::integer(5))
                      .add("s", Value::string("hello"))
                      .add("set", Value::strings({"a", "b"}, arena))
                      .finish();
  std::array<Request, 5> requests{{
      {{"User", "bob"}, {"Action", "read"}, {"Doc", "d"}, context},
      {{"User", "eve"}, {"Action", "read"}, {"Doc", "d"}, context},
      {{"User", "ghost"}, {"Action", "write"}, {"Doc", "nowhere"}, context},
      {{"Group", "staff"}, {"Action", "safe"}, {"Folder", "folder"}, Value::empty_record()},
      {{"User", "bob"}, {"Action", "read"}, {"User", "bob"}, context},
  }};

  void same(const PolicySet& set) {
    Twin twin(set);
    for (const Request& request : requests) {
      CAPTURE(to_text(request.principal));
      CHECK(twin.difference(request, EntityView(entities), arena) == "");
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "conditions: the compiled form is the plain one") {
  const std::string_view expressions[] = {
      "true",
      "false",
      "!true",
      "1 == 1",
      "1 == 2 || true",
      "principal.ok",
      "!principal.ok",
      "principal.level > 2",
      "principal.level >= 3 && principal.level < 3",
      "principal.nope",
      "principal.level",
      "!principal.level",
      "principal.ok && 1",
      "1 && principal.ok",
      "false && principal.nope",
      "principal.nope && false",
      "true || principal.nope",
      "principal.nope || true",
      "principal.ok || principal.nope",
      "!(principal.ok || principal.nope)",
      "!(principal.nope && principal.ok)",
      "if principal.ok then principal.nope else true",
      "if true then principal.ok else 1",
      "if principal.level then true else false",
      "if principal.ok then 1 else true",
      "context.n + 1 == 6",
      "context.n + context.s == 1",
      "context.s + principal.nope == 1",
      "\"a\" + 1 + decimal(\"x\") == 1",
      "9223372036854775807 + 1 == 0",
      "-context.n == -5",
      "-context.s == 1",
      "context.n * 9223372036854775807 == 0",
      "context.n - 1 - 1 == 3",
      "context has n",
      "context has nope",
      "context has n.x",
      "context has nope.x.y",
      "principal has self.self.level",
      "principal has deep.n",
      "principal has deep.n.x",
      "principal.deep has x",
      "principal.nope has x",
      "context.n has x",
      "principal has ok.x",
      "User::\"ghost\" has x",
      "User::\"ghost\".x",
      "User::\"bob\".level == 3",
      "principal.self.level == 3",
      "principal.self == principal",
      "principal == User::\"bob\"",
      "principal != User::\"bob\"",
      "principal in Group::\"all\"",
      "principal in [Group::\"all\"]",
      "principal in [Group::\"x\", Group::\"staff\"]",
      "principal in []",
      "principal in 1",
      "principal in [1, Group::\"all\"]",
      "1 in principal",
      "principal in principal.nope",
      "principal.level in principal.nope",
      "User::\"bob\" in Group::\"all\"",
      "principal is User",
      "principal is Group",
      "principal is User in Group::\"all\"",
      "principal is Group in 1",
      "principal is User in 1",
      "context.n is User",
      "resource in Folder::\"root\"",
      "action in Action::\"any\"",
      "action == Action::\"read\"",
      "context.s like \"h*o\"",
      "context.s like \"h\\*o\"",
      "context.n like \"*\"",
      "context.set.contains(\"a\")",
      "context.set.containsAll([\"a\", context.s])",
      "context.set.containsAny([context.s, \"b\"])",
      "context.set.isEmpty()",
      "[].isEmpty()",
      "context.n.contains(1)",
      "context.set.containsAll(1)",
      "context.set.containsAny(principal.nope)",
      "principal.hasTag(\"team\")",
      "principal.getTag(\"team\") == \"red\"",
      "principal.getTag(\"nope\") == \"\"",
      "principal.getTag(context.s) == \"\"",
      "principal.hasTag(1)",
      "context.n.hasTag(\"a\")",
      "User::\"ghost\".hasTag(\"a\")",
      "User::\"ghost\".getTag(\"a\") == 1",
      "{a: context.n}.a == 5",
      "{a: 1}.a == 1",
      "{a: 1} has a.b",
      "{a: 1} has b",
      "{a: context.n}.b == 5",
      "[context.n, 5] == [5]",
      "{a: principal.nope} has a",
      "decimal(\"1.5\").lessThan(decimal(\"2.0\"))",
      "decimal(\"x\").lessThan(decimal(\"2.0\"))",
      "decimal(context.s) == decimal(\"1.0\")",
      "ip(\"10.0.0.1\").isInRange(ip(\"10.0.0.0/8\"))",
      "ip(context.n) == 1",
      "ip() == 1",
      "decimal(\"1.0\").lessThan(context.n, 1)",
      "datetime(\"2024-01-01\").offset(duration(\"1d\")) > datetime(\"2024-01-01\")",
      "datetime(\"2024-01-01\") < duration(\"1d\")",
      "duration(\"1d\").toHours() == 24",
      "context.n < context.s",
      "context.s < context.n",
      "context.n <= 5",
      "context.n == context.s",
      "(if context.n > 1 then context.set else 1).contains(\"a\")",
      "(context.n > 1) == (context.n > 2)",
      "[context.n > 1, context.n > 2].contains(false)",
      "!(context.n > 1) == false",
      "!!principal.ok",
      "!!context.n",
      "true && 1",
      "false || 1",
      "true && true",
      "principal.ok && true && principal.ok",
      "1 == 1 && principal.ok",
  };
  std::string all;
  for (const std::string_view expression : expressions) {
    CAPTURE(expression);
    const std::string text = std::format(
        "permit(principal, action, resource) when {{ {0} }};\n"
        "forbid(principal, action, resource) unless {{ {0} }};\n"
        "permit(principal is User, action == Action::\"read\", resource) when {{ {0} }} when {{ "
        "context.n == 5 }};\n"
        "permit(principal == User::\"bob\", action in [Action::\"any\", Action::\"read\"], "
        "resource)"
        " when {{ !({0}) }};\n",
        expression);
    same(policies_of(text));
    all += text;
  }
  // A list in the scope and another one in the conditions.
  same(policies_of(
      "permit(principal, action in [Action::\"read\", Action::\"write\"], resource) when "
      "{ principal in [User::\"x\", Group::\"g\"] };"));
  // All in one set share their expressions.
  same(policies_of(all));
}

TEST_CASE_FIXTURE(Fixture, "scopes: every combination, few and many") {
  const std::string_view principals[] = {"principal",
                                         "principal == User::\"bob\"",
                                         "principal in Group::\"all\"",
                                         "principal in User::\"bob\"",
                                         "principal is User",
                                         "principal is User in Group::\"staff\"",
                                         "principal == User::\"ghost\""};
  const std::string_view actions[] = {
      "action",
      "action == Action::\"read\"",
      "action in Action::\"any\"",
      "action in []",
      "action in [Action::\"any\", Action::\"safe\", Action::\"read\", Action::\"any\"]",
      "action in [Action::\"safe\"]",
      "action == Action::\"any\""};
  const std::string_view resources[] = {
      "resource",        "resource == Doc::\"d\"",         "resource in Folder::\"root\"",
      "resource is Doc", "resource in Folder::\"folder\"", "resource is User in User::\"bob\""};
  std::string all;
  int count = 0;
  for (const std::string_view principal : principals)
    for (const std::string_view action : actions)
      for (const std::string_view resource : resources) {
        ++count;
        const std::string text =
            std::format("{}({}, {}, {}){};\n", count % 3 == 0 ? "forbid" : "permit", principal,
                        action, resource, count % 5 == 0 ? " when { context.n == 5 }" : "");
        CAPTURE(text);
        same(policies_of(text));
        all += text;
      }
  CHECK(count == 294);
  same(policies_of(all));
  same(policies_of(all + all + all));
}

TEST_CASE_FIXTURE(Fixture, "a list of many actions is a list of many actions") {
  // More than 16 bits count, and quick to compile.
  std::string text = "permit(principal, action in [";
  for (int i = 0; i < 70'000; ++i) text += std::format("Action::\"a{}\",", i);
  same(policies_of(text + "], resource);"));
  same(policies_of(text + "Action::\"any\", Action::\"safe\"], resource in Folder::\"root\");"));
}

TEST_CASE_FIXTURE(Fixture,
                  "types that policies ask for: few, many, and those of the requests among them") {
  for (const int count : {0, 1, 5, 6, 7, 40}) {
    CAPTURE(count);
    std::string text;
    for (int i = 0; i < count; ++i)
      text += std::format(
          "permit (principal is T{0}, action, resource is S{0}::Doc);"
          "forbid (principal is S{0}::User, action, resource);",
          i);
    same(policies_of(text));
    same(policies_of(text + "permit (principal is User, action, resource is Doc);"
                            "forbid (principal is Group, action, resource is Folder);"));
  }
}

TEST_CASE_FIXTURE(Fixture, "a program leaves out what can never matter") {
  const auto size = [](std::string_view text) {
    return Program::compile(policies_of(text)).size().policies;
  };
  CHECK(size("permit(principal, action, resource);") == 1);
  CHECK(size("permit(principal, action in [], resource);") == 0);
  CHECK(size("permit(principal, action, resource) when { false };") == 0);
  CHECK(size("permit(principal, action, resource) unless { 1 == 1 };") == 0);
  CHECK(size("permit(principal is User, action, resource) when { principal is Group };") == 0);
  CHECK(size("permit(principal == A::\"a\", action, resource) when { principal == A::\"b\" };") ==
        0);
  // It fails before it is false, which is reported.
  CHECK(size("permit(principal, action, resource) when { principal.x && false };") == 1);
  // Equal questions are one.
  const auto expressions = [](std::string_view text) {
    return Program::compile(policies_of(text)).size().expressions;
  };
  const std::string_view one = "permit(principal, action, resource) when { context.n > 5 };";
  CHECK(expressions(one) == expressions(std::format("{0}{0}{0}", one)));
}

TEST_CASE_FIXTURE(Fixture, "deciding takes nothing from the heap once it has run") {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += std::format(
        "permit(principal in Group::\"g{0}\", action, resource) when {{ context.n == {0} }};"
        "forbid(principal, action, resource) when {{ principal.level > {0} && context.nope }};"
        "permit(principal, action, resource) when {{ [context.n, {0}].contains(5) }};",
        i);
  const Program program = Program::compile(policies_of(text));
  Slate slate;
  Answer answer;
  Arena scratch;
  const auto ask = [&] {
    scratch.reset();
    decide(program, requests[0], EntityView(entities), scratch, slate, answer);
  };
  ask();
  const std::size_t before = allocations;
  for (int i = 0; i < 200; ++i) ask();
  CHECK(allocations == before);
  CHECK(answer.reasons.size() == 200);
  CHECK(answer.errors.size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "one slate serves many programs, and outlives them") {
  Slate slate;
  Answer answer;
  for (int i = 0; i < 300; ++i) {
    const Program program = Program::compile(policies_of(
        std::format("permit(principal, action, resource) when {{ context.n == {} }};", i)));
    decide(program, requests[0], EntityView(entities), arena, slate, answer);
    CHECK((answer.decision == Decision::allow) == (i == 5));
  }
}
