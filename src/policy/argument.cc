#include "policy/argument.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <format>
#include <optional>
#include <span>
#include <utility>

#include "policy/destination.h"
#include "policy/exact.h"
#include "policy/sql_facts.h"

namespace latticegate::policy {
namespace {

using base::Code;
using cedar::Value;

constexpr std::size_t most_shapes = 2'000;
constexpr std::uint32_t deepest = 16;
constexpr std::uint32_t most_values = 20'000;
constexpr std::size_t most_sightings = 64;

// What a string of an argument may be besides a string, by the argument's name.
enum class Role : std::uint8_t { plain, perhaps_sql, sql };

Role role_of(std::string_view name) {
  constexpr std::size_t longest = 16;
  if (name.size() > longest) return Role::plain;
  std::array<char, longest> lower{};
  std::size_t length = 0;
  for (const char c : name)
    if (c != '_' && c != '-')
      lower[length++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const std::string_view word(lower.data(), length);
  if (word == "sql" || word == "sqlquery" || word == "sqlstatement" || word == "sqltext" ||
      word == "rawsql" || word == "querysql")
    return Role::sql;
  if (word == "query" || word == "statement" || word == "statements" || word == "queries" ||
      word == "q" || word == "command")
    return Role::perhaps_sql;
  return Role::plain;
}

struct Shape;
struct Property {
  cedar::Name name{};  // views `text`
  std::string text{};
  const Shape* shape = nullptr;
  bool required = false;
  Role role = Role::plain;
};

// One compiled schema.
struct Shape {
  enum class Kind : std::uint8_t {
    any,
    boolean,
    integer,
    decimal,
    string,
    date,
    time,
    duration,
    ipv4,
    ipv6,
    set,
    record,
  };
  Kind kind = Kind::any;
  bool nullable = false;
  bool closed = false;                  // record: nothing but the properties
  const Shape* element = nullptr;       // set
  const Shape* others = nullptr;        // record: what is not among the properties
  std::vector<Property> properties{};   // record; sorted by name
  std::vector<std::uint32_t> hashes{};  // of their names
  std::string_view untyped{};           // any: why

  // The property's index, or how many there are.
  std::size_t find(const cedar::Name& name) const {
    auto at =
        static_cast<std::size_t>(std::ranges::lower_bound(hashes, name.hash()) - hashes.begin());
    while (at < hashes.size() && hashes[at] == name.hash() && properties[at].name != name) ++at;
    return at < hashes.size() && hashes[at] == name.hash() ? at : hashes.size();
  }
};
using Kind = Shape::Kind;

const Shape anything{};

std::string_view words(Kind kind) {
  switch (kind) {
    case Kind::any: return "a value";
    case Kind::boolean: return "true or false";
    case Kind::integer: return "an integer of 64 bits";
    case Kind::decimal: return "a number with at most four fraction digits";
    case Kind::string: return "a string";
    case Kind::date: return "a date such as 2026-01-02";
    case Kind::time: return "a date and time such as 2026-01-02T03:04:05.678Z";
    case Kind::duration: return "a duration such as P1DT2H30M";
    case Kind::ipv4: return "an IPv4 address";
    case Kind::ipv6: return "an IPv6 address";
    case Kind::set: return "an array";
    case Kind::record: return "an object";
  }
  std::unreachable();
}

bool is_null_type(json::Value schema) {
  if (schema["type"].text_or("") == "null") return true;
  const json::Value constant = schema["const"];
  return constant.exists() && constant.is_null();
}

class Compiler {
 public:
  Compiler(json::Value root, std::deque<Shape>& shapes) : root_(root), shapes_(shapes) {}

  base::Result<const Shape*> compile(json::Value schema) {
    const Shape* shape = read(schema, 0);
    if (!shape) return std::unexpected(std::move(*failure_));
    return shape;
  }

 private:
  const Shape* fail(Code code, std::string detail) {
    failure_ = base::Error{code, std::move(detail)};
    return nullptr;
  }
  Shape* add(Kind kind) {
    if (shapes_.size() >= most_shapes) {
      fail(Code::too_large,
           std::format("inputSchema: more than {} properties and nested schemas", most_shapes));
      return nullptr;
    }
    shapes_.emplace_back();
    shapes_.back().kind = kind;
    return &shapes_.back();
  }
  const Shape* untyped(std::string_view why) {
    Shape* shape = add(Kind::any);
    if (shape) shape->untyped = why;
    return shape;
  }
  const Shape* nullable(const Shape* shape) {
    if (!shape || shape->nullable || shape->kind == Kind::any) return shape;
    Shape* copy = add(shape->kind);
    if (!copy) return nullptr;
    *copy = *shape;
    copy->nullable = true;
    name(copy->properties);
    return copy;
  }
  // A name views its property's text, which moves with the property.
  static void name(std::vector<Property>& properties) {
    for (Property& property : properties) property.name = cedar::Name(property.text);
  }

  const Shape* read(json::Value schema, std::uint32_t depth) {
    if (depth > deepest) return untyped("nested too deeply");
    if (!schema.is_object()) return untyped("no type");
    if (const auto reference = schema["$ref"].string()) return follow(*reference, depth);
    const Shape* shape = read_kind(schema, depth);
    return schema["nullable"].boolean().value_or(false) ? nullable(shape) : shape;
  }

  const Shape* follow(std::string_view reference, std::uint32_t depth) {
    if (std::ranges::find(following_, reference) != following_.end()) return untyped("recursive");
    json::Value target;
    if (reference == "#") target = root_;
    for (const std::string_view folder : {"$defs", "definitions"}) {
      const std::string prefix = std::format("#/{}/", folder);
      if (reference.starts_with(prefix)) target = root_[folder][reference.substr(prefix.size())];
    }
    if (!target) return untyped("a reference that is not followed");
    following_.push_back(reference);
    const Shape* shape = read(target, depth + 1);
    following_.pop_back();
    return shape;
  }

  const Shape* read_kind(json::Value schema, std::uint32_t depth) {
    const json::Value type = schema["type"];
    if (const auto name = type.string()) return read_type(*name, schema, depth);
    if (type.is_array()) return read_types(type, schema, depth);
    for (const std::string_view key : {"anyOf", "oneOf"})
      if (schema[key].is_array() && !schema["properties"].is_object())
        return read_choice(schema[key], depth);
    if (schema["allOf"].size() == 1 && !schema["properties"].is_object())
      return read(schema["allOf"].at(0), depth + 1);
    if (schema["properties"].is_object()) return read_type("object", schema, depth);
    if (schema["items"].is_object()) return read_type("array", schema, depth);
    if (const json::Value constant = schema["const"]) return read_constant(constant);
    if (schema["enum"].is_array()) return read_enumeration(schema["enum"]);
    return untyped("no type");
  }

  const Shape* read_constant(json::Value constant) {
    switch (constant.kind()) {
      case json::Kind::boolean: return add(Kind::boolean);
      case json::Kind::string: return add(Kind::string);
      case json::Kind::number: return constant.integral() ? add(Kind::integer) : add(Kind::decimal);
      case json::Kind::null:
      case json::Kind::array:
      case json::Kind::object: return untyped("no type");
    }
    std::unreachable();
  }

  const Shape* read_enumeration(json::Value values) {
    bool strings = true;
    bool null = false;
    for (const json::Value value : values.elements()) {
      null = null || value.is_null();
      strings = strings && (value.is_string() || value.is_null());
    }
    if (!strings) return untyped("an enumeration of several types");
    const Shape* shape = add(Kind::string);
    return null ? nullable(shape) : shape;
  }

  const Shape* read_types(json::Value types, json::Value schema, std::uint32_t depth) {
    bool null = false;
    std::vector<std::string_view> names;
    for (const json::Value type : types.elements()) {
      const std::string_view name = type.text_or("");
      if (name == "null")
        null = true;
      else
        names.push_back(name);
    }
    if (names.size() == 2 && std::ranges::find(names, "integer") != names.end() &&
        std::ranges::find(names, "number") != names.end())
      names = {"number"};
    if (names.size() != 1) return untyped("a union");
    const Shape* shape = read_type(names.front(), schema, depth);
    return null ? nullable(shape) : shape;
  }

  const Shape* read_choice(json::Value choices, std::uint32_t depth) {
    bool null = false;
    const Shape* found = nullptr;
    for (const json::Value choice : choices.elements()) {
      if (is_null_type(choice)) {
        null = true;
        continue;
      }
      const Shape* shape = read(choice, depth + 1);
      if (!shape) return nullptr;
      const bool scalar = shape->kind == Kind::boolean || shape->kind == Kind::integer ||
                          shape->kind == Kind::string || shape->kind == Kind::decimal;
      if (found && (found->kind != shape->kind || !scalar)) return untyped("a union");
      null = null || shape->nullable;
      found = shape;
    }
    if (!found) return untyped("no type");
    return null ? nullable(found) : found;
  }

  const Shape* read_type(std::string_view type, json::Value schema, std::uint32_t depth) {
    if (type == "boolean") return add(Kind::boolean);
    if (type == "integer") return with_null(add(Kind::integer), schema);
    if (type == "number") {
      const auto step = schema["multipleOf"].integral();
      return with_null(add(step && *step > 0 ? Kind::integer : Kind::decimal), schema);
    }
    if (type == "string") return with_null(add(string_kind(schema)), schema);
    if (type == "array") return read_array(schema, depth);
    if (type == "object") return read_object(schema, depth);
    if (type == "null") return untyped("no type");
    return fail(Code::invalid, std::format("inputSchema: \"{}\" is no type", type)), nullptr;
  }
  // An enum with null in it says as much as a type with null in it.
  const Shape* with_null(const Shape* shape, json::Value schema) {
    for (const json::Value value : schema["enum"].elements())
      if (value.is_null()) return nullable(shape);
    return shape;
  }
  static Kind string_kind(json::Value schema) {
    const std::string_view format = schema["format"].text_or("");
    if (schema["enum"].exists()) return Kind::string;
    if (format == "date") return Kind::date;
    if (format == "date-time") return Kind::time;
    if (format == "duration") return Kind::duration;
    if (format == "ipv4") return Kind::ipv4;
    if (format == "ipv6") return Kind::ipv6;
    return Kind::string;
  }

  const Shape* read_array(json::Value schema, std::uint32_t depth) {
    Shape* shape = add(Kind::set);
    if (!shape) return nullptr;
    const json::Value items = schema["items"];
    if (schema["prefixItems"].exists() || items.is_array())
      shape->element = untyped("a tuple");
    else if (items.exists())
      shape->element = read(items, depth + 1);
    else
      shape->element = untyped("no type");
    return shape->element ? shape : nullptr;
  }

  const Shape* read_object(json::Value schema, std::uint32_t depth) {
    Shape* shape = add(Kind::record);
    if (!shape) return nullptr;
    shape->others = &anything;
    const json::Value others = schema["additionalProperties"];
    if (others.is_boolean() && !*others.boolean() && !schema["patternProperties"].exists()) {
      shape->closed = true;
    } else if (others.is_object() && others.size() != 0 && !schema["patternProperties"].exists()) {
      shape->others = read(others, depth + 1);
      if (!shape->others) return nullptr;
    }
    std::vector<Property> properties;
    for (const json::Member member : schema["properties"].members()) {
      Property property{.text = std::string(member.key), .role = role_of(member.key)};
      property.shape = read(member.value, depth + 1);
      if (!property.shape) return nullptr;
      for (const json::Value required : schema["required"].elements())
        if (required.text_or("") == member.key) property.required = true;
      properties.push_back(std::move(property));
    }
    std::ranges::sort(properties, {}, [](const Property& p) { return cedar::Name(p.text); });
    shape->properties = std::move(properties);
    name(shape->properties);
    for (const Property& property : shape->properties)
      shape->hashes.push_back(property.name.hash());
    return shape;
  }

  json::Value root_;
  std::deque<Shape>& shapes_;
  std::vector<std::string_view> following_;
  std::optional<base::Error> failure_;
};

// Writes types, and collects what has none.
class TypeWriter {
 public:
  explicit TypeWriter(std::vector<std::string>& untyped) : untyped_(untyped) {}

  // Nothing when the shape has no type.
  std::optional<std::string> type(const Shape& shape, const std::string& path) {
    switch (shape.kind) {
      case Kind::any:
        untyped_.push_back(std::format("{}: {}", path.empty() ? "(arguments)" : path,
                                       shape.untyped.empty() ? "no type" : shape.untyped));
        return {};
      case Kind::boolean: return "Bool";
      case Kind::integer: return "Long";
      case Kind::decimal: return "decimal";
      case Kind::string: return "String";
      case Kind::date:
      case Kind::time: return "datetime";
      case Kind::duration: return "duration";
      case Kind::ipv4:
      case Kind::ipv6: return "ipaddr";
      case Kind::set: {
        const auto element = type(*shape.element, path + "[]");
        if (!element) return {};
        return std::format("Set<{}>", *element);
      }
      case Kind::record: return record(shape, path);
    }
    std::unreachable();
  }

 private:
  std::string record(const Shape& shape, const std::string& path) {
    std::vector<const Property*> properties;
    for (const Property& property : shape.properties) properties.push_back(&property);
    std::ranges::sort(properties, {}, &Property::text);
    if (properties.empty() && !shape.closed && !path.empty())
      untyped_.push_back(path + ": an object of any content");
    std::string fields;
    for (const Property* property : properties) {
      const auto text =
          type(*property->shape, path.empty() ? property->text : path + "." + property->text);
      if (!text) continue;
      const bool optional = !property->required || property->shape->nullable;
      fields += std::format("{}{}{}: {}", fields.empty() ? "" : ", ", cedar::quoted(property->text),
                            optional ? "?" : "", *text);
    }
    return fields.empty() ? "{}" : std::format("{{ {} }}", fields);
  }
  std::vector<std::string>& untyped_;
};

class Conversion {
 public:
  Conversion(cedar::Arena& arena, Sightings& seen, Refusal& refusal, const Reads& reads)
      : arena_(arena), seen_(seen), refusal_(refusal), reads_(reads) {}

  // Each property of the schema has its slot, in the order of records; what is not in the schema
  // follows behind, and only then something has to be sorted.
  Value record(json::Value object, const Shape& shape) {
    if (!object.is_object()) return refuse(shape.kind, object);
    const std::size_t slots = shape.properties.size();
    const auto fields = arena_.array<cedar::Field>(slots + object.size());
    for (cedar::Field& slot : fields.first(slots)) slot.value = Value();
    std::size_t end = slots;
    for (const json::Member member : object.members()) {
      const cedar::Name name(member.key);
      const std::size_t slot = shape.find(name);
      const bool known = slot < slots;
      if (!known && shape.closed) {
        refusal_.words = "is not an argument of this tool";
        return refused(member.key);
      }
      const Property* const found = known ? &shape.properties[slot] : nullptr;
      const Shape& expected = known ? *found->shape : *shape.others;
      if (member.value.is_null()) {
        if (expected.nullable || expected.kind == Kind::any) continue;
        refuse(expected.kind, member.value);
        return refused(member.key);
      }
      if (depth_ < path_.size()) path_[depth_] = member.key;
      ++depth_;
      const Value converted =
          value(member.value, expected, known ? found->role : role_of(member.key));
      const bool unread = !converted && refusal_.inexact && depth_ <= path_.size() &&
                          !reads_.any_of(std::span(path_).first(depth_));
      --depth_;
      if (unread) {
        refusal_ = {};
        leave_out();
        continue;
      }
      if (!converted) return refused(member.key);
      fields[known ? slot : end++] = {name, converted};
    }
    std::size_t count = 0;
    for (const cedar::Field& field : fields.first(end))
      if (field.value) fields[count++] = field;
    return end == slots ? Value::record_in_order(fields.first(count))
                        : Value::record(std::span<const cedar::Field>(fields).first(count), arena_);
  }

 private:
  void leave_out() {
    constexpr std::size_t most = 64;
    if (seen_.left_out.size() > most) return;
    const auto names = std::span(path_).first(depth_ + 1);
    if (seen_.left_out.size() == most)
      seen_.left_out.emplace_back();
    else
      seen_.left_out.emplace_back(names.begin(), names.end());
  }

  Value value(json::Value tree, const Shape& shape, Role role) {
    if (++values_ > most_values) {
      refusal_.words = std::format("has more than {} values", most_values);
      return {};
    }
    switch (shape.kind) {
      case Kind::any: return as_it_is(tree, role);
      case Kind::boolean:
        if (const auto truth = tree.boolean()) return Value::boolean(*truth);
        break;
      case Kind::integer:
        if (const auto number = tree.integral()) return Value::integer(*number);
        break;
      case Kind::decimal:
        if (tree.is_number())
          if (const auto number = exact_decimal(tree.digits())) return Value::decimal(*number);
        break;
      case Kind::string:
        if (const auto text = tree.string()) return string(*text, role);
        break;
      case Kind::date:
        if (const auto time = exact_date(tree.text_or(""))) return Value::datetime(*time);
        break;
      case Kind::time:
        if (const auto time = exact_time(tree.text_or(""))) return Value::datetime(*time);
        break;
      case Kind::duration:
        if (const auto length = exact_duration(tree.text_or(""))) return Value::duration(*length);
        break;
      case Kind::ipv4:
      case Kind::ipv6:
        if (const Value address = ip(tree.text_or(""), shape.kind == Kind::ipv6)) return address;
        break;
      case Kind::set: return set(tree, shape.element ? *shape.element : anything, role);
      case Kind::record: return record(tree, shape);
    }
    return refuse(shape.kind, tree);
  }

  Value as_it_is(json::Value tree, Role role) {
    switch (tree.kind()) {
      case json::Kind::boolean: return Value::boolean(*tree.boolean());
      case json::Kind::string: return string(*tree.string(), role);
      case json::Kind::number:
        if (const auto number = tree.integral()) return Value::integer(*number);
        if (const auto number = exact_decimal(tree.digits())) return Value::decimal(*number);
        return refuse(Kind::decimal, tree);
      case json::Kind::array: return set(tree, anything, role);
      case json::Kind::object: return record(tree, open_record);
      case json::Kind::null: break;
    }
    return refuse(Kind::any, tree);
  }

  Value string(std::string_view text, Role role) {
    if (looks_like_url(text)) note(seen_.urls, text);
    if (role == Role::sql || (role == Role::perhaps_sql && looks_like_sql(text)))
      note(seen_.sql, text);
    return Value::string(text);
  }
  void note(std::vector<std::string_view>& list, std::string_view text) {
    if (list.size() < most_sightings)
      list.push_back(text);
    else
      seen_.too_many = true;
  }

  Value ip(std::string_view text, bool v6) {
    const bool colons = text.find(':') != std::string_view::npos;
    if (colons != v6) return {};
    const auto range = address_in(text);
    return range ? Value::ip(*range, arena_) : Value();
  }

  Value set(json::Value array, const Shape& element, Role role) {
    if (!array.is_array()) return refuse(Kind::set, array);
    const auto elements = arena_.array<Value>(array.size());
    std::size_t count = 0;
    std::size_t index = 0;
    for (const json::Value item : array.elements()) {
      const std::size_t at = index++;
      if (item.is_null() && (element.nullable || element.kind == Kind::any)) continue;
      const Value converted = value(item, element, role);
      if (!converted) return refused(std::to_string(at));
      elements[count++] = converted;
    }
    return Value::set(std::span<const Value>(elements).first(count), arena_);
  }

  Value refuse(Kind expected, json::Value found) {
    const bool same_kind = (expected == Kind::integer || expected == Kind::decimal)
                               ? found.is_number()
                               : found.is_string() && expected != Kind::boolean &&
                                     expected != Kind::set && expected != Kind::record;
    refusal_.inexact = found.is_number() && (expected == Kind::decimal || expected == Kind::any);
    refusal_.words =
        same_kind ? std::format("must be {}", words(expected))
                  : std::format("must be {}, is {}", words(expected), json::name(found.kind()));
    return {};
  }
  Value refused(std::string_view step) {
    refusal_.argument = refusal_.argument.empty() ? std::string(step)
                                                  : std::format("{}/{}", step, refusal_.argument);
    return {};
  }

  static const Shape open_record;
  cedar::Arena& arena_;
  Sightings& seen_;
  Refusal& refusal_;
  const Reads& reads_;
  std::array<std::string_view, 32> path_;  // to the member that is converted; deeper ones are read
  std::size_t depth_ = 0;
  std::uint32_t values_ = 0;
};

const Shape Conversion::open_record{.kind = Kind::record, .others = &anything};

}  // namespace

struct ArgumentProgram::Program {
  std::deque<Shape> shapes;
  const Shape* root = nullptr;
  std::string type;
  std::vector<std::string> untyped;
};

ArgumentProgram::ArgumentProgram(std::unique_ptr<const Program> program)
    : program_(std::move(program)) {}
ArgumentProgram::ArgumentProgram(ArgumentProgram&&) noexcept = default;
ArgumentProgram& ArgumentProgram::operator=(ArgumentProgram&&) noexcept = default;
ArgumentProgram::~ArgumentProgram() = default;

base::Result<ArgumentProgram> ArgumentProgram::compile(json::Value schema) {
  auto program = std::make_unique<Program>();
  if (!schema) {
    program->shapes.push_back({.kind = Kind::record, .others = &anything});
    program->root = &program->shapes.back();
  } else {
    if (!schema.is_object()) return base::fail(Code::invalid, "inputSchema: not an object");
    auto root = Compiler(schema, program->shapes).compile(schema);
    if (!root) return std::unexpected(std::move(root).error());
    // {} and a schema of references or unions say no type; arguments are an object all the same.
    if ((*root)->kind == Kind::any) {
      program->shapes.push_back({.kind = Kind::record, .others = &anything});
      *root = &program->shapes.back();
    }
    if ((*root)->kind != Kind::record)
      return base::fail(Code::invalid, "inputSchema: its type must be \"object\"");
    program->root = *root;
  }
  program->type = TypeWriter(program->untyped).type(*program->root, "").value_or("{}");
  return ArgumentProgram(std::move(program));
}

Value ArgumentProgram::convert(json::Value arguments, cedar::Arena& arena, Sightings& seen,
                               Refusal& refusal, const Reads& reads) const {
  if (!arguments) return Value::empty_record();
  return Conversion(arena, seen, refusal, reads).record(arguments, *program_->root);
}

const std::string& ArgumentProgram::type() const { return program_->type; }
const std::vector<std::string>& ArgumentProgram::untyped() const { return program_->untyped; }

}  // namespace latticegate::policy
