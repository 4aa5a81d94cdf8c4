#include "gateway/incoming.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using net::Task;

constexpr std::string_view json_type = "application/json";

}  // namespace

bool admits(std::string_view accept, std::string_view type) {
  return accept.contains(type) || accept.contains("*/*");
}

Task<void> reject(net::ServerRequest& request, std::string_view id, int status, int code,
                  std::string_view sentence, std::string_view data) {
  const std::string text = mcp::error_response(id, code, sentence, data);
  (void)co_await request.respond(status, "", json_type, text);
}

Task<std::optional<Incoming>> receive(Worker& worker, net::ServerRequest& request,
                                      const Snapshot& snapshot) {
  const net::Head& head = request.head();
  if (!net::is_media_type(head.find("content-type").value_or(""), "application/json")) {
    (void)co_await request.respond(
        415, "", json_type, R"({"error":"the content type of a message is application/json"})");
    co_return std::nullopt;
  }
  const auto accept = head.find("accept").value_or("");
  if (!admits(accept, "application/json") || !admits(accept, "text/event-stream")) {
    co_await reject(request, {}, 406, -32600,
                    "Accept must list application/json and text/event-stream");
    co_return std::nullopt;
  }
  const auto body = co_await request.body();
  if (!body) {
    if (body.error().code != Code::closed)
      co_await reject(request, {}, net::status_of(body.error()), -32600, body.error().detail);
    co_return std::nullopt;
  }
  auto parsed = mcp::Message::parse(
      *body, {.size = snapshot.config->limits.body, .depth = snapshot.config->limits.json_depth});
  if (!parsed) {
    worker.shared().counters.refused.fetch_add(1, std::memory_order_relaxed);
    co_await reject(request, parsed.error().id.value_or(""),
                    parsed.error().error.code == Code::too_large ? 413 : 400,
                    parsed.error().rpc_code, parsed.error().error.detail);
    co_return std::nullopt;
  }
  const auto as_text = [&](std::string_view name) -> std::optional<std::string> {
    if (const auto value = head.find(name)) return std::string(*value);
    return std::nullopt;
  };
  const auto era = mcp::classify(
      *parsed, {as_text("mcp-protocol-version"), as_text("mcp-method"), as_text("mcp-name")});
  if (!era) {
    co_await reject(request, parsed->id_text(), era.error().http_status, era.error().rpc_code,
                    era.error().sentence, era.error().data);
    co_return std::nullopt;
  }
  // The answer of initialize has a header that the client needs.
  if (parsed->is_request() && parsed->method() != mcp::Method::initialize)
    request.may_begin_events();
  co_return Incoming{*std::move(parsed), *era, static_cast<std::int64_t>(body->size())};
}

Task<std::shared_ptr<Session>> legacy_session(Worker& worker, net::ServerRequest& request,
                                              std::string_view id, const Principal& principal,
                                              std::string_view server) {
  const auto named = request.head().find("mcp-session-id");
  if (!named) {
    co_await reject(request, id, 400, -32600, "the Mcp-Session-Id header is missing");
    co_return nullptr;
  }
  auto session = worker.shared().sessions.find(*named, principal, server);
  if (!session) {
    co_await reject(request, id, 404, -32600, "this session does not exist or has ended");
    co_return nullptr;
  }
  const auto version = request.head().find("mcp-protocol-version");
  if (version && !mcp::is_legacy_revision(*version)) {
    co_await reject(
        request, id, 400, -32600,
        "the MCP-Protocol-Version header names no revision that this session can speak");
    co_return nullptr;
  }
  co_return session;
}

}  // namespace latticegate::gateway
