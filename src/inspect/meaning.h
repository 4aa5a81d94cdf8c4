// What the rule of a finding means, for people who have one in a record or a log before them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/finding.h"
#include "inspect/rules.h"

namespace latticegate::inspect {

struct Meaning {
  std::string rule;
  std::string description;  // one line
  FindingKind kind{};
  std::string_view found_by;  // "a rule", "a model", ...
  // Of rules from files; the others say it with each finding.
  std::optional<Severity> severity;
  std::uint8_t surface_mask = 0xFF;
  float rarity = 0;
  std::vector<std::string> labels;
};

// Of every rule of the set, and of what is found without one, by rule.
std::vector<Meaning> meanings(const RuleSet& rules);

}  // namespace latticegate::inspect
