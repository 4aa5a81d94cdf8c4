#include <algorithm>
#include <array>
#include <format>
#include <iterator>
#include <utility>

#include "cedar/detail/checker.h"
#include "cedar/extension.h"

namespace latticegate::cedar {
namespace {

using TypeKind = Type::Kind;

// Tests of presence in force at one place; more is no policy that anybody wrote.
constexpr std::size_t most_known = 1024;

const Type* plain_type(TypeKind kind) { return &type_of(kind); }

const Type& set_of_entities() {
  static constexpr Type entity{.kind = TypeKind::any_entity};
  static constexpr Type set{.kind = TypeKind::set, .element = &entity};
  return set;
}

// What an operator takes, as words: "a set", "Long or datetime".
std::string words(std::span<const Type* const> wanted) {
  std::string text;
  for (const Type* const one : wanted) {
    if (!text.empty()) text += " or ";
    if (one->is(TypeKind::record))
      text += "a record";
    else if (one == &set_of_entities())
      text += "a set of entities";
    else
      text += to_text(*one);
  }
  return text;
}

// The usual mistake behind a type that is not the one expected.
std::string_view hint_for(const Expression& expression, const Type& found, const Type& wanted) {
  if (wanted.is_entity() && found.is(TypeKind::set)) return "; does `.contains()` do it?";
  if (wanted.is_entity() && found.is(TypeKind::string))
    return "; for strings: `==`, or `.contains()` of a set of them";
  if (wanted.is(TypeKind::set) && found.is_entity())
    return "; `in` tells whether one is in another";
  if (wanted.is(TypeKind::integer) && found.is(TypeKind::decimal))
    return "; decimals are compared by methods: `.lessThan()`";
  if (wanted.is(TypeKind::boolean) && expression.op == Op::attribute) return "; compare it";
  return "";
}

bool ordered(const Type& type) {
  return type.is(TypeKind::integer) || type.is(TypeKind::datetime) || type.is(TypeKind::duration);
}

struct Signature {
  std::array<TypeKind, 2> operands{};  // as many as arity_of() says
  TypeKind result = TypeKind::boolean;
};

Signature signature_of(Function function) {
  switch (function) {
    case Function::decimal: return {{TypeKind::string}, TypeKind::decimal};
    case Function::ip: return {{TypeKind::string}, TypeKind::ip};
    case Function::datetime: return {{TypeKind::string}, TypeKind::datetime};
    case Function::duration: return {{TypeKind::string}, TypeKind::duration};
    case Function::less_than:
    case Function::less_than_or_equal:
    case Function::greater_than:
    case Function::greater_than_or_equal: return {{TypeKind::decimal, TypeKind::decimal}};
    case Function::is_ipv4:
    case Function::is_ipv6:
    case Function::is_loopback:
    case Function::is_multicast: return {{TypeKind::ip}};
    case Function::is_in_range: return {{TypeKind::ip, TypeKind::ip}};
    case Function::offset: return {{TypeKind::datetime, TypeKind::duration}, TypeKind::datetime};
    case Function::duration_since:
      return {{TypeKind::datetime, TypeKind::datetime}, TypeKind::duration};
    case Function::to_date: return {{TypeKind::datetime}, TypeKind::datetime};
    case Function::to_time: return {{TypeKind::datetime}, TypeKind::duration};
    case Function::to_milliseconds:
    case Function::to_seconds:
    case Function::to_minutes:
    case Function::to_hours:
    case Function::to_days: return {{TypeKind::duration}, TypeKind::integer};
  }
  std::unreachable();
}

bool well_formed(Function constructor, std::string_view text) {
  switch (constructor) {
    case Function::decimal: return parse_decimal(text).has_value();
    case Function::ip: return parse_ip(text).has_value();
    case Function::datetime: return parse_datetime(text).has_value();
    default: return parse_duration(text).has_value();
  }
}

}  // namespace

// A growing `a && b && c`: the one place that knows what holds to the right of a true condition.
class Checker::Conjunction {
 public:
  explicit Conjunction(Checker& checker) : checker_(checker), mark_(checker.known_.size()) {}
  Conjunction(const Conjunction&) = delete;
  Conjunction& operator=(const Conjunction&) = delete;
  ~Conjunction() { checker_.known_.resize(mark_); }

  // Adds what `next` gives, unless the answer is certain already; whether it was asked.
  template <class F>
  bool add(F&& next) {
    if (so_far_.is(TypeKind::nowise)) return false;
    const Answer right = next();
    so_far_.type = started_ ? type_of_both(so_far_.type, right.type) : right.type;
    so_far_.ok = so_far_.ok && right.ok;
    started_ = true;
    if (!so_far_.ok || right.is(TypeKind::nowise))
      checker_.known_.resize(mark_);
    else
      std::ranges::copy(right.capabilities, std::back_inserter(checker_.known_));
    return true;
  }

  Answer answer() {
    const auto learned = std::span(checker_.known_).subspan(mark_);
    so_far_.capabilities.assign(learned.begin(), learned.end());
    return std::move(so_far_);
  }

 private:
  static const Type* type_of_both(const Type* left, const Type* right) {
    if (left != nullptr && right != nullptr) {
      if (right->is(TypeKind::nowise) || left->is(TypeKind::always)) return right;
      if (right->is(TypeKind::always)) return left;
    }
    return plain_type(TypeKind::boolean);
  }

  Checker& checker_;
  std::size_t mark_;
  Answer so_far_;
  bool started_ = false;
};

Checker::Checker(const Schema& schema, const Environment& environment, Strictness mode,
                 Arena& arena, Report report, TypeMap* types)
    : schema_(schema),
      environment_(environment),
      mode_(mode),
      arena_(arena),
      report_(std::move(report)),
      types_(types),
      principal_(schema.entity_type(environment.principal)->reference),
      resource_(schema.entity_type(environment.resource)->reference) {}

Checker::Outcome Checker::check(const Policy& policy) {
  Conjunction all(*this);
  all.add([&] { return scope(policy.principal, *principal_, environment_.principal_slot); });
  all.add([&] { return action_scope(policy.action); });
  all.add([&] { return scope(policy.resource, *resource_, environment_.resource_slot); });
  for (const Condition& condition : policy.conditions) {
    all.add([&] {
      return condition.unless ? negation(*condition.expression)
                              : expect(*condition.expression, {plain_type(TypeKind::boolean)});
    });
  }
  const Answer whole = all.answer();
  if (whole.is(TypeKind::nowise)) return Outcome::never;
  return whole.ok && !too_complex_ ? Outcome::possible : Outcome::failing;
}

void Checker::fail(Problem problem, Span span, std::string message) {
  report_(problem, span, std::move(message));
}

// ---- scopes

Checker::Answer Checker::scope(const ScopeConstraint& constraint, const Type& variable,
                               const Type* slot) {
  switch (constraint.kind) {
    case ScopeConstraint::Kind::any: return truth(true);
    case ScopeConstraint::Kind::equal: return scope_equal(constraint, variable, slot);
    case ScopeConstraint::Kind::is: return truth(variable.names[0] == constraint.type);
    case ScopeConstraint::Kind::is_in:
      if (variable.names[0] != constraint.type) return truth(false);
      [[fallthrough]];
    default: return scope_in(constraint, variable, slot);
  }
}

Checker::Answer Checker::scope_equal(const ScopeConstraint& constraint, const Type& variable,
                                     const Type* slot) {
  const Type* const other = constraint.slot ? slot : literal_type(constraint.uids[0]);
  if (other == nullptr) return failed(plain_type(TypeKind::boolean));
  return disjoint(variable, *other) ? truth(false) : plain(TypeKind::boolean);
}

Checker::Answer Checker::scope_in(const ScopeConstraint& constraint, const Type& variable,
                                  const Type* slot) {
  const Type* const other = constraint.slot ? slot : literal_type(constraint.uids[0]);
  if (other == nullptr) return failed(plain_type(TypeKind::boolean));
  return any_may_be_in(variable, *other) ? plain(TypeKind::boolean) : truth(false);
}

Checker::Answer Checker::action_scope(const ScopeConstraint& constraint) {
  const EntityUid& action = environment_.action->uid;
  const auto known = [&](const EntityUid& uid) { return schema_.action(uid) != nullptr; };
  if (constraint.kind == ScopeConstraint::Kind::any) return truth(true);
  if (constraint.kind == ScopeConstraint::Kind::equal) {
    Answer answer = truth(constraint.uids[0] == action);
    answer.ok = known(constraint.uids[0]);
    return answer;
  }
  if (!std::ranges::all_of(constraint.uids, known)) return failed(plain_type(TypeKind::boolean));
  if (constraint.kind == ScopeConstraint::Kind::in_any && mode_ == Strictness::strict) {
    if (constraint.uids.empty()) {
      fail(Problem::empty_set, constraint.span, "`action in []` matches nothing");
      return failed(plain_type(TypeKind::boolean));
    }
    const auto other = std::ranges::find_if(constraint.uids, [&](const EntityUid& uid) {
      return uid.type() != constraint.uids[0].type();
    });
    if (other != constraint.uids.end()) {
      fail(Problem::incompatible_types, constraint.span,
           std::format("the elements of a set have one type; here are {} and {}",
                       constraint.uids[0].type(), other->type()));
      return failed(plain_type(TypeKind::boolean));
    }
  }
  return truth(std::ranges::any_of(
      constraint.uids, [&](const EntityUid& uid) { return environment_.action->in(uid); }));
}

// ---- expressions

Checker::Answer Checker::typed(const Expression& expression) {
  Answer answer = typed_inside(expression);
  if (types_ != nullptr && answer.type != nullptr) (*types_)[&expression] = answer.type;
  if (known_.size() + answer.capabilities.size() > most_known && !too_complex_) {
    too_complex_ = true;
    fail(Problem::too_complex, expression.span,
         std::format("more than {} tests of presence hold here", most_known));
  }
  if (too_complex_) answer.capabilities.clear();
  return answer;
}

Checker::Answer Checker::typed_inside(const Expression& expression) {
  switch (expression.op) {
    case Op::literal: return literal(expression.value);
    case Op::principal: return {principal_, true, {}};
    case Op::resource: return {resource_, true, {}};
    case Op::action: return {environment_.action->reference, true, {}};
    case Op::context: return {environment_.action->context, true, {}};
    case Op::conditional: return conditional(expression);
    case Op::conjunction: return conjunction(expression);
    case Op::disjunction: return disjunction(expression);
    case Op::negation: return negation(*expression.operands[0]);
    case Op::minus:
    case Op::sum:
    case Op::product: return numbers(expression);
    case Op::equal:
    case Op::unequal: return equality(expression);
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal: return order(expression);
    case Op::in: {
      const Answer entity = expect(*expression.operands[0], {plain_type(TypeKind::any_entity)});
      return membership(*expression.operands[0], entity, *expression.operands[1]);
    }
    case Op::has: return has(expression);
    case Op::like: {
      const Answer text = expect(*expression.operands[0], {plain_type(TypeKind::string)});
      return plain(TypeKind::boolean, text.ok);
    }
    case Op::is:
      return is(expect(*expression.operands[0], {plain_type(TypeKind::any_entity)}),
                expression.type);
    case Op::is_in: return is_in(expression);
    case Op::attribute: return attribute(expression);
    case Op::contains: return contains(expression);
    case Op::contains_all:
    case Op::contains_any: return contains_many(expression);
    case Op::is_empty: {
      const Answer elements = expect(*expression.operands[0], {plain_type(TypeKind::set)});
      return plain(TypeKind::boolean, elements.ok);
    }
    case Op::has_tag:
    case Op::get_tag: return tag(expression);
    case Op::set: return set(expression);
    case Op::record: return record(expression);
    case Op::extension: return extension(expression);
  }
  std::unreachable();
}

Checker::Answer Checker::expect(const Expression& expression, Wanted wanted) {
  Answer answer = typed(expression);
  if (answer.type == nullptr) return failed();
  for (const Type* const one : wanted)
    // Permissively even in strict mode: any record is a record, any set is a set.
    if (is_subtype(*answer.type, *one, Strictness::permissive)) return answer;
  fail(Problem::unexpected_type, expression.span,
       std::format("expected {}, found {}{}", words(wanted), to_text(*answer.type),
                   hint_for(expression, *answer.type, **wanted.begin())));
  return failed();
}

Checker::Answer Checker::literal(const Value& value) {
  switch (value.kind()) {
    case Kind::boolean: return truth(value.truth());
    case Kind::integer: return plain(TypeKind::integer);
    case Kind::string: return plain(TypeKind::string);
    default: break;
  }
  // What is not declared is a finding already, for the policy as a whole.
  const Type* const type = literal_type(value.uid());
  return {type, type != nullptr, {}};
}

Checker::Answer Checker::conditional(const Expression& expression) {
  const Expression& then = *expression.operands[1];
  const Expression& otherwise = *expression.operands[2];
  const Answer test = expect(*expression.operands[0], {plain_type(TypeKind::boolean)});
  const auto branch = [&](const Expression& of, bool guarded) {
    const std::size_t mark = known_.size();
    if (guarded && test.ok) std::ranges::copy(test.capabilities, std::back_inserter(known_));
    Answer answer = typed(of);
    known_.resize(mark);
    if (guarded && test.ok && answer.ok)
      std::ranges::copy(test.capabilities, std::back_inserter(answer.capabilities));
    answer.ok = answer.ok && test.ok;
    if (!answer.ok) answer.capabilities.clear();
    return answer;
  };
  if (test.is(TypeKind::always)) return branch(then, true);
  if (test.is(TypeKind::nowise)) return branch(otherwise, false);
  const Answer yes = branch(then, true);
  const Answer no = branch(otherwise, false);
  if (yes.type == nullptr || no.type == nullptr) return failed();
  const Type* const both = least_upper_bound(*yes.type, *no.type, mode_, arena_);
  if (both == nullptr) {
    fail(Problem::incompatible_types, expression.span,
         std::format("both branches of `if` need one type; here are {} and {}", to_text(*yes.type),
                     to_text(*no.type)));
    return failed();
  }
  return {both, yes.ok && no.ok, common(yes.capabilities, no.capabilities)};
}

Checker::Answer Checker::conjunction(const Expression& expression) {
  Conjunction all(*this);
  for (const Expression* const operand : expression.operands)
    if (!all.add([&] { return expect(*operand, {plain_type(TypeKind::boolean)}); })) break;
  return all.answer();
}

Checker::Answer Checker::disjunction(const Expression& expression) {
  Answer left = expect(*expression.operands[0], {plain_type(TypeKind::boolean)});
  for (const Expression* const operand : expression.operands.subspan(1)) {
    if (left.is(TypeKind::always)) return left;
    // To the right of a false condition nothing more holds.
    Answer right = expect(*operand, {plain_type(TypeKind::boolean)});
    const bool ok = left.ok && right.ok;
    if (left.type == nullptr || right.type == nullptr)
      left = failed(plain_type(TypeKind::boolean));
    else if (right.is(TypeKind::always) || left.is(TypeKind::nowise))
      left = std::move(right);
    else if (!right.is(TypeKind::nowise))
      left = {plain_type(TypeKind::boolean), ok, common(left.capabilities, right.capabilities)};
    left.ok = left.ok && ok;
    if (!left.ok) left.capabilities.clear();
  }
  return left;
}

Checker::Answer Checker::negation(const Expression& operand) {
  const Answer inner = expect(operand, {plain_type(TypeKind::boolean)});
  if (inner.is(TypeKind::always)) return plain(TypeKind::nowise, inner.ok);
  if (inner.is(TypeKind::nowise)) return plain(TypeKind::always, inner.ok);
  return plain(TypeKind::boolean, inner.ok && inner.type != nullptr);
}

Checker::Answer Checker::numbers(const Expression& expression) {
  bool ok = true;
  for (const Expression* const operand : expression.operands)
    ok = expect(*operand, {plain_type(TypeKind::integer)}).ok && ok;
  return plain(TypeKind::integer, ok);
}

Checker::Answer Checker::order(const Expression& expression) {
  const Expression& left = *expression.operands[0];
  const Expression& right = *expression.operands[1];
  const Answer a = typed(left);
  const Answer b = typed(right);
  if (a.type == nullptr || b.type == nullptr) return failed(plain_type(TypeKind::boolean));
  const bool nothing = a.is(TypeKind::never) || b.is(TypeKind::never);
  if (!nothing && ordered(*a.type) && a.type->kind == b.type->kind)
    return plain(TypeKind::boolean, a.ok && b.ok);
  const auto complain = [&](const Expression& at, const Type& found, const Type* like) {
    const std::array<const Type*, 3> any{plain_type(TypeKind::integer),
                                         plain_type(TypeKind::datetime),
                                         plain_type(TypeKind::duration)};
    fail(Problem::unexpected_type, at.span,
         std::format("expected {}, found {}{}", like != nullptr ? to_text(*like) : words(any),
                     to_text(found), hint_for(at, found, type_of(TypeKind::integer))));
  };
  if (nothing) {
    const Type& other = a.is(TypeKind::never) ? *b.type : *a.type;
    if (ordered(other)) return plain(TypeKind::boolean, a.ok && b.ok);
    if (!other.is(TypeKind::never)) complain(a.is(TypeKind::never) ? right : left, other, nullptr);
  } else if (ordered(*a.type) && !(b.is(TypeKind::integer) && !a.is(TypeKind::integer))) {
    complain(right, *b.type, a.type);
  } else if (ordered(*b.type)) {
    complain(left, *a.type, b.type);
  } else {
    complain(left, *a.type, nullptr);
    complain(right, *b.type, nullptr);
  }
  return failed(plain_type(TypeKind::boolean));
}

Checker::Answer Checker::equality(const Expression& expression) {
  const Expression& left = *expression.operands[0];
  const Expression& right = *expression.operands[1];
  const Answer a = typed(left);
  const Answer b = typed(right);
  Answer answer = plain(TypeKind::boolean, a.ok && b.ok);
  const bool apart = a.type != nullptr && b.type != nullptr && disjoint(*a.type, *b.type);
  const auto x = literal_value(left);
  const auto y = literal_value(right);
  if (apart)
    answer.type = plain_type(TypeKind::nowise);
  else if (x && y)
    answer.type = plain_type(*x == *y ? TypeKind::always : TypeKind::nowise);
  else
    answer = compatible(std::move(answer), expression, a.type, b.type);
  if (expression.op == Op::unequal) {
    if (answer.is(TypeKind::always))
      answer.type = plain_type(TypeKind::nowise);
    else if (answer.is(TypeKind::nowise))
      answer.type = plain_type(TypeKind::always);
  }
  return answer;
}

// In strict mode: two things that are compared have one type.
Checker::Answer Checker::compatible(Answer answer, const Expression& whole, const Type* a,
                                    const Type* b) {
  if (mode_ == Strictness::permissive || a == nullptr || b == nullptr) return answer;
  if (least_upper_bound(*a, *b, mode_, arena_) != nullptr) return answer;
  fail(Problem::incompatible_types, whole.span,
       std::format("{} and {} cannot be compared: they are never equal", to_text(*a), to_text(*b)));
  return failed(answer.type);
}

Checker::Answer Checker::membership(const Expression& left, const Answer& lower,
                                    const Expression& right) {
  const Answer upper = expect(right, {plain_type(TypeKind::any_entity), &set_of_entities()});
  if (!lower.ok || !upper.ok || lower.type == nullptr || upper.type == nullptr)
    return failed(plain_type(TypeKind::boolean));
  // Between actions that are written out, the schema knows the answer.
  const auto uid = literal_uid(left);
  const auto uids = literal_uids(right);
  if (uid && uids && is_action_type(uid->type())) {
    const SchemaAction* const action = schema_.action(*uid);
    return truth(action != nullptr && std::ranges::any_of(*uids, [&](const EntityUid& other) {
                   return is_action_type(other.type()) && action->in(other);
                 }));
  }
  const Type* const upper_type = upper.is(TypeKind::set) ? upper.type->element : upper.type;
  if (lower.is(TypeKind::entity) && upper_type->is(TypeKind::entity) &&
      !any_may_be_in(*lower.type, *upper_type))
    return truth(false);
  return plain(TypeKind::boolean);
}

Checker::Answer Checker::is(const Answer& entity, std::string_view type) {
  if (entity.type == nullptr) return failed(plain_type(TypeKind::boolean));
  Answer answer = plain(TypeKind::boolean, entity.ok);
  if (!entity.is(TypeKind::entity)) return answer;
  if (!std::ranges::contains(entity.type->names, type))
    answer.type = plain_type(TypeKind::nowise);
  else if (entity.type->names.size() == 1)
    answer.type = plain_type(TypeKind::always);
  return answer;
}

// `e is T in x` is `e is T && e in x`; e is looked at once, or nested ones would take for ever.
Checker::Answer Checker::is_in(const Expression& expression) {
  const Answer entity = expect(*expression.operands[0], {plain_type(TypeKind::any_entity)});
  Conjunction both(*this);
  both.add([&] { return is(entity, expression.type); });
  both.add([&] { return membership(*expression.operands[0], entity, *expression.operands[1]); });
  return both.answer();
}

// `e has a.b.c` is `e has a && e.a has b && e.a.b has c`.
Checker::Answer Checker::has(const Expression& expression) {
  const Answer base = expect(*expression.operands[0],
                             {plain_type(TypeKind::any_entity), plain_type(TypeKind::record)});
  if (base.type == nullptr) return failed(plain_type(TypeKind::boolean));
  const Expression* of = expression.operands[0];
  const Type* type = base.type;
  Conjunction all(*this);
  all.add([&] { return plain(TypeKind::always, base.ok); });
  for (const Name& name : expression.path) {
    if (!type->is_entity() && !type->is(TypeKind::record) && !type->is(TypeKind::never)) {
      fail(Problem::unexpected_type, expression.span,
           std::format("`has` asks entities and records; {} is {}", of->path[0].text(),
                       to_text(*type)));
      return failed(plain_type(TypeKind::boolean));
    }
    const TypeAttribute* const found = attribute_of(*type, name.text());
    const bool asked = all.add([&] {
      if (found == nullptr)
        return may_have(*type, name.text()) ? plain(TypeKind::boolean) : truth(false);
      const bool certain =
          knows(*of, name.text()) || (found->required && type->is(TypeKind::record));
      Answer answer = certain ? truth(true) : plain(TypeKind::boolean);
      answer.capabilities.push_back({of, name.text(), nullptr});
      return answer;
    });
    if (!asked || found == nullptr) break;
    Expression next;
    next.op = Op::attribute;
    next.span = expression.span;
    next.operands = arena_.copy(std::span<const Expression* const>(&of, 1));
    next.path = std::span(&name, 1);
    next.depth = of->depth + 1;
    of = arena_.make(next);
    type = found->type;
  }
  return all.answer();
}

Checker::Answer Checker::attribute(const Expression& expression) {
  // Whoever makes the context adds it, whatever the action.
  if (expression.temporal != nullptr) return {plain_type(TypeKind::boolean), true, {}};
  const Expression& of = *expression.operands[0];
  const std::string_view name = expression.path[0].text();
  const Answer base = expect(of, {plain_type(TypeKind::any_entity), plain_type(TypeKind::record)});
  if (base.type == nullptr) return failed();
  const TypeAttribute* const found = attribute_of(*base.type, name);
  if (found == nullptr) {
    const bool context = of.op == Op::context;
    fail(Problem::no_attribute, expression.span,
         std::format("there is no attribute `{}` {} {}", name, context ? "in the context of" : "on",
                     context ? to_text(environment_.action->uid) : to_text(*base.type)));
    return failed();
  }
  if (!found->required && !knows(of, name)) {
    fail(Problem::optional_attribute, expression.span,
         std::format("the attribute `{}` may be absent: ask `has {}` before", name, name));
    return failed(found->type);
  }
  return {found->type, base.ok, {}};
}

Checker::Answer Checker::contains(const Expression& expression) {
  const Answer elements = expect(*expression.operands[0], {plain_type(TypeKind::set)});
  const Answer element = typed(*expression.operands[1]);
  const Type* const inner = elements.is(TypeKind::set) ? elements.type->element : nullptr;
  return compatible(plain(TypeKind::boolean, elements.ok && element.ok), expression, inner,
                    element.type);
}

Checker::Answer Checker::contains_many(const Expression& expression) {
  const Answer a = expect(*expression.operands[0], {plain_type(TypeKind::set)});
  const Answer b = expect(*expression.operands[1], {plain_type(TypeKind::set)});
  return compatible(plain(TypeKind::boolean, a.ok && b.ok), expression, a.type, b.type);
}

Checker::Answer Checker::tag(const Expression& expression) {
  const Expression& of = *expression.operands[0];
  const Expression& key = *expression.operands[1];
  const bool asks = expression.op == Op::has_tag;
  const Answer entity = expect(of, {plain_type(TypeKind::any_entity)});
  const Answer text = expect(key, {plain_type(TypeKind::string)});
  if (entity.type == nullptr) return failed();
  const bool ok = entity.ok && text.ok;
  const std::vector<const Type*> types = tag_types(*entity.type);
  if (asks) {
    Answer answer = plain(TypeKind::boolean, ok);
    if (types.empty())
      answer.type = plain_type(TypeKind::nowise);
    else if (knows_tag(of, key))
      answer.type = plain_type(TypeKind::always);
    if (ok) answer.capabilities.push_back({&of, {}, &key});
    return answer;
  }
  if (!knows_tag(of, key)) {
    fail(Problem::unsafe_tag, expression.span,
         "the tag may be absent: ask `.hasTag()` with the same key before");
    return failed();
  }
  if (types.empty()) {
    fail(Problem::no_tags, expression.span,
         std::format("entities of type {} have no tags", to_text(*entity.type)));
    return failed();
  }
  const Type* all = types[0];
  for (const Type* const one : types) {
    const Type* const both = least_upper_bound(*all, *one, mode_, arena_);
    if (both == nullptr) {
      fail(Problem::incompatible_types, expression.span,
           std::format("the tag may be {} or {}", to_text(*all), to_text(*one)));
      return failed();
    }
    all = both;
  }
  return {all, ok, {}};
}

Checker::Answer Checker::set(const Expression& expression) {
  bool ok = true;
  bool known = true;
  std::vector<const Type*> types;
  for (const Expression* const operand : expression.operands) {
    const Answer element = typed(*operand);
    ok = ok && element.ok;
    known = known && element.type != nullptr;
    types.push_back(element.type);
  }
  if (types.empty() && mode_ == Strictness::strict) {
    fail(Problem::empty_set, expression.span,
         "an empty set has no type; `.isEmpty()` tells whether a set is empty");
    return failed();
  }
  if (!known) return failed();
  const Type* all = plain_type(TypeKind::never);
  for (const Type* const one : types) {
    const Type* const both = least_upper_bound(*all, *one, mode_, arena_);
    if (both == nullptr) {
      fail(Problem::incompatible_types, expression.span,
           std::format("the elements of a set have one type; here are {} and {}", to_text(*all),
                       to_text(*one)));
      return failed();
    }
    all = both;
  }
  Type type{.kind = TypeKind::set};
  type.element = all;
  return {arena_.make(type), ok, {}};
}

Checker::Answer Checker::record(const Expression& expression) {
  bool ok = true;
  bool known = true;
  std::vector<TypeAttribute> attributes;
  for (std::size_t i = 0; i < expression.operands.size(); ++i) {
    const Answer value = typed(*expression.operands[i]);
    ok = ok && value.ok;
    known = known && value.type != nullptr;
    attributes.push_back({expression.path[i].text(), value.type, true});
  }
  if (!known) return failed();
  std::ranges::sort(attributes, {}, &TypeAttribute::name);
  Type type{.kind = TypeKind::record};
  type.attributes = arena_.copy(std::span<const TypeAttribute>(attributes));
  return {arena_.make(type), ok, {}};
}

Checker::Answer Checker::extension(const Expression& expression) {
  const Signature signature = signature_of(expression.function);
  const std::size_t arity = arity_of(expression.function);
  bool sound = true;
  if (expression.operands.size() != arity) {
    const std::size_t receiver = is_method(expression.function) ? 1 : 0;
    fail(Problem::arity, expression.span,
         std::format("`{}` takes {} arguments, not {}", name(expression.function), arity - receiver,
                     expression.operands.size() - receiver));
    sound = false;
  }
  if (!is_method(expression.function)) sound = constructor_is_sound(expression) && sound;
  bool ok = sound;
  for (std::size_t i = 0; i < expression.operands.size(); ++i) {
    const Expression& operand = *expression.operands[i];
    const Answer answer =
        sound ? expect(operand, {plain_type(signature.operands[i])}) : typed(operand);
    ok = ok && answer.ok;
  }
  return plain(signature.result, ok);
}

bool Checker::constructor_is_sound(const Expression& expression) {
  const auto is_literal = [](const Expression* operand) { return operand->op == Op::literal; };
  bool sound = true;
  if (expression.operands.size() == 1 && is_literal(expression.operands[0])) {
    const Value& value = expression.operands[0]->value;
    if (value.is(Kind::string) && !well_formed(expression.function, value.text())) {
      fail(Problem::bad_literal, expression.span,
           std::format("{} is not a well-formed {}", to_text(value, 100),
                       name(expression.function)));
      sound = false;
    }
  }
  if (mode_ == Strictness::strict && !std::ranges::all_of(expression.operands, is_literal)) {
    fail(Problem::computed_constructor, expression.span,
         std::format("`{}` is called with a literal only", name(expression.function)));
    sound = false;
  }
  return sound;
}

// ---- questions about types

const Type* Checker::literal_type(const EntityUid& uid) const {
  if (const SchemaEntity* const entity = schema_.entity_type(uid.type())) return entity->reference;
  const SchemaAction* const action = schema_.action(uid);
  return action == nullptr ? nullptr : action->reference;
}

const TypeAttribute* Checker::attribute_of(const Type& type, std::string_view name) {
  if (type.is(TypeKind::record)) return type.attribute(name);
  if (!type.is(TypeKind::entity)) return nullptr;
  const TypeAttribute* all = nullptr;
  for (const std::string_view one : type.names) {
    const SchemaEntity* const entity = schema_.entity_type(one);
    const TypeAttribute* const found =
        entity == nullptr ? nullptr : entity->attributes->attribute(name);
    if (found == nullptr) return nullptr;
    if (all == nullptr) {
      all = found;
      continue;
    }
    const Type* const both =
        least_upper_bound(*all->type, *found->type, Strictness::permissive, arena_);
    if (both == nullptr) return nullptr;
    all = arena_.make(TypeAttribute{all->name, both, all->required && found->required});
  }
  return all;
}

// Whether a value of the type may have an attribute that attribute_of() does not know.
bool Checker::may_have(const Type& type, std::string_view attribute) const {
  if (type.is(TypeKind::record)) return type.open;
  if (type.is(TypeKind::entity))
    return std::ranges::any_of(type.names, [&](std::string_view name) {
      const SchemaEntity* const entity = schema_.entity_type(name);
      return entity != nullptr && entity->attributes->attribute(attribute) != nullptr;
    });
  return type.is(TypeKind::any_entity) || type.is(TypeKind::never);
}

std::vector<const Type*> Checker::tag_types(const Type& type) const {
  std::vector<const Type*> types;
  const auto add = [&](const SchemaEntity* entity) {
    if (entity != nullptr && entity->tags != nullptr) types.push_back(entity->tags);
  };
  if (type.is(TypeKind::entity)) {
    for (const std::string_view name : type.names) add(schema_.entity_type(name));
  } else {
    for (const SchemaEntity& entity : schema_.entity_types()) add(&entity);
  }
  return types;
}

bool Checker::may_be_in(std::string_view lower, std::string_view upper) const {
  if (lower == upper) return true;
  if (const SchemaEntity* const entity = schema_.entity_type(lower))
    return entity->may_be_in(upper);
  return is_action_type(lower) && is_action_type(upper) &&
         std::ranges::any_of(schema_.actions(), [&](const SchemaAction& action) {
           return action.uid.type() == lower &&
                  std::ranges::contains(action.ancestors, upper, &EntityUid::type);
         });
}

bool Checker::any_may_be_in(const Type& lower, const Type& upper) const {
  return std::ranges::any_of(lower.names, [&](std::string_view low) {
    return std::ranges::any_of(upper.names,
                               [&](std::string_view high) { return may_be_in(low, high); });
  });
}

// `action` is as good as a literal: its value is known.
std::optional<Value> Checker::literal_value(const Expression& expression) const {
  if (expression.op == Op::action) return Value::entity(&environment_.action->uid);
  if (expression.op == Op::literal) return expression.value;
  return std::nullopt;
}

std::optional<EntityUid> Checker::literal_uid(const Expression& expression) const {
  const auto value = literal_value(expression);
  if (!value || !value->is(Kind::entity)) return std::nullopt;
  return value->uid();
}

std::optional<std::vector<EntityUid>> Checker::literal_uids(const Expression& expression) const {
  if (const auto one = literal_uid(expression)) return std::vector{*one};
  if (expression.op != Op::set) return std::nullopt;
  std::vector<EntityUid> all;
  for (const Expression* const element : expression.operands) {
    const auto one = literal_uid(*element);
    if (!one) return std::nullopt;
    all.push_back(*one);
  }
  return all;
}

// ---- capabilities

bool Checker::knows(const Expression& of, std::string_view attribute) const {
  return std::ranges::any_of(known_, [&](const Capability& known) {
    return known.tag == nullptr && known.attribute == attribute && same(*known.of, of);
  });
}

bool Checker::knows_tag(const Expression& of, const Expression& tag) const {
  return std::ranges::any_of(known_, [&](const Capability& known) {
    return known.tag != nullptr && same(*known.of, of) && same(*known.tag, tag);
  });
}

Capabilities Checker::common(const Capabilities& a, const Capabilities& b) {
  Capabilities both;
  for (const Capability& one : a)
    if (std::ranges::any_of(b, [&](const Capability& other) {
          return one.attribute == other.attribute && same(*one.of, *other.of) &&
                 (one.tag == nullptr) == (other.tag == nullptr) &&
                 (one.tag == nullptr || same(*one.tag, *other.tag));
        }))
      both.push_back(one);
  return both;
}

}  // namespace latticegate::cedar
