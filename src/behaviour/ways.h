// Ways: in which order an agent uses its tools, and how surprising the latest steps are.
//
// A transition model of variable order: the chance of a step by the two steps before it where they
// were seen often enough, else by the one before, else by how often the tool is used at all. A
// step's surprise is -log2 of its chance, at most 10 bits; what is judged is its running mean over
// about the last five steps, against the highest that was usual.
//
// 64 tools; further ones share the last place. A pause of ten minutes begins a new way. Counts
// halve when one is full, so that old ways fade. A plain value of about 8 KiB; O(1). The owner
// locks.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "behaviour/sketch.h"

namespace latticegate::behaviour {

class Ways {
 public:
  struct Surprise {
    double bits = 0;   // the running mean
    double usual = 0;  // the highest usual one
  };
  // A step with a tool, by the hash of its name. Tells when it is surprising.
  std::optional<Surprise> step(std::uint64_t tool, base::Time at, bool teach);
  std::uint32_t steps() const { return steps_; }

  // As hexadecimal digits of its counts, zeros run-length coded.
  std::string save() const;
  static Ways load(std::string_view saved);

 private:
  static constexpr std::size_t tools = 64;
  std::size_t place_of(std::uint64_t tool);
  double chance(std::size_t tool) const;
  void learn(std::size_t tool);
  std::array<std::uint64_t, tools> names_{};
  std::array<std::uint8_t, tools * tools> pairs_{};  // [before][tool]
  std::array<std::uint8_t, 2048> triples_{};         // by hash
  std::array<std::uint8_t, 512> contexts_{};         // of two steps, by hash
  Sketch surprises_;                                 // 16ths of bits
  base::Time last_{};
  double mean_ = 0;
  std::uint32_t steps_ = 0;
  std::uint8_t before_ = 0;  // place 0: the beginning
  std::uint8_t before_that_ = 0;
};

}  // namespace latticegate::behaviour
