// HTTP client side: pooled connections from one loop to one endpoint.
//
// An idle connection is watched: when the server closes it, it leaves the pool. A request is never
// sent twice on its own; only one that is idempotent, or of which nothing was sent, is tried again
// on a fresh connection.
#pragma once
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/message_reader.h"
#include "net/socket.h"
#include "net/stream.h"
#include "net/tls.h"

namespace latticegate::net {

// Where requests go. "http" or "https" URL, split; errors say what is wrong with it.
struct Url {
  bool tls = false;
  std::string host;  // without brackets
  std::uint16_t port = 0;
  std::string path;       // with query; at least "/"
  std::string authority;  // for the Host header
};
base::Result<Url> parse_url(std::string_view text);

struct ClientOptions {
  HttpParser::Limits limits{.head = {std::uint64_t{16} * 1024},
                            .body = {std::uint64_t{16} * 1024 * 1024}};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds head_timeout{120'000};  // from the request to the answer's head
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds idle_timeout{30'000};  // of a pooled connection
  std::size_t idle_connections = 64;
};

class HttpPool;

// One connection that is used for one exchange at a time.
class ClientConnection {
 public:
  ClientConnection(Loop& loop, std::unique_ptr<Stream> stream, const HttpParser::Limits& limits);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  const Head& head() const { return reader_.head(); }
  Task<base::Result<std::string_view>> read_body() { return reader_.read_body(); }
  Task<base::Result<std::string_view>> read_piece() { return reader_.read_piece(); }
  Stream& stream() { return *stream_; }
  // The head was looked at; see MessageReader.
  void release_head() { reader_.release_head(); }
  // The answer has no end that could be foreseen: whoever reads it bounds its parts. The limit of a
  // body is in force again for the next exchange.
  void read_without_end() { reader_.set_body_limit({std::numeric_limits<std::uint64_t>::max()}); }
  bool message_complete() const { return reader_.message_complete(); }
  // Ends it from outside while somebody reads: the reader gets Code::closed.
  void cancel() { stream_->close(); }

 private:
  friend class HttpPool;
  void limit_body(base::Bytes limit) { reader_.set_body_limit(limit); }
  std::unique_ptr<Stream> stream_;
  MessageReader reader_;
  bool reused_ = false;
  bool gone_ = false;
  base::Instant idle_since_{};
};

struct ClientRequest {
  std::string_view method = "POST";
  std::string_view path;     // overrides the URL's path when not empty
  std::string_view headers;  // "Name: value\r\n" lines; Host and framing are added here
  std::string_view body;
  bool has_body = true;
  bool idempotent = false;
  std::optional<std::chrono::milliseconds> head_timeout{};  // instead of the pool's
};

// Lets somebody end an exchange from outside while its head is awaited. On the loop of the
// exchange.
class Abort {
 public:
  void request() {
    requested_ = true;
    if (active_ != nullptr) active_->cancel();
  }
  bool requested() const { return requested_; }

 private:
  friend class HttpPool;
  bool requested_ = false;
  ClientConnection* active_ = nullptr;
};

class HttpPool {
 public:
  // `tls` is null for http. With an address (a Unix socket, say) the URL's host is not looked up.
  HttpPool(Loop& loop, Url url, std::shared_ptr<const TlsContext> tls, const ClientOptions& options,
           std::optional<Address> address = std::nullopt);
  ~HttpPool();
  HttpPool(const HttpPool&) = delete;
  HttpPool& operator=(const HttpPool&) = delete;

  // Sends the request and reads the answer's head. The connection is the caller's until it gives it
  // back or drops it; the body is read by read_body() or read_piece(). Code::cancelled when `abort`
  // was requested.
  Task<base::Result<std::unique_ptr<ClientConnection>>> exchange(const ClientRequest& request,
                                                                 Abort* abort = nullptr);
  // Makes sure that an idle connection is there, opening one if need be. What fails here was not
  // sent anywhere.
  Task<base::Result<void>> reach();
  // Back into the pool if its answer was read to the end and it may be kept; closed otherwise.
  void give_back(std::unique_ptr<ClientConnection> connection);
  const Url& url() const { return url_; }
  // The negotiated group of the latest connection; empty without TLS or before the first.
  const std::string& tls_group() const { return tls_group_; }

 private:
  Task<base::Result<std::unique_ptr<ClientConnection>>> open();
  std::unique_ptr<ClientConnection> take_idle();
  void keep(std::unique_ptr<ClientConnection> connection);
  Task<base::Result<void>> send(ClientConnection& connection, const ClientRequest& request);
  Loop& loop_;
  Url url_;
  std::shared_ptr<const TlsContext> tls_;
  ClientOptions options_;
  std::vector<std::unique_ptr<ClientConnection>> idle_;
  std::vector<Address> addresses_;
  bool fixed_address_ = false;
  std::string tls_group_;
  std::string out_;
};

}  // namespace latticegate::net
