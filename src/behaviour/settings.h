// What the operator says about normal behaviour; the defaults are meant to be left alone.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace latticegate::behaviour {

struct Settings {
  // A pair of agent and tool is learning until it has taught this many calls and this much time has
  // passed since its first one. While it learns, only the absolute cap below alarms.
  std::uint32_t learn_calls = 20;
  std::chrono::seconds learn_time{0};
  // After that: more than `factor` times the usual maximum is an alarm, unless it is below the
  // floor.
  double factor = 10.0;
  std::uint64_t floor_records = 100;
  std::uint64_t floor_bytes = std::uint64_t{1024} * 1024;
  std::uint64_t floor_calls = 60;  // per minute
  // Absolute cap on the records of one call, in force from the first call; absent: none.
  std::optional<std::uint64_t> max_records;
  // What was learnt counts half after this long.
  std::chrono::seconds half_life{std::chrono::hours{24 * 7}};
  // Whether agents are judged by their habits (habit.h) besides the sizes of their calls.
  bool habits = true;
  // For whoever acts on the risk: whether a conversation is killed, and from which score.
  bool kill = true;
  std::uint32_t kill_score = 90;
  // Whether agents that go on being unusual may do less and less (ladder.h), how long one has to be
  // normal to come down a rung, and the calls a minute that one may make from `throttle` on.
  bool ladder = true;
  std::chrono::seconds ladder_calm{600};
  std::uint32_t ladder_calls = 10;
  // Pairs that are remembered; above it the one that was quiet for longest is forgotten.
  std::size_t pairs = 100'000;
  bool operator==(const Settings&) const = default;
};

}  // namespace latticegate::behaviour
