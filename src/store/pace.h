// How many waiting records a commit should gather before it starts, so that commits cost little
// under load and a lone call waits for nothing. No clock in it: the writer reports what happened.
//
// One commit costs as much processor time as two or three calls, whether it holds one record or
// sixty. So the target grows while records queue up during commits (there are more callers than a
// batch holds) and falls to what really came when the writer waited in vain. A sequential caller
// never leaves a record behind, so its target stays one.
#pragma once
#include <algorithm>
#include <cstddef>

namespace latticegate::store {

class Pace {
 public:
  static constexpr std::size_t most = 64;

  // Records to gather; the writer starts earlier when its time for gathering is over.
  std::size_t target() const { return target_; }
  // A commit ended; so many records queued up meanwhile.
  void committed(std::size_t queued) {
    if (queued >= std::max<std::size_t>(2, target_ / 8))
      target_ = std::min(most, target_ + std::max<std::size_t>(1, target_ / 4));
  }
  // The time for gathering is over and only so many came.
  void fell_short(std::size_t gathered) { target_ = std::max<std::size_t>(1, gathered); }
  // Nothing was to be done for a while.
  void rested() { target_ = 1; }

 private:
  std::size_t target_ = 1;
};

}  // namespace latticegate::store
