#include <algorithm>
#include <format>
#include <span>
#include <utility>

#include "config/config.h"

namespace latticegate::config {
namespace {

std::string list(std::span<const std::string> items) {
  std::string out = "[";
  for (std::size_t i = 0; i < items.size(); ++i)
    out += std::format("{}{}", i == 0 ? "" : ", ", items[i]);
  return out + "]";
}

std::string time(std::chrono::milliseconds value) {
  if (value.count() % 1000 != 0) return std::format("{}ms", value.count());
  return value.count() == 0 ? "0" : std::format("{}s", value.count() / 1000);
}

std::string effects(const Effects& what) {
  std::vector<std::string> words;
  for (const auto& [word, set] : {std::pair{"read", what.read},
                                  {"write", what.write},
                                  {"destructive", what.destructive},
                                  {"egress", what.egress},
                                  {"actuate", what.actuate}})
    if (set) words.emplace_back(word);
  return list(words);
}

// Collects the lines. What is empty or absent is left out, except where a caller says a word for
// it.
class Lines {
 public:
  explicit Lines(const Config& config) : config_(config) {}

  void add(std::string_view key, std::string_view value) {
    if (!value.empty()) out_ += std::format("{}: {}\n", key, base::printable(value));
  }
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, const std::string& value) { add(key, std::string_view(value)); }
  void add(std::string_view key, bool value) { add(key, value ? "true" : "false"); }
  void add(std::string_view key, std::uint64_t value) { add(key, std::format("{}", value)); }
  void add(std::string_view key, std::int64_t value) { add(key, std::format("{}", value)); }
  void add(std::string_view key, unsigned value) { add(key, std::format("{}", value)); }
  void add(std::string_view key, base::Bytes value) { add(key, std::format("{}B", value.count)); }
  void add(std::string_view key, std::chrono::milliseconds value) { add(key, time(value)); }
  void add(std::string_view key, const std::vector<std::string>& value) {
    if (!value.empty()) add(key, list(value));
  }
  // Below the configuration's directory as relative, so that it reads as it was written.
  void add(std::string_view key, const std::filesystem::path& value) {
    if (value.empty()) return;
    const std::filesystem::path relative = value.lexically_relative(config_.directory);
    const bool below = !relative.empty() && !relative.string().starts_with("..");
    add(key, below ? relative.string() : value.string());
  }
  std::string take() { return std::move(out_); }

 private:
  const Config& config_;
  std::string out_;
};

void add_profile(Lines& lines, const std::string& at, const identity::CallerProfile& profile) {
  lines.add(at + ".agent", profile.agent.value());
  lines.add(at + ".tenant", profile.tenant.value());
  if (profile.user) lines.add(at + ".user", profile.user->id.value());
  lines.add(at + ".groups", profile.groups);
  lines.add(at + ".segments", profile.segments);
  lines.add(at + ".domains", profile.domains);
  lines.add(at + ".department", profile.department);
  lines.add(at + ".clearance", profile.clearance);
  if (!profile.purpose.empty()) lines.add(at + ".purpose", profile.purpose);
}

void add_listen(Lines& lines, const Listen& listen) {
  lines.add("listen.address", describe(listen.address));
  if (!listen.tls) {
    lines.add("listen.tls", "off");
  } else {
    lines.add("listen.tls.profile", pqc::name(listen.tls->profile));
    lines.add("listen.tls.certificate", listen.tls->certificate);
    lines.add("listen.tls.key", listen.tls->key);
    lines.add("listen.tls.client_ca", listen.tls->client_ca);
    lines.add("listen.tls.require_client_certificate", listen.tls->require_client_certificate);
  }
  lines.add("listen.hosts", listen.hosts);
  lines.add("listen.origins", listen.origins);
  lines.add("listen.threads", listen.threads);
  if (listen.metrics) lines.add("listen.metrics", describe(*listen.metrics));
}

void add_identity(Lines& lines, const Config& config) {
  for (std::size_t i = 0; i < config.identity.tokens.size(); ++i) {
    const auto& rule = config.identity.tokens[i];
    const std::string at = std::format("identity.tokens[{}]", i);
    lines.add(at + ".sha256", crypto::to_hex(rule.sha256));
    add_profile(lines, at, rule.profile);
  }
  for (std::size_t i = 0; i < config.identity.certificates.size(); ++i) {
    const auto& rule = config.identity.certificates[i];
    const std::string at = std::format("identity.certificates[{}]", i);
    lines.add(at + ".name", identity::describe(rule.name));
    add_profile(lines, at, rule.profile);
  }
  if (config.identity.loopback) {
    lines.add("identity.anonymous.from", "loopback");
    add_profile(lines, "identity.anonymous", *config.identity.loopback);
  }
  for (const identity::User& user : config.users) {
    const std::string at = "users." + user.id.value();
    lines.add(at + ".department", user.department);
    lines.add(at + ".clearance", user.clearance);
    lines.add(at + ".residency", user.residency);
    lines.add(at + ".roles", user.roles);
    lines.add(at + ".groups", user.groups);
  }
  for (const Named& group : config.groups)
    lines.add(std::format("groups.{}.in", group.name), list(group.in));
  for (const Named& segment : config.segments)
    lines.add(std::format("segments.{}.in", segment.name), list(segment.in));
}

void add_transport(Lines& lines, const std::string& at, const Stdio& stdio) {
  lines.add(at + ".stdio", stdio.command);
  for (const Variable& variable : stdio.env)
    lines.add(std::format("{}.env.{}", at, variable.name), "from " + variable.value.origin);
  lines.add(at + ".pass", list(stdio.pass));
  lines.add(at + ".cwd", stdio.directory);
}

void add_transport(Lines& lines, const std::string& at, const Http& http) {
  lines.add(at + ".url", http.url);
  if (http.tls) lines.add(at + ".tls.profile", pqc::name(http.profile));
  lines.add(at + ".tls.ca", http.ca);
  if (http.bearer) lines.add(at + ".credential.bearer", "from " + http.bearer->origin);
  if (!http.oauth) return;
  const std::string oauth = at + ".credential.oauth";
  lines.add(oauth + ".grant", http.oauth->grant == OAuth::Grant::client_credentials
                                  ? "client_credentials"
                                  : "authorization_code");
  lines.add(oauth + ".client_id", http.oauth->client_id);
  if (http.oauth->client_secret)
    lines.add(oauth + ".client_secret", "from " + http.oauth->client_secret->origin);
  if (http.oauth->private_key)
    lines.add(oauth + ".private_key", "from " + http.oauth->private_key->origin);
  lines.add(oauth + ".scopes", list(http.oauth->scopes));
  lines.add(oauth + ".issuer", http.oauth->issuer);
  lines.add(oauth + ".client_metadata", http.oauth->client_metadata);
  lines.add(oauth + ".redirect", http.oauth->redirect);
}

void add_tool(Lines& lines, const std::string& at, const Tool& tool) {
  lines.add(at + ".effects", effects(tool.effects));
  if (tool.domains) lines.add(at + ".domains", list(*tool.domains));
  if (tool.taint) lines.add(at + ".taint", list(*tool.taint));
  if (tool.sensitivity) lines.add(at + ".sensitivity", *tool.sensitivity);
  lines.add(at + ".segment", tool.segment);
  lines.add(at + ".region", tool.region);
  lines.add(at + ".retention_years", tool.retention_years);
  if (tool.max_records) lines.add(at + ".max_records", *tool.max_records);
}

void add_server(Lines& lines, const Server& server) {
  const std::string at = "servers." + server.name;
  std::visit([&](const auto& transport) { add_transport(lines, at, transport); }, server.transport);
  lines.add(at + ".protocol", name(server.era));
  lines.add(at + ".segment", server.segment);
  lines.add(at + ".region", server.region);
  lines.add(at + ".domains", server.domains);
  lines.add(at + ".taint", server.taint);
  lines.add(at + ".sensitivity", server.sensitivity);
  lines.add(at + ".verified", server.verified);
  lines.add(at + ".effects", effects(server.effects));
  if (server.mode) lines.add(at + ".mode", name(*server.mode));
  lines.add(at + ".timeouts.connect", server.timeouts.connect);
  lines.add(at + ".timeouts.request", server.timeouts.request);
  lines.add(at + ".timeouts.idle", server.timeouts.idle);
  for (const auto& [tool_name, tool] : server.tools)
    add_tool(lines, std::format("{}.tools.{}", at, tool_name), tool);
}

void add_virtual(Lines& lines, const VirtualServer& server) {
  const std::string at = "virtual_servers." + server.name;
  lines.add(at + ".servers", list(server.servers));
  lines.add(at + ".prefix", server.prefix);
  for (const auto& [name, tool] : server.tools) {
    const std::string place = std::format("{}.tools.{}", at, name);
    lines.add(place + ".server", tool.server);
    lines.add(place + ".tool", tool.tool);
    lines.add(place + ".description", tool.description);
  }
  lines.add(at + ".groups", list(server.groups));
  lines.add(at + ".instructions", server.instructions);
  lines.add(at + ".search_above", server.search_above);
}

void add_custody(Lines& lines, const Audit& audit) {
  lines.add("audit.bodies", name(audit.bodies));
  lines.add("audit.body_limit", audit.body_limit);
  if (audit.body_key.command.empty())
    lines.add("audit.body_key.file", audit.body_key.file);
  else
    lines.add("audit.body_key.command", audit.body_key.command.front());
  lines.add("audit.role", audit.role);
  if (audit.retention.records) lines.add("audit.retention.records", *audit.retention.records);
  if (audit.retention.bodies) lines.add("audit.retention.bodies", *audit.retention.bodies);
  for (const auto& [domain, time] : audit.retention.domains)
    lines.add(std::format("audit.retention.domains.{}", domain), time);
  if (audit.retention.hold) lines.add("audit.retention.hold", true);
}

void add_inspect(Lines& lines, const Inspect& inspect) {
  lines.add("inspect.secrets.arguments", name(inspect.secrets_in_arguments));
  lines.add("inspect.secrets.results", name(inspect.secrets_in_results));
  lines.add("inspect.hidden_text.arguments", name(inspect.hidden_text_in_arguments));
  lines.add("inspect.hidden_text.results", name(inspect.hidden_text_in_results));
  lines.add("inspect.argument_schema", inspect.argument_schema);
  lines.add("inspect.pins.changed", inspect.hold_changed ? "hold" : "report");
  lines.add("inspect.pins.new", inspect.hold_new ? "hold" : "trust");
  lines.add("inspect.pins.suspicious", inspect.hold_suspicious ? "hold" : "report");
  lines.add("inspect.links.results", name(inspect.links_in_results));
  lines.add("inspect.questions", inspect.refuse_questions ? "refuse" : "report");
  for (std::size_t i = 0; i < inspect.exceptions.size(); ++i) {
    const Exception& exception = inspect.exceptions[i];
    const std::string at = std::format("inspect.exceptions[{}].", i);
    lines.add(at + "rule", exception.rule);
    if (!exception.server.empty()) lines.add(at + "server", exception.server);
    if (!exception.tool.empty()) lines.add(at + "tool", exception.tool);
    if (!exception.field.empty()) lines.add(at + "field", exception.field);
    lines.add(at + "reason", exception.reason);
    if (!exception.owner.empty()) lines.add(at + "owner", exception.owner);
    if (exception.until) lines.add(at + "until", base::to_rfc3339(*exception.until));
  }
  lines.add("inspect.rules", inspect.rules);
  lines.add("inspect.rules_keys", inspect.rules_keys);
  if (const TextClassifier& classifier = inspect.classifier; !classifier.model.empty()) {
    lines.add("inspect.classifier.model", classifier.model);
    lines.add("inspect.classifier.surfaces",
              std::format("[{}{}{}]", classifier.arguments ? "arguments" : "",
                          classifier.arguments && classifier.results ? ", " : "",
                          classifier.results ? "results" : ""));
    lines.add("inspect.classifier.threshold", std::format("{}", classifier.threshold));
  }
}

void add_approvals(Lines& lines, const Approvals& approvals) {
  lines.add("approvals.pending", approvals.pending);
  lines.add("approvals.valid", approvals.valid);
  lines.add("approvals.wait", approvals.wait);
  lines.add("approvals.address", approvals.address);
}

void add_alerts(Lines& lines, const Alerts& alerts) {
  for (const auto& [channel_name, channel] : alerts.channels) {
    const std::string at = "alerts.channels." + channel_name;
    if (channel.way == AlertChannel::Way::command)
      lines.add(at + ".command", list(channel.command));
    else
      lines.add(std::format("{}.{}", at, name(channel.way)), channel.target.url);
    if (channel.key) lines.add(at + ".key", "from " + channel.key->origin);
    if (channel.way == AlertChannel::Way::smtp) {
      lines.add(at + ".from", channel.from);
      lines.add(at + ".to", list(channel.to));
      lines.add(at + ".user", channel.user);
      if (channel.password) lines.add(at + ".password", "from " + channel.password->origin);
    }
    lines.add(at + ".ca", channel.target.ca);
    std::vector<std::string> on;
    for (unsigned i = 0; i <= static_cast<unsigned>(Event::policy); ++i)
      if ((channel.events >> i & 1) != 0) on.emplace_back(name(static_cast<Event>(i)));
    lines.add(at + ".on", list(on));
    lines.add(at + ".timeout", channel.timeout);
    lines.add(at + ".approver", channel.approver);
  }
  lines.add("alerts.repeat", alerts.repeat);
  lines.add("alerts.per_minute", alerts.per_minute);
}

void add_objectives(Lines& lines, const std::vector<behaviour::Objective>& objectives) {
  for (const behaviour::Objective& objective : objectives) {
    const std::string at = "objectives." + objective.name;
    lines.add(at + ".of", name(objective.of));
    lines.add(at + ".above", objective.above);
    lines.add(at + ".target", std::format("{}", objective.target));
    lines.add(at + ".groups", objective.groups);
    lines.add(at + ".least", objective.least);
  }
}

void add_provenance(Lines& lines, const Provenance& provenance) {
  lines.add("provenance.fingerprints", std::uint64_t{provenance.limits.prints});
  lines.add("provenance.expiry", provenance.limits.expiry);
  lines.add("provenance.private_from", provenance.private_from);
}

void add_behaviour(Lines& lines, const behaviour::Settings& settings) {
  lines.add("behaviour.learn_calls", settings.learn_calls);
  lines.add("behaviour.learn_time", settings.learn_time);
  lines.add("behaviour.factor", std::format("{}", settings.factor));
  lines.add("behaviour.floor", settings.floor_records);
  lines.add("behaviour.floor_bytes", base::Bytes{settings.floor_bytes});
  lines.add("behaviour.floor_calls", settings.floor_calls);
  if (settings.max_records) lines.add("behaviour.max_records", *settings.max_records);
  lines.add("behaviour.half_life", settings.half_life);
  lines.add("behaviour.kill", settings.kill);
  lines.add("behaviour.kill_score", settings.kill_score);
  lines.add("behaviour.habits", settings.habits);
  lines.add("behaviour.ladder", settings.ladder);
  lines.add("behaviour.ladder_calm", settings.ladder_calm);
  lines.add("behaviour.ladder_calls", settings.ladder_calls);
  lines.add("behaviour.pairs", std::uint64_t{settings.pairs});
}

void add_limits(Lines& lines, const Limits& limits) {
  lines.add("limits.body", limits.body);
  lines.add("limits.answer", limits.answer);
  lines.add("limits.header", limits.header);
  lines.add("limits.header_fields", limits.header_fields);
  lines.add("limits.json_depth", limits.json_depth);
  lines.add("limits.connections", limits.connections);
  lines.add("limits.connections_per_address", limits.connections_per_address);
  lines.add("limits.streams", limits.streams);
  lines.add("limits.calls", limits.calls);
  lines.add("limits.conversations", limits.conversations);
  lines.add("limits.timeouts.handshake", limits.timeouts.handshake);
  lines.add("limits.timeouts.header", limits.timeouts.header);
  lines.add("limits.timeouts.body", limits.timeouts.body);
  lines.add("limits.timeouts.write", limits.timeouts.write);
  lines.add("limits.timeouts.idle", limits.timeouts.idle);
  lines.add("limits.timeouts.session", limits.timeouts.session);
  lines.add("limits.timeouts.drain", limits.timeouts.drain);
  lines.add("limits.timeouts.keep_alive", limits.timeouts.keep_alive);
}

void add_replicas(Lines& lines, const Replicas& replicas) {
  if (replicas.members.empty()) return;
  lines.add("replicas.self", replicas.self);
  lines.add("replicas.key", "from " + replicas.key->origin);
  lines.add("replicas.tls.profile", pqc::name(replicas.profile));
  lines.add("replicas.tls.ca", replicas.ca);
  for (const auto& [name, member] : replicas.members)
    lines.add(std::format("replicas.members.{}.url", name), member.url);
}

std::string_view name(base::Level level) {
  switch (level) {
    case base::Level::debug: return "debug";
    case base::Level::info: return "info";
    case base::Level::warning: return "warning";
    case base::Level::error: return "error";
  }
  std::unreachable();
}

}  // namespace

std::string describe(const Address& address) {
  return address.host.contains(':') ? std::format("[{}]:{}", address.host, address.port)
                                    : std::format("{}:{}", address.host, address.port);
}

std::string_view name(Era era) {
  switch (era) {
    case Era::automatic: return "auto";
    case Era::legacy: return "legacy";
    case Era::modern: return "modern";
  }
  std::unreachable();
}

std::string_view name(Context context) {
  switch (context) {
    case Context::full: return "full";
    case Context::sealed: return "sealed";
    case Context::none: return "none";
  }
  std::unreachable();
}
std::string_view name(Mode mode) {
  switch (mode) {
    case Mode::observe: return "observe";
    case Mode::enforce: return "enforce";
  }
  std::unreachable();
}

std::string_view name(Treatment treatment) {
  switch (treatment) {
    case Treatment::off: return "off";
    case Treatment::report: return "report";
    case Treatment::redact: return "redact";
  }
  std::unreachable();
}

std::string_view name(Event event) {
  switch (event) {
    case Event::kill: return "kill";
    case Event::quarantine: return "quarantine";
    case Event::hold: return "hold";
    case Event::approval: return "approval";
    case Event::log: return "log";
    case Event::objective: return "objective";
    case Event::ladder: return "ladder";
    case Event::policy: return "policy";
  }
  std::unreachable();
}

std::string_view name(AlertChannel::Way way) {
  switch (way) {
    case AlertChannel::Way::webhook: return "webhook";
    case AlertChannel::Way::syslog: return "syslog";
    case AlertChannel::Way::command: return "command";
    case AlertChannel::Way::smtp: return "smtp";
  }
  std::unreachable();
}

std::string_view name(Bodies bodies) {
  switch (bodies) {
    case Bodies::none: return "none";
    case Bodies::requests: return "requests";
    case Bodies::answers: return "answers";
    case Bodies::all: return "all";
  }
  std::unreachable();
}

std::string_view name(OnFailure on_failure) {
  switch (on_failure) {
    case OnFailure::refuse: return "refuse";
    case OnFailure::spill: return "spill";
    case OnFailure::proceed: return "continue";
  }
  std::unreachable();
}

std::string describe(const Config& config) {
  Lines lines(config);
  add_listen(lines, config.listen);
  lines.add("control.socket", config.control.socket);
  lines.add("control.four_eyes", config.control.four_eyes);
  add_identity(lines, config);
  for (const auto& [server_name, server] : config.servers) add_server(lines, server);
  lines.add("aggregate.enabled", config.aggregate.enabled);
  lines.add("aggregate.search_above", config.aggregate.search_above);
  lines.add("aggregate.wait", config.aggregate.wait);
  for (const auto& [virtual_name, server] : config.virtual_servers) add_virtual(lines, server);
  add_replicas(lines, config.replicas);
  lines.add("policy.directory", config.policy.directory);
  lines.add("policy.mode", name(config.policy.mode));
  if (!config.policy.shadow.empty()) lines.add("policy.shadow", config.policy.shadow);
  lines.add("policy.without", config.policy.without);
  add_inspect(lines, config.inspect);
  add_approvals(lines, config.approvals);
  add_alerts(lines, config.alerts);
  add_objectives(lines, config.objectives);
  add_provenance(lines, config.provenance);
  add_behaviour(lines, config.behaviour);
  lines.add("audit.directory", config.audit.directory);
  lines.add("audit.origin", config.audit.origin);
  lines.add("audit.keys", config.audit.keys);
  lines.add("audit.segment", config.audit.segment);
  lines.add("audit.context", name(config.audit.context));
  add_custody(lines, config.audit);
  lines.add("audit.index", config.audit.index);
  lines.add("audit.on_failure", name(config.audit.on_failure));
  if (config.audit.on_failure == OnFailure::spill) lines.add("audit.spill", config.audit.spill);
  add_limits(lines, config.limits);
  lines.add("log.level", name(config.log.level));
  lines.add("log.format", config.log.format == base::Log::Format::json ? "json" : "text");
  lines.add("state.directory", config.state.directory);
  return lines.take();
}

}  // namespace latticegate::config
