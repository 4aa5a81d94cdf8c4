#include "behaviour/throttle.h"

#include <algorithm>

namespace latticegate::behaviour {

std::optional<Throttle::Empty> Throttle::take(std::span<const Rate> rates, base::Instant now) {
  Empty empty;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto known = full_.find(rates[i].name);
    if (known == full_.end()) continue;
    const auto wait = known->second - now - (rates[i].per - rates[i].per / rates[i].number);
    if (wait > empty.wait) empty = {i, wait};
  }
  if (empty.wait > std::chrono::nanoseconds::zero()) return empty;
  for (const Rate& rate : rates) {
    auto known = full_.find(rate.name);
    if (known == full_.end()) {
      forget(now);
      known = full_.emplace(rate.name, now).first;
    }
    known->second = std::max(known->second, now) + rate.per / rate.number;
  }
  return std::nullopt;
}

void Throttle::forget(base::Instant now) {
  std::erase_if(full_, [now](const auto& entry) { return entry.second <= now; });
}

}  // namespace latticegate::behaviour
