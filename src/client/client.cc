#include "client/client.h"

#include <format>

#include "base/log.h"
#include "json/write.h"
#include "net/sse.h"

namespace latticegate::client {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr base::Bytes answer_limit{std::uint64_t{64} * 1024 * 1024};

json::Limits limits() {
  return {.size = answer_limit, .depth = 64, .nodes = 8'000'000, .allow_nul = true};
}

net::ClientRequest post(std::string_view headers, std::string_view body) {
  return {.method = "POST",
          .path = {},
          .headers = headers,
          .body = body,
          .has_body = true,
          .idempotent = false};
}

}  // namespace

Result<std::shared_ptr<const net::TlsContext>> tls_for(const net::Url& url,
                                                       const Options& options) {
  if (!url.tls) return nullptr;
  return net::TlsContext::client({.profile = options.profile,
                                  .ca_pem = options.ca_pem,
                                  .server_name = url.host,
                                  .certificate_pem = {},
                                  .key_pem = {}});
}

Result<std::unique_ptr<Client>> Client::make(net::Loop& loop, Options options) {
  auto url = net::parse_url(options.url);
  if (!url) return std::unexpected(std::move(url).error());
  auto tls = tls_for(*url, options);
  if (!tls) return std::unexpected(std::move(tls).error());
  net::ClientOptions connection;
  connection.limits.body = answer_limit;
  connection.head_timeout = options.timeout;
  auto pool = std::make_unique<net::HttpPool>(loop, *std::move(url), *std::move(tls), connection);
  return std::unique_ptr<Client>(new Client(loop, std::move(options), std::move(pool)));
}

std::string Client::headers(std::string_view method, std::string_view name) const {
  std::string out =
      "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
  if (!options_.bearer.empty()) out += std::format("Authorization: Bearer {}\r\n", options_.bearer);
  if (!session_.empty()) out += std::format("Mcp-Session-Id: {}\r\n", session_);
  if (!version_.empty()) out += std::format("MCP-Protocol-Version: {}\r\n", version_);
  if (options_.era == mcp::Era::modern) {
    out += std::format("Mcp-Method: {}\r\n", method);
    if (!name.empty()) out += std::format("Mcp-Name: {}\r\n", mcp::encode_header_value(name));
  }
  return out;
}

Task<Result<std::string>> Client::open() {
  if (options_.era == mcp::Era::modern) {
    version_ = mcp::modern_revision;
    co_return std::string();
  }
  CO_TRY(
      const mcp::Message answer,
      co_await request(
          "initialize",
          R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"latticegate-call","version":"0.1.0"}})"));
  if (!answer.result().exists()) {
    const std::int64_t code = answer.error()["code"].integer().value_or(0);
    co_return fail(
        code == mcp::denied_code || code == mcp::killed_code ? Code::forbidden : Code::unavailable,
        std::string(answer.error()["message"].text_or("the server refused the session")));
  }
  version_ = answer.result()["protocolVersion"].text_or("");
  CO_CHECK(co_await notify(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"));
  co_return json::to_string(answer.result());
}

Task<Result<void>> Client::notify(std::string text) {
  const std::string lines = headers("", "");
  CO_TRY(auto connection, co_await pool_->exchange(post(lines, text)));
  (void)co_await connection->read_body();
  pool_->give_back(std::move(connection));
  co_return Result<void>();
}

Task<Result<mcp::Message>> Client::request(std::string method, std::string params) {
  const std::string id = std::to_string(next_id_++);
  const auto given = json::Document::parse(params, limits());
  if (!given || !given->root().is_object())
    co_return fail(Code::invalid, "the parameters are no JSON object");
  std::string text;
  json::Writer writer(text);
  writer.begin_object()
      .member("jsonrpc", "2.0")
      .key("id")
      .raw(id)
      .member("method", method)
      .key("params")
      .begin_object();
  for (const json::Member member : given->root().members()) writer.member(member.key, member.value);
  if (options_.era == mcp::Era::modern)
    writer.key("_meta").raw(std::format(
        R"({{"{0}protocolVersion":"{1}","{0}clientCapabilities":{{}},"{0}clientInfo":{{"name":"latticegate-call","version":"0.1.0"}}}})",
        mcp::meta_prefix, mcp::modern_revision));
  writer.end_object().end_object();
  const std::string_view name = given->root()["name"].text_or(given->root()["uri"].text_or({}));
  const std::string lines = headers(method, name);
  CO_TRY(auto connection, co_await pool_->exchange(post(lines, text)));
  const int status = connection->head().status;
  if (const auto session = connection->head().find("mcp-session-id")) session_ = *session;
  connection->stream().set_deadline(loop_.clock().instant() + options_.timeout);
  std::optional<mcp::Message> answer;
  const auto take = [&](std::string_view message) {
    auto parsed = mcp::Message::parse(message, limits());
    if (parsed && parsed->is_response()) answer = *std::move(parsed);
  };
  if (connection->head().find("content-type").value_or("").starts_with("text/event-stream")) {
    net::SseParser events(answer_limit);
    while (!answer) {
      CO_TRY(const std::string_view piece, co_await connection->read_piece());
      if (piece.empty()) break;
      CO_CHECK(events.feed(piece));
      while (const auto event = events.next())
        if (!event->data.empty()) take(event->data);
    }
  } else {
    CO_TRY(const std::string_view body, co_await connection->read_body());
    take(body);
    if (!answer)
      co_return fail(status == 401 ? Code::unauthenticated : Code::unavailable,
                     std::format("HTTP {}: {}", status, base::printable(body.substr(0, 300))));
  }
  if (!answer) co_return fail(Code::unavailable, "the server ended its answer without a response");
  if (connection->message_complete()) pool_->give_back(std::move(connection));
  co_return *std::move(answer);
}

Task<void> Client::close() {
  if (session_.empty()) co_return;
  const std::string lines = headers("", "");
  auto connection = co_await pool_->exchange({.method = "DELETE",
                                              .path = {},
                                              .headers = lines,
                                              .body = {},
                                              .has_body = false,
                                              .idempotent = false});
  if (connection) (void)co_await (*connection)->read_body();
  session_.clear();
}

namespace {

Task<Result<Answer>> ask(net::HttpPool& pool, std::string_view method, std::string_view path,
                         std::string_view body) {
  CO_TRY(auto connection, co_await pool.exchange({.method = method,
                                                  .path = path,
                                                  .headers = "",
                                                  .body = body,
                                                  .has_body = method == "POST",
                                                  .idempotent = false}));
  CO_TRY(const std::string_view text, co_await connection->read_body());
  co_return Answer{connection->head().status, std::string(text)};
}

}  // namespace

Result<Answer> ask_control(const std::string& socket, std::string_view method,
                           std::string_view path, std::string_view body) {
  auto address = net::parse_address("unix:" + socket);
  if (!address) return std::unexpected(std::move(address).error());
  const base::SystemClock clock;
  net::Loop loop(0, clock);
  net::HttpPool pool(
      loop, {.tls = false, .host = "control", .port = 80, .path = "/", .authority = "control"},
      nullptr, {}, *std::move(address));
  return run_alone(loop, ask(pool, method, path, body));
}

}  // namespace latticegate::client
