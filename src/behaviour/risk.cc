#include "behaviour/risk.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace latticegate::behaviour {

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::records: return "records";
    case Kind::records_asked: return "records_asked";
    case Kind::records_cap: return "records_cap";
    case Kind::bytes: return "bytes";
    case Kind::call_rate: return "call_rate";
  }
  std::unreachable();
}

void Risk::add(Signal signal) {
  constexpr std::uint32_t further = 5;
  const std::uint32_t highest = std::max(score, signal.score);
  score = std::min(100U, signals.empty() ? highest : highest + further);
  signals.push_back(std::move(signal));
}

void Risk::join(Risk other) {
  learning = learning || other.learning;
  for (Signal& signal : other.signals) add(std::move(signal));
}

}  // namespace latticegate::behaviour
