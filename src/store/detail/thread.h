// Threads beside those that serve calls. Signals are for the main thread.
#pragma once
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <utility>

namespace latticegate::store {

template <class Run>
std::jthread quiet_thread(Run run) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::jthread thread(std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

// The calling thread gets a name of at most 15 characters, and processor time that others leave
// over: about a thirtieth of a core that they keep busy.
inline void take_spare_time(const char* name) {
  pthread_setname_np(pthread_self(), name);
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 15);
}

}  // namespace latticegate::store
