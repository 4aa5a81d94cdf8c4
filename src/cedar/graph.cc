#include "cedar/detail/graph.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

namespace latticegate::cedar {
namespace {

// ---- keys: equal bytes iff equal expressions

void append(std::uint64_t number, std::string& key) {
  const auto bytes = std::bit_cast<std::array<char, 8>>(number);
  key.append(bytes.data(), bytes.size());
}

void append(std::string_view text, std::string& key) {
  append(text.size(), key);
  key += text;
}

void append(const Value& value, std::string& key) {
  key += static_cast<char>(value.kind());
  switch (value.kind()) {
    case Kind::none:
    case Kind::unknown: break;
    case Kind::boolean:
    case Kind::integer:
    case Kind::decimal:
    case Kind::datetime:
    case Kind::duration: append(static_cast<std::uint64_t>(value.integer()), key); break;
    case Kind::string: append(value.text(), key); break;
    case Kind::entity:
      append(value.uid().type(), key);
      append(value.uid().id(), key);
      break;
    case Kind::ip:
      for (const std::uint8_t byte : value.range().address) key += static_cast<char>(byte);
      key += static_cast<char>(value.range().prefix);
      key += value.range().v6 ? '6' : '4';
      break;
    case Kind::set:
      append(value.elements().size(), key);
      for (const Value& element : value.elements()) append(element, key);
      break;
    case Kind::record:
      append(value.fields().size(), key);
      for (const Field& field : value.fields()) {
        append(field.name.text(), key);
        append(field.value, key);
      }
  }
}

// What the source alone says about an expression: everything but its operands.
void append_source(const Expression& e, std::string& key) {
  append(e.type, key);
  append(e.signs, key);
  append(e.pattern.size(), key);
  for (const PatternPart& part : e.pattern) {
    key += part.wildcard ? '*' : '"';
    append(part.text, key);
  }
  if (e.op != Op::record) return;  // the names of attributes are in the nodes
  for (const Name& name : e.path) append(name.text(), key);
}

bool is_boolean(Op op, Function function) {
  switch (op) {
    case Op::disjunction:
    case Op::conjunction:
    case Op::negation:
    case Op::equal:
    case Op::unequal:
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
    case Op::in:
    case Op::has:
    case Op::like:
    case Op::is:
    case Op::is_in:
    case Op::contains:
    case Op::contains_all:
    case Op::contains_any:
    case Op::is_empty:
    case Op::has_tag: return true;
    case Op::extension:
      switch (function) {
        case Function::less_than:
        case Function::less_than_or_equal:
        case Function::greater_than:
        case Function::greater_than_or_equal:
        case Function::is_ipv4:
        case Function::is_ipv6:
        case Function::is_loopback:
        case Function::is_multicast:
        case Function::is_in_range: return true;
        default: return false;
      }
    default: return false;
  }
}

// Position of a variable in a scope: principal, action, resource.
std::optional<std::size_t> variable(const Expression& e) {
  switch (e.op) {
    case Op::principal: return 0;
    case Op::action: return 1;
    case Op::resource: return 2;
    default: return std::nullopt;
  }
}

bool is_uid(const Expression& e) { return e.op == Op::literal && e.value.is(Kind::entity); }

// `principal == T::"x"`, `principal in T::"x"`, `principal is T`, `principal is T in T::"x"` as a
// scope constraint; the same of action and resource.
std::optional<ScopeConstraint> as_scope(const Expression& e, Arena& arena) {
  if (e.operands.empty() || !variable(*e.operands[0])) return std::nullopt;
  ScopeConstraint scope{.type = e.type, .span = e.span};
  const auto target = [&](const Expression& right) {
    if (!is_uid(right)) return false;
    scope.uids = arena.copy(std::span(&right.value.uid(), 1));
    return true;
  };
  switch (e.op) {
    case Op::equal:
      scope.kind = ScopeConstraint::Kind::equal;
      if (!target(*e.operands[1])) return std::nullopt;
      return scope;
    case Op::is: scope.kind = ScopeConstraint::Kind::is; return scope;
    case Op::is_in:
      scope.kind = ScopeConstraint::Kind::is_in;
      if (!target(*e.operands[1])) return std::nullopt;
      return scope;
    case Op::in:
      // Not of a list: the index takes one choice between uids for a policy, the action's.
      scope.kind = ScopeConstraint::Kind::in;
      if (!target(*e.operands[1])) return std::nullopt;
      return scope;
    default: return std::nullopt;
  }
}

}  // namespace

// One policy on its way into the graph, with what its scope says.
class Graph::Lowering {
 public:
  Lowering(Graph& graph, const Policy& policy)
      : graph_(graph), scope_{&policy.principal, &policy.action, &policy.resource} {}

  // Adds `e` as wanted. False when nothing after it matters any more.
  bool condition(const Expression& e, bool wanted, Lowered& out) {
    if (e.op == Op::negation) return condition(*e.operands[0], !wanted, out);
    if ((e.op == Op::conjunction && wanted) || (e.op == Op::disjunction && !wanted)) {
      return std::ranges::all_of(
          e.operands, [&](const Expression* operand) { return condition(*operand, wanted, out); });
    }
    const NodeId id = node(e);
    const Node& made = graph_[id];
    if (made.constant() && made.value.is(Kind::boolean)) {
      if (made.value.truth() == wanted) return true;
      out.literals.push_back({id, wanted});
      return false;
    }
    if (wanted && out.literals.empty())
      if (const auto asked = as_scope(e, graph_.arena_)) {
        out.scope[*variable(*e.operands[0])].push_back(*asked);
        return true;
      }
    out.literals.push_back({id, wanted});
    return !made.constant();
  }

  NodeId node(const Expression& e) {
    switch (e.op) {
      case Op::literal: return graph_.constant(e.value);
      case Op::conjunction:
      case Op::disjunction: return chain(e);
      case Op::negation: return graph_.negated(node(*e.operands[0]));
      case Op::conditional: {
        const NodeId guard = node(*e.operands[0]);
        const Node& known = graph_[guard];
        if (known.constant() && known.value.is(Kind::boolean))
          return node(*e.operands[known.value.truth() ? 1 : 2]);
        const NodeId operands[] = {guard, node(*e.operands[1]), node(*e.operands[2])};
        return graph_.intern({.op = e.op, .source = &e}, operands);
      }
      case Op::has: return has(e);
      case Op::unequal:
        if (const auto known = known_by_scope(e)) return graph_.truth_constant(!*known);
        return graph_.negated(strict(e, Op::equal));
      case Op::greater: return graph_.negated(strict(e, Op::less_equal));
      case Op::greater_equal: return graph_.negated(strict(e, Op::less));
      case Op::equal:
      case Op::in:
      case Op::is:
        if (const auto known = known_by_scope(e)) return graph_.truth_constant(*known);
        return strict(e, e.op);
      case Op::set:
      case Op::record:
      case Op::extension:
        if (e.value) return graph_.constant(e.value);
        return strict(e, e.op);
      default: return strict(e, e.op);
    }
  }

 private:
  // Any operator that needs all its operands.
  NodeId strict(const Expression& e, Op op) {
    std::vector<NodeId> operands;
    operands.reserve(e.operands.size());
    for (const Expression* const operand : e.operands) operands.push_back(node(*operand));
    const bool constants = std::ranges::all_of(operands, [&](NodeId id) {
      return graph_[id].constant() && static_cast<bool>(graph_[id].value);
    });
    if (constants && !of_the_store(op, operands)) return folded(e, op, operands);
    Node made{.op = op, .function = e.function, .source = &e};
    made.boolean = is_boolean(op, e.function);
    if (op == Op::attribute) made.name = e.path[0];
    if ((op == Op::has_tag || op == Op::get_tag) && graph_[operands[1]].value.is(Kind::string))
      made.name = Name(graph_[operands[1]].value.text());
    return graph_.intern(made, operands);
  }

  // Whether it asks the entities, or a variable, even if its operands are constant.
  bool of_the_store(Op op, std::span<const NodeId> operands) const {
    switch (op) {
      case Op::principal:
      case Op::action:
      case Op::resource:
      case Op::context:
      case Op::in:
      case Op::is_in:
      case Op::has_tag:
      case Op::get_tag: return true;
      case Op::attribute:
      case Op::has: return graph_[operands[0]].value.is(Kind::entity);
      default: return false;
    }
  }

  // The tree walker computes it, once and for all.
  NodeId folded(const Expression& e, Op op, std::span<const NodeId> operands) {
    std::vector<Expression> literals(operands.size());
    std::vector<const Expression*> pointers;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      literals[i].value = graph_[operands[i]].value;
      pointers.push_back(&literals[i]);
    }
    Expression constant = e;
    constant.op = op;
    constant.operands = pointers;
    const Request nobody;
    const Entities nothing;
    const EntityView view(nothing);
    Evaluator evaluator(nobody, view, graph_.arena_);
    const Value value = evaluator.evaluate(constant);
    return value ? graph_.constant(value) : graph_.failure(evaluator.error().error);
  }

  NodeId chain(const Expression& e) {
    const bool deciding = e.op == Op::disjunction;
    std::vector<NodeId> operands;
    for (const Expression* const operand : e.operands) {
      const NodeId id = node(*operand);
      const Node& made = graph_[id];
      const bool known = made.constant() && made.value.is(Kind::boolean);
      if (known && made.value.truth() != deciding) continue;
      operands.push_back(id);
      if (made.constant()) break;  // it decides, or it fails
    }
    if (operands.empty()) return graph_.truth_constant(!deciding);
    const Node& only = graph_[operands[0]];
    if (operands.size() == 1 && (only.boolean || (only.constant() && !only.value)))
      return operands[0];
    return graph_.intern({.op = e.op, .boolean = true, .source = &e}, operands);
  }

  NodeId has(const Expression& e) {
    std::vector<NodeId> operands{node(*e.operands[0])};
    if (graph_[operands[0]].constant() && !graph_[operands[0]].value) return operands[0];
    if (graph_[operands[0]].constant() && !of_the_store(Op::has, operands))
      return folded(e, Op::has, operands);
    for (const Name& name : e.path) {
      const NodeId receiver = operands.back();
      operands.push_back(
          graph_.intern({.op = Op::attribute, .name = name, .source = &e}, {&receiver, 1}));
    }
    return graph_.intern({.op = Op::has, .boolean = true, .source = &e}, operands);
  }

  // A question about a variable that the scope of this policy has answered.
  std::optional<bool> known_by_scope(const Expression& e) const {
    const auto which = variable(*e.operands[0]);
    if (!which) return std::nullopt;
    const ScopeConstraint& scope = *scope_[*which];
    using Of = ScopeConstraint::Kind;
    const bool exact = scope.kind == Of::equal;
    const bool typed = exact || scope.kind == Of::is || scope.kind == Of::is_in;
    if (!typed || scope.slot) return std::nullopt;
    const std::string_view type = exact ? scope.uids[0].type() : scope.type;
    if (e.op == Op::is) return type == e.type;
    const Expression& right = *e.operands[1];
    if (!is_uid(right)) return std::nullopt;
    const EntityUid& uid = right.value.uid();
    if (e.op == Op::in) {
      if (exact && uid == scope.uids[0]) return true;
      return std::nullopt;
    }
    if (exact) return uid == scope.uids[0];
    if (uid.type() != type) return false;
    return std::nullopt;
  }

  Graph& graph_;
  std::array<const ScopeConstraint*, 3> scope_;
};

NodeId Graph::intern(Node node, std::span<const NodeId> operands) {
  key_.clear();
  key_ += static_cast<char>(node.op);
  key_ += static_cast<char>(node.function);
  key_ += static_cast<char>(node.error);
  append(node.value, key_);
  if (node.op == Op::attribute)
    append(node.name.text(), key_);
  else if (node.source != nullptr && node.op != Op::has)
    append_source(*node.source, key_);
  for (const NodeId operand : operands) append(operand, key_);
  const auto [place, fresh] = known_.try_emplace(key_, static_cast<NodeId>(nodes_.size()));
  if (!fresh) return place->second;
  node.count = static_cast<std::uint32_t>(operands.size());
  if (operands.size() <= node.near.size()) {
    std::ranges::copy(operands, node.near.begin());
  } else {
    node.near[0] = static_cast<NodeId>(operands_.size());
    operands_.insert(operands_.end(), operands.begin(), operands.end());
  }
  for (const NodeId operand : operands) ++uses_[operand];
  uses_.push_back(0);
  nodes_.push_back(node);
  return place->second;
}

NodeId Graph::constant(const Value& value) {
  return intern({.boolean = value.is(Kind::boolean), .value = value}, {});
}

NodeId Graph::failure(ErrorClass error) { return intern({.error = error}, {}); }

NodeId Graph::negated(NodeId id) {
  const Node& node = nodes_[id];
  if (node.constant() && node.value.is(Kind::boolean)) return truth_constant(!node.value.truth());
  if (node.constant() && !node.value) return id;
  if (node.op == Op::negation && nodes_[node.near[0]].boolean) return node.near[0];
  return intern({.op = Op::negation, .boolean = true}, {&id, 1});
}

std::uint32_t Graph::truth_of(NodeId id) {
  Node& node = nodes_[id];
  if (node.truth == nowhere) {
    node.truth = static_cast<std::uint32_t>(truth_nodes_.size());
    truth_nodes_.push_back(id);
  }
  return node.truth;
}

Lowered Graph::lower(const Policy& policy) {
  Lowered out;
  out.scope = {{{policy.principal}, {policy.action}, {policy.resource}}};
  Lowering lowering(*this, policy);
  for (const Condition& condition : policy.conditions)
    if (!lowering.condition(*condition.expression, !condition.unless, out)) break;
  for (Literal& literal : out.literals) {
    // A negation is wanted the other way round.
    while (nodes_[literal.node].op == Op::negation) {
      literal.node = nodes_[literal.node].near[0];
      literal.wanted = !literal.wanted;
    }
    ++uses_[literal.node];
  }
  if (!out.literals.empty()) {
    const Node& first = nodes_[out.literals[0].node];
    out.possible = !(first.constant() && first.value.is(Kind::boolean));
  }
  return out;
}

void Graph::finish() {
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    Node& node = nodes_[id];
    if (node.constant()) continue;
    const bool variable = node.count == 0 && node.op != Op::set && node.op != Op::record;
    if (variable) continue;
    if (node.op == Op::attribute || (!node.boolean && uses_[id] > 1))
      node.slot = static_cast<std::uint32_t>(slots_++);
    else if (node.boolean && uses_[id] > 1)
      truth_of(id);
  }
  known_ = {};
  uses_ = {};
}

}  // namespace latticegate::cedar
