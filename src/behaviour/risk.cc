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
    case Kind::day_volume: return "day_volume";
    case Kind::drift: return "drift";
    case Kind::new_tool: return "new_tool";
    case Kind::new_server: return "new_server";
    case Kind::new_segment: return "new_segment";
    case Kind::new_domain: return "new_domain";
    case Kind::new_schema: return "new_schema";
    case Kind::new_table: return "new_table";
    case Kind::new_host: return "new_host";
    case Kind::new_path: return "new_path";
    case Kind::hour: return "hour";
    case Kind::order: return "order";
    case Kind::denials: return "denials";
    case Kind::errors: return "errors";
    case Kind::loop: return "loop";
    case Kind::enumeration: return "enumeration";
    case Kind::argument: return "argument";
    case Kind::entities: return "entities";
    case Kind::hour_volume: return "hour_volume";
    case Kind::surplus: return "surplus";
    case Kind::canary: return "canary";
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
