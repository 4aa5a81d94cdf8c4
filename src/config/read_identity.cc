#include <algorithm>
#include <cstring>
#include <format>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/suggest.h"
#include "config/detail/parts.h"

namespace latticegate::config::detail {
namespace {

using identity::AgentId;
using identity::CallerProfile;
using identity::User;
using identity::UserId;

// SHA-256 of the empty text, which hides under many a mistyped command.
constexpr std::string_view digest_of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The person with that name: as the list has them, or just a name when there is no list.
std::optional<User> find_user(Section& section, const std::string& name, const Universe& universe,
                              Config& into) {
  const auto at = std::ranges::find(into.users, UserId(name), &User::id);
  if (at != into.users.end()) return *at;
  if (!universe.users_given) {
    into.users.push_back({.id = UserId(name)});
    return into.users.back();
  }
  std::vector<std::string_view> known;
  for (const User& user : into.users) known.push_back(user.id.value());
  std::string sentence = std::format("no user \"{}\" is defined", name);
  if (const auto near = base::nearest(name, known))
    sentence += std::format("; did you mean \"{}\"?", *near);
  section.findings().problem(*section.find("user"), sentence);
  return std::nullopt;
}

// What tokens, certificates and anonymous callers have in common.
void read_profile(Section& section, Universe& universe, Config& config, CallerProfile& into) {
  std::string text;
  if (section.text("agent", text)) into.agent = AgentId(std::move(text));
  if (section.text("tenant", text)) into.tenant = identity::TenantId(std::move(text));
  if (section.text("user", text)) into.user = find_user(section, text, universe, config);
  section.texts("groups", into.groups);
  universe.groups.refer(section.find("groups"));
  section.texts("segments", into.segments);
  universe.segments.refer(section.find("segments"));
  section.texts("domains", into.domains);
  section.text("department", into.department);
  section.number("clearance", into.clearance);
  section.prose("purpose", into.purpose);
}

void read_token(Section section, Universe& universe, Config& config) {
  identity::TokenRule rule;
  read_profile(section, universe, config, rule.profile);
  std::string hex;
  if (!section.text("sha256", hex)) return;
  const yaml::Node& at = *section.find("sha256");
  const auto digest = base::from_hex(hex);
  if (!digest || digest->size() != rule.sha256.size()) {
    section.findings().problem(
        at, "sha256: expected 64 hexadecimal digits, as `printf %s TOKEN | sha256sum` prints them");
    return;
  }
  std::memcpy(rule.sha256.data(), digest->data(), rule.sha256.size());
  if (crypto::to_hex(rule.sha256) == digest_of_nothing) {
    section.findings().problem(at, "sha256: this is the digest of an empty text");
    return;
  }
  const auto same =
      std::ranges::find(config.identity.tokens, rule.sha256, &identity::TokenRule::sha256);
  if (same != config.identity.tokens.end()) {
    section.findings().problem(
        at, std::format("sha256: the same token as that of agent \"{}\"", same->profile.agent));
    return;
  }
  config.identity.tokens.push_back(std::move(rule));
}

void read_certificate(Section section, Universe& universe, Config& config) {
  identity::CertificateRule rule;
  read_profile(section, universe, config, rule.profile);
  std::string text;
  if (!section.text("name", text)) return;
  const yaml::Node& at = *section.find("name");
  auto name = identity::parse_certificate_name(text);
  if (!name) {
    section.findings().problem(at, name.error().detail);
    return;
  }
  rule.name = *std::move(name);
  const auto same =
      std::ranges::find(config.identity.certificates, rule.name, &identity::CertificateRule::name);
  if (same != config.identity.certificates.end()) {
    section.findings().problem(
        at, std::format("name: the same certificate as that of agent \"{}\"", same->profile.agent));
    return;
  }
  config.identity.certificates.push_back(std::move(rule));
}

void read_anonymous(Section& section, Universe& universe, Config& config) {
  const yaml::Node* node = section.find("anonymous");
  if (node == nullptr) return;
  CallerProfile profile{.agent = AgentId("local")};
  if (node->is_scalar()) {
    if (node->text() != "loopback") {
      section.findings().problem(
          *node, std::format("anonymous: expected loopback or a map, found \"{}\"", node->text()));
      return;
    }
  } else {
    Section inner = section.section("anonymous");
    bool loopback = false;
    inner.word("from", loopback);  // the only word there is
    read_profile(inner, universe, config, profile);
  }
  config.identity.loopback = std::move(profile);
}

}  // namespace

void read_users(Section& top, Universe& universe, Config& into) {
  universe.users_given = top.find("users") != nullptr;
  std::set<std::string> roles;
  for (const yaml::Node& item : top.items("users")) {
    Section section(top.findings(), &item, "users[]", "user");
    User user;
    std::string name;
    const bool named = section.text("name", name);
    user.id = UserId(name);
    section.text("department", user.department);
    section.number("clearance", user.clearance);
    section.text("residency", user.residency);
    section.texts("roles", user.roles);
    section.texts("groups", user.groups);
    universe.groups.refer(section.find("groups"));
    roles.insert(user.roles.begin(), user.roles.end());
    if (named && std::ranges::contains(into.users, user.id, &User::id)) {
      top.findings().problem(item, std::format("the user \"{}\" is defined twice", name));
    } else if (named) {
      into.users.push_back(std::move(user));
    }
  }
  into.roles.assign(roles.begin(), roles.end());
}

void read_identity(Section section, Universe& universe, Config& into) {
  const auto what = [](const yaml::Node& item, std::string_view kind) {
    const yaml::Node* agent = item.find("agent");
    return agent != nullptr && agent->is_scalar()
               ? std::format("{} of agent {}", kind, base::printable(agent->text()))
               : std::string(kind);
  };
  for (const yaml::Node& item : section.items("tokens"))
    read_token(Section(section.findings(), &item, "identity.tokens[]", what(item, "token")),
               universe, into);
  for (const yaml::Node& item : section.items("certificates"))
    read_certificate(
        Section(section.findings(), &item, "identity.certificates[]", what(item, "certificate")),
        universe, into);
  read_anonymous(section, universe, into);
  const auto& certificates = into.identity.certificates;
  if (!certificates.empty() && (!into.listen.tls || into.listen.tls->client_ca.empty()))
    section.findings().problem(
        *section.find("certificates"),
        "certificates: client certificates are known only with listen.tls.client_ca");
}

}  // namespace latticegate::config::detail
