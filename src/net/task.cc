#include "net/task.h"

#include <array>
#include <new>

namespace latticegate::net {
namespace {

constexpr std::size_t class_size = 64;
constexpr std::size_t classes = 64;  // up to 4 KiB
constexpr std::size_t kept_per_class = 256;

struct FreeFrames {
  struct Free {
    Free* next;
  };
  std::array<Free*, classes> lists{};
  std::array<std::size_t, classes> counts{};
  ~FreeFrames() {
    for (Free* list : lists)
      while (list != nullptr) ::operator delete(std::exchange(list, list->next));
  }
};

FreeFrames& frames() {
  thread_local FreeFrames mine;
  return mine;
}

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t index = (size - 1) / class_size;
  if (index >= classes) return ::operator new(size);
  FreeFrames& mine = frames();
  if (FreeFrames::Free* const frame = mine.lists[index]) {
    mine.lists[index] = frame->next;
    --mine.counts[index];
    return frame;
  }
  return ::operator new((index + 1) * class_size);
}

void release_frame(void* frame, std::size_t size) noexcept {
  const std::size_t index = (size - 1) / class_size;
  if (index < classes) {
    FreeFrames& mine = frames();
    if (mine.counts[index] < kept_per_class) {
      mine.lists[index] = ::new (frame) FreeFrames::Free{mine.lists[index]};
      ++mine.counts[index];
      return;
    }
  }
  ::operator delete(frame);
}

struct TaskGroup::Root {
  struct promise_type {
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept {
      release_frame(frame, size);
    }
    Root get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

TaskGroup::Root TaskGroup::run(TaskGroup& group, Task<void> task) {
  std::exception_ptr exception;
  try {
    co_await task;
  } catch (...) {
    exception = std::current_exception();
  }
  task = {};  // the task's locals go before the group hears that it is over
  group.finished(exception);
}

void TaskGroup::spawn(Task<void> task) {
  ++count_;
  run(*this, std::move(task));
}

void TaskGroup::finished(std::exception_ptr exception) {
  if (exception && report_) report_(exception);
  --count_;
  if (count_ == 0 && waiter_) std::exchange(waiter_, {}).resume();
}

}  // namespace latticegate::net
