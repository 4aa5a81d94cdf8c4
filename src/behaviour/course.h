// The course of a day: which share of it usually falls into each hour, of weekdays and of weekends.
//
// Today teaches when it is over, unless it was told of. A plain value of about 300 bytes; the owner
// locks.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace latticegate::behaviour {

class Course {
 public:
  void add(base::Time at);
  // Today is over.
  void close(float fade);
  void spoil() { today_ = {}; }
  // Whether enough is known to hold anything against it.
  bool known() const;
  // The share of a usual day between two times; at most a day is looked at.
  double between(base::Time from, base::Time to) const;
  // Calls of an hour, 0..23 of weekdays and 24..47 of weekends, with today's.
  float calls(std::size_t hour) const;
  static std::size_t hour_of(base::Time at);
  std::array<float, 48>& learnt() { return hours_; }
  const std::array<float, 48>& learnt() const { return hours_; }

 private:
  double share(std::size_t hour) const;
  std::array<float, 48> hours_{};  // fading
  std::array<std::uint16_t, 48> today_{};
};

}  // namespace latticegate::behaviour
