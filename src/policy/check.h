// Policies without a gateway: what is wrong with them, `latticegate policy check`.
//
// What keeps them from being loaded (syntax, ids, obligations), names that nothing knows, and
// types: each policy is checked against a schema for every kind of request that it may be asked
// about (cedar/validate.h). The schema is the operator's, or the gateway's model with the tools
// that are given. Tools that are not given may still exist: a policy that names an action
// "server/tool" of a server whose tools are not known is not held to types, and that nothing
// applies to a policy is then no finding.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/schema.h"
#include "policy/diagnostic.h"
#include "policy/engine.h"
#include "policy/tool.h"
#include "policy/world.h"

namespace latticegate::policy {

struct CheckSettings {
  const World* world = nullptr;  // null: names are not compared with anything
  std::string_view schema{};  // Cedar schema as text or as JSON; empty: the model's, with `tools`
  std::string_view schema_name = "schema.cedarschema";  // for messages
  std::span<const std::shared_ptr<const Tool>> tools{};
  std::optional<std::uint32_t> level{};  // see cedar::ValidationSettings
};

struct CheckReport {
  std::vector<Diagnostic> diagnostics;  // by file and place
  std::size_t policies = 0;             // and templates, that could be read
  std::size_t untyped =
      0;  // of them not held to types, because the tools that they name are unknown
  bool good() const { return count(diagnostics, Diagnostic::Severity::error) == 0; }
};
// An error when the schema cannot be read.
[[nodiscard]] base::Result<CheckReport> check_policies(std::span<const PolicyText> texts,
                                                       const CheckSettings& settings);

// Text or JSON; empty: the model's, with the tools.
[[nodiscard]] base::Result<cedar::Schema> read_schema(
    std::string_view text, std::string_view name,
    std::span<const std::shared_ptr<const Tool>> tools);

}  // namespace latticegate::policy
