// The client's side of OAuth 2.1 as MCP has it (basic/authorization): what a server's refusal asks
// for, where its authorization server is, what is sent there, what may be believed of the answers.
// Values and texts only: whoever has a network drives it (gateway/broker.h).
//
// Posture: everything here is read from servers that may lie. A resource that is not the server
// that was dialled, an issuer that is not the one that was asked, an answer of another issuer or
// with another state end the attempt. Endpoints are https; plain http is let pass on the loopback
// interface only, for servers that are there themselves.
// Sources: RFC 9728, 8414, 8707, 9207, 7009, 7591, 7523, 7636; MCP 2025-11-25 and 2026-07-28.
#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace latticegate::oauth {

inline constexpr std::size_t longest_document = std::size_t{256} * 1024;

using Scopes = std::set<std::string, std::less<>>;
Scopes scopes_of(std::string_view text);
std::string text_of(const Scopes& scopes);

// WWW-Authenticate of a 401 or 403; what it does not say is empty.
struct Challenge {
  std::string error;
  Scopes scopes;
  std::string metadata;  // URL
};
Challenge parse_challenge(std::string_view header);

// Whether a URL may be asked on behalf of the server: https, or both are on this machine.
bool may_ask(std::string_view url, std::string_view server);

// Where the server's metadata may be, best first.
std::vector<std::string> resource_urls(std::string_view server, const Challenge& challenge);
struct Resource {
  std::string resource;  // exactly as published
  std::vector<std::string> issuers;
  std::optional<Scopes> scopes;
};
// Code::forbidden when it is another resource's.
[[nodiscard]] base::Result<Resource> read_resource(std::string_view text, std::string_view server);

std::vector<std::string> issuer_urls(std::string_view issuer);
struct Issuer {
  std::string issuer;
  std::string authorization_endpoint;
  std::string token_endpoint;
  std::string registration_endpoint;
  std::string revocation_endpoint;  // RFC 7009; empty: nothing can be taken back
  Scopes scopes;
  std::vector<std::string> client_authentication;  // of the token endpoint; as registered names
  bool s256 = false;
  bool names_itself = false;     // in answers to authorization requests (RFC 9207)
  bool takes_documents = false;  // URLs of metadata documents as client ids
};
// Code::forbidden when the document is of another issuer or names an endpoint that may not be
// asked.
[[nodiscard]] base::Result<Issuer> read_issuer(std::string_view text, std::string_view issuer,
                                               std::string_view server);

// What the client is called there.
struct Registration {
  std::string id;
  std::string secret;          // empty: none
  std::string authentication;  // of the token endpoint, if that was agreed
};
std::string registration_request(std::string_view redirect, const Scopes& scopes, bool refresh);
[[nodiscard]] base::Result<Registration> read_registration(std::string_view text);

// What is asked for: what the refusal names, else what the server publishes, and what was held
// before. Nothing: the parameter is left out.
Scopes wanted_scopes(const Challenge& challenge, const Resource& resource, const Issuer& issuer,
                     const Scopes& before, bool refresh);

struct Proof {  // of RFC 7636
  std::string verifier;
  std::string challenge;
};
Proof make_proof(std::string_view random);

using Parameters = std::vector<std::pair<std::string_view, std::string_view>>;
std::string form(const Parameters& parameters);
// The URL with parameters behind it.
std::string with_parameters(std::string_view url, const Parameters& parameters);
// The code of the URL that the authorization server sent the user to.
[[nodiscard]] base::Result<std::string> read_redirect(std::string_view location,
                                                      std::string_view redirect,
                                                      std::string_view state, const Issuer& issuer);

// How the client authenticates at the token endpoint: "client_secret_basic", "client_secret_post",
// "none", or "private_key_jwt" with a key.
std::string authentication_for(const Issuer& issuer, const Registration& registration, bool key);
// The payload of a client's assertion; times in seconds since 1970.
std::string assertion(std::string_view client, std::string_view issuer, std::string_view id,
                      std::int64_t now);
std::string basic_authorization(const Registration& registration);

struct Token {
  std::string access;
  std::string refresh;                  // empty: none
  std::optional<std::int64_t> seconds;  // that it lives
  std::optional<Scopes> scopes;         // granted, if that was said
};
[[nodiscard]] base::Result<Token> read_token(std::string_view text);

}  // namespace latticegate::oauth
