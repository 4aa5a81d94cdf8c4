#include "gateway/meters.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <format>
#include <fstream>

#include "gateway/halts.h"
#include "gateway/worker.h"

namespace latticegate::gateway {
namespace {

using std::chrono::nanoseconds;
using telemetry::Kind;
using telemetry::Registry;
using namespace std::chrono_literals;

// Of what the gateway itself adds: from tens of microseconds to the disk that hangs.
constexpr std::array<nanoseconds, 16> own_bounds{25us, 50us, 100us, 250us, 500us, 1ms, 2500us, 5ms,
                                                 10ms, 25ms, 50ms,  100ms, 250ms, 1s,  5s,     30s};
constexpr std::array<nanoseconds, 16> whole_bounds{250us,  500us, 1ms,   2500us, 5ms,   10ms,
                                                   25ms,   50ms,  100ms, 250ms,  500ms, 1s,
                                                   2500ms, 10s,   30s,   120s};
constexpr std::array<nanoseconds, 10> stop_bounds{50us,   100us, 250us, 500us, 1ms,
                                                  2500us, 5ms,   25ms,  100ms, 1s};

double count(const std::atomic<std::uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

// Resident memory in bytes, from the second number of this file, which counts pages.
double resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t whole = 0;
  std::uint64_t resident = 0;
  in >> whole >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Meters::Meters(const Shared& shared)
    : calls_(registry_.counters({.name = "latticegate_calls_total",
                                 .kind = Kind::counter,
                                 .help = "Calls that are over, by what came of them.",
                                 .labels = {"server", "outcome"}})),
      records_(registry_.counters({.name = "latticegate_records_read_total",
                                   .kind = Kind::counter,
                                   .help = "Records that answers brought to clients.",
                                   .labels = {"server"}})),
      whole_(
          registry_.histograms({.name = "latticegate_call_seconds",
                                .kind = Kind::histogram,
                                .help = "Time of an answered call, from its message to its answer.",
                                .labels = {"server"}},
                               whole_bounds)),
      own_(registry_.histograms(
          {.name = "latticegate_call_own_seconds",
           .kind = Kind::histogram,
           .help = "The gateway's own part of it: without the server, and without people who "
                   "approve.",
           .labels = {"server"}},
          own_bounds)),
      connections_(registry_.counters(
          {.name = "latticegate_connections_total",
           .kind = Kind::counter,
           .help = "Connections of clients that sent a request, by TLS version and key exchange; "
                   "none: plain HTTP.",
           .labels = {"tls", "group"}})),
      stops_(registry_.histograms(
          {.name = "latticegate_stop_seconds",
           .kind = Kind::histogram,
           .help = "Time from a kill until nothing was open any more for whom it stopped.",
           .labels = {}},
          stop_bounds)),
      approvals_(registry_.counters({.name = "latticegate_approvals_total",
                                     .kind = Kind::counter,
                                     .help = "Requests for a person's yes: asked, approved, "
                                             "refused, used.",
                                     .labels = {"state"}})),
      decoys_(registry_.counters({.name = "latticegate_decoys_total",
                                  .kind = Kind::counter,
                                  .help = "Refused calls that were answered with made-up data "
                                          "(honeypot).",
                                  .labels = {}})),
      alerts_(registry_.counters(
          {.name = "latticegate_alerts_total",
           .kind = Kind::counter,
           .help = "Alerts: told, repeated (not told again), limited (more than per_minute), "
                   "dropped (queue full), failed (every try).",
           .labels = {"channel", "result"}})) {
  ask_state(shared);
  ask_log(shared);
  ask_behaviour(shared);
  ask_process();
}

void Meters::ask_state(const Shared& shared) {
  struct Row {
    const char* name;
    const char* help;
    const std::atomic<std::uint64_t>& counter;
  };
  const Counters& counters = shared.counters;
  for (const auto& [name, help, counter] :
       {Row{"latticegate_requests_total", "HTTP requests of clients.", counters.requests},
        Row{"latticegate_calls_begun_total", "Calls that policies were to decide.", counters.calls},
        Row{"latticegate_calls_allowed_total", "Calls that were let through.", counters.allowed},
        Row{"latticegate_calls_denied_total",
            "Calls that were refused before they were sent: by policy, schema, throttle, "
            "quarantine, or because the caller may not see the tool.",
            counters.denied},
        Row{"latticegate_callers_refused_total",
            "Requests without a valid credential, from a foreign Host or Origin, or no message.",
            counters.refused},
        Row{"latticegate_answers_withheld_total", "Answers that a policy kept from the client.",
            counters.withheld},
        Row{"latticegate_redactions_total", "Places that were taken out of answers.",
            counters.redactions},
        Row{"latticegate_kills_total", "Conversations and agents that were stopped.",
            counters.kills},
        Row{"latticegate_upstream_errors_total", "Servers that gave no usable answer.",
            counters.upstream_errors},
        Row{"latticegate_handed_over_total", "Requests that were passed on to another replica.",
            counters.handed_over},
        Row{"latticegate_taken_over_total", "Requests that another replica passed on to this one.",
            counters.taken_over},
        Row{"latticegate_shadow_judged_total", "Calls that the shadow's policies judged.",
            counters.shadow_judged},
        Row{"latticegate_shadow_would_refuse_total", "Of those: allowed, and it would refuse.",
            counters.shadow_would_refuse},
        Row{"latticegate_shadow_would_allow_total", "Of those: refused, and it would allow.",
            counters.shadow_would_allow}})
    registry_.ask({.name = name, .kind = Kind::counter, .help = help, .labels = {}},
                  [&counter](const Registry::Give& give) { give({}, count(counter)); });
  registry_.ask({.name = "latticegate_sessions",
                 .kind = Kind::gauge,
                 .help = "Sessions that are open.",
                 .labels = {}},
                [&shared](const Registry::Give& give) {
                  give({}, static_cast<double>(shared.sessions.size()));
                });
  registry_.ask({.name = "latticegate_conversations",
                 .kind = Kind::gauge,
                 .help = "Agents and their users that are known: alive and stopped.",
                 .labels = {"state"}},
                [&shared](const Registry::Give& give) {
                  std::size_t stopped = 0;
                  const auto all = shared.principals.all();
                  for (const auto& principal : all)
                    stopped += principal->is_killed() ? std::size_t{1} : std::size_t{0};
                  give({"alive"}, static_cast<double>(all.size() - stopped));
                  give({"stopped"}, static_cast<double>(stopped));
                });
  registry_.ask({.name = "latticegate_stops",
                 .kind = Kind::gauge,
                 .help = "Kills and quarantines in force, by what they hold for.",
                 .labels = {"of"}},
                [&shared](const Registry::Give& give) {
                  std::array<std::size_t, 6> found{};
                  for (const auto& [id, kill] : shared.principals.kills())
                    ++found.at(id == Principals::everybody ? 3
                               : id.starts_with("agent:")  ? 1
                               : id.starts_with("user:")   ? 2
                                                           : 0);
                  if (shared.halts != nullptr)
                    for (const auto& [name, halt] : shared.halts->all())
                      ++found.at(name.contains('/') ? 5 : 4);
                  constexpr std::array words{"conversation", "agent",  "user",
                                             "everybody",    "server", "tool"};
                  for (std::size_t i = 0; i < words.size(); ++i)
                    give({words.at(i)}, static_cast<double>(found.at(i)));
                });
  registry_.ask({.name = "latticegate_server_available",
                 .kind = Kind::gauge,
                 .help = "0: the server did not answer lately, and its part of lists is left out.",
                 .labels = {"server"}},
                [&shared](const Registry::Give& give) {
                  const auto snapshot = shared.snapshot.load();
                  const auto out = shared.outages.all();
                  for (const auto& [name, route] : snapshot->routes)
                    give({name}, std::ranges::contains(out, name) ? 0 : 1);
                });
  registry_.ask({.name = "latticegate_policies",
                 .kind = Kind::gauge,
                 .help = "Policies in force.",
                 .labels = {}},
                [&shared](const Registry::Give& give) {
                  give({}, static_cast<double>(shared.snapshot.load()->engine->policies()));
                });
  registry_.ask({.name = "latticegate_policy_epoch",
                 .kind = Kind::gauge,
                 .help = "How often configuration and policies were put in force.",
                 .labels = {}},
                [&shared](const Registry::Give& give) {
                  give({}, static_cast<double>(shared.snapshot.load()->engine->epoch()));
                });
}

void Meters::ask_log(const Shared& shared) {
  using Status = store::Journal::Status;
  struct Row {
    const char* name;
    Kind kind;
    const char* help;
    double (*of)(const Status&);
  };
  for (const auto& [name, kind, help, of] :
       {Row{"latticegate_audit_working", Kind::gauge, "1: the record can be written.",
            [](const Status& s) { return s.working ? 1.0 : 0.0; }},
        Row{"latticegate_audit_size_records", Kind::gauge, "Records in the log.",
            [](const Status& s) { return static_cast<double>(s.next_seq); }},
        Row{"latticegate_audit_records_total", Kind::counter, "Records written since the start.",
            [](const Status& s) { return static_cast<double>(s.records); }},
        Row{"latticegate_audit_unsigned_records", Kind::gauge,
            "The lag of the seal: records in the log that no checkpoint signs yet.",
            [](const Status& s) {
              return static_cast<double>(s.next_seq - std::min(s.signed_records, s.next_seq));
            }},
        Row{"latticegate_audit_queued_bytes", Kind::gauge, "Records on their way to the disk.",
            [](const Status& s) { return static_cast<double>(s.queued_bytes); }},
        Row{"latticegate_audit_aside_records", Kind::gauge,
            "Records that wait beside the log for it to work again.",
            [](const Status& s) { return static_cast<double>(s.aside); }},
        Row{"latticegate_audit_refused_total", Kind::counter,
            "Records that could not be written; their calls were refused.",
            [](const Status& s) { return static_cast<double>(s.refused); }},
        Row{"latticegate_audit_lost_total", Kind::counter,
            "Records after the fact that were lost; the log says so itself.",
            [](const Status& s) { return static_cast<double>(s.lost); }},
        Row{"latticegate_audit_bodies_total", Kind::counter, "Bodies that were kept.",
            [](const Status& s) { return static_cast<double>(s.bodies); }}})
    registry_.ask(
        {.name = name, .kind = kind, .help = help, .labels = {}},
        [&shared, of](const Registry::Give& give) { give({}, of(shared.recorder.status())); });
}

void Meters::ask_behaviour(const Shared& shared) {
  registry_.ask({.name = "latticegate_agents",
                 .kind = Kind::gauge,
                 .help = "Agents whose habits are known.",
                 .labels = {}},
                [&shared](const Registry::Give& give) {
                  give({}, static_cast<double>(shared.habits.size()));
                });
  registry_.ask({.name = "latticegate_baselines",
                 .kind = Kind::gauge,
                 .help = "Pairs of agent and tool whose usual sizes are known.",
                 .labels = {}},
                [&shared](const Registry::Give& give) {
                  give({}, static_cast<double>(shared.watch.size()));
                });
  registry_.ask({.name = "latticegate_ladder_agents",
                 .kind = Kind::gauge,
                 .help = "Agents that may do less because of their behaviour, by rung.",
                 .labels = {"rung"}},
                [&shared](const Registry::Give& give) {
                  const auto standing = shared.ladders.standing();
                  for (std::size_t i = 1; i < standing.size(); ++i)
                    give({behaviour::name(static_cast<behaviour::Rung>(i))},
                         static_cast<double>(standing.at(i)));
                });
  registry_.ask({.name = "latticegate_approvals_open",
                 .kind = Kind::gauge,
                 .help = "Calls that wait for a person's yes.",
                 .labels = {}},
                [&shared](const Registry::Give& give) {
                  std::size_t open = 0;
                  for (const ApprovalRequest& request : shared.approvals.all(shared.clock.now()))
                    if (request.state == ApprovalRequest::State::open) ++open;
                  give({}, static_cast<double>(open));
                });
  for (const bool bad : {false, true})
    registry_.ask(
        {.name = bad ? "latticegate_objective_bad_total" : "latticegate_objective_calls_total",
         .kind = Kind::counter,
         .help = bad ? "Of those: calls that count against the objective."
                     : "Calls that an objective is about.",
         .labels = {"objective"}},
        [&shared, bad](const Registry::Give& give) {
          const auto snapshot = shared.snapshot.load();
          for (const auto& budget : snapshot->budgets)
            give({budget->objective().name},
                 static_cast<double>(bad ? budget->bad() : budget->calls()));
        });
  registry_.ask(
      {.name = "latticegate_objective_burn_rate",
       .kind = Kind::gauge,
       .help = "How many times faster than allowed an objective's budget is used up.",
       .labels = {"objective", "window"}},
      [&shared](const Registry::Give& give) {
        const auto snapshot = shared.snapshot.load();
        const base::Time now = shared.clock.now();
        for (const auto& budget : snapshot->budgets)
          for (const auto& [word, length] : {std::pair("5m", 5min), std::pair("30m", 30min),
                                             std::pair("1h", 60min), std::pair("6h", 360min)})
            give({budget->objective().name, word}, budget->window(length, now).burn);
      });
}

void Meters::ask_process() {
  registry_.ask({.name = "process_cpu_seconds_total",
                 .kind = Kind::counter,
                 .help = "Processor time of the gateway, user and system.",
                 .labels = {}},
                [](const Registry::Give& give) {
                  rusage used{};
                  if (::getrusage(RUSAGE_SELF, &used) != 0) return;
                  const auto seconds = [](const timeval& time) {
                    return static_cast<double>(time.tv_sec) +
                           static_cast<double>(time.tv_usec) / 1e6;
                  };
                  give({}, seconds(used.ru_utime) + seconds(used.ru_stime));
                });
  registry_.ask({.name = "process_resident_memory_bytes",
                 .kind = Kind::gauge,
                 .help = "Memory of the gateway that is in use.",
                 .labels = {}},
                [](const Registry::Give& give) { give({}, resident_bytes()); });
}

ServerMeters Meters::of_server(std::string_view server) {
  ServerMeters out;
  for (std::size_t i = 1; i < outcome_kinds; ++i)
    out.calls.at(i) = &calls_.with({server, audit::name(static_cast<audit::Outcome>(i))});
  out.records = &records_.with({server});
  out.whole = &whole_.with({server});
  out.own = &own_.with({server});
  return out;
}

void Meters::connected(std::string_view tls_version, std::string_view group) {
  connections_.with({tls_version.empty() ? "none" : tls_version, group.empty() ? "none" : group})
      .add();
}

}  // namespace latticegate::gateway
