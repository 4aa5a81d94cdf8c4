// Worker: stopping, and what goes with it: records, sessions, what was learnt, credentials.
#include <algorithm>
#include <format>
#include <set>

#include "gateway/alerts.h"
#include "gateway/broker.h"
#include "gateway/meters.h"
#include "gateway/replica_stops.h"
#include "gateway/worker.h"
#include "identity/pseudonym.h"

namespace latticegate::gateway {

using net::Task;

bool is_any_open(const std::vector<std::shared_ptr<Principal>>& principals) {
  return std::ranges::any_of(principals,
                             [](const auto& principal) { return principal->open().size() > 0; });
}

void Worker::end_sessions(std::vector<std::shared_ptr<Session>> sessions) {
  for (std::shared_ptr<Session>& session : sessions) {
    tasks_.spawn(end_links(loop_, std::move(session)));
  }
}

void Worker::kill(Principal& principal, std::string by, std::string reason) {
  const base::Instant begun = loop_.clock().instant();
  const Kill kill{.at = shared_.clock.now(),
                  .agent = principal.agent(),
                  .user = principal.user(),
                  .by = std::move(by),
                  .reason = std::move(reason)};
  if (!shared_.principals.kill(principal, kill)) return;
  record_kill(audit::Type::session_killed, principal.id(), kill);
  finish_kill(principal);
  tell_replicas(*this, {.what = {.halt = false, .id = principal.id()}, .kill = kill});
  if (auto known = shared_.principals.find_by_id(principal.id()))
    tasks_.spawn(measure_stop({std::move(known)}, begun));
}

bool Worker::kill_all_of(const std::string& id, audit::Type type, Kill kill, Tell tell) {
  const base::Instant begun = loop_.clock().instant();
  if (!shared_.principals.kill_all_of(id, kill)) return false;
  record_kill(type, id, kill);
  auto stopped = shared_.principals.named(id);
  for (const auto& principal : stopped) finish_kill(*principal);
  if (tell == Tell::replicas)
    tell_replicas(*this, {.what = {.halt = false, .id = id}, .kill = std::move(kill)});
  tasks_.spawn(measure_stop(std::move(stopped), begun));
  return true;
}

// Whoever is stopped while its own answer is written still has that open for a moment.
Task<void> Worker::measure_stop(std::vector<std::shared_ptr<Principal>> stopped,
                                base::Instant begun) {
  const base::Instant patience = begun + std::chrono::seconds(10);
  base::Instant at = loop_.clock().instant();
  for (; at < patience && is_any_open(stopped); at = loop_.clock().instant()) {
    // To the microsecond at first, and then without keeping a processor busy.
    if (at - begun < std::chrono::milliseconds(3))
      co_await loop_.yield();
    else
      co_await loop_.sleep(std::chrono::milliseconds(1));
  }
  shared_.meters->stopped(at - begun);
}

void Worker::record_kill(audit::Type type, std::string_view id, const Kill& kill) {
  shared_.counters.kills.fetch_add(1, std::memory_order_relaxed);
  const bool of_user = id.starts_with("user:");
  const std::string person =
      of_user ? identity::person_pseudonym(shared_.person_key, {}, kill.user) : std::string();
  shared_.log.warning("conversation killed", {{"conversation", of_user ? person : std::string(id)},
                                              {"agent", kill.agent},
                                              {"by", kill.by},
                                              {"reason", kill.reason}});
  audit::Record record;
  record.type = type;
  record.time = shared_.clock.now();
  record.uid = crypto::uuid_v7(record.time, random_);
  if (!of_user) record.session = id;
  record.principal.ref = person;
  record.agent.ref = kill.agent;
  record.decision = audit::Decision::kill;
  record.why = kill.reason;
  const std::string_view rules[] = {kill.by};
  record.rules = rules;
  shared_.recorder.post(record_writer_.write(record));
  shared_.alerts->tell({.event = type == audit::Type::session_killed ? config::Event::kill
                                                                     : config::Event::quarantine,
                        .severity = Alert::Severity::critical,
                        .sentence = std::format("stopped by {}: {}", kill.by, kill.reason),
                        .agent = kill.agent,
                        .conversation = of_user ? person : std::string(id)});
}

void Worker::tell_ladder(const behaviour::Ladders::Change& change) {
  const bool up = change.to > change.from;
  const std::string why = std::format("from {} to {}: {}", behaviour::name(change.from),
                                      behaviour::name(change.to), change.sentence);
  shared_.log.warning(up ? "an agent may do less" : "an agent may do more again",
                      {{"agent", change.agent},
                       {"rung", std::string(behaviour::name(change.to))},
                       {"reason", why}});
  audit::Record record;
  record.type = up ? audit::Type::agent_tightened : audit::Type::agent_relaxed;
  record.time = shared_.clock.now();
  record.uid = crypto::uuid_v7(record.time, random_);
  record.agent.ref = change.agent;
  record.why = why;
  shared_.recorder.post(record_writer_.write(record));
  shared_.alerts->tell({.event = config::Event::ladder,
                        .severity = up ? Alert::Severity::warning : Alert::Severity::info,
                        .sentence = why,
                        .agent = change.agent,
                        .topic = std::string(behaviour::name(change.to))});
}

// Sessions end, and what was learnt lately is taken back.
void Worker::finish_kill(Principal& principal) {
  std::vector<std::shared_ptr<Session>> sessions = shared_.sessions.take_all(principal);
  for (const std::shared_ptr<Session>& session : sessions)
    if (session->conversation) {
      const std::scoped_lock lock(session->conversation->mutex);
      shared_.watch.unlearn(session->conversation->lessons);
    }
  shared_.habits.unlearn(principal.agent(), shared_.clock.now());
  const std::shared_ptr<Conversation> conversation = principal.conversation(shared_.clock.now());
  {
    const std::scoped_lock lock(conversation->mutex);
    shared_.watch.unlearn(conversation->lessons);
  }
  give_up_credentials(sessions, principal);
  end_sessions(std::move(sessions));
}

// The tokens of servers that it talked to: whoever turned it may have them by now.
void Worker::give_up_credentials(const std::vector<std::shared_ptr<Session>>& sessions,
                                 const Principal& principal) {
  std::set<std::string, std::less<>> servers;
  for (const std::shared_ptr<Session>& session : sessions) {
    servers.insert(session->server);
    for (const std::shared_ptr<Session>& member : session->members.all())
      servers.insert(member->server);
  }
  for (const std::string& server : servers) give_up_credential(server, &principal);
}

void Worker::give_up_credential(std::string_view server, const Principal* principal) {
  const auto snapshot = shared_.snapshot.load();
  const auto route = snapshot->routes.find(server);
  if (route == snapshot->routes.end() || !route->second.broker) return;
  tasks_.spawn(give_up(route->second.broker, std::string(server),
                       principal != nullptr ? principal->id() : std::string(),
                       principal != nullptr ? principal->agent() : std::string()));
}

Task<void> Worker::give_up(std::shared_ptr<Broker> broker, std::string server,
                           std::string conversation, std::string agent) {
  const Broker::GivenUp given = co_await broker->give_up(loop_);
  if (!given.held) co_return;
  const std::string why = given.revoked ? std::format("revoked at {}", given.issuer)
                                        : std::format("forgotten, but not revoked at {}: {}",
                                                      given.issuer, given.trouble);
  shared_.log.warning("a server's token was given up", {{"server", server}, {"outcome", why}});
  audit::Record record;
  record.type = audit::Type::credential_given_up;
  record.time = shared_.clock.now();
  record.uid = crypto::uuid_v7(record.time, random_);
  record.session = conversation;
  record.agent.ref = agent;
  record.server.id = server;
  record.why = why;
  shared_.recorder.post(record_writer_.write(record));
}

}  // namespace latticegate::gateway
