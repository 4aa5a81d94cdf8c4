#include "gateway/http_sender.h"

#include "gateway/broker.h"

namespace latticegate::gateway {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

namespace {

constexpr int most_renewals = 2;  // tokens for one request: the first, and one with more scopes

}  // namespace

Task<Result<std::unique_ptr<net::ClientConnection>>> HttpSender::send(net::Loop& loop,
                                                                      std::string_view method,
                                                                      const Outgoing& message,
                                                                      net::Abort* abort,
                                                                      std::string_view path) {
  net::HttpPool& pool = pool_(loop);
  for (int attempt = 0;; ++attempt) {
    const std::string shown = token(loop);
    const std::string headers = headers_with(message, shown);
    CO_TRY(auto connection, co_await pool.exchange({.method = method,
                                                    .path = path,
                                                    .headers = headers,
                                                    .body = message.text,
                                                    .has_body = method == "POST",
                                                    .idempotent = message.idempotent},
                                                   abort));
    const int status = connection->head().status;
    if (!target_.broker || (status != 401 && status != 403)) co_return connection;
    const std::string challenge(connection->head().find("www-authenticate").value_or(""));
    if (status == 403 && oauth::parse_challenge(challenge).error != "insufficient_scope")
      co_return connection;
    (void)co_await connection->read_body();
    pool.give_back(std::move(connection));
    if (attempt >= most_renewals)
      co_return fail(Code::unavailable, "the server refuses every token that it asked for");
    CO_CHECK(co_await target_.broker->renew(loop, shown, status, challenge));
  }
}

Task<void> HttpSender::end(net::Loop& loop) {
  Outgoing nothing;
  nothing.version = version();
  const std::string lines = headers(loop, nothing);
  {
    const std::scoped_lock lock(mutex_);
    if (session_.empty()) co_return;
    session_.clear();
  }
  auto connection = co_await pool_(loop).exchange(
      {.method = "DELETE",
       .path = {},
       .headers = lines,
       .body = {},
       .has_body = false,
       .idempotent = true,
       .head_timeout = std::chrono::seconds(2)});  // politeness has a limit
  if (!connection) co_return;
  (void)co_await (*connection)->read_body();
  pool_(loop).give_back(*std::move(connection));
}

std::string HttpSender::token(net::Loop& loop) const {
  return target_.broker ? target_.broker->authorization(loop.clock().instant())
                        : target_.authorization;
}

void HttpSender::opened(std::string_view session, std::string_view version) {
  const std::scoped_lock lock(mutex_);
  session_ = session;
  version_ = version;
}

std::string HttpSender::version() const {
  const std::scoped_lock lock(mutex_);
  return version_;
}

std::string HttpSender::headers(net::Loop& loop, const Outgoing& message) const {
  return headers_with(message, token(loop));
}

// Built from scratch for every request: nothing of the client's headers passes.
std::string HttpSender::headers_with(const Outgoing& message,
                                     std::string_view authorization) const {
  std::string out;
  out.reserve(256);
  out += "Accept: application/json, text/event-stream\r\n";
  if (!message.text.empty()) out += "Content-Type: application/json\r\n";
  if (!authorization.empty()) {
    out += "Authorization: ";
    out += authorization;
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

}  // namespace latticegate::gateway
