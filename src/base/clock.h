// Time as an argument: pure modules get a time point, everything else gets a Clock, so that tests
// own the time.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace latticegate::base {

// Wall-clock time in UTC, nanoseconds since 1970. For records, policies and expiry dates.
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;
// Monotonic time; for deadlines, rates and ages.
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual Instant instant() const = 0;
};

// The machine's clocks. Safe from any thread.
class SystemClock final : public Clock {
 public:
  Time now() const override;
  Instant instant() const override;
};

// "2026-11-22T14:02:11.123Z": RFC 3339 in UTC with milliseconds.
std::string to_rfc3339(Time time);
// Milliseconds since 1970.
std::int64_t to_unix_ms(Time time);

}  // namespace latticegate::base
