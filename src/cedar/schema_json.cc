// The JSON form of schemas, both ways.
#include <algorithm>
#include <array>
#include <format>
#include <span>
#include <utility>

#include "cedar/detail/builtin.h"
#include "cedar/detail/lexer.h"
#include "cedar/schema_source.h"
#include "json/write.h"

namespace latticegate::cedar {
namespace {

using Source = SchemaSource;
using Kind = Source::Type::Kind;

// Identifiers joined by "::", nothing else; `__cedar::x` only where builtin types may stand.
bool is_path(std::string_view text, bool builtin_too) {
  if (builtin_too && text.starts_with("__cedar::")) text.remove_prefix(9);
  return is_type_name(text);
}

class JsonReader {
 public:
  explicit JsonReader(std::string_view file) : file_(file) {}

  base::Result<Source> run(json::Value tree) {
    if (object(tree, {})) {
      for (const json::Member member : tree.members())
        if (!at(member.key, [&] { return space(member); })) break;
    }
    if (failed_) return base::fail(base::Code::invalid, complaint_);
    source_.name = file_;
    return std::move(source_);
  }

 private:
  // ---- places and errors: everything returns whether it went well

  template <class F>
  bool at(std::string_view key, F&& read) {
    const std::size_t length = place_.size();
    if (!place_.empty()) place_ += '.';
    place_ += key;
    const bool done = read();
    place_.resize(length);
    return done;
  }
  bool fail(std::string_view what) {
    if (!failed_)
      complaint_ = std::format("{}: {}{}{}", file_, place_.empty() ? "" : "at ", place_,
                               place_.empty() ? what : std::format(": {}", what));
    failed_ = true;
    return false;
  }
  // An object with no other keys than these; any keys when there are none.
  bool object(json::Value tree, std::span<const std::string_view> keys) {
    if (!tree.is_object()) return fail("expected an object");
    if (keys.empty()) return true;
    for (const json::Member member : tree.members())
      if (!std::ranges::contains(keys, member.key))
        return fail(std::format("unknown key `{}`", member.key));
    return true;
  }
  // Calls read(element) for each element of a list, which may be absent or null.
  template <class F>
  bool list(json::Value parent, std::string_view key, F&& read) {
    const json::Value tree = parent[key];
    if (!tree || tree.is_null()) return true;
    return at(key, [&] {
      if (!tree.is_array()) return fail("expected a list");
      for (const json::Value element : tree.elements())
        if (!read(element)) return false;
      return true;
    });
  }
  // Calls read(member) for each member of an object, which may be absent.
  template <class F>
  bool members(json::Value parent, std::string_view key, F&& read) {
    const json::Value tree = parent[key];
    if (!tree) return true;
    return at(key, [&] {
      if (!object(tree, {})) return false;
      for (const json::Member member : tree.members())
        if (!at(member.key, [&] { return read(member); })) return false;
      return true;
    });
  }
  bool string(json::Value tree, std::string& out) {
    const auto text = tree.string();
    if (!text) return fail("expected a string");
    out = *text;
    return true;
  }
  bool path(json::Value tree, std::string& out, bool builtin_too = false) {
    if (!string(tree, out)) return false;
    return is_path(out, builtin_too) || fail(std::format("`{}` is not a name", out));
  }
  bool identifier(std::string_view name) {
    return (is_identifier(name) && !is_reserved(name)) ||
           fail(std::format("`{}` is not a name: names here are identifiers", name));
  }
  bool annotations(json::Value parent, Source::Annotations& out) {
    return members(parent, "annotations", [&](const json::Member& member) {
      Source::Annotation& annotation = out.emplace_back();
      annotation.key = member.key;
      if (!is_identifier(member.key)) return fail("an annotation's name is an identifier");
      return member.value.is_null() || string(member.value, annotation.value);
    });
  }

  // ---- declarations

  bool space(const json::Member& member) {
    static constexpr std::array<std::string_view, 4> keys{"entityTypes", "actions", "commonTypes",
                                                          "annotations"};
    if (!member.key.empty() && !is_path(member.key, false))
      return fail("a namespace is a path of identifiers");
    if (!object(member.value, keys)) return false;
    Source::Namespace& space = source_.namespaces.emplace_back();
    space.name = member.key;
    return annotations(member.value, space.annotations) &&
           members(member.value, "commonTypes",
                   [&](const json::Member& one) { return common_type(one, space); }) &&
           members(member.value, "entityTypes",
                   [&](const json::Member& one) { return entity(one, space); }) &&
           members(member.value, "actions",
                   [&](const json::Member& one) { return action(one, space); });
  }

  bool common_type(const json::Member& member, Source::Namespace& space) {
    Source::CommonType& common = space.types.emplace_back();
    common.name = member.key;
    return identifier(member.key) && annotations(member.value, common.annotations) &&
           type(member.value, common.type);
  }

  bool entity(const json::Member& member, Source::Namespace& space) {
    static constexpr std::array<std::string_view, 4> keys{"memberOfTypes", "shape", "tags",
                                                          "annotations"};
    static constexpr std::array<std::string_view, 2> enum_keys{"enum", "annotations"};
    const json::Value tree = member.value;
    Source::Entity& entity = space.entities.emplace_back();
    entity.name = member.key;
    if (!identifier(member.key)) return false;
    if (!object(tree, tree["enum"] ? std::span<const std::string_view>(enum_keys) : keys) ||
        !annotations(tree, entity.annotations))
      return false;
    if (tree["enum"]) return enumeration(tree, entity.enumeration.emplace());
    const auto part = [&](std::string_view key, std::optional<Source::Type>& out) {
      return !tree[key] || at(key, [&] { return type(tree[key], out.emplace()); });
    };
    return list(tree, "memberOfTypes",
                [&](json::Value one) { return path(one, entity.parents.emplace_back().name); }) &&
           part("shape", entity.shape) && part("tags", entity.tags);
  }

  bool enumeration(json::Value tree, std::vector<std::string>& out) {
    if (!list(tree, "enum", [&](json::Value one) { return string(one, out.emplace_back()); }))
      return false;
    return !out.empty() || fail("an enumerated entity type has at least one id");
  }

  bool action(const json::Member& member, Source::Namespace& space) {
    static constexpr std::array<std::string_view, 4> keys{"appliesTo", "memberOf", "attributes",
                                                          "annotations"};
    const json::Value tree = member.value;
    Source::Action& action = space.actions.emplace_back();
    action.id = member.key;
    if (!object(tree, keys) || !annotations(tree, action.annotations)) return false;
    if (tree["attributes"].size() != 0) return fail("actions have no attributes");
    if (!list(tree, "memberOf", [&](json::Value one) { return group(one, action.parents); }))
      return false;
    const json::Value applies = tree["appliesTo"];
    return !applies || applies.is_null() ||
           at("appliesTo", [&] { return applies_to(applies, action.applies.emplace()); });
  }

  bool group(json::Value tree, std::vector<Source::ActionReference>& out) {
    static constexpr std::array<std::string_view, 2> keys{"id", "type"};
    Source::ActionReference& group = out.emplace_back();
    return object(tree, keys) && string(tree["id"], group.id) &&
           (!tree["type"] || tree["type"].is_null() || path(tree["type"], group.type));
  }

  bool applies_to(json::Value tree, Source::AppliesTo& out) {
    static constexpr std::array<std::string_view, 3> keys{"principalTypes", "resourceTypes",
                                                          "context"};
    const auto names = [&](std::string_view key, std::vector<Source::Reference>& to) {
      if (!tree[key]) return fail(std::format("`{}` is missing", key));
      return list(tree, key, [&](json::Value one) { return path(one, to.emplace_back().name); });
    };
    return object(tree, keys) && names("principalTypes", out.principals) &&
           names("resourceTypes", out.resources) &&
           (!tree["context"] ||
            at("context", [&] { return type(tree["context"], out.context.emplace()); }));
  }

  // ---- types

  bool type(json::Value tree, Source::Type& out) {
    if (depth_ >= deepest_type)
      return fail(std::format("types nested more than {} levels deep", deepest_type));
    ++depth_;
    const bool done = type_inside(tree, out);
    --depth_;
    return done;
  }

  bool type_inside(json::Value tree, Source::Type& out) {
    // `required` and `annotations` are the attribute's that has this type.
    static constexpr std::array<std::string_view, 7> keys{
        "type", "element", "attributes", "name", "required", "annotations", "additionalAttributes"};
    if (!object(tree, keys)) return false;
    const auto type_word = tree["type"].string();
    if (!type_word) return fail("`type` is missing");
    const std::string_view word = *type_word;
    if (word == "Set") {
      out.kind = Kind::set;
      if (!tree["element"]) return fail("`element` is missing");
      return at("element", [&] { return type(tree["element"], out.element.emplace_back()); });
    }
    if (word == "Record") return record(tree, out);
    if (word == "EntityOrCommon" || word == "Entity") {
      out.kind = word == "Entity" ? Kind::entity : Kind::name;
      return path(tree["name"], out.text, out.kind == Kind::name);
    }
    if (word == "Extension") {
      out.kind = Kind::builtin;
      return string(tree["name"], out.text) &&
             (builtin(out.text) != nullptr ||
              fail(std::format("there is no extension type `{}`", out.text)));
    }
    out.kind =
        word == "Boolean" || word == "Long" || word == "String" ? Kind::builtin : Kind::common;
    out.text = word == "Boolean" ? "Bool" : word;
    return is_path(out.text, true) || fail(std::format("`{}` is not the name of a type", word));
  }

  bool record(json::Value tree, Source::Type& out) {
    out.kind = Kind::record;
    if (tree["additionalAttributes"].boolean().value_or(false))
      return fail("records with additional attributes are not supported");
    if (!tree["attributes"]) return fail("`attributes` is missing");
    return members(tree, "attributes", [&](const json::Member& member) {
      Source::Attribute& attribute = out.attributes.emplace_back();
      attribute.name = member.key;
      if (!type(member.value, attribute.type) || !annotations(member.value, attribute.annotations))
        return false;
      const json::Value required = member.value["required"];
      if (required && !required.is_boolean()) return fail("`required` is true or false");
      attribute.required = required.boolean().value_or(true);
      return true;
    });
  }

  std::string_view file_;
  Source source_;
  std::string place_;
  std::string complaint_;
  bool failed_ = false;
  std::uint32_t depth_ = 0;
};

class JsonWriter {
 public:
  std::string run(const Source& source) {
    writer_.begin_object();
    for (const Source::Namespace& space : source.namespaces) {
      writer_.key(space.name).begin_object();
      annotations(space.annotations);
      if (!space.types.empty()) common_types(space);
      entities(space);
      actions(space);
      writer_.end_object();
    }
    writer_.end_object();
    return std::move(out_);
  }

 private:
  void annotations(const Source::Annotations& all) {
    if (all.empty()) return;
    writer_.key("annotations").begin_object();
    for (const Source::Annotation& one : all) writer_.member(one.key, one.value);
    writer_.end_object();
  }

  void common_types(const Source::Namespace& space) {
    writer_.key("commonTypes").begin_object();
    for (const Source::CommonType& common : space.types) {
      writer_.key(common.name).begin_object();
      type_members(common.type);
      annotations(common.annotations);
      writer_.end_object();
    }
    writer_.end_object();
  }

  void entities(const Source::Namespace& space) {
    writer_.key("entityTypes").begin_object();
    for (const Source::Entity& entity : space.entities) {
      writer_.key(entity.name).begin_object();
      if (!entity.parents.empty()) references("memberOfTypes", entity.parents);
      const bool empty =
          entity.shape && entity.shape->kind == Kind::record && entity.shape->attributes.empty();
      if (entity.shape && !empty) type("shape", *entity.shape);
      if (entity.tags) type("tags", *entity.tags);
      if (entity.enumeration) {
        writer_.key("enum").begin_array();
        for (const std::string& id : *entity.enumeration) writer_.string(id);
        writer_.end_array();
      }
      annotations(entity.annotations);
      writer_.end_object();
    }
    writer_.end_object();
  }

  void actions(const Source::Namespace& space) {
    writer_.key("actions").begin_object();
    for (const Source::Action& action : space.actions) {
      writer_.key(action.id).begin_object();
      applies_to(action.applies.value_or(Source::AppliesTo{}));
      if (!action.parents.empty()) groups(action.parents);
      annotations(action.annotations);
      writer_.end_object();
    }
    writer_.end_object();
  }

  void groups(const std::vector<Source::ActionReference>& all) {
    writer_.key("memberOf").begin_array();
    for (const Source::ActionReference& one : all) {
      writer_.begin_object().member("id", one.id);
      if (!one.type.empty()) writer_.member("type", one.type);
      writer_.end_object();
    }
    writer_.end_array();
  }

  void applies_to(const Source::AppliesTo& applies) {
    writer_.key("appliesTo").begin_object();
    references("resourceTypes", applies.resources);
    references("principalTypes", applies.principals);
    if (applies.context) {
      const bool empty =
          applies.context->kind == Kind::record && applies.context->attributes.empty();
      // A context by name is the name of a common type: no entity type can be one.
      Source::Type context = *applies.context;
      if (context.kind == Kind::name) context.kind = Kind::common;
      if (!empty) type("context", context);
    }
    writer_.end_object();
  }

  void references(std::string_view key, const std::vector<Source::Reference>& all) {
    writer_.key(key).begin_array();
    for (const Source::Reference& one : all) writer_.string(one.name);
    writer_.end_array();
  }

  void type(std::string_view key, const Source::Type& type) {
    writer_.key(key).begin_object();
    type_members(type);
    writer_.end_object();
  }

  void type_members(const Source::Type& of) {
    switch (of.kind) {
      case Kind::name: writer_.member("type", "EntityOrCommon").member("name", of.text); return;
      case Kind::common: writer_.member("type", of.text); return;
      case Kind::entity: writer_.member("type", "Entity").member("name", of.text); return;
      case Kind::builtin: {
        const bool extension = of.text != "Long" && of.text != "String" && of.text != "Bool";
        if (extension)
          writer_.member("type", "Extension").member("name", of.text);
        else
          writer_.member("type", of.text == "Bool" ? "Boolean" : std::string_view(of.text));
        return;
      }
      case Kind::set:
        writer_.member("type", "Set");
        type("element", of.element[0]);
        return;
      case Kind::record: break;
    }
    writer_.member("type", "Record").key("attributes").begin_object();
    for (const Source::Attribute& attribute : of.attributes) {
      writer_.key(attribute.name).begin_object();
      type_members(attribute.type);
      if (!attribute.required) writer_.member("required", false);
      annotations(attribute.annotations);
      writer_.end_object();
    }
    writer_.end_object();
  }

  std::string out_;
  json::Writer writer_{out_};
};

}  // namespace

base::Result<SchemaSource> read_schema_json(json::Value tree, std::string_view file) {
  return JsonReader(file).run(tree);
}

std::string to_schema_json(const SchemaSource& source) { return JsonWriter().run(source); }

}  // namespace latticegate::cedar
