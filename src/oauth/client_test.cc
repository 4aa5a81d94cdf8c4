#include "oauth/client.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <vector>

#include "base/bytes.h"

using namespace latticegate;
using base::Code;
using oauth::Scopes;

namespace {

constexpr std::string_view server = "https://crm.example/team/mcp";

std::string issuer_text(std::string_view more = "") {
  return std::format(
      R"({{"issuer":"https://as.example","authorization_endpoint":"https://as.example/authorize","token_endpoint":"https://as.example/token"{}}})",
      more);
}

oauth::Issuer issuer(std::string_view more = "") {
  auto read = oauth::read_issuer(issuer_text(more), "https://as.example", server);
  REQUIRE(read.has_value());
  return *std::move(read);
}

}  // namespace

TEST_CASE("what a refusal asks for") {
  struct Row {
    std::string_view header;
    std::string_view error;
    std::string_view scopes;
    std::string_view metadata;
  };
  constexpr Row rows[] = {
      {"", "", "", ""},
      {"Basic realm=\"x\"", "", "", ""},
      {"Bearer", "", "", ""},
      {R"(Bearer error="insufficient_scope", scope="b a a", resource_metadata="https://x/m")",
       "insufficient_scope", "a b", "https://x/m"},
      {R"(bearer scope=one,error=invalid_token)", "invalid_token", "one", ""},
      {R"(Basic realm="Bearer of news", Bearer scope="s")", "", "s", ""},
      {R"(Bearer scope="s", Basic realm="r")", "", "s", ""},
      {R"(Bearer error="a\"b")", "a\"b", "", ""},
      {R"(Bearer scope="never closed)", "", "closed never", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.header);
    const oauth::Challenge challenge = oauth::parse_challenge(row.header);
    CHECK(challenge.error == row.error);
    CHECK(oauth::text_of(challenge.scopes) == row.scopes);
    CHECK(challenge.metadata == row.metadata);
  }
}

TEST_CASE("plain http is asked on this machine only, for a server that is there") {
  CHECK(oauth::may_ask("https://as.example/x", server));
  CHECK(oauth::may_ask("http://localhost:1/x", "http://127.0.0.1:2/mcp"));
  for (const char* url : {"http://as.example/x", "http://127.0.0.1/x", "file:///etc/passwd",
                          "ftp://a/b", "", "https://", "https://user@as.example/",
                          "http://localhost@as.example/", "http://localhost.evil.example/"})
    CHECK_MESSAGE(!oauth::may_ask(url, server), url);
  CHECK(!oauth::may_ask("http://localhost.evil.example/", "http://localhost/mcp"));
}

TEST_CASE("where metadata is looked for, in the order of the specification") {
  CHECK(oauth::resource_urls(server, {.error = {}, .scopes = {}, .metadata = "https://m/1"}) ==
        std::vector<std::string>{
            "https://m/1", "https://crm.example/.well-known/oauth-protected-resource/team/mcp",
            "https://crm.example/.well-known/oauth-protected-resource"});
  CHECK(oauth::resource_urls("https://crm.example/", {}) ==
        std::vector<std::string>{"https://crm.example/.well-known/oauth-protected-resource"});
  CHECK(oauth::issuer_urls("https://as.example/t1") ==
        std::vector<std::string>{"https://as.example/.well-known/oauth-authorization-server/t1",
                                 "https://as.example/.well-known/openid-configuration/t1",
                                 "https://as.example/t1/.well-known/openid-configuration"});
  CHECK(oauth::issuer_urls("https://as.example").size() == 2);
  CHECK(oauth::issuer_urls("as.example").empty());
}

TEST_CASE("only metadata of the server that was dialled counts") {
  const auto read = [](std::string_view resource) {
    return oauth::read_resource(
        std::format(R"({{"resource":"{}","authorization_servers":["https://as.example"]}})",
                    resource),
        server);
  };
  for (const char* good :
       {"https://crm.example/team/mcp", "https://crm.example/team/mcp/", "https://crm.example/team",
        "https://crm.example", "https://crm.example/"})
    CHECK_MESSAGE(read(good).has_value(), good);
  for (const char* bad :
       {"https://evil.example/team/mcp", "https://crm.example/tea", "https://crm.example/other",
        "http://crm.example/team/mcp", "https://crm.example:444/team/mcp", "", "crm"})
    CHECK_MESSAGE(!read(bad).has_value(), bad);
  CHECK(!oauth::read_resource(R"({"resource":"https://crm.example"})", server).has_value());
  CHECK(!oauth::read_resource("[]", server).has_value());
}

TEST_CASE("an issuer's document is its own and names safe endpoints") {
  CHECK(!oauth::read_issuer(issuer_text(), "https://as.example/", server).has_value());
  CHECK(!oauth::read_issuer(issuer_text(), "https://AS.example", server).has_value());
  CHECK(!oauth::read_issuer(R"({"issuer":"https://as.example"})", "https://as.example", server)
             .has_value());
  CHECK(!oauth::read_issuer(issuer_text(R"(,"revocation_endpoint":"http://10.0.0.1/r")"),
                            "https://as.example", server)
             .has_value());
  CHECK(issuer(R"(,"revocation_endpoint":"https://as.example/r")").revocation_endpoint ==
        "https://as.example/r");
  CHECK(!oauth::read_issuer(issuer_text(R"(,"registration_endpoint":"http://10.0.0.1/r")"),
                            "https://as.example", server)
             .has_value());
  CHECK(issuer(R"(,"code_challenge_methods_supported":["plain","S256"])").s256);
  CHECK(!issuer().s256);
}

TEST_CASE("scopes: what is demanded, else what is published, and what was held") {
  const oauth::Issuer offline = issuer(R"(,"scopes_supported":["offline_access","x"])");
  const oauth::Resource published{.resource = {}, .issuers = {}, .scopes = Scopes{"p"}};
  const oauth::Resource silent{};
  const oauth::Challenge demands{.error = {}, .scopes = {"d"}, .metadata = {}};
  const auto text = [](const Scopes& scopes) { return oauth::text_of(scopes); };
  CHECK(text(oauth::wanted_scopes(demands, published, issuer(), {}, true)) == "d");
  CHECK(text(oauth::wanted_scopes({}, published, issuer(), {}, true)) == "p");
  CHECK(text(oauth::wanted_scopes({}, silent, issuer(), {}, true)).empty());
  CHECK(text(oauth::wanted_scopes(demands, published, issuer(), {"h"}, true)) == "d h");
  CHECK(text(oauth::wanted_scopes(demands, published, offline, {}, true)) == "d offline_access");
  CHECK(text(oauth::wanted_scopes(demands, published, offline, {}, false)) == "d");
}

TEST_CASE("an answer of another issuer or with another state is not believed") {
  const oauth::Issuer named = issuer(R"(,"authorization_response_iss_parameter_supported":true)");
  const oauth::Issuer unnamed = issuer();
  const auto read = [](std::string_view location, const oauth::Issuer& of) {
    return oauth::read_redirect(location, "http://127.0.0.1/callback", "st", of);
  };
  const std::string base = "http://127.0.0.1/callback?code=c%2B1&state=st";
  CHECK(read(base, unnamed) == "c+1");
  CHECK(read(base + "&iss=https%3A%2F%2Fas.example", named) == "c+1");
  CHECK(read(base + "&iss=https%3A%2F%2Fas.example", unnamed) == "c+1");
  for (const char* bad :
       {"&iss=https%3A%2F%2Fas.example%2F", "&iss=https%3A%2F%2Fevil.example", "&iss="})
    for (const oauth::Issuer& of : {named, unnamed}) CHECK_MESSAGE(!read(base + bad, of), bad);
  CHECK(!read(base, named).has_value());
  CHECK(!read("http://127.0.0.1/callback?code=c", unnamed).has_value());
  CHECK(!read("http://127.0.0.1/callback?code=c&state=other", unnamed).has_value());
  CHECK(!read("http://127.0.0.1/callback?state=st", unnamed).has_value());
  CHECK(!read("https://login.example/?state=st&code=c", unnamed).has_value());
  CHECK(!read("http://127.0.0.1/callback?code=%zz&state=st", unnamed).has_value());
  const auto refused = read("http://127.0.0.1/callback?error=access_denied&state=st", unnamed);
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == Code::forbidden);
}

TEST_CASE("how the client says who it is") {
  const oauth::Registration secret{.id = "a b", .secret = "s:&", .authentication = {}};
  const oauth::Registration open{.id = "a", .secret = {}, .authentication = {}};
  CHECK(oauth::authentication_for(issuer(), secret, false) == "client_secret_basic");
  CHECK(oauth::authentication_for(
            issuer(R"(,"token_endpoint_auth_methods_supported":["client_secret_post"])"), secret,
            false) == "client_secret_post");
  CHECK(oauth::authentication_for(issuer(), open, false) == "none");
  CHECK(oauth::authentication_for(issuer(), open, true) == "private_key_jwt");
  CHECK(base::from_base64(oauth::basic_authorization(secret).substr(6)) == "a%20b:s%3A%26");
  // RFC 7636, appendix B.
  CHECK(oauth::make_proof("0123456789abcdef0123456789abcdef").verifier.size() == 43);
  CHECK(oauth::form({{"a", "x y&"}, {"b", ""}, {"c", "d"}}) == "a=x%20y%26&c=d");
  CHECK(oauth::with_parameters("https://x/?q=1", {{"a", "b"}}) == "https://x/?q=1&a=b");
}

TEST_CASE("a token is a bearer token that fits a header") {
  const auto token = oauth::read_token(
      R"({"access_token":"t","token_type":"bearer","expires_in":60,"scope":"a b"})");
  REQUIRE(token.has_value());
  CHECK(token->seconds == 60);
  CHECK(token->scopes == Scopes{"a", "b"});
  for (const char* bad : {R"({"access_token":"t","token_type":"DPoP"})",
                          R"({"access_token":"","token_type":"Bearer"})",
                          R"({"access_token":"a\r\nX: y","token_type":"Bearer"})",
                          R"({"token_type":"Bearer"})", "{}", "null"})
    CHECK_MESSAGE(!oauth::read_token(bad).has_value(), bad);
}
