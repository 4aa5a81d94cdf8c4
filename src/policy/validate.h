// Policies against a schema, without a gateway: `latticegate policy validate`.
//
// The schema is a file of the operator's, or the one that the gateway's model and its tools make up
// (schema_text() in tool.h): then every action that a policy names has to be one of a tool that is
// given.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "policy/check.h"
#include "policy/engine.h"
#include "policy/tool.h"

namespace latticegate::policy {

struct ValidateFiles {
  std::string_view schema{};  // Cedar schema as text or as JSON; empty: the model's, with `tools`
  std::string_view schema_name = "schema.cedarschema";  // for messages
  std::span<const std::shared_ptr<const Tool>> tools{};
  std::optional<std::uint32_t> level{};  // see cedar::ValidationSettings
};

// Errors and warnings as `file:line:column: policy `id`: ...`, both complete. An error when the
// policies or the schema cannot be read at all.
[[nodiscard]] base::Result<CheckReport> validate_policies(std::span<const PolicyText> texts,
                                                          const ValidateFiles& files);

}  // namespace latticegate::policy
