#include "identity/authenticator.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace latticegate;
using namespace latticegate::identity;

namespace {

CallerProfile agent(std::string name) {
  return {.agent = AgentId(std::move(name)), .groups = {"bots"}, .segments = {"finance"}};
}

Rules example() {
  Rules rules;
  rules.tokens.push_back({crypto::sha256("token-of-finance"), agent("finance-bot")});
  rules.tokens.push_back({crypto::sha256("token-of-support"), agent("support-bot")});
  rules.certificates.push_back(
      {{NameKind::uri, "spiffe://acme.example/finance"}, agent("finance-bot")});
  rules.certificates.push_back({{NameKind::dns, "Grid.Acme.Example"}, agent("grid-bot")});
  rules.certificates.push_back({{NameKind::common_name, "old bot"}, agent("old-bot")});
  rules.certificates.push_back({{NameKind::subject, "CN=whole,O=Acme"}, agent("whole-bot")});
  rules.loopback = agent("local-dev");
  return rules;
}

struct Case {
  std::string_view what;
  std::vector<std::string_view> authorization{};
  std::optional<crypto::Certificate> certificate = std::nullopt;
  std::string_view address = "203.0.113.9";
  bool forwarded = false;
  std::string_view expected;  // the agent, or the refusal's sentence
};

crypto::Certificate certificate(std::vector<std::string> uris, std::vector<std::string> dns = {},
                                std::string common_name = {}, std::string subject = {}) {
  crypto::Certificate out;
  out.uris = std::move(uris);
  out.dns = std::move(dns);
  out.common_name = std::move(common_name);
  out.subject = std::move(subject);
  return out;
}

}  // namespace

TEST_CASE("a credential leads to its agent, and nothing else does") {
  const Authenticator authenticator = std::move(Authenticator::make(example())).value();
  const std::string long_token = "Bearer " + std::string(9000, 'a');
  const Case cases[] = {
      {.what = "token", .authorization = {"Bearer token-of-finance"}, .expected = "finance-bot"},
      {.what = "scheme in any case",
       .authorization = {"bEARER token-of-support"},
       .expected = "support-bot"},
      {.what = "several spaces",
       .authorization = {"Bearer   token-of-support"},
       .expected = "support-bot"},
      {.what = "unknown token",
       .authorization = {"Bearer token-of-nobody"},
       .expected = "nobody has this bearer token"},
      {.what = "token in other case",
       .authorization = {"Bearer Token-of-finance"},
       .expected = "nobody has this bearer token"},
      {.what = "two headers",
       .authorization = {"Bearer token-of-finance", "Bearer token-of-finance"},
       .expected = "more than one Authorization header"},
      {.what = "two tokens",
       .authorization = {"Bearer token-of-finance, token-of-support"},
       .expected = "the bearer token is not of the syntax token68"},
      {.what = "trailing space",
       .authorization = {"Bearer token-of-finance "},
       .expected = "the bearer token is not of the syntax token68"},
      {.what = "tab",
       .authorization = {"Bearer\ttoken-of-finance"},
       .expected = "Authorization is not of the scheme Bearer"},
      {.what = "basic",
       .authorization = {"Basic dXNlcjpwYXNz"},
       .expected = "Authorization is not of the scheme Bearer"},
      {.what = "no token",
       .authorization = {"Bearer"},
       .expected = "Authorization is not of the scheme Bearer"},
      {.what = "only spaces",
       .authorization = {"Bearer  "},
       .expected = "the bearer token is not of the syntax token68"},
      {.what = "only padding",
       .authorization = {"Bearer =="},
       .expected = "the bearer token is not of the syntax token68"},
      {.what = "padding inside",
       .authorization = {"Bearer ab=c"},
       .expected = "the bearer token is not of the syntax token68"},
      {.what = "empty header",
       .authorization = {""},
       .expected = "Authorization is not of the scheme Bearer"},
      {.what = "too long",
       .authorization = {long_token},
       .expected = "Authorization header above 8 KiB"},
      {.what = "spiffe",
       .certificate = certificate({"spiffe://acme.example/finance"}),
       .expected = "finance-bot"},
      {.what = "spiffe prefix",
       .certificate = certificate({"spiffe://acme.example/finance/x"}),
       .expected = "no rule names the client certificate"},
      {.what = "dns in any case",
       .certificate = certificate({}, {"other.example", "GRID.acme.example"}),
       .expected = "grid-bot"},
      {.what = "common name", .certificate = certificate({}, {}, "old bot"), .expected = "old-bot"},
      {.what = "a DNS name is no common name",
       .certificate = certificate({}, {"old bot"}),
       .expected = "no rule names the client certificate"},
      {.what = "subject",
       .certificate = certificate({}, {}, "whole", "CN=whole,O=Acme"),
       .expected = "whole-bot"},
      {.what = "names of two agents",
       .certificate = certificate({"spiffe://acme.example/finance"}, {"grid.acme.example"}),
       .expected = "the certificate's names belong to different agents"},
      {.what = "token and certificate agree",
       .authorization = {"Bearer token-of-finance"},
       .certificate = certificate({"spiffe://acme.example/finance"}),
       .expected = "finance-bot"},
      {.what = "token and certificate differ",
       .authorization = {"Bearer token-of-support"},
       .certificate = certificate({"spiffe://acme.example/finance"}),
       .expected = "the token belongs to support-bot and the certificate to finance-bot"},
      {.what = "token and a transport-only certificate",
       .authorization = {"Bearer token-of-support"},
       .certificate = certificate({}, {"proxy.example"}),
       .expected = "support-bot"},
      {.what = "bad token and good certificate",
       .authorization = {"Bearer nope"},
       .certificate = certificate({"spiffe://acme.example/finance"}),
       .expected = "nobody has this bearer token"},
      {.what = "anonymous from afar", .expected = "no credential"},
      {.what = "anonymous on loopback", .address = "127.0.0.1", .expected = "local-dev"},
      {.what = "anonymous on a socket file", .address = "unix", .expected = "local-dev"},
      {.what = "anonymous through a proxy",
       .address = "127.0.0.1",
       .forwarded = true,
       .expected = "no credential"},
      {.what = "bad token on loopback",
       .authorization = {"Bearer nope"},
       .address = "127.0.0.1",
       .expected = "nobody has this bearer token"},
      {.what = "unknown certificate on loopback",
       .certificate = certificate({}, {"proxy.example"}),
       .address = "127.0.0.1",
       .expected = "no rule names the client certificate"},
  };
  for (const Case& one : cases) {
    const Credentials credentials{.authorization = one.authorization,
                                  .certificate = one.certificate ? &*one.certificate : nullptr,
                                  .address = one.address,
                                  .forwarded = one.forwarded};
    const auto caller = authenticator.authenticate(credentials);
    const std::string got = caller ? (*caller)->agent.value() : caller.error().detail;
    CHECK_MESSAGE(got == one.expected, one.what);
  }
}

TEST_CASE("nobody is anonymous unless the rules say so") {
  Rules rules = example();
  rules.loopback.reset();
  const Authenticator authenticator = std::move(Authenticator::make(std::move(rules))).value();
  CHECK(authenticator.authenticate({.address = "127.0.0.1"}).error().code ==
        base::Code::unauthenticated);
}

TEST_CASE("a caller is told by method and fingerprint, and no part of a token is kept") {
  const Authenticator authenticator = std::move(Authenticator::make(example())).value();
  const std::string_view header = "Bearer token-of-finance";
  const auto by_token = authenticator.authenticate({.authorization = {&header, 1}});
  CHECK((*by_token)->method == Method::token);
  CHECK((*by_token)->fingerprint ==
        crypto::to_hex(crypto::sha256("token-of-finance")).substr(0, 16));
  CHECK((*by_token)->segments == std::vector<std::string>{"finance"});
  const auto again = authenticator.authenticate({.authorization = {&header, 1}});
  CHECK(by_token->shared() == again->shared());  // one profile, not one per call
  const auto anonymous = authenticator.authenticate({.address = "::1"});
  CHECK((*anonymous)->fingerprint.empty());
  CHECK(name((*anonymous)->method) == "loopback-anonymous");
}

TEST_CASE("rules that contradict each other do not load") {
  Rules token_twice = example();
  token_twice.tokens.push_back({crypto::sha256("token-of-finance"), agent("other")});
  CHECK(Authenticator::make(std::move(token_twice)).error().detail ==
        "one token for two agents: finance-bot and other");
  Rules name_twice = example();
  name_twice.certificates.push_back({{NameKind::dns, "grid.acme.example"}, agent("other")});
  CHECK(Authenticator::make(std::move(name_twice)).error().detail ==
        "the certificate name dns:grid.acme.example for two agents: grid-bot and other");
  Rules nameless = example();
  nameless.loopback = agent("");
  CHECK(Authenticator::make(std::move(nameless)).error().detail == "an agent has no name");
}

TEST_CASE("certificate names are read strictly and written back") {
  for (const std::string_view good : {"spiffe://acme.example/a/b", "spiffe://acme.example",
                                      "dns:host.example", "cn:a b", "dn:CN=a,O=b"})
    CHECK(describe(parse_certificate_name(good).value()) == good);
  CHECK(parse_certificate_name("dns:HOST.example").value().text == "host.example");
  for (const std::string_view bad :
       {"", "host.example", "spiffe://", "spiffe:///a", "spiffe://Acme/a", "spiffe://acme/a/",
        "spiffe://acme//a", "spiffe://acme/../a", "spiffe://acme/a?b", "spiffe://acme:1/a",
        "dns:", "dns:*.example", "cn:", "dn:"})
    CHECK_MESSAGE(!parse_certificate_name(bad), bad);
}

TEST_CASE("loopback addresses are the machine's own and nothing that looks like them") {
  for (const std::string_view yes :
       {"127.0.0.1", "127.255.1.9", "::1", "::ffff:127.0.0.1", "::FFFF:127.0.0.1", "unix"})
    CHECK_MESSAGE(is_loopback(yes), yes);
  for (const std::string_view no :
       {"", "127", "127.1", "127.0.0.1.5", "127.evil.example", "0127.0.0.1", "10.0.0.1",
        "::", "::2", "::ffff:10.0.0.1", "127.0.0.256", "127.0.0.", "localhost", " 127.0.0.1"})
    CHECK_MESSAGE(!is_loopback(no), no);
}

TEST_CASE("the refusal tells a client what to do and nothing more") {
  const std::string_view header = "Bearer x";
  const Credentials with{.authorization = {&header, 1}};
  CHECK(challenge({}, {base::Code::unauthenticated, "no credential"}) == "Bearer");
  CHECK(challenge(with, {base::Code::unauthenticated, "nobody"}) ==
        R"(Bearer error="invalid_token")");
  CHECK(challenge(with, {base::Code::malformed, "syntax"}) == R"(Bearer error="invalid_request")");
}
