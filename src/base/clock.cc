#include "base/clock.h"

#include <format>

namespace latticegate::base {

Time SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

Instant SystemClock::instant() const {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now());
}

std::string to_rfc3339(Time time) {
  return std::format("{:%FT%T}Z", std::chrono::floor<std::chrono::milliseconds>(time));
}

std::int64_t to_unix_ms(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

}  // namespace latticegate::base
