#include "behaviour/ladder.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <utility>

#include "json/value.h"
#include "json/write.h"

namespace latticegate::behaviour {
namespace {

constexpr std::size_t most_agents = 4'096;
constexpr std::uint32_t least_score = 20;
constexpr double half_life = 600;  // seconds
constexpr double gone = 0.02;      // pressure that is not worth remembering
// The pressure from which an agent is on a rung; by its number.
constexpr std::array<double, 6> bounds{0, 0.3, 1.0, 2.0, 3.0, 4.5};

std::size_t place(Rung rung) { return static_cast<std::size_t>(rung); }

double seconds(base::Time::duration time) { return std::chrono::duration<double>(time).count(); }

Rung next(Rung rung, int by) { return static_cast<Rung>(static_cast<int>(rung) + by); }

}  // namespace

std::string_view name(Rung rung) {
  switch (rung) {
    case Rung::none: return "none";
    case Rung::observe: return "observe";
    case Rung::throttle: return "throttle";
    case Rung::read_only: return "read_only";
    case Rung::step_up: return "step_up";
    case Rung::quarantine: return "quarantine";
  }
  std::unreachable();
}

double Ladders::faded(const State& state, base::Time at) {
  if (at <= state.at) return state.pressure;  // a clock that goes back
  return state.pressure * std::exp2(-seconds(at - state.at) / half_life);
}

double Ladders::weight(State& state, const Risk& risk, base::Time at) {
  bool fresh = risk.signals.empty();
  for (const Signal& signal : risk.signals) {
    const auto [known, first] = state.kinds.try_emplace(signal.kind, at);
    fresh = fresh || first || seconds(at - known->second) > half_life;
    known->second = std::max(known->second, at);
  }
  return static_cast<double>(std::min(risk.score, 100U)) / 100.0 * (fresh ? 1.0 : 0.1) *
         (risk.learning ? 0.5 : 1.0);
}

// Brings the pressure up to date, and since when it is low. Between two looks it only falls, so the
// moment can be computed.
void Ladders::settle(State& state, base::Time at) {
  const double low = bounds.at(place(state.rung)) / 2;
  if (state.calm == base::Time{} && state.rung != Rung::none) {
    const double now = faded(state, at);
    if (state.pressure <= low) {
      state.calm = std::max(state.at, state.since);
    } else if (now <= low) {
      const double took = half_life * std::log2(state.pressure / low);
      state.calm =
          std::max(state.since, state.at + std::chrono::duration_cast<base::Time::duration>(
                                               std::chrono::duration<double>(took)));
    }
  }
  state.pressure = faded(state, at);
  state.at = std::max(state.at, at);
}

std::optional<Ladders::Change> Ladders::note(std::string_view agent, const Risk& risk,
                                             base::Time at, const Settings& settings) {
  if (!settings.ladder || risk.score < least_score) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  auto entry = agents_.find(agent);
  if (entry == agents_.end()) {
    if (agents_.size() >= most_agents) make_room();
    entry = agents_
                .emplace(std::string(agent),
                         State{.rung = {}, .pressure = 0, .at = at, .since = at, .calm = {}})
                .first;
    size_.store(agents_.size(), std::memory_order_release);
  }
  State& state = entry->second;
  settle(state, at);
  state.pressure += weight(state, risk, at);
  const Rung from = state.rung;
  if (state.pressure > bounds.at(place(from)) / 2) state.calm = {};
  if (from == Rung::quarantine || state.pressure < bounds.at(place(from) + 1)) return std::nullopt;
  state.rung = next(from, 1);
  state.since = at;
  state.calm = {};
  const auto worst = std::ranges::max_element(risk.signals, {}, &Signal::score);
  return Change{
      .agent = std::string(agent),
      .from = from,
      .to = state.rung,
      .sentence = std::format("unusual calls one after the other, the last with risk {}{}{}",
                              risk.score, worst != risk.signals.end() ? ": " : "",
                              worst != risk.signals.end() ? worst->sentence : "")};
}

Rung Ladders::rung(std::string_view agent) const {
  if (size_.load(std::memory_order_acquire) == 0) return Rung::none;
  const std::scoped_lock lock(mutex_);
  const auto entry = agents_.find(agent);
  return entry == agents_.end() ? Rung::none : entry->second.rung;
}

std::optional<Ladders::Standing> Ladders::show(std::string_view agent, base::Time now) const {
  const std::scoped_lock lock(mutex_);
  const auto entry = agents_.find(agent);
  if (entry == agents_.end()) return std::nullopt;
  return Standing{entry->second.rung, faded(entry->second, now), entry->second.since};
}

std::vector<Ladders::Change> Ladders::relax(base::Time now, const Settings& settings) {
  std::vector<Change> changes;
  if (size_.load(std::memory_order_acquire) == 0) return changes;
  const std::scoped_lock lock(mutex_);
  for (auto entry = agents_.begin(); entry != agents_.end();) {
    State& state = entry->second;
    settle(state, now);
    const auto patience =
        state.rung == Rung::quarantine ? settings.ladder_calm * 6 : settings.ladder_calm;
    const bool calm = state.calm != base::Time{} && now - state.calm >= patience;
    if (state.rung != Rung::none && (calm || !settings.ladder)) {
      Change change{.agent = entry->first,
                    .from = state.rung,
                    .to = settings.ladder ? next(state.rung, -1) : Rung::none,
                    .sentence = settings.ladder ? "its behaviour is normal again"
                                                : "behaviour.ladder is off"};
      state.rung = change.to;
      state.since = now;
      state.calm = {};
      changes.push_back(std::move(change));
    }
    if (state.rung == Rung::none && state.pressure < gone)
      entry = agents_.erase(entry);
    else
      ++entry;
  }
  size_.store(agents_.size(), std::memory_order_release);
  return changes;
}

std::optional<Ladders::Change> Ladders::reset(std::string_view agent) {
  const std::scoped_lock lock(mutex_);
  const auto entry = agents_.find(agent);
  if (entry == agents_.end()) return std::nullopt;
  Change change{.agent = entry->first,
                .from = entry->second.rung,
                .to = Rung::none,
                .sentence = "an operator says that it is fine"};
  agents_.erase(entry);
  size_.store(agents_.size(), std::memory_order_release);
  if (change.from == Rung::none) return std::nullopt;
  return change;
}

std::array<std::uint64_t, 6> Ladders::standing() const {
  std::array<std::uint64_t, 6> out{};
  const std::scoped_lock lock(mutex_);
  for (const auto& [agent, state] : agents_) ++out.at(place(state.rung));
  return out;
}

// The calmest leaves: whoever floods the table with names of its own leaves first.
void Ladders::make_room() {
  const auto calmest = std::ranges::min_element(agents_, [](const auto& a, const auto& b) {
    return std::pair(a.second.rung, a.second.pressure) <
           std::pair(b.second.rung, b.second.pressure);
  });
  if (calmest != agents_.end()) agents_.erase(calmest);
}

std::string Ladders::save() const {
  std::string out;
  const std::scoped_lock lock(mutex_);
  for (const auto& [agent, state] : agents_) {
    json::Writer(out)
        .begin_object()
        .member("agent", agent)
        .member("rung", static_cast<std::int64_t>(place(state.rung)))
        .member("pressure", static_cast<std::int64_t>(std::llround(state.pressure * 1000)))
        .member("at", std::int64_t{state.at.time_since_epoch().count()})
        .member("since", std::int64_t{state.since.time_since_epoch().count()})
        .end_object();
    out += '\n';
  }
  return out;
}

base::Result<void> Ladders::load(std::string_view saved) {
  std::map<std::string, State, std::less<>> read;
  for (std::size_t line = 1; !saved.empty() && read.size() < most_agents; ++line) {
    const std::string_view text = saved.substr(0, saved.find('\n'));
    saved.remove_prefix(std::min(saved.size(), text.size() + 1));
    const auto document = json::Document::parse(text);
    if (!document)
      return base::fail(base::Code::malformed,
                        std::format("line {}: {}", line, document.error().detail));
    const json::Value root = document->root();
    const auto agent = root["agent"].string();
    const std::int64_t rung = root["rung"].integer().value_or(-1);
    const std::int64_t pressure = root["pressure"].integer().value_or(-1);
    if (!agent || rung < 0 || rung > 5 || pressure < 0 || pressure > 1'000'000)
      return base::fail(base::Code::malformed, std::format("line {}: no standing", line));
    const auto time = [&](std::string_view key) {
      return base::Time(std::chrono::nanoseconds(root[key].integer().value_or(0)));
    };
    read.insert_or_assign(std::string(*agent),
                          State{.rung = static_cast<Rung>(rung),
                                .pressure = static_cast<double>(pressure) / 1000.0,
                                .at = time("at"),
                                .since = time("since"),
                                .calm = {}});
  }
  const std::scoped_lock lock(mutex_);
  agents_ = std::move(read);
  size_.store(agents_.size(), std::memory_order_release);
  return {};
}

}  // namespace latticegate::behaviour
