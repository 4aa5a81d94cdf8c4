// Computation: what nodes of a Graph are worth for one request, each computed at most once.
//
// The nodes' depth is bounded by max_nesting (chains are one node), so recursion is.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cedar/arena.h"
#include "cedar/detail/graph.h"
#include "cedar/entity.h"
#include "cedar/evaluate.h"
#include "cedar/value.h"

namespace latticegate::cedar {

enum class Truth : std::uint8_t { unnoted, no, yes, fails };

// What a request has noted about nodes. Wiping costs nothing: an entry counts only if it carries
// the number of the request.
class NodeNotes {
 public:
  // What an attribute turned out to be.
  enum class Found : std::uint8_t { value, no_attribute, no_entity, misfit, failure };
  struct Slot {
    Value value;
    std::uint32_t stamp = 0;
    std::uint16_t hint = 0;  // where in its record the attribute was the last time
    Found found = Found::value;
    ErrorClass error = ErrorClass::type;  // failure: of the receiver
  };

  void fit(std::size_t truths, std::size_t slots) {
    truths_.assign(truths, 0);
    errors_.assign(truths, ErrorClass::type);
    slots_.assign(slots, {});
    round_ = 0;
    stamp_ = 0;
  }
  void clear() {
    constexpr std::uint8_t last_round = 63;
    if (round_++ == last_round) {
      std::ranges::fill(truths_, std::uint8_t{0});
      round_ = 1;
    }
    if (++stamp_ == 0) {
      std::ranges::fill(slots_, Slot{});
      stamp_ = 1;
    }
  }
  // Places are the graph's: within bounds by construction, so they are not checked again here.
  Truth truth(std::uint32_t place) const {
    const std::uint8_t noted = truths_.data()[place];
    return (noted >> 2U) == round_ ? static_cast<Truth>(noted & 3U) : Truth::unnoted;
  }
  ErrorClass error(std::uint32_t place) const { return errors_.data()[place]; }
  void note(std::uint32_t place, Truth truth, ErrorClass error) {
    truths_.data()[place] =
        static_cast<std::uint8_t>((round_ << 2U) | static_cast<std::uint8_t>(truth));
    if (truth == Truth::fails) errors_.data()[place] = error;
  }
  Slot& slot(std::uint32_t place) { return slots_.data()[place]; }
  bool noted(const Slot& slot) const { return slot.stamp == stamp_; }
  void note(Slot& slot) const { slot.stamp = stamp_; }

 private:
  std::vector<std::uint8_t> truths_;  // round and Truth
  std::vector<ErrorClass> errors_;
  std::vector<Slot> slots_;
  std::uint8_t round_ = 0;
  std::uint32_t stamp_ = 0;
};

class Computation {
 public:
  // All arguments must outlive it. `entities` are those of principal, action and resource.
  Computation(const Graph& graph, const Request& request, const EntityView& view,
              const std::array<const Entity*, 3>& entities, Arena& scratch, NodeNotes& notes)
      : graph_(graph),
        request_(request),
        view_(view),
        entities_(entities),
        scratch_(scratch),
        notes_(notes) {}

  // Never `unnoted`. After `fails` error() says why.
  Truth truth(NodeId id) {
    const Node& node = graph_[id];
    if (node.truth != nowhere) {
      const Truth noted = notes_.truth(node.truth);
      if (noted == Truth::fails) error_ = notes_.error(node.truth);
      if (noted != Truth::unnoted) return noted;
    }
    return computed_truth(node);
  }
  ErrorClass error() const { return error_; }

 private:
  using Found = NodeNotes::Found;
  using Slot = NodeNotes::Slot;

  // The value of a node; none: it fails, and error_ says why.
  Value value(NodeId id) {
    const Node& node = graph_[id];
    if (node.op == Op::literal && node.value) return node.value;
    if (node.op == Op::attribute) {
      const Slot& slot = attribute(node);
      return slot.found == Found::value ? slot.value : missing(slot);
    }
    return other_value(node);
  }
  const Slot& attribute(const Node& node) {
    Slot& slot = notes_.slot(node.slot);
    if (!notes_.noted(slot)) look_at(node, slot);
    return slot;
  }

  Truth computed_truth(const Node& node);
  Truth chain(const Node& node);
  Value other_value(const Node& node);
  Value computed(const Node& node);
  void look_at(const Node& node, Slot& slot);
  Value missing(const Slot& slot);
  Value has(const Node& node);
  Value arithmetic(const Node& node);
  Value compare(const Node& node);
  Value membership(const Value& left, NodeId right);
  Value sets(const Node& node);
  Value tag(const Node& node);
  Value aggregate(const Node& node);
  Value extension(const Node& node);
  const Entity* look_up(const EntityUid& uid) const;
  Value fail(ErrorClass error) {
    error_ = error;
    return {};
  }
  // A value of another kind than needed; the failure stays if there was one before.
  Value misfit(const Value& value) { return value ? fail(ErrorClass::type) : Value(); }

  const Graph& graph_;
  const Request& request_;
  const EntityView& view_;
  const std::array<const Entity*, 3>& entities_;
  Arena& scratch_;
  NodeNotes& notes_;
  ErrorClass error_ = ErrorClass::type;
};

}  // namespace latticegate::cedar
