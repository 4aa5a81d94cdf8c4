// Histories: what callers have done, for the temporal conditions of policies, and its way through a
// restart.
//
// One history per principal (agent and user, whatever its sessions), one per agent, one of all
// (policy::Whose). They exist only while policies look back. Together they hold at most 64 MiB,
// each at most 256 KiB, and there are at most two per limits.conversations: above that a caller has
// none, and conditions about it have no answer, which denies. Those about which no condition could
// ask any more are forgotten.
//
// What changed is written about once a second, at most 4 MiB of it, and at the end: a process that
// is killed forgets the last second.
//
// Safe from any thread; the table has a mutex that is asked once per credential, not per call.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/memory.h"
#include "identity/caller.h"
#include "policy/history.h"

namespace latticegate::gateway {

using SharedHistories = std::array<std::shared_ptr<policy::History>, policy::whose_count>;

class Histories {
 public:
  // `memory` and `log` outlive it. Without a memory nothing survives a restart.
  Histories(Memory* memory, const base::Log& log) : memory_(memory), log_(log) {}

  // What was remembered; before any call.
  void restore(base::Time now);
  // Those of a caller. `limit`: limits.conversations.
  SharedHistories of(std::string_view principal, const identity::CallerProfile& profile,
                     std::size_t limit, base::Time now);
  // Writes what changed and forgets what is idle, a part of it at a time.
  void save(base::Time now);
  // Writes all that changed.
  void save_all();
  std::size_t size() const;

 private:
  using Table = std::map<std::string, std::shared_ptr<policy::History>, std::less<>>;
  std::shared_ptr<policy::History> find(std::string key, std::size_t limit, base::Time now);
  bool forget(Table::iterator entry, base::Time now);
  temporal::Limits limits() { return {.budget = &budget_}; }

  Memory* memory_;
  const base::Log& log_;
  temporal::Budget budget_;
  mutable std::mutex mutex_;
  Table table_;
  std::string written_;  // how far save() came last time
  std::string swept_;
};

}  // namespace latticegate::gateway
