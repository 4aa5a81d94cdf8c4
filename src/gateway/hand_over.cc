#include "gateway/hand_over.h"

#include <algorithm>
#include <format>

#include "base/ascii.h"
#include "gateway/incoming.h"
#include "mcp/revision.h"

namespace latticegate::gateway {
namespace {

using net::Task;

// The home has its own patience with servers and people; this one only ends what it forgot.
constexpr std::chrono::minutes patience{30};
// A stream of a home that is alive has a comment at least so often, where it sends them at all.
constexpr int silences = 4;

// Header lines that are the client's to say, and the home's to answer.
bool goes_there(std::string_view name) {
  constexpr std::string_view known[] = {"accept",      "content-type", "last-event-id",
                                        "traceparent", "tracestate",   "baggage"};
  return name.starts_with("mcp-") || std::ranges::contains(known, name);
}
bool comes_back(std::string_view name) {
  constexpr std::string_view known[] = {"allow", "retry-after", "www-authenticate"};
  return name.starts_with("mcp-") || std::ranges::contains(known, name);
}

std::string lines_of(const net::Head& head, bool (*wanted)(std::string_view)) {
  std::string out;
  for (const net::Header& header : head.headers)
    if (wanted(base::to_lower(header.name)))
      out += std::format("{}: {}\r\n", header.name, header.value);
  return out;
}

// To a request that was passed on and not answered: nobody knows whether it was done.
Task<void> lost(net::ServerRequest& request, std::string_view body) {
  const auto message = mcp::Message::parse(body);
  co_await reject(request, message ? message->id_text() : std::string(), 502, mcp::unavailable_code,
                  "the gateway where this conversation is at home gave no answer");
}

// The answer's pieces as they come.
Task<void> pass_events(net::ServerRequest& request, net::ClientConnection& connection,
                       std::string_view headers, std::chrono::milliseconds silence) {
  if (!co_await request.start_events(headers)) co_return;
  for (;;) {
    if (silence.count() > 0) connection.stream().set_deadline(request.loop().now() + silence);
    const auto piece = co_await connection.read_piece();
    if (!piece) co_return;  // not finished: the client sees that something is missing
    connection.stream().clear_deadline();
    if (piece->empty()) break;
    if (!co_await request.send_events(*piece)) co_return;
  }
  (void)co_await request.finish_events();
}

Task<void> pass_back(net::ServerRequest& request, net::ClientConnection& connection,
                     std::string_view sent, std::chrono::milliseconds silence) {
  const net::Head& head = connection.head();
  const int status = head.status;
  const std::string type(head.find("content-type").value_or("application/json"));
  const std::string headers = lines_of(head, comes_back);
  if (status == 200 && net::is_media_type(type, "text/event-stream")) {
    connection.release_head();
    connection.read_without_end();
    co_return co_await pass_events(request, connection, headers, silence);
  }
  const auto body = co_await connection.read_body();
  if (body)
    (void)co_await request.respond(status, headers, type, *body);
  else
    co_await lost(request, sent);
}

}  // namespace

ReadRequest::ReadRequest(net::ServerRequest& inner, std::string_view body, const Handed* handed)
    : inner_(inner), body_(body), handed_(handed != nullptr) {
  if (handed == nullptr) return;
  peer_.address = handed->address;
  peer_.tls_version = handed->tls_version;
  peer_.tls_group = handed->tls_group;
  slot_ = std::make_shared<Remembered>();
}

const std::string* home_of_session(const Replicas& replicas, const net::Head& head) {
  if (head.find("mcp-protocol-version") == mcp::modern_revision) return nullptr;
  const auto session = head.find("mcp-session-id");
  return session ? replicas.home_of_session(*session) : nullptr;
}

bool names_no_session_here(Worker& worker, const Snapshot& snapshot, const net::Head& head,
                           const Principal& principal) {
  const std::string* const home = home_of_session(*snapshot.replicas, head);
  return home != nullptr && *home == snapshot.replicas->self() &&
         !worker.shared().sessions.has(*head.find("mcp-session-id"), principal);
}

std::string home_of(Worker& worker, const Snapshot& snapshot, const net::Head& head,
                    const Principal& principal, std::span<const std::string> tried) {
  if (!snapshot.replicas) return {};
  const Replicas& replicas = *snapshot.replicas;
  const std::string* home = home_of_session(replicas, head);
  if (home == nullptr || names_no_session_here(worker, snapshot, head, principal))
    home = &replicas.home(principal.id(), [&](const std::string& name) {
      return std::ranges::contains(tried, name) ||
             worker.shared().away.rests(name, worker.loop().now());
    });
  return *home == replicas.self() ? std::string() : *home;
}

Task<bool> hand_over(Worker& worker, ReadRequest& request, std::shared_ptr<const Snapshot> snapshot,
                     const std::string& to, std::shared_ptr<Admitted> admitted) {
  Shared& shared = worker.shared();
  const Replica& replica = *snapshot->replicas->find(to);
  net::HttpPool& pool = worker.pool(replica, snapshot->config->limits);
  if (const auto reached = co_await pool.reach(); !reached) {
    if (shared.away.failed(to, worker.loop().now()))
      shared.log.warning("a replica cannot be reached",
                         {{"replica", to}, {"reason", base::describe(reached.error())}});
    co_return false;
  }
  if (shared.away.answered(to))
    shared.log.info("a replica can be reached again", {{"replica", to}});
  shared.counters.handed_over.fetch_add(1, std::memory_order_relaxed);
  const auto body = co_await request.body();
  const identity::CallerProfile& profile = admitted->caller.profile();
  const net::Peer& peer = request.peer();
  std::string headers = lines_of(request.head(), goes_there);
  headers += std::format(
      "{}: {}\r\n", handed_header,
      snapshot->replicas->seal(to,
                               {.from = {},
                                .method = profile.method,
                                .fingerprint = profile.fingerprint,
                                .agent = profile.agent.value(),
                                .address = peer.address,
                                .tls_version = peer.tls_version,
                                .tls_group = peer.tls_group,
                                .body = {}},
                               request.head(), *body, shared.clock.now(), worker.random()));
  const std::string method(request.head().method);
  const std::string target(request.head().target);
  net::Abort abort;
  request.on_hangup([&abort] { abort.request(); });
  net::ClientConnection* answering = nullptr;
  const auto open = admitted->principal->open().open(worker.loop(), [&](OpenCalls::End) {
    abort.request();
    if (answering != nullptr) answering->cancel();
  });
  auto connection = co_await pool.exchange({.method = method,
                                            .path = target,
                                            .headers = headers,
                                            .body = *body,
                                            .has_body = method == "POST",
                                            .head_timeout = patience},
                                           &abort);
  if (connection) {
    answering = connection->get();
    request.on_hangup([answering] { answering->cancel(); });
    co_await pass_back(request, **connection, *body,
                       silences * snapshot->config->limits.timeouts.keep_alive);
    answering = nullptr;
  } else if (!abort.requested()) {
    co_await lost(request, *body);
  } else if (admitted->principal->is_killed()) {
    co_await reject(request, {}, 403, mcp::killed_code, stop_sentence(*admitted->principal));
  }
  request.on_hangup(nullptr);
  if (connection) pool.give_back(*std::move(connection));
  co_return true;
}

}  // namespace latticegate::gateway
