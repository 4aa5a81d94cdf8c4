// Whether formulas can be true together, case by case; and requests that make them so.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cedar/analysis.h"
#include "cedar/detail/formula.h"
#include "cedar/schema.h"
#include "cedar/type.h"

namespace latticegate::cedar {

// One kind of request. Without a schema there is one, of which nothing is known.
struct Circumstances {
  const Schema* schema = nullptr;
  const SchemaAction* like = nullptr;  // types
  EntityUid action;                    // with a schema
  bool open = false;                   // it may lie in further groups than `in`
  std::span<const EntityUid> in;       // its ancestors
  std::string_view open_attribute;
  std::string_view principal;  // types
  std::string_view resource;
};

// All kinds that the settings speak of.
std::vector<Circumstances> circumstances_of(const AnalysisSettings& settings);

// What a term may be, for the examination of cases.
struct TermValue {
  enum class Shape : std::uint8_t {
    exact,   // value
    text,    // a string that is none of the constants
    set,     // a set that is none of the constants
    record,  // a record: its content is that of the children
  };
  Shape shape = Shape::exact;
  Value value{};
  bool holds_children() const { return shape == Shape::record || value.is(Kind::entity); }
};

// What each term is in one case. Absent: the term fails.
struct Choice {
  bool present = false;
  std::uint32_t candidate = 0;
};
using Case = std::vector<Choice>;

class Solver {
 public:
  // Formulas are complete: none is added afterwards.
  Solver(const Formulas& formulas, const Circumstances& circumstances);

  enum class Outcome : std::uint8_t { impossible, accepted, open };
  // Cases that nothing excludes are shown until one is accepted. `impossible`: there is none.
  Outcome search(std::span<const FormulaId> formulas, std::uint32_t steps,
                 const std::function<bool(const Case&, std::span<const States>)>& accept);

  // What the atom can be by itself.
  States possible(AtomId atom) const { return possible_[atom]; }

  // Whether the formula is false in all cases, at first sight.
  bool excluded(FormulaId formula) const;

  const Circumstances& circumstances() const { return circumstances_; }
  const std::vector<TermValue>& candidates(TermId term) const { return infos_[term].candidates; }
  struct Info {
    const Type* type = nullptr;  // null: unknown
    bool impossible = false;     // it always fails
    bool required = false;       // it is there whenever its parent is a thing with attributes
    bool root = false;
    std::vector<TermValue> candidates;
    std::vector<std::vector<States>> states;  // by candidate, by the term's atoms
  };
  const Info& info(TermId term) const { return infos_[term]; }

  // The groups that an entity lies in for sure; nothing is known when `exact` is false.
  std::span<const EntityUid> known_ancestors(const EntityUid& uid, bool& exact) const;

 private:
  struct Search;
  void learn_types();
  void learn_candidates(TermId term);
  std::vector<EntityUid> fresh_entities(TermId term) const;
  States state_of(const Atom& atom, const TermValue& candidate) const;
  bool fits(TermId term, std::uint32_t candidate, std::span<const States> masks) const;
  bool fits_entity(TermId term, const TermValue& candidate, std::span<const States> masks) const;
  bool may_fail(TermId term, std::span<const States> masks) const;
  bool may_be(TermId term, std::span<const States> masks, Case& chosen) const;
  bool children_fit(TermId term, bool holds, std::span<const States> masks, Case& chosen) const;
  void all_absent(TermId term, Case& chosen) const;
  bool consistent(std::span<const States> masks, Case& chosen) const;

  const Formulas& formulas_;
  Circumstances circumstances_;
  mutable Arena arena_;
  std::deque<EntityUid> uids_;
  std::deque<std::string> texts_;
  std::vector<Info> infos_;
  std::vector<States> possible_;  // by atom
};

}  // namespace latticegate::cedar
