// Which scripts the characters belong to, and which are usual in names.
#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace latticegate::cedar {

// One bit per script.
struct ScriptSet {
  std::array<std::uint64_t, 3> bits;
};

struct ScriptRange {
  std::uint32_t first;
  std::uint32_t last;
  std::uint32_t set;  // index into script_sets()
};

struct CodeRange {
  std::uint32_t first;
  std::uint32_t last;
};

// Sorted. Characters that are in no range go with every script.
std::span<const ScriptRange> script_ranges();
std::span<const ScriptSet> script_sets();

// Sorted; beyond ASCII.
std::span<const CodeRange> allowed_in_names();

}  // namespace latticegate::cedar
