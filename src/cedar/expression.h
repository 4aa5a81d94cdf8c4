// Expressions: the syntax tree of conditions, as parsed. Immutable; owned by the PolicySet that it
// came from.
//
// Chains of && || + - and * are one node with many operands, so that the depth of the tree is
// bounded (max_nesting).
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "cedar/value.h"

namespace latticegate::cedar {

inline constexpr std::uint32_t max_nesting = 512;

// A stretch of source text, in bytes from the start of its file.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

enum class Op : std::uint8_t {
  literal,    // value: boolean, integer, string or entity
  principal,  // the four variables
  action,
  resource,
  context,
  conditional,  // if operands[0] then operands[1] else operands[2]
  disjunction,  // two or more operands
  conjunction,
  negation,  // !
  minus,     // unary -
  sum,       // two or more operands; signs[i] is '+' or '-' (signs[0] is '+')
  product,
  equal,
  unequal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  has,        // path: one name, or several for `has a.b.c`
  like,       // pattern
  is,         // type
  is_in,      // operands[0] is type in operands[1]
  attribute,  // path[0]; written e.a or e["a"]
  contains,   // methods of the language
  contains_all,
  contains_any,
  is_empty,
  has_tag,
  get_tag,
  set,        // operands are the elements
  record,     // path[i] : operands[i]
  extension,  // function; operands are receiver (if a method) and arguments
};

// The functions and methods of the extension types.
enum class Function : std::uint8_t {
  decimal,
  ip,
  datetime,
  duration,
  less_than,
  less_than_or_equal,
  greater_than,
  greater_than_or_equal,
  is_ipv4,
  is_ipv6,
  is_loopback,
  is_multicast,
  is_in_range,
  offset,
  duration_since,
  to_date,
  to_time,
  to_milliseconds,
  to_seconds,
  to_minutes,
  to_hours,
  to_days,
};
// As it is written in policies: "isInRange".
std::string_view name(Function function);
std::optional<Function> function_named(std::string_view name);
bool is_method(Function function);
// How many operands it takes, the receiver included.
std::size_t arity_of(Function function);

// One element of a `like` pattern: a stretch of literal text, or the wildcard (no text).
struct PatternPart {
  bool wildcard = false;
  std::string_view text;
};

struct TemporalBlock;  // cedar/temporal.h

struct Expression {
  Op op = Op::literal;
  Function function = Function::decimal;
  bool indexed = false;     // attribute written with brackets
  std::uint32_t depth = 1;  // of this subtree
  Span span{};
  Value value{};  // literal; for set, record and extension: the constant it always is, if it is one
  std::span<const Expression* const> operands{};
  std::span<const Name> path{};
  std::string_view type{};  // is, is_in: normal form
  std::string_view signs{};
  std::span<const PatternPart> pattern{};
  // Set: written `temporal { ... }`. To Cedar it is an attribute of the context, a Bool.
  const TemporalBlock* temporal = nullptr;
};

// Structural equality: same meaning and same shape; places in the source do not count.
bool same(const Expression& a, const Expression& b);

}  // namespace latticegate::cedar
