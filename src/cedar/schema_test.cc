// Schemas: what is accepted and what it resolves to, what is refused and with which words, and the
// way from text to JSON and back.
#include "cedar/schema.h"

#include <doctest/doctest.h>

#include <array>
#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "json/write.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

std::string repeat(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

std::string text_error(std::string_view text) {
  const auto bad = parse_schema(text, "s");
  return bad ? "accepted" : bad.error().detail;
}

std::string json_error(std::string_view text) {
  const auto document = json::Document::parse(text, {.depth = 300});
  REQUIRE(document.has_value());
  const auto bad = parse_schema(document->root(), "j");
  return bad ? "accepted" : bad.error().detail;
}

std::string json_of(std::string_view text) {
  const auto source = read_schema_text(text);
  REQUIRE_MESSAGE(source.has_value(), (source ? "" : source.error().detail));
  return to_schema_json(*source);
}

}  // namespace

TEST_CASE("names are resolved: own namespace first, then outside of any") {
  const auto schema = parse_schema(
      "namespace N { type T = { a?: Long, \"b c\": Set<U> }; entity U in [G] { t: T, when: "
      "datetime } tags String; entity G in H; entity H in G;\n"
      "action read, \"w r\" in [all, Action::\"x\", M::Action::\"y\"] appliesTo { principal: U, "
      "resource: [U, O], context: T }; "
      "action all in x; action x; }\n@doc(\"o\") entity O, P enum [\"b\", \"a\",]; namespace M { "
      "action y; }");
  REQUIRE_MESSAGE(schema.has_value(), (schema ? "" : schema.error().detail));
  CHECK(schema->entity_types().size() == 5);
  CHECK(schema->actions().size() == 5);
  const SchemaEntity* const enumerated = schema->entity_type("P");
  REQUIRE(enumerated != nullptr);
  CHECK(enumerated->has_id("a"));
  CHECK_FALSE(enumerated->has_id("c"));
  const SchemaEntity* const user = schema->entity_type("N::U");
  REQUIRE(user != nullptr);
  CHECK(user->parents.size() == 1);
  CHECK(user->ancestors.size() == 2);  // G and H, which are in each other
  CHECK(user->may_be_in("N::H"));
  CHECK_FALSE(schema->entity_type("N::G")->may_be_in("N::U"));
  CHECK(to_text(*user->attributes) == "{t: {a?: Long, b c: Set<N::U>}, when: datetime}");
  CHECK(to_text(*user->tags) == "String");
  CHECK(schema->entity_type("U") == nullptr);

  const SchemaAction* const write = schema->action({"N::Action", "w r"});
  REQUIRE(write != nullptr);
  CHECK(write->resources[1] == "O");
  CHECK(write->in({"N::Action", "x"}));
  CHECK(write->in({"M::Action", "y"}));
  CHECK(write->in(write->uid));
  CHECK_FALSE(schema->action({"N::Action", "x"})->in(write->uid));
  CHECK(schema->action({"N::Action", "all"})->principals.empty());
  CHECK(schema->action({"Action", "all"}) == nullptr);
}

TEST_CASE("a builtin type can be named although another type hides it") {
  const auto schema = parse_schema(
      "type ipaddr = String; entity Long; entity U { a: ipaddr, b: __cedar::ipaddr, c: Long, d: "
      "__cedar::Long };");
  REQUIRE(schema.has_value());
  CHECK(to_text(*schema->entity_type("U")->attributes) ==
        "{a: String, b: ipaddr, c: Long, d: Long}");
  CHECK(schema->entity_type("U")->attributes->attribute("c")->type->is(Type::Kind::entity));
  CHECK(schema->entity_type("U")->attributes->attribute("d")->type->is(Type::Kind::integer));
}

TEST_CASE("what a schema text may not say, with its place") {
  struct Case {
    std::string_view text;
    std::string_view error;
  };
  const std::array<Case, 25> cases{{
      {"entity A { x: Strin };", "s:1:15: there is no type `Strin` (did you mean `String`?)"},
      {"entity A { x: Boolean };", "s:1:15: there is no type `Boolean` (did you mean `Bool`?)"},
      {"entity A in [B];", "s:1:14: there is no entity type `B` (did you mean `A`?)"},
      {"action a appliesTo { principal: [], resource: [] };",
       "s:1:22: the list of types in `appliesTo` cannot be empty"},
      {"entity A\nentity B;", "s:2:1: expected `;` after the entity type, found the word `entity`"},
      {"type A = B; type B = Set<A>;", "s:1:26: the type `A` contains itself"},
      {"entity A; entity A;", "s:1:18: the entity type `A` is declared twice"},
      {"type A = Long; type A = Long;", "s:1:21: the type `A` is declared twice"},
      {"action a; action \"a\";", "s:1:18: the action \"a\" is declared twice"},
      {"namespace N {} namespace N {}", "s:1:26: the namespace `N` is declared twice"},
      {"entity A; namespace N { entity A; }",
       "s:1:32: `N::A` hides the `A` outside of any namespace"},
      {"action a; namespace N { action a; }",
       "s:1:32: `N::Action::\"a\"` hides the `Action::\"a\"` outside of any namespace"},
      {"action a in b; action b in c; action c in a;",
       "s:1:8: the action Action::\"a\" is above itself"},
      {"action a in b;", "s:1:13: there is no action Action::\"b\""},
      {"entity Action;", "s:1:8: the entity type `Action` is that of the actions"},
      {"type Set = Long;", "s:1:6: `Set` is reserved; a type cannot be called so"},
      {"entity A { x: Long, x?: Long };", "s:1:21: the attribute `x` stands twice in this record"},
      {"@a @a entity A;", "s:1:5: the annotation `@a` stands twice here"},
      {"entity U; type C = Long; action a appliesTo { principal: U, resource: U, context: C };",
       "s:1:83: a context is a record, not Long"},
      {"type C = Long; entity U = C;", "s:1:27: the shape of an entity is a record, not Long"},
      {"entity E enum [];", "s:1:16: expected an id as a string, found `]`"},
      {"entity U; action a appliesTo { principal: U };",
       "s:1:45: `appliesTo` needs `principal` and `resource`"},
      {"entity U; action a appliesTo { context: {}, context: {}, principal: U, resource: U };",
       "s:1:45: this stands twice in `appliesTo`"},
      {"entity U { a: __cedar::X };", "s:1:15: there is no type `__cedar::X` (did you mean `U`?)"},
      {"entity U { a: N::U };", "s:1:15: there is no type `N::U`"},
  }};
  for (const Case& one : cases) {
    CAPTURE(one.text);
    CHECK(text_error(one.text) == one.error);
  }
}

TEST_CASE("limits: nesting, and common types that unfold to too much") {
  CHECK(text_error("type T = " + repeat("Set<", 1000)).contains("nested more than 128"));
  std::string chain = "type T0 = Long;";
  for (int i = 1; i <= 200; ++i) chain += std::format("type T{} = Set<T{}>;", i, i - 1);
  CHECK(text_error(chain).contains("at most 100000 parts and 128 levels"));
  std::string bomb = "type T0 = { a: Long, b: Long };";
  for (int i = 1; i <= 60; ++i)
    bomb += std::format("type T{0} = {{ a: T{1}, b: T{1} }};", i, i - 1);
  CHECK(text_error(bomb).contains("at most 100000 parts and 128 levels"));
}

TEST_CASE("JSON: what it may not say, with its place") {
  struct Case {
    std::string_view text;
    std::string_view error;
  };
  const std::array<Case, 14> cases{{
      {R"([])", "j: expected an object"},
      {R"({"N":{"entityTypes":{},"action":{}}})", "j: at N: unknown key `action`"},
      {R"({"N":{"entityTypes":{"U":{"shape":{"type":"Record","attributes":{"a":{"type":"Lon"}}}}}}})",
       "j: at N.entityTypes.U: there is no type `Lon` (did you mean `Long`?)"},
      {R"({"N":{"entityTypes":{"U":{"shape":{"type":"Record","attributes":{"a":{}}}}}}})",
       "j: at N.entityTypes.U.shape.attributes.a: `type` is missing"},
      {R"({"":{"entityTypes":{"U":{"memberOfTypes":["V"]}}}})",
       "j: at entityTypes.U: there is no entity type `V` (did you mean `U`?)"},
      {R"({"":{"entityTypes":{"U":{"memberOfTypes":["N :: V"]}}}})",
       "j: at entityTypes.U.memberOfTypes: `N :: V` is not a name"},
      {R"({"":{"entityTypes":{"E":{"enum":[]}}}})",
       "j: at entityTypes.E: an enumerated entity type has at least one id"},
      {R"({"":{"entityTypes":{"E":{"enum":["a"],"shape":{"type":"Record","attributes":{}}}}}})",
       "j: at entityTypes.E: unknown key `shape`"},
      {R"({"":{"entityTypes":{"a b":{}}}})",
       "j: at entityTypes.a b: `a b` is not a name: names here are identifiers"},
      {R"({"":{"actions":{"a":{"appliesTo":{"principalTypes":[]}}}}})",
       "j: at actions.a.appliesTo: `resourceTypes` is missing"},
      {R"({"":{"commonTypes":{"Entity":{"type":"Long"}}}})",
       "j: at commonTypes.Entity: `Entity` is reserved; a type cannot be called so"},
      {R"({"":{"commonTypes":{"A":{"type":"Extension","name":"uuid"}}}})",
       "j: at commonTypes.A: there is no extension type `uuid`"},
      {R"({"":{"commonTypes":{"A":{"type":"Record","attributes":{},"additionalAttributes":true}}}})",
       "j: at commonTypes.A: records with additional attributes are not supported"},
      {R"({"":{"commonTypes":{"A":{"type":"Entity","name":"A"}}}})",
       "j: at commonTypes.A: there is no type `A`"},
  }};
  for (const Case& one : cases) {
    CAPTURE(one.text);
    CHECK(json_error(one.text) == one.error);
  }
  CHECK(json_error(R"({"":{"commonTypes":{"A":)" + repeat(R"({"type":"Set","element":)", 140) +
                   R"({"type":"Long"})" + repeat("}", 140) + "}}}")
            .contains("nested more than 128"));
}

TEST_CASE("text to JSON, and JSON to the same text") {
  const std::string_view text = R"(@doc("outside")
type Pair = {
  first: Long,
  "second part"?: Set<Pairs::Thing>,
};

@about("things")
namespace Pairs {
  entity Thing in [Thing] {
    @unit("s")
    age?: duration,
    nothing: {},
  } tags Set<__cedar::String>;

  entity String;

  entity Color enum ["red", "\"quoted\""];

  action all;

  action "use it" in [all, Pairs::Action::"all"] appliesTo {
    principal: [Thing],
    resource: [Thing, Color],
    context: Pair,
  };
}
)";
  const auto source = read_schema_text(text);
  REQUIRE_MESSAGE(source.has_value(), (source ? "" : source.error().detail));
  REQUIRE(resolve(*source).has_value());
  const auto printed = to_schema_text(*source);
  REQUIRE(printed.has_value());
  CHECK(*printed == text);
  const std::string json = to_schema_json(*source);
  const auto document = json::Document::parse(json);
  REQUIRE(document.has_value());
  const auto again = read_schema_json(document->root());
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().detail));
  REQUIRE(resolve(*again).has_value());
  CHECK(to_schema_json(*again) == json);
  const auto round = to_schema_text(*again);
  REQUIRE(round.has_value());
  CHECK(*round == text);
}

TEST_CASE("JSON says which names are meant; text where it can") {
  const auto document = json::Document::parse(
      R"({"N":{"commonTypes":{"T":{"type":"Long"},"Long":{"type":"Boolean"}}}})");
  REQUIRE(document.has_value());
  CHECK_FALSE(parse_schema(document->root()).has_value());  // Long is reserved
  const auto clash = json::Document::parse(
      R"({"N":{"commonTypes":{"T":{"type":"Long"}},"entityTypes":{"T":{},"U":{"shape":{"type":
      "Record","attributes":{"a":{"type":"Entity","name":"T"},"b":{"type":"T"},"c":{"type":
      "EntityOrCommon","name":"T"}}}}}}})");
  REQUIRE(clash.has_value());
  const auto schema = parse_schema(clash->root());
  REQUIRE(schema.has_value());
  CHECK(to_text(*schema->entity_type("N::U")->attributes) == "{a: N::T, b: Long, c: Long}");
  const auto text = to_schema_text(*read_schema_json(clash->root()));
  REQUIRE_FALSE(text.has_value());
  CHECK(text.error().code == base::Code::unsupported);
}

TEST_CASE("names of the text stay open in JSON") {
  CHECK(json_of("entity U { a: Long };") ==
        R"({"":{"entityTypes":{"U":{"shape":{"type":"Record","attributes":{"a":{"type":)"
        R"("EntityOrCommon","name":"Long"}}}}},"actions":{}}})");
}
