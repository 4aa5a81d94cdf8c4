#include <algorithm>
#include <format>

#include "gateway/alerts.h"
#include "gateway/ask_client.h"
#include "gateway/descriptions.h"
#include "gateway/exchange.h"
#include "gateway/incoming.h"
#include "gateway/recording.h"
#include "inspect/question.h"
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

std::string_view list_of(mcp::Method method) {
  switch (method) {
    case mcp::Method::tools_list: return "tools";
    case mcp::Method::prompts_list: return "prompts";
    case mcp::Method::resources_list: return "resources";
    case mcp::Method::tasks_list: return "tasks";
    default: return {};
  }
}

}  // namespace

Task<void> Exchange::post() {
  auto incoming = co_await receive(worker_, request_, *snapshot_);
  if (!incoming) co_return;
  bytes_in_ = incoming->bytes;
  era_ = incoming->era;
  message_ = std::move(incoming->message);
  client_id_ = message_->id_text();
  if (admitted_->principal->is_killed()) {
    co_await killed_answer();
    co_return;
  }
  if (const auto halt = halted()) {  // before a session, for which a process may have to begin
    co_await refuse_halted(*halt);
    co_return;
  }
  if (modern()) {
    auto session = co_await worker_.modern_session(snapshot_, route_, admitted_->principal);
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
    session_ = co_await legacy_session(worker_, request_, client_id_, *admitted_->principal,
                                       route_.config->name);
    if (!session_) co_return;
  }
  if (session_)
    session_->last_used_ns.store(worker_.loop().now().time_since_epoch().count(),
                                 std::memory_order_relaxed);
  co_await dispatch();
}

void Exchange::begin(Inside inside) {
  bytes_in_ = inside.bytes;
  era_ = inside.era;
  message_ = std::move(inside.message);
  client_id_ = std::move(inside.client_id);
  session_ = std::move(inside.session);
  door_ = std::move(inside.door);
  outward_ = inside.outward;
  spoken_ = std::move(inside.spoken);
  mirrors_checked_ = !inside.mirrored;
  streaming_ = inside.streaming;
  stream_ = inside.stream;
}

Task<void> Exchange::dispatch() {
  if (message_->is_response()) {
    co_await server_answer();
  } else if (message_->is_notification()) {
    co_await notification();
  } else if (!mcp::exists_in(era_, message_->method())) {
    co_await reject(mcp::http_status_of(era_, -32601), -32601, "this method is not known");
  } else if (session_ && session_->requests->size() >= snapshot_->config->limits.calls) {
    co_await reject(429, mcp::unavailable_code,
                    "too many calls of this conversation are under way");
  } else if (needs_permit(message_->method())) {
    co_await call();
  } else if (const auto halt = halted()) {
    co_await refuse_halted(*halt);
  } else {
    co_await relay();
  }
}

Task<void> Exchange::refuse_halted(std::string_view sentence) {
  if (!message_->is_request()) {
    co_await reject(403, mcp::denied_code, sentence);
  } else if (needs_permit(message_->method())) {
    started_ = worker_.loop().clock().instant();
    at_ = now();
    subject_ = mcp::subject_of(*message_);
    call_uid_ = crypto::uuid_v7(at_, worker_.random());
    findings_ = co_await look(inspect::Surface::arguments, *message_, message_->params());
    worker_.shared().counters.calls.fetch_add(1, std::memory_order_relaxed);
    co_await refuse_call(sentence, "quarantine");
  } else {
    co_await final(mcp::error_response(client_id_, mcp::denied_code, sentence));
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
  if (message_->method() == mcp::Method::subscriptions_listen) {
    const json::Value wanted = message_->params()["notifications"];
    // What may not be read is not watched either.
    for (const json::Value uri : wanted["resourceSubscriptions"].elements())
      if (!may_watch(uri.text_or({}))) edits.push_back({uri, ""});
    // News of a task hold its result, which is judged where it is asked for (tasks/get).
    if (wanted["taskIds"].exists()) edits.push_back({wanted["taskIds"], ""});
  }
  Outgoing message = outgoing(std::move(edits));
  message.idempotent = message_->method_name().ends_with("/list") ||
                       message_->method() == mcp::Method::server_discover;
  message.stream = message_->method() == mcp::Method::subscriptions_listen;
  session_->requests->add(client_id_, {upstream_id_, session_->link, session_->version});
  watch_for_end();
  auto reply = co_await pass(message_->method(), *session_->link, worker_.loop(), message, abort_);
  if (reply && session_is_lost(**reply) && co_await reopen(message))
    reply = co_await pass(message_->method(), *session_->link, worker_.loop(), message, abort_);
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
  session_->requests->remove(client_id_);
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
  auto session = std::make_shared<Session>();
  session->server = route_.config->name;
  name_client(worker_, *session, message_->params()["clientInfo"]);
  session->principal = admitted_->principal;
  session->conversation = std::make_shared<Conversation>();
  session->capabilities = declared_capabilities(message_->params()["capabilities"]);
  session->conversation->totals.started = now();
  session->conversation->totals.last = now();
  session->last_used_ns.store(worker_.loop().clock().instant().time_since_epoch().count(),
                              std::memory_order_relaxed);
  session_ = session;
  const Outgoing message = outgoing({});
  watch_for_end();
  Worker::Handshake hands = co_await worker_.shake_hands(snapshot_, route_, message, abort_);
  session->link = hands.link;
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
    worker_.shared().sessions.add(session, worker_.random(), snapshot_->session_prefix());
    headers = std::format("Mcp-Session-Id: {}\r\n", session->id);
    if (const json::Value instructions = result["instructions"]; instructions.is_string())
      if (!accepts_instructions(worker_.inspection().scanner(), *snapshot_, route_, instructions,
                                now()))
        edits.push_back({instructions, ""});  // held back until approved
  }
  json::in_document_order(edits);
  (void)co_await request_.respond(200, headers, json_type, response->text(edits));
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
  // A result does not come past its judgement, and nobody hears of another's task.
  if (message.method() == mcp::Method::notifications_tasks ||
      (message.method() == mcp::Method::notifications_tasks_status &&
       !session_->tasks.find(message.params()["taskId"].text_or({}))))
    co_return true;
  // What a server says beside its answers reaches the model, too: secrets and hidden text are taken
  // out. A prompt for the client's model is no result: it may tell a model what to do, and not to
  // set its own orders aside.
  inspect::Findings found =
      co_await look(message.is_request() ? inspect::Surface::user_text : inspect::Surface::result,
                    message, message.params());
  leave_out(found);
  std::vector<json::Edit> edits;
  if (message.is_request()) {
    if (const auto why = inspect::objection(message.method_name(), message.params(), found);
        why && refuses_question(message.method_name(), *why)) {
      Outgoing answer;
      answer.text =
          message.method() == mcp::Method::elicitation_create
              ? std::format(R"({{"jsonrpc":"2.0","id":{},"result":{{"action":"decline"}}}})",
                            message.id_text())
              : mcp::error_response(message.id_text(), -1, "the gateway does not pass this on");
      answer.version = session_->version;
      (void)co_await session_->link->notify(worker_.loop(), answer);
      co_return true;
    }
    if (const json::Value context = message.params()["includeContext"];
        context.exists() && message.method() == mcp::Method::sampling_create_message)
      edits.push_back({context, "\"none\""});  // what other servers said is not this one's
    auto id = session_->server_requests->add(
        {message.id_text(), std::string(message.method_name()), session_->link, session_->version});
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
  if (!found.empty())
    for (json::Edit& edit : inspect::redact(
             message.params(), found,
             {.hidden = true,
              .links = snapshot_->config->inspect.links_in_results == config::Treatment::redact,
              .key = worker_.shared().redaction_key}))
      edits.push_back(std::move(edit));
  trace_answer(message.params(), found);
  if (outward_ != nullptr) outward_->notification_edits(message, edits);
  json::in_document_order(edits);
  if (!streaming_ && !co_await begin_events()) co_return false;
  co_return co_await event(message.text(edits));
}

// Whether a question of the server does not reach the client. It is told in any case.
bool Exchange::refuses_question(std::string_view method, const std::string& reason) {
  const bool refuses =
      snapshot_->config->inspect.refuse_questions && route_.mode == policy::Mode::enforce;
  worker_.shared().log.warning(
      refuses ? "a question of a server was refused" : "a question of a server is conspicuous",
      {{"server", route_.config->name}, {"method", std::string(method)}, {"reason", reason}});
  if (!refuses) return false;
  const std::string why = std::format("request of the server to the client: {}", reason);
  audit::Record record = base_record(audit::Type::call_decided);
  record.method = method;
  record.decision = audit::Decision::deny;
  record.why = why;
  worker_.shared().recorder.post(worker_.record_writer().write(record));
  return true;
}

// A client of the sessions' era may come back for what it missed: it gets ids, and the newest ones
// the first of them before anything happens.
Task<bool> Exchange::begin_events(bool listening) {
  if (!co_await request_.start_events({})) co_return false;
  streaming_ = true;
  if (modern() || !session_) co_return true;
  for (const Events::Event& event : std::exchange(missed_, {})) {
    std::string out;
    net::write_event(event.text, event.id, out);
    if (!co_await request_.send_events(out)) co_return false;
  }
  stream_ = session_->events->begin(listening);
  own_stream_ = true;
  if ((door_ ? door_ : session_)->version != mcp::legacy_revisions.back()) co_return true;
  co_return co_await event({});
}

Exchange::~Exchange() {
  if (own_stream_) session_->events->end(*stream_);
}

Task<bool> Exchange::resume(std::string_view last) {
  auto rest = session_->events->after(last);
  if (!rest) {
    co_await reject(400, -32600, "nothing is kept of what follows the event of this Last-Event-ID");
    co_return true;
  }
  if (rest->listening) {
    missed_ = std::move(rest->events);
    co_return false;
  }
  watch_for_end();
  if (!co_await request_.start_events({})) co_return true;
  request_.on_hangup([this] { gone_ = true; });
  std::string at(last);
  while (!must_end()) {
    for (const Events::Event& event : rest->events) {
      std::string out;
      net::write_event(event.text, event.id, out);
      if (!co_await request_.send_events(out)) co_return true;
      at = event.id;
    }
    if (rest->over) break;
    co_await worker_.loop().sleep(std::chrono::milliseconds(50));
    rest = session_->events->after(at);
    if (!rest) break;  // it was slower than what came
  }
  request_.on_hangup(nullptr);
  (void)co_await request_.finish_events();
  co_return true;
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
      if (!accepts_instructions(worker_.inspection().scanner(), *snapshot_, route_, instructions,
                                now()))
        edits.push_back({instructions, ""});
  json::in_document_order(edits);
  return with_result_type(response.text(edits), response);
}

std::vector<json::Edit> Exchange::list_edits(json::Value result) {
  std::vector<json::Edit> edits;
  if (message_->method() == mcp::Method::tools_list) observe_tools(result);
  for (const json::Value element : result[list_of(message_->method())].elements())
    if (!listed(element)) edits.push_back({element, ""});
  return edits;
}

// Observing refuses nothing, so it hides nothing either, except what cannot be called.
bool Exchange::listed(json::Value element) {
  const auto allowed = [&] {
    return route_.mode == policy::Mode::observe ||
           snapshot_->engine->may_see(facts(), worker_.scratch());
  };
  bool visible = true;
  switch (message_->method()) {
    case mcp::Method::tools_list:
      tool_ = route_.catalogue->find(element["name"].text_or({}));
      visible = tool_ && tool_->tool && !tool_->held && allowed();
      tool_ = nullptr;
      break;
    case mcp::Method::tasks_list:
      visible = session_->tasks.find(element["taskId"].text_or({})) != nullptr;
      break;
    case mcp::Method::resources_list:
    case mcp::Method::prompts_list:
      subject_ =
          element[message_->method() == mcp::Method::prompts_list ? "name" : "uri"].text_or({});
      visible = allowed();
      subject_ = {};
      break;
    default: break;
  }
  return visible;
}

bool Exchange::sees(const std::shared_ptr<const ToolEntry>& tool) {
  tool_ = tool;
  const bool visible = tool_->tool && !tool_->held &&
                       (route_.mode == policy::Mode::observe ||
                        snapshot_->engine->may_see(facts(), worker_.scratch()));
  tool_ = nullptr;
  return visible;
}

bool Exchange::may_watch(std::string_view uri) {
  subject_ = uri;
  const bool allowed = route_.mode == policy::Mode::observe ||
                       snapshot_->engine->may_see(facts(), worker_.scratch());
  subject_ = {};
  return allowed;
}

void Exchange::observe_tools(json::Value result) {
  take_in_tools(
      worker_.inspection().scanner(), *snapshot_, route_, result, now(),
      [&](std::string_view server, const ToolEntry& entry, std::string_view approved) {
        worker_.shared().log.warning(
            "a tool is held back until it is approved",
            {{"server", std::string(server)}, {"tool", entry.name}, {"reason", entry.why_held}});
        audit::Record record = base_record(audit::Type::tool_held);
        record.server.id = server;
        record.tool = entry.name;
        record.tool_pin = entry.form.hash;
        record.tool_pin_was = approved;
        record.why = entry.why_held;
        worker_.shared().recorder.post(worker_.record_writer().write(record));
        worker_.shared().alerts->tell({.event = config::Event::hold,
                                       .sentence = "held back until approved: " + entry.why_held,
                                       .server = std::string(server),
                                       .tool = entry.name});
      });
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
  std::shared_ptr<Link> to = session_->link;
  std::string version = session_->version;
  if (message_->method() == mcp::Method::notifications_cancelled) {
    const json::Value id = message_->params()["requestId"];
    const auto upstream = session_->requests->find(json::to_string(id));
    if (!upstream) {  // finished, never seen, or not sent yet
      session_->open->end(OpenCalls::End::cancelled, json::to_string(id));
      (void)co_await request_.respond(202, "", json_type, "");
      co_return;
    }
    edits.push_back({id, upstream->upstream_id});
    to = upstream->link;
    version = upstream->version;
  } else if (message_->method() == mcp::Method::notifications_progress) {
    (void)co_await request_.respond(202, "", json_type,
                                    "");  // tokens towards servers are not handed out
    co_return;
  }
  Outgoing message;
  message.text = message_->text(edits);
  message.era = era_;
  message.method = message_->method_name();
  message.version = modern() ? std::string(mcp::modern_revision) : std::move(version);
  const auto sent = co_await to->notify(worker_.loop(), message);
  // Whatever the server makes of it, nobody waits for the answer any more.
  if (message_->method() == mcp::Method::notifications_cancelled)
    session_->open->end(OpenCalls::End::cancelled,
                        json::to_string(message_->params()["requestId"]));
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
  const auto origin = session_->server_requests->take(message_->id_text());
  if (!origin) {
    co_await reject(400, -32600, "no request of the server has this id");
    co_return;
  }
  if (!origin->approval.empty()) {
    answer_as_client(worker_, *snapshot_, *admitted_->principal, origin->approval,
                     message_->result());
    (void)co_await request_.respond(202, "", json_type, "");
    co_return;
  }
  std::vector<json::Edit> edits{{message_->id(), origin->upstream_id}};
  Outgoing message;
  message.text = message_->text(edits);
  message.version = origin->version;
  const auto sent = co_await origin->link->notify(worker_.loop(), message);
  if (sent)
    (void)co_await request_.respond(202, "", json_type, "");
  else
    co_await reject(502, mcp::unavailable_code, "the server did not take the answer");
}

// The stream for messages that belong to no request (legacy GET).
Task<void> Exchange::listen() {
  const net::Head& head = request_.head();
  if (!admits(head.find("accept").value_or(""), "text/event-stream")) {
    co_await reject(406, -32600, "Accept must list text/event-stream");
    co_return;
  }
  if (admitted_->principal->is_killed()) {
    co_await killed_answer();
    co_return;
  }
  if (const auto halt = halted()) {
    co_await reject(403, mcp::denied_code, *halt);
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
  if (const auto last = head.find("last-event-id")) {
    const std::string named(*last);
    if (co_await resume(named)) {
      session_->streams.fetch_sub(1);
      co_return;
    }
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
  open_ = admitted_->principal->open().open(worker_.loop(),
                                            [running](OpenCalls::End) { running->cancel(); });
  open_in_session_ =
      session_->open->open(worker_.loop(), [running](OpenCalls::End) { running->cancel(); });
  if (co_await begin_events(true)) {
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
  stop_watching();  // before the reply that it would cancel is gone
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
  session->open->end(OpenCalls::End::session_over);
  co_await session->link->end(worker_.loop());
  (void)co_await request_.respond(204, "", json_type, "");
}

// True when it was sent, or is kept for a client that comes back.
Task<bool> Exchange::event(std::string_view text) {
  std::optional<std::string> id;
  if (stream_) id = session_->events->add(*stream_, text);
  std::string out;
  net::write_event(text, id, out);
  const auto sent = co_await request_.send_events(out);
  co_return sent || stream_;
}

Task<void> Exchange::final(std::string_view text, int status, std::string_view headers) {
  if (!streaming_) {
    (void)co_await request_.respond(status, headers, json_type, text);
    co_return;
  }
  (void)co_await event(text);
  if (own_stream_) session_->events->end(*stream_);
  (void)co_await request_.finish_events();
}

Task<void> Exchange::reject(int status, int code, std::string_view sentence,
                            std::string_view data) {
  co_await gateway::reject(request_, client_id_, status, code, sentence, data);
}

Task<void> Exchange::killed_answer() {
  const std::string sentence = stop_sentence(*admitted_->principal);
  if (message_ && !message_->is_request() && !streaming_) {
    co_await reject(403, mcp::killed_code, sentence);
  } else if (message_) {
    co_await final(mcp::error_response(client_id_, mcp::killed_code, sentence));
  } else {
    co_await reject(403, mcp::killed_code, sentence);
  }
}

}  // namespace latticegate::gateway
