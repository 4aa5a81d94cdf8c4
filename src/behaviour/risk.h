// What is unusual about one call, as data: no verdict. The policy decides what follows from it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace latticegate::behaviour {

// The kinds of deviation. Their names are what policies match in `context.risk.signals`.
enum class Kind : std::uint8_t {
  records,        // "records": more records in the answer than usual
  records_asked,  // "records_asked": the arguments ask for more than usual
  records_cap,    // "records_cap": above the configured maximum, asked for or answered
  bytes,          // "bytes": a larger answer than usual
  call_rate,      // "call_rate": more calls in this minute than usual
};
std::string_view name(Kind kind);

// One deviation, with everything that explains it.
struct Signal {
  Kind kind{};
  std::uint32_t score = 0;  // 1..100
  std::uint64_t usual = 0;  // the usual maximum, or the cap
  std::uint64_t seen = 0;
  base::Time since{};         // when the baseline began; the epoch for a cap
  std::uint32_t samples = 0;  // observations that taught the baseline
  std::string sentence{};     // for people
};

struct Risk {
  std::uint32_t score =
      0;                  // 0 nothing .. 100; the highest signal and a little for each further one
  bool learning = false;  // the baseline is not mature: silence means little
  std::vector<Signal> signals;  // empty for nearly every call, then nothing was allocated

  void add(Signal signal);
  // Joins what another look at the same call found.
  void join(Risk other);
};

}  // namespace latticegate::behaviour
