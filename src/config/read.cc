#include "config/read.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <format>
#include <map>
#include <optional>
#include <utility>

#include "audit/note.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/suggest.h"
#include "config/detail/parts.h"
#include "identity/authenticator.h"
#include "yaml/node.h"

namespace latticegate::config {
namespace {

using namespace detail;

// The kernel's room for the name of a socket file, without the closing NUL.
constexpr std::size_t longest_socket = 107;

void read_control(Section section, Config& into) {
  into.control.socket = into.state.directory / "control.sock";
  section.path("socket", into.control.socket);
  section.flag("four_eyes", into.control.four_eyes);
  if (into.control.socket.string().size() <= longest_socket) return;
  const std::string sentence = std::format(
      "the socket file's path {} is longer than {} bytes; set control.socket to a shorter one",
      into.control.socket.string(), longest_socket);
  section.findings().problem(
      section.find("socket") != nullptr ? *section.find("socket") : section.node(), sentence);
}

void read_policy(Section section, Policy& into) {
  section.path("directory", into.directory, Kind::directory);
  section.word("mode", into.mode);
  section.path("shadow", into.shadow, Kind::directory);
  std::uint32_t without = 0;
  section.words("without", without);
  constexpr std::string_view ids[] = {"latticegate-puppet", "latticegate-puppet-egress",
                                      "latticegate-lethal-trifecta"};
  for (std::size_t i = 0; i < std::size(ids); ++i)
    if ((without >> i & 1) != 0) into.without.emplace_back(ids[i]);
}

void read_approvals(Section section, Approvals& into) {
  section.duration("pending", into.pending);
  section.duration("valid", into.valid);
  section.duration("wait", into.wait);
  if (!section.text("address", into.address)) return;
  const yaml::Node& at = *section.find("address");
  const auto url = parse_url(into.address);
  if (!url || url->target != "/" || into.address.ends_with('/'))
    section.findings().problem(at, "address: a URL without a path, such as https://gate.example");
  else if (!url->tls && !identity::is_loopback(url->host) && url->host != "localhost")
    section.findings().problem(at, "address: who reads a link on the way can answer by it: https");
}

void read_provenance(Section section, Provenance& into) {
  section.number("fingerprints", into.limits.prints);
  section.duration("expiry", into.limits.expiry);
  section.number("private_from", into.private_from);
}

std::optional<base::Time> day_of(std::string_view text) {
  int year = 0, month = 0, day = 0;
  const auto part = [&](std::size_t from, std::size_t size, int& number) {
    const auto [end, error] =
        std::from_chars(text.data() + from, text.data() + from + size, number);
    return error == std::errc() && end == text.data() + from + size;
  };
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !part(0, 4, year) ||
      !part(5, 2, month) || !part(8, 2, day))
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return base::Time(std::chrono::sys_days{date});
}

void read_exception(Section section, Inspect& into) {
  Exception exception;
  section.text("rule", exception.rule);
  section.text("server", exception.server);
  section.text("tool", exception.tool);
  section.text("field", exception.field);
  section.text("reason", exception.reason);
  section.text("owner", exception.owner);
  std::string day;
  if (section.text("until", day)) {
    exception.until = day_of(day);
    if (!exception.until)
      section.findings().problem(*section.find("until"),
                                 "until: expected a day such as 2027-03-31");
  }
  into.exceptions.push_back(std::move(exception));
}

void read_inspect(Section section, Inspect& into) {
  {
    Section secrets = section.section("secrets");
    secrets.word("arguments", into.secrets_in_arguments);
    secrets.word("results", into.secrets_in_results);
  }
  {
    Section hidden = section.section("hidden_text");
    hidden.word("arguments", into.hidden_text_in_arguments);
    hidden.word("results", into.hidden_text_in_results);
  }
  section.flag("argument_schema", into.argument_schema);
  {
    Section pins = section.section("pins");
    enum class Changed : std::uint8_t { hold, report } changed{};
    if (pins.word("changed", changed)) into.hold_changed = changed == Changed::hold;
    enum class New : std::uint8_t { trust, hold } fresh{};
    if (pins.word("new", fresh)) into.hold_new = fresh == New::hold;
    enum class Suspicious : std::uint8_t { hold, report } suspicious{};
    if (pins.word("suspicious", suspicious)) into.hold_suspicious = suspicious == Suspicious::hold;
  }
  section.section("links").word("results", into.links_in_results);
  enum class Questions : std::uint8_t { refuse, report } questions{};
  if (section.word("questions", questions)) into.refuse_questions = questions == Questions::refuse;
  for (const yaml::Node& node : section.items("exceptions"))
    read_exception(Section(section.findings(), &node, "inspect.exceptions[]", "inspect.exceptions"),
                   into);
  section.path("rules", into.rules, Kind::directory);
  if (section.path("rules_keys", into.rules_keys, Kind::file) && into.rules.empty())
    section.findings().problem(*section.find("rules_keys"), "there is no inspect.rules to sign");
  Section classifier = section.section("classifier");
  classifier.path("model", into.classifier.model, Kind::file);
  if (std::uint32_t mask = 0; classifier.words("surfaces", mask)) {
    into.classifier.arguments = (mask & 1U) != 0;
    into.classifier.results = (mask & 2U) != 0;
  }
  classifier.real("threshold", into.classifier.threshold);
}

void read_behaviour(Section section, behaviour::Settings& into) {
  section.number("learn_calls", into.learn_calls);
  section.duration("learn_time", into.learn_time);
  section.real("factor", into.factor);
  section.number("floor", into.floor_records);
  base::Bytes bytes{into.floor_bytes};
  if (section.size("floor_bytes", bytes)) into.floor_bytes = bytes.count;
  section.number("floor_calls", into.floor_calls);
  std::uint64_t records = 0;
  if (section.number("max_records", records)) into.max_records = records;
  section.duration("half_life", into.half_life);
  section.flag("kill", into.kill);
  section.number("kill_score", into.kill_score);
  section.flag("habits", into.habits);
  section.flag("ladder", into.ladder);
  section.duration("ladder_calm", into.ladder_calm);
  section.number("ladder_calls", into.ladder_calls);
  section.number("pairs", into.pairs);
}

void read_body_key(Section section, BodyKey& into) {
  unsigned given = section.path("file", into.file) ? 1 : 0;
  std::string credential;
  if (section.text("credential", credential)) {
    ++given;
    const yaml::Node& at = *section.find("credential");
    const auto folder = section.findings().surroundings().variable("CREDENTIALS_DIRECTORY");
    if (credential.contains('/'))
      section.findings().problem(at, "a credential is named without a path");
    else if (!folder)
      section.findings().problem(
          at, "there is no CREDENTIALS_DIRECTORY: the service manager hands nothing over");
    else
      into.file = std::filesystem::path(*folder) / credential;
  }
  if (section.texts("command", into.command)) {
    ++given;
    if (into.command.empty())
      section.findings().problem(*section.find("command"), "the command has no program");
  }
  if (given > 1)
    section.findings().problem(section.node(), "one of file, credential and command is enough");
}

void read_retention(Section section, Retention& into) {
  std::chrono::seconds time{};
  if (section.duration("records", time)) into.records = time;
  if (section.duration("bodies", time)) into.bodies = time;
  for (const yaml::Entry& entry : section.names("domains")) {
    Section domain(section.findings(), &entry.value, "audit.retention.domains.*",
                   "domain " + entry.key);
    if (domain.duration("bodies", time)) into.domains.emplace(entry.key, time);
  }
  section.flag("hold", into.hold);
}

void read_audit(Section section, Findings& findings, const State& state, Audit& into) {
  into.directory = state.directory / "audit";
  into.keys = state.directory / "keys";
  section.path("directory", into.directory);
  if (section.text("origin", into.origin) && !audit::is_key_name(into.origin))
    findings.problem(*section.find("origin"),
                     "'audit.origin' names the keys that sign the log: at most 255 bytes, no white "
                     "space, no '+'");
  section.path("keys", into.keys);
  section.size("segment", into.segment);
  section.word("context", into.context);
  section.word("bodies", into.bodies);
  section.size("body_limit", into.body_limit);
  into.body_key.file = into.keys / "audit-bodies.key";
  read_body_key(section.section("body_key"), into.body_key);
  section.text("role", into.role);
  read_retention(section.section("retention"), into.retention);
  section.word("on_failure", into.on_failure);
  into.spill = state.directory / "spill";
  section.path("spill", into.spill);
  section.flag("index", into.index);
}

void read_limits(Section section, Limits& into) {
  section.size("body", into.body);
  section.size("answer", into.answer);
  section.size("header", into.header);
  section.number("header_fields", into.header_fields);
  section.number("json_depth", into.json_depth);
  section.number("connections", into.connections);
  section.number("connections_per_address", into.connections_per_address);
  section.number("streams", into.streams);
  section.number("calls", into.calls);
  section.number("conversations", into.conversations);
  Section timeouts = section.section("timeouts");
  timeouts.duration("handshake", into.timeouts.handshake);
  timeouts.duration("header", into.timeouts.header);
  timeouts.duration("body", into.timeouts.body);
  timeouts.duration("write", into.timeouts.write);
  timeouts.duration("idle", into.timeouts.idle);
  timeouts.duration("session", into.timeouts.session);
  timeouts.duration("drain", into.timeouts.drain);
  timeouts.duration("keep_alive", into.timeouts.keep_alive);
}

void read_log(Section section, Logging& into) {
  section.word("level", into.level);
  section.word("format", into.format);
}

void read_state(Section section, State& into) { section.path("directory", into.directory); }

void read_tls(Section& listen, Listen& into) {
  const yaml::Node* node = listen.find("tls");
  if (node != nullptr && node->is_scalar() && node->text() == "off") {
    into.tls.reset();
    const bool local = into.address.host == "localhost" || identity::is_loopback(into.address.host);
    if (!local)
      listen.findings().warning(
          *node, std::format("tls is off on {}: tokens and data can be read on the way",
                             into.address.host));
    return;
  }
  if (node != nullptr && node->is_scalar()) {
    listen.findings().problem(
        *node, std::format("tls: expected a map or the word off, found \"{}\"", node->text()));
    return;
  }
  Section section = listen.section("tls");
  ServerTls& tls = *into.tls;
  section.word("profile", tls.profile);
  section.path("certificate", tls.certificate, Kind::file);
  section.path("key", tls.key, Kind::file);
  section.path("client_ca", tls.client_ca, Kind::file);
  section.flag("require_client_certificate", tls.require_client_certificate);
  if (node == nullptr) return;
  if (tls.certificate.empty() != tls.key.empty())
    listen.findings().problem(*node, "tls: certificate and key are given together or not at all");
  if (tls.require_client_certificate && tls.client_ca.empty())
    listen.findings().problem(*node, "tls: require_client_certificate needs client_ca");
}

// "scheme://host[:port]" and nothing behind, as browsers send it.
bool is_origin(std::string_view text) {
  const auto url = parse_url(text);
  return url && url->target == "/" && !text.ends_with('/');
}

}  // namespace

namespace detail {

void read_listen(Section section, Listen& into) {
  if (const yaml::Node* node = section.find("address")) {
    auto address = parse_address(node->text());
    if (!address)
      section.findings().problem(*node, "address: " + address.error().detail);
    else
      into.address = *std::move(address);
  }
  read_tls(section, into);
  section.texts("hosts", into.hosts);
  section.texts("origins", into.origins);
  if (const yaml::Node* node = section.find("origins")) {
    for (const yaml::Node& item : node->items())
      if (item.is_scalar() && !is_origin(item.text()))
        section.findings().problem(
            item, std::format("\"{}\" is no origin: https://host, without a path", item.text()));
  }
  section.number("threads", into.threads);
  if (const yaml::Node* node = section.find("metrics")) {
    auto address = parse_address(node->text());
    if (!address)
      section.findings().problem(*node, "metrics: " + address.error().detail);
    else
      into.metrics = *std::move(address);
    const bool local = !into.metrics || into.metrics->host == "localhost" ||
                       identity::is_loopback(into.metrics->host);
    if (!local)
      section.findings().warning(
          *node, std::format("metrics: whoever reaches {} can read them", into.metrics->host));
  }
}

}  // namespace detail

namespace {

// Values that stand in one variable, under a path without names that the operator chose.
bool may_be_overridden(const Key& key) {
  switch (key.type) {
    case Type::section:
    case Type::list:
    case Type::names:
    case Type::secret:
    case Type::variables: return false;
    default: return !key.path.contains('*') && !key.path.contains('[');
  }
}

// "LATTICEGATE_LIMITS__TIMEOUTS__IDLE".
std::string variable_of(const Key& key) {
  std::string name(override_prefix);
  for (const char c : key.path) {
    if (c == '.')
      name += "__";
    else
      name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

// Puts what the environment says in the place of what the file says.
void override(yaml::Node& root, Findings& findings) {
  const std::vector<Override>& overrides = findings.surroundings().overrides;
  if (overrides.empty()) return;
  std::map<std::string, std::string_view, std::less<>> known;
  for (const Key& key : keys())
    if (may_be_overridden(key)) known.emplace(variable_of(key), key.path);
  for (const Override& given : overrides) {
    const auto key = known.find(given.variable);
    if (key == known.end()) {
      std::vector<std::string_view> names;
      for (const auto& [name, path] : known) names.push_back(name);
      const auto nearest = base::nearest(given.variable, names);
      findings.problem(base::Error{
          base::Code::invalid,
          std::format("the environment variable {} names no setting{}",
                      base::printable(given.variable),
                      nearest ? std::format("; did you mean {}?", *nearest) : std::string())});
      continue;
    }
    if (given.value.empty()) continue;  // as if it were not set
    if (!base::is_utf8(given.value)) {
      findings.problem(yaml::Node::scalar("", given.variable), "is no UTF-8 text");
      continue;
    }
    const Type type = find_key(key->second)->type;
    auto value = type == Type::texts || type == Type::words
                     ? yaml::parse(given.value, given.variable)
                     : yaml::Node::scalar(given.value, given.variable);
    if (!value) {
      findings.problem(value.error());
      continue;
    }
    std::vector<std::string_view> path;
    for (std::string_view rest = key->second; !rest.empty();) {
      path.push_back(rest.substr(0, rest.find('.')));
      rest.remove_prefix(std::min(rest.size(), path.back().size() + 1));
    }
    if (!root.put(path, *std::move(value)))
      findings.problem(base::Error{
          base::Code::invalid,
          std::format("the environment variable {} cannot be put into the file, which has a word "
                      "in place of a map there",
                      given.variable)});
  }
}

void collect_origins(const yaml::Node& node, const std::string& at, Origins& into) {
  if (!at.empty() && !node.is_null()) into.emplace(at, Origin{node.place(), node.is_map()});
  for (const yaml::Entry& entry : node.entries())
    collect_origins(entry.value, at.empty() ? entry.key : std::format("{}.{}", at, entry.key),
                    into);
  for (std::size_t i = 0; i < node.items().size(); ++i)
    collect_origins(node.items()[i], std::format("{}[{}]", at, i), into);
}

// Of the value itself, or of the word or list that stands for it and others.
std::string_view origin_of(std::string_view path, const Origins& origins) {
  if (const auto exact = origins.find(path); exact != origins.end()) return exact->second.place;
  while (path.contains('.') || path.contains('[')) {
    path = path.substr(0, path.find_last_of(".["));
    if (const auto above = origins.find(path); above != origins.end())
      return above->second.map ? std::string_view("default") : above->second.place;
  }
  return "default";
}

}  // namespace

std::string describe(const Loaded& loaded) {
  std::string out;
  const std::string text = describe(*loaded.config);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    out +=
        std::format("{}  # {}\n", line, origin_of(line.substr(0, line.find(": ")), loaded.origins));
  }
  return out;
}

base::Result<Loaded> read(const Source& source, const Surroundings& surroundings) {
  auto parsed = yaml::parse(source.text, source.name);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  Findings findings(source, surroundings);
  override(*parsed, findings);
  auto config = std::make_shared<Config>();
  config->file = source.name;
  config->directory = source.directory;
  config->policy.directory = source.directory / config->policy.directory;
  config->state.directory = source.directory / config->state.directory;
  Universe universe;
  {
    Section top(findings, &*parsed, "", "the configuration");
    read_state(top.section("state"), config->state);
    read_listen(top.section("listen"), config->listen);
    read_control(top.section("control"), *config);
    universe.groups.define(top, "groups");
    universe.segments.define(top, "segments");
    read_users(top, universe, *config);
    read_identity(top.section("identity"), universe, *config);
    read_servers(top, universe, *config);
    read_aggregate(top.section("aggregate"), config->aggregate);
    read_virtual_servers(top, universe, *config);
    read_replicas(top.section("replicas"), config->listen, config->replicas);
    read_policy(top.section("policy"), config->policy);
    read_inspect(top.section("inspect"), config->inspect);
    read_approvals(top.section("approvals"), config->approvals);
    read_alerts(top.section("alerts"), config->alerts);
    read_objectives(top, universe, config->objectives);
    read_provenance(top.section("provenance"), config->provenance);
    read_behaviour(top.section("behaviour"), config->behaviour);
    read_audit(top.section("audit"), findings, config->state, config->audit);
    read_limits(top.section("limits"), config->limits);
    read_log(top.section("log"), config->log);
  }
  config->groups = universe.groups.finish(findings);
  config->segments = universe.segments.finish(findings);
  if (!findings.good()) return std::unexpected(findings.error());
  if (auto usable = identity::Authenticator::make(config->identity); !usable)
    return base::within(source.name, std::move(usable).error());
  Loaded loaded{.config = std::move(config), .warnings = findings.warnings(), .origins = {}};
  collect_origins(*parsed, "", loaded.origins);
  return loaded;
}

}  // namespace latticegate::config
