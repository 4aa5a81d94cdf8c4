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

Truth Computation::truth(NodeId id) {
  const Node& node = graph_[id];
  if (node.truth == nowhere) return computed_truth(id, node);
  Truth truth = notes_.truth(node.truth);
  if (truth == Truth::fails) error_ = notes_.error(node.truth);
  if (truth != Truth::unnoted) return truth;
  truth = computed_truth(id, node);
  notes_.note(node.truth, truth, error_);
  return truth;
}

Truth Computation::computed_truth(NodeId id, const Node& node) {
  switch (node.op) {
    case Op::disjunction:
    case Op::conjunction: return chain(node);
    case Op::negation: {
      const Truth inner = truth(operand(node, 0));
      return inner == Truth::fails ? inner : truth_of(inner == Truth::no);
    }
    default: break;
  }
  const Value value = noted_value(id, node);
  if (value.is(Kind::boolean)) return truth_of(value.truth());
  misfit(value);
  return Truth::fails;
}

Truth Computation::chain(const Node& node) {
  const Truth deciding = truth_of(node.op == Op::disjunction);
  for (const NodeId id : graph_.operands(node)) {
    const Truth truth = this->truth(id);
    if (truth == deciding || truth == Truth::fails) return truth;
  }
  return truth_of(deciding == Truth::no);
}

Value Computation::value(NodeId id) {
  const Node& node = graph_[id];
  const bool logical =
      node.op == Op::disjunction || node.op == Op::conjunction || node.op == Op::negation;
  if (!logical && !(node.boolean && node.truth != nowhere)) return noted_value(id, node);
  const Truth truth = this->truth(id);
  return truth == Truth::fails ? Value() : Value::boolean(truth == Truth::yes);
}

Value Computation::noted_value(NodeId id, const Node& node) {
  if (node.op == Op::attribute) {
    const Slot& slot = attribute(id);
    switch (slot.found) {
      case Found::value: return slot.value;
      case Found::no_attribute: return fail(ErrorClass::attribute);
      case Found::no_entity: return fail(ErrorClass::entity);
      case Found::misfit: return fail(ErrorClass::type);
      case Found::failure: return fail(slot.error);
    }
  }
  if (node.slot == nowhere) return computed(node);
  bool noted = false;
  Slot& slot = notes_.slot(node.slot, noted);
  if (!noted) {
    slot.value = computed(node);
    slot.error = error_;
  }
  return slot.value ? slot.value : fail(slot.error);
}

Value Computation::computed(const Node& node) {
  switch (node.op) {
    case Op::literal: return node.value ? node.value : fail(node.error);
    case Op::principal: return Value::entity(&request_.principal);
    case Op::action: return Value::entity(&request_.action);
    case Op::resource: return Value::entity(&request_.resource);
    case Op::context: return request_.context;
    case Op::conditional:
      switch (truth(operand(node, 0))) {
        case Truth::yes: return value(operand(node, 1));
        case Truth::no: return value(operand(node, 2));
        default: return {};
      }
    case Op::minus:
    case Op::sum:
    case Op::product: return arithmetic(node);
    case Op::equal: {
      const Value left = value(operand(node, 0));
      if (!left) return {};
      const Value right = value(operand(node, 1));
      if (!right) return {};
      return Value::boolean(left == right);
    }
    case Op::less:
    case Op::less_equal: return compare(node);
    case Op::in: {
      const Value left = value(operand(node, 0));
      return left ? membership(left, operand(node, 1)) : left;
    }
    case Op::is:
    case Op::is_in: {
      const Value left = value(operand(node, 0));
      if (!left.is(Kind::entity)) return misfit(left);
      const bool same = left.uid().type() == node.source->type;
      if (!same || node.op == Op::is) return Value::boolean(same);
      return membership(left, operand(node, 1));
    }
    case Op::has: return has(node);
    case Op::like: {
      const Value text = value(operand(node, 0));
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

const Computation::Slot& Computation::attribute(NodeId id) {
  const Node& node = graph_[id];
  bool noted = false;
  Slot& slot = notes_.slot(node.slot, noted);
  if (noted) return slot;
  const Value receiver = value(operand(node, 0));
  slot.value = {};
  slot.found = Found::no_attribute;
  switch (receiver.kind()) {
    case Kind::record: slot.value = receiver.field(node.name); break;
    case Kind::entity:
      if (const Entity* const entity = look_up(receiver.uid()))
        slot.value = entity->attributes.field(node.name);
      else
        slot.found = Found::no_entity;
      break;
    case Kind::none:
      slot.found = Found::failure;
      slot.error = error_;
      break;
    default: slot.found = Found::misfit;
  }
  if (slot.value) slot.found = Found::value;
  return slot;
}

Value Computation::has(const Node& node) {
  const auto operands = graph_.operands(node);
  if (!value(operands[0])) return {};
  for (const NodeId attribute_so_far : operands.subspan(1)) {
    const Found found = attribute(attribute_so_far).found;
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
  const Value left = value(operand(node, 0));
  if (!left) return {};
  const Value right = value(operand(node, 1));
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
  const Value set = value(operand(node, 0));
  if (!set) return {};
  if (node.op == Op::is_empty)
    return set.is(Kind::set) ? Value::boolean(set.elements().empty()) : fail(ErrorClass::type);
  const Value other = value(operand(node, 1));
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
  const Value left = value(operand(node, 0));
  if (!left) return {};
  const Value key = value(operand(node, 1));
  if (!key) return {};
  if (!left.is(Kind::entity) || !key.is(Kind::string)) return fail(ErrorClass::type);
  const bool asks = node.op == Op::has_tag;
  const Entity* const entity = look_up(left.uid());
  if (entity == nullptr) return asks ? Value::boolean(false) : fail(ErrorClass::entity);
  const bool constant = graph_[operand(node, 1)].constant();
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
