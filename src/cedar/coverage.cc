#include "cedar/coverage.h"

#include <array>
#include <optional>
#include <utility>

namespace latticegate::cedar {
namespace {

constexpr std::size_t longest_text = 120;

struct ScopePart {
  std::string_view variable;
  const ScopeConstraint* constraint;
};
std::array<ScopePart, 3> scope_of(const Policy& policy) {
  return {{{"principal", &policy.principal},
           {"action", &policy.action},
           {"resource", &policy.resource}}};
}

bool divides(Op op) {
  return op == Op::conjunction || op == Op::disjunction || op == Op::negation ||
         op == Op::conditional;
}

std::string collapsed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  if (out.size() <= longest_text) return out;
  std::size_t end = longest_text;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) --end;
  out.resize(end);
  return out + "...";
}

ClauseCoverage clause_at(const Policy& policy, Span span, std::string text) {
  const Location at = policy.locate(span);
  return {.text = std::move(text), .line = at.line, .column = at.column, .outcomes = {}};
}

// The clauses in the order of the source: the walk below visits them in the same one.
void collect(const Policy& policy, const Expression& expression, std::vector<ClauseCoverage>& out) {
  if (!divides(expression.op)) {
    out.push_back(clause_at(policy, expression.span, collapsed(policy.text(expression.span))));
    return;
  }
  for (const Expression* const operand : expression.operands) collect(policy, *operand, out);
}

std::size_t clauses_in(const Expression& expression) {
  if (!divides(expression.op)) return 1;
  std::size_t count = 0;
  for (const Expression* const operand : expression.operands) count += clauses_in(*operand);
  return count;
}

// Evaluates a condition as the language does and counts what each clause was.
class Walk {
 public:
  Walk(Evaluator& evaluator, std::vector<ClauseCoverage>& clauses, std::size_t first)
      : evaluator_(evaluator), clauses_(clauses), next_(first) {}

  // Nothing when it failed.
  std::optional<bool> visit(const Expression& expression) {
    switch (expression.op) {
      case Op::conjunction:
      case Op::disjunction: return chain(expression);
      case Op::negation: {
        const auto inner = visit(*expression.operands[0]);
        if (!inner) return std::nullopt;
        return !*inner;
      }
      case Op::conditional: {
        const auto test = visit(*expression.operands[0]);
        if (!test) return skip(expression, 1);
        if (*test) {
          const auto answer = visit(*expression.operands[1]);
          skip(expression, 2);
          return answer;
        }
        next_ += clauses_in(*expression.operands[1]);
        return visit(*expression.operands[2]);
      }
      default: return leaf(expression);
    }
  }
  std::size_t next() const { return next_; }

 private:
  std::optional<bool> chain(const Expression& expression) {
    const bool ends = expression.op == Op::disjunction;
    for (std::size_t i = 0; i < expression.operands.size(); ++i) {
      const auto one = visit(*expression.operands[i]);
      if (one && *one != ends) continue;
      skip(expression, i + 1);
      return one;
    }
    return !ends;
  }
  std::optional<bool> skip(const Expression& expression, std::size_t from) {
    for (const Expression* const operand : expression.operands.subspan(from))
      next_ += clauses_in(*operand);
    return std::nullopt;
  }
  std::optional<bool> leaf(const Expression& expression) {
    const Value value = evaluator_.evaluate(expression);
    Outcomes& outcomes = clauses_[next_++].outcomes;
    if (!value.is(Kind::boolean)) {
      ++outcomes.failed;
      return std::nullopt;
    }
    ++(value.truth() ? outcomes.yes : outcomes.no);
    return value.truth();
  }

  Evaluator& evaluator_;
  std::vector<ClauseCoverage>& clauses_;
  std::size_t next_;
};

void add_policy(const Policy& policy, Evaluator& evaluator, PolicyCoverage& covered) {
  std::size_t next = 0;
  bool matches = true;
  const Request& request = evaluator.request();
  const std::array<std::pair<const EntityUid*, const Entity*>, 3> asked{
      {{&request.principal, evaluator.principal()},
       {&request.action, evaluator.action()},
       {&request.resource, evaluator.resource()}}};
  const auto parts = scope_of(policy);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].constraint->kind == ScopeConstraint::Kind::any) continue;
    const bool yes =
        evaluator.matches(*parts[i].constraint, *asked.at(i).first, asked.at(i).second);
    Outcomes& outcomes = covered.clauses[next++].outcomes;
    ++(yes ? outcomes.yes : outcomes.no);
    matches = matches && yes;
  }
  if (!matches) {
    ++covered.outcomes.no;
    return;
  }
  for (const Condition& condition : policy.conditions) {
    Walk walk(evaluator, covered.clauses, next);
    const auto answer = walk.visit(*condition.expression);
    next += clauses_in(*condition.expression);
    if (answer && *answer != condition.unless) continue;
    ++(answer ? covered.outcomes.no : covered.outcomes.failed);
    return;
  }
  ++covered.outcomes.yes;
}

}  // namespace

std::size_t PolicyCoverage::seen() const {
  if (clauses.empty()) return std::size_t{outcomes.yes > 0};
  std::size_t count = outcomes.seen();
  for (const ClauseCoverage& clause : clauses) count += clause.outcomes.seen();
  return count;
}

Coverage::Coverage(const PolicySet& policies) : policies_(policies) {
  for (const Policy& policy : policies.policies()) {
    const Location at = policy.locate(policy.span);
    PolicyCoverage covered{.id = std::string(policy.id),
                           .effect = policy.effect,
                           .file = std::string(at.file),
                           .line = at.line,
                           .column = at.column,
                           .outcomes = {},
                           .clauses = {}};
    for (const ScopePart& part : scope_of(policy))
      if (part.constraint->kind != ScopeConstraint::Kind::any)
        covered.clauses.push_back(clause_at(policy, part.constraint->span,
                                            cedar::print(part.variable, *part.constraint)));
    for (const Condition& condition : policy.conditions)
      collect(policy, *condition.expression, covered.clauses);
    covered_.push_back(std::move(covered));
  }
}

void Coverage::add(const Request& request, const EntityView& entities, Arena& scratch) {
  Evaluator evaluator(request, entities, scratch);
  for (PolicyIndex i = 0; i < policies_.size(); ++i)
    add_policy(policies_[i], evaluator, covered_[i]);
}

void Coverage::add(PolicyIndex policy, const Request& request, const EntityView& entities,
                   Arena& scratch) {
  Evaluator evaluator(request, entities, scratch);
  add_policy(policies_[policy], evaluator, covered_[policy]);
}

}  // namespace latticegate::cedar
