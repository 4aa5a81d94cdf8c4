#include "oauth/client.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "base/log.h"
#include "base/percent.h"
#include "crypto/hash.h"
#include "json/write.h"

namespace latticegate::oauth {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Parts {
  std::string_view origin;  // scheme and authority
  std::string_view scheme;
  std::string_view host;
  std::string_view path;  // without query; may be empty
};

std::optional<Parts> parts_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  Parts parts;
  parts.scheme = url.substr(0, scheme);
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty() || authority.contains('@')) return std::nullopt;
  parts.origin = url.substr(0, scheme + 3 + authority.size());
  parts.host = authority.starts_with('[') ? authority.substr(0, authority.find(']') + 1)
                                          : authority.substr(0, authority.find(':'));
  const std::string_view behind = rest.substr(authority.size());
  parts.path = behind.substr(0, behind.find_first_of("?#"));
  return parts;
}

bool on_loopback(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

// A path as it follows a well-known one: nothing for the root.
std::string_view inner_path(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

Result<json::Document> read(std::string_view text) {
  auto document = json::Document::parse(text, {.size = {longest_document}, .depth = 16});
  if (document && !document->root().is_object())
    return fail(Code::malformed, "the answer is no JSON object");
  return document;
}

std::string member(json::Value object, std::string_view key) {
  return std::string(object[key].text_or({}));
}

std::vector<std::string> texts(json::Value list) {
  std::vector<std::string> out;
  for (const json::Value each : list.elements())
    if (each.is_string() && out.size() < 256) out.emplace_back(*each.string());
  return out;
}

bool holds(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::contains(list, word);
}

}  // namespace

Scopes scopes_of(std::string_view text) {
  Scopes scopes;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0 && scopes.size() < 256) scopes.emplace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return scopes;
}

std::string text_of(const Scopes& scopes) {
  std::string out;
  for (const std::string& scope : scopes) out += (out.empty() ? "" : " ") + scope;
  return out;
}

// name=value or name="value", separated by commas; the first challenge that is Bearer.
Challenge parse_challenge(std::string_view header) {
  Challenge challenge;
  std::size_t at = 0;
  bool begins = false;
  for (; at + 6 < header.size() && !begins; ++at) {
    const std::string_view word = header.substr(at, 6);
    begins = std::ranges::equal(word, std::string_view("bearer"),
                                [](char a, char b) { return (a | 0x20) == b; }) &&
             header[at + 6] == ' ' && (at == 0 || header[at - 1] == ' ' || header[at - 1] == ',');
  }
  if (!begins) return challenge;
  at += 6;
  while (at < header.size()) {
    while (at < header.size() && (header[at] == ' ' || header[at] == ',')) ++at;
    const std::size_t equals = header.find('=', at);
    if (equals == std::string_view::npos) break;
    const std::string_view name = header.substr(at, equals - at);
    if (name.contains(' ')) break;  // the next challenge
    std::string value;
    at = equals + 1;
    if (at < header.size() && header[at] == '"') {
      for (++at; at < header.size() && header[at] != '"'; ++at) {
        if (header[at] == '\\' && at + 1 < header.size()) ++at;
        value += header[at];
      }
      ++at;
    } else {
      const std::size_t end = std::min(header.find_first_of(", ", at), header.size());
      value = header.substr(at, end - at);
      at = end;
    }
    if (name == "error")
      challenge.error = std::move(value);
    else if (name == "scope")
      challenge.scopes = scopes_of(value);
    else if (name == "resource_metadata")
      challenge.metadata = std::move(value);
  }
  return challenge;
}

bool may_ask(std::string_view url, std::string_view server) {
  const auto asked = parts_of(url);
  const auto own = parts_of(server);
  if (!asked || !own) return false;
  if (asked->scheme == "https") return true;
  return asked->scheme == "http" && on_loopback(asked->host) && on_loopback(own->host);
}

std::vector<std::string> resource_urls(std::string_view server, const Challenge& challenge) {
  std::vector<std::string> urls;
  if (!challenge.metadata.empty()) urls.push_back(challenge.metadata);
  if (const auto parts = parts_of(server)) {
    const std::string known = std::format("{}/.well-known/oauth-protected-resource", parts->origin);
    if (const std::string_view path = inner_path(parts->path); !path.empty())
      urls.push_back(known + std::string(path));
    urls.push_back(known);
  }
  return urls;
}

Result<Resource> read_resource(std::string_view text, std::string_view server) {
  const auto document = read(text);
  if (!document) return std::unexpected(document.error());
  Resource resource;
  resource.resource = member(document->root(), "resource");
  const auto named = parts_of(resource.resource);
  const auto own = parts_of(server);
  const auto below = [](std::string_view path, std::string_view root) {
    return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
  };
  if (!named || !own || named->origin != own->origin ||
      !below(inner_path(own->path), inner_path(named->path)))
    return fail(Code::forbidden, std::format("the metadata is of another resource, {}",
                                             base::printable(resource.resource.substr(0, 200))));
  resource.issuers = texts(document->root()["authorization_servers"]);
  if (resource.issuers.empty())
    return fail(Code::malformed, "the metadata names no authorization server");
  if (const json::Value scopes = document->root()["scopes_supported"]; scopes.is_array()) {
    resource.scopes.emplace();
    for (std::string& scope : texts(scopes)) resource.scopes->insert(std::move(scope));
  }
  return resource;
}

// RFC 8414 puts the path behind the well-known one, OpenID Connect before it or behind.
std::vector<std::string> issuer_urls(std::string_view issuer) {
  const auto parts = parts_of(issuer);
  if (!parts) return {};
  const std::string origin(parts->origin);
  const std::string path(inner_path(parts->path));
  std::vector<std::string> urls{origin + "/.well-known/oauth-authorization-server" + path,
                                origin + "/.well-known/openid-configuration" + path};
  if (!path.empty()) urls.push_back(origin + path + "/.well-known/openid-configuration");
  return urls;
}

Result<Issuer> read_issuer(std::string_view text, std::string_view issuer,
                           std::string_view server) {
  const auto document = read(text);
  if (!document) return std::unexpected(document.error());
  const json::Value root = document->root();
  Issuer out;
  out.issuer = member(root, "issuer");
  if (out.issuer != issuer)
    return fail(Code::forbidden, std::format("the metadata is of another issuer, {}",
                                             base::printable(out.issuer.substr(0, 200))));
  out.authorization_endpoint = member(root, "authorization_endpoint");
  out.token_endpoint = member(root, "token_endpoint");
  out.registration_endpoint = member(root, "registration_endpoint");
  out.revocation_endpoint = member(root, "revocation_endpoint");
  for (const std::string* endpoint : {&out.authorization_endpoint, &out.token_endpoint,
                                      &out.registration_endpoint, &out.revocation_endpoint})
    if (!endpoint->empty() && !may_ask(*endpoint, server))
      return fail(Code::forbidden, "the issuer names an endpoint that is not https");
  if (out.token_endpoint.empty())
    return fail(Code::malformed, "the issuer names no token endpoint");
  for (std::string& scope : texts(root["scopes_supported"])) out.scopes.insert(std::move(scope));
  out.client_authentication = texts(root["token_endpoint_auth_methods_supported"]);
  out.s256 = holds(texts(root["code_challenge_methods_supported"]), "S256");
  out.names_itself = root["authorization_response_iss_parameter_supported"].boolean() == true;
  out.takes_documents = root["client_id_metadata_document_supported"].boolean() == true;
  return out;
}

std::string registration_request(std::string_view redirect, const Scopes& scopes, bool refresh) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("client_name", "Latticegate")
      .member("application_type", "native")
      .key("redirect_uris")
      .begin_array()
      .string(redirect)
      .end_array()
      .key("grant_types")
      .begin_array()
      .string("authorization_code");
  if (refresh) writer.string("refresh_token");
  writer.end_array().key("response_types").begin_array().string("code").end_array();
  if (!scopes.empty()) writer.member("scope", text_of(scopes));
  writer.end_object();
  return out;
}

Result<Registration> read_registration(std::string_view text) {
  const auto document = read(text);
  if (!document) return std::unexpected(document.error());
  Registration registration{
      .id = member(document->root(), "client_id"),
      .secret = member(document->root(), "client_secret"),
      .authentication = member(document->root(), "token_endpoint_auth_method")};
  if (registration.id.empty()) return fail(Code::malformed, "the registration names no client_id");
  return registration;
}

Scopes wanted_scopes(const Challenge& challenge, const Resource& resource, const Issuer& issuer,
                     const Scopes& before, bool refresh) {
  Scopes wanted = challenge.scopes;
  if (wanted.empty() && resource.scopes) wanted = *resource.scopes;
  wanted.insert(before.begin(), before.end());
  if (refresh && !wanted.empty() && issuer.scopes.contains("offline_access"))
    wanted.emplace("offline_access");
  return wanted;
}

Proof make_proof(std::string_view random) {
  Proof proof;
  proof.verifier = base::to_base64url(base::bytes_of(random));
  proof.challenge = base::to_base64url(crypto::sha256(proof.verifier));
  return proof;
}

std::string form(const Parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += base::percent_encoded(value);
  }
  return out;
}

std::string with_parameters(std::string_view url, const Parameters& parameters) {
  return std::format("{}{}{}", url, url.contains('?') ? '&' : '?', form(parameters));
}

Result<std::string> read_redirect(std::string_view location, std::string_view redirect,
                                  std::string_view state, const Issuer& issuer) {
  const std::size_t question = location.find('?');
  if (question == std::string_view::npos || location.substr(0, question) != redirect)
    return fail(Code::forbidden, "the authorization server asks for a person, or sends elsewhere");
  std::string code;
  std::string error;
  std::optional<std::string> given_state;
  std::optional<std::string> given_issuer;
  std::string_view rest = location.substr(question + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::string_view name = pair.substr(0, pair.find('='));
    auto value = base::percent_decoded(pair.substr(std::min(name.size() + 1, pair.size())));
    if (!value) return fail(Code::malformed, "the answer's parameters cannot be read");
    if (name == "code")
      code = *std::move(value);
    else if (name == "error")
      error = *std::move(value);
    else if (name == "state")
      given_state = std::move(value);
    else if (name == "iss")
      given_issuer = std::move(value);
  }
  // Before anything of it is believed, errors included.
  if (given_state != state) return fail(Code::forbidden, "the answer has another state");
  if (given_issuer ? *given_issuer != issuer.issuer : issuer.names_itself)
    return fail(Code::forbidden, "the answer is of another issuer");
  if (!error.empty())
    return fail(Code::forbidden, std::format("the authorization server refused: {}",
                                             base::printable(error.substr(0, 100))));
  if (code.empty()) return fail(Code::malformed, "the answer has no code");
  return code;
}

std::string authentication_for(const Issuer& issuer, const Registration& registration, bool key) {
  if (key) return "private_key_jwt";
  if (registration.secret.empty()) return "none";
  if (!registration.authentication.empty()) return registration.authentication;
  const std::vector<std::string>& known = issuer.client_authentication;
  if (known.empty() || holds(known, "client_secret_basic")) return "client_secret_basic";
  return holds(known, "client_secret_post") ? "client_secret_post" : "none";
}

std::string assertion(std::string_view client, std::string_view issuer, std::string_view id,
                      std::int64_t now) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("iss", client)
      .member("sub", client)
      .member("aud", issuer)
      .member("jti", id)
      .member("iat", now)
      .member("exp", now + 60)
      .end_object();
  return out;
}

std::string basic_authorization(const Registration& registration) {
  std::string pair;
  pair += base::percent_encoded(registration.id);
  pair += ':';
  pair += base::percent_encoded(registration.secret);
  return "Basic " + base::to_base64(base::bytes_of(pair));
}

Result<Token> read_token(std::string_view text) {
  const auto document = read(text);
  if (!document) return std::unexpected(document.error());
  const json::Value root = document->root();
  Token token{.access = member(root, "access_token"),
              .refresh = member(root, "refresh_token"),
              .seconds = root["expires_in"].integer(),
              .scopes = std::nullopt};
  const std::string type = member(root, "token_type");
  if (type.size() != 6 || !std::ranges::equal(type, std::string_view("bearer"),
                                              [](char a, char b) { return (a | 0x20) == b; }))
    return fail(Code::unsupported, "the token is no bearer token");
  const bool header_safe =
      std::ranges::all_of(token.access, [](char c) { return c > ' ' && c < 0x7f; });
  if (token.access.empty() || !header_safe) return fail(Code::malformed, "the token is no token");
  if (const auto scope = root["scope"].string()) token.scopes = scopes_of(*scope);
  return token;
}

}  // namespace latticegate::oauth
