#include "cedar/analysis.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "cedar/coverage.h"
#include "cedar/detail/formula.h"
#include "cedar/detail/inquiry.h"

namespace latticegate::cedar {
namespace {

constexpr std::array<std::string_view, 10> claim_names{
    "impossible",    "shadowed", "redundant",   "overridden", "shadowed_together",
    "never_permits", "idle",     "unreachable", "never_true", "always_true"};

// Which of the samples a policy holds for.
using Marks = std::vector<std::uint64_t>;

void mark(Marks& marks, std::size_t index) {
  if (marks.size() <= index / 64) marks.resize(index / 64 + 1);
  marks[index / 64] |= std::uint64_t{1} << (index % 64);
}

std::uint64_t word(const Marks& marks, std::size_t index) {
  return index < marks.size() ? marks[index] : 0;
}

}  // namespace

std::string_view name(Claim claim) { return claim_names.at(static_cast<std::size_t>(claim)); }

std::string_view name(Verdict verdict) {
  constexpr std::array<std::string_view, 3> names{"proved", "refuted", "unknown"};
  return names.at(static_cast<std::size_t>(verdict));
}

struct Analysis::State {
  State(const PolicySet& set, const AnalysisSettings& given) : policies(set), settings(given) {
    for (PolicyIndex i = 0; i < policies.size(); ++i) {
      holds.push_back(formulas.holds(policies[i]));
      fails.push_back(formulas.does_not_hold(policies[i]));
      clauses.push_back(formulas.clauses(policies[i]));
      std::vector<std::pair<FormulaId, FormulaId>> of_clauses;
      for (const ClauseFormula& clause : clauses.back())
        of_clauses.emplace_back(formulas.outcome(*clause.expression, state_yes),
                                formulas.outcome(*clause.expression, state_no | state_fails));
      outcomes.push_back(std::move(of_clauses));
    }
    marks.resize(policies.size());
    inquiry.emplace(formulas, settings);
    inquiry->sample([this](Example example) { add_sample(std::move(example)); });
  }

  // ---- samples

  bool holds_for(const Policy& policy, const Example& example) {
    scratch.reset();
    const EntityView view(example.entities);
    Evaluator evaluator(example.request, view, scratch);
    return evaluator.matches(policy) && evaluator.conditions(policy).certainly();
  }

  const Example* add_sample(Example example) {
    const std::size_t index = samples.size();
    samples.push_back(std::move(example));
    const Example& kept = samples.back();
    for (PolicyIndex i = 0; i < policies.size(); ++i)
      if (holds_for(policies[i], kept)) mark(marks[i], index);
    scratch.reset();
    coverage.add(kept.request, EntityView(kept.entities), scratch);
    return &kept;
  }

  // A request for which all formulas are true, as `confirm` has seen.
  const Example* last_found = nullptr;
  Verdict ask(std::span<const FormulaId> wanted,
              const std::function<bool(const Example&)>& confirm) {
    last_found = nullptr;
    return inquiry->ask(wanted, confirm,
                        [this](Example example) { last_found = add_sample(std::move(example)); });
  }

  // The first sample with `yes` and without all of `no`; null when there is none.
  const Example* sample(const Marks& yes, std::span<const PolicyIndex> no) const {
    for (std::size_t i = 0; i < yes.size(); ++i) {
      std::uint64_t left = yes[i];
      for (const PolicyIndex other : no) left &= ~word(marks[other], i);
      if (left != 0) return &samples[i * 64 + static_cast<std::size_t>(std::countr_zero(left))];
    }
    return nullptr;
  }

  // Whether `policy` holds for some request and none of `others` does.
  Verdict holds_without(PolicyIndex policy, std::span<const PolicyIndex> others) {
    last_found = sample(marks[policy], others);
    if (last_found != nullptr) return Verdict::refuted;
    std::vector<FormulaId> wanted{holds[policy]};
    for (const PolicyIndex other : others) wanted.push_back(fails[other]);
    return ask(wanted, [&](const Example& example) {
      return holds_for(policies[policy], example) &&
             std::ranges::none_of(
                 others, [&](PolicyIndex other) { return holds_for(policies[other], example); });
    });
  }

  // Whether both hold for some request.
  Verdict both_hold(PolicyIndex one, PolicyIndex other) {
    for (std::size_t i = 0; i < std::min(marks[one].size(), marks[other].size()); ++i)
      if (const std::uint64_t both = marks[one][i] & marks[other][i]; both != 0) {
        last_found = &samples[i * 64 + static_cast<std::size_t>(std::countr_zero(both))];
        return Verdict::refuted;
      }
    const FormulaId wanted[] = {holds[one], holds[other]};
    return ask(wanted, [&](const Example& example) {
      return holds_for(policies[one], example) && holds_for(policies[other], example);
    });
  }

  const PolicySet& policies;
  const AnalysisSettings settings;
  Formulas formulas;
  std::vector<FormulaId> holds;
  std::vector<FormulaId> fails;
  std::vector<std::vector<ClauseFormula>> clauses;
  std::vector<std::vector<std::pair<FormulaId, FormulaId>>> outcomes;  // yes, not yes; by clause
  std::optional<Inquiry> inquiry;
  Arena scratch;
  std::deque<Example> samples;
  std::vector<Marks> marks;
  Coverage coverage{policies};
};

Analysis::Analysis(const PolicySet& policies, const AnalysisSettings& settings)
    : state_(std::make_unique<State>(policies, settings)) {}
Analysis::Analysis(Analysis&&) noexcept = default;
Analysis& Analysis::operator=(Analysis&&) noexcept = default;
Analysis::~Analysis() = default;

namespace {

// Clauses whose value is written out need no proof.
bool is_literal(const Expression& expression) { return expression.op == Op::literal; }

}  // namespace

// Writes down the answers.
class Analysis::Session {
 public:
  explicit Session(State& state)
      : state_(state), policies_(state.policies), dead_(state.policies.size()) {}

  std::vector<Conclusion> run() {
    const auto count = static_cast<PolicyIndex>(policies_.size());
    for (PolicyIndex i = 0; i < count; ++i) {
      const Verdict verdict = state_.holds_without(i, {});
      dead_[i] = verdict == Verdict::proved;
      add(Claim::impossible, verdict, i);
    }
    for (PolicyIndex i = 0; i < count; ++i)
      if (!dead_[i]) about_policy(i);
    // Clauses after all examples: they have been tried by all of them.
    for (PolicyIndex i = 0; i < count; ++i)
      if (!dead_[i])
        for (std::size_t c = 0; c < state_.clauses[i].size(); ++c) about_clause(i, c);
    return std::move(out_);
  }

 private:
  void add(Claim claim, Verdict verdict, PolicyIndex policy,
           std::optional<PolicyIndex> other = {}) {
    out_.push_back({.claim = claim,
                    .verdict = verdict,
                    .policy = policy,
                    .other = other,
                    .span = policies_[policy].span,
                    .example = verdict == Verdict::refuted ? state_.last_found : nullptr});
  }

  void about_policy(PolicyIndex i) {
    const auto count = static_cast<PolicyIndex>(policies_.size());
    const Effect effect = policies_[i].effect;
    std::vector<PolicyIndex> same;
    std::vector<PolicyIndex> forbids;
    for (PolicyIndex j = 0; j < count; ++j) {
      if (j == i || dead_[j]) continue;
      if (policies_[j].effect == effect) same.push_back(j);
      if (policies_[j].effect == Effect::forbid) forbids.push_back(j);
    }
    bool shadowed = false;
    for (const PolicyIndex j : same) {
      const Verdict verdict = state_.holds_without(i, {&j, 1});
      const Example* const example = state_.last_found;
      const bool both =
          verdict == Verdict::proved && state_.holds_without(j, {&i, 1}) == Verdict::proved;
      state_.last_found = example;
      shadowed = shadowed || verdict == Verdict::proved;
      // Said once, of the later one.
      if (!both)
        add(Claim::shadowed, verdict, i, j);
      else if (j < i)
        add(Claim::redundant, verdict, i, j);
    }
    if (!shadowed && same.size() > 1)
      add(Claim::shadowed_together, state_.holds_without(i, same), i);
    if (effect == Effect::permit) {
      bool overridden = false;
      for (const PolicyIndex j : forbids) {
        const Verdict verdict = state_.holds_without(i, {&j, 1});
        overridden = overridden || verdict == Verdict::proved;
        add(Claim::overridden, verdict, i, j);
      }
      if (!overridden && forbids.size() > 1)
        add(Claim::never_permits, state_.holds_without(i, forbids), i);
    } else {
      Verdict idle = Verdict::proved;
      for (PolicyIndex j = 0; j < count && idle != Verdict::refuted; ++j) {
        if (dead_[j] || policies_[j].effect != Effect::permit) continue;
        const Verdict verdict = state_.both_hold(i, j);
        if (verdict != Verdict::proved) idle = verdict;
      }
      add(Claim::idle, idle, i);
    }
  }

  void about_clause(PolicyIndex i, std::size_t c) {
    const std::vector<ClauseFormula>& clauses = state_.clauses[i];
    const Expression& expression = *clauses[c].expression;
    const auto seen = [&] {
      // Behind the clauses of the scope.
      const auto& covered = state_.coverage.policies()[i].clauses;
      return covered[covered.size() - clauses.size() + c].outcomes;
    };
    const auto answer = [&](Claim claim, Verdict verdict) {
      add(claim, verdict, i);
      out_.back().span = expression.span;
      out_.back().example = nullptr;
    };
    const FormulaId reached = clauses[c].reached;
    // What a request does to the clause: evaluation tells.
    const auto tried = [&](const Example& example) {
      state_.scratch.reset();
      state_.coverage.add(i, example.request, EntityView(example.entities), state_.scratch);
      return seen();
    };
    const Outcomes outcomes = seen();
    if (outcomes.yes + outcomes.no + outcomes.failed == 0) {
      const Verdict verdict = state_.ask({&reached, 1}, [&](const Example& example) {
        const Outcomes now = tried(example);
        return now.yes + now.no + now.failed > 0;
      });
      answer(Claim::unreachable, verdict);
      if (verdict == Verdict::proved) return;
    }
    if (is_literal(expression)) return;
    if (const auto [yes, not_yes] = state_.outcomes[i][c]; true) {
      for (const bool truth : {true, false}) {
        const Claim claim = truth ? Claim::never_true : Claim::always_true;
        const Outcomes now = seen();
        if (truth ? now.yes > 0 : now.no + now.failed > 0) {
          answer(claim, Verdict::refuted);
          continue;
        }
        const FormulaId wanted[] = {reached, truth ? yes : not_yes};
        const Verdict verdict = state_.ask(wanted, [&](const Example& example) {
          const Outcomes after = tried(example);
          return truth ? after.yes > 0 : after.no + after.failed > 0;
        });
        answer(claim, verdict);
      }
    }
  }

  State& state_;
  const PolicySet& policies_;
  std::vector<bool> dead_;
  std::vector<Conclusion> out_;
};

std::vector<Conclusion> Analysis::conclude() { return Session(*state_).run(); }

}  // namespace latticegate::cedar
