#include "cedar/conform.h"

#include <algorithm>
#include <format>
#include <optional>
#include <string>

namespace latticegate::cedar {
namespace {

using TypeKind = Type::Kind;

constexpr std::size_t longest_value = 100;  // of a value in a message

base::Result<void> refuse(std::string text) {
  return base::fail(base::Code::invalid, std::move(text));
}

bool declared_id(const EntityUid& uid, const Schema& schema) {
  const SchemaEntity* const type = schema.entity_type(uid.type());
  return type == nullptr || type->has_id(uid.id());
}

std::string undeclared_id(const EntityUid& uid) {
  return std::format("{} is not one of the ids that `{}` is declared with", quoted(uid.id()),
                     uid.type());
}

std::optional<Kind> kind_of(TypeKind type) {
  switch (type) {
    case TypeKind::boolean: return Kind::boolean;
    case TypeKind::integer: return Kind::integer;
    case TypeKind::string: return Kind::string;
    case TypeKind::decimal: return Kind::decimal;
    case TypeKind::ip: return Kind::ip;
    case TypeKind::datetime: return Kind::datetime;
    case TypeKind::duration: return Kind::duration;
    case TypeKind::entity: return Kind::entity;
    case TypeKind::set: return Kind::set;
    case TypeKind::record: return Kind::record;
    default: return std::nullopt;
  }
}

// Walks a value along a type; the place is where it stopped.
class Fitting {
 public:
  explicit Fitting(const Schema& schema) : schema_(schema) {}

  bool fits(const Value& value, const Type& type) {
    if (value.is(Kind::unknown)) return true;
    if (kind_of(type.kind) != value.kind()) return mismatch(value, type);
    switch (type.kind) {
      case TypeKind::entity:
        if (!std::ranges::contains(type.names, value.uid().type())) return mismatch(value, type);
        return declared_id(value.uid(), schema_) || complain(undeclared_id(value.uid()));
      case TypeKind::set: return elements(value, *type.element);
      case TypeKind::record: return record(value, type);
      default: return true;
    }
  }

  base::Result<void> error() const {
    return refuse(place_.empty() ? complaint_ : std::format("at {}: {}", place_, complaint_));
  }

 private:
  bool complain(std::string text) {
    complaint_ = std::move(text);
    return false;
  }
  bool mismatch(const Value& value, const Type& type) {
    return complain(std::format("expected {}, found {} {}", to_text(type), name(value.kind()),
                                to_text(value, longest_value)));
  }

  bool elements(const Value& value, const Type& type) {
    const std::size_t length = place_.size();
    place_ += "[]";
    for (const Value& element : value.elements())
      if (!fits(element, type)) return false;
    place_.resize(length);
    return true;
  }

  bool record(const Value& value, const Type& type) {
    for (const TypeAttribute& attribute : type.attributes)
      if (attribute.required && !value.field(Name(attribute.name)))
        return complain(std::format("the attribute `{}` is missing", attribute.name));
    for (const Field& field : value.fields()) {
      const TypeAttribute* const attribute = type.attribute(field.name.text());
      if (attribute == nullptr)
        return complain(std::format("there is no attribute `{}` here", field.name.text()));
      const std::size_t length = place_.size();
      place_ += '.';
      place_ += field.name.text();
      if (!fits(field.value, *attribute->type)) return false;
      place_.resize(length);
    }
    return true;
  }

  const Schema& schema_;
  std::string place_;
  std::string complaint_;
};

base::Result<void> about(const EntityUid& uid, std::string_view what) {
  return refuse(std::format("{}: {}", to_text(uid), what));
}

base::Result<void> action_conforms(const Entity& entity, const Schema& schema) {
  const SchemaAction* const action = schema.action(entity.uid);
  if (action == nullptr) return about(entity.uid, "the schema declares no such action");
  const bool same = entity.attributes.fields().empty() && entity.tags.fields().empty() &&
                    std::ranges::all_of(entity.ancestors,
                                        [&](const EntityUid& uid) { return action->in(uid); }) &&
                    std::ranges::all_of(action->parents, [&](const EntityUid& uid) {
                      return std::ranges::contains(entity.ancestors, uid);
                    });
  return same ? base::Result<void>{}
              : about(entity.uid, "an action is exactly as the schema declares it");
}

base::Result<void> tags_conform(const Entity& entity, const SchemaEntity& type,
                                const Schema& schema) {
  for (const Field& tag : entity.tags.fields()) {
    if (type.tags == nullptr) return about(entity.uid, "entities of its type have no tags");
    if (auto fits = conforms(tag.value, *type.tags, schema); !fits)
      return about(entity.uid,
                   std::format("the tag {}: {}", quoted(tag.name.text()), fits.error().detail));
  }
  return {};
}

// Principal or resource of a request.
base::Result<void> part_conforms(std::string_view what, const EntityUid& uid,
                                 std::span<const std::string_view> types,
                                 const SchemaAction& action, const Schema& schema) {
  if (schema.entity_type(uid.type()) == nullptr)
    return refuse(std::format("the schema declares no type `{}` for the {}", uid.type(), what));
  if (!std::ranges::contains(types, uid.type()))
    return refuse(std::format("{} does not apply to a {} of type `{}`", to_text(action.uid), what,
                              uid.type()));
  return declared_id(uid, schema) ? base::Result<void>{} : refuse(undeclared_id(uid));
}

}  // namespace

base::Result<void> conforms(const Value& value, const Type& type, const Schema& schema) {
  Fitting fitting(schema);
  if (fitting.fits(value, type)) return {};
  return fitting.error();
}

base::Result<void> conforms(const Entity& entity, const Schema& schema) {
  if (is_action_type(entity.uid.type())) return action_conforms(entity, schema);
  const SchemaEntity* const type = schema.entity_type(entity.uid.type());
  if (type == nullptr) return about(entity.uid, "the schema declares no such entity type");
  if (!type->has_id(entity.uid.id())) return about(entity.uid, undeclared_id(entity.uid));
  if (auto fits = conforms(entity.attributes, *type->attributes, schema); !fits)
    return about(entity.uid, fits.error().detail);
  for (const EntityUid& above : entity.ancestors) {
    if (!std::ranges::binary_search(type->ancestors, above.type()))
      return about(entity.uid, std::format("cannot be in an entity of type `{}`", above.type()));
    if (!declared_id(above, schema)) return about(entity.uid, undeclared_id(above));
  }
  return tags_conform(entity, *type, schema);
}

base::Result<void> conforms(const Entities& entities, const Schema& schema) {
  for (const Entity& entity : entities.all())
    if (auto fits = conforms(entity, schema); !fits) return fits;
  return {};
}

base::Result<void> conforms(const Request& request, const Schema& schema) {
  const SchemaAction* const action = schema.action(request.action);
  if (action == nullptr)
    return refuse(std::format("the schema declares no action {}", to_text(request.action)));
  if (auto fits =
          part_conforms("principal", request.principal, action->principals, *action, schema);
      !fits)
    return fits;
  if (auto fits = part_conforms("resource", request.resource, action->resources, *action, schema);
      !fits)
    return fits;
  if (auto fits = conforms(request.context, *action->context, schema); !fits)
    return refuse(
        std::format("the context of {}: {}", to_text(request.action), fits.error().detail));
  return {};
}

}  // namespace latticegate::cedar
