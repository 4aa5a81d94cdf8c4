#include "policy/compatible_schema.h"

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cedar/value.h"
#include "json/write.h"

namespace latticegate::policy {
namespace {

using base::Code;
using base::fail;
using base::Result;
using Source = cedar::SchemaSource;
using Type = Source::Type;
using Space = std::vector<std::string>;  // below the stub's namespace: {"search", "Input"}

constexpr std::string_view reference_prefix = "#/$defs/";

bool is_name(std::string_view text) {
  constexpr std::array<std::string_view, 9> reserved{"true", "false", "if",   "then", "else",
                                                     "in",   "is",    "like", "has"};
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !text.empty() && letter(text[0]) && std::ranges::all_of(text, inner) &&
         !std::ranges::contains(reserved, text) && text != "__cedar";
}

Result<void> need_name(std::string_view text, std::string_view what) {
  if (is_name(text)) return {};
  return fail(Code::invalid,
              std::format("{} {} is no Cedar identifier", what, cedar::quoted(text)));
}

Type named(std::string text) {
  return {.kind = Type::Kind::name, .text = std::move(text), .element = {}, .attributes = {}};
}

Type set_of(Type element) {
  Type type{.kind = Type::Kind::set, .text = {}, .element = {}, .attributes = {}};
  type.element.push_back(std::move(element));
  return type;
}

Source::Attribute attribute(std::string name, Type type, bool required) {
  return {
      .name = std::move(name), .required = required, .type = std::move(type), .annotations = {}};
}

const std::string* annotation(const Source::Annotations& annotations, std::string_view key) {
  const auto found = std::ranges::find(annotations, key, &Source::Annotation::key);
  return found == annotations.end() ? nullptr : &found->value;
}

// The parts of a schema that make its type, so that two can be compared.
void write_shape(json::Value schema, std::string& out) {
  if (schema.is_array()) {
    out += '[';
    for (const json::Value element : schema.elements()) write_shape(element, out);
    out += ']';
  } else if (schema.is_object()) {
    std::map<std::string_view, json::Value> sorted;
    for (const json::Member member : schema.members())
      if (member.key != "description" && member.key != "title" && member.key != "default")
        sorted.emplace(member.key, member.value);
    out += '{';
    for (const auto& [key, value] : sorted) {
      out += cedar::quoted(key);
      write_shape(value, out);
    }
    out += '}';
  } else {
    out += json::canonical(schema) + ',';
  }
}

bool same_shape(json::Value a, json::Value b) {
  std::string first;
  std::string second;
  write_shape(a, first);
  write_shape(b, second);
  return first == second;
}

class Generator {
 public:
  Generator(const Source& stub, const CompatibleOptions& options)
      : stub_(stub), options_(options) {}

  Result<Source> run(json::Value tools) {
    if (auto fine = read_stub(); !fine) return std::unexpected(std::move(fine).error());
    for (const json::Value tool : tools.elements())
      if (auto added = add(tool); !added)
        return base::within(std::format("tool {}", cedar::quoted(tool["name"].text_or(""))),
                            std::move(added).error());
    return finish();
  }

 private:
  // ---- the stub

  Result<void> read_stub() {
    if (stub_.namespaces.size() != 1 || stub_.namespaces[0].name.empty())
      return fail(Code::invalid, "the stub needs exactly one namespace");
    Source::Namespace base = stub_.namespaces[0];
    base_ = base.name;
    for (Source::Entity& entity : base.entities) {
      if (annotation(entity.annotations, "mcp_principal") != nullptr)
        principals_.insert(entity.name);
      if (annotation(entity.annotations, "mcp_resource") != nullptr) resources_.insert(entity.name);
      if (!options_.keep_annotations) entity.annotations.clear();
    }
    for (Source::CommonType& type : base.types) {
      if (const auto* const name = annotation(type.annotations, "mcp_context"))
        contexts_.emplace(*name, type.name);
      if (!options_.keep_annotations) type.annotations.clear();
    }
    for (Source::Action& action : base.actions) {
      if (annotation(action.annotations, "mcp_action") != nullptr) parents_.insert(action.id);
      if (!options_.keep_annotations) action.annotations.clear();
    }
    if (principals_.empty() || resources_.empty())
      return fail(Code::invalid,
                  "the stub needs an entity type with @mcp_principal and one with @mcp_resource");
    if (!options_.keep_annotations) base.annotations.clear();
    spaces_.emplace(base_, std::move(base));
    return {};
  }

  // ---- tools

  static json::Value schema_in(json::Value tool, std::string_view key) {
    const json::Value found = tool[key];
    return found["json"].is_object() ? found["json"] : found;
  }

  Result<void> add(json::Value tool) {
    const auto name = tool["name"].string();
    if (!name) return fail(Code::invalid, "a tool without a name");
    if (auto fine = need_name(*name, "the name of a tool"); !fine) return fine;
    json::Value input = schema_in(tool, "inputSchema");
    if (!input) input = schema_in(tool, "parameters");
    if (!input.is_object()) return fail(Code::invalid, "inputSchema: not an object");
    if (auto added = arguments(*name, "Input", input); !added) return added;
    const json::Value output = schema_in(tool, "outputSchema");
    if (options_.include_outputs)
      if (auto added = arguments(*name, "Output", output); !added) return added;

    Source::AppliesTo applies{.principals = {}, .resources = {}, .context = Type{}};
    for (const std::string& principal : principals_) applies.principals.push_back({principal});
    for (const std::string& resource : resources_) applies.resources.push_back({resource});
    std::vector<Source::Attribute>& context = applies.context->attributes;
    context.push_back(attribute("input", named(std::format("{}Input", *name)), true));
    if (options_.include_outputs)
      context.push_back(attribute("output", named(std::format("{}Output", *name)), false));
    for (const auto& [member, type] : contexts_)
      context.push_back(attribute(member, named(type), true));
    std::ranges::sort(context, {}, &Source::Attribute::name);
    Source::Action action{
        .id = std::string(*name), .parents = {}, .applies = std::move(applies), .annotations = {}};
    for (const std::string& parent : parents_) action.parents.push_back({.type = {}, .id = parent});
    std::vector<Source::Action>& actions = spaces_[base_].actions;
    if (std::ranges::contains(actions, *name, &Source::Action::id))
      return fail(Code::conflict, "there is an action of that name");
    actions.push_back(std::move(action));
    return {};
  }

  // The common type `<tool>Input` or `<tool>Output`, with the types that it needs.
  Result<void> arguments(std::string_view tool, std::string_view what, json::Value schema) {
    root_ = {std::string(tool), std::string(what)};
    definitions_.clear();
    for (const json::Member definition : schema["$defs"].members()) {
      if (auto fine = need_name(definition.key, "the definition"); !fine) return fine;
      definitions_.insert(definition.key);
    }
    for (const json::Member definition : schema["$defs"].members()) {
      auto type = type_of(definition.value, root_, definition.key);
      if (!type) return std::unexpected(std::move(type).error());
      // An object is declared under the name already.
      if (type->kind == Type::Kind::name && type->text == qualified(root_, definition.key))
        continue;
      if (auto added = declare(root_, definition.key, *std::move(type)); !added) return added;
    }
    auto record = attributes_of(schema, root_);
    if (!record) return std::unexpected(std::move(record).error());
    spaces_[base_].types.push_back(
        {.name = std::format("{}{}", tool, what), .type = *std::move(record), .annotations = {}});
    return {};
  }

  Result<Type> attributes_of(json::Value schema, const Space& space) {
    const json::Value properties = schema["properties"];
    const json::Value required = schema["required"];
    if ((properties && !properties.is_object()) || (required && !required.is_array()))
      return fail(Code::invalid, "properties or required is not what it should be");
    std::set<std::string_view> needed;
    for (const json::Value name : required.elements()) needed.insert(name.text_or(""));
    Type record;
    for (const json::Member property : properties.members()) {
      if (auto fine = need_name(property.key, "the property"); !fine)
        return std::unexpected(std::move(fine).error());
      auto type = type_of(property.value, space, property.key);
      if (!type) return base::within(property.key, std::move(type).error());
      record.attributes.push_back(
          attribute(std::string(property.key), *std::move(type), needed.contains(property.key)));
    }
    std::ranges::sort(record.attributes, {}, &Source::Attribute::name);
    return record;
  }

  // ---- names and declarations

  static std::string joined(const Space& space, std::string_view name, std::string_view between) {
    std::string text;
    for (const std::string& one : space) text += one + std::string(between);
    return text + std::string(name);
  }

  std::string qualified(const Space& space, std::string_view name) const {
    return base_ + "::" + joined(space, name, options_.flatten_namespaces ? "_" : "::");
  }

  static Space below(Space space, std::string_view name) {
    space.emplace_back(name);
    return space;
  }

  // Where a type of that space is declared, and under which name.
  std::pair<Source::Namespace*, std::string> place_of(const Space& space, std::string_view name) {
    if (options_.flatten_namespaces) return {&spaces_[base_], joined(space, name, "_")};
    std::string full = base_;
    for (const std::string& one : space) full += "::" + one;
    Source::Namespace& at = spaces_[full];
    at.name = full;
    return {&at, std::string(name)};
  }

  Result<void> count() {
    if (++count_ <= most_compatible_types) return {};
    return fail(Code::too_large, std::format("more than {} types", most_compatible_types));
  }

  Result<void> declare(const Space& space, std::string_view name, Type type) {
    auto [at, own] = place_of(space, name);
    at->types.push_back({.name = std::move(own), .type = std::move(type), .annotations = {}});
    return count();
  }

  Result<Type> declare(const Space& space, std::string_view name, Source::Entity entity) {
    auto [at, own] = place_of(space, name);
    entity.name = std::move(own);
    at->entities.push_back(std::move(entity));
    if (auto fine = count(); !fine) return std::unexpected(std::move(fine).error());
    return named(qualified(space, name));
  }

  // Entity types that stand for what has no type in Cedar.
  Type stand_in(std::string_view name) {
    std::vector<Source::Entity>& entities = spaces_[base_].entities;
    if (!std::ranges::contains(entities, name, &Source::Entity::name)) {
      Source::Entity entity{};
      entity.name = name;
      entities.push_back(std::move(entity));
    }
    return named(std::format("{}::{}", base_, name));
  }

  // ---- types

  Result<Type> type_of(json::Value schema, const Space& space, std::string_view name) {
    if (space.size() > deepest_compatible || ++depth_ > deepest_compatible)
      return fail(Code::too_large, std::format("more than {} levels", deepest_compatible));
    auto type = type_inside(schema, space, name);
    --depth_;
    return type;
  }

  Result<Type> type_inside(json::Value schema, const Space& space, std::string_view name) {
    if (!schema.is_object()) return fail(Code::invalid, "a schema that is not an object");
    if (const json::Value reference = schema["$ref"]) {
      const std::string_view to = reference.text_or("");
      if (!to.starts_with(reference_prefix) ||
          !definitions_.contains(to.substr(reference_prefix.size())))
        return fail(Code::not_found,
                    std::format("the reference {} leads nowhere", cedar::quoted(to)));
      return named(qualified(root_, to.substr(reference_prefix.size())));
    }
    const json::Value type = schema["type"];
    if (type.is_string()) return plain(schema, type.text_or(""), space, name, true);
    if (type.is_array()) {
      Type record;
      for (const json::Value choice : type.elements()) {
        auto one = plain(schema, choice.text_or(""), below(space, name),
                         choice_name(record, "TypeChoice"), false);
        if (!one) return one;
        add_choice(record, *std::move(one));
      }
      return record;
    }
    if (type) return fail(Code::invalid, "type: neither a string nor a list");
    for (const std::string_view key : {"anyOf", "oneOf"}) {
      if (!schema[key].is_array()) continue;
      Type record;
      for (const json::Value choice : schema[key].elements()) {
        auto one = type_of(choice, below(space, name), choice_name(record, "TypeChoice"));
        if (!one) return one;
        add_choice(record, *std::move(one));
      }
      return record;
    }
    return stand_in("Unknown");
  }

  static std::string choice_name(const Type& record, std::string_view what) {
    return std::format("{}{}", what, record.attributes.size());
  }
  static void add_choice(Type& record, Type type) {
    record.attributes.push_back(
        attribute(choice_name(record, "typeChoice"), std::move(type), false));
  }

  // Of one JSON type. `alone`: not one of a list; only then formats and enumerations count.
  Result<Type> plain(json::Value schema, std::string_view type, const Space& space,
                     std::string_view name, bool alone) {
    if (type == "boolean") return named("Bool");
    if (type == "integer") return named("Long");
    if (type == "null") return stand_in("Null");
    if (type == "number" || type == "float") {
      if (options_.numbers_as_decimal) return named("decimal");
      return stand_in(type == "number" ? "Number" : "Float");
    }
    if (type == "string") return alone ? text(schema, space, name) : named("String");
    if (type == "array") return array(schema, space, name);
    if (type == "object") return object(schema, space, name);
    return fail(Code::invalid, std::format("there is no type {}", cedar::quoted(type)));
  }

  Result<Type> text(json::Value schema, const Space& space, std::string_view name) {
    const json::Value format = schema["format"];
    if (format && !format.is_string()) return fail(Code::invalid, "format: not a string");
    if (const json::Value choices = schema["enum"]) {
      std::vector<std::string> ids;
      for (const json::Value choice : choices.elements()) {
        if (!choice.is_string()) return fail(Code::invalid, "enum: not only strings");
        ids.emplace_back(choice.text_or(""));
      }
      if (ids.empty()) return fail(Code::invalid, "enum: nothing in it");
      Source::Entity entity{};
      entity.enumeration = std::move(ids);
      return declare(space, name, std::move(entity));
    }
    const std::string_view words = format.text_or("");
    if (words == "date" || words == "date-time") return named("datetime");
    if (words == "duration" || words == "decimal") return named(std::string(words));
    if (words == "ipv4" || words == "ipv6") return named("ipaddr");
    return named("String");
  }

  Result<Type> array(json::Value schema, const Space& space, std::string_view name) {
    const json::Value items = schema["items"];
    const json::Value first = schema["prefixItems"];
    if (items && !items.is_object() && !items.is_boolean())
      return fail(Code::invalid, "items: neither a schema nor a boolean");
    if (first.is_array()) {
      if (items.boolean() == false) return tuple(first, space, name);
      for (const json::Value one : first.elements())
        if (!items.is_object() || !same_shape(one, items)) return set_of(stand_in("Unknown"));
    }
    if (!items.is_object()) return set_of(stand_in("Unknown"));
    return type_of(items, space, name).transform(set_of);
  }

  Result<Type> tuple(json::Value parts, const Space& space, std::string_view name) {
    Type record;
    for (const json::Value part : parts.elements()) {
      auto type = type_of(part, below(space, name), choice_name(record, "Proj"));
      if (!type) return type;
      record.attributes.push_back(attribute(choice_name(record, "proj"), *std::move(type), true));
    }
    return record;
  }

  Result<Type> object(json::Value schema, const Space& space, std::string_view name) {
    const json::Value others = schema["additionalProperties"];
    if (others && !others.is_object() && !others.is_boolean())
      return fail(Code::invalid, "additionalProperties: neither a schema nor a boolean");
    auto record = attributes_of(schema, below(space, name));
    if (!record) return record;
    if (options_.objects_as_records && !others.is_object()) {
      if (auto added = declare(space, name, *std::move(record)); !added)
        return std::unexpected(std::move(added).error());
      return named(qualified(space, name));
    }
    Source::Entity entity{};
    if (!record->attributes.empty()) entity.shape = *std::move(record);
    if (others.is_object()) {
      auto tags = type_of(others, below(space, name), std::format("{}Tag", name));
      if (!tags) return tags;
      entity.tags = *std::move(tags);
    }
    return declare(space, name, std::move(entity));
  }

  // ---- the whole

  Source finish() {
    Source source{.namespaces = {}, .name = stub_.name, .text = stub_.text};
    for (auto& [name, space] : spaces_) {
      space.name = name;
      std::ranges::sort(space.entities, {}, &Source::Entity::name);
      std::ranges::sort(space.types, {}, &Source::CommonType::name);
      std::ranges::sort(space.actions, {}, &Source::Action::id);
      source.namespaces.push_back(std::move(space));
    }
    return source;
  }

  const Source& stub_;
  const CompatibleOptions& options_;
  std::string base_;
  std::set<std::string> principals_;
  std::set<std::string> resources_;
  std::set<std::string> parents_;
  std::map<std::string, std::string> contexts_;  // member of the context, common type
  std::map<std::string, Source::Namespace> spaces_;
  // Of the tool that is being read:
  Space root_;
  std::set<std::string_view> definitions_;
  std::uint32_t depth_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace

Result<Source> compatible_schema(const Source& stub, json::Value tools,
                                 const CompatibleOptions& options) {
  if (!tools.is_array()) return fail(Code::invalid, "no list of tools");
  return Generator(stub, options).run(tools);
}

}  // namespace latticegate::policy
