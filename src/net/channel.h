// Channel<T>: values from any thread to one task on one loop. Bounded: push() says when it is full.
#pragma once
#include <coroutine>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "net/loop.h"

namespace latticegate::net {

template <class T>
class Channel final : public Deadline {
 public:
  Channel(Loop& loop, std::size_t capacity) : loop_(loop), capacity_(capacity) {}
  ~Channel() override { loop_.forget(*this); }

  // False when the channel is full or closed; the value is then not taken.
  bool push(T value) {
    const std::scoped_lock lock(mutex_);
    if (closed_ || values_.size() >= capacity_) return false;
    values_.push_back(std::move(value));
    wake();
    return true;
  }
  // What is in it can still be taken; then pop() says that nothing more comes.
  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    wake();
  }

  enum class Ended : unsigned char { no, closed, timeout };
  struct Popped {
    std::optional<T> value;
    Ended ended = Ended::no;
  };
  // The next value, or why there is none. One task at a time, on the loop. The task owns the
  // channel while it waits.
  Task<Popped> pop(std::optional<base::Instant> deadline = std::nullopt) {
    late_ = false;
    if (deadline) loop_.watch(*this, *deadline);
    for (;;) {
      Popped popped = take();
      if (popped.value || popped.ended != Ended::no) {
        loop_.forget(*this);
        co_return popped;
      }
      co_await Wait{*this};
    }
  }

 private:
  struct Wait {
    Channel& channel;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiting) const {
      const std::scoped_lock lock(channel.mutex_);
      if (!channel.values_.empty() || channel.closed_ || channel.late_) return false;
      channel.waiter_ = awaiting;
      return true;
    }
    void await_resume() const noexcept {}
  };

  Popped take() {
    const std::scoped_lock lock(mutex_);
    Popped popped;
    if (!values_.empty()) {
      popped.value = std::move(values_.front());
      values_.pop_front();
    } else if (closed_) {
      popped.ended = Ended::closed;
    } else if (late_) {
      popped.ended = Ended::timeout;
    }
    return popped;
  }
  // With the lock held.
  void wake() {
    if (waiter_) loop_.post([waiter = std::exchange(waiter_, {})] { waiter.resume(); });
  }
  void expire() override {
    const std::scoped_lock lock(mutex_);
    late_ = true;
    wake();
  }

  Loop& loop_;
  std::size_t capacity_;
  std::mutex mutex_;
  std::deque<T> values_;
  std::coroutine_handle<> waiter_;
  bool closed_ = false;
  bool late_ = false;
};

}  // namespace latticegate::net
