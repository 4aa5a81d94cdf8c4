// Graph: the conditions of a whole policy set with every distinct expression once, constants folded
// and what the scope of a policy decides already left out. What many policies ask is one node, so
// that one request computes it once (see detail/computation.h).
//
// Built once, then only read. Shares the syntax trees that it was made from: their PolicySet must
// outlive it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cedar/arena.h"
#include "cedar/evaluate.h"
#include "cedar/expression.h"
#include "cedar/policy_set.h"
#include "cedar/value.h"

namespace latticegate::cedar {

using NodeId = std::uint32_t;
inline constexpr std::uint32_t nowhere = 0xFFFF'FFFF;

// One expression. Its operator is one of Op, with fewer spellings: `!=` is a negated `==`, `>` a
// negated `<=`, `>=` a negated `<`. The operands of `has` are its receiver, then for each name of
// the path the attribute so far.
struct Node {
  Op op = Op::literal;
  Function function = Function::decimal;
  ErrorClass error = ErrorClass::type;  // literal without a value: the failure that it always is
  bool boolean = false;                 // when it has a value, that is true or false
  std::uint32_t truth = nowhere;        // where a request notes whether it is true
  std::uint32_t slot = nowhere;         // where a request notes its value
  std::uint32_t count = 0;              // of operands
  std::array<NodeId, 2> near{};  // the operands, or if there are more their place in the graph
  Value value{};                 // literal, and aggregates that are constant
  Name name{};                   // attribute; hasTag and getTag with a constant key
  const Expression* source = nullptr;  // for pattern, type, signs and keys

  bool constant() const { return op == Op::literal; }
};
static_assert(sizeof(Node) == 64);  // a cache line

// Whether a node is wanted true or false.
struct Literal {
  NodeId node = 0;
  bool wanted = true;
};

// A policy in the graph.
struct Lowered {
  // What it asks of principal, action and resource by uid and type: its scope, and the conjuncts at
  // the head of its conditions that ask the same and so cannot fail either.
  std::array<std::vector<ScopeConstraint>, 3> scope;
  // The rest of its conditions, looked at in turn: the first one that is not as wanted, or fails,
  // decides.
  std::vector<Literal> literals;
  bool possible = true;  // false: it is never satisfied and never fails
};

class Graph {
 public:
  Lowered lower(const Policy& policy);
  // After the last policy: gives the nodes that are worth noting their places.
  void finish();

  const Node& operator[](NodeId id) const { return nodes_.data()[id]; }
  std::span<const NodeId> operands(const Node& node) const {
    if (node.count <= node.near.size()) return {node.near.data(), node.count};
    return {operands_.data() + node.near[0], node.count};
  }
  std::size_t size() const { return nodes_.size(); }
  std::size_t truths() const { return truth_nodes_.size(); }
  NodeId truth_node(std::uint32_t truth) const { return truth_nodes_[truth]; }
  std::size_t slots() const { return slots_; }
  // The place where the truth of a literal's node is noted; made at the first question.
  std::uint32_t truth_of(NodeId node);

 private:
  class Lowering;

  NodeId intern(Node node, std::span<const NodeId> operands);
  NodeId constant(const Value& value);
  NodeId truth_constant(bool truth) { return constant(Value::boolean(truth)); }
  NodeId failure(ErrorClass error);
  NodeId negated(NodeId node);

  Arena arena_{4096};
  std::vector<Node> nodes_;
  std::vector<NodeId> operands_;
  std::vector<NodeId> truth_nodes_;
  std::size_t slots_ = 0;
  // While building:
  std::vector<std::uint32_t> uses_;
  std::unordered_map<std::string, NodeId> known_;
  std::string key_;
};

}  // namespace latticegate::cedar
