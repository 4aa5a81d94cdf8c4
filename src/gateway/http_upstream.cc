#include <format>
#include <mutex>

#include "gateway/upstream.h"
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

class HttpReply final : public Reply {
 public:
  HttpReply(net::Loop& loop, net::HttpPool& pool, std::unique_ptr<net::ClientConnection> connection,
            base::Bytes limit, std::chrono::milliseconds timeout, bool stream)
      : loop_(loop),
        pool_(pool),
        connection_(std::move(connection)),
        limit_(limit),
        timeout_(timeout),
        stream_(stream),
        sse_(limit) {
    const auto type = connection_->head().find("content-type").value_or("");
    events_ = net::is_media_type(type, "text/event-stream");
    json_ = net::is_media_type(type, "application/json");
    status_ = connection_->head().status;
    if (const auto id = connection_->head().find("mcp-session-id")) session_id_ = *id;
    if (events_) connection_->release_head();
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
      while (const auto event = sse_.next())
        if (!event->data.empty()) co_return parse(event->data);
      auto piece = co_await connection_->read_piece();
      if (cancelled_) co_return fail(Code::cancelled, "cancelled");
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
    if (connection_) connection_->cancel();
  }
  int status() const override { return status_; }
  std::string_view session_id() const override { return session_id_; }

 private:
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
  net::SseParser sse_;
  std::string session_id_;
  int status_ = 0;
  bool events_ = false;
  bool json_ = false;
  bool done_ = false;
  bool cancelled_ = false;
};

class HttpLink final : public Link {
 public:
  HttpLink(HttpTarget target, std::function<net::HttpPool&(net::Loop&)> pool, base::Bytes limit)
      : target_(std::move(target)), pool_(std::move(pool)), limit_(limit) {}

  Task<Result<std::unique_ptr<Reply>>> request(net::Loop& loop, const Outgoing& message,
                                               net::Abort& abort) override {
    net::HttpPool& pool = pool_(loop);
    const std::string headers = headers_for(message);
    CO_TRY(auto connection, co_await pool.exchange({.method = "POST",
                                                    .path = {},
                                                    .headers = headers,
                                                    .body = message.text,
                                                    .has_body = true,
                                                    .idempotent = message.idempotent},
                                                   &abort));
    std::unique_ptr<Reply> reply = std::make_unique<HttpReply>(
        loop, pool, std::move(connection), limit_, target_.request_timeout, message.stream);
    co_return reply;
  }

  Task<Result<void>> notify(net::Loop& loop, const Outgoing& message) override {
    net::HttpPool& pool = pool_(loop);
    const std::string headers = headers_for(message);
    CO_TRY(auto connection, co_await pool.exchange({.method = "POST",
                                                    .path = {},
                                                    .headers = headers,
                                                    .body = message.text,
                                                    .has_body = true,
                                                    .idempotent = false}));
    const int status = connection->head().status;
    (void)co_await connection->read_body();
    pool.give_back(std::move(connection));
    if (status / 100 != 2)
      co_return fail(status == 404 ? Code::not_found : Code::unavailable,
                     std::format("the server answered {}", status));
    co_return Result<void>();
  }

  Task<Result<std::unique_ptr<Reply>>> listen(net::Loop& loop) override {
    net::HttpPool& pool = pool_(loop);
    Outgoing nothing;
    nothing.version = version();
    std::string headers = headers_for(nothing);
    CO_TRY(auto connection, co_await pool.exchange({.method = "GET",
                                                    .path = {},
                                                    .headers = headers,
                                                    .body = {},
                                                    .has_body = false,
                                                    .idempotent = true}));
    const int status = connection->head().status;
    if (status != 200 || !net::is_media_type(connection->head().find("content-type").value_or(""),
                                             "text/event-stream")) {
      (void)co_await connection->read_body();
      pool.give_back(std::move(connection));
      co_return fail(status == 404 ? Code::not_found : Code::unsupported,
                     std::format("the server answered {} to GET", status));
    }
    std::unique_ptr<Reply> reply = std::make_unique<HttpReply>(
        loop, pool, std::move(connection), limit_, target_.request_timeout, true);
    co_return reply;
  }

  void opened(std::string_view session_id, std::string_view version) override {
    const std::scoped_lock lock(mutex_);
    session_ = session_id;
    version_ = version;
  }

  Task<void> end(net::Loop& loop) override {
    Outgoing nothing;
    nothing.version = version();
    const std::string headers = headers_for(nothing);
    {
      const std::scoped_lock lock(mutex_);
      if (session_.empty()) co_return;
      session_.clear();
    }
    auto connection = co_await pool_(loop).exchange(
        {.method = "DELETE",
         .path = {},
         .headers = headers,
         .body = {},
         .has_body = false,
         .idempotent = true,
         .head_timeout = std::chrono::seconds(2)});  // politeness has a limit
    if (!connection) co_return;
    (void)co_await (*connection)->read_body();
    pool_(loop).give_back(*std::move(connection));
  }

 private:
  // Built from scratch for every request: nothing of the client's headers passes.
  std::string headers_for(const Outgoing& message) const {
    std::string out;
    out.reserve(256);
    out += "Accept: application/json, text/event-stream\r\n";
    if (!message.text.empty()) out += "Content-Type: application/json\r\n";
    if (!target_.authorization.empty()) {
      out += "Authorization: ";
      out += target_.authorization;
      out += "\r\n";
    }
    if (const std::scoped_lock lock(mutex_); !session_.empty()) {
      out += "Mcp-Session-Id: ";
      out += session_;
      out += "\r\n";
    }
    if (!message.version.empty()) {
      out += "MCP-Protocol-Version: ";
      out += message.version;
      out += "\r\n";
    }
    if (message.era == mcp::Era::modern) {
      out += "Mcp-Method: ";
      out += message.method;
      out += "\r\n";
      if (!message.name.empty()) {
        out += "Mcp-Name: ";
        out += mcp::encode_header_value(message.name);
        out += "\r\n";
      }
      for (const auto& [name, value] : message.parameter_headers) {
        out += name;
        out += ": ";
        out += value;
        out += "\r\n";
      }
    }
    return out;
  }

  std::string version() const {
    const std::scoped_lock lock(mutex_);
    return version_;
  }

  HttpTarget target_;
  std::function<net::HttpPool&(net::Loop&)> pool_;
  base::Bytes limit_;
  mutable std::mutex mutex_;
  std::string session_;  // of the legacy era; empty before the handshake and after the end
  std::string version_;
};

}  // namespace

std::shared_ptr<Link> http_link(HttpTarget target, std::function<net::HttpPool&(net::Loop&)> pool,
                                base::Bytes answer_limit) {
  return std::make_shared<HttpLink>(std::move(target), std::move(pool), answer_limit);
}

}  // namespace latticegate::gateway
