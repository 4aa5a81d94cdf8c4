#include "gateway/sse_upstream.h"

#include <format>

#include "net/sse.h"

namespace latticegate::gateway {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

namespace {

constexpr std::chrono::seconds patience{10};  // until the first event

// What is posted to: a path of the stream's origin.
Result<std::string> endpoint_of(std::string_view text, const net::Url& stream) {
  if (text.starts_with('/') && !text.starts_with("//")) return std::string(text);
  const auto url = net::parse_url(text);
  if (!url) return fail(Code::malformed, "the server names no address for messages");
  if (url->tls != stream.tls || url->host != stream.host || url->port != stream.port)
    return fail(Code::forbidden, "the server wants its messages sent elsewhere");
  return url->path;
}

}  // namespace

struct SseSession::Inside {
  explicit Inside(base::Bytes limit) : parser(limit) {}
  std::unique_ptr<net::ClientConnection> connection;
  net::SseParser parser;
};

Task<Result<std::shared_ptr<SseSession>>> SseSession::open(net::Loop& loop,
                                                           std::shared_ptr<HttpSender> sender,
                                                           base::Bytes answer_limit) {
  std::shared_ptr<SseSession> self(new SseSession(loop, sender, answer_limit));
  self->inside_ = std::make_shared<Inside>(answer_limit);
  Outgoing nothing;
  nothing.idempotent = true;
  CO_TRY(self->inside_->connection, co_await sender->send(loop, "GET", nothing, nullptr));
  const net::Peer& peer = self->inside_->connection->stream().peer();
  self->stream_ =
      std::make_shared<OneStream>([](const std::string&) {}, "the server's stream ended",
                                  Secured{.version = peer.tls_version, .group = peer.tls_group});
  const net::Head& head = self->inside_->connection->head();
  if (head.status != 200 ||
      !net::is_media_type(head.find("content-type").value_or(""), "text/event-stream"))
    co_return fail(Code::unsupported, "the server has no event stream");
  self->inside_->connection->release_head();
  self->inside_->connection->read_without_end();  // each event has the limit
  CO_CHECK(co_await self->find_endpoint());
  Task<void> pumping = pump(self);
  self->sender_->target().spawn(loop, std::move(pumping));
  co_return self;
}

Task<Result<void>> SseSession::find_endpoint() {
  Inside& inside = *inside_;
  inside.connection->stream().set_deadline(home_.now() + patience);
  for (;;) {
    while (const auto event = inside.parser.next()) {
      if (event->event != "endpoint") continue;
      CO_TRY(path_, endpoint_of(event->data, sender_->target().url));
      inside.connection->stream().clear_deadline();
      co_return Result<void>();
    }
    CO_TRY(const std::string_view piece, co_await inside.connection->read_piece());
    if (piece.empty()) co_return fail(Code::unsupported, "the stream names no endpoint");
    CO_CHECK(inside.parser.feed(piece));
  }
}

Task<void> SseSession::pump(std::shared_ptr<SseSession> self) {
  const std::shared_ptr<Inside> inside = self->inside_;
  for (bool open = true; open && !self->stream_->ended();) {
    while (const auto event = inside->parser.next()) {
      if (event->data.empty() || (!event->event.empty() && event->event != "message")) continue;
      auto message = mcp::Message::parse(
          event->data, {.size = self->limit_, .depth = 64, .nodes = 4'000'000, .allow_nul = true});
      if (message) self->stream_->route(*std::move(message));
    }
    const auto piece = co_await inside->connection->read_piece();
    open = piece && !piece->empty() && inside->parser.feed(*piece);
  }
  self->stream_->finish();
  inside->connection.reset();
}

Task<Result<void>> SseSession::post(net::Loop& loop, const Outgoing& message, net::Abort* abort) {
  if (stream_->ended()) co_return fail(Code::unavailable, "the server's stream has ended");
  CO_TRY(auto connection, co_await sender_->send(loop, "POST", message, abort, path_));
  const int status = connection->head().status;
  (void)co_await connection->read_body();
  sender_->pool(loop).give_back(std::move(connection));
  if (status / 100 != 2)
    co_return fail(status == 404 ? Code::not_found : Code::unavailable,
                   std::format("the server answered {}", status));
  co_return Result<void>();
}

Task<Result<std::unique_ptr<Reply>>> SseSession::request(net::Loop& loop, const Outgoing& message,
                                                         net::Abort& abort) {
  CO_TRY(auto reply,
         stream_->reply(loop, message.id, sender_->target().request_timeout, message.stream));
  CO_CHECK(co_await post(loop, message, &abort));
  co_return reply;
}

Task<Result<void>> SseSession::notify(net::Loop& loop, const Outgoing& message) {
  return post(loop, message, nullptr);
}

Result<std::unique_ptr<Reply>> SseSession::listen(net::Loop& loop) {
  return stream_->reply(loop, {}, {}, true);
}

void SseSession::end() {
  stream_->finish();
  home_.post([inside = inside_] {
    if (inside->connection) inside->connection->cancel();
  });
}

}  // namespace latticegate::gateway
