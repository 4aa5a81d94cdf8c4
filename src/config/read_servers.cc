#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/log.h"
#include "config/detail/parts.h"

namespace latticegate::config::detail {
namespace {

constexpr std::size_t longest_server = 64;
constexpr std::size_t longest_tool = 128;
constexpr std::size_t most_arguments = 256;

// In the order of the table's words.
Effects effects_of(std::uint32_t mask) {
  return {.read = (mask & 1) != 0,
          .write = (mask & 2) != 0,
          .destructive = (mask & 4) != 0,
          .egress = (mask & 8) != 0,
          .actuate = (mask & 16) != 0};
}

void read_tool(Section section, Universe& universe, Tool& into) {
  std::uint32_t mask = 0;
  if (section.words("effects", mask)) into.effects = effects_of(mask);
  std::vector<std::string> domains;
  if (section.texts("domains", domains)) into.domains = std::move(domains);
  std::vector<std::string> taint;
  if (section.texts("taint", taint)) into.taint = std::move(taint);
  std::int64_t sensitivity = 0;
  if (section.number("sensitivity", sensitivity)) into.sensitivity = sensitivity;
  section.text("segment", into.segment);
  universe.segments.refer_one(section.find("segment"));
  section.text("region", into.region);
  section.number("retention_years", into.retention_years);
  std::uint64_t records = 0;
  if (section.number("max_records", records)) into.max_records = records;
}

// A list of texts as they are: arguments may be empty or begin with a space.
std::vector<std::string> read_command(Section& section, const yaml::Node& at) {
  std::vector<std::string> command;
  if (!at.is_list() || at.items().empty() || at.items().size() > most_arguments) {
    section.findings().problem(at,
                               "stdio: expected a list of a program and its arguments, such as "
                               "[npx, some-server, ./data]");
    return command;
  }
  for (const yaml::Node& item : at.items()) {
    auto text = item.as_string();
    if (!text)
      section.findings().problem(text.error());
    else
      command.push_back(*std::move(text));
  }
  if (!command.empty() && command.front().empty())
    section.findings().problem(at.items().front(), "stdio: the program has no name");
  return command;
}

void read_variables(Section& section, Stdio& into) {
  for (const yaml::Entry& entry : section.names("env", Type::variables)) {
    if (!is_variable_name(entry.key)) {
      section.findings().problem(entry, std::format("\"{}\" is no name of an environment variable",
                                                    base::printable(entry.key)));
      continue;
    }
    if (entry.value.is_scalar()) {
      into.env.push_back({entry.key, {crypto::Secret(entry.value.text()), "text"}});
      continue;
    }
    auto secret = read_secret(section.findings(), entry.value);
    if (!secret)
      section.findings().problem(secret.error());
    else
      into.env.push_back({entry.key, *std::move(secret)});
  }
}

Stdio read_stdio(Section& section, const yaml::Node& at) {
  Stdio out;
  out.command = read_command(section, at);
  out.directory = section.findings().source().directory;
  read_variables(section, out);
  section.texts("pass", out.pass);
  for (const std::string& name : out.pass)
    if (!is_variable_name(name))
      section.findings().problem(*section.find("pass"),
                                 std::format("\"{}\" is no name of an environment variable", name));
  section.path("cwd", out.directory, Kind::directory);
  return out;
}

// What a header field value may carry of a token (RFC 6750: no spaces, no control characters).
bool is_header_token(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

void read_optional_secret(Section& section, std::string_view key, std::optional<Secret>& into) {
  const yaml::Node* node = section.find(key);
  if (node == nullptr) return;
  auto secret = read_secret(section.findings(), *node);
  if (secret)
    into = *std::move(secret);
  else
    section.findings().problem(secret.error());
}

OAuth read_oauth(Section section) {
  OAuth out;
  section.word("grant", out.grant);
  section.text("client_id", out.client_id);
  read_optional_secret(section, "client_secret", out.client_secret);
  read_optional_secret(section, "private_key", out.private_key);
  section.texts("scopes", out.scopes);
  section.text("issuer", out.issuer);
  section.text("client_metadata", out.client_metadata);
  section.text("redirect", out.redirect);
  const yaml::Node& at = section.node();
  if (out.client_secret && out.private_key)
    section.findings().problem(at, "only one of client_secret and private_key");
  if ((out.client_secret || out.private_key) && out.client_id.empty())
    section.findings().problem(at, "a secret or key belongs to a client_id");
  if (out.client_secret && out.issuer.empty())
    section.findings().problem(
        at, "client_secret needs issuer: without it the server says who is shown the secret");
  if (out.grant == OAuth::Grant::client_credentials && !out.client_secret && !out.private_key)
    section.findings().problem(
        at, "client_credentials needs client_id and one of client_secret and private_key");
  if (!out.client_metadata.empty() && !out.client_metadata.starts_with("https://"))
    section.findings().problem(at, "client_metadata is an https URL");
  return out;
}

void read_credential(Section& server, Http& into) {
  const yaml::Node* node = server.find("credential");
  if (node == nullptr) return;
  Section section = server.section("credential");
  const yaml::Node* bearer = section.find("bearer");
  const yaml::Node* oauth = section.find("oauth");
  if ((bearer == nullptr) == (oauth == nullptr)) {
    server.findings().problem(*node,
                              std::format("{} needs {} of \"bearer\" and \"oauth\"", section.what(),
                                          bearer == nullptr ? "one" : "only one"));
    return;
  }
  if (!into.tls && into.host != "localhost" && !identity::is_loopback(into.host))
    server.findings().problem(*node, "a credential is never sent over plain http; use https");
  if (oauth != nullptr) {
    into.oauth = read_oauth(section.section("oauth"));
    return;
  }
  auto secret = read_secret(server.findings(), *bearer);
  if (!secret) {
    server.findings().problem(secret.error());
    return;
  }
  if (!is_header_token(secret->value.reveal())) {
    server.findings().problem(
        *bearer,
        std::format("the token from {} holds characters that no header may", secret->origin));
    return;
  }
  into.bearer = *std::move(secret);
}

Http read_http(Section& section, const yaml::Node& at) {
  std::string text;
  if (!section.text("url", text)) return {};
  auto url = parse_url(text);
  if (!url) {
    section.findings().problem(at, "url: " + url.error().detail);
    return {};
  }
  Http out = *std::move(url);
  if (const yaml::Node* tls = section.find("tls")) {
    Section inner = section.section("tls");
    inner.word("profile", out.profile);
    inner.path("ca", out.ca, Kind::file);
    if (!out.tls) section.findings().problem(*tls, "tls: the url is plain http");
  }
  if (!out.tls && out.host != "localhost" && !identity::is_loopback(out.host))
    section.findings().warning(
        at, std::format("what goes to {} can be read on the way: plain http", out.host));
  read_credential(section, out);
  return out;
}

// Keys of one kind of transport that stand beside the other kind. Asking for them also makes them
// known.
void refuse_keys(Section& section, std::span<const std::string_view> keys, std::string_view why) {
  for (const std::string_view key : keys)
    if (const yaml::Node* node = section.find(key); node != nullptr && !why.empty())
      section.findings().problem(*node, std::format("{}: {}", key, why));
}

void read_transport(Section& section, const yaml::Entry& at, Server& into) {
  constexpr auto stdio_keys = std::to_array<std::string_view>({"env", "pass", "cwd"});
  constexpr auto url_keys = std::to_array<std::string_view>({"tls", "credential"});
  const yaml::Node* stdio = section.find("stdio");
  const yaml::Node* url = section.find("url");
  const bool one = (stdio == nullptr) != (url == nullptr);
  refuse_keys(section, stdio_keys, one && url != nullptr ? "only for a server with stdio" : "");
  refuse_keys(section, url_keys, one && stdio != nullptr ? "only for a server with a url" : "");
  if (!one) {
    // What is not a map at all has been reported as that.
    if (at.value.is_map() || at.value.is_null())
      section.findings().problem(
          at, std::format("{} needs {} of \"stdio\" (a program) and \"url\"", section.what(),
                          stdio == nullptr ? "one" : "only one"));
  } else if (stdio != nullptr) {
    into.transport = read_stdio(section, *stdio);
  } else {
    into.transport = read_http(section, *url);
  }
}

void read_server(Section section, const yaml::Entry& at, Universe& universe, Server& into) {
  read_transport(section, at, into);
  section.word("protocol", into.era);
  section.text("segment", into.segment);
  universe.segments.refer_one(section.find("segment"));
  section.text("region", into.region);
  section.texts("domains", into.domains);
  section.texts("taint", into.taint);
  section.number("sensitivity", into.sensitivity);
  section.flag("verified", into.verified);
  std::uint32_t mask = 0;
  if (section.words("effects", mask)) into.effects = effects_of(mask);
  Mode mode{};
  if (section.word("mode", mode)) into.mode = mode;
  {
    Section timeouts = section.section("timeouts");
    timeouts.duration("connect", into.timeouts.connect);
    timeouts.duration("request", into.timeouts.request);
    timeouts.duration("idle", into.timeouts.idle);
  }
  for (const yaml::Entry& entry : section.names("tools")) {
    if (entry.key.empty() || entry.key.size() > longest_tool ||
        base::printable(entry.key) != entry.key) {
      section.findings().problem(
          entry, std::format("a tool's name has 1 to {} visible characters", longest_tool));
      continue;
    }
    read_tool(Section(section.findings(), &entry.value, "servers.*.tools.*",
                      std::format("tool {} of {}", entry.key, section.what())),
              universe, into.tools[entry.key]);
  }
}

}  // namespace

bool is_server_name(std::string_view name) {
  const auto first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= longest_server && first(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return first(c) || c == '-' || c == '_'; });
}

void read_servers(Section& top, Universe& universe, Config& into) {
  for (const yaml::Entry& entry : top.names("servers")) {
    if (!is_server_name(entry.key)) {
      top.findings().problem(
          entry,
          std::format("\"{}\" is no name for a server: small letters, digits, - and _, at most {}",
                      base::printable(entry.key), longest_server));
      continue;
    }
    Server& server = into.servers[entry.key];
    server.name = entry.key;
    read_server(Section(top.findings(), &entry.value, "servers.*", "server " + entry.key), entry,
                universe, server);
  }
}

}  // namespace latticegate::config::detail
