#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <span>

namespace latticegate::net {
namespace {

constexpr std::size_t buffers_kept = 256;
constexpr std::chrono::milliseconds tick_interval(100);
constexpr int events_at_once = 128;
constexpr std::chrono::milliseconds idle_work_waits(2);

}  // namespace

std::unique_ptr<Buffer> BufferPool::take() {
  if (free_.empty()) return std::make_unique_for_overwrite<Buffer>();
  std::unique_ptr<Buffer> buffer = std::move(free_.back());
  free_.pop_back();
  return buffer;
}

void BufferPool::give(std::unique_ptr<Buffer> buffer) {
  if (buffer && free_.size() < buffers_kept) free_.push_back(std::move(buffer));
}

// A thread beside a loop and what waits for it.
class Loop::Side {
 public:
  Side() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void add(Aside& work) {
    const std::scoped_lock lock(mutex_);
    waiting_.push_back(&work);
    wake_.notify_one();
  }

  // False when it has begun.
  bool drop(Aside& work) {
    const std::scoped_lock lock(mutex_);
    return std::erase(waiting_, &work) > 0;
  }

 private:
  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (wake_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
      if (stop.stop_requested()) return;
      Aside* const work = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      work->run();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Aside*> waiting_;
  std::jthread thread_;  // last: ends before what it uses
};

Loop::Loop(std::uint32_t index, const base::Clock& clock)
    : index_(index),
      clock_(clock),
      now_(clock.instant()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      deadlines_(std::make_unique<Head>()) {
  base::check(epoll_ >= 0 && bell_ >= 0, "the system gives no descriptors for an event loop");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // never read: each write is an edge
  event.data.ptr = nullptr;
  base::check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, bell_, &event) == 0, "an event loop has a bell");
  deadlines_->next_ = deadlines_.get();
  deadlines_->previous_ = deadlines_.get();
}

Loop::~Loop() {
  for (auto& side : sides_) side.reset();
  posted_.clear();  // work that never ran is destroyed while the list of deadlines still exists
  taken_.clear();
  retired_.clear();
  deadlines_->next_ = nullptr;
  deadlines_->previous_ = nullptr;
  ::close(bell_);
  ::close(epoll_);
}

void Loop::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    wait_for_events();
    wake_sleepers();
    expire_deadlines();
    take_posted();
    // What becomes ready meanwhile waits for the next round, so that descriptors get their turn.
    running_.swap(ready_);
    for (const std::coroutine_handle<> task : running_) task.resume();
    running_.clear();
  }
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  post([] {});
}

void Loop::post(std::move_only_function<void()> work) {
  {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(work));
  }
  if (asleep_.exchange(false)) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(bell_, &one, sizeof one);
  }
}

void Loop::resume_later(std::coroutine_handle<> task) { ready_.push_back(task); }

void Loop::when_idle(std::move_only_function<void()> work) {
  if (idle_work_.empty()) idle_work_at_ = now_ + idle_work_waits;
  idle_work_.push_back(std::move(work));
}

void Loop::do_idle_work() {
  idle_taken_.swap(idle_work_);
  for (auto& work : idle_taken_) work();
  idle_taken_.clear();
}

void Loop::take_posted() {
  {
    const std::scoped_lock lock(mutex_);
    taken_.swap(posted_);
  }
  for (auto& work : taken_) work();
  taken_.clear();
}

void Loop::wait_for_events() {
  std::array<epoll_event, events_at_once> events;
  const base::Instant turn = clock_.instant();
  if (turn - now_ > tick_interval) give_back(turn - now_);
  if (!idle_work_.empty() && turn >= idle_work_at_) do_idle_work();
  int timeout = 0;
  bool idle = false;
  if (ready_.empty()) {
    // Asleep is said before the last look: who posts after that look rings the bell.
    asleep_.store(true);
    const std::scoped_lock lock(mutex_);
    idle = posted_.empty();
    // Before it sleeps with work that waited for that, it looks whether it really has nothing.
    timeout = idle && idle_work_.empty() ? patience(turn) : 0;
  }
  const int count = ::epoll_wait(epoll_, events.data(), events_at_once, timeout);
  base::check(count >= 0 || errno == EINTR, "an event loop waits for events");
  asleep_.store(false);
  if (idle && count == 0 && !idle_work_.empty()) do_idle_work();
  now_ = clock_.instant();
  const auto told = static_cast<std::size_t>(std::max(count, 0));
  for (const epoll_event& event : std::span(events).first(told))
    if (event.data.ptr != nullptr) static_cast<Watcher*>(event.data.ptr)->ready(event.events);
  retired_.clear();
}

int Loop::patience(base::Instant now) {
  base::Instant until = base::Instant::max();
  if (!sleepers_.empty()) until = sleepers_.front().until;
  if (deadlines_->next_ != deadlines_.get()) until = std::min(until, next_tick_);
  if (until == base::Instant::max()) return -1;
  const auto left = until - now;
  if (left.count() <= 0) return 0;
  // Rounded up: waking early would only mean to wait again.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(ms, 60'000));
}

void Loop::give_back(std::chrono::nanoseconds busy) {
  for (Deadline* d = deadlines_->next_; d != deadlines_.get(); d = d->next_) d->at_ += busy;
}

void Loop::sleep_until(base::Instant until, std::coroutine_handle<> task) {
  sleepers_.push_back({.until = until, .task = task});
  std::push_heap(sleepers_.begin(), sleepers_.end());
}

void Loop::wake_sleepers() {
  while (!sleepers_.empty() && sleepers_.front().until <= now_) {
    std::pop_heap(sleepers_.begin(), sleepers_.end());
    ready_.push_back(sleepers_.back().task);
    sleepers_.pop_back();
  }
}

void Loop::watch(Deadline& deadline, base::Instant at) {
  deadline.at_ = at;
  if (deadline.next_ != nullptr) return;
  if (deadlines_->next_ == deadlines_.get()) next_tick_ = clock_.instant() + tick_interval;
  deadline.next_ = deadlines_.get();
  deadline.previous_ = deadlines_->previous_;
  deadlines_->previous_->next_ = &deadline;
  deadlines_->previous_ = &deadline;
}

void Loop::forget(Deadline& deadline) {
  if (deadline.next_ == nullptr) return;
  deadline.previous_->next_ = deadline.next_;
  deadline.next_->previous_ = deadline.previous_;
  deadline.next_ = nullptr;
  deadline.previous_ = nullptr;
}

void Loop::expire_deadlines() {
  if (now_ < next_tick_ || deadlines_->next_ == deadlines_.get()) return;
  next_tick_ = now_ + tick_interval;
  std::vector<Deadline*> late;
  for (Deadline* d = deadlines_->next_; d != deadlines_.get(); d = d->next_)
    if (d->at_ <= now_) late.push_back(d);
  // expire() only marks and schedules; it destroys nothing, so the pointers stay valid.
  for (Deadline* const d : late) {
    forget(*d);
    d->expire();
  }
}

bool Loop::add(int fd, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &watcher;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::remove(int fd, std::shared_ptr<Watcher> watcher) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  retired_.push_back(std::move(watcher));
}

void Loop::Aside::drop() {
  if (!awaiting_ || dropped_) return;
  Side& side = *loop_.sides_[static_cast<std::size_t>(lane_)];
  if (!side.drop(*this)) return;
  dropped_ = true;
  loop_.resume_later(awaiting_);
}

void Loop::Aside::await_suspend(std::coroutine_handle<> awaiting) {
  auto& side = loop_.sides_[static_cast<std::size_t>(lane_)];
  if (!side) side = std::make_unique<Side>();
  awaiting_ = awaiting;
  side->add(*this);
}

void Loop::Aside::run() {
  work_();
  loop_.post([awaiting = awaiting_] { awaiting.resume(); });
}

}  // namespace latticegate::net
