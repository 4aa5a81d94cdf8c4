#include "gateway/replicas.h"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "json/write.h"
#include "store/open_file.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;

// Clocks of two machines differ; what is sealed is older than this or from the future.
constexpr std::chrono::seconds longest_way{60};
constexpr std::size_t longest_seal = 4096;
constexpr std::size_t largest_ca = std::size_t{16} * 1024 * 1024;
constexpr char behind_name = '.';

std::string about(std::string_view to, const net::Head& head) {
  const std::string_view session = head.find("mcp-session-id").value_or("");
  return std::format("handed 1\n{}:{}\n{} {}:{}\n{}:{}", to.size(), to, head.method,
                     head.target.size(), head.target, session.size(), session);
}

// In the order in which they are sealed, behind time and method.
constexpr std::array texts{&Handed::from,    &Handed::fingerprint, &Handed::agent,
                           &Handed::address, &Handed::tls_version, &Handed::tls_group,
                           &Handed::body};

std::optional<identity::Method> method_of(std::string_view word) {
  for (const identity::Method method : {identity::Method::token, identity::Method::certificate,
                                        identity::Method::loopback_anonymous})
    if (identity::name(method) == word) return method;
  return std::nullopt;
}

}  // namespace

std::string replica_key(const config::Replicas& config, std::string_view use) {
  base::check(config.key.has_value(), "members have a key");
  const std::string secret = base::from_hex(config.key->value.reveal()).value_or("");
  return std::string(
      base::text_of(crypto::hmac_sha256(secret, std::format("latticegate replicas 1: {}", use))));
}

Replicas::Replicas(const config::Replicas& config)
    : self_(config.self), key_(replica_key(config, "handed requests")) {}

Result<std::shared_ptr<const Replicas>> Replicas::make(const config::Replicas& config) {
  if (config.members.empty()) return nullptr;
  std::shared_ptr<Replicas> made(new Replicas(config));
  net::TlsClientOptions options;
  options.profile = config.profile;
  if (!config.ca.empty()) {
    auto text = store::read_file(config.ca, largest_ca);
    if (!text) return std::unexpected(std::move(text).error());
    options.ca_pem = *std::move(text);
  }
  for (const auto& [name, member] : config.members) {
    auto url = net::parse_url(member.url);
    if (!url) return std::unexpected(std::move(url).error());
    Replica replica{.url = *std::move(url),
                    .tls = nullptr,
                    .pool = std::format("{} {} {}", member.url, pqc::name(config.profile),
                                        crypto::to_hex(crypto::sha256(options.ca_pem)))};
    if (replica.url.tls) {
      options.server_name = replica.url.host;
      auto context = net::TlsContext::client(options);
      if (!context) return std::unexpected(std::move(context).error());
      replica.tls = *std::move(context);
    }
    made->members_.emplace(name, std::move(replica));
  }
  return made;
}

const Replica* Replicas::find(std::string_view name) const {
  const auto found = members_.find(name);
  return found == members_.end() || name == self_ ? nullptr : &found->second;
}

std::vector<std::string> Replicas::others() const {
  std::vector<std::string> names;
  for (const auto& [name, replica] : members_)
    if (name != self_) names.push_back(name);
  return names;
}

const std::string& Replicas::home(std::string_view principal,
                                  const std::function<bool(const std::string&)>& is_away) const {
  const std::string* best = &self_;
  crypto::Digest most{};
  bool found = false;
  for (const auto& [name, replica] : members_) {
    if (name != self_ && is_away(name)) continue;
    const crypto::Digest weight = crypto::sha256(std::format("{}\n{}", name, principal));
    if (found && weight <= most) continue;
    best = &name;
    most = weight;
    found = true;
  }
  return *best;
}

const std::string* Replicas::home_of_session(std::string_view id) const {
  const std::size_t end = id.find(behind_name);
  if (end == std::string_view::npos) return nullptr;
  const auto found = members_.find(id.substr(0, end));
  return found == members_.end() ? nullptr : &found->first;
}

std::string Replicas::session_prefix() const { return self_ + behind_name; }

std::string Replicas::seal(std::string_view to, Handed handed, const net::Head& head,
                           std::string_view body, base::Time now, crypto::Random& random) const {
  handed.from = self_;
  handed.body = crypto::to_hex(crypto::sha256(body));
  std::string text;
  json::Writer writer(text);
  writer.begin_array()
      .raw(std::to_string(base::to_unix_ms(now)))
      .string(identity::name(handed.method));
  for (const auto field : texts) writer.string(handed.*field);
  writer.end_array();
  return base::to_base64(base::bytes_of(crypto::seal(key_, text, about(to, head), random)));
}

Result<Handed> Replicas::open(const net::Head& head, base::Time now) const {
  constexpr std::string_view sentence = "no other replica sealed this request for this one";
  const std::string_view sealed = head.find(handed_header).value_or("");
  if (head.count(handed_header) != 1 || sealed.size() > longest_seal)
    return fail(Code::forbidden, std::string(sentence));
  const auto bytes = base::from_base64(sealed);
  const auto text = bytes ? crypto::open(key_, *bytes, about(self_, head)) : std::nullopt;
  const auto document = json::Document::parse(text.value_or("null"));
  if (!text || !document) return fail(Code::forbidden, std::string(sentence));
  const json::Value fields = document->root();
  Handed handed;
  for (std::size_t i = 0; i < texts.size(); ++i) handed.*texts.at(i) = fields.at(i + 2).text_or({});
  const auto method = method_of(fields.at(1).text_or({}));
  if (!method || find(handed.from) == nullptr) return fail(Code::forbidden, std::string(sentence));
  handed.method = *method;
  const base::Time at(std::chrono::milliseconds(fields.at(0).integer().value_or(0)));
  if (std::chrono::abs(now - at) > longest_way)
    return fail(Code::forbidden,
                std::format("what replica {} sealed is more than {} off this one's time",
                            handed.from, longest_way));
  return handed;
}

bool is_its_body(const Handed& handed, std::string_view body) {
  return handed.body == crypto::to_hex(crypto::sha256(body));
}

}  // namespace latticegate::gateway
