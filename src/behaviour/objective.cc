#include "behaviour/objective.h"

#include <utility>

namespace latticegate::behaviour {
namespace {

using std::chrono::minutes;

struct Pair {
  Budget::Pace pace{};
  minutes shorter{};
  minutes longer{};
  double burn = 0;
};
constexpr std::array<Pair, 2> pairs{
    Pair{Budget::Pace::fast, minutes(5), minutes(60), 14.4},
    Pair{Budget::Pace::slow, minutes(30), minutes(360), 6.0},
};

std::int64_t minute_of(base::Time at) {
  return std::chrono::floor<minutes>(at).time_since_epoch().count();
}

}  // namespace

std::string_view name(Objective::Of of) {
  switch (of) {
    case Objective::Of::denials: return "denials";
    case Objective::Of::risk: return "risk";
    case Objective::Of::novelty: return "novelty";
    case Objective::Of::records: return "records";
  }
  std::unreachable();
}

std::string_view name(Budget::Pace pace) { return pace == Budget::Pace::fast ? "fast" : "slow"; }

bool Budget::is_bad(const Judged& call) const {
  switch (objective_.of) {
    case Objective::Of::denials: return call.denied;
    case Objective::Of::risk: return call.score >= objective_.above;
    case Objective::Of::novelty: return call.novel;
    case Objective::Of::records: return call.records > objective_.above;
  }
  std::unreachable();
}

void Budget::count(const Judged& call, base::Time at) {
  const bool bad = is_bad(call);
  const std::int64_t minute = minute_of(at);
  const std::scoped_lock lock(mutex_);
  Minute& slot = ring_.at(static_cast<std::size_t>(((minute % minutes) + minutes) % minutes));
  if (slot.at != minute) slot = {.at = minute};
  ++slot.calls;
  ++calls_;
  if (!bad) return;
  ++slot.bad;
  ++bad_;
}

Budget::Window Budget::sum(std::chrono::minutes length, std::int64_t now) const {
  Window out;
  for (const Minute& slot : ring_) {
    if (slot.at < 0 || slot.at > now || now - slot.at >= length.count()) continue;
    out.calls += slot.calls;
    out.bad += slot.bad;
  }
  const double allowed = 1.0 - objective_.target / 100.0;
  if (out.calls > 0 && allowed > 0)
    out.burn = static_cast<double>(out.bad) / static_cast<double>(out.calls) / allowed;
  return out;
}

Budget::Window Budget::window(std::chrono::minutes length, base::Time now) const {
  const std::scoped_lock lock(mutex_);
  return sum(length, minute_of(now));
}

std::uint64_t Budget::calls() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

std::uint64_t Budget::bad() const {
  const std::scoped_lock lock(mutex_);
  return bad_;
}

std::vector<Budget::Change> Budget::look(base::Time now) {
  std::vector<Change> changes;
  const std::int64_t minute = minute_of(now);
  const std::scoped_lock lock(mutex_);
  for (const Pair& pair : pairs) {
    const Window shorter = sum(pair.shorter, minute);
    const Window longer = sum(pair.longer, minute);
    bool& burning = burning_.at(static_cast<std::size_t>(pair.pace));
    // Too few calls say nothing: what burned goes on, and nothing begins.
    const bool above = shorter.burn >= pair.burn && longer.burn >= pair.burn &&
                       (burning || shorter.calls >= objective_.least);
    if (above == burning) continue;
    burning = above;
    changes.push_back({.pace = pair.pace, .burning = above, .shorter = shorter, .longer = longer});
  }
  return changes;
}

}  // namespace latticegate::behaviour
