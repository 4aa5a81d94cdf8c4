#include "cedar/from_json.h"

#include <algorithm>
#include <array>
#include <format>
#include <string>
#include <utility>
#include <vector>

#include "cedar/conform.h"
#include "cedar/detail/cursor.h"
#include "cedar/detail/lexer.h"
#include "cedar/extension.h"

namespace latticegate::cedar {
namespace {

using base::Code;

std::unexpected<base::Error> bad(const std::string& place, std::string_view what) {
  return base::fail(Code::invalid,
                    place.empty() ? std::string(what) : std::format("at {}: {}", place, what));
}

base::Result<EntityUid> read_uid(json::Value tree, const std::string& place) {
  // Further keys beside these are allowed, as in other implementations.
  if (const json::Value inner = tree["__entity"]) tree = inner;
  const auto type = tree["type"].string();
  const auto id = tree["id"].string();
  if (!type || !id) return bad(place, "expected an entity: {\"type\": \"...\", \"id\": \"...\"}");
  if (!is_type_name(*type))
    return bad(place, std::format("`{}` is not the name of an entity type", *type));
  return EntityUid(*type, *id);
}

class Reader {
 public:
  Reader(Escapes escapes, Arena& arena) : escapes_(escapes), arena_(arena) {}

  // `type` may be null: not directed.
  base::Result<Value> read(json::Value tree, const Type* type) {
    if (type != nullptr && tree.is_string()) return typed_string(*tree.string(), *type);
    switch (tree.exists() ? tree.kind() : json::Kind::null) {
      case json::Kind::null: return bad(place_, "null is no Cedar value");
      case json::Kind::boolean: return Value::boolean(*tree.boolean());
      case json::Kind::string: return Value::string(*tree.string());
      case json::Kind::number: {
        const auto number = tree.integer();
        if (!number) return bad(place_, std::format("{} is not a 64-bit integer", tree.digits()));
        return Value::integer(*number);
      }
      case json::Kind::array: return array(tree, type);
      case json::Kind::object: return object(tree, type);
    }
    std::unreachable();
  }

 private:
  base::Result<Value> typed_string(std::string_view text, const Type& type) {
    switch (type.kind) {
      case Type::Kind::decimal: return call("decimal", text);
      case Type::Kind::ip: return call("ip", text);
      case Type::Kind::datetime: return call("datetime", text);
      case Type::Kind::duration: return call("duration", text);
      default: return Value::string(text);
    }
  }

  base::Result<Value> array(json::Value tree, const Type* type) {
    const Type* const inner =
        type != nullptr && type->is(Type::Kind::set) ? type->element : nullptr;
    std::vector<Value> elements;
    elements.reserve(tree.size());
    std::size_t position = 0;
    for (const json::Value element : tree.elements()) {
      const std::size_t length = place_.size();
      place_ += std::format("[{}]", position++);
      const auto value = read(element, inner);
      if (!value) return value;
      place_.resize(length);
      elements.push_back(*value);
    }
    return Value::set(elements, arena_);
  }

  base::Result<Value> object(json::Value tree, const Type* type) {
    if (escapes_ == Escapes::honoured) {
      const bool implicit =
          type != nullptr && type->kind == Type::Kind::entity && tree["type"] && tree["id"];
      if (implicit || tree["__entity"]) {
        const auto uid = read_uid(tree, place_);
        if (!uid) return std::unexpected(uid.error());
        return Value::entity(*uid, arena_);
      }
      if (const json::Value call = tree["__extn"]) return extension(call);
      if (tree["__expr"]) return bad(place_, "the __expr escape is not supported");
    }
    std::vector<Field> fields;
    fields.reserve(tree.size());
    for (const json::Member member : tree.members()) {
      const std::size_t length = place_.size();
      place_ += '.';
      place_ += member.key;
      const auto value = read(member.value, attribute_type(type, member.key));
      if (!value) return value;
      place_.resize(length);
      fields.push_back({Name(member.key), *value});
    }
    return Value::record(fields, arena_);
  }

  static const Type* attribute_type(const Type* type, std::string_view name) {
    if (type == nullptr || !type->is(Type::Kind::record)) return nullptr;
    const TypeAttribute* const found = type->attribute(name);
    return found == nullptr ? nullptr : found->type;
  }

  // {"fn": "ip", "arg": "10.0.0.1"}, or {"fn": "offset", "args": [...]} whose elements are values
  // again.
  base::Result<Value> extension(json::Value tree) {
    const auto function = tree["fn"].string();
    if (!function || tree.size() != 2)
      return bad(place_, "expected {\"fn\": \"...\", \"arg\": ...} in __extn");
    if (*function == "offset") {
      const auto time = read(tree["args"].at(0), nullptr);
      if (!time) return time;
      const auto by = read(tree["args"].at(1), nullptr);
      if (!by) return by;
      std::int64_t sum = 0;
      if (!time->is(Kind::datetime) || !by->is(Kind::duration) || tree["args"].size() != 2 ||
          __builtin_add_overflow(time->integer(), by->integer(), &sum))
        return bad(place_, "offset needs a datetime and a duration, and a result in range");
      return Value::datetime(sum);
    }
    const json::Value only = tree["arg"] ? tree["arg"] : tree["args"].at(0);
    const auto text = only.string();
    if (!text || (tree["args"] && tree["args"].size() != 1))
      return bad(place_, "expected one string as the argument in __extn");
    return call(*function, *text);
  }

  base::Result<Value> call(std::string_view function, std::string_view text) {
    if (function == "decimal") {
      if (const auto v = parse_decimal(text)) return Value::decimal(*v);
    } else if (function == "ip") {
      if (const auto v = parse_ip(text)) return Value::ip(*v, arena_);
    } else if (function == "datetime") {
      if (const auto v = parse_datetime(text)) return Value::datetime(*v);
    } else if (function == "duration") {
      if (const auto v = parse_duration(text)) return Value::duration(*v);
    } else {
      return bad(place_, std::format("there is no extension function `{}`", function));
    }
    return bad(place_,
               std::format("{} is not a well-formed {}", quoted(text.substr(0, 100)), function));
  }

  Escapes escapes_;
  Arena& arena_;
  std::string place_;
};

// The type of one attribute (or of all tags) of an entity; null without a schema or when it is not
// declared.
const Type* declared(const Schema* schema, const EntityUid& uid, bool tags, std::string_view name) {
  const SchemaEntity* const entity = schema == nullptr ? nullptr : schema->entity_type(uid.type());
  if (entity == nullptr) return nullptr;
  if (tags) return entity->tags;
  const TypeAttribute* const found = entity->attributes->attribute(name);
  return found == nullptr ? nullptr : found->type;
}

base::Result<void> add_entity(json::Value tree, const std::string& place, const Schema* schema,
                              Arena& arena, Entities::Builder& builder) {
  for (const json::Member member : tree.members())
    if (member.key != "uid" && member.key != "attrs" && member.key != "parents" &&
        member.key != "tags")
      return bad(place, std::format("unknown key `{}` in an entity", member.key));
  const auto uid = read_uid(tree["uid"], place + ".uid");
  if (!uid) return std::unexpected(uid.error());
  std::vector<EntityUid> parents;
  if (!tree["parents"].is_array() || !tree["attrs"].is_object() ||
      (tree["tags"] && !tree["tags"].is_object()))
    return bad(place,
               "an entity has `attrs` (object), `parents` (array) and optionally `tags` (object)");
  for (const json::Value parent : tree["parents"].elements()) {
    const auto above = read_uid(parent, place + ".parents");
    if (!above) return std::unexpected(above.error());
    parents.push_back(*above);
  }
  std::array<Value, 2>
      records;  // attributes and tags; their keys are names even if they look like escapes
  for (const bool tags : {false, true}) {
    const std::string_view part = tags ? "tags" : "attrs";
    std::vector<Field> fields;
    for (const json::Member field : tree[part].members()) {
      const Type* const type = declared(schema, *uid, tags, field.key);
      auto value = type == nullptr ? value_from_json(field.value, Escapes::honoured, arena)
                                   : value_from_json(field.value, Escapes::honoured, *type, arena);
      if (!value)
        return base::within(std::format("at {}.{}.{}", place, part, field.key),
                            std::move(value).error());
      fields.push_back({Name(field.key), *value});
    }
    records[tags ? 1 : 0] = Value::record(fields, arena);
  }
  if (schema != nullptr) {
    const Entity entity{*uid, records[0], records[1], parents, parents};
    if (auto fits = conforms(entity, *schema); !fits)
      return base::within(std::format("at {}", place), std::move(fits).error());
  }
  builder.add(*uid, records[0], parents, records[1]);
  return {};
}

}  // namespace

base::Result<Value> value_from_json(json::Value tree, Escapes escapes, Arena& arena) {
  return Reader(escapes, arena).read(tree, nullptr);
}

base::Result<Value> value_from_json(json::Value tree, Escapes escapes, const Type& type,
                                    Arena& arena) {
  return Reader(escapes, arena).read(tree, &type);
}

base::Result<void> add_entities(json::Value array, Entities::Builder& builder,
                                const Schema* schema) {
  if (!array.is_array()) return base::fail(Code::invalid, "entities are a JSON array");
  Arena arena;
  std::size_t position = 0;
  for (const json::Value tree : array.elements()) {
    if (auto added = add_entity(tree, std::format("[{}]", position++), schema, arena, builder);
        !added)
      return added;
    arena.reset();
  }
  return {};
}

base::Result<EntityUid> uid_from_json(json::Value tree) { return read_uid(tree, {}); }

base::Result<EntityUid> parse_uid(std::string_view text, Arena& arena) {
  if (text.size() > std::size_t{1} << 20U)
    return base::fail(Code::too_large, "an entity of more than 1 MiB");
  const SourceFile file("entity", arena.copy(text));
  Arena local;  // the type may be a view of `file`
  Cursor cursor(file, local);
  std::string_view type;
  std::string_view id;
  if (!cursor.path("an entity type", type) || !cursor.expect(Token::path, "`::`") ||
      !cursor.string("the entity's id as a string", id) ||
      !cursor.expect(Token::end, "the end of the entity"))
    return std::unexpected(cursor.error());
  return EntityUid(arena.copy(type), arena.copy(id));
}

}  // namespace latticegate::cedar
