// Descriptor: readiness of one non-blocking file descriptor, as awaitables; private to net.
//
// A read watch is armed at most once per wait. It may be armed while nobody reads: then it tells
// about a peer that went away, and it is the same watch that the next read waits for, so that
// noticing costs no further system call.
#pragma once
#include <boost/asio/posix/stream_descriptor.hpp>
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
  void set_deadline(base::Instant at);
  void clear_deadline();

  // Starts watching for readability if that is not being done. `idle` is called when it fires while
  // nobody waits.
  void arm(std::function<void()> idle);
  bool idle_fired() const;

  struct Readable;
  struct Writable;
  Readable readable();
  Writable writable();

 private:
  struct State;
  Loop& loop_;
  int fd_;
  std::shared_ptr<State> state_;
};

struct Descriptor::State final : Deadline, std::enable_shared_from_this<Descriptor::State> {
  explicit State(Loop& owner, int descriptor);
  void expire() override;
  void start_read();
  void start_write();
  void wake_all(Wake reason);

  Loop& loop;
  boost::asio::posix::stream_descriptor handle;
  std::coroutine_handle<> reader;
  std::coroutine_handle<> writer;
  Wake read_wake = Wake::ready;
  Wake write_wake = Wake::ready;
  bool read_armed = false;
  bool write_armed = false;
  bool fired = false;  // readable, and nobody was told yet
  bool expired = false;
  bool closed = false;
  std::function<void()> idle;
};

struct Descriptor::Readable {
  State& state;
  bool await_ready() const noexcept { return state.fired || state.expired || state.closed; }
  void await_suspend(std::coroutine_handle<> awaiting) const {
    state.reader = awaiting;
    state.read_wake = Wake::ready;
    if (!state.read_armed) state.start_read();
  }
  Wake await_resume() const noexcept {
    if (state.closed) return Wake::closed;
    if (state.expired) {
      state.expired = false;
      return Wake::expired;
    }
    state.fired = false;
    return state.read_wake;
  }
};

struct Descriptor::Writable {
  State& state;
  bool await_ready() const noexcept { return state.expired || state.closed; }
  void await_suspend(std::coroutine_handle<> awaiting) const {
    state.writer = awaiting;
    state.write_wake = Wake::ready;
    if (!state.write_armed) state.start_write();
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

}  // namespace latticegate::net::detail
