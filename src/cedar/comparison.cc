#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "cedar/analysis.h"
#include "cedar/authorize.h"
#include "cedar/detail/formula.h"
#include "cedar/detail/inquiry.h"

namespace latticegate::cedar {
namespace {

bool same_scope(const ScopeConstraint& a, const ScopeConstraint& b) {
  return a.kind == b.kind && a.type == b.type && std::ranges::equal(a.uids, b.uids);
}

// Both hold, are false and fail for the same requests, as can be seen at once.
bool same_rule(const Policy& a, const Policy& b) {
  return a.effect == b.effect && same_scope(a.principal, b.principal) &&
         same_scope(a.action, b.action) && same_scope(a.resource, b.resource) &&
         std::ranges::equal(
             a.conditions, b.conditions, [](const Condition& one, const Condition& other) {
               return one.unless == other.unless && same(*one.expression, *other.expression);
             });
}

bool has_rule(const PolicySet& policies, const Policy& rule) {
  return std::ranges::any_of(policies.policies(),
                             [&](const Policy& one) { return same_rule(one, rule); });
}

}  // namespace

struct Comparison::State {
  // One of the two sets.
  struct Side {
    explicit Side(const PolicySet& set) : policies(set) {}
    const PolicySet& policies;
    FormulaId no_permit = 0;           // none holds
    std::vector<FormulaId> holds;      // by policy
    std::vector<FormulaId> stops;      // by policy; of a forbid: it holds or fails
    std::vector<FormulaId> lets_pass;  // the forbids: they are false
  };

  State(const PolicySet& old_policies, const PolicySet& new_policies, const AnalysisSettings& given)
      : settings(given), sides{Side(old_policies), Side(new_policies)} {
    for (Side& side : sides) {
      std::vector<FormulaId> none;
      for (const Policy& policy : side.policies.policies()) {
        const bool permits = policy.effect == Effect::permit;
        side.holds.push_back(formulas.holds(policy));
        side.stops.push_back(permits ? 1 : formulas.is_not_false(policy));
        if (permits)
          none.push_back(formulas.does_not_hold(policy));
        else
          side.lets_pass.push_back(formulas.is_false(policy));
      }
      side.no_permit = formulas.all(std::move(none));
    }
    inquiry.emplace(formulas, settings);
    inquiry->sample([this](Example example) {
      if (differs(example)) samples.push_back(std::move(example));
    });
  }

  bool allowed(const Side& side, const Example& example) {
    scratch.reset();
    authorize(side.policies, example.request, EntityView(example.entities), scratch, answer);
    return answer.decision == Decision::allow && !answer.forbid_failed;
  }
  bool differs(const Example& example) {
    return allowed(sides[0], example) != allowed(sides[1], example);
  }

  // Whether the permit is among those by which `winner` alone allows.
  bool shows(const Side& winner, const Side& loser, PolicyIndex permit, const Example& example) {
    return !allowed(loser, example) && allowed(winner, example) &&
           std::ranges::contains(answer.reasons, permit);
  }

  Difference about(bool gained, PolicyIndex permit) {
    const std::size_t mine = gained ? 1 : 0;
    const Side& winner = sides[mine];
    const Side& loser = sides[1 - mine];
    Difference difference{.gained = gained, .permit = permit, .forbid = {}, .verdict = {}};
    const auto found = std::ranges::find_if(
        samples, [&](const Example& one) { return shows(winner, loser, permit, one); });
    if (found != samples.end()) {
      difference.verdict = Verdict::refuted;
      difference.example = &*found;
    } else {
      difference.verdict = Verdict::proved;
      // The other set does not allow it because no permit holds, or because of a forbid; what both
      // sets have is no reason.
      std::vector<FormulaId> reasons;
      if (!has_rule(loser.policies, winner.policies[permit])) reasons.push_back(loser.no_permit);
      for (PolicyIndex i = 0; i < loser.policies.size(); ++i)
        if (loser.policies[i].effect == Effect::forbid &&
            !has_rule(winner.policies, loser.policies[i]))
          reasons.push_back(loser.stops[i]);
      for (const FormulaId reason : reasons) {
        std::vector<FormulaId> wanted{winner.holds[permit], reason};
        wanted.insert(wanted.end(), winner.lets_pass.begin(), winner.lets_pass.end());
        const Verdict verdict = ask(
            wanted, [&](const Example& example) { return shows(winner, loser, permit, example); });
        if (verdict == Verdict::proved) continue;
        difference.verdict = verdict;
        if (verdict == Verdict::refuted) break;
      }
      if (difference.verdict == Verdict::refuted) difference.example = &samples.back();
    }
    if (difference.example != nullptr) {
      allowed(loser, *difference.example);
      for (const PolicyIndex reason : answer.reasons)
        if (loser.policies[reason].effect == Effect::forbid) difference.forbid = reason;
      for (const PolicyFailure& failure : answer.errors)
        if (!difference.forbid && loser.policies[failure.policy].effect == Effect::forbid)
          difference.forbid = failure.policy;
    }
    return difference;
  }

  Verdict ask(std::span<const FormulaId> wanted,
              const std::function<bool(const Example&)>& confirm) {
    return inquiry->ask(wanted, confirm,
                        [this](Example example) { samples.push_back(std::move(example)); });
  }

  const AnalysisSettings settings;
  std::array<Side, 2> sides;  // the old set, the new one
  Formulas formulas;
  std::optional<Inquiry> inquiry;
  Arena scratch;
  Answer answer;
  std::deque<Example> samples;  // those that differ
};

Comparison::Comparison(const PolicySet& old_policies, const PolicySet& new_policies,
                       const AnalysisSettings& settings)
    : state_(std::make_unique<State>(old_policies, new_policies, settings)) {}
Comparison::Comparison(Comparison&&) noexcept = default;
Comparison& Comparison::operator=(Comparison&&) noexcept = default;
Comparison::~Comparison() = default;

std::vector<Difference> Comparison::conclude() {
  std::vector<Difference> out;
  for (const bool gained : {true, false}) {
    const PolicySet& policies = state_->sides.at(gained ? 1 : 0).policies;
    for (PolicyIndex i = 0; i < policies.size(); ++i)
      if (policies[i].effect == Effect::permit) out.push_back(state_->about(gained, i));
  }
  return out;
}

}  // namespace latticegate::cedar
