// What can be proved of a set of policies before any call: `latticegate policy analyse`.
//
// The questions and what their answers are worth: cedar/analysis.h. Requests are those of the
// gateway's model with the tools that are given; tools that are not given may exist, with any
// arguments and in any group of effects. Or those of a schema of the operator's. The built-in
// policies hold besides, and nothing is said of them.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/analysis.h"
#include "policy/diagnostic.h"
#include "policy/engine.h"
#include "policy/tool.h"

namespace latticegate::policy {

struct AnalyseSettings {
  std::string_view schema{};  // as in CheckSettings
  std::string_view schema_name = "schema.cedarschema";
  std::span<const std::shared_ptr<const Tool>> tools{};
  bool built_in = true;
  cedar::Prover prover{};
};

struct AnalyseFinding {
  cedar::Claim claim{};
  cedar::Verdict verdict{};
  Diagnostic diagnostic{};  // the claim in words, as if it were proved
  std::string other{};      // the id of the other policy
  std::string example{};    // JSON, see cedar::to_json; refuted only
};
struct AnalyseReport {
  std::vector<AnalyseFinding> findings;  // every question, by policy
  std::size_t policies = 0;
  std::size_t count(cedar::Verdict verdict) const;
  // What is proved.
  std::vector<Diagnostic> diagnostics() const;
};
// An error when policies or schema cannot be read.
[[nodiscard]] base::Result<AnalyseReport> analyse_policies(std::span<const PolicyText> texts,
                                                           const AnalyseSettings& settings);

// What is allowed by one of two sets only: `latticegate policy analyse --against OLD`. A forbid
// that fails denies, as in the gateway.
struct CompareFinding {
  bool gained = false;
  cedar::Verdict verdict{};  // proved: the permit makes no difference
  Diagnostic diagnostic{};   // at the permit: what is gained or lost
  std::string forbid{};   // the id of a forbid of the other set that denies; "": no permit allows
  std::string example{};  // JSON; refuted only
};
struct CompareReport {
  std::vector<CompareFinding> findings;  // of each permit of the new set, then of the old one
  std::size_t count(cedar::Verdict verdict) const;
};
[[nodiscard]] base::Result<CompareReport> compare_policies(std::span<const PolicyText> old_texts,
                                                           std::span<const PolicyText> new_texts,
                                                           const AnalyseSettings& settings);

}  // namespace latticegate::policy
