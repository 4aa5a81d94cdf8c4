// Temporal conditions as written: what stands in `when temporal { ... }`.
//
// Syntax and meaning are those of Dogwood (dogwood-policy/dogwood, chapters 4 and 8 of its guide):
// only the past, each operator with a window, conjunction and negation, counts and sums. Cedar
// itself never sees a condition: each block is one attribute of the context,
// context["<policy>__temporal_<i>"], a Bool that module `temporal` finds out; see there for what is
// accepted beyond the grammar. Macros are not read.
//
// Everything here lies in the arena of the PolicySet that it came from and is immutable.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cedar/expression.h"
#include "cedar/value.h"

namespace latticegate::cedar {

inline constexpr std::uint32_t max_temporal_nesting = 64;

struct TemporalFormula;

// `n: Long`, `t: Timepoint`, `a: Mcp::Agent`.
struct Variable {
  std::string_view name{};
  std::string_view type{};
  Span span{};
};

struct TemporalTerm {
  enum class Kind : std::uint8_t {
    literal,    // value: boolean, integer, string, decimal or entity
    context,    // path: context.input.limit of the request that is decided
    principal,  // path, perhaps empty: the request's principal or an attribute of it
    resource,
    variable,  // name
    wildcard,  // _ or *
    count,     // of the rows of `body`, over `domain`
    sum,       // of the variable `name` of these rows
  };
  Kind kind = Kind::wildcard;
  Span span{};
  Value value{};
  std::span<const Name> path{};
  std::string_view name{};
  std::span<const Variable> domain{};
  const TemporalFormula* body = nullptr;
};

// `input.user: context.input.user` in the braces of an event.
struct FieldPattern {
  std::span<const Name> path{};
  Span span{};
  TemporalTerm term{};
};

struct TemporalFormula {
  enum class Op : std::uint8_t {
    conjunction,  // two or more operands
    negation,
    formerly,    // at some point of the window
    previous,    // at the point before this one, if it is in the window
    since,       // operands[0] at every point after one in the window where operands[1] held
    event,       // action, kind, fields
    comparison,  // left, right
    exists,      // variable
    moment,      // tp(variable)
  };
  enum class Comparison : std::uint8_t { equal, less, less_equal, greater, greater_equal };
  Op op = Op::event;
  Comparison comparison = Comparison::equal;
  std::uint32_t depth = 1;   // of this subtree, with the bodies of aggregates
  std::int64_t seconds = 0;  // the window
  Span span{};
  std::span<const TemporalFormula* const> operands{};
  TemporalTerm left{};
  TemporalTerm right{};
  Variable variable{};
  EntityUid action{};
  std::string_view kind{};
  std::span<const FieldPattern> fields{};
};

// One `temporal { ... }` of a policy.
struct TemporalBlock {
  const TemporalFormula* formula = nullptr;
  Span span{};                 // with the word and the braces
  std::string_view text{};     // in one normal layout: the same text, the same condition
  std::string_view history{};  // the annotation @history of its policy: which events it is about
  Name* attribute = nullptr;   // of the context; written when the policy gets its id
};

// In one normal layout.
std::string print(const TemporalFormula& formula);

}  // namespace latticegate::cedar
