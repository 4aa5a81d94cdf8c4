// Schema: which entities, actions and contexts there are, with all names resolved; what policies,
// requests and entities are checked against (validate.h, conform.h).
//
// Made from text or JSON by way of a SchemaSource. Names are looked up in their own namespace
// first, then outside of any; there as common type, then entity type, then builtin type. Refused:
// names that do not exist, are declared twice, hide one outside of any namespace, or are reserved;
// common types that contain themselves; actions that are above themselves; types that unfold to
// more than `largest_type` parts.
//
// Lifetimes: copies of a Schema share its content; what it hands out lives as long as one copy.
// Safe from any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "cedar/entity.h"
#include "cedar/schema_source.h"
#include "cedar/type.h"
#include "json/value.h"

namespace latticegate::cedar {

inline constexpr std::uint32_t largest_type = 100'000;

struct SchemaEntity {
  std::string_view name;                        // with its namespace: Mcp::Agent
  std::span<const std::string_view> parents;    // as declared
  std::span<const std::string_view> ancestors;  // transitive closure of the parents, sorted
  const Type* reference = nullptr;              // the type of an entity of this type
  const Type* attributes = nullptr;             // a record
  const Type* tags = nullptr;                   // null when it has none
  bool enumerated = false;                      // only entities with these ids exist
  std::span<const std::string_view> ids;        // sorted

  // Whether entities of this type may be below (or be) one of that type.
  bool may_be_in(std::string_view other) const;
  bool has_id(std::string_view id) const;  // always true unless enumerated
};

struct SchemaAction {
  EntityUid uid;
  std::span<const EntityUid> parents;
  std::span<const EntityUid> ancestors;  // transitive closure, sorted
  const Type* reference = nullptr;       // the type of the action as an entity
  // Both empty for an action that is only a group.
  std::span<const std::string_view> principals;
  std::span<const std::string_view> resources;
  const Type* context = nullptr;  // a record

  bool in(const EntityUid& other) const;
};

class Schema {
 public:
  Schema();                                            // empty
  std::span<const SchemaEntity> entity_types() const;  // in the order of declaration
  std::span<const SchemaAction> actions() const;
  // Null when there is none.
  const SchemaEntity* entity_type(std::string_view name) const;
  const SchemaAction* action(const EntityUid& uid) const;

  // Adds one entity per action, with its groups as parents.
  void add_action_entities(Entities::Builder& builder) const;

  struct Store;

 private:
  friend base::Result<Schema> resolve(const SchemaSource& source);
  explicit Schema(std::shared_ptr<const Store> store);
  std::shared_ptr<const Store> store_;
};

// Whether entities of that type are actions: its last segment is `Action`.
bool is_action_type(std::string_view type);

[[nodiscard]] base::Result<Schema> resolve(const SchemaSource& source);

// Text or JSON, in one step.
[[nodiscard]] base::Result<Schema> parse_schema(std::string_view text,
                                                std::string_view file = "schema.cedarschema");
[[nodiscard]] base::Result<Schema> parse_schema(json::Value tree,
                                                std::string_view file = "schema.cedarschema.json");

}  // namespace latticegate::cedar
