// The models that are part of the program, one for each kind of surface, and what their heads are
// called.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "inspect/finding.h"
#include "inspect/model.h"
#include "inspect/scan.h"

namespace latticegate::inspect {

struct NamedModel {
  Model model;
  std::string_view name;                       // "tool_result"
  std::array<std::string_view, heads> scores;  // names of the heads' values
  std::array<std::string_view, heads> rules;   // ids of findings
  FindingKind kind{};
};

class Models {
 public:
  // Immutable, shared by threads; a few microseconds.
  [[nodiscard]] static base::Result<std::shared_ptr<const Models>> built_in();
  // One model for every surface, under the names of the built-in one: for its trainer. Null for a
  // name that there is not.
  static std::shared_ptr<const Models> only(std::string_view name, const Model& model);
  const NamedModel& of(Surface surface) const [[clang::lifetimebound]];

 private:
  enum Kind : std::uint8_t { tool_result, tool_metadata, user_text, argument, kinds };
  std::array<std::optional<NamedModel>, kinds> models_;
};

// Has the scanner judge by these in place of the built-in ones.
void use_models(Scanner& scanner, std::shared_ptr<const Models> models);

}  // namespace latticegate::inspect
