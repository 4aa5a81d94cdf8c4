// Task<T>: a coroutine that runs when awaited and hands its value to the one who awaits it.
//
// Why our own: a task here is a frame and a continuation, nothing else; switching costs a jump, and
// every reason to wake up is explicit: readiness, deadline, close
// (docs/decisions/0004-own-task.md).
//
// Rules. A task is awaited exactly once, at once, by its caller (then references and views as
// parameters are fine) or given to a TaskGroup (then its parameters are values). A task is resumed
// on the loop that it was started on. Never hold a lock across a co_await. Exceptions travel to the
// awaiter; a TaskGroup reports those that reach the root.
#pragma once
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "base/result.h"

namespace latticegate::net {

// Memory of coroutine frames: per-thread free lists in 64-byte classes up to 4 KiB, the heap above.
void* allocate_frame(std::size_t size);
void release_frame(void* frame, std::size_t size) noexcept;

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept {
    release_frame(frame, size);
  }

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().continuation;
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }

  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr exception;
};

template <class T>
struct Promise final : PromiseBase {
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return *std::move(result);
  }
  std::optional<T> result;
};

template <>
struct Promise<void> final : PromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void take() const {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  Handle await_suspend(std::coroutine_handle<> awaiting) const noexcept {
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  T await_resume() const { return handle_.promise().take(); }

 private:
  Handle handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// Owns tasks that nobody awaits: connections, readers, timers. All tasks of a group run on one
// loop. The group must outlive them: await empty() (after having told them to stop) before it is
// destroyed; the destructor checks.
class TaskGroup {
 public:
  // `report` gets an exception that left a task; the task is over then.
  explicit TaskGroup(std::function<void(std::exception_ptr)> report) : report_(std::move(report)) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup() { base::check(count_ == 0, "a task group is destroyed while tasks run"); }

  // Starts the task now; returns when it first waits.
  void spawn(Task<void> task);
  std::size_t size() const { return count_; }

  // Awaitable: resumes when no task is left.
  struct Empty {
    TaskGroup& group;
    bool await_ready() const noexcept { return group.count_ == 0; }
    void await_suspend(std::coroutine_handle<> awaiting) const noexcept {
      group.waiter_ = awaiting;
    }
    void await_resume() const noexcept {}
  };
  Empty empty() { return {*this}; }

 private:
  struct Root;
  static Root run(TaskGroup& group, Task<void> task);
  void finished(std::exception_ptr exception);
  std::function<void(std::exception_ptr)> report_;
  std::size_t count_ = 0;
  std::coroutine_handle<> waiter_;
};

// Declares `decl` from the value of the expression, or returns its error from the coroutine. Not a
// statement expression around co_await: that form crashes g++-14.
#define LG_JOIN_(a, b) a##b
#define LG_JOIN(a, b) LG_JOIN_(a, b)
#define CO_TRY(decl, ...) CO_TRY_AS_(LG_JOIN(tried_, __LINE__), decl, __VA_ARGS__)
#define CO_TRY_AS_(tried, decl, ...)                               \
  auto tried = (__VA_ARGS__);                                      \
  if (!tried) co_return std::unexpected(std::move(tried).error()); \
  decl = *std::move(tried)
// The same for a Result<void>.
#define CO_CHECK(...)                                                             \
  if (auto LG_JOIN(tried_, __LINE__) = (__VA_ARGS__); !LG_JOIN(tried_, __LINE__)) \
  co_return std::unexpected(std::move(LG_JOIN(tried_, __LINE__)).error())

}  // namespace latticegate::net
