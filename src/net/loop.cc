#include "net/loop.h"

#include <boost/asio/post.hpp>

#include "net/detail/reactor.h"

namespace latticegate::net {
namespace {

constexpr std::size_t buffers_kept = 256;
constexpr std::chrono::milliseconds tick_interval(100);

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

Loop::Loop(std::uint32_t index, const base::Clock& clock)
    : index_(index),
      clock_(clock),
      reactor_(std::make_unique<Reactor>()),
      deadlines_(std::make_unique<Head>()) {
  deadlines_->next_ = deadlines_.get();
  deadlines_->previous_ = deadlines_.get();
}

Loop::~Loop() {
  reactor_.reset();  // handlers that never ran are destroyed while the list still exists
  deadlines_->next_ = nullptr;
  deadlines_->previous_ = nullptr;
}

void Loop::run() { reactor_->io.run(); }
void Loop::stop() { reactor_->io.stop(); }

void Loop::post(std::move_only_function<void()> work) {
  boost::asio::post(reactor_->io, [work = std::move(work)]() mutable { work(); });
}

void Loop::resume_later(std::coroutine_handle<> task) {
  boost::asio::post(reactor_->io, [task] { task.resume(); });
}

void Loop::watch(Deadline& deadline, base::Instant at) {
  deadline.at_ = at;
  if (deadline.next_ != nullptr) return;
  deadline.next_ = deadlines_.get();
  deadline.previous_ = deadlines_->previous_;
  deadlines_->previous_->next_ = &deadline;
  deadlines_->previous_ = &deadline;
  if (!ticking_) schedule_tick();
}

void Loop::forget(Deadline& deadline) {
  if (deadline.next_ == nullptr) return;
  deadline.previous_->next_ = deadline.next_;
  deadline.next_->previous_ = deadline.previous_;
  deadline.next_ = nullptr;
  deadline.previous_ = nullptr;
}

void Loop::schedule_tick() {
  ticking_ = true;
  reactor_->ticker.expires_after(tick_interval);
  reactor_->ticker.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void Loop::tick() {
  const base::Instant now = clock_.instant();
  std::vector<Deadline*> late;
  for (Deadline* d = deadlines_->next_; d != deadlines_.get(); d = d->next_)
    if (d->at_ <= now) late.push_back(d);
  // expire() only marks and schedules; it destroys nothing, so the pointers stay valid.
  for (Deadline* const d : late) {
    forget(*d);
    d->expire();
  }
  if (deadlines_->next_ == deadlines_.get())
    ticking_ = false;
  else
    schedule_tick();
}

Task<void> Loop::sleep(std::chrono::milliseconds duration) {
  struct Wait {
    boost::asio::steady_timer& timer;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) const {
      timer.async_wait([awaiting](const boost::system::error_code&) { awaiting.resume(); });
    }
    void await_resume() const noexcept {}
  };
  boost::asio::steady_timer timer(reactor_->io);
  timer.expires_after(duration);
  co_await Wait{timer};
}

}  // namespace latticegate::net
