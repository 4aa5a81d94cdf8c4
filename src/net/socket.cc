#include "net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <format>

#include "net/detail/descriptor.h"

namespace latticegate::net {
namespace {

using base::Code;
using base::fail;
using base::os_reason;
using base::Result;
using detail::Wake;

std::unexpected<base::Error> woken(Wake wake) {
  return wake == Wake::expired ? fail(Code::timeout, "the time limit passed")
                               : fail(Code::closed, "closed");
}

void no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on);  // fails on a Unix socket, which needs none
}

class SocketStream final : public Stream {
 public:
  SocketStream(Loop& loop, int fd, Peer peer) : descriptor_(loop, fd), peer_(std::move(peer)) {}

  Task<Result<std::size_t>> read(std::span<char> into) override {
    for (;;) {
      if (!descriptor_.open()) co_return fail(Code::closed, "closed");
      if (!descriptor_.is_readable()) {
        fairness_.waited();
        const Wake wake = co_await descriptor_.readable();
        if (wake != Wake::ready) co_return woken(wake);
      }
      const ssize_t count = ::recv(descriptor_.fd(), into.data(), into.size(), 0);
      if (count >= 0) {
        // A short read means that the kernel has no more: the next read waits instead of asking.
        if (static_cast<std::size_t>(count) < into.size()) descriptor_.drained();
        if (fairness_.turn_is_over()) co_await descriptor_.loop().yield();
        co_return static_cast<std::size_t>(count);
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return fail(Code::closed, os_reason(errno));
      descriptor_.drained();
    }
  }

  Task<Result<void>> write(std::span<const std::string_view> parts) override {
    std::array<iovec, 8> pieces;
    std::size_t count = 0;
    for (const std::string_view part : parts) {
      if (part.empty()) continue;
      base::check(count < pieces.size(), "a write has at most eight parts");
      // iovec is not const-correct; sendmsg only reads.
      pieces[count++] = {const_cast<char*>(part.data()), part.size()};
    }
    iovec* first = pieces.data();
    while (count > 0) {
      if (!descriptor_.open()) co_return fail(Code::closed, "closed");
      msghdr message{};
      message.msg_iov = first;
      message.msg_iovlen = count;
      const ssize_t sent = ::sendmsg(descriptor_.fd(), &message, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) co_return fail(Code::closed, os_reason(errno));
        const Wake wake = co_await descriptor_.writable();
        if (wake != Wake::ready) co_return woken(wake);
        continue;
      }
      auto left = static_cast<std::size_t>(sent);
      while (count > 0 && left >= first->iov_len) {
        left -= first->iov_len;
        ++first;
        --count;
      }
      if (count > 0) {
        first->iov_base = static_cast<char*>(first->iov_base) + left;
        first->iov_len -= left;
      }
    }
    if (fairness_.turn_is_over()) co_await descriptor_.loop().yield();
    co_return Result<void>();
  }

  Task<Result<void>> wait_readable() override {
    if (!descriptor_.open()) co_return fail(Code::closed, "closed");
    const Wake wake = co_await descriptor_.readable();
    if (wake != Wake::ready) co_return woken(wake);
    co_return Result<void>();
  }

  void on_hangup(std::function<void()> callback) override {
    hangup_ = std::move(callback);
    if (hangup_)
      watch_for_hangup();
    else
      descriptor_.when_idle(nullptr);
  }

  void set_deadline(base::Instant at) override {
    if (descriptor_.open()) descriptor_.set_deadline(at);
  }
  void clear_deadline() override {
    if (descriptor_.open()) descriptor_.clear_deadline();
  }
  void close() override { descriptor_.close(); }
  Task<void> shutdown() override {
    if (descriptor_.open()) ::shutdown(descriptor_.fd(), SHUT_WR);
    descriptor_.close();
    co_return;
  }
  const Peer& peer() const override { return peer_; }

 private:
  void watch_for_hangup() {
    descriptor_.when_idle([this] {
      char byte = 0;
      const ssize_t count = ::recv(descriptor_.fd(), &byte, 1, MSG_PEEK);
      if (count > 0) return;
      if (count < 0 && errno == EAGAIN) {
        descriptor_.drained();
        watch_for_hangup();
      } else if (const auto call = std::exchange(hangup_, nullptr)) {
        call();
      }
    });
  }

  detail::Descriptor descriptor_;
  Peer peer_;
  std::function<void()> hangup_;
  Fairness fairness_;
};

Peer peer_of(const sockaddr_storage& from) {
  Peer peer;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (from.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    ::inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
    peer.address = text.data();
    peer.port = ntohs(in.sin_port);
    peer.loopback = (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  } else if (from.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof in);
    ::inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
    peer.address = text.data();
    peer.port = ntohs(in.sin6_port);
    peer.loopback = IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) != 0;
  } else {
    peer.address = "unix";
    peer.loopback = true;
  }
  return peer;
}

Address address_of(const sockaddr* from, socklen_t length, std::string text, std::uint16_t port) {
  Address address;
  address.text = std::move(text);
  address.port = port;
  address.family = from->sa_family;
  const auto* const bytes = static_cast<const unsigned char*>(static_cast<const void*>(from));
  address.bytes.assign(bytes, bytes + length);
  sockaddr_storage storage{};
  std::memcpy(&storage, from, length);
  address.loopback = peer_of(storage).loopback;
  return address;
}

std::optional<Address> numeric(const std::string& host, std::uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    sockaddr_storage storage{};
    std::memcpy(&storage, &v4, sizeof v4);
    return address_of(static_cast<const sockaddr*>(static_cast<const void*>(&storage)), sizeof v4,
                      host, port);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    sockaddr_storage storage{};
    std::memcpy(&storage, &v6, sizeof v6);
    return address_of(static_cast<const sockaddr*>(static_cast<const void*>(&storage)), sizeof v6,
                      host, port);
  }
  return std::nullopt;
}

const sockaddr* socket_address(const Address& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(address.bytes.data()));
}

}  // namespace

std::unique_ptr<Stream> socket_stream(Loop& loop, int fd, Peer peer) {
  return std::make_unique<SocketStream>(loop, fd, std::move(peer));
}

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) {
    const std::string_view path = text.substr(5);
    sockaddr_un un{};
    if (path.empty() || path.size() >= sizeof un.sun_path)
      return fail(Code::invalid,
                  std::format("the socket path '{}' is empty or longer than {} bytes", path,
                              sizeof un.sun_path - 1));
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, path.data(), path.size());
    sockaddr_storage storage{};
    std::memcpy(&storage, &un, sizeof un);
    return address_of(static_cast<const sockaddr*>(static_cast<const void*>(&storage)), sizeof un,
                      std::string(path), 0);
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail(
        Code::invalid,
        std::format("'{}' is not an address: expected host:port, [v6]:port or unix:path", text));
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), port);
  if (error != std::errc() || end != digits.end())
    return fail(Code::invalid, std::format("'{}' is not a port (0 to 65535)", digits));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (auto address = numeric(std::string(host), port)) return *std::move(address);
  return fail(Code::invalid, std::format("'{}' is not a numeric address", host));
}

Task<Result<std::vector<Address>>> resolve(Loop& loop, std::string host, std::uint16_t port) {
  if (auto address = numeric(host, port)) {
    std::vector<Address> one;
    one.push_back(*std::move(address));
    co_return one;
  }
  // The system's resolver blocks.
  const std::string service = std::to_string(port);
  int error = 0;
  int number = 0;
  std::vector<Address> found;
  co_await loop.aside(Loop::Lane::waiting, [&] {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &list);
    number = errno;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next)
      found.push_back(address_of(entry->ai_addr, entry->ai_addrlen, host, 0));
    if (list != nullptr) ::freeaddrinfo(list);
  });
  if (error != 0)
    co_return fail(Code::unavailable,
                   std::format("cannot resolve '{}': {}", host,
                               error == EAI_SYSTEM ? os_reason(number) : ::gai_strerror(error)));
  for (Address& address : found) address.port = port;
  co_return found;
}

Task<Result<Connected>> connect_socket(Loop& loop, const std::vector<Address>& addresses,
                                       std::chrono::milliseconds timeout) {
  const base::Instant deadline = loop.clock().instant() + timeout;
  std::string failure = "no address";
  for (const Address& address : addresses) {
    const int fd = ::socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) co_return fail(Code::io, os_reason(errno));
    no_delay(fd);
    detail::Descriptor descriptor(loop, fd);
    const int status =
        ::connect(fd, socket_address(address), static_cast<socklen_t>(address.bytes.size()));
    int error = status == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      descriptor.set_deadline(deadline);
      const Wake wake = co_await descriptor.writable();
      descriptor.clear_deadline();
      error = ETIMEDOUT;
      socklen_t length = sizeof error;
      if (wake == Wake::ready) ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    }
    if (error == 0) {
      Peer peer;
      peer.address = address.text;
      peer.port = address.port;
      peer.loopback = address.loopback;
      co_return Connected{descriptor.release(), std::move(peer)};
    }
    failure =
        std::format("cannot connect to {}:{}: {}", address.text, address.port, os_reason(error));
  }
  co_return fail(Code::unavailable, failure);
}

Result<int> listen_on(const Address& address, bool shared) {
  const int fd = ::socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(Code::io, os_reason(errno));
  const int on = 1;
  if (address.family == AF_UNIX) {
    ::unlink(address.text.c_str());
  } else {
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  }
  const mode_t mask = ::umask(0077);
  const int bound =
      ::bind(fd, socket_address(address), static_cast<socklen_t>(address.bytes.size()));
  const int error = errno;
  ::umask(mask);
  if (bound != 0 || ::listen(fd, 4096) != 0) {
    const int why = bound != 0 ? error : errno;
    ::close(fd);
    const std::string place =
        address.family == AF_UNIX ? address.text : std::format("{}:{}", address.text, address.port);
    return fail(
        why == EADDRINUSE ? Code::conflict : Code::io,
        std::format("cannot listen on {}: {}{}", place, os_reason(why),
                    why == EADDRINUSE
                        ? " (another program uses this port; choose another in listen.address)"
                        : ""));
  }
  return fd;
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, static_cast<sockaddr*>(static_cast<void*>(&storage)), &length) != 0)
    return 0;
  return peer_of(storage).port;
}

struct Acceptor::Socket {
  Socket(Loop& loop, int fd) : descriptor(loop, fd) {}
  detail::Descriptor descriptor;
};

Acceptor::Acceptor(Loop& loop, int fd, std::function<void(int, Peer)> accepted)
    : loop_(loop), socket_(std::make_unique<Socket>(loop, fd)), accepted_(std::move(accepted)) {}
Acceptor::~Acceptor() = default;

Task<void> Acceptor::run() {
  for (;;) {
    if (!socket_->descriptor.open()) co_return;
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const int fd =
        ::accept4(socket_->descriptor.fd(), static_cast<sockaddr*>(static_cast<void*>(&from)),
                  &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      no_delay(fd);
      accepted_(fd, peer_of(from));
      continue;
    }
    if (errno == EAGAIN) {
      socket_->descriptor.drained();
      if (co_await socket_->descriptor.readable() == Wake::closed) co_return;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      co_await loop_.sleep(std::chrono::milliseconds(100));
    }
  }
}

void Acceptor::stop() { socket_->descriptor.close(); }

}  // namespace latticegate::net
