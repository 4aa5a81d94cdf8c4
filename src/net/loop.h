// Loop: one thread's event loop over epoll. A gateway runs one per core; everything of a connection
// happens on its loop, so that nothing there needs a lock. Only post() and stop() may be called
// from other threads.
//
// A descriptor is registered once, edge-triggered and for both directions; what is known of its
// readiness is remembered by its Watcher (net/detail/descriptor.h), so that a call that is passed
// on costs no system call but its reads and writes (docs/decisions/0007-own-loop-over-epoll.md).
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
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
// expire() once for each that is late; precision is therefore a tenth of a second. What is measured
// is how long the other side takes: a round in which the loop itself was busy for longer than that
// tenth does not count.
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

// What a loop tells about a registered descriptor.
class Watcher {
 public:
  Watcher() = default;
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  virtual ~Watcher() = default;

 protected:
  friend class Loop;
  // New readiness since the last call: bits as epoll's (EPOLLIN, EPOLLOUT, EPOLLRDHUP, ...).
  virtual void ready(std::uint32_t events) = 0;
};

class Loop {
 public:
  // `index` numbers the loops of the program from 0. Aborts when the system has no descriptors
  // left for it: a program without a loop is none.
  Loop(std::uint32_t index, const base::Clock& clock);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  std::uint32_t index() const { return index_; }
  const base::Clock& clock() const { return clock_; }
  BufferPool& buffers() { return buffers_; }

  // The time when the loop last woke up. Free, at most as old as what runs now takes: for
  // deadlines, not for measuring. A deadline reckoned from it is not shorter for that, because
  // deadlines move by the time for which a round of the loop held everybody up.
  base::Instant now() const { return now_; }

  // Runs until stop(). The calling thread becomes the loop's thread.
  void run();
  void stop();                                      // any thread
  void post(std::move_only_function<void()> work);  // any thread; runs on the loop later
  void resume_later(std::coroutine_handle<> task);  // on the loop only; cheaper than post
  // Runs `work` once, when nothing is left to do and the loop would sleep, at the latest in the
  // first round that begins 2 ms later. For what is cheaper done for many at once. On the loop
  // only.
  void when_idle(std::move_only_function<void()> work);

  // Watches or forgets a deadline; watching again moves it.
  void watch(Deadline& deadline, base::Instant at);
  void forget(Deadline& deadline);

  // Registers a descriptor for both directions, edge-triggered. False when the system cannot.
  [[nodiscard]] bool add(int fd, Watcher& watcher);
  // Unregisters it; nothing is told any more. The watcher is kept until what runs now is over,
  // because the readiness of it may lie in the same batch.
  void remove(int fd, std::shared_ptr<Watcher> watcher);

  // Awaitable: lets everybody else on the loop go first.
  struct Yield {
    Loop& loop;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) const { loop.resume_later(awaiting); }
    void await_resume() const noexcept {}
  };
  Yield yield() { return {*this}; }

  // Awaitable: resumes after the duration (never early; precision a millisecond).
  struct Sleep {
    Loop& loop;
    base::Instant until;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) const {
      loop.sleep_until(until, awaiting);
    }
    void await_resume() const noexcept {}
  };
  Sleep sleep(std::chrono::milliseconds duration) { return {*this, clock_.instant() + duration}; }

  // Threads beside the loop, each with its own queue: for what waits long and for what computes
  // long. Started by the first use.
  enum class Lane : std::uint8_t { waiting, computing };
  class Side;

  // Awaitable: `work` runs on that thread, one after the other; then the task goes on here. The
  // loop goes on meanwhile. What `work` refers to may belong to the task.
  class Aside {
   public:
    Aside(Loop& loop, Lane lane, std::move_only_function<void()> work)
        : loop_(loop), lane_(lane), work_(std::move(work)) {}
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting);
    // Whether the work was done.
    bool await_resume() const noexcept { return !dropped_; }
    // On the loop: if the work has not begun, the task goes on without it.
    void drop();

   private:
    friend class Side;
    void run();

    Loop& loop_;
    Lane lane_;
    std::move_only_function<void()> work_;
    std::coroutine_handle<> awaiting_;
    bool dropped_ = false;
  };
  Aside aside(Lane lane, std::move_only_function<void()> work) {
    return {*this, lane, std::move(work)};
  }

 private:
  struct Sleeper {
    base::Instant until;
    std::coroutine_handle<> task;
    bool operator<(const Sleeper& other) const { return until > other.until; }  // soonest on top
  };

  void sleep_until(base::Instant until, std::coroutine_handle<> task);
  void take_posted();
  void wait_for_events();
  void do_idle_work();
  int patience(base::Instant now);  // milliseconds that it may sleep; -1 for ever
  void give_back(std::chrono::nanoseconds busy);
  void wake_sleepers();
  void expire_deadlines();

  std::uint32_t index_;
  const base::Clock& clock_;
  base::Instant now_;
  int epoll_ = -1;
  int bell_ = -1;  // an eventfd: written when something is posted to a loop that sleeps
  BufferPool buffers_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> running_;
  std::vector<std::move_only_function<void()>> idle_work_;
  std::vector<std::move_only_function<void()>> idle_taken_;
  base::Instant idle_work_at_{};   // the latest
  std::vector<Sleeper> sleepers_;  // a heap
  std::vector<std::shared_ptr<Watcher>> retired_;
  struct Head final : Deadline {
    void expire() override {}
  };
  std::unique_ptr<Head> deadlines_;  // head of a circular list
  base::Instant next_tick_{};

  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> posted_;
  std::vector<std::move_only_function<void()>> taken_;
  std::atomic<bool> asleep_ = false;
  std::atomic<bool> stopping_ = false;
  std::array<std::unique_ptr<Side>, 2> sides_;  // by lane
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
