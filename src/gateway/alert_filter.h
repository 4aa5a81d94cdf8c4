// Which alerts of a channel are told: the same one once in a while, and not too many in a minute.
// What is held back is counted, and the next one that is told says so.
//
// Pure; at most 1,024 different ones are remembered, and above that the one told longest ago is
// forgotten. The owner locks.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace latticegate::gateway {

class AlertFilter {
 public:
  enum class Verdict : std::uint8_t { told, repeated, limited };
  struct Answer {
    Verdict verdict{};
    // When it is told: how often the same one was not, and how many others were left out, since.
    std::uint64_t repeats = 0;
    std::uint64_t left_out = 0;
  };
  // `same` names what it is about.
  Answer judge(std::string_view same, base::Instant now, std::chrono::milliseconds repeat,
               std::uint32_t per_minute);

 private:
  struct Entry {
    base::Instant told{};
    std::uint64_t repeats = 0;
  };
  std::map<std::string, Entry, std::less<>> known_;
  base::Instant minute_{};  // when the one that is counted began
  std::uint32_t in_minute_ = 0;
  std::uint64_t left_out_ = 0;
  bool began_ = false;
};

}  // namespace latticegate::gateway
