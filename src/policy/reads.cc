#include "policy/reads.h"

#include <algorithm>

namespace latticegate::policy {

using cedar::Expression;
using cedar::Op;

Reads::Reads(const cedar::PolicySet& policies) : everything_(false) {
  for (const cedar::Policy& policy : policies.policies())
    for (const cedar::Condition& condition : policy.conditions) walk(*condition.expression, true);
}

// `whole`: the value of the expression is used as it is, not only one attribute of it. Depth is
// bounded by cedar::max_nesting.
void Reads::walk(const Expression& expression, bool whole) {
  const bool looks_inside = expression.op == Op::attribute || expression.op == Op::has;
  if (looks_inside)
    for (const cedar::Name& name : expression.path) names_.emplace(name.text());
  const bool is_input = expression.op == Op::attribute &&
                        expression.operands[0]->op == Op::context &&
                        expression.path[0].text() == "input";
  if (whole && (expression.op == Op::context || is_input)) everything_ = true;
  for (const Expression* const operand : expression.operands)
    walk(*operand, !(looks_inside && operand == expression.operands[0]));
}

bool Reads::any_of(std::span<const std::string_view> path) const {
  return everything_ ||
         std::ranges::any_of(path, [this](std::string_view name) { return names_.contains(name); });
}

}  // namespace latticegate::policy
