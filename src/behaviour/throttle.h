// How often something may happen, for one caller: rates by name, as buckets that fill evenly.
//
// A rate of N per time allows N at once and then one every time/N (the generic cell rate algorithm,
// ITU-T I.371 annex A, in its form with one time stamp per name). So in any window of that time
// after a pause there are at most 2N - 1.
//
// A plain value, one time per name that is in use; a name whose bucket is full again is forgotten.
// The owner locks. Memory only: a restart fills all buckets.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace latticegate::behaviour {

struct Rate {
  std::string_view name;
  std::int64_t number = 1;  // from 1
  std::chrono::nanoseconds per{};
};

class Throttle {
 public:
  // Which of the rates has none left, and when it has one again: the one to wait longest for.
  struct Empty {
    std::size_t rate = 0;
    std::chrono::nanoseconds wait{};
  };
  // Takes one from each of the rates if all of them have one left, and nothing otherwise.
  std::optional<Empty> take(std::span<const Rate> rates, base::Instant now);
  std::size_t names() const { return full_.size(); }

 private:
  void forget(base::Instant now);
  std::map<std::string, base::Instant, std::less<>> full_;  // when the bucket is full again
};

}  // namespace latticegate::behaviour
