// The baselines of all agents and tools: one table, safe from any thread.
//
// 64 stripes with a mutex each; a call takes its stripe's for well under a microsecond, twice. The
// table is bounded: above Settings::pairs the pair that was quiet for longest (of its stripe) is
// forgotten and starts to learn again. Pairs come from authenticated agents and known tools, so a
// stranger cannot push others out.
//
// Who is still learning is judged by what its group usually gets with that tool, once two others of
// it have taught: a new agent is no blank cheque.
//
// Settings come with each call, so that a reloaded configuration is in force at once.
// Saved and restored by whoever owns the disk, a row of JSON for each pair, and of these what has
// changed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "behaviour/baseline.h"
#include "behaviour/conversation.h"
#include "behaviour/keep.h"
#include "behaviour/risk.h"
#include "behaviour/settings.h"

namespace latticegate::behaviour {

// Views; copied only when a pair is new. `agent` is unique over tenants.
struct Pair {
  std::string_view agent;
  std::string_view server;
  std::string_view tool;
  std::string_view group{};  // may be empty
};

// What `agents show` tells about a pair.
struct Usual {
  base::Time since{};
  std::uint32_t samples = 0;
  bool mature = false;
  std::uint64_t asked = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t calls_per_minute = 0;
  std::uint64_t records_a_day = 0;
  std::vector<std::string> arguments;  // "limit 1 to 50"
};

class Watch {
 public:
  explicit Watch(std::size_t pairs = Settings{}.pairs);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Before the call: counts it and judges its rate and what it asks for.
  Risk before(const Pair& pair, const Intent& intent, const Settings& settings);
  // After the call: judges the answer, learns from it unless it alarms, and notes the lesson for
  // the conversation (the caller holds the conversation's lock).
  Risk after(const Pair& pair, const Observation& seen, const Settings& settings, Lessons& lessons);
  // The conversation was killed: what it taught lately is taken back.
  void unlearn(Lessons& lessons);

  // An operator: the pair is normal as it is; or: forget it and learn anew. False when it is not
  // known.
  bool ratify(const Pair& pair);
  bool relearn(const Pair& pair);
  std::optional<Usual> usual(const Pair& pair, base::Time now, const Settings& settings) const;
  // All that is known of an agent, by "server/tool". Looks at every pair.
  std::vector<std::pair<std::string, Usual>> usual_of(std::string_view agent, base::Time now,
                                                      const Settings& settings) const;
  std::size_t size() const;

  // Tells `keep` what changed since the last time. Takes one stripe's mutex at a time, so it may
  // run beside calls.
  void save(const Keep& keep);
  // Adds a row; a pair that exists already keeps its present state. False when the row should stand
  // under another key: then it is saved again.
  [[nodiscard]] base::Result<bool> load(std::string_view key, std::string_view saved);

 private:
  struct Stripe;
  Stripe& stripe_of(std::uint64_t key) const;
  // Calls `with(baseline of the group, whether two others taught it)`, under its stripe's mutex.
  template <class With>
  void with_group(const Pair& pair, const With& with);
  bool change(const Pair& pair, const std::function<void(Baseline&)>& with);
  std::unique_ptr<Stripe[]> stripes_;
};

}  // namespace latticegate::behaviour
