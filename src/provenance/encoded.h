// Encoded: the other forms in which a text may hide, undone.
//
// Base64 (both alphabets), hexadecimal, percent signs, and each of them twice. Only runs that are
// long enough to hide a value (16 characters) are tried.
//
// Posture: texts are hostile. At most 8 results and 16 KiB of them together. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace latticegate::provenance {

// Appends to `out`, whose strings are used again, and says how many there are.
std::size_t decoded_forms(std::string_view text, std::vector<std::string>& out);

}  // namespace latticegate::provenance
