#include "gateway/response.h"

#include <algorithm>
#include <charconv>
#include <format>

#include "gateway/alerts.h"
#include "gateway/halts.h"
#include "gateway/replica_stops.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using base::Instant;
using net::Task;

constexpr std::int64_t longest = std::int64_t{365} * 24 * 3600;  // seconds

ControlAnswer bad(std::string_view sentence) { return {400, refusal(sentence)}; }

audit::Type released_type(std::string_view id) {
  if (id == Principals::everybody) return audit::Type::calls_released;
  if (id.starts_with("user:")) return audit::Type::user_released;
  return audit::Type::session_released;
}

struct HaltParts {
  std::string_view server;
  std::string_view tool;  // empty: the whole server
};
HaltParts halt_parts(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return {name, {}};
  return {name.substr(0, slash), name.substr(slash + 1)};
}

void write_end(json::Writer& w, const Kill& kill) {
  w.member("since", base::to_rfc3339(kill.at)).member("by", kill.by).member("reason", kill.reason);
  if (kill.until) w.member("until", base::to_rfc3339(*kill.until));
}

void record_halt(Worker& worker, audit::Type type, const std::string& name, const Kill& halt,
                 std::string_view person) {
  Shared& shared = worker.shared();
  const auto [server, tool] = halt_parts(name);
  const bool begins =
      type == audit::Type::server_quarantined || type == audit::Type::tool_quarantined;
  shared.log.warning(
      begins ? "quarantine" : "quarantine lifted",
      {{"server", std::string(server)}, {"tool", std::string(tool)}, {"reason", halt.reason}});
  audit::Record record;
  record.type = type;
  record.time = shared.clock.now();
  record.uid = crypto::uuid_v7(record.time, worker.random());
  record.server.id = server;
  record.tool = tool;
  record.principal.ref = person;
  record.why = halt.reason;
  const std::string_view rules[] = {halt.by};
  record.rules = rules;
  shared.recorder.post(worker.record_writer().write(record));
  shared.alerts->tell(
      {.event = config::Event::quarantine,
       .severity = begins ? Alert::Severity::critical : Alert::Severity::info,
       .sentence = std::format("{}: {}", begins ? "in quarantine" : "released", halt.reason),
       .server = std::string(server),
       .tool = std::string(tool)});
}

}  // namespace

audit::Type stop_type(std::string_view id) {
  if (id == Principals::everybody) return audit::Type::calls_stopped;
  if (id.starts_with("user:")) return audit::Type::user_quarantined;
  if (id.starts_with("agent:")) return audit::Type::agent_quarantined;
  return audit::Type::session_killed;
}

bool halt(Worker& worker, const std::string& name, Kill kill, std::string_view person, Tell tell) {
  Shared& shared = worker.shared();
  if (!shared.halts->set(name, kill)) return false;
  const auto [server, tool] = halt_parts(name);
  record_halt(worker,
              tool.empty() ? audit::Type::server_quarantined : audit::Type::tool_quarantined, name,
              kill, person);
  if (tool.empty()) {
    worker.end_sessions(shared.sessions.take_all_at(server));
    worker.give_up_credential(server);
  }
  if (tell == Tell::replicas)
    tell_replicas(worker, {.what = {.halt = true, .id = name}, .kill = std::move(kill)});
  return true;
}

void lift(Worker& worker, const Stopped& what, std::string_view one, std::string_view second,
          std::string_view why, Tell tell) {
  Shared& shared = worker.shared();
  if (what.halt) {
    if (!shared.halts->lift(what.id)) return;
    record_halt(worker,
                what.id.contains('/') ? audit::Type::tool_released : audit::Type::server_released,
                what.id,
                {.at = shared.clock.now(),
                 .agent = {},
                 .user = {},
                 .by = "operator",
                 .reason = std::string(why)},
                one);
    if (tell == Tell::replicas) tell_replicas(worker, {.what = what, .kill = std::nullopt});
    return;
  }
  Kill kill;
  for (auto& [id, known] : shared.principals.kills())
    if (id == what.id) kill = known;
  if (!shared.principals.release(what.id)) return;
  if (tell == Tell::replicas) tell_replicas(worker, {.what = what, .kill = std::nullopt});
  const bool of_user = what.id.starts_with("user:");
  const std::string person = of_user ? mark_of(shared, kill.user) : std::string();
  audit::Record record;
  record.type = released_type(what.id);
  record.time = shared.clock.now();
  record.uid = crypto::uuid_v7(record.time, worker.random());
  if (!of_user) record.session = what.id;
  record.subject = person;
  record.agent.ref = kill.agent;
  record.principal.ref = one;
  record.approved_by = second;
  record.why = why;
  shared.recorder.post(worker.record_writer().write(record));
  shared.log.info("conversation released",
                  {{"conversation", of_user ? person : what.id}, {"reason", std::string(why)}});
  shared.alerts->tell({.event = config::Event::quarantine,
                       .severity = Alert::Severity::info,
                       .sentence = std::format("released: {}", why),
                       .agent = kill.agent,
                       .conversation = of_user ? person : what.id});
}

std::optional<Stopped> Response::subject(json::Value body) {
  if (body["all"].boolean() == true || body["all"].text_or({}) == "true")
    return Stopped{false, std::string(Principals::everybody)};
  const auto named = [&](std::string_view key) { return body[key].text_or({}); };
  if (const auto id = named("conversation"); id.starts_with("c-"))
    return Stopped{false, std::string(id)};
  if (const auto agent = named("agent"); !agent.empty())
    return Stopped{false, Principals::agent_id(agent)};
  if (const auto user = named("user"); !user.empty())
    return Stopped{false, Principals::user_id(user)};
  if (const auto server = named("server"); !server.empty() && !server.contains('/'))
    return Stopped{true, std::string(server)};
  if (const auto tool = named("tool"); !halt_parts(tool).tool.empty() && !tool.starts_with('/'))
    return Stopped{true, std::string(tool)};
  return std::nullopt;
}

Task<ControlAnswer> Response::stopped(std::int64_t count, std::string_view word,
                                      std::vector<std::shared_ptr<Principal>> principals,
                                      bool wait) {
  const Instant begun = worker_.loop().clock().instant();
  const Instant patience = begun + std::chrono::seconds(10);
  while (wait && is_any_open(principals) && worker_.loop().clock().instant() < patience)
    co_await worker_.loop().sleep(std::chrono::milliseconds(1));
  std::string out;
  json::Writer w(out);
  w.begin_object().member(word, count);
  if (wait) w.member("closed", !is_any_open(principals));
  w.end_object();
  co_return ControlAnswer{200, out};
}

Task<ControlAnswer> Response::kill(json::Value body) {
  const Shared& shared = worker_.shared();
  const std::string reason =
      without_secrets(worker_, body["reason"].text_or("stopped by an operator"));
  const std::string id(body["conversation"].text_or({}));
  const std::string agent(body["agent"].text_or({}));
  const bool wait = body["wait"].text_or({}) == "true";
  if (!id.empty()) {
    const auto principal = shared.principals.find_by_id(id);
    if (!principal) co_return ControlAnswer{404, refusal("no such conversation that is alive")};
    if (principal->is_killed())
      co_return ControlAnswer{409, refusal("this conversation is killed already")};
    worker_.kill(*principal, "operator", reason);
    co_return co_await stopped(1, "killed", {principal}, wait);
  }
  if (agent.empty()) co_return bad("name a conversation or an agent");
  // Also when it was never seen: the name may be on its way.
  if (!worker_.kill_all_of(Principals::agent_id(agent), audit::Type::session_killed,
                           {.at = shared.clock.now(),
                            .agent = agent,
                            .user = {},
                            .by = "operator",
                            .reason = reason}))
    co_return ControlAnswer{409, refusal("this agent is killed already")};
  co_return co_await stopped(1, "killed", shared.principals.named(Principals::agent_id(agent)),
                             wait);
}

Task<ControlAnswer> Response::quarantine(json::Value body) {
  const Shared& shared = worker_.shared();
  const auto what = subject(body);
  if (!what || what->id.starts_with("c-"))
    co_return bad("name an agent, a user, a server, a tool (SERVER/TOOL), or all");
  const std::string_view by = body["by"].text_or({});
  if (!by.empty() && !knows(shared, by)) co_return bad("'users' has nobody of that name");
  Kill kill{.at = shared.clock.now(),
            .agent = std::string(body["agent"].text_or({})),
            .user = std::string(body["user"].text_or({})),
            .by = "operator",
            .reason = without_secrets(worker_, body["reason"].text_or("stopped by an operator"))};
  if (const std::string_view text = body["seconds"].text_or({}); !text.empty()) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || seconds < 1 ||
        seconds > longest)
      co_return bad("a quarantine lasts from a second to a year, or until it is released");
    kill.until = kill.at + std::chrono::seconds(seconds);
  }
  const bool wait = body["wait"].text_or({}) == "true";
  if (!what->halt) {
    if (!worker_.kill_all_of(what->id, stop_type(what->id), kill))
      co_return ControlAnswer{409, refusal("it is in quarantine, or killed, already")};
    co_return co_await stopped(1, "quarantined", shared.principals.named(what->id), wait);
  }
  const auto [server, tool] = halt_parts(what->id);
  if (!shared.snapshot.load()->routes.contains(server))
    co_return ControlAnswer{404, refusal(std::format("no server '{}'", base::printable(server)))};
  if (!halt(worker_, what->id, kill, mark_of(shared, by)))
    co_return ControlAnswer{409, refusal("it is in quarantine already")};
  co_return co_await stopped(1, "quarantined", {}, wait);
}

ControlAnswer Response::release(json::Value body) {
  const Shared& shared = worker_.shared();
  const auto what = subject(body);
  const std::string_view by = body["by"].text_or({});
  if (!what) return bad("name a conversation, an agent, a user, a server, a tool, or all");
  const bool two = shared.snapshot.load()->config->control.four_eyes;
  if (two && (by.empty() || !knows(shared, by))) return bad("two people release: say who you are");
  // An agent's release is that of its conversations, too.
  std::vector<Stopped> found;
  if (what->halt && shared.halts->find(halt_parts(what->id).server, halt_parts(what->id).tool))
    for (const auto& [name, halt] : shared.halts->all())
      if (name == what->id) found.push_back(*what);
  if (!what->halt)
    for (const auto& [id, kill] : shared.principals.kills())
      if (id == what->id ||
          (what->id.starts_with("agent:") && Principals::agent_id(kill.agent) == what->id))
        found.push_back({false, id});
  std::int64_t count = 0;
  std::int64_t waiting = 0;
  for (const Stopped& one : found) {
    const std::string key = (one.halt ? "halt:" : "kill:") + one.id;
    std::string first(by);
    if (two) {
      const auto [known, fresh] = releasing_.try_emplace(key, by);
      if (fresh || known->second == by) {
        ++waiting;
        continue;
      }
      first = known->second;
      releasing_.erase(known);
    }
    lift(worker_, one, mark_of(shared, first), two ? mark_of(shared, by) : std::string(),
         two ? "released by two people" : "released by an operator");
    ++count;
  }
  if (count + waiting == 0) return {404, refusal("nothing of this name is stopped")};
  return {200, std::format(R"({{"released":{},"waiting":{}}})", count, waiting)};
}

ControlAnswer Response::list() const {
  const Shared& shared = worker_.shared();
  std::string out;
  json::Writer w(out);
  w.begin_object().member("apiVersion", "v1").key("quarantines").begin_array();
  for (const auto& [id, kill] : shared.principals.kills()) {
    if (id.starts_with("c-")) continue;  // conversations say it themselves
    w.begin_object();
    if (id == Principals::everybody)
      w.member("kind", "all").member("name", "all calls");
    else
      w.member("kind", id.substr(0, id.find(':'))).member("name", id.substr(id.find(':') + 1));
    write_end(w, kill);
    w.end_object();
  }
  for (const auto& [name, halt] : shared.halts->all()) {
    w.begin_object().member("kind", name.contains('/') ? "tool" : "server").member("name", name);
    write_end(w, halt);
    w.end_object();
  }
  w.end_array().end_object();
  return {200, out};
}

void Response::end_what_is_over() {
  const base::Time now = worker_.shared().clock.now();
  constexpr std::string_view why = "its time is over";
  for (const std::string& id : worker_.shared().principals.over(now))
    lift(worker_, {false, id}, {}, {}, why, Tell::nobody);
  for (const std::string& name : worker_.shared().halts->over(now))
    lift(worker_, {true, name}, {}, {}, why, Tell::nobody);
}

}  // namespace latticegate::gateway
