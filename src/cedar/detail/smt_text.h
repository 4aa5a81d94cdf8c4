// Types and constants as SMT-LIB writes them (detail/smt.h).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cedar/type.h"

namespace latticegate::cedar {

// What is an integer there.
bool is_number(Type::Kind kind);
// Empty for what a script cannot speak of.
std::string sort_of(const Type& type);
// Whether values of the two can be equal there.
bool comparable(const Type& a, const Type& b);

std::string number(std::int64_t value);
// Nothing for a text with a character beyond U+2FFFF. The text is UTF-8.
std::optional<std::string> string_literal(std::string_view text);

std::string both(const std::string& a, const std::string& b);
std::string negated(const std::string& a);
// That an integer has 64 bits.
std::string in_range(const std::string& text);

}  // namespace latticegate::cedar
