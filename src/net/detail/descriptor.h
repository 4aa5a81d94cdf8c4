// Descriptor: readiness of one non-blocking file descriptor, as awaitables; private to net.
//
// The loop tells of edges only; what they said is remembered here until the owner has seen that
// nothing is left. So the owner reads until a read comes up short or says "not now", tells
// drained(), and waits then. A peer that ended its side stays readable for ever: the end is to be
// read.
#pragma once
#include <coroutine>
#include <functional>
#include <memory>

#include "base/result.h"
#include "net/loop.h"

namespace latticegate::net::detail {

enum class Wake : unsigned char { ready, expired, closed };

class Descriptor {
 public:
  // Takes the descriptor over and makes it non-blocking.
  Descriptor(Loop& loop, int fd);
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();

  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  Loop& loop() const { return loop_; }
  void close();
  // Gives the descriptor away, unwatched and open.
  int release();
  void set_deadline(base::Instant at);
  void clear_deadline();

  // Whether readable() would return at once.
  bool is_readable() const;
  // A read said that nothing more is there: readable() waits for the next arrival.
  void drained();
  // `idle` is called once when there is something to read while nobody waits for it. Null ends it.
  void when_idle(std::function<void()> idle);

  struct Readable;
  struct Writable;
  Readable readable();
  // After a write said "not now".
  Writable writable();

 private:
  struct State;
  Loop& loop_;
  int fd_;
  std::shared_ptr<State> state_;
};

struct Descriptor::State final : Watcher, Deadline {
  explicit State(Loop& owner) : loop(owner) {}
  void ready(std::uint32_t events) override;
  void expire() override;
  void wake_all(Wake reason);

  Loop& loop;
  std::coroutine_handle<> reader;
  std::coroutine_handle<> writer;
  Wake read_wake = Wake::ready;
  Wake write_wake = Wake::ready;
  bool readable = false;
  bool ended = false;  // the peer sends nothing more, or the connection failed
  bool expired = false;
  bool closed = false;
  std::function<void()> idle;
};

struct Descriptor::Readable {
  State& state;
  bool await_ready() const noexcept { return state.readable || state.expired || state.closed; }
  void await_suspend(std::coroutine_handle<> awaiting) const {
    state.reader = awaiting;
    state.read_wake = Wake::ready;
  }
  Wake await_resume() const noexcept {
    if (state.closed) return Wake::closed;
    if (state.expired) {
      state.expired = false;
      return Wake::expired;
    }
    return state.read_wake;
  }
};

struct Descriptor::Writable {
  State& state;
  bool await_ready() const noexcept { return state.expired || state.closed; }
  void await_suspend(std::coroutine_handle<> awaiting) const {
    state.writer = awaiting;
    state.write_wake = Wake::ready;
  }
  Wake await_resume() const noexcept {
    if (state.closed) return Wake::closed;
    if (state.expired) {
      state.expired = false;
      return Wake::expired;
    }
    return state.write_wake;
  }
};

inline Descriptor::Readable Descriptor::readable() { return {*state_}; }
inline Descriptor::Writable Descriptor::writable() { return {*state_}; }
inline bool Descriptor::is_readable() const { return state_->readable; }
inline void Descriptor::drained() {
  if (!state_->ended) state_->readable = false;
}

}  // namespace latticegate::net::detail
