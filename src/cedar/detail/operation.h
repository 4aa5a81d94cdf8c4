// What operators and functions make of values that are computed already; shared by the tree walker
// and the compiled form, so that neither owns the rules of the extension types. Pure; allocates
// only in the arena.
#pragma once
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "cedar/arena.h"
#include "cedar/evaluate.h"
#include "cedar/expression.h"
#include "cedar/value.h"

namespace latticegate::cedar {

// Why a call of an extension function has no value.
struct Misuse {
  ErrorClass error = ErrorClass::type;
  Kind expected = Kind::none;  // type: what operand number `operand` had to be
  std::uint32_t operand = 0;
};

// An extension function or method; none of the operands is unknown.
std::expected<Value, Misuse> call(Function function, std::span<const Value> operands, Arena& arena);

// `text like pattern`.
bool matches(std::string_view text, std::span<const PatternPart> pattern);

}  // namespace latticegate::cedar
