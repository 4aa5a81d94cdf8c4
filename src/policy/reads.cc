#include "policy/reads.h"

#include <algorithm>

#include "policy/detail/temporal_rules.h"

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
  const bool is_part =
      expression.op == Op::attribute && expression.operands[0]->op == Op::context &&
      (expression.path[0].text() == "input" || expression.path[0].text() == "output");
  if (whole && (expression.op == Op::context || is_part)) everything_ = true;
  for (const Expression* const operand : expression.operands)
    walk(*operand, !(looks_inside && operand == expression.operands[0]));
}

bool Reads::any_of(std::span<const std::string_view> path) const {
  return everything_ ||
         std::ranges::any_of(path, [this](std::string_view name) { return names_.contains(name); });
}

namespace {

using Part = ContextReads::Part;

Part& part_of(Part& part, const cedar::Name& name) {
  const auto known = std::ranges::find(part.parts, name, &Part::name);
  if (known != part.parts.end()) return *known;
  part.parts.push_back({.name = name});
  return part.parts.back();
}

void complete(Part& part) {
  for (Part& inner : part.parts) {
    inner.presence = inner.parts.empty() && !inner.whole;
    inner.whole |= inner.presence;
    complete(inner);
  }
}

}  // namespace

ContextReads::ContextReads(const cedar::PolicySet& policies) {
  for (const cedar::Policy& policy : policies.policies())
    for (const cedar::Condition& condition : policy.conditions) walk(*condition.expression);
  complete(root_);
}

void ContextReads::add(std::initializer_list<std::string_view> path) {
  Part* part = &root_;
  for (const std::string_view name : path) part = &part_of(*part, cedar::Name(name));
  part->whole = true;
}

// The part that an expression is: the context, or an attribute of one. Depth is bounded by
// cedar::max_nesting.
Part* ContextReads::place(const Expression& expression) {
  if (expression.op == Op::context) return &root_;
  if (expression.op != Op::attribute) return nullptr;
  Part* part = place(*expression.operands[0]);
  if (part == nullptr) return nullptr;
  for (const cedar::Name& name : expression.path) part = &part_of(*part, name);
  return part;
}

void ContextReads::walk(const Expression& expression) {
  if (Part* const part = place(expression)) {
    part->whole = true;
    return;
  }
  if (expression.op == Op::has)
    if (Part* part = place(*expression.operands[0])) {
      for (const cedar::Name& name : expression.path) part = &part_of(*part, name);
      return;
    }
  for (const Expression* const operand : expression.operands) walk(*operand);
}

namespace {

// By names alone, wherever they stand: what is not read costs a conversion, what is missed would
// let an answer pass. Depth is bounded by cedar::max_nesting.
void walk(const Expression& expression, bool whole, OutputReaders::Reading& reading) {
  const bool looks_inside = expression.op == Op::attribute || expression.op == Op::has;
  if (looks_inside)
    for (const cedar::Name& name : expression.path) {
      reading.output |= name.text() == "output";
      reading.structured |= name.text() == "structured";
    }
  if (whole && (expression.op == Op::context ||
                (expression.op == Op::attribute && expression.path.back().text() == "output")))
    reading = {true, true};
  for (const Expression* const operand : expression.operands)
    walk(*operand, !(looks_inside && operand == expression.operands[0]), reading);
}

}  // namespace

OutputReaders::OutputReaders(const cedar::PolicySet& policies) {
  for (std::size_t i = 0; i < policies.size(); ++i) {
    Reading reading;
    const auto index = static_cast<cedar::PolicyIndex>(i);
    for (const cedar::Condition& condition : policies[index].conditions)
      walk(*condition.expression, true, reading);
    if (reading.output) readers_.push_back({index, reading});
  }
}

OutputReaders::Reading OutputReaders::of(const cedar::PolicySet& policies,
                                         const cedar::EntityUid& action,
                                         std::span<const cedar::EntityUid> groups) const {
  Reading all;
  for (const Reader& reader : readers_) {
    if (!admits(policies[reader.policy], action, groups)) continue;
    all.output = true;
    all.structured |= reader.reading.structured;
  }
  return all;
}

}  // namespace latticegate::policy
