// Loop: one thread's event loop. A gateway runs one per core; everything of a connection happens on
// its loop, so that nothing there needs a lock. Only post() may be called from other threads.
#pragma once
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "net/task.h"

namespace latticegate::net {

// A read buffer of fixed size, borrowed from a loop's pool.
inline constexpr std::size_t buffer_size = std::size_t{16} * 1024;
struct Buffer {
  char bytes[buffer_size];
};

// Buffers for reading: at most 256 are kept; an idle connection holds none. Used on its loop only.
class BufferPool {
 public:
  std::unique_ptr<Buffer> take();
  void give(std::unique_ptr<Buffer> buffer);

 private:
  std::vector<std::unique_ptr<Buffer>> free_;
};

// Something that must be over by a time. The loop looks at all of them ten times a second and calls
// expire() once for each that is late; precision is therefore a tenth of a second.
class Deadline {
 public:
  Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  virtual ~Deadline() {
    base::check(next_ == nullptr, "a deadline is destroyed while the loop watches it");
  }

 protected:
  virtual void expire() = 0;

 private:
  friend class Loop;
  Deadline* next_ = nullptr;
  Deadline* previous_ = nullptr;
  base::Instant at_{};
};

class Loop {
 public:
  // `index` numbers the loops of the program from 0.
  Loop(std::uint32_t index, const base::Clock& clock);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  std::uint32_t index() const { return index_; }
  const base::Clock& clock() const { return clock_; }
  BufferPool& buffers() { return buffers_; }

  // Runs until stop(). The calling thread becomes the loop's thread.
  void run();
  void stop();                                      // any thread
  void post(std::move_only_function<void()> work);  // any thread; runs on the loop later
  void resume_later(std::coroutine_handle<> task);  // on the loop only; cheaper than post

  // Watches or forgets a deadline; watching again moves it.
  void watch(Deadline& deadline, base::Instant at);
  void forget(Deadline& deadline);

  // Awaitable: lets everybody else on the loop go first.
  struct Yield {
    Loop& loop;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) const { loop.resume_later(awaiting); }
    void await_resume() const noexcept {}
  };
  Yield yield() { return {*this}; }

  // Awaitable: resumes after the duration (never early; precision a millisecond).
  Task<void> sleep(std::chrono::milliseconds duration);

  // The reactor, for the files of this module that need it.
  struct Reactor;
  Reactor& reactor() { return *reactor_; }

 private:
  void tick();
  void schedule_tick();
  std::uint32_t index_;
  const base::Clock& clock_;
  std::unique_ptr<Reactor> reactor_;
  BufferPool buffers_;
  struct Head final : Deadline {
    void expire() override {}
  };
  std::unique_ptr<Head> deadlines_;  // head of a circular list
  bool ticking_ = false;
};

// One waiting task and one signal, both on the same loop. set() before wait() is not lost.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void set() {
    set_ = true;
    if (waiter_) loop_.resume_later(std::exchange(waiter_, {}));
  }
  bool is_set() const { return set_; }
  void reset() { set_ = false; }

  struct Wait {
    Event& event;
    bool await_ready() const noexcept { return event.set_; }
    void await_suspend(std::coroutine_handle<> awaiting) const noexcept {
      event.waiter_ = awaiting;
    }
    void await_resume() const noexcept { event.set_ = false; }
  };
  // Awaitable; one waiter at a time; resets the event when it resumes.
  Wait wait() { return {*this}; }

 private:
  Loop& loop_;
  std::coroutine_handle<> waiter_;
  bool set_ = false;
};

}  // namespace latticegate::net
