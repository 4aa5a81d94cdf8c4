#include <algorithm>
#include <format>
#include <mutex>

#include "gateway/http_sender.h"
#include "gateway/sse_upstream.h"
#include "net/sse.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

json::Limits answer_limits(base::Bytes size) {
  return {.size = size, .depth = 64, .nodes = 4'000'000, .allow_nul = true};
}

// Of streams that are taken up again.
constexpr std::uint64_t longest_retry = 30'000;  // milliseconds, whatever a server asks for
constexpr int most_attempts = 5;
constexpr std::chrono::milliseconds step{50};  // in which a wait hears that it is cancelled

class HttpReply final : public Reply {
 public:
  // `resume_headers` makes the headers of a GET that takes an interrupted stream up again behind
  // the event of that id; without it no stream is taken up.
  HttpReply(net::Loop& loop, net::HttpPool& pool, std::unique_ptr<net::ClientConnection> connection,
            base::Bytes limit, std::chrono::milliseconds timeout, bool stream,
            std::function<std::string(std::string_view)> resume_headers = {})
      : loop_(loop),
        pool_(pool),
        connection_(std::move(connection)),
        limit_(limit),
        timeout_(timeout),
        stream_(stream),
        resume_headers_(std::move(resume_headers)),
        sse_(limit) {
    const auto type = connection_->head().find("content-type").value_or("");
    events_ = net::is_media_type(type, "text/event-stream");
    json_ = net::is_media_type(type, "application/json");
    status_ = connection_->head().status;
    const net::Peer& peer = connection_->stream().peer();
    secured_ = {.version = peer.tls_version, .group = peer.tls_group};
    if (const auto id = connection_->head().find("mcp-session-id")) session_id_ = *id;
    if (events_) {
      connection_->release_head();
      connection_->read_without_end();  // each event has the limit
    }
  }
  ~HttpReply() override { pool_.give_back(std::move(connection_)); }

  Task<Result<std::optional<mcp::Message>>> next() override {
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    if (done_) co_return std::nullopt;
    if (!stream_) connection_->stream().set_deadline(loop_.now() + timeout_);
    if (!events_) {
      done_ = true;
      auto body = co_await connection_->read_body();
      if (cancelled_) co_return fail(Code::cancelled, "cancelled");
      if (!body) co_return std::unexpected(std::move(body).error());
      connection_->stream().clear_deadline();
      if (body->empty()) co_return std::nullopt;
      if (!json_)
        co_return fail(Code::malformed,
                       std::format("the server answered {} with a body that is not JSON", status_));
      co_return parse(*body);
    }
    for (;;) {
      while (const auto event = sse_.next()) {
        if (event->id) last_event_ = *event->id;
        if (event->retry_ms)
          retry_ = std::chrono::milliseconds(std::min(*event->retry_ms, longest_retry));
        if (event->data.empty()) continue;
        attempts_ = 0;
        auto message = parse(event->data);
        answered_ = answered_ || (message && (*message)->is_response());
        co_return message;
      }
      auto piece = co_await connection_->read_piece();
      if (cancelled_) co_return fail(Code::cancelled, "cancelled");
      const bool broken = !piece && piece.error().code != Code::timeout;
      if ((broken || (piece && piece->empty())) && !answered_ && resume_headers_ &&
          !last_event_.empty() && attempts_ < most_attempts) {
        CO_CHECK(co_await take_up());
        continue;
      }
      if (!piece) co_return std::unexpected(std::move(piece).error());
      if (piece->empty()) {
        done_ = true;
        connection_->stream().clear_deadline();
        co_return std::nullopt;
      }
      CO_CHECK(sse_.feed(*piece));
    }
  }

  void cancel() override {
    cancelled_ = true;
    abort_.request();
    if (connection_) connection_->cancel();
  }
  int status() const override { return status_; }
  std::string_view session_id() const override { return session_id_; }
  Secured secured() const override { return secured_; }

 private:
  // The server let the stream go before its answer and keeps the rest (2025-11-25,
  // basic/transports): it is fetched after the time that the server named.
  Task<Result<void>> take_up() {
    ++attempts_;
    pool_.give_back(std::move(connection_));
    for (auto left = retry_; left.count() > 0 && !cancelled_; left -= std::min(left, step))
      co_await loop_.sleep(std::min(left, step));
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    const std::string headers = resume_headers_(last_event_);
    CO_TRY(connection_, co_await pool_.exchange({.method = "GET",
                                                 .path = {},
                                                 .headers = headers,
                                                 .body = {},
                                                 .has_body = false,
                                                 .idempotent = true},
                                                &abort_));
    const auto type = connection_->head().find("content-type").value_or("");
    if (connection_->head().status != 200 || !net::is_media_type(type, "text/event-stream"))
      co_return fail(Code::unavailable, "the server keeps nothing of the stream that it ended");
    connection_->release_head();
    connection_->read_without_end();
    sse_ = net::SseParser(limit_);
    if (!stream_) connection_->stream().set_deadline(loop_.now() + timeout_);
    co_return Result<void>();
  }

  Result<std::optional<mcp::Message>> parse(std::string_view text) const {
    auto message = mcp::Message::parse(text, answer_limits(limit_));
    if (message) return std::optional<mcp::Message>(*std::move(message));
    return fail(Code::malformed,
                "the server's message cannot be read: " + message.error().error.detail);
  }

  net::Loop& loop_;
  net::HttpPool& pool_;
  std::unique_ptr<net::ClientConnection> connection_;
  base::Bytes limit_;
  std::chrono::milliseconds timeout_;
  bool stream_;
  std::function<std::string(std::string_view)> resume_headers_;
  net::SseParser sse_;
  net::Abort abort_;
  std::string last_event_;
  std::chrono::milliseconds retry_{1'000};
  int attempts_ = 0;  // since the last message
  bool answered_ = false;
  std::string session_id_;
  Secured secured_;
  int status_ = 0;
  bool events_ = false;
  bool json_ = false;
  bool done_ = false;
  bool cancelled_ = false;
};

class HttpLink final : public Link {
 public:
  HttpLink(HttpTarget target, std::function<net::HttpPool&(net::Loop&)> pool, base::Bytes limit)
      : sender_(std::make_shared<HttpSender>(std::move(target), std::move(pool))), limit_(limit) {}
  ~HttpLink() override {
    if (sse_) sse_->end();
  }

  Task<Result<std::unique_ptr<Reply>>> request(net::Loop& loop, const Outgoing& message,
                                               net::Abort& abort) override {
    if (const auto old = sse()) co_return co_await old->request(loop, message, abort);
    CO_TRY(auto connection, co_await sender_->send(loop, "POST", message, &abort));
    const int status = connection->head().status;
    if (message.method == "initialize" && message.era == mcp::Era::legacy &&
        (status == 400 || status == 404 || status == 405) && sender_->target().spawn) {
      // A server of 2024-11-05 takes no messages here, but has a stream (its basic/transports).
      const auto opened = co_await SseSession::open(loop, sender_, limit_);
      if (opened) {
        const std::shared_ptr<SseSession> session = *opened;
        {
          const std::scoped_lock lock(mutex_);
          sse_ = session;
        }
        co_return co_await session->request(loop, message, abort);
      }
    }
    std::function<std::string(std::string_view)> resume;
    if (message.era == mcp::Era::legacy)
      resume = [sender = sender_, version = message.version, &loop](std::string_view event) {
        Outgoing nothing;
        nothing.version = version;
        // An id that cannot stand in a header was no id of an event.
        const bool printable =
            std::ranges::all_of(event, [](char c) { return c >= 0x20 && c <= 0x7E; });
        return sender->headers(loop, nothing) +
               (printable ? std::format("Last-Event-ID: {}\r\n", event) : std::string());
      };
    std::unique_ptr<Reply> reply = std::make_unique<HttpReply>(
        loop, sender_->pool(loop), std::move(connection), limit_, sender_->target().request_timeout,
        message.stream, std::move(resume));
    co_return reply;
  }

  Task<Result<void>> notify(net::Loop& loop, const Outgoing& message) override {
    if (const auto old = sse()) co_return co_await old->notify(loop, message);
    CO_TRY(auto connection, co_await sender_->send(loop, "POST", message, nullptr));
    const int status = connection->head().status;
    (void)co_await connection->read_body();
    sender_->pool(loop).give_back(std::move(connection));
    if (status / 100 != 2)
      co_return fail(status == 404 ? Code::not_found : Code::unavailable,
                     std::format("the server answered {}", status));
    co_return Result<void>();
  }

  Task<Result<std::unique_ptr<Reply>>> listen(net::Loop& loop) override {
    if (const auto old = sse()) co_return old->listen(loop);
    Outgoing nothing;
    nothing.version = sender_->version();
    nothing.idempotent = true;
    CO_TRY(auto connection, co_await sender_->send(loop, "GET", nothing, nullptr));
    net::HttpPool& pool = sender_->pool(loop);
    const int status = connection->head().status;
    if (status != 200 || !net::is_media_type(connection->head().find("content-type").value_or(""),
                                             "text/event-stream")) {
      (void)co_await connection->read_body();
      pool.give_back(std::move(connection));
      co_return fail(status == 404 ? Code::not_found : Code::unsupported,
                     std::format("the server answered {} to GET", status));
    }
    std::unique_ptr<Reply> reply = std::make_unique<HttpReply>(
        loop, pool, std::move(connection), limit_, sender_->target().request_timeout, true);
    co_return reply;
  }

  void opened(std::string_view session_id, std::string_view version) override {
    sender_->opened(session_id, version);
  }
  bool alive() const override {
    const auto old = sse();
    return !old || old->alive();
  }
  Task<void> end(net::Loop& loop) override {
    if (const auto old = sse()) {
      old->end();
      co_return;
    }
    co_await sender_->end(loop);
  }

 private:
  std::shared_ptr<SseSession> sse() const {
    const std::scoped_lock lock(mutex_);
    return sse_;
  }

  std::shared_ptr<HttpSender> sender_;
  base::Bytes limit_;
  mutable std::mutex mutex_;
  std::shared_ptr<SseSession> sse_;  // null: the streamable transport
};

}  // namespace

std::shared_ptr<Link> http_link(HttpTarget target, std::function<net::HttpPool&(net::Loop&)> pool,
                                base::Bytes answer_limit) {
  return std::make_shared<HttpLink>(std::move(target), std::move(pool), answer_limit);
}

}  // namespace latticegate::gateway
