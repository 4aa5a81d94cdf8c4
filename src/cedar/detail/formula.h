// Conditions as formulas, for the analysis: and/or over statements "the atom is in one of these
// states".
//
// Evaluation has three outcomes: yes, no, fails. && || ! and `if` are written out by what they do
// with each, so a formula says exactly when an expression has one of the wanted outcomes. What
// remains are atoms: a comparison of one term with a constant, a membership, a test of presence;
// anything else is an opaque atom, of which nothing is assumed. Terms are what atoms speak of: the
// variables, attributes of terms, and computed things of which, too, nothing is assumed.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/arena.h"
#include "cedar/expression.h"
#include "cedar/policy_set.h"
#include "cedar/value.h"

namespace latticegate::cedar {

// A set of outcomes.
using States = std::uint8_t;
inline constexpr States state_yes = 1;
inline constexpr States state_no = 2;
inline constexpr States state_fails = 4;
inline constexpr States any_state = 7;

using TermId = std::uint32_t;
using AtomId = std::uint32_t;
using FormulaId = std::uint32_t;
inline constexpr std::uint32_t nothing = UINT32_MAX;

struct Term {
  enum class Kind : std::uint8_t { variable, attribute, tag, computed };
  Kind kind = Kind::variable;
  Op variable = Op::context;               // variable
  TermId parent = nothing;                 // attribute, tag
  Name name{};                             // attribute, tag
  const Expression* expression = nullptr;  // computed
  AtomId has = nothing;         // attribute, tag: the test that it is there, if a policy makes it
  std::vector<AtomId> atoms{};  // those about its value
  std::vector<TermId> children{};
};

struct Atom {
  enum class Kind : std::uint8_t {
    less,        // value: of an ordered kind
    less_equal,  // the same
    equal,       // value
    member,      // of values
    like,        // pattern
    truth,       // it is true
    contains,    // it is a set with value in it
    empty,       // it is an empty set
    in,          // value: an entity
    is,          // type
    has,         // the child is there
    opaque,
  };
  Kind kind = Kind::opaque;
  TermId term = nothing;
  TermId child = nothing;
  Value value{};
  std::vector<Value> values{};
  std::span<const PatternPart> pattern{};
  std::string_view type{};
};

struct Formula {
  enum class Kind : std::uint8_t { always, never, literal, all, any };
  Kind kind = Kind::always;
  States states = any_state;  // literal
  AtomId atom = nothing;      // literal
  std::vector<FormulaId> parts{};
};

// A clause of a condition: the order is that of Coverage (cedar/coverage.h).
struct ClauseFormula {
  const Expression* expression = nullptr;
  FormulaId reached{};  // when evaluation comes to it
};

// The policies must outlive it.
class Formulas {
 public:
  Formulas();
  // That the condition has one of the outcomes; not for state_fails alone.
  FormulaId outcome(const Expression& condition, States states);
  FormulaId holds(const Policy& policy);
  FormulaId does_not_hold(const Policy& policy);  // it is false or fails
  FormulaId is_false(const Policy& policy);
  FormulaId is_not_false(const Policy& policy);  // it holds or fails
  std::vector<ClauseFormula> clauses(const Policy& policy);
  FormulaId all(std::vector<FormulaId> parts);
  FormulaId any(std::vector<FormulaId> parts);

  // Formulas grew beyond what is reasonable; nothing can be said then.
  bool too_large() const { return too_large_; }
  const std::vector<Term>& terms() const [[clang::lifetimebound]] { return terms_; }
  const std::vector<Atom>& atoms() const [[clang::lifetimebound]] { return atoms_; }
  // Of an expression that a policy has; nothing when no atom needs its value.
  std::optional<TermId> find_term(const Expression& expression) const;
  const Formula& formula(FormulaId id) const [[clang::lifetimebound]] { return formulas_[id]; }
  // The four variables are always there, in this order.
  static constexpr TermId principal = 0;
  static constexpr TermId action = 1;
  static constexpr TermId resource = 2;
  static constexpr TermId context = 3;
  // Every constant that occurs, for the making of examples.
  const std::vector<Value>& constants() const [[clang::lifetimebound]] { return constants_; }

 private:
  FormulaId make(Formula formula);
  FormulaId literal(AtomId atom, States states);
  FormulaId scope(const ScopeConstraint& constraint, TermId term, States states);
  FormulaId chain(std::span<const Expression* const> operands, States states, bool is_all);
  FormulaId leaf(const Expression& expression, States states);
  FormulaId opaque(const Expression& expression, States states);
  FormulaId membership(TermId term, const Expression& right, const Expression& whole,
                       States states);
  bool literal_groups(const Expression& right);
  FormulaId presence(const Expression& expression, States states);
  FormulaId many(TermId term, std::span<const Value> elements, bool is_all, States states);
  FormulaId order(const Expression& expression, const Expression& left, const Expression& right,
                  Op op, States states);
  FormulaId equality(const Expression& expression, States states);
  void walk(const Expression& expression, FormulaId reached, std::vector<ClauseFormula>& out);

  TermId term_of(const Expression& expression);
  std::string child_key(TermId parent, std::string_view name, bool tag) const;
  TermId child_of(TermId parent, const Name& name, Term::Kind kind);
  AtomId atom_of(Atom atom, const std::string& key);
  AtomId has_atom(TermId child);
  // No value: not a constant.
  Value constant(const Expression& expression);
  bool constants_of(const Expression& expression, std::vector<Value>& out);
  void note(const Value& value);
  void visit(const Expression& expression);

  Arena arena_;
  std::vector<Term> terms_;
  std::vector<std::string> term_keys_;
  std::vector<Atom> atoms_;
  std::vector<Formula> formulas_;
  std::vector<Value> constants_;
  std::map<std::string, TermId> term_ids_;
  std::map<std::string, AtomId> atom_ids_;
  std::size_t size_ = 0;
  bool too_large_ = false;
};

}  // namespace latticegate::cedar
