// Coverage: which policies, and which of their clauses, some requests found true, false or failing.
//
// A clause is a scope constraint, or a part of a condition that && || ! and `if` do not divide any
// further. It counts where evaluation reaches it: what stands behind a false `&&` operand is not
// tried. A clause that was never true, or never false, is one that no request tells apart from a
// constant.
//
// Slow path: evaluates by the tree, all policies for each request. One thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cedar/evaluate.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {

struct Outcomes {
  std::size_t yes = 0;
  std::size_t no = 0;
  std::size_t failed = 0;
  // How many of the two that matter were seen.
  std::size_t seen() const { return std::size_t{yes > 0} + std::size_t{no > 0}; }
};

struct ClauseCoverage {
  std::string text;  // as it stands in the source, white space collapsed, cut at 120 bytes
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  Outcomes outcomes;
};

struct PolicyCoverage {
  std::string id;
  Effect effect = Effect::permit;
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  Outcomes outcomes;  // of the whole
  std::vector<ClauseCoverage> clauses;

  // Two for the policy and for each clause: true and false. A policy without clauses is never
  // false.
  std::size_t possible() const { return clauses.empty() ? 1 : 2 + 2 * clauses.size(); }
  std::size_t seen() const;
};

class Coverage {
 public:
  // The policies outlive it.
  explicit Coverage(const PolicySet& policies);
  void add(const Request& request, const EntityView& entities, Arena& scratch);
  // Of one policy only.
  void add(PolicyIndex policy, const Request& request, const EntityView& entities, Arena& scratch);
  const std::vector<PolicyCoverage>& policies() const [[clang::lifetimebound]] { return covered_; }

 private:
  const PolicySet& policies_;
  std::vector<PolicyCoverage> covered_;
};

}  // namespace latticegate::cedar
