#include "cedar/evaluate.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <format>
#include <limits>
#include <string>
#include <utility>

#include "cedar/detail/operation.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t shown = 80;  // bytes of a value that an error message quotes

// Whether a value is unknown somewhere. Only asked in a three-valued evaluation.
bool has_unknown(const Value& value) {
  switch (value.kind()) {
    case Kind::unknown: return true;
    case Kind::set: return std::ranges::any_of(value.elements(), has_unknown);
    case Kind::record:
      return std::ranges::any_of(value.fields(),
                                 [](const Field& field) { return has_unknown(field.value); });
    default: return false;
  }
}

std::string describe(const Value& value) {
  if (value.is(Kind::entity)) return std::format("(entity of type `{}`)", value.uid().type());
  return std::string(name(value.kind()));
}

}  // namespace

std::string_view name(ErrorClass error) {
  switch (error) {
    case ErrorClass::type: return "type";
    case ErrorClass::attribute: return "attribute";
    case ErrorClass::entity: return "entity";
    case ErrorClass::tag: return "tag";
    case ErrorClass::arithmetic: return "arithmetic";
    case ErrorClass::extension: return "extension";
    case ErrorClass::arity: return "arity";
  }
  std::unreachable();
}

Evaluator::Evaluator(const Request& request, const EntityView& entities, Arena& scratch,
                     bool three_valued)
    : request_(request),
      entities_(entities),
      scratch_(scratch),
      principal_(entities.find(request.principal)),
      action_(entities.find(request.action)),
      resource_(entities.find(request.resource)),
      three_valued_(three_valued) {}

const Entity* Evaluator::look_up(const EntityUid& uid) const {
  if (&uid == &request_.principal) return principal_;
  if (&uid == &request_.resource) return resource_;
  if (&uid == &request_.action) return action_;
  return entities_.find(uid);
}

Value Evaluator::fail(ErrorClass error, const Expression& where, std::string message) {
  error_.error = error;
  error_.where = &where;
  error_.message = std::move(message);
  return {};
}

Value Evaluator::mistyped(const Value& found, std::string_view expected, const Expression& where) {
  if (found.is(Kind::none)) return {};
  if (found.is(Kind::unknown)) return Value::unknown();
  return fail(ErrorClass::type, where,
              std::format("type error: expected {}, found {}", expected, describe(found)));
}

Possible Evaluator::possible(const Value& value, const Expression& where) {
  switch (value.kind()) {
    case Kind::boolean: return {.yes = value.truth(), .no = !value.truth()};
    case Kind::unknown: {
      const std::uint32_t bits = value.count_ >> 1U;
      if (bits == 0) return {true, true, true};
      return {(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0};
    }
    case Kind::none: return {.error = true};
    default: mistyped(value, "bool", where); return {.error = true};
  }
}

Value Evaluator::undecided(const Possible& p) {
  if (p.yes && !p.no && !p.error) return Value::boolean(true);
  if (p.no && !p.yes && !p.error) return Value::boolean(false);
  if (p.error && !p.yes && !p.no) return {};
  const std::uint32_t bits = (p.yes ? 1U : 0U) | (p.no ? 2U : 0U) | (p.error ? 4U : 0U);
  return {Kind::unknown, bits << 1U, {.integer = 0}};
}

Value Evaluator::evaluate(const Expression& e) {
  switch (e.op) {
    case Op::literal: return e.value;
    case Op::principal: return Value::entity(&request_.principal);
    case Op::action: return Value::entity(&request_.action);
    case Op::resource: return Value::entity(&request_.resource);
    case Op::context: return request_.context;
    case Op::conditional: return conditional(e);
    case Op::disjunction:
    case Op::conjunction: return chain(e);
    case Op::negation: {
      const Value value = evaluate(*e.operands[0]);
      if (value.is(Kind::boolean)) return Value::boolean(!value.truth());
      const Possible p = possible(value, e);
      return undecided({.yes = p.no, .no = p.yes, .error = p.error});
    }
    case Op::minus:
    case Op::sum:
    case Op::product: return arithmetic(e);
    case Op::equal:
    case Op::unequal: return equal(e);
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal: return compare(e);
    case Op::in: {
      const Value left = evaluate(*e.operands[0]);
      if (!left) return {};
      return membership(left, *e.operands[1], e);
    }
    case Op::has: return has(e);
    case Op::like: {
      const Value text = evaluate(*e.operands[0]);
      if (!text.is(Kind::string)) return mistyped(text, "string", e);
      return Value::boolean(cedar::matches(text.text(), e.pattern));
    }
    case Op::is: {
      const Value value = evaluate(*e.operands[0]);
      if (!value.is(Kind::entity)) return mistyped(value, "entity", e);
      return Value::boolean(value.uid().type() == e.type);
    }
    case Op::is_in: {
      const Value value = evaluate(*e.operands[0]);
      if (value.is(Kind::entity))
        return value.uid().type() == e.type ? membership(value, *e.operands[1], e)
                                            : Value::boolean(false);
      return mistyped(value, "entity", e);
    }
    case Op::attribute: return attribute(e);
    case Op::contains:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty: return sets(e);
    case Op::has_tag:
    case Op::get_tag: return tag(e);
    case Op::set:
    case Op::record: return e.value ? e.value : aggregate(e);
    case Op::extension: return e.value ? e.value : extension(e);
  }
  std::unreachable();
}

Value Evaluator::chain(const Expression& e) {
  const bool deciding = e.op == Op::disjunction;  // the operand value that ends the chain
  bool known = true;
  Possible sum;      // so far: ended early, or failed
  Possible going{};  // whether the chain may still be going on
  going.yes = true;
  for (const Expression* const operand : e.operands) {
    const Value value = evaluate(*operand);
    if (known && value.is(Kind::boolean)) [[likely]] {
      if (value.truth() == deciding) return value;
      continue;
    }
    if (known && value.is(Kind::none)) return {};
    known = false;
    const Possible p = possible(value, e);
    const bool ends = deciding ? p.yes : p.no;
    const bool goes_on = deciding ? p.no : p.yes;
    sum.error = sum.error || p.error;
    sum.yes = sum.yes || ends;  // `yes`: the deciding value was reached
    going.yes = going.yes && goes_on;
    if (!going.yes) break;
  }
  if (known) return Value::boolean(!deciding);
  Possible result{.error = sum.error};
  (deciding ? result.yes : result.no) = sum.yes;
  (deciding ? result.no : result.yes) = going.yes;
  return undecided(result);
}

Value Evaluator::conditional(const Expression& e) {
  const Value guard = evaluate(*e.operands[0]);
  if (guard.is(Kind::boolean)) return evaluate(*e.operands[guard.truth() ? 1 : 2]);
  const Possible p = possible(guard, e);
  if (!p.yes && !p.no) return {};
  Possible result{.error = p.error};
  for (const bool branch : {true, false}) {
    if (!(branch ? p.yes : p.no)) continue;
    const Value value = evaluate(*e.operands[branch ? 1 : 2]);
    const bool boolean = value.is(Kind::boolean) || value.is(Kind::none) || value.is(Kind::unknown);
    if (!boolean) return Value::unknown();
    const Possible q = possible(value, e);
    result = {result.yes || q.yes, result.no || q.no, result.error || q.error};
  }
  return undecided(result);
}

Value Evaluator::arithmetic(const Expression& e) {
  Value sum = evaluate(*e.operands[0]);
  if (!sum) return {};
  if (e.op == Op::minus) {
    if (!sum.is(Kind::integer)) return mistyped(sum, "long", e);
    if (sum.integer() == std::numeric_limits<std::int64_t>::min())
      return fail(ErrorClass::arithmetic, e, std::format("integer overflow: -({})", sum.integer()));
    return Value::integer(-sum.integer());
  }
  bool open = false;
  for (std::size_t i = 1; i < e.operands.size(); ++i) {
    const Value next = evaluate(*e.operands[i]);
    if (!next) return {};
    for (const Value& side : {sum, next}) {
      if (side.is(Kind::integer)) continue;
      if (!side.is(Kind::unknown)) return mistyped(side, "long", e);
      open = true;
    }
    if (open) continue;
    const std::int64_t a = sum.integer();
    const std::int64_t b = next.integer();
    std::int64_t result = 0;
    char sign = '*';
    bool overflow = false;
    if (e.op == Op::product) {
      overflow = __builtin_mul_overflow(a, b, &result);
    } else {
      sign = e.signs[i];
      overflow = sign == '+' ? __builtin_add_overflow(a, b, &result)
                             : __builtin_sub_overflow(a, b, &result);
    }
    if (overflow)
      return fail(ErrorClass::arithmetic, e, std::format("integer overflow: {} {} {}", a, sign, b));
    sum = Value::integer(result);
  }
  return open ? Value::unknown() : sum;
}

Value Evaluator::equal(const Expression& e) {
  const Value left = evaluate(*e.operands[0]);
  if (!left) return {};
  const Value right = evaluate(*e.operands[1]);
  if (!right) return {};
  if (three_valued_ && (has_unknown(left) || has_unknown(right))) return Value::unknown();
  return Value::boolean((left == right) == (e.op == Op::equal));
}

Value Evaluator::compare(const Expression& e) {
  const Value left = evaluate(*e.operands[0]);
  if (!left) return {};
  const Value right = evaluate(*e.operands[1]);
  if (!right) return {};
  const auto ordered = [](const Value& value) {
    return value.is(Kind::integer) || value.is(Kind::datetime) || value.is(Kind::duration);
  };
  if (!ordered(left)) return mistyped(left, "long, datetime or duration", e);
  if (left.kind() != right.kind()) return mistyped(right, name(left.kind()), e);
  const std::int64_t a = left.integer();
  const std::int64_t b = right.integer();
  switch (e.op) {
    case Op::less: return Value::boolean(a < b);
    case Op::less_equal: return Value::boolean(a <= b);
    case Op::greater: return Value::boolean(a > b);
    default: return Value::boolean(a >= b);
  }
}

Value Evaluator::membership(const Value& left, const Expression& right, const Expression& whole) {
  const Value target = evaluate(right);
  if (!target) return {};
  if (!left.is(Kind::entity)) return mistyped(left, "entity", whole);
  const Entity* entity = nullptr;
  bool looked = false;
  const auto in = [&](const EntityUid& other) {
    if (left.uid() == other) return true;
    if (!looked) entity = look_up(left.uid());
    looked = true;
    return entity != nullptr && entity->in(other);
  };
  if (target.is(Kind::entity)) return Value::boolean(in(target.uid()));
  if (!target.is(Kind::set)) return mistyped(target, "entity or set", whole);
  bool open = false;
  for (const Value& element : target.elements()) {
    if (element.is(Kind::entity)) continue;
    if (!element.is(Kind::unknown)) return mistyped(element, "entity", whole);
    open = true;
  }
  if (open) return Value::unknown();
  return Value::boolean(std::ranges::any_of(
      target.elements(), [&](const Value& element) { return in(element.uid()); }));
}

Value Evaluator::has(const Expression& e) {
  Value value = evaluate(*e.operands[0]);
  for (const Name& name : e.path) {
    if (value.is(Kind::record)) {
      value = value.field(name);
    } else if (value.is(Kind::entity)) {
      const Entity* const entity = look_up(value.uid());
      value = entity == nullptr ? Value() : entity->attributes.field(name);
    } else {
      return mistyped(value, "record or entity", e);
    }
    if (!value) return Value::boolean(false);
  }
  if (value.is(Kind::unknown) && value.maybe_absent()) return undecided({.yes = true, .no = true});
  return Value::boolean(true);
}

Value Evaluator::attribute(const Expression& e) {
  const Value value = evaluate(*e.operands[0]);
  const Name& name = e.path[0];
  if (value.is(Kind::record)) {
    if (const Value found = value.field(name)) return found;
    return fail(ErrorClass::attribute, e,
                std::format("the record does not have the attribute `{}`", name.text()));
  }
  if (!value.is(Kind::entity)) return mistyped(value, "record or entity", e);
  const Entity* const entity = look_up(value.uid());
  if (entity == nullptr)
    return fail(ErrorClass::entity, e,
                std::format("the entity `{}` does not exist", to_text(value.uid())));
  if (const Value found = entity->attributes.field(name)) return found;
  return fail(
      ErrorClass::attribute, e,
      std::format("`{}` does not have the attribute `{}`", to_text(value.uid()), name.text()));
}

Value Evaluator::tag(const Expression& e) {
  const Value value = evaluate(*e.operands[0]);
  if (!value) return {};
  const Value key = evaluate(*e.operands[1]);
  if (!key) return {};
  if (!value.is(Kind::entity)) return mistyped(value, "entity", e);
  if (!key.is(Kind::string)) return mistyped(key, "string", e);
  const Entity* const entity = look_up(value.uid());
  if (entity == nullptr) {
    if (e.op == Op::has_tag) return Value::boolean(false);
    return fail(ErrorClass::entity, e,
                std::format("the entity `{}` does not exist", to_text(value.uid())));
  }
  const Value found = entity->tags.field(Name(key.text()));
  if (e.op == Op::has_tag) {
    if (found.is(Kind::unknown) && found.maybe_absent())
      return undecided({.yes = true, .no = true});
    return Value::boolean(static_cast<bool>(found));
  }
  if (found) return found;
  return fail(
      ErrorClass::tag, e,
      std::format("`{}` does not have the tag {}", to_text(value.uid()), to_text(key, shown)));
}

Value Evaluator::sets(const Expression& e) {
  const Value set = evaluate(*e.operands[0]);
  if (!set) return {};
  if (e.op == Op::is_empty) {
    if (!set.is(Kind::set)) return mistyped(set, "set", e);
    return Value::boolean(set.elements().empty());
  }
  const Value other = evaluate(*e.operands[1]);
  if (!other) return {};
  if (!set.is(Kind::set)) return mistyped(set, "set", e);
  if (three_valued_ && (has_unknown(set) || has_unknown(other))) return Value::unknown();
  if (e.op == Op::contains) return Value::boolean(set.contains(other));
  if (!other.is(Kind::set)) return mistyped(other, "set", e);
  const auto inside = [&](const Value& element) { return set.contains(element); };
  if (e.op == Op::contains_all)
    return Value::boolean(std::ranges::all_of(other.elements(), inside));
  return Value::boolean(std::ranges::any_of(other.elements(), inside));
}

Value Evaluator::aggregate(const Expression& e) {
  if (e.op == Op::set) {
    const auto values = scratch_.array<Value>(e.operands.size());
    for (std::size_t i = 0; i < e.operands.size(); ++i) {
      values[i] = evaluate(*e.operands[i]);
      if (!values[i]) return {};
    }
    return Value::set(values, scratch_);
  }
  const auto fields = scratch_.array<Field>(e.operands.size());
  for (std::size_t i = 0; i < e.operands.size(); ++i) {
    fields[i] = {e.path[i], evaluate(*e.operands[i])};
    if (!fields[i].value) return {};
  }
  return Value::record(fields, scratch_);
}

Value Evaluator::extension(const Expression& e) {
  const auto values = scratch_.array<Value>(e.operands.size());
  bool open = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = evaluate(*e.operands[i]);
    if (!values[i]) return {};
    open = open || values[i].is(Kind::unknown);
  }
  const auto arity = arity_of(e.function);
  if (open && values.size() == arity) return Value::unknown();
  const auto result = call(e.function, values, scratch_);
  if (result) return *result;
  switch (result.error().error) {
    case ErrorClass::type:
      return mistyped(values[result.error().operand], cedar::name(result.error().expected), e);
    case ErrorClass::arity:
      return fail(ErrorClass::arity, e,
                  std::format("`{}` takes {} argument(s), found {}", cedar::name(e.function), arity,
                              values.size()));
    default: break;
  }
  if (is_method(e.function))
    return fail(ErrorClass::extension, e, std::format("overflow in `{}`", cedar::name(e.function)));
  return fail(ErrorClass::extension, e,
              std::format("{} is not a well-formed {}", to_text(values[0], shown),
                          cedar::name(e.function)));
}

bool Evaluator::matches(const ScopeConstraint& constraint, const EntityUid& uid,
                        const Entity* entity) const {
  const auto in = [&](const EntityUid& other) {
    return entity == nullptr ? uid == other : entity->in(other);
  };
  if (constraint.slot) return false;
  switch (constraint.kind) {
    case ScopeConstraint::Kind::any: return true;
    case ScopeConstraint::Kind::equal: return uid == constraint.uids[0];
    case ScopeConstraint::Kind::in: return in(constraint.uids[0]);
    case ScopeConstraint::Kind::in_any: return std::ranges::any_of(constraint.uids, in);
    case ScopeConstraint::Kind::is: return uid.type() == constraint.type;
    case ScopeConstraint::Kind::is_in:
      return uid.type() == constraint.type && in(constraint.uids[0]);
  }
  std::unreachable();
}

bool Evaluator::matches(const Policy& policy) const {
  return matches(policy.principal, request_.principal, principal_) &&
         matches(policy.resource, request_.resource, resource_) &&
         matches(policy.action, request_.action, action_);
}

Possible Evaluator::conditions(const Policy& policy) {
  Possible result{.yes = true};
  for (const Condition& condition : policy.conditions) {
    const Value value = evaluate(*condition.expression);
    const bool wanted = !condition.unless;
    if (value.is(Kind::boolean)) [[likely]] {
      if (value.truth() == wanted) continue;
      result.yes = false;
      result.no = true;
      return result.error ? Possible{.no = true, .error = true} : result;
    }
    const Possible p = possible(value, *condition.expression);
    const bool goes_on = wanted ? p.yes : p.no;
    result.no = result.no || (wanted ? p.no : p.yes);
    result.error = result.error || p.error;
    if (!goes_on) {
      result.yes = false;
      return result;
    }
  }
  return result;
}

}  // namespace latticegate::cedar
