// The schema text (`namespace Mcp { entity Agent in [Group] {...}; action "x" in ["read"] appliesTo
// {...}; }`), parsed.
//
// In this state it serves to read schemas, with errors that name line and column, and to give the
// action entities with their groups; the validator comes with a later issue. Limits as for
// policies.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/entity.h"

namespace latticegate::cedar {

struct SchemaAttribute;

// A type. Names are resolved: own namespace first, then the empty one; there common types, entity
// types, builtin types.
struct SchemaType {
  enum class Kind : std::uint8_t {
    boolean,
    integer,
    string,
    decimal,
    ip,
    datetime,
    duration,
    entity,  // name
    common,  // name: of a type declared in this schema
    set,
    record,
  };
  Kind kind = Kind::record;
  std::string name;                         // entity, common: with its namespace
  std::vector<SchemaType> element;          // set: exactly one
  std::vector<SchemaAttribute> attributes;  // record
};

struct SchemaAnnotation {
  std::string key;
  std::string value;
};

struct SchemaAttribute {
  std::string name;
  bool required = true;
  SchemaType type;
  std::vector<SchemaAnnotation> annotations;
};

struct SchemaEntity {
  std::string name;                  // with its namespace: "Mcp::Agent"
  std::vector<std::string> parents;  // with their namespaces
  std::vector<SchemaAttribute> attributes;
  std::optional<SchemaType> shape;  // when it is not a record in braces
  std::optional<SchemaType> tags;
  std::vector<std::string> enumeration;  // ids, for `enum`
  std::vector<SchemaAnnotation> annotations;
};

struct SchemaAction {
  std::string type;  // "Mcp::Action"
  std::string id;
  std::vector<std::pair<std::string, std::string>> parents;  // type and id, resolved to full names
  bool applies = false;                                      // has appliesTo
  std::vector<std::string> principals;                       // with their namespaces
  std::vector<std::string> resources;
  std::optional<SchemaType> context;
  std::vector<SchemaAnnotation> annotations;
};

struct SchemaCommonType {
  std::string name;  // with its namespace
  SchemaType type;
  std::vector<SchemaAnnotation> annotations;
};

struct Schema {
  std::vector<SchemaEntity> entities;
  std::vector<SchemaAction> actions;
  std::vector<SchemaCommonType> types;

  // Null when there is none.
  const SchemaEntity* entity(std::string_view name) const;
  const SchemaAction* action(const EntityUid& uid) const;
  // The type itself, or what the common type that it names stands for.
  const SchemaType& resolve(const SchemaType& type) const;

  // Adds one entity per action, with its groups as parents.
  void add_action_entities(Entities::Builder& builder) const;
};

// Error details as for policies: `file:line:column: ...`.
[[nodiscard]] base::Result<Schema> parse_schema(std::string_view text,
                                                std::string_view file = "schema.cedarschema");

}  // namespace latticegate::cedar
