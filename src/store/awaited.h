// For a thread that waits for its appends by blocking, where an event loop would suspend: tests,
// the command line, benchmarks. One per home.
//
// Threads: done() comes from the journal's writer, wait_for() from the one thread that waits.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "store/journal.h"

namespace latticegate::store {

class Awaited {
 public:
  // For the journal's notifier: the list of one home.
  void done(Append* list) {
    const std::scoped_lock lock(mutex_);
    for (; list != nullptr; list = list->next()) ++done_;
    arrived_.notify_one();
  }
  // The notifier of a journal with one home. This object outlives the journal.
  Journal::Notifier notifier() {
    return [this](std::uint32_t, Append* list) { done(list); };
  }
  // Returns when so many more were told.
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return done_ >= count; });
    done_ -= count;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::size_t done_ = 0;
};

}  // namespace latticegate::store
