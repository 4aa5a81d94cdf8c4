#include "identity/authenticator.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <map>
#include <unordered_map>
#include <utility>

namespace latticegate::identity {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t fingerprint_digits = 16;
constexpr std::size_t longest_name = 2048;  // SPIFFE-ID section 2.3: at most 2048 bytes

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

bool alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// RFC 9110 token68 without a length: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool is_token68(std::string_view text) {
  const std::size_t end = text.find_last_not_of('=');
  if (end == std::string_view::npos) return false;
  return std::ranges::all_of(text.substr(0, end + 1), [](char c) {
    return alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
  });
}

// The token of the one Authorization value, as a view into it.
base::Result<std::string_view> bearer_token(std::span<const std::string_view> values) {
  if (values.size() > 1) return fail(Code::malformed, "more than one Authorization header");
  const std::string_view value = values.front();
  if (value.size() > longest_authorization.count)
    return fail(Code::malformed, "Authorization header above 8 KiB");
  constexpr std::string_view scheme = "bearer";
  if (value.size() <= scheme.size() ||
      !std::ranges::equal(value.substr(0, scheme.size()), scheme, {}, lower) ||
      value[scheme.size()] != ' ')
    return fail(Code::malformed, "Authorization is not of the scheme Bearer");
  const std::size_t start = value.find_first_not_of(' ', scheme.size());
  const std::string_view token = start == std::string_view::npos ? "" : value.substr(start);
  if (!is_token68(token))
    return fail(Code::malformed, "the bearer token is not of the syntax token68");
  return token;
}

// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md section 2: a trust domain in
// lower case, and path segments of letters, digits, dot, dash and underscore, none empty, "." or
// "..".
bool is_spiffe_id(std::string_view text) {
  constexpr std::string_view scheme = "spiffe://";
  if (!text.starts_with(scheme) || text.size() > longest_name) return false;
  text.remove_prefix(scheme.size());
  const std::string_view domain = text.substr(0, text.find('/'));
  const auto domain_character = [](char c) {
    return (alphanumeric(c) && c == lower(c)) || c == '.' || c == '-' || c == '_';
  };
  if (domain.empty() || domain.size() > 255 || !std::ranges::all_of(domain, domain_character))
    return false;
  text.remove_prefix(domain.size());
  while (!text.empty()) {
    text.remove_prefix(1);  // the slash
    const std::string_view segment = text.substr(0, text.find('/'));
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (!std::ranges::all_of(
            segment, [](char c) { return alphanumeric(c) || c == '.' || c == '-' || c == '_'; }))
      return false;
    text.remove_prefix(segment.size());
  }
  return true;
}

// The first bytes of a digest are as good a hash as any: whoever could choose them could break
// SHA-256.
struct FirstBytes {
  std::size_t operator()(const crypto::Digest& digest) const {
    std::size_t hash = 0;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

std::string fingerprint(const crypto::Digest& digest) {
  return crypto::to_hex(digest).substr(0, fingerprint_digits);
}

base::Result<Caller> finish(CallerProfile profile, Method method, std::string print) {
  if (profile.agent.value().empty()) return fail(Code::invalid, "an agent has no name");
  profile.method = method;
  profile.fingerprint = std::move(print);
  return Caller(std::make_shared<const CallerProfile>(std::move(profile)));
}

}  // namespace

struct Authenticator::Tables {
  std::unordered_map<crypto::Digest, Caller, FirstBytes> tokens;
  // By kind, then by name. DNS names are compared in lower case.
  std::array<std::map<std::string, Caller, std::less<>>, 4> certificates;
  std::optional<Caller> loopback;
  std::map<std::pair<Method, std::string>, Caller> by_fingerprint;  // all of these

  void note(const Caller& caller) {
    by_fingerprint.try_emplace({caller->method, caller->fingerprint}, caller);
  }
  const Caller* find(NameKind kind, const std::string& text) const {
    const auto& table = certificates[static_cast<std::size_t>(kind)];
    const auto found = kind == NameKind::dns ? table.find(lowered(text)) : table.find(text);
    return found == table.end() ? nullptr : &found->second;
  }

  // Every rule that speaks of one of the certificate's names has to name the same agent.
  base::Result<const Caller*> find(const crypto::Certificate& certificate) const {
    const Caller* found = nullptr;
    bool conflict = false;
    const auto look = [&](NameKind kind, const std::string& text) {
      const Caller* match = text.empty() ? nullptr : find(kind, text);
      if (match == nullptr) return;
      if (found != nullptr && (*found)->agent != (*match)->agent) conflict = true;
      if (found == nullptr) found = match;
    };
    for (const std::string& uri : certificate.uris) look(NameKind::uri, uri);
    for (const std::string& dns : certificate.dns) look(NameKind::dns, dns);
    look(NameKind::subject, certificate.subject);
    look(NameKind::common_name, certificate.common_name);
    if (conflict)
      return fail(Code::unauthenticated, "the certificate's names belong to different agents");
    return found;
  }
};

base::Result<CertificateName> parse_certificate_name(std::string_view text) {
  if (text.size() > longest_name) return fail(Code::invalid, "a certificate name above 2048 bytes");
  if (text.starts_with("spiffe://")) {
    if (!is_spiffe_id(text))
      return fail(Code::invalid,
                  std::format("\"{}\" is not a SPIFFE id (spiffe://trust-domain/path)", text));
    return CertificateName{NameKind::uri, std::string(text)};
  }
  constexpr std::array<std::pair<std::string_view, NameKind>, 3> prefixes = {
      {{"dns:", NameKind::dns}, {"cn:", NameKind::common_name}, {"dn:", NameKind::subject}}};
  for (const auto& [prefix, kind] : prefixes) {
    if (!text.starts_with(prefix) || text.size() == prefix.size()) continue;
    const std::string_view rest = text.substr(prefix.size());
    if (kind == NameKind::dns && rest.contains('*'))
      return fail(Code::invalid, "a wildcard would give one agent's rights to many certificates");
    return CertificateName{kind, kind == NameKind::dns ? lowered(rest) : std::string(rest)};
  }
  return fail(
      Code::invalid,
      std::format("\"{}\" is not a certificate name: write \"spiffe://domain/path\", \"dns:host\", "
                  "\"cn:common name\" or \"dn:CN=...,O=...\"",
                  text));
}

std::string describe(const CertificateName& name) {
  switch (name.kind) {
    case NameKind::uri: return name.text;
    case NameKind::dns: return "dns:" + name.text;
    case NameKind::common_name: return "cn:" + name.text;
    case NameKind::subject: return "dn:" + name.text;
  }
  std::unreachable();
}

Authenticator::Authenticator(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Authenticator::Authenticator(Authenticator&&) noexcept = default;
Authenticator& Authenticator::operator=(Authenticator&&) noexcept = default;
Authenticator::~Authenticator() = default;

base::Result<Authenticator> Authenticator::make(Rules rules) {
  auto tables = std::make_unique<Tables>();
  for (TokenRule& rule : rules.tokens) {
    auto caller = finish(std::move(rule.profile), Method::token, fingerprint(rule.sha256));
    if (!caller) return std::unexpected(std::move(caller).error());
    const auto [at, fresh] = tables->tokens.try_emplace(rule.sha256, *caller);
    if (!fresh)
      return fail(Code::invalid, std::format("one token for two agents: {} and {}",
                                             at->second->agent, (*caller)->agent));
    tables->note(*caller);
  }
  for (CertificateRule& rule : rules.certificates) {
    const std::string text = describe(rule.name);
    auto caller =
        finish(std::move(rule.profile), Method::certificate, fingerprint(crypto::sha256(text)));
    if (!caller) return std::unexpected(std::move(caller).error());
    if (rule.name.text.empty()) return fail(Code::invalid, "an empty certificate name");
    auto& table = tables->certificates[static_cast<std::size_t>(rule.name.kind)];
    std::string key = rule.name.kind == NameKind::dns ? lowered(rule.name.text) : rule.name.text;
    const auto [at, fresh] = table.try_emplace(std::move(key), *caller);
    if (!fresh)
      return fail(Code::invalid, std::format("the certificate name {} for two agents: {} and {}",
                                             text, at->second->agent, (*caller)->agent));
    tables->note(*caller);
  }
  if (rules.loopback) {
    auto caller = finish(std::move(*rules.loopback), Method::loopback_anonymous, "");
    if (!caller) return std::unexpected(std::move(caller).error());
    tables->note(*caller);
    tables->loopback = *std::move(caller);
  }
  return Authenticator(std::move(tables));
}

base::Result<Caller> Authenticator::accepted_elsewhere(Method method, std::string_view fingerprint,
                                                       std::string_view agent) const {
  const auto found = tables_->by_fingerprint.find({method, std::string(fingerprint)});
  if (found == tables_->by_fingerprint.end() || found->second->agent.value() != agent)
    return fail(Code::unauthenticated, "no rule here knows this credential");
  return found->second;
}

base::Result<Caller> Authenticator::authenticate(const Credentials& credentials) const {
  const Caller* by_certificate = nullptr;
  if (credentials.certificate != nullptr) {
    auto found = tables_->find(*credentials.certificate);
    if (!found) return std::unexpected(std::move(found).error());
    by_certificate = *found;
  }
  if (!credentials.authorization.empty()) {
    auto token = bearer_token(credentials.authorization);
    if (!token) return std::unexpected(std::move(token).error());
    const auto found = tables_->tokens.find(crypto::sha256(*token));
    if (found == tables_->tokens.end())
      return fail(Code::unauthenticated, "nobody has this bearer token");
    if (by_certificate != nullptr && (*by_certificate)->agent != found->second->agent)
      return fail(Code::unauthenticated,
                  std::format("the token belongs to {} and the certificate to {}",
                              found->second->agent, (*by_certificate)->agent));
    return found->second;
  }
  if (by_certificate != nullptr) return *by_certificate;
  if (credentials.certificate != nullptr)
    return fail(Code::unauthenticated, "no rule names the client certificate");
  if (tables_->loopback && !credentials.forwarded && is_loopback(credentials.address))
    return *tables_->loopback;
  return fail(Code::unauthenticated, "no credential");
}

std::string_view challenge(const Credentials& credentials, const base::Error& error) {
  if (credentials.authorization.empty()) return "Bearer";
  return error.code == Code::malformed ? R"(Bearer error="invalid_request")"
                                       : R"(Bearer error="invalid_token")";
}

bool is_loopback(std::string_view address) {
  if (address == "unix" || address == "::1") return true;
  if (lowered(address.substr(0, 7)) == "::ffff:") address.remove_prefix(7);
  // Exactly four decimal numbers, so that neither "127.evil.example" nor "127.1" passes.
  int parts = 0;
  std::string_view rest = address;
  while (true) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    if (part.empty() || part.size() > 3) return false;
    int number = 0;
    for (const char c : part) {
      if (c < '0' || c > '9') return false;
      number = number * 10 + (c - '0');
    }
    if (number > 255 || (parts == 0 && part != "127")) return false;
    ++parts;
    if (part.size() == rest.size()) return parts == 4;
    rest.remove_prefix(part.size() + 1);
  }
}

}  // namespace latticegate::identity
