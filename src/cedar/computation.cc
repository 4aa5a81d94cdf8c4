#include "cedar/detail/computation.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "cedar/detail/operation.h"

namespace latticegate::cedar {
namespace {

Truth truth_of(bool truth) { return truth ? Truth::yes : Truth::no; }

bool is_ordered(const Value& value) {
  return value.is(Kind::integer) || value.is(Kind::datetime) || value.is(Kind::duration);
}

}  // namespace

const Entity* Computation::look_up(const EntityUid& uid) const {
  if (&uid == &request_.principal) return entities_[0];
  if (&uid == &request_.action) return entities_[1];
  if (&uid == &request_.resource) return entities_[2];
  return view_.find(uid);
}

Truth Computation::computed_truth(const Node& node) {
  Truth truth = Truth::fails;
  switch (node.op) {
    case Op::disjunction:
    case Op::conjunction: truth = chain(node); break;
    case Op::negation:
      truth = this->truth(node.near[0]);
      if (truth != Truth::fails) truth = truth_of(truth == Truth::no);
      break;
    default: {
      Value value;
      if (node.op == Op::attribute) {
        const Slot& slot = attribute(node);
        value = slot.found == Found::value ? slot.value : missing(slot);
      } else {
        value = computed(node);
      }
      if (value.is(Kind::boolean))
        truth = truth_of(value.truth());
      else
        misfit(value);
    }
  }
  if (node.truth != nowhere) notes_.note(node.truth, truth, error_);
  return truth;
}

Truth Computation::chain(const Node& node) {
  const Truth deciding = truth_of(node.op == Op::disjunction);
  for (const NodeId id : graph_.operands(node)) {
    const Truth truth = this->truth(id);
    if (truth == deciding || truth == Truth::fails) return truth;
  }
  return truth_of(deciding == Truth::no);
}

// Neither a constant nor an attribute.
Value Computation::other_value(const Node& node) {
  const bool logical =
      node.op == Op::disjunction || node.op == Op::conjunction || node.op == Op::negation;
  if (logical || (node.boolean && node.truth != nowhere)) {
    Truth truth = node.truth == nowhere ? Truth::unnoted : notes_.truth(node.truth);
    if (truth == Truth::unnoted)
      truth = computed_truth(node);
    else if (truth == Truth::fails)
      error_ = notes_.error(node.truth);
    return truth == Truth::fails ? Value() : Value::boolean(truth == Truth::yes);
  }
  if (node.slot == nowhere) return computed(node);
  Slot& slot = notes_.slot(node.slot);
  if (!notes_.noted(slot)) {
    slot.value = computed(node);
    slot.error = error_;
    notes_.note(slot);
  }
  return slot.value ? slot.value : fail(slot.error);
}

Value Computation::missing(const Slot& slot) {
  switch (slot.found) {
    case Found::value: break;
    case Found::no_attribute: return fail(ErrorClass::attribute);
    case Found::no_entity: return fail(ErrorClass::entity);
    case Found::misfit: return fail(ErrorClass::type);
    case Found::failure: return fail(slot.error);
  }
  std::unreachable();
}

void Computation::look_at(const Node& node, Slot& slot) {
  const Value receiver = value(node.near[0]);
  notes_.note(slot);
  slot.found = Found::no_attribute;
  Value record = receiver;
  switch (receiver.kind()) {
    case Kind::record: break;
    case Kind::entity: {
      const Entity* const entity = look_up(receiver.uid());
      if (entity == nullptr) {
        slot.found = Found::no_entity;
        return;
      }
      record = entity->attributes;
      break;
    }
    case Kind::none:
      slot.found = Found::failure;
      slot.error = error_;
      return;
    default: slot.found = Found::misfit; return;
  }
  // Records of one place mostly have one shape.
  const auto fields = record.fields();
  if (slot.hint >= fields.size() || !(fields.data()[slot.hint].name == node.name)) {
    const Field* const field = record.find(node.name);
    if (field == nullptr) return;
    const auto position = field - fields.data();
    slot.hint = position <= std::numeric_limits<std::uint16_t>::max()
                    ? static_cast<std::uint16_t>(position)
                    : std::uint16_t{0};
    slot.value = field->value;
  } else {
    slot.value = fields.data()[slot.hint].value;
  }
  slot.found = Found::value;
}

Value Computation::computed(const Node& node) {
  switch (node.op) {
    case Op::literal: return node.value ? node.value : fail(node.error);
    case Op::principal: return Value::entity(&request_.principal);
    case Op::action: return Value::entity(&request_.action);
    case Op::resource: return Value::entity(&request_.resource);
    case Op::context: return request_.context;
    case Op::conditional:
      switch (truth(graph_.operands(node)[0])) {
        case Truth::yes: return value(graph_.operands(node)[1]);
        case Truth::no: return value(graph_.operands(node)[2]);
        default: return {};
      }
    case Op::minus:
    case Op::sum:
    case Op::product: return arithmetic(node);
    case Op::equal: {
      const Value left = value(node.near[0]);
      if (!left) return {};
      const Value right = value(node.near[1]);
      if (!right) return {};
      return Value::boolean(left == right);
    }
    case Op::less:
    case Op::less_equal: return compare(node);
    case Op::in: {
      const Value left = value(node.near[0]);
      return left ? membership(left, node.near[1]) : left;
    }
    case Op::is:
    case Op::is_in: {
      const Value left = value(node.near[0]);
      if (!left.is(Kind::entity)) return misfit(left);
      const bool same = left.uid().type() == node.source->type;
      if (!same || node.op == Op::is) return Value::boolean(same);
      return membership(left, node.near[1]);
    }
    case Op::has: return has(node);
    case Op::like: {
      const Value text = value(node.near[0]);
      if (!text.is(Kind::string)) return misfit(text);
      return Value::boolean(matches(text.text(), node.source->pattern));
    }
    case Op::contains:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty: return sets(node);
    case Op::has_tag:
    case Op::get_tag: return tag(node);
    case Op::set:
    case Op::record: return aggregate(node);
    case Op::extension: return extension(node);
    case Op::disjunction:  // elsewhere
    case Op::conjunction:
    case Op::negation:
    case Op::attribute:
    case Op::unequal:  // not in a graph
    case Op::greater:
    case Op::greater_equal: break;
  }
  std::unreachable();
}

Value Computation::has(const Node& node) {
  const auto operands = graph_.operands(node);
  if (!value(operands[0])) return {};
  for (const NodeId attribute_so_far : operands.subspan(1)) {
    const Found found = attribute(graph_[attribute_so_far]).found;
    if (found == Found::misfit) return fail(ErrorClass::type);
    if (found != Found::value) return Value::boolean(false);
  }
  return Value::boolean(true);
}

Value Computation::arithmetic(const Node& node) {
  const auto operands = graph_.operands(node);
  Value sum = value(operands[0]);
  if (!sum) return {};
  if (node.op == Op::minus) {
    if (!sum.is(Kind::integer)) return misfit(sum);
    if (sum.integer() == std::numeric_limits<std::int64_t>::min())
      return fail(ErrorClass::arithmetic);
    return Value::integer(-sum.integer());
  }
  for (std::size_t i = 1; i < operands.size(); ++i) {
    const Value next = value(operands[i]);
    if (!next) return {};
    if (!sum.is(Kind::integer) || !next.is(Kind::integer)) return fail(ErrorClass::type);
    const std::int64_t a = sum.integer();
    const std::int64_t b = next.integer();
    std::int64_t result = 0;
    const bool overflow = node.op == Op::product         ? __builtin_mul_overflow(a, b, &result)
                          : node.source->signs[i] == '+' ? __builtin_add_overflow(a, b, &result)
                                                         : __builtin_sub_overflow(a, b, &result);
    if (overflow) return fail(ErrorClass::arithmetic);
    sum = Value::integer(result);
  }
  return sum;
}

Value Computation::compare(const Node& node) {
  const Value left = value(node.near[0]);
  if (!left) return {};
  const Value right = value(node.near[1]);
  if (!right) return {};
  if (!is_ordered(left) || left.kind() != right.kind()) return fail(ErrorClass::type);
  return Value::boolean(node.op == Op::less ? left.integer() < right.integer()
                                            : left.integer() <= right.integer());
}

Value Computation::membership(const Value& left, NodeId right) {
  const Value target = value(right);
  if (!target) return {};
  if (!left.is(Kind::entity)) return fail(ErrorClass::type);
  const Entity* const entity = look_up(left.uid());
  const auto in = [&](const EntityUid& other) {
    return entity == nullptr ? left.uid() == other : entity->in(other);
  };
  if (target.is(Kind::entity)) return Value::boolean(in(target.uid()));
  if (!target.is(Kind::set)) return fail(ErrorClass::type);
  const auto is_entity = [](const Value& element) { return element.is(Kind::entity); };
  if (!std::ranges::all_of(target.elements(), is_entity)) return fail(ErrorClass::type);
  return Value::boolean(std::ranges::any_of(
      target.elements(), [&](const Value& element) { return in(element.uid()); }));
}

Value Computation::sets(const Node& node) {
  const Value set = value(node.near[0]);
  if (!set) return {};
  if (node.op == Op::is_empty)
    return set.is(Kind::set) ? Value::boolean(set.elements().empty()) : fail(ErrorClass::type);
  const Value other = value(node.near[1]);
  if (!other) return {};
  if (!set.is(Kind::set)) return fail(ErrorClass::type);
  if (node.op == Op::contains) return Value::boolean(set.contains(other));
  if (!other.is(Kind::set)) return fail(ErrorClass::type);
  const auto inside = [&](const Value& element) { return set.contains(element); };
  return Value::boolean(node.op == Op::contains_all
                            ? std::ranges::all_of(other.elements(), inside)
                            : std::ranges::any_of(other.elements(), inside));
}

Value Computation::tag(const Node& node) {
  const Value left = value(node.near[0]);
  if (!left) return {};
  const Value key = value(node.near[1]);
  if (!key) return {};
  if (!left.is(Kind::entity) || !key.is(Kind::string)) return fail(ErrorClass::type);
  const bool asks = node.op == Op::has_tag;
  const Entity* const entity = look_up(left.uid());
  if (entity == nullptr) return asks ? Value::boolean(false) : fail(ErrorClass::entity);
  const bool constant = graph_[node.near[1]].constant();
  const Value found = entity->tags.field(constant ? node.name : Name(key.text()));
  if (asks) return Value::boolean(static_cast<bool>(found));
  return found ? found : fail(ErrorClass::tag);
}

Value Computation::aggregate(const Node& node) {
  const auto operands = graph_.operands(node);
  if (node.op == Op::set) {
    const auto values = scratch_.array<Value>(operands.size());
    for (std::size_t i = 0; i < operands.size(); ++i) {
      values[i] = value(operands[i]);
      if (!values[i]) return {};
    }
    return Value::set(values, scratch_);
  }
  const auto fields = scratch_.array<Field>(operands.size());
  for (std::size_t i = 0; i < operands.size(); ++i) {
    fields[i] = {node.source->path[i], value(operands[i])};
    if (!fields[i].value) return {};
  }
  return Value::record(fields, scratch_);
}

Value Computation::extension(const Node& node) {
  const auto operands = graph_.operands(node);
  const auto values = scratch_.array<Value>(operands.size());
  for (std::size_t i = 0; i < operands.size(); ++i) {
    values[i] = value(operands[i]);
    if (!values[i]) return {};
  }
  const auto result = call(node.function, values, scratch_);
  return result ? *result : fail(result.error().error);
}

}  // namespace latticegate::cedar
