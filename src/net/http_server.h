// HTTP server side: connections of one loop, one request at a time each, answered by a Handler.
//
// Every wait has a limit: first byte after connect or the previous answer (idle), whole head, whole
// body, each write. Too many connections (in all or per address) are closed at once. A request with
// ambiguous framing is answered and its connection closed. Pipelined requests wait in the buffer
// until the answer before them has left.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/log.h"
#include "net/http.h"
#include "net/message_reader.h"
#include "net/stream.h"
#include "net/tls.h"

namespace latticegate::net {

// One request and the way to answer it. Exactly one of respond() or start_events()...finish()
// happens; a handler that returns without either leaves a 500. All views are valid until the
// handler returns.
class ServerRequest {
 public:
  virtual ~ServerRequest() = default;
  virtual const Head& head() const = 0;
  virtual const Peer& peer() const = 0;
  virtual Loop& loop() = 0;
  // The whole body, within the server's limit.
  virtual Task<base::Result<std::string_view>> body() = 0;

  // Status, extra header lines ("Name: value\r\n" each, no framing headers) and the body.
  virtual Task<base::Result<void>> respond(int status, std::string_view headers,
                                           std::string_view content_type,
                                           std::string_view body) = 0;
  // Begins a text/event-stream answer; the head leaves at once. The request's head is gone then, so
  // that an open stream holds no buffer.
  virtual Task<base::Result<void>> start_events(std::string_view headers) = 0;
  // Sends ready event-stream text (whole events or comments).
  virtual Task<base::Result<void>> send_events(std::string_view text) = 0;
  virtual Task<base::Result<void>> finish_events() = 0;
  // The client takes an event stream for an answer, and the handler may take long: after
  // options.keep_alive the server begins the stream by itself, so that what lies between hears
  // something. A later respond() then becomes its one event, without status and headers. Before the
  // handler knows of headers that the client needs; the request's head stays.
  virtual void may_begin_events() = 0;
  virtual bool answered() const = 0;

  // A place for what the handler wants to remember about this connection; dies with it.
  virtual std::shared_ptr<void>& slot() = 0;

  // Calls back once if the client goes away before the answer is complete.
  virtual void on_hangup(std::function<void()> callback) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  virtual Task<void> handle(ServerRequest& request) = 0;
};

// How many connections there may be; shared by the servers of all loops.
class ConnectionLimits {
 public:
  ConnectionLimits(std::size_t total, std::size_t per_address)
      : total_(total), per_address_(per_address) {}
  bool enter(const std::string& address);
  void leave(const std::string& address);
  std::size_t open() const;

 private:
  mutable std::mutex mutex_;
  std::size_t total_;
  std::size_t per_address_;
  std::size_t open_ = 0;
  std::unordered_map<std::string, std::size_t> by_address_;
};

struct HttpServerOptions {
  HttpParser::Limits limits;
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds head_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds keep_alive{15'000};  // of silence; 0: nothing is said
  std::size_t handshakes_in_flight = 64;         // per loop; further ones wait
};

class HttpServer {
 public:
  HttpServer(Loop& loop, Handler& handler, const HttpServerOptions& options,
             std::shared_ptr<ConnectionLimits> limits, const base::Log& log);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  // Takes over an accepted descriptor. Without a context the connection is plain HTTP.
  void accept(int fd, Peer peer, std::shared_ptr<const TlsContext> tls);
  // Closes idle connections and lets the others finish their answer; resumes when all are gone.
  // Event streams are told to end by their handlers.
  Task<void> drain();
  // Event streams that were silent for options.keep_alive get an empty comment: what lies between
  // does not take them for dead, and a client that vanished is noticed. Requests that wait for so
  // long and may have a stream get it. To be called now and then.
  Task<void> keep_streams_alive();
  // Closes everything now.
  void abort();
  std::size_t connections() const { return tasks_.size(); }

 private:
  class Connection;
  friend class Connection;
  Task<void> serve(int fd, Peer peer, std::shared_ptr<const TlsContext> tls);
  Loop& loop_;
  Handler& handler_;
  HttpServerOptions options_;
  std::shared_ptr<ConnectionLimits> limits_;
  const base::Log& log_;
  TaskGroup tasks_;
  std::unordered_set<Connection*> open_;
  std::size_t handshakes_ = 0;
  bool draining_ = false;
};

}  // namespace latticegate::net
