#include "gateway/doorway.h"

#include <algorithm>
#include <format>

#include "gateway/ask_client.h"
#include "gateway/door_round.h"
#include "gateway/halts.h"
#include "gateway/operators.h"
#include "gateway/ready.h"
#include "gateway/recording.h"
#include "gateway/tool_search.h"
#include "json/write.h"

namespace latticegate::gateway {

using base::Code;
using base::Result;
using mcp::Method;
using net::Task;

namespace {

constexpr std::string_view json_type = "application/json";

}  // namespace

Doorway::Doorway(Worker& worker, net::ServerRequest& request,
                 std::shared_ptr<const Snapshot> snapshot, const Door& door,
                 std::shared_ptr<Admitted> admitted)
    : worker_(worker),
      request_(request),
      snapshot_(std::move(snapshot)),
      door_(door),
      admitted_(std::move(admitted)) {}

Task<void> Doorway::post() {
  auto incoming = co_await receive(worker_, request_, *snapshot_);
  if (!incoming) co_return;
  bytes_ = incoming->bytes;
  era_ = incoming->era;
  message_ = std::move(incoming->message);
  client_id_ = message_->id_text();
  if (admitted_->principal->is_killed()) {
    co_await killed();
    co_return;
  }
  if (!modern() && message_->method() != Method::initialize) {
    session_ =
        co_await legacy_session(worker_, request_, client_id_, *admitted_->principal, door_.name);
    if (!session_) co_return;
    session_->last_used_ns.store(worker_.loop().now().time_since_epoch().count(),
                                 std::memory_order_relaxed);
  }
  if (message_->is_response())
    co_await server_answer();
  else if (message_->is_notification())
    co_await notification();
  else if (!mcp::exists_in(era_, message_->method()))
    co_await reject(request_, client_id_, mcp::http_status_of(era_, -32601), -32601,
                    "this method is not known");
  else if (admitted_->principal->open().size() >=
           snapshot_->config->limits.calls * (door_.servers.size() + 1))
    co_await reject(request_, client_id_, 429, mcp::unavailable_code,
                    "too many calls of this conversation are under way");
  else
    co_await request();
}

Task<void> Doorway::request() {
  switch (message_->method()) {
    case Method::initialize: co_return co_await open_session();
    case Method::ping: co_return co_await final(mcp::result_response(client_id_, "{}"));
    case Method::server_discover: co_return co_await discover();
    case Method::logging_set_level: co_return co_await set_level();
    case Method::subscriptions_listen: co_return co_await subscribe();
    case Method::tools_list:
    case Method::prompts_list:
    case Method::resources_list:
    case Method::resources_templates_list:
    case Method::tasks_list: co_return co_await list();
    case Method::tools_call: break;
    default: co_return co_await call();
  }
  const std::string_view name = message_->params()["name"].text_or({});
  if (door_.search_above > 0 && name == search_tool) co_return co_await search_tools();
  if (door_.search_above > 0 && name == describe_tool) co_return co_await describe_tools();
  if (door_.search_above > 0 && name == call_tool) {
    // What is meant is called as if the client had called it itself.
    const json::Value given = message_->params()["arguments"];
    const json::Value arguments = given["arguments"];
    if (!given["name"].is_string()) {
      co_await final(mcp::tool_error_response(
          client_id_, "call_tool needs the name of a tool that search_tools gave", modern()));
      co_return;
    }
    std::vector<json::Edit> edits;
    edits.push_back({message_->params()["name"], json::to_string(given["name"])});
    edits.push_back({given, arguments.exists() ? json::to_string(arguments) : std::string("{}")});
    json::in_document_order(edits);
    message_ = own_message(message_->text(edits));
    mirrored_ = false;
  }
  co_await call();
}

std::optional<Doorway::Target> Doorway::tool_of(std::string_view name) const {
  if (const auto picked = door_.tools.find(name); picked != door_.tools.end())
    return Target{&door_.servers[picked->second.server], picked->second.tool, {}};
  Target found;
  if (const DoorServer* const bare = door_.with_prefix(""); bare != nullptr) {
    found = {bare, std::string(name), {}};
  } else {
    const auto parts = parts_of(name);
    if (!parts) return std::nullopt;
    found.server = door_.with_prefix(parts->prefix);
    if (parts->shortened)
      found.outward = name;
    else
      found.name = parts->rest;
  }
  if (found.server == nullptr || !found.server->whole) return std::nullopt;
  // A tool that was given another name has only that one here.
  const auto place = static_cast<std::size_t>(found.server - door_.servers.data());
  if (door_.picked.contains(std::pair(place, found.name))) return std::nullopt;
  return found;
}

std::optional<Doorway::Target> Doorway::prompt_of(std::string_view name) const {
  if (const DoorServer* const bare = door_.with_prefix(""); bare != nullptr)
    return bare->whole ? std::optional(Target{bare, std::string(name), {}}) : std::nullopt;
  const auto parts = parts_of(name);
  if (!parts) return std::nullopt;
  const DoorServer* const server = door_.with_prefix(parts->prefix);
  if (server == nullptr || !server->whole) return std::nullopt;
  if (!parts->shortened) return Target{server, std::string(parts->rest), {}};
  if (auto known = server->route->catalogue->prompt(name)) return Target{server, *known, {}};
  return Target{server, {}, std::string(name)};
}

std::optional<Doorway::Target> Doorway::resource_of(std::string_view uri) const {
  if (const DoorServer* const bare = door_.with_prefix(""); bare != nullptr)
    return bare->whole ? std::optional(Target{bare, std::string(uri), {}}) : std::nullopt;
  const auto parts = uri_parts_of(uri);
  if (!parts) return std::nullopt;
  const DoorServer* const server = door_.named(parts->server);
  if (server == nullptr || !server->whole) return std::nullopt;
  return Target{server, std::string(parts->uri), {}};
}

// Where ids come as the servers gave them, one that two of them gave is nobody's.
std::optional<Doorway::Target> Doorway::task_of(std::string_view spoken) const {
  std::optional<Target> found;
  const auto parts = task_parts_of(spoken);
  for (const DoorServer& server : door_.servers) {
    const std::string& name = server.route->config->name;
    if (server.outward && (!parts || parts->server != name)) continue;
    const std::string_view id = server.outward ? parts->id : spoken;
    const auto session = modern() ? worker_.shared().sessions.modern(*admitted_->principal, name)
                                  : session_->members.find(name);
    if (!session || !session->tasks.find(id)) continue;
    if (found) return std::nullopt;
    found = Target{&server, std::string(id), {}};
  }
  return found;
}

// Which server it is for; the edits say it in that server's words.
std::optional<Doorway::Target> Doorway::target(std::vector<json::Edit>& edits) const {
  const json::Value params = message_->params();
  json::Value subject;
  std::optional<Target> found;
  switch (message_->method()) {
    case Method::tools_call:
      subject = params["name"];
      found = tool_of(subject.text_or({}));
      break;
    case Method::prompts_get:
      subject = params["name"];
      found = prompt_of(subject.text_or({}));
      break;
    case Method::completion_complete: {
      const json::Value reference = params["ref"];
      const bool prompt = reference["name"].exists();
      subject = reference[prompt ? "name" : "uri"];
      found = prompt ? prompt_of(subject.text_or({})) : resource_of(subject.text_or({}));
      break;
    }
    case Method::resources_read:
    case Method::resources_subscribe:
    case Method::resources_unsubscribe:
      subject = params["uri"];
      found = resource_of(subject.text_or({}));
      break;
    case Method::tasks_get:
    case Method::tasks_result:
    case Method::tasks_update:
    case Method::tasks_cancel:
      subject = params["taskId"];
      found = task_of(subject.text_or({}));
      break;
    default: break;
  }
  if (!found || !subject.is_string()) return std::nullopt;
  edits.push_back({subject, {}});  // its text when the name is known
  return found;
}

// The server's own name for one that was shortened: among what it lists.
Task<bool> Doorway::look_up(Target& target, const std::shared_ptr<Session>& session) {
  Catalogue& catalogue = *target.server->route->catalogue;
  if (message_->method() == Method::tools_call) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      for (const auto& entry : catalogue.entries())
        if (outward_name(target.server->prefix, entry->name) == target.outward) {
          target.name = entry->name;
          co_return !door_.picked.contains(std::pair(
              static_cast<std::size_t>(target.server - door_.servers.data()), target.name));
        }
      if (attempt > 0) break;
      Exchange learner(worker_, request_, snapshot_, *target.server->route, admitted_);
      learner.begin({.era = era_, .message = own_message(message_->text()), .session = session});
      if (!co_await learner.learn_tools()) break;
    }
    co_return false;
  }
  auto asked = round(Method::prompts_list);
  asked->most_pages = 32;
  asked->parts.push_back({.server = target.server});
  if (!co_await gather(asked)) co_return false;
  const auto known = catalogue.prompt(target.outward);
  if (known) target.name = *known;
  co_return known.has_value();
}

Task<Result<std::shared_ptr<Session>>> Doorway::session_at(const ServerRoute& route) {
  if (modern()) co_return co_await worker_.modern_session(snapshot_, route, admitted_->principal);
  co_return co_await worker_.member_session(snapshot_, route, session_);
}

Task<void> Doorway::call() {
  std::vector<json::Edit> edits;
  std::optional<Target> found = target(edits);
  std::string spoken;
  if (!edits.empty()) spoken = edits.front().at.text_or({});
  if (!found) {
    co_await unknown(mcp::subject_of(*message_));
    co_return;
  }
  const ServerRoute& route = *found->server->route;
  if (const auto halt = worker_.shared().halts->find(route.config->name)) {
    worker_.shared().counters.denied.fetch_add(1, std::memory_order_relaxed);
    record(route.config->name, audit::Outcome::denied, "the server is in quarantine");
    co_await fail(mcp::denied_code, halt_sentence(*halt, spoken));
    co_return;
  }
  auto session = co_await session_at(route);
  if (!session) {
    if (admitted_->principal->is_killed()) co_return co_await killed();
    worker_.shared().counters.upstream_errors.fetch_add(1, std::memory_order_relaxed);
    worker_.shared().log.warning(
        "server not available",
        {{"server", route.config->name}, {"reason", base::describe(session.error())}});
    record(route.config->name, audit::Outcome::upstream_error, "the server is not available");
    co_await fail(mcp::unavailable_code, "the server is not available");
    co_return;
  }
  if (found->name.empty() && !co_await look_up(*found, *session)) {
    co_await unknown(spoken);
    co_return;
  }
  if (!edits.empty()) {
    json::write_string(found->name, edits.front().text);
    message_ = own_message(message_->text(edits));
  }
  Exchange exchange(worker_, request_, snapshot_, route, admitted_);
  exchange.begin({.era = era_,
                  .message = *std::move(message_),
                  .client_id = client_id_,
                  .session = *session,
                  .door = session_,
                  .outward = found->server->outward ? &*found->server->outward : nullptr,
                  .spoken = std::move(spoken),
                  .bytes = bytes_,
                  .mirrored = mirrored_});
  co_await exchange.dispatch();
}

// What ends here and never becomes a server's Exchange. Names are the client's: shown as far as no
// secret is in them.
void Doorway::record(std::string_view server, audit::Outcome outcome, std::string_view why) {
  const std::string_view spoken = mcp::subject_of(*message_);
  const std::string named = without_secrets(worker_, spoken);
  audit::Record record;
  record.type = audit::Type::call_decided;
  record.time = worker_.shared().clock.now();
  record.uid = crypto::uuid_v7(record.time, worker_.random());
  record.call_uid = record.uid;
  record_caller(record, *admitted_, request_.peer());
  record.server.id = server;
  record.method = message_->method_name();
  const std::string id = recorded_id(worker_, client_id_);
  record.rpc_id = id;
  switch (message_->method()) {
    case Method::tools_call: record.tool = named; break;
    case Method::prompts_get: record.prompt = named; break;
    default: record.resource_uri = named;
  }
  record.decision = audit::Decision::deny;
  record.outcome = outcome;
  record.why = why;
  worker_.shared().recorder.post(worker_.record_writer().write(record));
}

// Nobody can tell what is hidden from what is not there: these are the words of an Exchange.
Task<void> Doorway::unknown(std::string_view spoken) {
  const std::string shown = base::printable(spoken.substr(0, 128));
  record({}, audit::Outcome::denied, "nothing behind this door has this name");
  switch (message_->method()) {
    case Method::tools_call:
      if (spoken.empty())
        co_return co_await reject(request_, client_id_, modern() ? 400 : 200, -32602,
                                  "tools/call needs a name");
      worker_.shared().counters.denied.fetch_add(1, std::memory_order_relaxed);
      co_return co_await fail(-32602, std::format("Unknown tool: {}", shown));
    case Method::prompts_get:
      co_return co_await fail(-32602, std::format("Unknown prompt: {}", shown));
    case Method::resources_read:
    case Method::resources_subscribe:
    case Method::resources_unsubscribe: {
      std::string data = R"({"uri":)";
      json::write_string(spoken, data);
      co_return co_await fail(modern() ? -32602 : mcp::not_found_code, "Resource not found",
                              data + "}");
    }
    case Method::tasks_get:
    case Method::tasks_result:
    case Method::tasks_update:
    case Method::tasks_cancel:
      co_return co_await reject(request_, client_id_, modern() ? 400 : 200, -32602,
                                "no call of this conversation began this task");
    default: co_return co_await fail(-32602, "nothing is known by this name");
  }
}

Task<void> Doorway::notification() {
  const Method method = message_->method();
  std::vector<std::pair<std::shared_ptr<Link>, Outgoing>> out;
  if (!modern() && (method == Method::notifications_initialized ||
                    method == Method::notifications_roots_list_changed)) {
    if (method == Method::notifications_initialized) session_->initialized.store(true);
    for (const auto& member : session_->members.all()) {
      Outgoing message;
      message.text = message_->text();
      message.version = member->version;
      out.emplace_back(member->link, std::move(message));
    }
  } else if (!modern() && method == Method::notifications_cancelled) {
    const json::Value id = message_->params()["requestId"];
    if (const auto way = session_->requests->find(json::to_string(id)); way && id.exists()) {
      const std::vector<json::Edit> edits{{id, way->upstream_id}};
      Outgoing message;
      message.text = message_->text(edits);
      message.version = way->version;
      out.emplace_back(way->link, std::move(message));
    }
    session_->open->end(OpenCalls::End::cancelled, json::to_string(id));
  }
  // A server that does not take it has its reasons; the client has done its part.
  for (auto& [link, message] : out)
    worker_.tasks().spawn(
        [](net::Loop& loop, std::shared_ptr<Link> to, Outgoing sent) -> Task<void> {
          (void)co_await to->notify(loop, sent);
        }(worker_.loop(), std::move(link), std::move(message)));
  (void)co_await request_.respond(202, "", json_type, "");
}

// The client's answer to a request of one of the servers.
Task<void> Doorway::server_answer() {
  if (!session_) {
    co_await reject(request_, client_id_, 400, -32600, "a response belongs to a session");
    co_return;
  }
  const auto origin = session_->server_requests->take(client_id_);
  if (!origin) {
    co_await reject(request_, client_id_, 400, -32600, "no request of the server has this id");
    co_return;
  }
  if (!origin->approval.empty()) {
    answer_as_client(worker_, *snapshot_, *admitted_->principal, origin->approval,
                     message_->result());
    (void)co_await request_.respond(202, "", json_type, "");
    co_return;
  }
  const std::vector<json::Edit> edits{{message_->id(), origin->upstream_id}};
  Outgoing message;
  message.text = message_->text(edits);
  message.version = origin->version;
  const auto sent = co_await origin->link->notify(worker_.loop(), message);
  if (sent)
    (void)co_await request_.respond(202, "", json_type, "");
  else
    co_await reject(request_, client_id_, 502, mcp::unavailable_code,
                    "the server did not take the answer");
}

// A session of the legacy era: one at each server, opened side by side.
Task<void> Doorway::open_session() {
  if (!worker_.room_for_session(*admitted_->principal, *snapshot_)) {
    co_await reject(request_, client_id_, 503, mcp::unavailable_code,
                    "as many conversations are open as the gateway may have; try again later");
    co_return;
  }
  auto session = std::make_shared<Session>();
  const base::Time at = worker_.shared().clock.now();
  const json::Value params = message_->params();
  const std::string_view asked = params["protocolVersion"].text_or({});
  session->server = door_.name;
  name_client(worker_, *session, params["clientInfo"]);
  session->version =
      mcp::is_legacy_revision(asked) ? asked : std::string_view(mcp::legacy_revisions.back());
  session->capabilities = declared_capabilities(params["capabilities"]);
  session->principal = admitted_->principal;
  session->conversation = std::make_shared<Conversation>();
  session->conversation->totals.started = at;
  session->conversation->totals.last = at;
  session->last_used_ns.store(worker_.loop().clock().instant().time_since_epoch().count(),
                              std::memory_order_relaxed);
  // The servers get the client's own handshake, in a revision that exists.
  std::vector<json::Edit> edits;
  if (params["protocolVersion"].exists()) {
    std::string version;
    json::write_string(session->version, version);
    edits.push_back({params["protocolVersion"], std::move(version)});
  }
  if (params.is_object())
    json::write(params, edits, session->opens);
  else
    session->opens = "{}";
  session_ = session;
  auto asking = round(Method::initialize);
  for (const DoorServer& server : door_.servers) asking->parts.push_back({.server = &server});
  if (!co_await gather(asking)) {
    worker_.end_sessions({session});
    co_return co_await killed();
  }
  std::string result;
  json::Writer writer(result);
  writer.begin_object()
      .member("protocolVersion", session->version)
      .key("capabilities")
      .raw(offer(*asking))
      .key("serverInfo")
      .raw(R"({"name":"latticegate","version":"1"})");
  if (const std::string words = instructions(*asking); !words.empty())
    writer.member("instructions", words);
  writer.end_object();
  worker_.shared().sessions.add(session, worker_.random(), snapshot_->session_prefix());
  // A kill that came meanwhile found no session to end.
  if (admitted_->principal->is_killed()) {
    worker_.shared().sessions.remove(session->id);
    worker_.end_sessions({session});
    co_return co_await killed();
  }
  const std::string headers = std::format("Mcp-Session-Id: {}\r\n", session->id);
  (void)co_await request_.respond(200, headers, json_type,
                                  mcp::result_response(client_id_, result));
}

Task<void> Doorway::end_session() {
  const auto id = request_.head().find("mcp-session-id");
  const auto session =
      id ? worker_.shared().sessions.find(*id, *admitted_->principal, door_.name) : nullptr;
  if (!session) {
    co_await reject(
        request_, {}, id ? 404 : 400, -32600,
        id ? "this session does not exist or has ended" : "the Mcp-Session-Id header is missing");
    co_return;
  }
  worker_.shared().sessions.remove(*id);
  session->open->end(OpenCalls::End::session_over);
  worker_.end_sessions({session});
  (void)co_await request_.respond(204, "", json_type, "");
}

std::unique_ptr<Exchange> Doorway::view(const DoorServer& server, Method method,
                                        std::shared_ptr<Session> session, bool streaming,
                                        std::optional<std::uint64_t> stream) const {
  auto exchange =
      std::make_unique<Exchange>(worker_, request_, snapshot_, *server.route, admitted_);
  exchange->begin({.era = era_,
                   .message = own_message(std::format(R"({{"jsonrpc":"2.0","id":0,"method":"{}"}})",
                                                      gateway::name_of(method))),
                   .client_id = client_id_,
                   .session = std::move(session),
                   .door = session_,
                   .outward = server.outward ? &*server.outward : nullptr,
                   .streaming = streaming,
                   .stream = stream});
  return exchange;
}

Task<void> Doorway::final(std::string_view text) {
  (void)co_await request_.respond(200, "", json_type, text);
}

Task<void> Doorway::fail(int code, std::string_view sentence, std::string_view data) {
  co_await reject(request_, client_id_, 200, code, sentence, data);
}

Task<void> Doorway::killed() {
  co_await reject(request_, client_id_, message_ && message_->is_request() ? 200 : 403,
                  mcp::killed_code, stop_sentence(*admitted_->principal));
}

}  // namespace latticegate::gateway
