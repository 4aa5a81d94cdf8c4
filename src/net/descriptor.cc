#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/detail/descriptor.h"

namespace latticegate::net::detail {

void Descriptor::State::ready(std::uint32_t events) {
  if (closed) return;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ended = true;
  if ((events & EPOLLIN) != 0 || ended) {
    readable = true;
    if (reader) {
      // A writer of the same connection, if any, is told by the loop: this object may be closed by
      // what the reader does.
      if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 && writer)
        loop.resume_later(std::exchange(writer, {}));
      std::exchange(reader, {}).resume();
      return;
    }
    if (idle) {
      std::exchange(idle, nullptr)();
      if (closed) return;
    }
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 && writer)
    std::exchange(writer, {}).resume();
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

Descriptor::Descriptor(Loop& loop, int fd)
    : loop_(loop), fd_(fd), state_(std::make_shared<State>(loop)) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (!loop.add(fd, *state_)) close();
}

Descriptor::~Descriptor() { close(); }

void Descriptor::close() {
  if (const int fd = release(); fd >= 0) ::close(fd);
}

int Descriptor::release() {
  if (fd_ < 0) return -1;
  loop_.forget(*state_);
  state_->closed = true;
  state_->idle = nullptr;
  loop_.remove(fd_, state_);
  state_->wake_all(Wake::closed);
  return std::exchange(fd_, -1);
}

void Descriptor::set_deadline(base::Instant at) {
  state_->expired = false;
  loop_.watch(*state_, at);
}

void Descriptor::clear_deadline() {
  state_->expired = false;
  loop_.forget(*state_);
}

void Descriptor::when_idle(std::function<void()> idle) {
  if (state_->closed) return;
  if (idle && state_->readable)
    idle();
  else
    state_->idle = std::move(idle);
}

}  // namespace latticegate::net::detail
