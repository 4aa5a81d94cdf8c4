// Requests that are made from cases of the solver, or at random.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "cedar/analysis.h"
#include "cedar/detail/solver.h"

namespace latticegate::cedar {

// The same numbers everywhere: an analysis says the same thing twice.
class Dice {
 public:
  std::uint32_t roll(std::size_t sides) {
    state_ ^= state_ << 13U;
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return static_cast<std::uint32_t>((state_ >> 16U) % sides);
  }

 private:
  std::uint64_t state_ = 0x9E3779B97F4A7C15U;
};

class ExampleMaker {
 public:
  // What is made lies in the arena.
  ExampleMaker(const Formulas& formulas, const Solver& solver, Arena& arena);

  // A request in which the terms are what the case says; nothing when it contradicts itself or does
  // not fit the schema.
  std::optional<Example> make(const Case& chosen, std::span<const States> masks);
  // One that is like the case in most respects.
  std::optional<Example> vary(const Case& chosen, std::span<const States> masks, Dice& dice);
  std::optional<Example> at_random(Dice& dice);

 private:
  struct Draft {
    Value attributes = Value::empty_record();
    Value tags = Value::empty_record();
    std::vector<EntityUid> parents;
  };
  std::optional<Example> build(const Case& chosen, std::span<const States> masks,
                               std::span<const EntityUid> extra_parents);
  Value value_of(TermId term);
  Value content_of(TermId term, Term::Kind kind, const Type* type);
  Value entity_of(TermId term, const EntityUid& uid);
  Value default_of(const Type& type);
  Value set_of(TermId term);
  bool must(AtomId atom) const;
  void add_random(TermId term, bool present, Dice& dice);

  const Formulas& formulas_;
  const Solver& solver_;
  Arena& arena_;
  Case chosen_;
  std::vector<States> masks_;
  std::map<EntityUid, Draft> drafts_;
};

}  // namespace latticegate::cedar
