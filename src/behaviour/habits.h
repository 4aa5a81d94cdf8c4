// The habits of all agents, and what their groups know: one table, safe from any thread.
//
// 64 stripes with a mutex each, held for about a microsecond. At most `agents` are remembered;
// above it the one that was quiet for longest (of its stripe) is forgotten. What a group knows is
// made of its agents: a thing counts as known when two others of them use it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "behaviour/habit.h"
#include "behaviour/keep.h"

namespace latticegate::behaviour {

// `agent` is unique over tenants; `group` may be empty.
struct Who {
  std::string_view agent;
  std::string_view group{};
};

class Habits {
 public:
  explicit Habits(std::size_t agents = 100'000);
  ~Habits();
  Habits(const Habits&) = delete;
  Habits& operator=(const Habits&) = delete;

  Risk before(const Who& who, const Act& act, const Settings& settings);
  Risk after(const Who& who, const Act& act, const Deed& deed, const Settings& settings);
  // What baseline.h found, so that it is told with the rest.
  void note(const Who& who, const Risk& risk, base::Time at);
  void unlearn(std::string_view agent, base::Time at);

  enum class Order : std::uint8_t { ratify, lock, unlock, forget };
  // False when the agent is not known.
  bool order(std::string_view agent, Order order, base::Time at);
  // Calls `with` under the lock. False when the agent is not known.
  bool show(std::string_view agent, const std::function<void(const Habit&)>& with) const;
  std::vector<std::string> agents() const;  // sorted
  std::size_t size() const;

  // Tells `keep` what changed since the last time: a row of JSON for each agent. One stripe's mutex
  // at a time.
  void save(const Keep& keep);
  // Adds a row. False when it should stand under another key: then it is saved again.
  [[nodiscard]] base::Result<bool> load(std::string_view key, std::string_view saved);

 private:
  struct Stripe;
  struct Group;
  Stripe& stripe_of(std::string_view agent) const;
  bool peers_know(const Who& who, const Touched& thing) const;
  void teach_group(const Who& who, const Touched& thing);
  std::unique_ptr<Stripe[]> stripes_;
  std::unique_ptr<Group[]> groups_;
};

}  // namespace latticegate::behaviour
