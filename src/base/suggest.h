// "Did you mean": the nearest of the known words to one that is not known.
#pragma once
#include <optional>
#include <span>
#include <string_view>

namespace latticegate::base {

// The candidate with the smallest Damerau-Levenshtein distance, if that is at most a third of the
// word's length (and at least 1). Ties go to the earlier one. Words above 64 bytes get no
// suggestion.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

}  // namespace latticegate::base
