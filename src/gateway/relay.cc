#include <algorithm>
#include <format>

#include "gateway/exchange.h"
#include "inspect/redact.h"
#include "json/write.h"
#include "net/sse.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::string_view json_type = "application/json";
constexpr std::string_view too_many_conversations =
    "as many conversations are open as the gateway may have; try again later";

bool lists(std::string_view accept, std::string_view type) {
  return accept.contains(type) || accept.contains("*/*");
}

}  // namespace

Task<void> Exchange::post() {
  const net::Head& head = request_.head();
  if (!net::is_media_type(head.find("content-type").value_or(""), "application/json")) {
    (void)co_await request_.respond(
        415, "", json_type, R"({"error":"the content type of a message is application/json"})");
    co_return;
  }
  const auto accept = head.find("accept").value_or("");
  if (!lists(accept, "application/json") || !lists(accept, "text/event-stream")) {
    co_await reject(406, -32600, "Accept must list application/json and text/event-stream");
    co_return;
  }
  const auto body = co_await request_.body();
  if (!body) {
    if (body.error().code == Code::closed) co_return;
    co_await reject(net::status_of(body.error()), -32600, body.error().detail);
    co_return;
  }
  bytes_in_ = static_cast<std::int64_t>(body->size());
  auto parsed = mcp::Message::parse(*body, {.size = snapshot_->config->limits.body,
                                            .depth = snapshot_->config->limits.json_depth});
  if (!parsed) {
    worker_.shared().counters.refused.fetch_add(1, std::memory_order_relaxed);
    client_id_ = parsed.error().id.value_or("");
    co_await reject(parsed.error().error.code == Code::too_large ? 413 : 400,
                    parsed.error().rpc_code, parsed.error().error.detail);
    co_return;
  }
  message_ = *std::move(parsed);
  client_id_ = message_->id_text();
  const auto as_text = [&](std::string_view name) -> std::optional<std::string> {
    if (const auto value = head.find(name)) return std::string(*value);
    return std::nullopt;
  };
  const auto era = mcp::classify(
      *message_, {as_text("mcp-protocol-version"), as_text("mcp-method"), as_text("mcp-name")});
  if (!era) {
    co_await reject(era.error().http_status, era.error().rpc_code, era.error().sentence,
                    era.error().data);
    co_return;
  }
  era_ = *era;
  if (admitted_->principal->is_killed()) {
    co_await killed_answer();
    co_return;
  }
  if (modern()) {
    auto session = co_await modern_session();
    if (!session) {
      worker_.shared().log.warning(
          "server not available",
          {{"server", route_.config->name}, {"reason", base::describe(session.error())}});
      co_await reject(503, mcp::unavailable_code,
                      session.error().code == Code::overloaded ? too_many_conversations
                                                               : "the server is not available");
      co_return;
    }
    session_ = *std::move(session);
  } else if (message_->method() != mcp::Method::initialize) {
    const auto id = head.find("mcp-session-id");
    if (!id) {
      co_await reject(400, -32600, "the Mcp-Session-Id header is missing");
      co_return;
    }
    session_ = worker_.shared().sessions.find(*id, *admitted_->principal, route_.config->name);
    if (!session_) {
      co_await reject(404, -32600, "this session does not exist or has ended");
      co_return;
    }
    const auto version = head.find("mcp-protocol-version");
    if (version && !mcp::is_legacy_revision(*version)) {
      co_await reject(
          400, -32600,
          "the MCP-Protocol-Version header names no revision that this session can speak");
      co_return;
    }
  }
  if (session_)
    session_->last_used_ns.store(worker_.loop().now().time_since_epoch().count(),
                                 std::memory_order_relaxed);

  if (message_->is_response()) {
    co_await server_answer();
  } else if (message_->is_notification()) {
    co_await notification();
  } else if (!mcp::exists_in(era_, message_->method())) {
    co_await reject(mcp::http_status_of(era_, -32601), -32601, "this method is not known");
  } else if (session_ && session_->requests.size() >= snapshot_->config->limits.calls) {
    co_await reject(429, mcp::unavailable_code,
                    "too many calls of this conversation are under way");
  } else if (needs_permit(message_->method())) {
    co_await call();
  } else {
    co_await relay();
  }
}

// Requests that reach no data: answered here or passed on, their answers filtered.
Task<void> Exchange::relay() {
  if (message_->method() == mcp::Method::initialize) {
    co_await initialize();
    co_return;
  }
  if (message_->method() == mcp::Method::ping) {
    co_await final(mcp::result_response(client_id_, "{}"));
    co_return;
  }
  std::vector<json::Edit> edits;
  if (message_->method() == mcp::Method::subscriptions_listen)
    // What may not be read is not watched either.
    for (const json::Value uri :
         message_->params()["notifications"]["resourceSubscriptions"].elements()) {
      subject_ = uri.text_or({});
      if (route_.mode != policy::Mode::observe &&
          !snapshot_->engine->may_see(facts(), worker_.scratch()))
        edits.push_back({uri, ""});
    }
  subject_ = {};
  Outgoing message = outgoing(std::move(edits));
  message.idempotent = message_->method_name().ends_with("/list") ||
                       message_->method() == mcp::Method::server_discover;
  message.stream = message_->method() == mcp::Method::subscriptions_listen;
  session_->requests.add(client_id_, upstream_id_);
  watch_for_end();
  auto reply = co_await pass(message_->method(), *session_->link, worker_.loop(), message, abort_);
  if (reply && session_is_lost(**reply)) {
    co_await lose_session();
  } else if (reply) {
    co_await pump(*std::move(reply));
  } else if (killed_) {
    co_await killed_answer();
  } else if (!gone_) {
    const Trouble why = trouble(reply.error());
    co_await final(mcp::error_response(client_id_, why.code, why.sentence));
  }
  request_.on_hangup(nullptr);
  session_->requests.remove(client_id_);
}

// Opens a session of the legacy era: the client's handshake goes to the server as it is, the
// session ids are per hop.
Task<void> Exchange::initialize() {
  if (!worker_.room_for_session(*admitted_->principal, *snapshot_)) {
    worker_.shared().log.warning("session refused",
                                 {{"agent", admitted_->principal->agent()},
                                  {"reason", "limits.conversations are all in use"}});
    co_await reject(503, mcp::unavailable_code, too_many_conversations);
    co_return;
  }
  auto link = worker_.make_link(*snapshot_, route_);
  if (!link) {
    worker_.shared().log.warning(
        "server cannot be started",
        {{"server", route_.config->name}, {"reason", base::describe(link.error())}});
    co_await reject(200, mcp::unavailable_code, "the server is not available");
    co_return;
  }
  auto session = std::make_shared<Session>();
  session->server = route_.config->name;
  session->principal = admitted_->principal;
  session->conversation = std::make_shared<Conversation>();
  session->conversation->totals.started = now();
  session->conversation->totals.last = now();
  session->last_used_ns.store(worker_.loop().clock().instant().time_since_epoch().count(),
                              std::memory_order_relaxed);
  session_ = session;
  const Outgoing message = outgoing({});
  watch_for_end();
  // In the client's era first; a server that has no such handshake may be a modern one.
  const config::Era era = route_.config->era;
  Eras& eras = worker_.shared().eras;
  const base::Instant at = worker_.loop().clock().instant();
  const bool only_modern =
      era == config::Era::modern ||
      (era == config::Era::automatic && eras.speaks(route_.key, mcp::Era::legacy, at) == false);
  Handshake hands;
  if (!only_modern) {
    session->link = *link;
    hands = co_await shake_hands(**link, message);
    if (hands.opened() && era == config::Era::automatic)
      eras.note(route_.key, mcp::Era::legacy, true, at);
  }
  if (!hands.opened() && era != config::Era::legacy && !killed_ && !stopping_) {
    auto face = legacy_face(*link, worker_.bridging(route_));
    Handshake bridged = co_await shake_hands(*face, message);
    if (bridged.opened() || only_modern) {
      session->link = std::move(face);
      hands = std::move(bridged);
      if (hands.opened() && !only_modern) {
        eras.note(route_.key, mcp::Era::legacy, false, at);
        eras.note(route_.key, mcp::Era::modern, true, at);
      }
    }
  }
  std::optional<mcp::Message> response = std::move(hands.response);
  if (!response) {
    worker_.shared().counters.upstream_errors.fetch_add(1, std::memory_order_relaxed);
    worker_.shared().log.warning("server did not open a session",
                                 {{"server", route_.config->name}, {"reason", hands.trouble}});
    co_await final(
        mcp::error_response(client_id_, mcp::unavailable_code, "the server is not available"));
    co_return;
  }
  std::vector<json::Edit> edits;
  if (response->id().exists()) edits.push_back({response->id(), client_id_});
  std::string headers;
  if (const json::Value result = response->result(); result.exists()) {
    session->version = result["protocolVersion"].text_or("");
    session->link->opened(hands.session_id, session->version);
    worker_.shared().sessions.add(session, worker_.random());
    headers = std::format("Mcp-Session-Id: {}\r\n", session->id);
    if (const json::Value instructions = result["instructions"]; instructions.is_string()) {
      const inspect::Findings found =
          inspect::scan(worker_.scanner(), inspect::Surface::instructions, instructions);
      if (!route_.catalogue->observe_instructions(*instructions.string(), now()) ||
          found.has(inspect::FindingKind::hidden_text, inspect::Severity::medium))
        edits.push_back({instructions, ""});  // held back until approved
    }
  }
  json::in_document_order(edits);
  (void)co_await request_.respond(200, headers, json_type, response->text(edits));
}

Task<Exchange::Handshake> Exchange::shake_hands(Link& link, const Outgoing& message) {
  Handshake hands;
  auto reply = co_await pass(message_->method(), link, worker_.loop(), message, abort_);
  hands.trouble = reply ? "the server ended without an answer" : base::describe(reply.error());
  while (reply && !hands.response) {
    auto next = co_await (*reply)->next();
    if (!next) hands.trouble = base::describe(next.error());
    if (!next || !*next) break;
    if (answers(**next, upstream_id_))
      hands.response = std::move(**next);  // before it, only notifications may come; none matters
  }
  if (reply) hands.session_id = (*reply)->session_id();
  co_return hands;
}

// Passes messages on until the answer, which is filtered by what the caller may see.
Task<void> Exchange::pump(std::unique_ptr<Reply> reply) {
  running_ = reply.get();
  for (;;) {
    auto next = co_await reply->next();
    if (next && *next && !(*next)->is_response()) {
      if (!co_await side_message(**next)) running_->cancel();
      continue;
    }
    running_ = nullptr;
    request_.on_hangup(nullptr);
    if (killed_) {
      co_await killed_answer();
    } else if (next && *next && answers(**next, upstream_id_)) {
      co_await final(filtered(**next),
                     mcp::http_status_of(era_, (*next)->error()["code"].integer().value_or(0)));
    } else if (gone_) {
      // nobody is there to be told
    } else if (next && message_->method() == mcp::Method::subscriptions_listen) {
      if (streaming_)
        (void)co_await request_.finish_events();
      else
        co_await final(mcp::error_response(client_id_, mcp::unavailable_code,
                                           "the server ended the subscription"));
    } else {
      const Trouble why = trouble(next ? std::nullopt : std::optional(next.error()));
      co_await final(mcp::error_response(client_id_, why.code, why.sentence));
    }
    co_return;
  }
}

// One notification or server request that belongs to a request or to the listening stream. False
// when the client is gone.
Task<bool> Exchange::side_message(const mcp::Message& message) {
  std::vector<json::Edit> edits;
  if (message.is_request()) {
    auto id = session_->server_requests.add(message.id_text(), std::string(message.method_name()));
    if (!id || modern()) {
      Outgoing refusal;
      refusal.text =
          mcp::error_response(message.id_text(), -32603, "the client cannot be asked now");
      refusal.version = session_->version;
      (void)co_await session_->link->notify(worker_.loop(), refusal);
      co_return true;
    }
    edits.push_back({message.id(), *id});
    audit::Record record = base_record(audit::Type::call_decided);
    record.method = message.method_name();
    record.decision = audit::Decision::allow;
    record.why = "request of the server to the client";
    worker_.shared().recorder.post(worker_.record_writer().write(record));
  }
  if (message.method() == mcp::Method::notifications_progress) {
    if (client_token_.empty() || json::to_string(message.params()["progressToken"]) != upstream_id_)
      co_return true;  // a token that nobody gave
    edits.push_back({message.params()["progressToken"], client_token_});
  }
  if (message.method() == mcp::Method::notifications_cancelled)
    if (const json::Value id = message.params()["requestId"]; id.exists())
      edits.push_back({id, client_id_.empty() ? std::string("0") : client_id_});
  if (const json::Value subscription = mcp::reserved_meta(message.meta(), "subscriptionId");
      subscription.exists())
    edits.push_back({subscription, client_id_});
  // What a server says beside its answers reaches the model, too: secrets and hidden text are taken
  // out.
  const inspect::Findings found =
      inspect::scan(worker_.scanner(), inspect::Surface::result, message.params());
  if (!found.empty())
    for (json::Edit& edit : inspect::redact(
             message.params(), found, {.hidden = true, .key = worker_.shared().redaction_key}))
      edits.push_back(std::move(edit));
  json::in_document_order(edits);
  if (!streaming_) {
    if (!co_await request_.start_events({})) co_return false;
    streaming_ = true;
  }
  std::string out;
  net::write_event(message.text(edits), std::nullopt, out);
  co_return (co_await request_.send_events(out)).has_value();
}

// The answer with our id taken back, and without what this caller may not see.
std::string Exchange::filtered(const mcp::Message& response) {
  std::vector<json::Edit> edits = list_edits(response.result());
  if (response.id().exists()) edits.push_back({response.id(), client_id_});
  const json::Value result = response.result();
  if (const json::Value subscription = mcp::reserved_meta(result["_meta"], "subscriptionId");
      subscription.exists())
    edits.push_back({subscription, client_id_});
  // Lists are filtered by caller, so nobody may share them.
  if (const json::Value scope = result["cacheScope"];
      scope.exists() && message_->method() != mcp::Method::server_discover)
    edits.push_back({scope, "\"private\""});
  if (message_->method() == mcp::Method::server_discover)
    if (const json::Value instructions = result["instructions"]; instructions.is_string())
      if (!route_.catalogue->observe_instructions(*instructions.string(), now()))
        edits.push_back({instructions, ""});
  json::in_document_order(edits);
  return with_result_type(response.text(edits), response);
}

std::vector<json::Edit> Exchange::list_edits(json::Value result) {
  std::vector<json::Edit> edits;
  if (!result.exists()) return edits;
  if (message_->method() == mcp::Method::tools_list) {
    observe_tools(result);
    for (const json::Value descriptor : result["tools"].elements()) {
      tool_ = route_.catalogue->find(descriptor["name"].text_or({}));
      const bool usable = tool_ && tool_->tool && !tool_->held;
      // Observing refuses nothing, so it hides nothing either.
      const bool visible = usable && (route_.mode == policy::Mode::observe ||
                                      snapshot_->engine->may_see(facts(), worker_.scratch()));
      if (!visible) edits.push_back({descriptor, ""});
    }
    tool_ = nullptr;
    return edits;
  }
  const auto filter = [&](std::string_view list, std::string_view key) {
    for (const json::Value element : result[list].elements()) {
      subject_ = element[key].text_or({});
      if (route_.mode != policy::Mode::observe &&
          !snapshot_->engine->may_see(facts(), worker_.scratch()))
        edits.push_back({element, ""});
    }
    subject_ = {};
  };
  if (message_->method() == mcp::Method::tasks_list) {
    for (const json::Value task : result["tasks"].elements())
      if (!session_->tasks.find(task["taskId"].text_or({}))) edits.push_back({task, ""});
  } else if (message_->method() == mcp::Method::resources_list)
    filter("resources", "uri");
  else if (message_->method() == mcp::Method::prompts_list)
    filter("prompts", "name");
  return edits;
}

void Exchange::observe_tools(json::Value result) {
  for (const json::Value descriptor : result["tools"].elements()) {
    const inspect::Findings found =
        inspect::scan(worker_.scanner(), inspect::Surface::descriptor, descriptor);
    const bool suspicious =
        found.has(inspect::FindingKind::hidden_text, inspect::Severity::medium) ||
        found.has(inspect::FindingKind::terminal_escape);
    route_.catalogue->observe(
        descriptor, suspicious, now(), [&](const ToolEntry& entry, std::string_view approved) {
          worker_.shared().log.warning(
              "a tool is held back until it is approved",
              {{"server", route_.config->name}, {"tool", entry.name}, {"reason", entry.why_held}});
          audit::Record record = base_record(audit::Type::tool_held);
          record.tool = entry.name;
          record.tool_pin = entry.form.hash;
          record.tool_pin_was = approved;
          record.why = entry.why_held;
          worker_.shared().recorder.post(worker_.record_writer().write(record));
        });
  }
}

// A call of a tool that no list has shown yet: the list is asked for, in the session of the call.
Task<Result<void>> Exchange::learn_tools() {
  std::string cursor;
  for (int page = 0; page < 32; ++page) {
    Outgoing message;
    message.id = std::to_string(worker_.shared().next_id.fetch_add(1, std::memory_order_relaxed));
    message.method = "tools/list";
    message.era = era_;
    message.version = modern() ? std::string(mcp::modern_revision) : session_->version;
    message.idempotent = true;
    json::Writer writer(message.text);
    writer.begin_object()
        .member("jsonrpc", "2.0")
        .key("id")
        .raw(message.id)
        .member("method", "tools/list")
        .key("params")
        .begin_object();
    if (!cursor.empty()) writer.key("cursor").raw(cursor);
    if (modern()) {
      writer.key("_meta").begin_object();
      for (const json::Member member : message_->meta().members())
        if (member.key.starts_with(mcp::meta_prefix)) writer.member(member.key, member.value);
      writer.end_object();
    }
    writer.end_object().end_object();
    CO_TRY(auto reply, co_await pass(mcp::Method::tools_list, *session_->link, worker_.loop(),
                                     message, abort_));
    std::optional<mcp::Message> response;
    while (!response) {
      CO_TRY(auto next, co_await reply->next());
      if (!next) co_return fail(Code::unavailable, "the server ended without an answer");
      if (next->is_response()) response = std::move(next);
    }
    if (!response->result().exists()) co_return Result<void>();  // it has no tools
    observe_tools(response->result());
    const json::Value next_cursor = response->result()["nextCursor"];
    if (!next_cursor.is_string()) co_return Result<void>();
    cursor = json::to_string(next_cursor);
  }
  co_return Result<void>();
}

Task<void> Exchange::notification() {
  std::vector<json::Edit> edits;
  if (message_->method() == mcp::Method::notifications_cancelled) {
    const json::Value id = message_->params()["requestId"];
    const auto upstream = session_->requests.find(json::to_string(id));
    if (!upstream) {  // finished, or never seen: nothing to cancel
      (void)co_await request_.respond(202, "", json_type, "");
      co_return;
    }
    edits.push_back({id, *upstream});
  } else if (message_->method() == mcp::Method::notifications_progress) {
    (void)co_await request_.respond(202, "", json_type,
                                    "");  // tokens towards servers are not handed out
    co_return;
  }
  Outgoing message;
  message.text = message_->text(edits);
  message.era = era_;
  message.method = message_->method_name();
  message.version = modern() ? std::string(mcp::modern_revision) : session_->version;
  const auto sent = co_await session_->link->notify(worker_.loop(), message);
  if (sent)
    (void)co_await request_.respond(202, "", json_type, "");
  else
    co_await reject(sent.error().code == Code::not_found ? 404 : 502, mcp::unavailable_code,
                    "the server did not take the notification");
}

// The client's answer to a request of the server.
Task<void> Exchange::server_answer() {
  if (!session_) {
    co_await reject(400, -32600, "a response belongs to a session");
    co_return;
  }
  const auto origin = session_->server_requests.take(message_->id_text());
  if (!origin) {
    co_await reject(400, -32600, "no request of the server has this id");
    co_return;
  }
  std::vector<json::Edit> edits{{message_->id(), origin->upstream_id}};
  Outgoing message;
  message.text = message_->text(edits);
  message.version = session_->version;
  const auto sent = co_await session_->link->notify(worker_.loop(), message);
  if (sent)
    (void)co_await request_.respond(202, "", json_type, "");
  else
    co_await reject(502, mcp::unavailable_code, "the server did not take the answer");
}

// The stream for messages that belong to no request (legacy GET).
Task<void> Exchange::listen() {
  const net::Head& head = request_.head();
  if (!lists(head.find("accept").value_or(""), "text/event-stream")) {
    co_await reject(406, -32600, "Accept must list text/event-stream");
    co_return;
  }
  if (admitted_->principal->is_killed()) {
    co_await killed_answer();
    co_return;
  }
  const auto id = head.find("mcp-session-id");
  if (!id) {
    (void)co_await request_.respond(
        405, "Allow: POST\r\n", json_type,
        R"({"error":"a stream needs the Mcp-Session-Id of a session"})");
    co_return;
  }
  session_ = worker_.shared().sessions.find(*id, *admitted_->principal, route_.config->name);
  if (!session_) {
    co_await reject(404, -32600, "this session does not exist or has ended");
    co_return;
  }
  if (session_->streams.fetch_add(1) >= snapshot_->config->limits.streams) {
    session_->streams.fetch_sub(1);
    co_await reject(429, mcp::unavailable_code, "too many streams of this session are open");
    co_return;
  }
  auto reply = co_await session_->link->listen(worker_.loop());
  if (!reply) {
    session_->streams.fetch_sub(1);
    const int status = reply.error().code == Code::unsupported ? 405
                       : reply.error().code == Code::not_found ? 404
                                                               : 502;
    (void)co_await request_.respond(status, status == 405 ? "Allow: POST, DELETE\r\n" : "",
                                    json_type, R"({"error":"the server offers no stream"})");
    co_return;
  }
  Reply* const running = reply->get();
  open_ =
      admitted_->principal->open(worker_.loop(), [running](Principal::End) { running->cancel(); });
  if (co_await request_.start_events({})) {
    streaming_ = true;
    request_.on_hangup([running] { running->cancel(); });
    for (;;) {
      auto next = co_await (*reply)->next();
      if (!next || !*next) break;
      if ((*next)->is_response()) continue;  // responses never come here
      if (!co_await side_message(**next)) break;
    }
    request_.on_hangup(nullptr);
    (void)co_await request_.finish_events();
  }
  open_.release();  // before the reply that it would cancel is gone
  session_->streams.fetch_sub(1);
}

Task<void> Exchange::end_session() {
  const auto id = request_.head().find("mcp-session-id");
  const auto session =
      id ? worker_.shared().sessions.find(*id, *admitted_->principal, route_.config->name)
         : nullptr;
  if (!session) {
    co_await reject(
        id ? 404 : 400, -32600,
        id ? "this session does not exist or has ended" : "the Mcp-Session-Id header is missing");
    co_return;
  }
  worker_.shared().sessions.remove(*id);
  co_await session->link->end(worker_.loop());
  (void)co_await request_.respond(204, "", json_type, "");
}

Task<Result<std::shared_ptr<Session>>> Exchange::modern_session() {
  Sessions& sessions = worker_.shared().sessions;
  if (auto known = sessions.modern(*admitted_->principal, route_.config->name)) co_return known;
  if (!worker_.room_for_session(*admitted_->principal, *snapshot_))
    co_return fail(Code::overloaded, "limits.conversations are all in use");
  auto link = co_await worker_.modern_link(snapshot_, route_);
  if (!link) co_return std::unexpected(std::move(link).error());
  // Somebody may have been quicker while the server's era was found out.
  if (auto known = sessions.modern(*admitted_->principal, route_.config->name)) {
    co_await (*link)->end(worker_.loop());
    co_return known;
  }
  auto session = std::make_shared<Session>();
  session->server = route_.config->name;
  session->version = mcp::modern_revision;
  session->principal = admitted_->principal;
  session->link = *std::move(link);
  sessions.put_modern(*admitted_->principal, session);
  co_return session;
}

Task<void> Exchange::event(std::string_view text) {
  std::string out;
  net::write_event(text, std::nullopt, out);
  (void)co_await request_.send_events(out);
}

Task<void> Exchange::final(std::string_view text, int status, std::string_view headers) {
  if (!streaming_) {
    (void)co_await request_.respond(status, headers, json_type, text);
    co_return;
  }
  co_await event(text);
  (void)co_await request_.finish_events();
}

Task<void> Exchange::reject(int status, int code, std::string_view sentence,
                            std::string_view data) {
  const std::string text = mcp::error_response(client_id_, code, sentence, data);
  (void)co_await request_.respond(status, "", json_type, text);
}

Task<void> Exchange::killed_answer() {
  const std::string sentence = std::format(
      "Latticegate stopped this conversation ({}). Calls are refused until an operator releases it",
      admitted_->principal->id());
  if (message_ && !message_->is_request() && !streaming_) {
    co_await reject(403, mcp::killed_code, sentence);
  } else if (message_) {
    co_await final(mcp::error_response(client_id_, mcp::killed_code, sentence));
  } else {
    co_await reject(403, mcp::killed_code, sentence);
  }
}

}  // namespace latticegate::gateway
