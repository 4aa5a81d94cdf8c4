// Stream: bytes in order, both ways. Plain sockets, TLS, a child's pipes and a test's memory are
// its implementations; everything above works on this interface only.
//
// All calls on the stream's loop. One reader and one writer at a time. Time limits: a deadline set
// on the stream bounds whatever waits next and is cleared by clear_deadline(); when it passes, the
// waiting call returns Code::timeout.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "net/loop.h"
#include "net/task.h"

namespace latticegate::net {

// What is known about the other end once the stream is open.
struct Peer {
  std::string address;  // "127.0.0.1", "::1", "unix"
  std::uint16_t port = 0;
  bool loopback = false;
  std::string tls_version;  // "TLSv1.3"; empty without TLS
  std::string tls_group;    // "X25519MLKEM768"; empty without TLS
  std::shared_ptr<const crypto::Certificate>
      certificate;  // the verified leaf; null when none was presented
};

// Counts operations that were done without waiting. A stream that is always ready must not keep its
// loop for itself (nor let the stack grow where a compiler makes no tail call of a coroutine's
// resumption): after so many it yields.
class Fairness {
 public:
  bool turn_is_over() { return ++count_ % 64 == 0; }
  void waited() { count_ = 0; }

 private:
  std::uint32_t count_ = 0;
};

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  // Reads what is there, waiting for at least one byte. 0 at the end of the stream.
  virtual Task<base::Result<std::size_t>> read(std::span<char> into) = 0;
  // Writes all parts in order; small parts leave together.
  virtual Task<base::Result<void>> write(std::span<const std::string_view> parts) = 0;
  Task<base::Result<void>> write_one(std::string_view text) {
    const std::string_view parts[] = {text};
    co_return co_await write(parts);
  }
  // Waits until a read would not block (bytes or the end), holding no buffer.
  virtual Task<base::Result<void>> wait_readable() = 0;

  // Calls back once when the peer goes away while nobody reads. Bytes that arrive end the watch
  // silently: they are the next message. An empty function ends the watch.
  virtual void on_hangup(std::function<void()> callback) = 0;

  virtual void set_deadline(base::Instant at) = 0;
  virtual void clear_deadline() = 0;

  // Ends both directions now; a pending call returns Code::closed. May be called at any time, more
  // than once.
  virtual void close() = 0;
  // Tells the peer that nothing more comes (TLS close_notify, FIN); then close().
  virtual Task<void> shutdown() = 0;

  virtual const Peer& peer() const = 0;
};

}  // namespace latticegate::net
