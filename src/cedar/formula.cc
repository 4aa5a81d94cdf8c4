#include <algorithm>
#include <format>
#include <utility>

#include "cedar/detail/formula.h"
#include "cedar/evaluate.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t most_parts = 400'000;
constexpr std::size_t most_constants = 2'000;
constexpr std::size_t longest_set = 200;  // written out element by element

States swapped(States states) {
  return static_cast<States>(((states & state_yes) << 1U) | ((states & state_no) >> 1U) |
                             (states & state_fails));
}

bool may_fail(States states) { return (states & state_fails) != 0; }

// Whether it is the same in every request.
bool is_closed(const Expression& e) {
  switch (e.op) {
    case Op::principal:
    case Op::action:
    case Op::resource:
    case Op::context:
    case Op::attribute:  // of an entity that is written out: depends on the store
    case Op::has:
    case Op::in:
    case Op::is_in:
    case Op::has_tag:
    case Op::get_tag: return false;
    default:
      return std::ranges::all_of(e.operands,
                                 [](const Expression* operand) { return is_closed(*operand); });
  }
}

bool is_ordered(const Value& value) {
  return value.is(Kind::integer) || value.is(Kind::decimal) || value.is(Kind::datetime) ||
         value.is(Kind::duration);
}

// Two policies may ask the same of the past; under one id they may ask different things.
std::string computed_key(const Expression& e) {
  std::string key = "= " + print(e);
  if (e.temporal != nullptr) key += std::format(" of {}", quoted(e.temporal->history));
  return key;
}

}  // namespace

Formulas::Formulas() {
  for (const Op op : {Op::principal, Op::action, Op::resource, Op::context}) {
    terms_.push_back({.kind = Term::Kind::variable, .variable = op});
    term_keys_.emplace_back(op == Op::principal  ? "principal"
                            : op == Op::action   ? "action"
                            : op == Op::resource ? "resource"
                                                 : "context");
    term_ids_.emplace(term_keys_.back(), static_cast<TermId>(terms_.size() - 1));
  }
  make({.kind = Formula::Kind::always});
  make({.kind = Formula::Kind::never});
}

// ---- building blocks

FormulaId Formulas::make(Formula formula) {
  size_ += 1 + formula.parts.size();
  if (size_ > most_parts) {
    too_large_ = true;
    return 0;
  }
  formulas_.push_back(std::move(formula));
  return static_cast<FormulaId>(formulas_.size() - 1);
}

FormulaId Formulas::literal(AtomId atom, States states) {
  return make({.kind = Formula::Kind::literal, .states = states, .atom = atom});
}

FormulaId Formulas::all(std::vector<FormulaId> parts) {
  std::erase(parts, FormulaId{0});
  if (std::ranges::contains(parts, FormulaId{1})) return 1;
  if (parts.empty()) return 0;
  if (parts.size() == 1) return parts[0];
  return make({.kind = Formula::Kind::all, .parts = std::move(parts)});
}

FormulaId Formulas::any(std::vector<FormulaId> parts) {
  if (too_large_) return 0;
  std::erase(parts, FormulaId{1});
  if (std::ranges::contains(parts, FormulaId{0})) return 0;
  if (parts.empty()) return 1;
  if (parts.size() == 1) return parts[0];
  return make({.kind = Formula::Kind::any, .parts = std::move(parts)});
}

TermId Formulas::child_of(TermId parent, const Name& name, Term::Kind kind) {
  const std::string key = child_key(parent, name.text(), kind == Term::Kind::tag);
  if (const auto found = term_ids_.find(key); found != term_ids_.end()) return found->second;
  const auto id = static_cast<TermId>(terms_.size());
  terms_.push_back({.kind = kind, .parent = parent, .name = name});
  term_keys_.push_back(key);
  term_ids_.emplace(key, id);
  terms_[parent].children.push_back(id);
  return id;
}

TermId Formulas::term_of(const Expression& e) {
  switch (e.op) {
    case Op::principal: return principal;
    case Op::action: return action;
    case Op::resource: return resource;
    case Op::context: return context;
    case Op::attribute:
      if (e.temporal != nullptr) break;
      return child_of(term_of(*e.operands[0]), e.path[0], Term::Kind::attribute);
    case Op::get_tag:
      if (const Value key = constant(*e.operands[1]); key.is(Kind::string))
        return child_of(term_of(*e.operands[0]), Name(key.text()), Term::Kind::tag);
      break;
    default: break;
  }
  const std::string key = computed_key(e);
  if (const auto found = term_ids_.find(key); found != term_ids_.end()) return found->second;
  const auto id = static_cast<TermId>(terms_.size());
  terms_.push_back({.kind = Term::Kind::computed, .expression = &e});
  term_keys_.push_back(key);
  term_ids_.emplace(key, id);
  for (const Expression* const operand : e.operands) visit(*operand);
  return id;
}

std::optional<TermId> Formulas::find_term(const Expression& e) const {
  const auto among = [this](const std::string& key) -> std::optional<TermId> {
    const auto found = term_ids_.find(key);
    return found == term_ids_.end() ? std::nullopt : std::optional(found->second);
  };
  switch (e.op) {
    case Op::principal: return principal;
    case Op::action: return action;
    case Op::resource: return resource;
    case Op::context: return context;
    case Op::attribute:
    case Op::get_tag: {
      if (e.temporal != nullptr) break;
      const bool tag = e.op == Op::get_tag;
      if (tag && !e.operands[1]->value.is(Kind::string)) break;
      const auto parent = find_term(*e.operands[0]);
      if (!parent) return std::nullopt;
      return among(child_key(*parent, tag ? e.operands[1]->value.text() : e.path[0].text(), tag));
    }
    default: break;
  }
  return among(computed_key(e));
}

std::string Formulas::child_key(TermId parent, std::string_view name, bool tag) const {
  return std::format("{}.{}{}", term_keys_[parent], tag ? "tag " : "", quoted(name));
}

// Registers the terms and constants of a part that stays opaque, so that examples give them values.
void Formulas::visit(const Expression& e) {
  if (e.op == Op::principal || e.op == Op::action || e.op == Op::resource || e.op == Op::context ||
      e.op == Op::attribute || e.op == Op::get_tag) {
    term_of(e);
    return;
  }
  if (e.op == Op::literal) note(e.value);
  if (e.op == Op::extension && is_closed(e)) constant(e);
  for (const Expression* const operand : e.operands) visit(*operand);
}

AtomId Formulas::atom_of(Atom atom, const std::string& key) {
  const std::string whole = std::format("{} {}", static_cast<int>(atom.kind), key);
  if (const auto found = atom_ids_.find(whole); found != atom_ids_.end()) return found->second;
  const auto id = static_cast<AtomId>(atoms_.size());
  if (atom.kind != Atom::Kind::has) terms_[atom.term].atoms.push_back(id);
  atoms_.push_back(std::move(atom));
  atom_ids_.emplace(whole, id);
  return id;
}

AtomId Formulas::has_atom(TermId child) {
  const AtomId id = atom_of({.kind = Atom::Kind::has, .term = terms_[child].parent, .child = child},
                            term_keys_[child]);
  terms_[child].has = id;
  return id;
}

void Formulas::note(const Value& value) {
  if (constants_.size() < most_constants && !std::ranges::contains(constants_, value))
    constants_.push_back(value);
}

Value Formulas::constant(const Expression& e) {
  if (e.op == Op::literal) {
    note(e.value);
    return e.value;
  }
  if (!is_closed(e)) return {};
  Arena scratch;
  const Request request;
  const Entities none;
  const EntityView view(none);
  Evaluator evaluator(request, view, scratch);
  const Value value = evaluator.evaluate(e);
  if (!value) return {};
  const Value kept = copy(value, arena_);
  note(kept);
  return kept;
}

bool Formulas::constants_of(const Expression& e, std::vector<Value>& out) {
  if (e.op != Op::set || e.operands.size() > longest_set) return false;
  for (const Expression* const operand : e.operands) {
    const Value value = constant(*operand);
    if (!value) return false;
    out.push_back(value);
  }
  return true;
}

// ---- conditions

FormulaId Formulas::outcome(const Expression& e, States states) {
  if (too_large_) return 0;
  switch (e.op) {
    case Op::negation: return outcome(*e.operands[0], swapped(states));
    case Op::conjunction: return chain(e.operands, states, true);
    case Op::disjunction: return chain(e.operands, states, false);
    case Op::conditional: {
      const Expression& test = *e.operands[0];
      std::vector<FormulaId> ways{all({outcome(test, state_yes), outcome(*e.operands[1], states)}),
                                  all({outcome(test, state_no), outcome(*e.operands[2], states)})};
      if (may_fail(states))
        ways.push_back(
            all({outcome(test, state_no | state_fails), outcome(test, state_yes | state_fails)}));
      return any(std::move(ways));
    }
    default: return leaf(e, states);
  }
}

// `a && b && c` goes on while the operands are true, `||` while they are false.
FormulaId Formulas::chain(std::span<const Expression* const> operands, States states, bool is_all) {
  const States on = is_all ? state_yes : state_no;
  const States end = is_all ? state_no : state_yes;
  const auto not_on = static_cast<States>(any_state & ~on);
  const auto not_end = static_cast<States>(any_state & ~end);
  std::vector<FormulaId> parts;
  if (states == on) {
    for (const Expression* const operand : operands) parts.push_back(outcome(*operand, on));
    return all(std::move(parts));
  }
  if (states == not_on) {
    for (const Expression* const operand : operands) parts.push_back(outcome(*operand, not_on));
    return any(std::move(parts));
  }
  // Ends with the first operand that is `end`, unless one failed before; or the contrary.
  const bool ends = states == end;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    std::vector<FormulaId> before;
    for (std::size_t j = 0; j < i; ++j) before.push_back(outcome(*operands[j], ends ? on : not_on));
    before.push_back(outcome(*operands[i], ends ? end : not_end));
    parts.push_back(ends ? all(std::move(before)) : any(std::move(before)));
  }
  return ends ? any(std::move(parts)) : all(std::move(parts));
}

FormulaId Formulas::opaque(const Expression& e, States states) {
  const TermId term = term_of(e);
  return literal(atom_of({.kind = Atom::Kind::opaque, .term = term}, term_keys_[term]), states);
}

FormulaId Formulas::leaf(const Expression& e, States states) {
  if (is_closed(e)) {
    const Value value = constant(e);
    const States is = !value.is(Kind::boolean) ? state_fails : value.truth() ? state_yes : state_no;
    return (is & states) != 0 ? 0 : 1;
  }
  switch (e.op) {
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal: return order(e, *e.operands[0], *e.operands[1], e.op, states);
    case Op::equal: return equality(e, states);
    case Op::unequal: return equality(e, swapped(states));
    case Op::in: return membership(term_of(*e.operands[0]), *e.operands[1], e, states);
    case Op::is: {
      const TermId term = term_of(*e.operands[0]);
      return literal(atom_of({.kind = Atom::Kind::is, .term = term, .type = e.type},
                             std::format("{} {}", term_keys_[term], e.type)),
                     states);
    }
    case Op::is_in: {
      // is && in.
      const TermId term = term_of(*e.operands[0]);
      const AtomId typed = atom_of({.kind = Atom::Kind::is, .term = term, .type = e.type},
                                   std::format("{} {}", term_keys_[term], e.type));
      const auto is = [&](States of) { return literal(typed, of); };
      const auto in = [&](States of) { return membership(term, *e.operands[1], e, of); };
      constexpr States not_yes = state_no | state_fails;
      if (!literal_groups(*e.operands[1])) return opaque(e, states);
      if (states == state_yes) return all({is(states), in(states)});
      if (states == not_yes) return any({is(states), in(states)});
      if (states == state_no) return any({is(states), all({is(state_yes), in(states)})});
      return all({is(states), any({is(not_yes), in(states)})});
    }
    case Op::has:
    case Op::has_tag: return presence(e, states);
    case Op::like: {
      const TermId term = term_of(*e.operands[0]);
      return literal(
          atom_of({.kind = Atom::Kind::like, .term = term, .pattern = e.pattern}, print(e)),
          states);
    }
    case Op::attribute:
    case Op::get_tag: {
      const TermId term = term_of(e);
      return literal(atom_of({.kind = Atom::Kind::truth, .term = term}, term_keys_[term]), states);
    }
    case Op::is_empty: {
      const TermId term = term_of(*e.operands[0]);
      return literal(atom_of({.kind = Atom::Kind::empty, .term = term}, term_keys_[term]), states);
    }
    case Op::contains: {
      std::vector<Value> values;
      if (const Value element = constant(*e.operands[1])) {
        return many(term_of(*e.operands[0]), {&element, 1}, true, states);
      }
      if (!constants_of(*e.operands[0], values) || values.empty()) return opaque(e, states);
      const TermId term = term_of(*e.operands[1]);
      return literal(
          atom_of({.kind = Atom::Kind::member, .term = term, .values = std::move(values)},
                  print(e)),
          states);
    }
    case Op::contains_all:
    case Op::contains_any: {
      std::vector<Value> values;
      if (!constants_of(*e.operands[1], values) || values.empty()) return opaque(e, states);
      return many(term_of(*e.operands[0]), values, e.op == Op::contains_all, states);
    }
    case Op::extension:
      switch (e.function) {
        case Function::less_than: return order(e, *e.operands[0], *e.operands[1], Op::less, states);
        case Function::less_than_or_equal:
          return order(e, *e.operands[0], *e.operands[1], Op::less_equal, states);
        case Function::greater_than:
          return order(e, *e.operands[0], *e.operands[1], Op::greater, states);
        case Function::greater_than_or_equal:
          return order(e, *e.operands[0], *e.operands[1], Op::greater_equal, states);
        default: return opaque(e, states);
      }
    default: return opaque(e, states);
  }
}

// The set has all, or any, of the elements; it fails for all of them alike.
FormulaId Formulas::many(TermId term, std::span<const Value> elements, bool is_all, States states) {
  const States on = is_all ? state_yes : state_no;
  const auto rest = static_cast<States>(states & ~on);
  std::vector<FormulaId> each;
  std::vector<FormulaId> other;
  for (const Value& element : elements) {
    const AtomId atom = atom_of({.kind = Atom::Kind::contains, .term = term, .value = element},
                                std::format("{} {}", term_keys_[term], to_text(element)));
    each.push_back(literal(atom, static_cast<States>(on | (states & state_fails))));
    other.push_back(literal(atom, rest));
  }
  // One element decides against it; all of them make it so.
  if ((states & on) == 0) return any(std::move(other));
  if ((rest & ~state_fails) == 0) return all(std::move(each));
  return 0;
}

FormulaId Formulas::order(const Expression& whole, const Expression& left, const Expression& right,
                          Op op, States states) {
  const bool by_method = whole.op == Op::extension;
  const auto fits = [&](const Value& value) {
    return is_ordered(value) && value.is(Kind::decimal) == by_method;
  };
  // term < c, term <= c; the others are their contraries or the other way round.
  const Value on_right = constant(right);
  const Value on_left = on_right ? Value() : constant(left);
  const Value& value = on_right ? on_right : on_left;
  if (!value || !fits(value)) return opaque(whole, states);
  const TermId term = term_of(on_right ? left : right);
  if (on_left)
    op = op == Op::less         ? Op::greater
         : op == Op::less_equal ? Op::greater_equal
         : op == Op::greater    ? Op::less
                                : Op::less_equal;
  const bool contrary = op == Op::greater || op == Op::greater_equal;
  const auto kind =
      op == Op::less || op == Op::greater_equal ? Atom::Kind::less : Atom::Kind::less_equal;
  return literal(atom_of({.kind = kind, .term = term, .value = value},
                         std::format("{} {}", term_keys_[term], to_text(value))),
                 contrary ? swapped(states) : states);
}

FormulaId Formulas::equality(const Expression& e, States states) {
  const Value on_right = constant(*e.operands[1]);
  const Value on_left = on_right ? Value() : constant(*e.operands[0]);
  const Value& value = on_right ? on_right : on_left;
  if (!value) return opaque(e, states);
  const TermId term = term_of(*e.operands[on_right ? 0 : 1]);
  return literal(atom_of({.kind = Atom::Kind::equal, .term = term, .value = value},
                         std::format("{} {}", term_keys_[term], to_text(value))),
                 states);
}

// Whether it is an entity, or some entities, written out.
bool Formulas::literal_groups(const Expression& right) {
  if (constant(right).is(Kind::entity)) return true;
  std::vector<Value> groups;
  return constants_of(right, groups) && !groups.empty() &&
         std::ranges::all_of(groups, [](const Value& group) { return group.is(Kind::entity); });
}

FormulaId Formulas::membership(TermId term, const Expression& right, const Expression& whole,
                               States states) {
  if (!literal_groups(right)) return opaque(whole, states);
  std::vector<Value> groups;
  if (const Value one = constant(right); one.is(Kind::entity)) groups.push_back(one);
  if (groups.empty()) constants_of(right, groups);
  std::vector<FormulaId> parts;
  const bool in_none = (states & state_yes) == 0;
  for (const Value& group : groups) {
    parts.push_back(literal(atom_of({.kind = Atom::Kind::in, .term = term, .value = group},
                                    std::format("{} {}", term_keys_[term], to_text(group))),
                            states));
  }
  // yes: in any of them; no or fails: in none of them. It fails for all alike.
  return in_none ? all(std::move(parts)) : any(std::move(parts));
}

FormulaId Formulas::presence(const Expression& e, States states) {
  if (e.op == Op::has_tag) {
    const Value key = constant(*e.operands[1]);
    if (!key.is(Kind::string)) return opaque(e, states);
    const TermId child = child_of(term_of(*e.operands[0]), Name(key.text()), Term::Kind::tag);
    return literal(has_atom(child), states);
  }
  // has a.b.c: has a && .a has b && .a.b has c.
  TermId term = term_of(*e.operands[0]);
  std::vector<AtomId> steps;
  for (const Name& name : e.path) {
    term = child_of(term, name, Term::Kind::attribute);
    steps.push_back(has_atom(term));
  }
  std::vector<FormulaId> parts;
  if (states == state_yes || states == (state_no | state_fails)) {
    for (const AtomId step : steps) parts.push_back(literal(step, states));
    return states == state_yes ? all(std::move(parts)) : any(std::move(parts));
  }
  const bool is_no = states == state_no;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    std::vector<FormulaId> before;
    for (std::size_t j = 0; j < i; ++j)
      before.push_back(literal(steps[j], is_no ? state_yes : state_no | state_fails));
    before.push_back(literal(steps[i], states));
    parts.push_back(is_no ? all(std::move(before)) : any(std::move(before)));
  }
  return is_no ? any(std::move(parts)) : all(std::move(parts));
}

// ---- policies

FormulaId Formulas::scope(const ScopeConstraint& constraint, TermId term, States states) {
  using ScopeKind = ScopeConstraint::Kind;
  const bool wanted = states == state_yes;
  std::vector<FormulaId> parts;
  const auto about = [&](Atom atom, const std::string& words) {
    atom.term = term;
    return literal(atom_of(std::move(atom), std::format("{} {}", term_keys_[term], words)), states);
  };
  if (constraint.kind == ScopeKind::any) return wanted ? 0 : 1;
  if (constraint.kind == ScopeKind::is || constraint.kind == ScopeKind::is_in)
    parts.push_back(
        about({.kind = Atom::Kind::is, .type = constraint.type}, std::string(constraint.type)));
  if (constraint.kind != ScopeKind::is) {
    std::vector<FormulaId> groups;
    for (const EntityUid& uid : constraint.uids) {
      const Value value = Value::entity(&uid);
      note(value);
      groups.push_back(
          about({.kind = constraint.kind == ScopeKind::equal ? Atom::Kind::equal : Atom::Kind::in,
                 .value = value},
                to_text(value)));
    }
    parts.push_back(wanted ? any(std::move(groups)) : all(std::move(groups)));
  }
  return wanted ? all(std::move(parts)) : any(std::move(parts));
}

FormulaId Formulas::holds(const Policy& policy) {
  std::vector<FormulaId> parts{scope(policy.action, action, state_yes),
                               scope(policy.principal, principal, state_yes),
                               scope(policy.resource, resource, state_yes)};
  for (const Condition& condition : policy.conditions)
    parts.push_back(outcome(*condition.expression, condition.unless ? state_no : state_yes));
  return all(std::move(parts));
}

FormulaId Formulas::does_not_hold(const Policy& policy) {
  constexpr States not_yes = state_no | state_fails;
  std::vector<FormulaId> parts{scope(policy.action, action, not_yes),
                               scope(policy.principal, principal, not_yes),
                               scope(policy.resource, resource, not_yes)};
  for (const Condition& condition : policy.conditions)
    parts.push_back(
        outcome(*condition.expression, condition.unless ? state_yes | state_fails : not_yes));
  return any(std::move(parts));
}

FormulaId Formulas::is_false(const Policy& policy) {
  std::vector<FormulaId> ways{scope(policy.action, action, state_no),
                              scope(policy.principal, principal, state_no),
                              scope(policy.resource, resource, state_no)};
  // The first condition that is not true is false.
  std::vector<FormulaId> before;
  for (const Condition& condition : policy.conditions) {
    std::vector<FormulaId> way = before;
    way.push_back(outcome(*condition.expression, condition.unless ? state_yes : state_no));
    ways.push_back(all(std::move(way)));
    before.push_back(outcome(*condition.expression, condition.unless ? state_no : state_yes));
  }
  return any(std::move(ways));
}

FormulaId Formulas::is_not_false(const Policy& policy) {
  std::vector<FormulaId> parts{scope(policy.action, action, state_yes),
                               scope(policy.principal, principal, state_yes),
                               scope(policy.resource, resource, state_yes)};
  std::vector<FormulaId> before;
  for (const Condition& condition : policy.conditions) {
    std::vector<FormulaId> ways = before;
    ways.push_back(outcome(*condition.expression,
                           condition.unless ? state_no | state_fails : state_yes | state_fails));
    parts.push_back(any(std::move(ways)));
    before.push_back(outcome(*condition.expression,
                             condition.unless ? state_yes | state_fails : state_no | state_fails));
  }
  return all(std::move(parts));
}

std::vector<ClauseFormula> Formulas::clauses(const Policy& policy) {
  std::vector<ClauseFormula> out;
  FormulaId reached =
      all({scope(policy.action, action, state_yes), scope(policy.principal, principal, state_yes),
           scope(policy.resource, resource, state_yes)});
  for (const Condition& condition : policy.conditions) {
    walk(*condition.expression, reached, out);
    reached =
        all({reached, outcome(*condition.expression, condition.unless ? state_no : state_yes)});
  }
  return out;
}

void Formulas::walk(const Expression& e, FormulaId reached, std::vector<ClauseFormula>& out) {
  switch (e.op) {
    case Op::negation: walk(*e.operands[0], reached, out); return;
    case Op::conjunction:
    case Op::disjunction:
      for (const Expression* const operand : e.operands) {
        walk(*operand, reached, out);
        reached = all({reached, outcome(*operand, e.op == Op::conjunction ? state_yes : state_no)});
      }
      return;
    case Op::conditional: {
      const Expression& test = *e.operands[0];
      walk(test, reached, out);
      walk(*e.operands[1], all({reached, outcome(test, state_yes)}), out);
      walk(*e.operands[2], all({reached, outcome(test, state_no)}), out);
      return;
    }
    default: out.push_back({.expression = &e, .reached = reached});
  }
}

}  // namespace latticegate::cedar
