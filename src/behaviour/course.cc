#include "behaviour/course.h"

#include <algorithm>
#include <limits>

namespace latticegate::behaviour {
namespace {

constexpr std::int64_t hour_s = 3600;
constexpr float few = 100;  // calls

std::int64_t seconds_of(base::Time at) {
  return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}

}  // namespace

std::size_t Course::hour_of(base::Time at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::weekday weekday(day);
  const bool weekend = weekday == std::chrono::Saturday || weekday == std::chrono::Sunday;
  const auto hour = std::chrono::duration_cast<std::chrono::hours>(at - day).count();
  return (weekend ? 24U : 0U) + static_cast<std::size_t>(hour);
}

void Course::add(base::Time at) {
  std::uint16_t& count = today_.at(hour_of(at));
  if (count < std::numeric_limits<std::uint16_t>::max()) ++count;
}

void Course::close(float fade) {
  for (std::size_t hour = 0; hour < hours_.size(); ++hour)
    hours_[hour] = hours_[hour] * fade + static_cast<float>(today_[hour]);
  today_ = {};
}

float Course::calls(std::size_t hour) const {
  return hours_.at(hour) + static_cast<float>(today_.at(hour));
}

bool Course::known() const {
  float total = 0;
  for (const float count : hours_) total += count;
  return total >= few;
}

// An hour is also a little what its neighbours are. Few weekends are taken for weekdays.
double Course::share(std::size_t hour) const {
  const auto total_of = [&](std::size_t first) {
    float total = 0;
    for (std::size_t each = first; each < first + 24; ++each) total += hours_[each];
    return total;
  };
  std::size_t first = hour / 24 * 24;
  float total = total_of(first);
  if (total < few) {
    const float other = total_of(24 - first);
    if (other > total) {
      first = 24 - first;
      total = other;
    }
  }
  if (total < 1) return 0;
  const auto near = [&](std::size_t step) { return hours_[first + (hour % 24 + step) % 24]; };
  return static_cast<double>((near(23) + 2 * near(0) + near(1)) / (4 * total));
}

double Course::between(base::Time from, base::Time to) const {
  const std::int64_t end = seconds_of(to);
  std::int64_t at = std::max(seconds_of(from), end - 24 * hour_s);
  double sum = 0;
  while (at < end) {
    const std::int64_t next = std::min(end, (at / hour_s + 1) * hour_s);
    sum += share(hour_of(base::Time(std::chrono::seconds(at)))) * static_cast<double>(next - at) /
           static_cast<double>(hour_s);
    at = next;
  }
  return sum;
}

}  // namespace latticegate::behaviour
