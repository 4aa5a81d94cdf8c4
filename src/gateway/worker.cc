#include "gateway/worker.h"

#include <algorithm>
#include <cstdlib>
#include <format>

#include "base/ascii.h"
#include "base/bytes.h"
#include "gateway/alerts.h"
#include "gateway/approval_page.h"
#include "gateway/doorway.h"
#include "gateway/halts.h"
#include "gateway/hand_over.h"
#include "gateway/incoming.h"
#include "gateway/meters.h"
#include "gateway/metrics_page.h"
#include "gateway/ready.h"
#include "gateway/replica_stops.h"
#include "gateway/request_state.h"
#include "identity/pseudonym.h"
#include "mcp/translate.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::string_view json_type = "application/json";

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find_first_of("?#"));
}

Task<void> answer_json(net::ServerRequest& request, int status, std::string_view headers,
                       std::string_view body) {
  (void)co_await request.respond(status, headers, json_type, body);
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::make(net::Loop& loop, Shared& shared,
                                             std::string_view node) {
  const auto first = shared.snapshot.load();
  auto inspection = Inspection::make(loop, first->rules, first->opinion);
  if (!inspection) return std::unexpected(std::move(inspection).error());
  return std::unique_ptr<Worker>(new Worker(loop, shared, *std::move(inspection), node));
}

Worker::Worker(net::Loop& loop, Shared& shared, std::unique_ptr<Inspection> inspection,
               std::string_view node)
    : loop_(loop),
      shared_(shared),
      tasks_([&shared](const std::exception_ptr&) {
        shared.log.error("a background task ended by an exception");
      }),
      inspection_(std::move(inspection)),
      record_writer_(node) {}

const std::shared_ptr<const Snapshot>& Worker::snapshot() {
  if (!snapshot_ || snapshot_->generation != shared_.generation.load(std::memory_order_acquire)) {
    snapshot_ = shared_.snapshot.load();
    if (auto used = inspection_->use(snapshot_->rules, snapshot_->opinion); !used)
      shared_.log.error("the new rules are not in use on one loop",
                        {{"reason", base::describe(used.error())}});
  }
  return snapshot_;
}

std::unique_ptr<store::Append> Worker::take_append() {
  if (appends_.empty()) return std::make_unique<store::Append>();
  std::unique_ptr<store::Append> append = std::move(appends_.back());
  appends_.pop_back();
  return append;
}

void Worker::give_append(std::unique_ptr<store::Append> append) {
  if (appends_.size() < 256) appends_.push_back(std::move(append));
}

net::HttpPool& Worker::pool(const ServerRoute& route, const config::Limits& limits) {
  auto& pool = pools_[route.key];
  if (!pool) {
    net::ClientOptions options;
    options.limits.head = {net::buffer_size};
    options.limits.body = limits.answer;
    options.connect_timeout = route.config->timeouts.connect;
    options.head_timeout = route.config->timeouts.request;
    options.idle_timeout = route.config->timeouts.idle;
    pool = std::make_unique<net::HttpPool>(loop_, route.url, route.tls, options);
  }
  return *pool;
}

net::HttpPool& Worker::pool(const Replica& replica, const config::Limits& limits) {
  auto& pool = replica_pools_[replica.pool];
  if (!pool) {
    net::ClientOptions options;
    options.limits.head = {net::buffer_size};
    options.limits.body = limits.answer;
    options.connect_timeout = std::chrono::seconds(2);  // one that is away holds nobody up
    pool = std::make_unique<net::HttpPool>(loop_, replica.url, replica.tls, options);
  }
  return *pool;
}

const ServerMeters& Worker::meters_of(const ServerRoute& route) {
  auto& known = meters_[route.key];
  if (!known)
    known = std::make_shared<const ServerMeters>(shared_.meters->of_server(route.config->name));
  return *known;
}

Result<std::shared_ptr<Link>> Worker::make_link(const Snapshot& snapshot,
                                                const ServerRoute& route) {
  if (const auto* const stdio = std::get_if<config::Stdio>(&route.config->transport)) {
    Backoff& backoff = backoffs_[route.config->name];
    const base::Instant now = loop_.clock().instant();
    if (now < backoff.until)
      return fail(Code::unavailable,
                  "the server's process keeps ending; it is started again later");
    ChildTarget target;
    target.server = route.config->name;
    target.arguments = stdio->command;
    target.directory = stdio->directory.string();
    target.request_timeout = route.config->timeouts.request;
    target.answer_limit = snapshot.config->limits.answer;
    // Exactly what the configuration names: nothing else of ours is inherited.
    for (const config::Variable& variable : stdio->env)
      target.environment.push_back(
          std::format("{}={}", variable.name, variable.value.value.reveal()));
    for (const std::string& name : stdio->pass)
      if (const char* const value = std::getenv(name.c_str()))
        target.environment.push_back(std::format("{}={}", name, value));
    const base::Log& log = shared_.log;
    target.errors = [&log, server = route.config->name](std::string_view line) {
      log.info("server wrote", {{"server", server}, {"line", std::string(line)}});
    };
    target.ended = [this, started = now, server = route.config->name](const std::string& status,
                                                                      bool asked) {
      Backoff& entry = backoffs_[server];
      const base::Instant ended = loop_.clock().instant();
      if (!asked && ended - started < std::chrono::seconds(10)) {
        entry.failures = std::min(entry.failures + 1, 6U);
        entry.until = ended + std::chrono::milliseconds(250 << entry.failures);
        shared_.log.warning("a server's process ended soon after its start",
                            {{"server", server}, {"status", status}});
      } else {
        entry.failures = 0;
        shared_.log.info("a server's process ended", {{"server", server}, {"status", status}});
      }
    };
    auto link = child_link(loop_, tasks_, std::move(target));
    if (!link) {
      backoff.failures = std::min(backoff.failures + 1, 6U);
      backoff.until = now + std::chrono::milliseconds(250 << backoff.failures);
    }
    return link;
  }
  HttpTarget target{.url = route.url,
                    .authorization = route.authorization,
                    .broker = route.broker,
                    .request_timeout = route.config->timeouts.request,
                    .spawn = bridging(route).spawn};
  // The pool is looked up on the loop of each request; the route is copied, because the snapshot
  // may be gone by then.
  auto pool = [&shared = shared_, route,
               config = snapshot.config](net::Loop& loop) -> net::HttpPool& {
    return shared.workers[loop.index()]->pool(route, config->limits);
  };
  return http_link(std::move(target), std::move(pool), snapshot.config->limits.answer);
}

BridgeOptions Worker::bridging(const ServerRoute& route, std::shared_ptr<Principal> principal) {
  BridgeOptions options;
  options.answer = route.config->timeouts.request;
  options.next_id = [&shared = shared_] {
    return std::to_string(shared.next_id.fetch_add(1, std::memory_order_relaxed));
  };
  if (principal) {
    const std::string server = route.config->name;
    const auto binding = [&shared = shared_, server, principal](std::string_view request) {
      return StateBinding{.key = shared.state_key,
                          .principal = principal->id(),
                          .server = server,
                          .request = request};
    };
    options.seal = [&shared = shared_, binding, time = options.parked](std::string_view request,
                                                                       std::string_view handle) {
      crypto::SystemRandom random;
      return seal_state(binding(request),
                        {.replica = shared.replica,
                         .handle = std::string(handle),
                         .until = shared.clock.now() + time},
                        random);
    };
    options.open = [&shared = shared_, binding](std::string_view request,
                                                std::string_view state) -> Result<std::string> {
      auto call = open_state(binding(request), state, shared.clock.now());
      if (!call) return std::unexpected(std::move(call).error());
      if (call->replica != shared.replica)
        return fail(Code::unavailable,
                    "the call waits in another process of the gateway, or did; "
                    "begin it anew");
      return std::move(call->handle);
    };
    options.gave_up = [&shared = shared_, server, principal](net::Loop& loop) {
      shared.workers[loop.index()]->record_given_up(server, *principal);
    };
  }
  options.spawn = [&shared = shared_](net::Loop& loop, Task<void> task) {
    shared.workers[loop.index()]->tasks_.spawn(std::move(task));
  };
  return options;
}

void Worker::record_given_up(std::string_view server, const Principal& principal) {
  constexpr std::string_view why = "nobody came back with the answers that the call waited for";
  shared_.log.info("a parked call was given up", {{"server", std::string(server)},
                                                  {"conversation", principal.id()},
                                                  {"reason", std::string(why)}});
  audit::Record record;
  record.type = audit::Type::call_finished;
  record.time = shared_.clock.now();
  record.uid = crypto::uuid_v7(record.time, random_);
  record.call_uid = record.uid;
  record.session = principal.id();
  record.principal.ref = principal.ref();
  record.agent.ref = principal.agent();
  record.server.id = server;
  record.outcome = audit::Outcome::timeout;
  record.error = why;
  shared_.recorder.post(record_writer_.write(record));
}

// Asks for server/discover. Anything but an answer that a modern server gives means legacy; over
// HTTP only an answer means anything.
Task<Result<bool>> Worker::speaks_modern(Link& link, bool pipe, bool& refused) {
  Outgoing probe;
  probe.id = std::to_string(shared_.next_id.fetch_add(1, std::memory_order_relaxed));
  probe.method = "server/discover";
  probe.era = mcp::Era::modern;
  probe.version = mcp::modern_revision;
  probe.idempotent = true;
  probe.text = mcp::to_modern(
      own_message(std::format(
          R"({{"jsonrpc":"2.0","id":{},"method":"server/discover","params":{{}}}})", probe.id)),
      {.capabilities = "{}", .client = R"({"name":"latticegate","version":"1"})", .log_level = {}});
  net::Abort abort;
  auto reply = co_await link.request(loop_, probe, abort);
  if (!reply) {
    if (pipe) co_return false;
    co_return std::unexpected(std::move(reply).error());
  }
  const int status = (*reply)->status();
  if (status == 401 || status == 403 || status >= 500)
    co_return fail(Code::unavailable, std::format("the server answered {}", status));
  // Silence on a pipe is an old server; over HTTP it is an outage, and the reply's own limit ends
  // the wait.
  const auto waiting = std::make_shared<Reply*>(reply->get());
  if (pipe)
    tasks_.spawn([](net::Loop& loop, std::shared_ptr<Reply*> probed) -> Task<void> {
      for (int i = 0; i < 30 && *probed != nullptr; ++i)
        co_await loop.sleep(std::chrono::milliseconds(100));
      if (*probed != nullptr) (*probed)->cancel();
    }(loop_, waiting));
  std::optional<mcp::Message> response;
  for (bool over = false; !over;) {
    auto next = co_await (*reply)->next();
    if (!next && !pipe && next.error().code != Code::malformed) {
      *waiting = nullptr;
      co_return std::unexpected(std::move(next).error());
    }
    over = !next || !*next || answers(**next, probe.id);
    if (next && *next && over) response = std::move(**next);
  }
  *waiting = nullptr;
  if (!response) co_return false;
  const auto named = [](json::Value versions) {
    return std::ranges::any_of(versions.elements(), [](json::Value version) {
      return version.string() == mcp::modern_revision;
    });
  };
  refused = response->error().exists();
  const json::Value result = response->result();
  // Whoever names no versions but gives the result its modern form leaves out what it must not.
  if (!result["supportedVersions"].exists() && result["resultType"].exists()) co_return true;
  co_return named(result["supportedVersions"]) ||
      (response->error()["code"].integer() == mcp::unsupported_version_code &&
       named(response->error()["data"]["supported"]));
}

Task<Result<std::shared_ptr<Link>>> Worker::modern_link(std::shared_ptr<const Snapshot> snapshot,
                                                        const ServerRoute& route,
                                                        std::shared_ptr<Principal> principal) {
  auto link = make_link(*snapshot, route);
  if (!link || route.config->era == config::Era::modern) co_return link;
  if (route.config->era == config::Era::legacy)
    co_return modern_face(*std::move(link), bridging(route, principal));
  const base::Instant now = loop_.clock().instant();
  std::optional<bool> modern = shared_.eras.speaks(route.key, mcp::Era::modern, now);
  if (!modern) {
    const bool pipe = std::holds_alternative<config::Stdio>(route.config->transport);
    bool refused = false;
    auto answer = co_await speaks_modern(**link, pipe, refused);
    if (!answer) co_return std::unexpected(std::move(answer).error());
    modern = *answer;
    shared_.eras.note(route.key, mcp::Era::modern, *modern, now);
    shared_.log.info("a server's era was found out",
                     {{"server", route.config->name}, {"era", *modern ? "modern" : "legacy"}});
    // Some end when they are asked anything before the handshake; most refuse in so many words and
    // go on, and then starting another one would double the time until the first answer.
    if (refused && pipe) co_await loop_.sleep(std::chrono::milliseconds(20));
    if (!*modern && pipe && (!refused || !(*link)->alive())) {
      backoffs_.erase(route.config->name);
      co_await (*link)->end(loop_);
      link = make_link(*snapshot, route);
      if (!link) co_return link;
    }
  }
  if (*modern) co_return link;
  co_return modern_face(*std::move(link), bridging(route, principal));
}

Task<Result<std::shared_ptr<Session>>> Worker::modern_session(
    std::shared_ptr<const Snapshot> snapshot, const ServerRoute& route,
    std::shared_ptr<Principal> principal) {
  Sessions& sessions = shared_.sessions;
  const std::string& server = route.config->name;
  if (shared_.halts->find(server)) co_return fail(Code::cancelled, "the server is in quarantine");
  if (auto known = sessions.modern(*principal, server)) {
    if (known->link->alive()) {
      known->last_used_ns.store(loop_.now().time_since_epoch().count(), std::memory_order_relaxed);
      co_return known;
    }
    sessions.remove_modern(*known);
  }
  if (!room_for_session(*principal, *snapshot))
    co_return fail(Code::overloaded, "limits.conversations are all in use");
  auto link = co_await modern_link(snapshot, route, principal);
  if (!link) co_return std::unexpected(std::move(link).error());
  // Somebody may have been quicker while the server's era was found out.
  if (auto known = sessions.modern(*principal, server)) {
    co_await (*link)->end(loop_);
    co_return known;
  }
  auto session = std::make_shared<Session>();
  session->server = server;
  session->version = mcp::modern_revision;
  session->principal = principal;
  session->link = *std::move(link);
  session->last_used_ns.store(loop_.clock().instant().time_since_epoch().count(),
                              std::memory_order_relaxed);
  sessions.put_modern(*principal, session);
  co_return session;
}

Task<void> Worker::greet(Link& link, const Outgoing& message, Handshake& hands, net::Abort& abort) {
  auto reply = co_await pass(mcp::Method::initialize, link, loop_, message, abort);
  hands.trouble = reply ? "the server ended without an answer" : base::describe(reply.error());
  while (reply && !hands.response) {
    auto next = co_await (*reply)->next();
    if (!next) hands.trouble = base::describe(next.error());
    if (!next || !*next) break;
    if (answers(**next, message.id))
      hands.response = std::move(**next);  // before it, only notifications may come; none matters
  }
  if (reply) hands.session_id = (*reply)->session_id();
}

// In the client's era first; a server that has no such handshake may be a modern one.
Task<Worker::Handshake> Worker::shake_hands(std::shared_ptr<const Snapshot> snapshot,
                                            const ServerRoute& route, const Outgoing& message,
                                            net::Abort& abort) {
  Handshake hands;
  auto link = make_link(*snapshot, route);
  if (!link) {
    hands.trouble = base::describe(link.error());
    co_return hands;
  }
  hands.link = *link;
  const config::Era era = route.config->era;
  Eras& eras = shared_.eras;
  const base::Instant at = loop_.clock().instant();
  const bool only_modern =
      era == config::Era::modern ||
      (era == config::Era::automatic && eras.speaks(route.key, mcp::Era::legacy, at) == false);
  if (!only_modern) {
    co_await greet(**link, message, hands, abort);
    if (hands.opened() && era == config::Era::automatic)
      eras.note(route.key, mcp::Era::legacy, true, at);
  }
  if (!hands.opened() && era != config::Era::legacy && !abort.requested()) {
    Handshake bridged;
    bridged.link = legacy_face(*link, bridging(route));
    co_await greet(*bridged.link, message, bridged, abort);
    if (bridged.opened() || only_modern) {
      hands = std::move(bridged);
      if (hands.opened() && !only_modern) {
        eras.note(route.key, mcp::Era::legacy, false, at);
        eras.note(route.key, mcp::Era::modern, true, at);
      }
    }
  }
  co_return hands;
}

Task<Result<std::shared_ptr<Session>>> Worker::member_session(
    std::shared_ptr<const Snapshot> snapshot, const ServerRoute& route,
    std::shared_ptr<Session> door) {
  const std::string& server = route.config->name;
  if (shared_.halts->find(server)) co_return fail(Code::cancelled, "the server is in quarantine");
  if (auto known = door->members.find(server)) {
    if (known->link->alive()) co_return known;
    door->members.drop(*known);
  }
  Outgoing message;
  message.id = std::to_string(shared_.next_id.fetch_add(1, std::memory_order_relaxed));
  message.method = "initialize";
  message.text = std::format(R"({{"jsonrpc":"2.0","id":{},"method":"initialize","params":{}}})",
                             message.id, door->opens);
  net::Abort abort;
  Handshake hands = co_await shake_hands(std::move(snapshot), route, message, abort);
  if (!hands.opened()) {
    if (hands.link) co_await hands.link->end(loop_);
    co_return fail(Code::unavailable,
                   hands.response ? "the server refused to open a session" : hands.trouble);
  }
  auto member = std::make_shared<Session>();
  member->server = server;
  member->version = hands.response->result()["protocolVersion"].text_or("");
  member->principal = door->principal;
  member->conversation = door->conversation;
  member->link = hands.link;
  member->requests = door->requests;
  member->open = door->open;
  member->server_requests = door->server_requests;
  member->events = door->events;
  member->hello = std::make_shared<const mcp::Message>(*std::move(hands.response));
  member->link->opened(hands.session_id, member->version);
  if (door->initialized.load()) {
    Outgoing ready;
    ready.text = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
    ready.version = member->version;
    (void)co_await member->link->notify(loop_, ready);
  }
  if (auto known = door->members.find(server); known && known->link->alive()) {
    co_await member->link->end(loop_);
    co_return known;
  }
  if (!door->members.put(member)) {
    co_await member->link->end(loop_);
    co_return fail(Code::cancelled, "the session has ended");
  }
  co_return member;
}

std::shared_ptr<Principal> Worker::principal_of(const identity::Caller& caller,
                                                const Snapshot& snapshot) {
  const std::size_t limit = snapshot.config->limits.conversations;
  const base::Instant at = loop_.clock().instant();
  auto principal = shared_.principals.find(caller, limit, at);
  if (principal) return principal;
  // Sessions that nobody uses may be all that holds the others.
  end_sessions(shared_.sessions.take_oldest(leaving_at_once(limit), nullptr));
  return shared_.principals.find(caller, limit, at);
}

bool Worker::room_for_session(const Principal& principal, const Snapshot& snapshot) {
  Sessions& sessions = shared_.sessions;
  const std::size_t limit = snapshot.config->limits.conversations;
  const std::size_t count = sessions.size();
  if (count < limit) return true;
  // Whoever opens too many loses its own.
  const std::size_t most = count - limit + leaving_at_once(limit);
  auto taken = sessions.take_oldest(most, &principal);
  if (taken.empty()) taken = sessions.take_oldest(most, nullptr);
  shared_.log.info("idle sessions ended to make room", {{"count", std::to_string(taken.size())}});
  end_sessions(std::move(taken));
  return sessions.size() < limit;
}

Result<std::shared_ptr<Admitted>> Worker::admit(identity::Caller caller, const Snapshot& snapshot) {
  auto principal = principal_of(caller, snapshot);
  if (!principal) return fail(Code::overloaded, "limits.conversations are all in use");
  auto admitted = std::make_shared<Admitted>(
      Admitted{snapshot.generation, {}, std::move(caller), std::move(principal), {}, {}, {}, {}});
  if (admitted->caller->user) admitted->delegation = {admitted->caller->agent.value()};
  if (snapshot.engine->looks_back())
    admitted->histories =
        shared_.histories.of(admitted->principal->id(), admitted->caller.profile(),
                             snapshot.config->limits.conversations, shared_.clock.now());
  if (snapshot.shadow && snapshot.shadow->looks_back())
    admitted->shadow_histories =
        shared_.shadow_histories.of(admitted->principal->id(), admitted->caller.profile(),
                                    snapshot.config->limits.conversations, shared_.clock.now());
  return admitted;
}

Result<std::shared_ptr<Admitted>> Worker::authenticate(net::ServerRequest& request,
                                                       const Snapshot& snapshot,
                                                       const Handed* handed) {
  if (handed != nullptr) {
    auto caller = snapshot.authenticator->accepted_elsewhere(handed->method, handed->fingerprint,
                                                             handed->agent);
    if (!caller) return std::unexpected(std::move(caller).error());
    return admit(*std::move(caller), snapshot);
  }
  const net::Head& head = request.head();
  std::array<std::string_view, 4> values{};
  std::size_t count = 0;
  bool forwarded = false;
  for (const net::Header& header : head.headers) {
    if (net::same_name(header.name, "authorization")) {
      if (count < values.size()) values[count] = header.value;
      ++count;
    } else if (net::same_name(header.name, "forwarded") ||
               net::same_name(header.name, "x-forwarded-for") ||
               net::same_name(header.name, "x-real-ip") || net::same_name(header.name, "via")) {
      forwarded = true;
    }
  }
  // The same credential on the same connection was looked at before.
  auto& known = std::static_pointer_cast<Remembered>(request.slot())->admitted;
  if (known && known->generation == snapshot.generation && count <= 1 && !forwarded &&
      known->authorization == (count == 1 ? values[0] : std::string_view()))
    return known;
  const identity::Credentials credentials{
      .authorization = std::span(values.data(), std::min(count, values.size())),
      .certificate = request.peer().certificate.get(),
      .address = request.peer().address == "unix" ? std::string_view("127.0.0.1")
                                                  : std::string_view(request.peer().address),
      .forwarded = forwarded};
  auto caller = snapshot.authenticator->authenticate(credentials);
  if (!caller) return std::unexpected(std::move(caller).error());
  auto admitted = admit(*std::move(caller), snapshot);
  if (!admitted) return admitted;
  if (count == 1) (*admitted)->authorization = values[0];
  if (!forwarded) known = *admitted;
  return admitted;
}

namespace {

// At a door or at a server: what the method asks for.
template <class At, class Place>
Task<void> let_in(Worker& worker, net::ServerRequest& request,
                  std::shared_ptr<const Snapshot> snapshot, const Place& place,
                  std::shared_ptr<Admitted> admitted) {
  const std::string_view method = request.head().method;
  At at(worker, request, std::move(snapshot), place, std::move(admitted));
  if (method == "POST")
    co_await at.post();
  else if (method == "GET")
    co_await at.listen();
  else if (method == "DELETE")
    co_await at.end_session();
  else
    co_await answer_json(request, 405, "Allow: GET, POST, DELETE\r\n",
                         R"({"error":"method not allowed"})");
}

}  // namespace

// This, serve() and enter() hand on what is to be awaited instead of awaiting it: an open stream
// would keep a frame of each. The task runs after they returned, so no view of their locals may go
// into it.
Task<void> Worker::handle(net::ServerRequest& request) {
  shared_.counters.requests.fetch_add(1, std::memory_order_relaxed);
  if (!request.slot()) {  // the first on its connection
    request.slot() = std::make_shared<Remembered>();
    shared_.meters->connected(request.peer().tls_version, request.peer().tls_group);
  }
  if (request.head().find(handed_header)) return take_over(request, snapshot());
  return serve(request, snapshot());
}

// What another replica passed on. What only claims to be so is refused, whatever credential it has.
Task<void> Worker::take_over(net::ServerRequest& request,
                             std::shared_ptr<const Snapshot> snapshot) {
  auto handed = snapshot->replicas ? snapshot->replicas->open(request.head(), shared_.clock.now())
                                   : fail(Code::forbidden, "this gateway has no replicas");
  Result<std::string_view> body;
  if (handed) body = co_await request.body();
  if (!body && body.error().code == Code::closed) co_return;
  if (handed && (!body || !is_its_body(*handed, *body)))
    handed = fail(Code::forbidden, "it has another body than was sealed");
  if (!handed) {
    shared_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    shared_.log.warning("handed request refused", {{"peer", request.peer().address},
                                                   {"reason", base::describe(handed.error())}});
    co_await answer_json(request, 403, "",
                         R"({"error":"no replica of this gateway handed this request over"})");
    co_return;
  }
  shared_.counters.taken_over.fetch_add(1, std::memory_order_relaxed);
  if (request.head().target == stops_path)
    co_return co_await answer_replica(*this, request, handed->from, *body);
  ReadRequest taken(request, *body, &*handed);
  co_await serve(taken, std::move(snapshot), &*handed);
}

Task<void> Worker::serve(net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
                         const Handed* handed) {
  const net::Head& head = request.head();
  const std::string_view path = without_query(head.target);
  if (handed == nullptr && !from_here(head, *snapshot)) {
    shared_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    return answer_json(
        request, 403, "",
        R"({"error":"the Host or Origin header is not one that this gateway serves"})");
  }
  if (path == "/healthz") {
    const bool working = shared_.recorder.status().working;
    const bool goes_on = snapshot->config->audit.on_failure != config::OnFailure::refuse;
    return answer_json(
        request, working || goes_on ? 200 : 503, "",
        working ? R"({"status":"ok"})" : R"({"status":"the audit log cannot be written"})");
  }
  if (is_approval_page(head)) return answer_approval_page(*this, request);
  auto admitted = authenticate(request, *snapshot, handed);
  if (!admitted) {
    shared_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    shared_.log.info("caller refused", {{"peer", request.peer().address},
                                        {"reason", base::describe(admitted.error())}});
    if (admitted.error().code == Code::overloaded)
      return answer_json(
          request, 503, "Retry-After: 30\r\n",
          R"({"error":"as many conversations are open as the gateway may have; try again later"})");
    const bool malformed = admitted.error().code == Code::malformed;
    return answer_json(request, malformed ? 400 : 401,
                       malformed ? "" : "WWW-Authenticate: Bearer realm=\"latticegate\"\r\n",
                       malformed ? R"({"error":"the Authorization header is malformed"})"
                                 : R"({"error":"a valid credential is required"})");
  }
  const Principal& principal = *(*admitted)->principal;
  if (handed != nullptr && names_no_session_here(*this, *snapshot, head, principal))
    return reject(request, {}, 404, -32600, "this session does not exist or has ended");
  if (handed == nullptr && !principal.is_killed())
    if (std::string home = home_of(*this, *snapshot, head, principal); !home.empty())
      return find_home(request, std::move(snapshot), std::move(home), *std::move(admitted));
  return enter(request, std::move(snapshot), *std::move(admitted));
}

// Passes a request on to its home, or to the next in order when that one is away.
Task<void> Worker::find_home(net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
                             std::string home, std::shared_ptr<Admitted> admitted) {
  const auto body = co_await request.body();
  if (!body) {
    if (body.error().code != Code::closed)
      co_await reject(request, {}, net::status_of(body.error()), -32600, body.error().detail);
    co_return;
  }
  ReadRequest read(request, *body);
  std::vector<std::string> tried;
  while (!home.empty()) {
    if (co_await hand_over(*this, read, snapshot, home, admitted)) co_return;
    if (home_of_session(*snapshot->replicas, read.head()) != nullptr) {
      // The client opens another one (2025-11-25, basic/transports).
      co_await reject(read, {}, 404, -32600, "the gateway that has this session is away");
      co_return;
    }
    tried.push_back(std::move(home));
    home = home_of(*this, *snapshot, read.head(), *admitted->principal, tried);
  }
  co_await enter(read, std::move(snapshot), std::move(admitted));
}

Task<void> Worker::enter(net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
                         std::shared_ptr<Admitted> admitted) {
  const net::Head& head = request.head();
  const std::string_view path = without_query(head.target);
  constexpr std::string_view prefix = "/mcp/";
  const std::string_view name =
      path.starts_with(prefix) ? path.substr(prefix.size()) : std::string_view();
  const auto door = path == "/mcp" || path.starts_with(prefix) ? snapshot->doors.find(name)
                                                               : snapshot->doors.end();
  // Whom it is not open to does not learn that it is there.
  if (door != snapshot->doors.end() && door->second.open_to(admitted->caller.profile()))
    return let_in<Doorway>(*this, request, std::move(snapshot), door->second, std::move(admitted));
  const auto route = snapshot->routes.find(name);
  if (name.empty() || route == snapshot->routes.end())
    return answer_json(request, 404, "",
                       R"({"error":"no such server; servers are at /mcp/<name>"})");
  return let_in<Exchange>(*this, request, std::move(snapshot), route->second, std::move(admitted));
}

}  // namespace latticegate::gateway
