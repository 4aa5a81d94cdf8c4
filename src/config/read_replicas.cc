#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "base/log.h"
#include "config/detail/parts.h"
#include "identity/authenticator.h"

namespace latticegate::config::detail {
namespace {

constexpr std::size_t longest_name = 32;
constexpr std::size_t most_members = 64;
constexpr std::size_t key_digits = 64;

void read_key(Section& section, Replicas& into) {
  const yaml::Node* node = section.find("key");
  if (node == nullptr) return;
  auto secret = read_secret(section.findings(), *node);
  if (!secret) return section.findings().problem(secret.error());
  const std::string_view digits = secret->value.reveal();
  if (digits.size() != key_digits || !base::from_hex(digits))
    return section.findings().problem(
        *node, std::format("key: expected {} hexadecimal digits, as `openssl rand -hex {}` prints",
                           key_digits, key_digits / 2));
  into.key = *std::move(secret);
}

// Only the place of a gateway: what is asked there is what the client asked.
void read_member(Section section, const yaml::Entry& entry, Replicas& into) {
  std::string text;
  if (!section.text("url", text)) return;
  auto url = parse_url(text);
  const yaml::Node& at = *section.find("url");
  if (!url) return section.findings().problem(at, "url: " + url.error().detail);
  if (url->target != "/")
    return section.findings().problem(at, "url: expected a scheme, a host and a port only");
  if (!url->tls && url->host != "localhost" && !identity::is_loopback(url->host))
    return section.findings().problem(
        at, std::format("url: plain http to {}: https, because what clients say goes there",
                        url->host));
  into.members.emplace(entry.key, *std::move(url));
}

}  // namespace

void read_replicas(Section section, const Listen& listen, Replicas& into) {
  section.text("self", into.self);
  read_key(section, into);
  Section tls = section.section("tls");
  tls.word("profile", into.profile);
  tls.path("ca", into.ca, Kind::file);
  for (const yaml::Entry& entry : section.names("members")) {
    if (!is_server_name(entry.key) || entry.key.size() > longest_name) {
      section.findings().problem(
          entry, std::format("\"{}\" is no name for a gateway: small letters, digits, - and _, at "
                             "most {}",
                             base::printable(entry.key), longest_name));
      continue;
    }
    read_member(
        Section(section.findings(), &entry.value, "replicas.members.*", "gateway " + entry.key),
        entry, into);
  }
  const yaml::Node& at = section.node();
  const yaml::Node* const self = section.find("self");
  const yaml::Node* const key = section.find("key");
  const auto members = section.names("members");
  if (self == nullptr && key == nullptr && members.empty()) return;
  if (members.size() > most_members)
    section.findings().problem(at, std::format("replicas: at most {} members", most_members));
  if (self == nullptr || key == nullptr || members.empty())
    section.findings().problem(at, "replicas needs self, key and members");
  else if (!std::ranges::contains(members, into.self, &yaml::Entry::key))
    section.findings().problem(at, std::format("replicas: self is \"{}\", which is no member",
                                               base::printable(into.self)));
  if (listen.tls && listen.tls->require_client_certificate)
    section.findings().problem(
        at,
        "replicas: the others have no client certificate; with "
        "listen.tls.require_client_certificate: false those of clients are still verified");
}

}  // namespace latticegate::config::detail
