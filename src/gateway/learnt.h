// Learnt: what the gateway learnt of agents (baselines, habits, the ladder, trails), and the disk.
//
// Only what changed is written, a row for each, by a thread of the owner's every 30 seconds and at
// the end; a row that cannot be read is left out with a warning. The first answer of a source that
// an agent had not read before is written at once: whoever could make the gateway restart would
// launder it otherwise. Trails are forgotten when they have expired.
//
// save() and keep_trail() from any thread; restore() before any call.
#pragma once
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "behaviour/habits.h"
#include "behaviour/ladder.h"
#include "behaviour/watch.h"
#include "gateway/conversation.h"
#include "gateway/memory.h"

namespace latticegate::gateway {

class Learnt {
 public:
  // All outlive it.
  Learnt(Memory& memory, behaviour::Watch& watch, behaviour::Habits& habits,
         behaviour::Ladders& ladders, Principals& principals, const base::Log& log)
      : memory_(memory),
        watch_(watch),
        habits_(habits),
        ladders_(ladders),
        principals_(principals),
        log_(log) {}
  Learnt(const Learnt&) = delete;
  Learnt& operator=(const Learnt&) = delete;

  // `expiry`: of trails.
  void restore(base::Time now, std::chrono::nanoseconds expiry);
  void save(base::Time now, std::chrono::nanoseconds expiry);
  void keep_trail(Principal& principal, base::Time now);

 private:
  void restore_trails(base::Time now, std::chrono::nanoseconds expiry);
  Memory& memory_;
  behaviour::Watch& watch_;
  behaviour::Habits& habits_;
  behaviour::Ladders& ladders_;
  Principals& principals_;
  const base::Log& log_;
  std::mutex mutex_;
  std::map<std::string, base::Time> trails_;  // that are kept, and when they changed
};

}  // namespace latticegate::gateway
