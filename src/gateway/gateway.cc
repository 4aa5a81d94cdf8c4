#include "gateway/gateway.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <format>
#include <thread>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "gateway/alerts.h"
#include "gateway/approval_page.h"
#include "gateway/control.h"
#include "gateway/custody.h"
#include "gateway/halts.h"
#include "gateway/learnt.h"
#include "gateway/meters.h"
#include "gateway/metrics_page.h"
#include "gateway/replica_stops.h"
#include "gateway/rules_in_force.h"
#include "gateway/worker.h"
#include "net/socket.h"
#include "store/indexer.h"
#include "store/log_keys.h"
#include "store/pseudonym_key.h"
#include "store/sealer.h"
#include "store/wrapping_keys.h"

namespace latticegate::gateway {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::chrono::seconds housekeeping_interval(30);
constexpr std::chrono::seconds last_words(
    1);  // for the answers of calls that the end of the drain ended

// Keys and ids are made of these.
bool is_same_replica(const config::Replicas& a, const config::Replicas& b) {
  return a.self == b.self && a.key.has_value() == b.key.has_value() &&
         (!a.key || a.key->value.reveal() == b.key->value.reveal());
}

std::string kill_text(const Kill& kill) {
  std::string out;
  json::Writer w(out);
  w.begin_object()
      .member("at", std::int64_t{kill.at.time_since_epoch().count()})
      .member("agent", kill.agent)
      .member("user", kill.user)
      .member("by", kill.by)
      .member("reason", kill.reason);
  if (kill.until) w.member("until", std::int64_t{kill.until->time_since_epoch().count()});
  w.end_object();
  return out;
}

std::optional<Kill> kill_from(std::string_view text) {
  const auto document = json::Document::parse(text);
  if (!document) return std::nullopt;
  const json::Value root = document->root();
  const auto time = [](std::int64_t since) { return base::Time(std::chrono::nanoseconds(since)); };
  Kill kill{.at = time(root["at"].integer().value_or(0)),
            .agent = std::string(root["agent"].text_or({})),
            .user = std::string(root["user"].text_or({})),
            .by = std::string(root["by"].text_or({})),
            .reason = std::string(root["reason"].text_or({}))};
  if (const auto until = root["until"].integer()) kill.until = time(*until);
  return kill;
}

std::vector<std::pair<std::string, Kill>> remembered_kills(const Memory& memory,
                                                           std::string_view space) {
  std::vector<std::pair<std::string, Kill>> known;
  for (const auto& entry : memory.remembered(space))
    if (auto kill = kill_from(entry.value)) known.emplace_back(entry.key, *std::move(kill));
  return known;
}

Result<void> make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    return fail(Code::io, std::format("cannot make the directory {}: {}", directory.string(),
                                      error.message()));
  fs::permissions(directory, fs::perms::owner_all, error);
  return {};
}

}  // namespace

struct Gateway::Parts {
  Parts(const base::Clock& machine, const base::Log& sink, ReadConfig reader)
      : clock(machine), log(sink), read(std::move(reader)) {}

  const base::Clock& clock;
  const base::Log& log;
  ReadConfig read;
  store::SystemFiles files;
  std::shared_ptr<const config::Config> first_config;
  std::string person_key;
  // Replicas know each conversation by the same id.
  std::string id_key() const;
  std::vector<std::pair<std::string, Kill>> kills_of_these_ids();
  std::unique_ptr<Memory> memory;
  std::unique_ptr<Pins> pins;
  std::unique_ptr<RulesInForce> inspection_rules;
  std::unique_ptr<Principals> principals;
  Sessions sessions;
  std::unique_ptr<behaviour::Watch> watch;
  std::unique_ptr<behaviour::Habits> habits;
  std::unique_ptr<Histories> histories;
  std::unique_ptr<Histories> shadow_histories;
  std::unique_ptr<Approvals> approvals;
  std::unique_ptr<Halts> halts;
  std::vector<std::unique_ptr<net::Loop>> loops;
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<Custody> custody;
  std::unique_ptr<store::Indexer> indexer;
  net::TaskGroup telling{[](const std::exception_ptr&) {}};  // of alerts; on the first loop
  std::unique_ptr<Shared> shared;
  std::unique_ptr<Learnt> learnt;
  std::unique_ptr<Meters> meters;
  std::vector<std::unique_ptr<Worker>> workers;
  std::shared_ptr<net::ConnectionLimits> limits;
  std::vector<std::unique_ptr<net::HttpServer>> servers;
  std::vector<std::unique_ptr<net::Acceptor>> acceptors;
  std::unique_ptr<Alerts> alerts;
  Alerts::Channels first_channels;  // until the loops run
  std::unique_ptr<Response> response;
  std::unique_ptr<Control> control;
  std::unique_ptr<net::HttpServer> control_server;
  std::unique_ptr<net::Acceptor> control_acceptor;
  std::unique_ptr<MetricsPage> metrics_page;  // with listen.metrics
  std::unique_ptr<net::HttpServer> metrics_server;
  std::unique_ptr<net::Acceptor> metrics_acceptor;
  std::vector<std::unique_ptr<net::TaskGroup>> endings;  // one per loop: the tasks that end it
  std::vector<std::jthread> threads;
  bool log_works = true;  // as was told
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> drained{0};
  std::mutex reload_mutex;

  Result<void> open_state();
  Result<void> open_loops();
  Result<void> open_custody(std::shared_ptr<const store::WrappingKeys> wrapping);
  Result<void> bind();
  Result<void> reload();
  Task<void> drain(std::size_t index);
  Task<void> housekeeping();
  Task<void> keep_streams_alive(std::size_t index);
  void keep_saving(const std::stop_token& stop);
  void tell_about_log();
  void look_at_objectives(base::Time now);
  void save();
};

Result<void> Gateway::Parts::open_state() {
  const config::Config& config = *first_config;
  if (auto made = make_directory(config.state.directory); !made) return made;
  if (auto made = make_directory(config.audit.directory); !made) return made;
  auto opened = Memory::open(config.state.directory / "state.db", log);
  if (!opened) return base::within("state.directory", std::move(opened).error());
  memory = *std::move(opened);
  pins = std::make_unique<Pins>(*memory);
  inspection_rules = std::make_unique<RulesInForce>(*memory, log);
  if (auto restored = pins->restore(); !restored) return restored;
  auto key = store::open_pseudonym_key(config.audit.keys, true);
  if (!key) return base::within("audit.keys", std::move(key).error());
  person_key = key->reveal();
  principals = std::make_unique<Principals>(
      [this](const std::string& id, const std::optional<Kill>& kill) -> Result<void> {
        memory->put("kills", id,
                    kill ? std::optional<std::string>(kill_text(*kill)) : std::nullopt);
        return {};
      },
      person_key, id_key());
  principals->restore(kills_of_these_ids());
  halts = std::make_unique<Halts>([this](const std::string& name, const std::optional<Kill>& halt) {
    memory->put("halts", name, halt ? std::optional<std::string>(kill_text(*halt)) : std::nullopt);
  });
  halts->restore(remembered_kills(*memory, "halts"));
  watch = std::make_unique<behaviour::Watch>(config.behaviour.pairs);
  habits = std::make_unique<behaviour::Habits>();
  histories = std::make_unique<Histories>(memory.get(), log);
  shadow_histories = std::make_unique<Histories>(nullptr, log);
  histories->restore(clock.now());
  approvals =
      std::make_unique<Approvals>([this](const std::string& id, std::optional<std::string> text) {
        memory->put("approvals", id, std::move(text));
      });
  std::vector<ApprovalRequest> requests;
  for (const auto& entry : memory->remembered("approvals"))
    if (const auto document = json::Document::parse(entry.value))
      if (auto request = ApprovalRequest::read(document->root()))
        requests.push_back(*std::move(request));
  approvals->restore(std::move(requests));
  return {};
}

Result<void> Gateway::Parts::open_loops() {
  const config::Config& config = *first_config;
  unsigned count =
      config.listen.threads != 0 ? config.listen.threads : std::thread::hardware_concurrency();
  if (count == 0) count = 1;
  std::vector<net::Loop*> pointers;
  for (unsigned i = 0; i < count; ++i) {
    loops.push_back(std::make_unique<net::Loop>(i, clock));
    pointers.push_back(loops.back().get());
  }
  store::JournalOptions options;
  options.directory = config.audit.directory;
  options.origin = config.audit.origin;
  options.homes = count + 1;  // the last for threads that block
  options.segment = config.audit.segment;
  // A log that was signed goes on under its keys or not at all.
  std::error_code ignored;
  const bool first_start = !fs::exists(store::checkpoint_path(config.audit.directory), ignored);
  auto keys = store::LogKeys::open(config.audit.keys, config.audit.origin, first_start);
  if (!keys) return base::within("audit.keys", std::move(keys).error());
  options.keys = std::make_shared<const store::LogKeys>(*std::move(keys));
  auto wrapping = store::read_wrapping_keys({.file = config.audit.body_key.file,
                                             .command = config.audit.body_key.command,
                                             .may_make = true});
  if (!wrapping) return base::within("audit.body_key", std::move(wrapping).error());
  const auto wrapping_keys = std::make_shared<const store::WrappingKeys>(*std::move(wrapping));
  options.wrapping_keys = wrapping_keys;
  switch (config.audit.on_failure) {
    case config::OnFailure::refuse: break;
    case config::OnFailure::spill:
      options.on_failure = store::OnFailure::spill;
      options.spill = config.audit.spill;
      break;
    case config::OnFailure::proceed: options.on_failure = store::OnFailure::proceed; break;
  }
  options.body_keys = config.audit.keys / "bodies";
  auto opened = Recorder::open(std::move(options), clock, files, std::move(pointers));
  if (!opened) return base::within("audit.directory", std::move(opened).error());
  recorder = *std::move(opened);
  if (auto done = open_custody(wrapping_keys); !done) return done;
  shared = std::make_unique<Shared>(clock, log, *principals, sessions, *pins, *watch, *habits,
                                    *histories, *shadow_histories, *approvals, *recorder);
  shared->person_key = person_key;
  shared->halts = halts.get();
  meters = std::make_unique<Meters>(*shared);
  shared->meters = meters.get();
  learnt = std::make_unique<Learnt>(*memory, *watch, *habits, shared->ladders, *principals, log);
  learnt->restore(clock.now(), config.provenance.limits.expiry);
  shared->learnt = learnt.get();
  crypto::SystemRandom random;
  for (const auto& entry : memory->remembered("keys"))
    if (entry.key == "redaction") shared->redaction_key = entry.value;
  // What was kept of trails can be told from nothing without their key.
  std::array<std::byte, 8> multiplier{};
  random.fill(multiplier);
  std::string trail_key(base::text_of(multiplier));
  for (const auto& entry : memory->remembered("keys"))
    if (entry.key == "trails") trail_key = base::from_hex(entry.value).value_or(trail_key);
  trail_key.resize(multiplier.size());
  memory->put("keys", "trails", base::to_hex(base::bytes_of(trail_key)));
  std::memcpy(&shared->trail_key.multiplier, trail_key.data(), multiplier.size());
  shared->trail_key.multiplier |= 1;
  if (shared->redaction_key.empty()) {
    std::array<std::byte, 32> key{};
    random.fill(key);
    shared->redaction_key = base::to_hex(key);
    memory->put("keys", "redaction", shared->redaction_key);
  }
  // Of what clients carry: kept over restarts, or the same at all replicas.
  const auto carried_key = [&](std::string_view name) {
    if (!config.replicas.members.empty()) return replica_key(config.replicas, name);
    std::string key;
    for (const auto& entry : memory->remembered("keys"))
      if (entry.key == name) key = base::from_hex(entry.value).value_or(std::string());
    if (key.size() == crypto::aead_key_size) return key;
    std::array<std::byte, crypto::aead_key_size> bytes{};
    random.fill(bytes);
    memory->put("keys", std::string(name), base::to_hex(bytes));
    return std::string(base::text_of(bytes));
  };
  shared->cursor_key = carried_key("cursors");
  shared->state_key = carried_key("states");
  std::array<std::byte, 8> replica{};
  random.fill(replica);
  shared->replica = base::to_hex(replica);
  auto snapshot =
      make_snapshot(first_config, 1, *pins, *inspection_rules, clock, log, person_key, nullptr);
  if (!snapshot) return std::unexpected(std::move(snapshot).error());
  shared->snapshot.store(*std::move(snapshot));
  shared->generation.store(1);
  alerts =
      std::make_unique<Alerts>(*loops[0], telling, *meters, clock, log, first_config->audit.origin,
                               approval_link_key(shared->state_key));
  shared->alerts = alerts.get();
  auto prepared = alerts->prepare(first_config);
  if (!prepared) return std::unexpected(std::move(prepared).error());
  first_channels = *std::move(prepared);
  for (const auto& loop : loops) {
    endings.push_back(std::make_unique<net::TaskGroup>([](const std::exception_ptr&) {}));
    auto worker = Worker::make(*loop, *shared, config.audit.origin);
    if (!worker) return std::unexpected(std::move(worker).error());
    workers.push_back(*std::move(worker));
    shared->workers.push_back(workers.back().get());
  }
  return {};
}

std::string Gateway::Parts::id_key() const {
  const config::Replicas& replicas = first_config->replicas;
  return replicas.members.empty() ? person_key : replica_key(replicas, "ids of conversations");
}

// Where ids have changed since, whoever was killed is still stopped: the whole agent is.
std::vector<std::pair<std::string, Kill>> Gateway::Parts::kills_of_these_ids() {
  auto kills = remembered_kills(*memory, "kills");
  const std::string now = crypto::to_hex(crypto::hmac_sha256(id_key(), "known again"));
  std::string before = crypto::to_hex(crypto::hmac_sha256(person_key, "known again"));
  for (const auto& entry : memory->remembered("keys"))
    if (entry.key == "ids") before = entry.value;
  memory->put("keys", "ids", now);
  if (now == before) return kills;
  for (auto& [id, kill] : kills) {
    if (!id.starts_with("c-")) continue;
    memory->put("kills", id, std::nullopt);
    id = Principals::agent_id(kill.agent);
    memory->put("kills", id, kill_text(kill));
  }
  return kills;
}

Result<void> Gateway::Parts::open_custody(std::shared_ptr<const store::WrappingKeys> wrapping) {
  const config::Audit& audit = first_config->audit;
  auto keys = store::BodyKeys::open(audit.keys / "bodies", std::move(wrapping));
  if (!keys) return base::within("audit.keys", std::move(keys).error());
  auto desk = std::make_unique<Desk>(
      Desk::Parts{.audit = audit,
                  .keys = *std::move(keys),
                  .person_key = person_key,
                  .write =
                      [this](const audit::Record& record) {
                        audit::RecordWriter writer(first_config->audit.origin);
                        return recorder->write(writer.write(record));
                      },
                  .keys_changed = [this] { recorder->forget_body_keys(); },
                  .sign_with = [this](auto log_keys) { recorder->use_keys(std::move(log_keys)); },
                  .prove_rotation = [this](std::uint64_t r) { recorder->prove_rotation(r); }},
      clock, files);
  custody = std::make_unique<Custody>(std::move(desk), clock, [this](const Result<GivenUp>& given) {
    if (!given)
      log.error("keeping the audit log in order did not work",
                {{"reason", base::describe(given.error())}});
    else if (given->keys + given->records > 0)
      log.info("retention", {{"keys", std::to_string(given->keys)},
                             {"records", std::to_string(given->records)}});
  });
  if (audit.index)
    indexer = std::make_unique<store::Indexer>(
        first_config->state.directory / "audit-index.db", audit.directory,
        [this](const base::Error& error) {
          log.error("keeping the index of the audit log did not work",
                    {{"reason", base::describe(error)}});
        });
  return {};
}

Result<void> Gateway::Parts::bind() {
  const config::Config& config = *first_config;
  limits = std::make_shared<net::ConnectionLimits>(config.limits.connections,
                                                   config.limits.connections_per_address);
  net::HttpServerOptions options;
  static_assert(config::Limits{}.header.count == net::buffer_size);  // the most that it accepts
  options.limits.head = config.limits.header;
  options.limits.fields = config.limits.header_fields;
  options.limits.body = config.limits.body;
  options.handshake_timeout = config.limits.timeouts.handshake;
  options.head_timeout = config.limits.timeouts.header;
  options.body_timeout = config.limits.timeouts.body;
  options.write_timeout = config.limits.timeouts.write;
  options.idle_timeout = config.limits.timeouts.idle;
  options.keep_alive = config.limits.timeouts.keep_alive;
  auto address = net::parse_address(config::describe(config.listen.address));
  if (!address) return base::within("listen.address", std::move(address).error());
  for (std::size_t i = 0; i < loops.size(); ++i) {
    auto fd = net::listen_on(*address, loops.size() > 1);
    if (!fd) return std::unexpected(std::move(fd).error());
    if (i == 0) {
      port = net::bound_port(*fd);
      address =
          net::parse_address(config::describe(config::Address{config.listen.address.host, port}));
      if (!address) return std::unexpected(std::move(address).error());
    }
    servers.push_back(
        std::make_unique<net::HttpServer>(*loops[i], *workers[i], options, limits, log));
    net::HttpServer* const server = servers.back().get();
    acceptors.push_back(std::make_unique<net::Acceptor>(
        *loops[i], *fd, [this, server](int accepted, net::Peer peer) {
          server->accept(accepted, std::move(peer), shared->snapshot.load()->tls);
        }));
  }
  const std::string socket = config.control.socket.string();
  std::error_code ignored;
  fs::create_directories(config.control.socket.parent_path(), ignored);
  auto control_address = net::parse_address("unix:" + socket);
  if (!control_address) return base::within("control.socket", std::move(control_address).error());
  auto fd = net::listen_on(*control_address, false);
  if (!fd) return base::within("control.socket", std::move(fd).error());
  response = std::make_unique<Response>(*workers[0]);
  control =
      std::make_unique<Control>(*workers[0], *custody, *response, [this] { return reload(); });
  control_server = std::make_unique<net::HttpServer>(
      *loops[0], *control, options, std::make_shared<net::ConnectionLimits>(64, 64), log);
  control_acceptor =
      std::make_unique<net::Acceptor>(*loops[0], *fd, [this](int accepted, net::Peer peer) {
        control_server->accept(accepted, std::move(peer), nullptr);
      });
  if (!config.listen.metrics) return {};
  auto metrics_address = net::parse_address(config::describe(*config.listen.metrics));
  if (!metrics_address) return base::within("listen.metrics", std::move(metrics_address).error());
  auto metrics_fd = net::listen_on(*metrics_address, false);
  if (!metrics_fd) return base::within("listen.metrics", std::move(metrics_fd).error());
  log.info("metrics are served",
           {{"address", config::describe(config::Address{config.listen.metrics->host,
                                                         net::bound_port(*metrics_fd)})}});
  metrics_page = std::make_unique<MetricsPage>(*shared);
  options.limits.body = {0};
  metrics_server = std::make_unique<net::HttpServer>(
      *loops[0], *metrics_page, options, std::make_shared<net::ConnectionLimits>(16, 16), log);
  metrics_acceptor =
      std::make_unique<net::Acceptor>(*loops[0], *metrics_fd, [this](int accepted, net::Peer peer) {
        metrics_server->accept(accepted, std::move(peer), nullptr);
      });
  return {};
}

Result<void> Gateway::Parts::reload() {
  const std::scoped_lock lock(reload_mutex);
  auto config = read();
  std::shared_ptr<const Snapshot> made;
  Result<void> outcome;
  Result<Alerts::Channels> channels;
  const auto current = shared->snapshot.load();
  if (config && !is_same_replica((*config)->replicas, first_config->replicas)) {
    outcome = base::fail(base::Code::invalid,
                         "replicas: self and key are read at the start; restart the gateway");
  } else if (config) {
    auto snapshot = make_snapshot(*std::move(config), current->generation + 1, *pins,
                                  *inspection_rules, clock, log, person_key, current.get());
    if (snapshot)
      made = *std::move(snapshot);
    else
      outcome = std::unexpected(std::move(snapshot).error());
    if (made) channels = alerts->prepare(made->config);
    if (!channels) outcome = std::unexpected(channels.error());
  } else {
    outcome = std::unexpected(std::move(config).error());
  }
  if (!outcome) {
    log.error("reload failed; what was in force stays in force",
              {{"reason", base::describe(outcome.error())}});
    return outcome;
  }
  alerts->use(made->config, *std::move(channels));
  shared->snapshot.store(made);
  shared->generation.store(made->generation, std::memory_order_release);
  log.info("configuration reloaded", {{"epoch", std::to_string(made->generation)},
                                      {"policies", std::to_string(made->engine->policies())}});
  audit::RecordWriter writer(first_config->audit.origin);
  crypto::SystemRandom random;
  audit::Record record;
  record.type = audit::Type::config_reloaded;
  record.time = clock.now();
  record.uid = crypto::uuid_v7(record.time, random);
  record.policy_ver = static_cast<std::int64_t>(made->engine->epoch());
  record.policy_hash = made->engine->hash();
  recorder->post(writer.write(record));
  return {};
}

void Gateway::Parts::save() {
  learnt->save(clock.now(), shared->snapshot.load()->config->provenance.limits.expiry);
}

// An operator hears it when the log stops working, and when it works again.
void Gateway::Parts::tell_about_log() {
  const store::Journal::Status status = recorder->status();
  if (status.working == std::exchange(log_works, status.working)) return;
  alerts->tell({.event = config::Event::log,
                .severity = status.working ? Alert::Severity::info : Alert::Severity::critical,
                .sentence = status.working ? std::string("the audit log can be written again")
                                           : "the audit log cannot be written: " + status.trouble});
  if (status.working)
    log.info("the audit log can be written again");
  else
    log.error("the audit log cannot be written",
              {{"reason", status.trouble},
               {"calls", std::string(config::name(first_config->audit.on_failure))}});
}

// What began or ceased to burn is recorded and told.
void Gateway::Parts::look_at_objectives(base::Time now) {
  const auto snapshot = shared->snapshot.load();
  for (const auto& budget : snapshot->budgets) {
    const behaviour::Objective& objective = budget->objective();
    for (const behaviour::Budget::Change& change : budget->look(now)) {
      const std::string why =
          change.burning
              ? std::format(
                    "objective {} ({}) burns its budget {}: {} of {} calls were bad lately, "
                    "{:.3g} times as many as allowed",
                    objective.name, behaviour::name(objective.of), behaviour::name(change.pace),
                    change.shorter.bad, change.shorter.calls, change.shorter.burn)
              : std::format("objective {} ({}) does not burn {} any more", objective.name,
                            behaviour::name(objective.of), behaviour::name(change.pace));
      if (change.burning)
        log.warning(why);
      else
        log.info(why);
      audit::RecordWriter writer(first_config->audit.origin);
      crypto::SystemRandom random;
      audit::Record record;
      record.type = change.burning ? audit::Type::objective_burns : audit::Type::objective_holds;
      record.time = now;
      record.uid = crypto::uuid_v7(now, random);
      record.why = why;
      recorder->post(writer.write(record));
      alerts->tell({.event = config::Event::objective,
                    .severity = change.burning && change.pace == behaviour::Budget::Pace::fast
                                    ? Alert::Severity::critical
                                : change.burning ? Alert::Severity::warning
                                                 : Alert::Severity::info,
                    .sentence = why,
                    .topic = objective.name});
    }
  }
}

Task<void> Gateway::Parts::keep_streams_alive(std::size_t index) {
  while (!stopping.load()) {
    co_await loops[index]->sleep(std::chrono::milliseconds(500));
    co_await servers[index]->keep_streams_alive();
  }
}

Task<void> Gateway::Parts::housekeeping() {
  base::Instant next_look = clock.instant();
  base::Instant next_history = clock.instant();
  while (!stopping.load()) {
    co_await loops[0]->sleep(std::chrono::milliseconds(200));
    const base::Instant at = clock.instant();
    tell_about_log();
    if (at >= next_look) {
      const auto idle = shared->snapshot.load()->config->limits.timeouts.session;
      next_look = at + std::min<std::chrono::nanoseconds>(housekeeping_interval, idle);
      workers[0]->end_sessions(sessions.take_idle((at - idle).time_since_epoch().count()));
    }
    const auto now = clock.now();
    response->end_what_is_over();
    look_at_objectives(now);
    for (const auto& change :
         shared->ladders.relax(now, shared->snapshot.load()->config->behaviour))
      workers[0]->tell_ladder(change);
    if (at >= next_history) {
      next_history = at + std::chrono::seconds(1);
      histories->save(clock.now());
      shadow_histories->save(clock.now());
    }
  }
}

// What was learnt is written now and then by a thread of its own: of 200,000 pairs that takes two
// seconds, in which no call waits for more than its own part of the table.
void Gateway::Parts::keep_saving(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any sleeping;
  std::unique_lock lock(mutex);
  while (
      !sleeping.wait_for(lock, stop, housekeeping_interval, [&] { return stop.stop_requested(); }))
    save();
}

// One loop's way to the end: nothing new, what is under way may finish, then everything that is
// left is closed.
Task<void> Gateway::Parts::drain(std::size_t index) {
  net::Loop& loop = *loops[index];
  const base::Instant deadline = loop.clock().instant() + first_config->limits.timeouts.drain;
  acceptors[index]->stop();
  if (index == 0) {
    control_acceptor->stop();
    if (metrics_acceptor) metrics_acceptor->stop();
    while (sessions.busy() && loop.clock().instant() < deadline)
      co_await loop.sleep(std::chrono::milliseconds(10));
    principals->end_everything();
    workers[0]->end_sessions(
        sessions.take_everything());  // also ends the streams that would never end by themselves
    alerts->stop();
    control_server->abort();
    co_await control_server->drain();
    if (metrics_server) {
      metrics_server->abort();
      co_await metrics_server->drain();
    }
  }
  bool done = false;
  net::TaskGroup draining([](const std::exception_ptr&) {});
  draining.spawn([](net::HttpServer& server, bool& finished) -> Task<void> {
    co_await server.drain();
    finished = true;
  }(*servers[index], done));
  // What was ended has its last words to say.
  while (!done && loop.clock().instant() < deadline + last_words)
    co_await loop.sleep(std::chrono::milliseconds(10));
  if (!done) servers[index]->abort();
  const base::Instant last = loop.clock().instant() + std::chrono::seconds(5);
  while ((!done || workers[index]->tasks().size() > 0 || (index == 0 && telling.size() > 0)) &&
         loop.clock().instant() < last)
    co_await loop.sleep(std::chrono::milliseconds(10));
  if (!done) log.error("connections did not end in time");
  co_await draining.empty();
}

Gateway::Gateway(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Gateway::~Gateway() = default;

Result<std::unique_ptr<Gateway>> Gateway::start(std::shared_ptr<const config::Config> config,
                                                ReadConfig read, const base::Clock& clock,
                                                const base::Log& log) {
  auto parts = std::make_unique<Parts>(clock, log, std::move(read));
  parts->first_config = std::move(config);
  if (auto done = parts->open_state(); !done) return std::unexpected(std::move(done).error());
  if (auto done = parts->open_loops(); !done) return std::unexpected(std::move(done).error());
  if (auto done = parts->bind(); !done) return std::unexpected(std::move(done).error());
  return std::unique_ptr<Gateway>(new Gateway(std::move(parts)));
}

std::string Gateway::address() const {
  const config::Config& config = *parts_->first_config;
  return std::format("{}://{}", config.listen.tls ? "https" : "http",
                     config::describe(config::Address{config.listen.address.host, parts_->port}));
}

void Gateway::run() {
  Parts& parts = *parts_;
  for (std::size_t i = 0; i < parts.loops.size(); ++i)
    parts.loops[i]->post([&parts, i] {
      parts.workers[i]->tasks().spawn(parts.acceptors[i]->run());
      parts.workers[i]->tasks().spawn(parts.keep_streams_alive(i));
    });
  parts.loops[0]->post([&parts] {
    parts.alerts->use(parts.first_config, std::move(parts.first_channels));
    parts.workers[0]->tasks().spawn(parts.control_acceptor->run());
    if (parts.metrics_acceptor) parts.workers[0]->tasks().spawn(parts.metrics_acceptor->run());
    parts.workers[0]->tasks().spawn(parts.housekeeping());
    parts.workers[0]->tasks().spawn(ask_replicas(*parts.workers[0]));
  });
  for (std::size_t i = 1; i < parts.loops.size(); ++i)
    parts.threads.emplace_back([&parts, i] { parts.loops[i]->run(); });
  parts.threads.emplace_back([&parts](const std::stop_token& stop) { parts.keep_saving(stop); });
  parts.loops[0]->run();
  parts.threads.clear();
  parts.save();
  parts.histories->save_all();
  const auto unfinished = [](const auto& group) { return group->size() > 0; };
  const auto busy = [](const auto& worker) { return worker->tasks().size() > 0; };
  const auto connected = [](const auto& server) { return server->connections() > 0; };
  if (std::ranges::any_of(parts.workers, busy) || std::ranges::any_of(parts.servers, connected) ||
      std::ranges::any_of(parts.endings, unfinished) || parts.telling.size() > 0) {
    // Something outside did not let go in time. What is recorded and remembered is written; then
    // the process ends without taking its loops apart under what still waits in them.
    parts.log.warning("some connections did not end in time");
    parts.custody.reset();  // it writes records
    parts.indexer.reset();
    parts.recorder.reset();
    parts.memory.reset();
    std::_Exit(0);
  }
}

void Gateway::stop() {
  Parts& parts = *parts_;
  if (parts.stopping.exchange(true)) return;
  parts.log.info("draining");
  for (std::size_t i = 0; i < parts.loops.size(); ++i)
    parts.loops[i]->post([&parts, i] {
      parts.endings[i]->spawn([](Parts& all, std::size_t index) -> Task<void> {
        co_await all.drain(index);
        if (all.drained.fetch_add(1) + 1 == all.loops.size())
          for (const auto& loop : all.loops) loop->stop();
      }(parts, i));
    });
}

void Gateway::reload() {
  Parts& parts = *parts_;
  parts.loops[0]->post([&parts] { (void)parts.reload(); });
}

}  // namespace latticegate::gateway
