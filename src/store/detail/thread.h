// Threads beside those that serve calls. Signals are for the main thread.
#pragma once
#include <pthread.h>

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

}  // namespace latticegate::store
