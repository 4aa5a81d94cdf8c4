#include "net/http_server.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <format>
#include <optional>

#include "base/storage.h"
#include "net/socket.h"
#include "net/sse.h"

namespace latticegate::net {

using base::Code;
using base::fail;
using base::Result;

bool ConnectionLimits::enter(const std::string& address) {
  const std::scoped_lock lock(mutex_);
  if (open_ >= total_) return false;
  std::size_t& here = by_address_[address];
  if (here >= per_address_) return false;
  ++here;
  ++open_;
  return true;
}

void ConnectionLimits::leave(const std::string& address) {
  const std::scoped_lock lock(mutex_);
  --open_;
  const auto entry = by_address_.find(address);
  if (--entry->second == 0) by_address_.erase(entry);
}

std::size_t ConnectionLimits::open() const {
  const std::scoped_lock lock(mutex_);
  return open_;
}

class HttpServer::Connection final : public ServerRequest {
 public:
  Connection(HttpServer& server, std::unique_ptr<Stream> stream)
      : server_(server),
        stream_(std::move(stream)),
        said_(server.loop_),
        reader_(server.loop_, *stream_, HttpParser::Side::request, server.options_.limits) {
    server_.open_.insert(this);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override { server_.open_.erase(this); }

  Task<void> run() {
    for (;;) {
      idle_ = true;
      deadline(server_.options_.idle_timeout);
      const auto waited = co_await reader_.wait();
      idle_ = false;
      if (!waited || server_.draining_) break;
      deadline(server_.options_.head_timeout);
      reader_.set_body_limit(server_.options_.limits.body);
      const auto read = co_await reader_.read_head();
      if (!read) {
        co_await refuse(read.error());
        break;
      }
      if (!*read) break;
      stream_->clear_deadline();
      begin_answer();
      co_await server_.handler_.handle(*this);
      while (saying_) co_await said_.wait();
      stream_->on_hangup(nullptr);
      if (!answered_)
        (void)co_await respond(500, "", "text/plain", "the request was not answered\n");
      if (streaming_) break;  // an event stream that was not finished
      if (!keep_alive_ || !reader_.message_complete()) break;
    }
    co_await stream_->shutdown();
  }

  bool idle() const { return idle_; }
  void close() { stream_->close(); }
  void end_after_answer() { keep_alive_ = false; }

  const Head& head() const override { return reader_.head(); }
  const Peer& peer() const override { return stream_->peer(); }
  Loop& loop() override { return server_.loop_; }

  Task<Result<std::string_view>> body() override {
    if (reader_.head().find("expect") == "100-continue" && !reader_.has_more())
      CO_CHECK(co_await stream_->write_one("HTTP/1.1 100 Continue\r\n\r\n"));
    deadline(server_.options_.body_timeout);
    auto body = co_await reader_.read_body();
    stream_->clear_deadline();
    co_return body;
  }

  Task<Result<void>> respond(int status, std::string_view headers, std::string_view content_type,
                             std::string_view body) override {
    while (saying_) co_await said_.wait();
    base::check(!answered_, "a request is answered twice");
    answered_ = true;
    if (streaming_) {  // begun while the handler was silent
      std::string event;
      if (content_type == "application/json") write_event(body, std::nullopt, event);
      if (!event.empty()) CO_CHECK(co_await say(event));
      co_return co_await finish_events();
    }
    // What is left of an unread body would be read as the next request.
    if (!reader_.message_complete() &&
        (reader_.head().chunked || reader_.head().length.value_or(0) > 0))
      keep_alive_ = false;
    if (server_.draining_) keep_alive_ = false;
    const bool bodiless = status == 202 || status == 204;
    out_.clear();
    start_head(status);
    out_ += headers;
    if (!bodiless || !body.empty()) {
      out_ += "Content-Type: ";
      out_ += content_type;
      out_ += "\r\n";
    }
    if (status != 204) {
      std::array<char, 20> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), body.size()).ptr;
      out_ += "Content-Length: ";
      out_.append(digits.data(), end);
      out_ += "\r\n";
    }
    finish_head();
    deadline(server_.options_.write_timeout);
    const std::string_view parts[] = {out_,
                                      reader_.head().method == "HEAD" ? std::string_view() : body};
    auto written = co_await stream_->write(parts);
    stream_->clear_deadline();
    if (!written) keep_alive_ = false;
    co_return written;
  }

  Task<Result<void>> start_events(std::string_view headers) override {
    while (saying_) co_await said_.wait();
    base::check(!answered_, "a request is answered twice");
    answered_ = true;
    base::check(!streaming_ || headers.empty(), "no header comes after the stream was begun");
    auto written = streaming_ ? Result<void>() : co_await begin_events(headers);
    if (reader_.message_complete()) reader_.release_head();
    co_return written;
  }

  Task<Result<void>> send_events(std::string_view text) override {
    while (saying_) co_await said_.wait();
    co_return co_await say(text);
  }

  Task<Result<void>> finish_events() override {
    while (saying_) co_await said_.wait();
    auto written = chunked_ ? co_await write_now("0\r\n\r\n") : Result<void>();
    if (written) streaming_ = false;
    co_return written;
  }

  void may_begin_events() override { may_begin_ = true; }

  // The comment, if the stream was silent for so long; before it the stream, if there is none yet.
  Task<void> keep_alive(base::Instant now) {
    if (saying_ || now - last_said_ < server_.options_.keep_alive) co_return;
    if (!streaming_ && (answered_ || !may_begin_)) co_return;
    if (!streaming_) {
      saying_ = true;
      const auto begun = co_await begin_events({});
      saying_ = false;
      said_.set();
      if (!begun) stream_->close();
      co_return;
    }
    if (!co_await say(":\n\n")) stream_->close();
  }

  bool answered() const override { return answered_; }
  std::shared_ptr<void>& slot() override { return slot_; }

  void on_hangup(std::function<void()> callback) override {
    // Bytes in the buffer are the next request; the socket says nothing about the client until they
    // are read.
    if (callback && reader_.has_more()) return;
    stream_->on_hangup(std::move(callback));
  }

 private:
  void deadline(std::chrono::milliseconds limit) {
    stream_->set_deadline(server_.loop_.now() + limit);
  }

  Task<Result<void>> begin_events(std::string_view headers) {
    streaming_ = true;
    last_said_ = server_.loop_.now();
    chunked_ = reader_.head().minor == 1;
    if (!chunked_) keep_alive_ = false;
    if (server_.draining_) keep_alive_ = false;
    out_.clear();
    start_head(200);
    out_ += headers;
    out_ +=
        "Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n";
    if (chunked_) out_ += "Transfer-Encoding: chunked\r\n";
    finish_head();
    auto written = co_await write_now(out_);
    base::free_storage(out_);
    co_return written;
  }

  // Of an event stream; one at a time.
  Task<Result<void>> say(std::string_view text) {
    saying_ = true;
    std::array<char, 20> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), text.size(), 16).ptr;
    const std::string_view head(digits.data(), end);
    const std::string_view chunk[] = {head, "\r\n", text, "\r\n"};
    deadline(server_.options_.write_timeout);
    auto written =
        co_await stream_->write(chunked_ ? std::span(chunk) : std::span(chunk).subspan(2, 1));
    stream_->clear_deadline();
    last_said_ = server_.loop_.now();
    saying_ = false;
    said_.set();
    co_return written;
  }

  void begin_answer() {
    answered_ = false;
    streaming_ = false;
    may_begin_ = false;
    last_said_ = server_.loop_.now();
    keep_alive_ = reader_.head().keep_alive;
  }

  void start_head(int status) {
    out_ += "HTTP/1.1 ";
    std::array<char, 8> digits;
    out_.append(digits.data(),
                std::to_chars(digits.data(), digits.data() + digits.size(), status).ptr);
    out_ += ' ';
    out_ += reason_phrase(status);
    out_ += "\r\n";
  }
  void finish_head() {
    if (!keep_alive_)
      out_ += "Connection: close\r\n";
    else if (reader_.head().minor == 0)
      out_ += "Connection: keep-alive\r\n";
    out_ += "\r\n";
  }

  Task<Result<void>> write_now(std::string_view text) {
    deadline(server_.options_.write_timeout);
    auto written = co_await stream_->write_one(text);
    stream_->clear_deadline();
    co_return written;
  }

  // One clear answer to a request that cannot be read, then the connection ends.
  Task<void> refuse(const base::Error& error) {
    if (error.code == Code::closed) co_return;
    answered_ = false;
    keep_alive_ = false;
    const int status = status_of(error);
    server_.log_.debug("request refused",
                       {{"peer", peer().address}, {"reason", base::describe(error)}});
    const std::string body = std::format("{}\n", base::describe(error));
    out_ = std::format(
        "HTTP/1.1 {} {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: "
        "close\r\n\r\n{}",
        status, reason_phrase(status), body.size(), body);
    (void)co_await write_now(out_);
  }

  HttpServer& server_;
  std::unique_ptr<Stream> stream_;
  Event said_;
  base::Instant last_said_{};
  bool saying_ = false;  // a part of an event stream is on its way
  MessageReader reader_;
  std::string out_;
  std::shared_ptr<void> slot_;
  bool idle_ = false;
  bool answered_ = false;
  bool streaming_ = false;
  bool may_begin_ = false;  // events, before the handler says anything
  bool chunked_ = false;
  bool keep_alive_ = true;
};

HttpServer::HttpServer(Loop& loop, Handler& handler, const HttpServerOptions& options,
                       std::shared_ptr<ConnectionLimits> limits, const base::Log& log)
    : loop_(loop),
      handler_(handler),
      options_(options),
      limits_(std::move(limits)),
      log_(log),
      tasks_([this](const std::exception_ptr& exception) {
        std::string words = "unknown exception";
        try {
          std::rethrow_exception(exception);
        } catch (const std::exception& known) {
          words = known.what();
        } catch (...) {
          words = "foreign exception";
        }
        log_.error("a connection ended by an exception", {{"reason", words}});
      }) {}

HttpServer::~HttpServer() = default;

void HttpServer::accept(int fd, Peer peer, std::shared_ptr<const TlsContext> tls) {
  if (draining_ || !limits_->enter(peer.address)) {
    ::close(fd);
    return;
  }
  tasks_.spawn(serve(fd, std::move(peer), std::move(tls)));
}

Task<void> HttpServer::serve(int fd, Peer peer, std::shared_ptr<const TlsContext> tls) {
  const std::string address = peer.address;
  std::unique_ptr<Stream> stream;
  if (tls) {
    while (handshakes_ >= options_.handshakes_in_flight && !draining_)
      co_await loop_.sleep(std::chrono::milliseconds(5));
    ++handshakes_;
    auto shaken = co_await tls_handshake(loop_, std::move(tls), fd, std::move(peer),
                                         options_.handshake_timeout);
    --handshakes_;
    if (shaken)
      stream = *std::move(shaken);
    else if (shaken.error().code != Code::closed)
      log_.info("TLS refused", {{"peer", address}, {"reason", base::describe(shaken.error())}});
  } else {
    stream = socket_stream(loop_, fd, std::move(peer));
  }
  if (stream) {
    Connection connection(*this, std::move(stream));
    co_await connection.run();
  }
  limits_->leave(address);
}

Task<void> HttpServer::drain() {
  draining_ = true;
  for (Connection* const connection : open_) {
    if (connection->idle())
      connection->close();
    else
      connection->end_after_answer();
  }
  co_await tasks_.empty();
}

Task<void> HttpServer::keep_streams_alive() {
  if (options_.keep_alive.count() == 0) co_return;
  // While one is written to, others come and go.
  const std::vector<Connection*> open(open_.begin(), open_.end());
  for (Connection* const connection : open)
    if (open_.contains(connection)) co_await connection->keep_alive(loop_.now());
}

void HttpServer::abort() {
  draining_ = true;
  for (Connection* const connection : open_) connection->close();
}

}  // namespace latticegate::net
