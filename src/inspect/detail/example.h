// The notation of examples in rule files: "ghp_<crc62:30>" -> a token that looks like a real one.
#pragma once
#include <string>
#include <string_view>

namespace latticegate::inspect {

// Expands "<class:n>", "<crc62:n>", "<jwt>" and "<pem:LABEL>" (src/inspect/rules/README.md);
// everything else stays. The same notation and seed give the same text.
std::string expand_example(std::string_view notation, std::string_view seed);

}  // namespace latticegate::inspect
