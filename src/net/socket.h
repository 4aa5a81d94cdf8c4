// Sockets: plain TCP and Unix streams, connecting, and listening.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/loop.h"
#include "net/stream.h"

namespace latticegate::net {

// A stream over a connected socket; takes the descriptor over.
std::unique_ptr<Stream> socket_stream(Loop& loop, int fd, Peer peer);

// One address that can be connected to or listened on.
struct Address {
  std::string text;  // numeric host or socket path, for messages
  std::uint16_t port = 0;
  std::vector<unsigned char> bytes;  // a sockaddr
  int family = 0;
  bool loopback = false;
};

// "127.0.0.1:8443", "[::1]:0", "unix:/run/x.sock". Names are not resolved here.
base::Result<Address> parse_address(std::string_view text);
// Resolves a host name (off the loop's thread); numeric addresses at once.
Task<base::Result<std::vector<Address>>> resolve(Loop& loop, std::string host, std::uint16_t port);

// A connected, non-blocking descriptor that belongs to whoever holds it.
struct Connected {
  int fd = -1;
  Peer peer;
};
// Connects to the first address that answers within the time.
Task<base::Result<Connected>> connect_socket(Loop& loop, const std::vector<Address>& addresses,
                                             std::chrono::milliseconds timeout);

// A listening socket. `shared` sets SO_REUSEPORT, so that every loop can have its own; a Unix
// socket's stale file is replaced, and the file is readable by its owner only.
base::Result<int> listen_on(const Address& address, bool shared);
// The port that a listening socket got.
std::uint16_t bound_port(int fd);

// Accepts connections on one loop until stopped. Out of descriptors: pauses 100 ms instead of
// spinning.
class Acceptor {
 public:
  // `accepted` is called on the loop with the new descriptor (non-blocking, TCP_NODELAY) and its
  // peer.
  Acceptor(Loop& loop, int fd, std::function<void(int fd, Peer peer)> accepted);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  Task<void> run();
  void stop();

 private:
  struct Socket;
  Loop& loop_;
  std::unique_ptr<Socket> socket_;
  std::function<void(int, Peer)> accepted_;
};

}  // namespace latticegate::net
