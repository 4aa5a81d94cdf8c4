#include "cedar/explain.h"

#include <algorithm>
#include <array>
#include <format>
#include <string>
#include <string_view>
#include <utility>

namespace latticegate::cedar {
namespace {

constexpr std::size_t longest_text = 300;
constexpr std::size_t longest_value = 120;
constexpr std::size_t most_clauses = 32;  // of one policy
constexpr std::size_t most_reads = 16;    // of one clause
constexpr std::size_t most_near_misses = 3;

std::string cut(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80) --limit;
  text.resize(limit);
  return text + "...";
}

bool is_guard(const Expression& e) {
  return e.op == Op::has || e.op == Op::has_tag || e.op == Op::is || e.op == Op::literal;
}

struct ScopePart {
  std::string_view variable;
  const ScopeConstraint& constraint;
  const EntityUid& uid;
  const Entity* entity;
  int weight;  // a permit for another action is further away than one for another principal
};

std::array<ScopePart, 3> scope_of(const Policy& policy, const Evaluator& evaluator) {
  const Request& request = evaluator.request();
  return {{{"principal", policy.principal, request.principal, evaluator.principal(), 10},
           {"action", policy.action, request.action, evaluator.action(), 100},
           {"resource", policy.resource, request.resource, evaluator.resource(), 10}}};
}

int scope_distance(const Policy& policy, const Evaluator& evaluator) {
  int distance = 0;
  for (const ScopePart& part : scope_of(policy, evaluator))
    if (!evaluator.matches(part.constraint, part.uid, part.entity)) distance += part.weight;
  return distance;
}

// Explains one policy: walks its conditions again and keeps the parts that made the outcome.
class Walk {
 public:
  Walk(const Policy& policy, Evaluator& evaluator) : policy_(policy), evaluator_(evaluator) {}

  // Why the policy is satisfied.
  void satisfied() {
    for (const Condition& condition : policy_.conditions)
      why(*condition.expression, !condition.unless);
    scope(true);
  }

  // Where the evaluation fails.
  void failed() {
    for (const Condition& condition : policy_.conditions) {
      const Value value = evaluator_.evaluate(*condition.expression);
      if (value.is(Kind::boolean) && value.truth() != condition.unless) continue;
      why_failed(*condition.expression);
      return;
    }
  }

  // What is missing until it would be satisfied, and how far that is.
  int missing() {
    const int distance = scope_distance(policy_, evaluator_);
    scope(false);
    for (const Condition& condition : policy_.conditions)
      missing(*condition.expression, !condition.unless, false);
    return distance + static_cast<int>(clauses_.size());
  }

  std::vector<Clause> take() {
    std::ranges::stable_sort(clauses_, {}, &Ranked::rank);
    std::vector<Clause> out;
    for (Ranked& ranked : clauses_) out.push_back(std::move(ranked.clause));
    return out;
  }

 private:
  struct Ranked {
    int rank;
    Clause clause;
  };

  std::optional<bool> truth(const Expression& e) {
    const Value value = evaluator_.evaluate(e);
    if (!value.is(Kind::boolean)) return std::nullopt;
    return value.truth();
  }

  // The parts of `e` that made it `result`.
  void why(const Expression& e, bool result) {
    switch (e.op) {
      case Op::negation: why(*e.operands[0], !result); return;
      case Op::conditional: {
        const bool guard = truth(*e.operands[0]).value_or(false);
        why(*e.operands[0], guard);
        why(*e.operands[guard ? 1 : 2], result);
        return;
      }
      case Op::conjunction:
      case Op::disjunction: {
        const bool all = result == (e.op == Op::conjunction);
        for (const Expression* const operand : e.operands) {
          if (!all && truth(*operand) != result) continue;
          why(*operand, result);
          if (!all) return;
        }
        return;
      }
      default: add(e, result ? Clause::Result::holds : Clause::Result::fails);
    }
  }

  void why_failed(const Expression& e) {
    if (e.op == Op::negation || e.op == Op::conjunction || e.op == Op::disjunction ||
        e.op == Op::conditional) {
      for (const Expression* const operand : e.operands) {
        if (evaluator_.evaluate(*operand).is(Kind::boolean)) continue;
        // The branch of an `if` that is not taken may fail without being the reason; its guard says
        // so.
        if (e.op == Op::conditional && operand != e.operands[0] &&
            operand != e.operands[truth(*e.operands[0]).value_or(false) ? 1 : 2])
          continue;
        why_failed(*operand);
        return;
      }
    }
    add(e, Clause::Result::errs);
  }

  // The parts of `e` that keep it from being `wanted`. Parts that fail only because an earlier one
  // is missing count as missing, too: `context has approval && context.approval.level >= 2` misses
  // both.
  void missing(const Expression& e, bool wanted, bool after_another) {
    const auto now = truth(e);
    if (now == wanted) return;
    switch (e.op) {
      case Op::negation: missing(*e.operands[0], !wanted, after_another); return;
      case Op::conjunction:
      case Op::disjunction: {
        const bool all = wanted == (e.op == Op::conjunction);
        bool another = after_another;
        for (const Expression* const operand : e.operands) {
          if (truth(*operand) == wanted) continue;
          missing(*operand, wanted, another);
          another = another || all;
        }
        return;
      }
      case Op::conditional: {
        const auto guard = truth(*e.operands[0]);
        if (!guard) {
          missing(*e.operands[0], true, after_another);
        } else {
          missing(*e.operands[*guard ? 1 : 2], wanted, after_another);
        }
        return;
      }
      default:
        if (!now) {
          add(e, after_another ? Clause::Result::fails : Clause::Result::errs);
        } else {
          add(e, wanted ? Clause::Result::fails : Clause::Result::holds);
        }
    }
  }

  // Adds the scope constraints that match or, with false, those that do not.
  void scope(bool matching) {
    for (const ScopePart& part : scope_of(policy_, evaluator_)) {
      const bool matches = evaluator_.matches(part.constraint, part.uid, part.entity);
      if (matches != matching || part.constraint.kind == ScopeConstraint::Kind::any) continue;
      Clause clause = located(part.constraint.span);
      clause.text = cut(print(part.variable, part.constraint), longest_text);
      clause.result = matches ? Clause::Result::holds : Clause::Result::fails;
      clause.reads.push_back({std::string(part.variable), to_text(part.uid)});
      push(matching ? 2 : 0, std::move(clause));
    }
  }

  Clause located(Span span) const {
    const Location place = policy_.locate(span);
    Clause clause;
    clause.file = place.file;
    clause.line = place.line;
    clause.column = place.column;
    return clause;
  }

  void add(const Expression& e, Clause::Result result) {
    Clause clause = located(e.span);
    const std::string_view written = policy_.text(e.span);
    clause.text = cut(written.contains('\n') ? print(e) : std::string(written), longest_text);
    clause.result = result;
    read(e, clause.reads);
    if (result == Clause::Result::errs) {
      const Value value = evaluator_.evaluate(e);
      clause.error = value ? std::format("type error: expected bool, found {}", name(value.kind()))
                           : evaluator_.error().message;
    }
    push(is_guard(e) ? 1 : 0, std::move(clause));
  }

  void push(int rank, Clause clause) {
    if (clauses_.size() < most_clauses) clauses_.push_back({rank, std::move(clause)});
  }

  // ---- what a clause read

  void note(std::string path, const Value& value, std::vector<Read>& reads) {
    if (reads.size() >= most_reads || std::ranges::contains(reads, path, &Read::path)) return;
    reads.push_back({std::move(path), to_text(value, longest_value)});
  }

  // Whether it is a variable, an entity, or an attribute of such: something with a name of its own.
  static bool is_path(const Expression& e) {
    if (e.op == Op::attribute) return is_path(*e.operands[0]);
    return e.op == Op::principal || e.op == Op::action || e.op == Op::resource ||
           e.op == Op::context || (e.op == Op::literal && e.value.is(Kind::entity));
  }

  void read(const Expression& e, std::vector<Read>& reads) {
    switch (e.op) {
      case Op::literal:
      case Op::context: return;
      case Op::principal:
      case Op::action:
      case Op::resource: note(print(e), evaluator_.evaluate(e), reads); return;
      case Op::attribute:
        if (!is_path(e)) break;
        note(print(e), evaluator_.evaluate(e), reads);
        return;
      case Op::has:
        if (!is_path(*e.operands[0])) break;
        read_attribute(e, reads);
        return;
      case Op::has_tag:
      case Op::get_tag: {
        Expression get = e;
        get.op = Op::get_tag;
        note(print(get), evaluator_.evaluate(get), reads);
        return;
      }
      default: break;
    }
    for (const Expression* const operand : e.operands) read(*operand, reads);
  }

  // `e has a.b`: the value of e.a.b.
  void read_attribute(const Expression& has, std::vector<Read>& reads) {
    Arena arena;
    const Expression* at = has.operands[0];
    for (const Name& name : has.path) {
      Expression attribute;
      attribute.op = Op::attribute;
      attribute.path = arena.copy(std::span<const Name>(&name, 1));
      attribute.operands = arena.copy(std::span<const Expression* const>(&at, 1));
      at = arena.make(attribute);
    }
    note(print(*at), evaluator_.evaluate(*at), reads);
  }

  const Policy& policy_;
  Evaluator& evaluator_;
  std::vector<Ranked> clauses_;
};

PolicyExplanation begin(const PolicySet& policies, PolicyIndex index) {
  const Policy& policy = policies[index];
  const Location place = policy.locate(policy.span);
  PolicyExplanation out;
  out.policy = index;
  out.id = policy.id;
  out.effect = policy.effect;
  out.file = place.file;
  out.line = place.line;
  out.column = place.column;
  return out;
}

std::vector<PolicyExplanation> near_misses(const PolicySet& policies, Evaluator& evaluator) {
  struct Candidate {
    int distance;
    PolicyExplanation explanation;
  };
  std::vector<Candidate> nearest;
  for (PolicyIndex i = 0; i < policies.size(); ++i) {
    if (policies[i].effect != Effect::permit) continue;
    // With many permits most are out of the race by their scope alone, before any text is made.
    if (nearest.size() >= most_near_misses &&
        scope_distance(policies[i], evaluator) >= nearest.back().distance)
      continue;
    Walk walk(policies[i], evaluator);
    const int distance = walk.missing();
    const auto place = std::ranges::upper_bound(nearest, distance, {}, &Candidate::distance);
    if (place == nearest.end() && nearest.size() >= most_near_misses) continue;
    Candidate candidate{distance, begin(policies, i)};
    candidate.explanation.clauses = walk.take();
    nearest.insert(place, std::move(candidate));
    if (nearest.size() > most_near_misses) nearest.pop_back();
  }
  std::vector<PolicyExplanation> out;
  for (Candidate& candidate : nearest) out.push_back(std::move(candidate.explanation));
  return out;
}

void append(const PolicyExplanation& policy, std::string_view verb, std::string& out) {
  out +=
      std::format("{} `{}` ({}:{}:{})\n", verb, policy.id, policy.file, policy.line, policy.column);
  for (const Clause& clause : policy.clauses) out += std::format("  {}\n", to_text(clause));
}

}  // namespace

Explanation explain(const PolicySet& policies, const Request& request, const EntityView& entities,
                    Arena& scratch, const Answer& answer) {
  Explanation out;
  out.decision = answer.decision;
  Evaluator evaluator(request, entities, scratch);
  for (const PolicyIndex index : answer.reasons) {
    Walk walk(policies[index], evaluator);
    walk.satisfied();
    out.determining.push_back(begin(policies, index));
    out.determining.back().clauses = walk.take();
  }
  for (const PolicyFailure& failure : answer.errors) {
    Walk walk(policies[failure.policy], evaluator);
    walk.failed();
    out.failed.push_back(begin(policies, failure.policy));
    out.failed.back().clauses = walk.take();
  }
  if (answer.decision == Decision::deny && answer.reasons.empty())
    out.near_misses = near_misses(policies, evaluator);
  return out;
}

std::string to_text(const Clause& clause) {
  std::string out = clause.text;
  if (clause.result == Clause::Result::fails) out += " is not so";
  if (clause.result == Clause::Result::errs) out += std::format(" failed: {}", clause.error);
  out += std::format(" at {}:{}:{}", clause.file, clause.line, clause.column);
  for (std::size_t i = 0; i < clause.reads.size(); ++i)
    out +=
        std::format("{}{} = {}", i == 0 ? " (" : ", ", clause.reads[i].path, clause.reads[i].value);
  if (!clause.reads.empty()) out += ')';
  return out;
}

std::string to_text(const Explanation& explanation) {
  std::string out;
  for (const PolicyExplanation& policy : explanation.determining)
    append(policy, policy.effect == Effect::forbid ? "forbidden by" : "permitted by", out);
  if (explanation.decision == Decision::deny && explanation.determining.empty())
    out += "no permit matched\n";
  for (const PolicyExplanation& policy : explanation.near_misses)
    append(policy, "nearest permit", out);
  for (const PolicyExplanation& policy : explanation.failed)
    append(policy, "failed and was skipped:", out);
  return out;
}

}  // namespace latticegate::cedar
