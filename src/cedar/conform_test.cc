// Conformance in small: values, entities and requests against one schema, and the words for what
// does not fit.
#include "cedar/conform.h"

#include <doctest/doctest.h>

#include <array>
#include <format>
#include <string>
#include <string_view>

#include "cedar/from_json.h"
#include "cedar/schema.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

const Schema& schema() {
  static const Schema parsed =
      parse_schema(
          "entity Top; entity Group in [Top]; entity User in [Group] { dept: String, age?: Long, "
          "ips: Set<ipaddr>, boss?: User, color?: Color } tags Long; entity Color enum [\"red\"]; "
          "entity Doc; action all; action view in [all] appliesTo { principal: [User, Color], "
          "resource: [Doc], context: { n: Long, inner?: { at: datetime } } };")
          .value();
  return parsed;
}

// "" when the entity is accepted, otherwise why not.
std::string entity_error(std::string_view text) {
  const auto document = json::Document::parse(std::format("[{}]", text));
  REQUIRE(document.has_value());
  Entities::Builder builder;
  if (const auto added = add_entities(document->root(), builder, &schema()); !added)
    return added.error().detail;
  schema().add_action_entities(builder);
  const auto entities = builder.build();
  if (!entities) return entities.error().detail;
  const auto all = conforms(*entities, schema());
  return all ? std::string() : all.error().detail;
}

std::string user(std::string_view attributes, std::string_view rest = "\"parents\":[]") {
  return std::format(R"({{"uid":{{"type":"User","id":"u"}},"attrs":{{{}}},{}}})", attributes, rest);
}

std::string request_error(const Request& request) {
  const auto fits = conforms(request, schema());
  return fits ? std::string() : fits.error().detail;
}

}  // namespace

TEST_CASE("entities") {
  struct Case {
    std::string entity;
    std::string_view error;
  };
  const std::string full = R"("dept":"a","ips":["10.0.0.1"])";
  const std::array<Case, 16> cases{{
      {user(full), ""},
      {user(
           full + R"(,"age":3,"boss":{"type":"User","id":"x"},"color":{"type":"Color","id":"red"})",
           R"("parents":[{"type":"Group","id":"g"}],"tags":{"t":1})"),
       ""},
      {user(""), R"(at [0]: User::"u": the attribute `dept` is missing)"},
      {user(full + R"(,"x":1)"), R"(at [0]: User::"u": there is no attribute `x` here)"},
      {user(R"("dept":1,"ips":[])"),
       R"(at [0]: User::"u": at .dept: expected String, found long 1)"},
      {user(R"("dept":"a","ips":["10.0.0.1",1])"),
       R"(at [0]: User::"u": at .ips[]: expected ipaddr, found long 1)"},
      {user(full + R"(,"boss":{"type":"Group","id":"x"})"),
       R"(at [0]: User::"u": at .boss: expected User, found entity Group::"x")"},
      {user(full + R"(,"boss":"x")"),
       R"(at [0]: User::"u": at .boss: expected User, found string "x")"},
      {user(full + R"(,"color":{"type":"Color","id":"blue"})"),
       R"(at [0]: User::"u": at .color: "blue" is not one of the ids that `Color` is declared with)"},
      {user(full, R"("parents":[{"type":"Doc","id":"g"}])"),
       R"(at [0]: User::"u": cannot be in an entity of type `Doc`)"},
      {user(full, R"("parents":[],"tags":{"t":"x"})"),
       R"(at [0]: User::"u": the tag "t": expected Long, found string "x")"},
      {R"({"uid":{"type":"Doc","id":"d"},"attrs":{},"parents":[],"tags":{"t":1}})",
       R"(at [0]: Doc::"d": entities of its type have no tags)"},
      {R"({"uid":{"type":"Nope","id":"d"},"attrs":{},"parents":[]})",
       R"(at [0]: Nope::"d": the schema declares no such entity type)"},
      {R"({"uid":{"type":"Color","id":"blue"},"attrs":{},"parents":[]})",
       R"(at [0]: Color::"blue": "blue" is not one of the ids that `Color` is declared with)"},
      {R"({"uid":{"type":"Action","id":"nope"},"attrs":{},"parents":[]})",
       R"(at [0]: Action::"nope": the schema declares no such action)"},
      {R"({"uid":{"type":"Action","id":"view"},"attrs":{},"parents":[]})",
       R"(at [0]: Action::"view": an action is exactly as the schema declares it)"},
  }};
  for (const Case& one : cases) {
    CAPTURE(one.entity);
    CHECK(entity_error(one.entity) == one.error);
  }
  CHECK(entity_error(R"({"uid":{"type":"Action","id":"view"},"attrs":{},"parents":[
                        {"type":"Action","id":"all"}]})")
            .empty());
}

TEST_CASE("ancestors are held to the schema, not only parents") {
  // A group may be in a top; through a parent that is no Group's, a user could get elsewhere.
  CHECK(entity_error(user(R"("dept":"a","ips":[])", R"("parents":[{"type":"Group","id":"g"}])") +
                     R"(,{"uid":{"type":"Group","id":"g"},"attrs":{},"parents":[
                     {"type":"Top","id":"t"}]})")
            .empty());
  Entities::Builder builder;
  const EntityUid doc{"Doc", "d"};
  const EntityUid group{"Group", "g"};
  builder.add(group, {}, std::span(&doc, 1));
  const auto entities = builder.build();
  REQUIRE(entities.has_value());
  CHECK_FALSE(conforms(*entities, schema()).has_value());
}

TEST_CASE("requests") {
  Arena arena;
  const EntityUid bob{"User", "b"};
  const EntityUid doc{"Doc", "d"};
  const EntityUid view{"Action", "view"};
  const auto context = [&](std::string_view text) {
    const auto document = json::Document::parse(text);
    return *value_from_json(document->root(), Escapes::data, *schema().action(view)->context,
                            arena);
  };
  const Value good = context(R"({"n":1,"inner":{"at":"2026-01-02"}})");
  CHECK(request_error({bob, view, doc, good}).empty());
  CHECK(request_error({{"Color", "red"}, view, doc, good}).empty());
  CHECK(request_error({{"Color", "blue"}, view, doc, good}) ==
        R"("blue" is not one of the ids that `Color` is declared with)");
  CHECK(request_error({{"Group", "g"}, view, doc, good}) ==
        R"(Action::"view" does not apply to a principal of type `Group`)");
  CHECK(request_error({{"Nope", "g"}, view, doc, good}) ==
        "the schema declares no type `Nope` for the principal");
  CHECK(request_error({bob, {"Action", "nope"}, doc, good}) ==
        R"(the schema declares no action Action::"nope")");
  CHECK(request_error({bob, {"Action", "all"}, doc, good}) ==
        R"(Action::"all" does not apply to a principal of type `User`)");
  CHECK(request_error({bob, view, bob, good}) ==
        R"(Action::"view" does not apply to a resource of type `User`)");
  CHECK(request_error({bob, view, doc, context("{}")}) ==
        R"(the context of Action::"view": the attribute `n` is missing)");
  CHECK(request_error({bob, view, doc, context(R"({"n":"1"})")}) ==
        R"(the context of Action::"view": at .n: expected Long, found string "1")");
  CHECK(request_error({bob, view, doc, context(R"({"n":1,"m":1})")}) ==
        R"(the context of Action::"view": there is no attribute `m` here)");
  // Three-valued requests: what is not known yet may fit.
  const std::array<Field, 1> open{{{Name("n"), Value::unknown()}}};
  CHECK(request_error({bob, view, doc, Value::record(open, arena)}).empty());
}
