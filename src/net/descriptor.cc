#include <fcntl.h>
#include <unistd.h>

#include "net/detail/descriptor.h"
#include "net/detail/reactor.h"

namespace latticegate::net::detail {

Descriptor::State::State(Loop& owner, int descriptor)
    : loop(owner), handle(owner.reactor().io, descriptor) {}

void Descriptor::State::start_read() {
  read_armed = true;
  handle.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](const boost::system::error_code&) {
                      self->read_armed = false;
                      if (self->closed) return;
                      self->fired = true;
                      if (self->reader) {
                        std::exchange(self->reader, {}).resume();
                      } else if (self->idle) {
                        std::exchange(self->idle, nullptr)();
                      }
                    });
}

void Descriptor::State::start_write() {
  write_armed = true;
  handle.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                    [self = shared_from_this()](const boost::system::error_code&) {
                      self->write_armed = false;
                      if (self->writer) std::exchange(self->writer, {}).resume();
                    });
}

// Waiters are resumed from the loop, never from inside the call that expires or closes.
void Descriptor::State::wake_all(Wake reason) {
  if (reader) {
    read_wake = reason;
    loop.resume_later(std::exchange(reader, {}));
  }
  if (writer) {
    write_wake = reason;
    loop.resume_later(std::exchange(writer, {}));
  }
}

void Descriptor::State::expire() {
  if (!reader && !writer) {
    expired = true;  // told to whoever waits next
    return;
  }
  wake_all(Wake::expired);
}

Descriptor::Descriptor(Loop& loop, int fd) : loop_(loop), fd_(fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  state_ = std::make_shared<State>(loop, fd);
}

Descriptor::~Descriptor() { close(); }

void Descriptor::close() {
  if (fd_ < 0) return;
  fd_ = -1;
  loop_.forget(*state_);
  state_->closed = true;
  state_->idle = nullptr;
  boost::system::error_code ignored;
  state_->handle.close(ignored);  // cancels the watches; their handlers see `closed`
  state_->wake_all(Wake::closed);
}

void Descriptor::set_deadline(base::Instant at) {
  state_->expired = false;
  loop_.watch(*state_, at);
}

void Descriptor::clear_deadline() {
  state_->expired = false;
  loop_.forget(*state_);
}

void Descriptor::arm(std::function<void()> idle) {
  state_->idle = std::move(idle);
  if (state_->fired) {
    if (const auto call = std::exchange(state_->idle, nullptr)) call();
    return;
  }
  if (!state_->read_armed && fd_ >= 0) state_->start_read();
}

bool Descriptor::idle_fired() const { return state_->fired; }

}  // namespace latticegate::net::detail
