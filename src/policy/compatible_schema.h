// A Cedar schema from MCP tool descriptions in the way of cedar-for-agents (its schema generator
// 0.6.0), for those who have policies for that model. The gateway's own model is schema_text() in
// tool.h; this one never decides anything here.
//
// A stub with one namespace says what calls look like: `@mcp_principal` and `@mcp_resource` on
// entity types, `@mcp_context("name")` on common types that become members of every context,
// `@mcp_action` on the actions that tools are below. A tool becomes an action, its arguments the
// common type `<tool>Input`; objects in them become entity types (or records), enumerated strings
// enumerated entity types, unions records with one optional attribute for each choice.
//
// As there, one tool that cannot be expressed refuses the whole list: names that are no
// identifiers, references to what is not defined, types that do not exist. Merging equal entity
// types of several tools (`deduplicateEntityTypes` there) is not available.
//
// Posture: descriptors are a server's and hostile: nesting and the number of types are limited.
#pragma once
#include <cstdint>

#include "base/result.h"
#include "cedar/schema_source.h"
#include "json/value.h"

namespace latticegate::policy {

struct CompatibleOptions {
  bool include_outputs = false;     // `output?` of the context, from outputSchema
  bool objects_as_records = false;  // objects without further properties are records
  bool flatten_namespaces = false;  // one namespace; names joined by `_`
  bool numbers_as_decimal = false;  // otherwise the entity types Number and Float
  bool keep_annotations = false;    // those of the stub
};

inline constexpr std::uint32_t deepest_compatible = 64;
inline constexpr std::uint32_t most_compatible_types = 100'000;

// `tools` is the array of tools/list; a descriptor's `inputSchema` may also be called `parameters`
// or stand below `json`. The result holds its declarations sorted by name.
[[nodiscard]] base::Result<cedar::SchemaSource> compatible_schema(const cedar::SchemaSource& stub,
                                                                  json::Value tools,
                                                                  const CompatibleOptions& options);

}  // namespace latticegate::policy
