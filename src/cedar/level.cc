#include "cedar/detail/level.h"

#include <format>

namespace latticegate::cedar {
namespace {

class LevelCheck {
 public:
  LevelCheck(std::uint32_t limit, const TypeMap& types, Checker& checker,
             const Checker::Report& report)
      : limit_(limit), types_(types), checker_(checker), report_(report) {}

  void scope(const ScopeConstraint& constraint) {
    const bool reads = constraint.kind == ScopeConstraint::Kind::in ||
                       constraint.kind == ScopeConstraint::Kind::in_any ||
                       constraint.kind == ScopeConstraint::Kind::is_in;
    if (reads && limit_ == 0) complain(constraint.span);
  }

  // Whether the value comes from the request, that is, from something that could be loaded.
  // `left` is how many more entities may be read on the way to it.
  bool rooted(const Expression& expression, std::uint32_t left) {
    if (!types_.contains(&expression)) return true;
    switch (expression.op) {
      case Op::literal: return expression.value.kind() != Kind::entity;
      case Op::conditional: {
        rooted(*expression.operands[0], limit_);
        const bool yes = rooted(*expression.operands[1], left);
        return rooted(*expression.operands[2], left) && yes;
      }
      case Op::in:
      case Op::is_in:
      case Op::has_tag:
      case Op::get_tag: {
        const bool root = read(expression, *expression.operands[0], left);
        rooted(*expression.operands[1], limit_);
        return root;
      }
      case Op::attribute:
        return is_entity(*expression.operands[0]) ? read(expression, *expression.operands[0], left)
                                                  : rooted(*expression.operands[0], left);
      case Op::has: return has(expression, left);
      default: break;
    }
    bool all = true;
    for (const Expression* const operand : expression.operands) all = rooted(*operand, left) && all;
    return all;
  }

 private:
  bool is_entity(const Expression& expression) const {
    const auto found = types_.find(&expression);
    return found != types_.end() && found->second->is_entity();
  }

  // `whole` reads the entity that `of` is.
  bool read(const Expression& whole, const Expression& of, std::uint32_t left) {
    if (left == 0) {
      complain(whole.span);
      return true;  // said once
    }
    if (rooted(of, left - 1)) return true;
    report_(Problem::level, whole.span,
            "reads an entity that is written out here: it belongs to no level");
    return true;
  }

  // Each entity on the path is one more.
  bool has(const Expression& expression, std::uint32_t left) {
    std::uint32_t entities = 0;
    const auto found = types_.find(expression.operands[0]);
    const Type* type = found == types_.end() ? nullptr : found->second;
    for (const Name& name : expression.path) {
      if (type == nullptr) break;
      if (type->is_entity()) ++entities;
      const TypeAttribute* const next = checker_.attribute_of(*type, name.text());
      type = next == nullptr ? nullptr : next->type;
    }
    if (entities == 0) return rooted(*expression.operands[0], left);
    if (entities > left) {
      complain(expression.span);
      return true;
    }
    return read(expression, *expression.operands[0], left - (entities - 1));
  }

  void complain(Span span) {
    report_(Problem::level, span, std::format("reads more than {} entities in a row", limit_));
  }

  std::uint32_t limit_;
  const TypeMap& types_;
  Checker& checker_;
  const Checker::Report& report_;
};

}  // namespace

void check_level(const Policy& policy, std::uint32_t level, const TypeMap& types, Checker& checker,
                 const Checker::Report& report) {
  LevelCheck check(level, types, checker, report);
  check.scope(policy.principal);
  check.scope(policy.action);
  check.scope(policy.resource);
  for (const Condition& condition : policy.conditions) check.rooted(*condition.expression, level);
}

}  // namespace latticegate::cedar
