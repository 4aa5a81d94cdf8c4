#include "crypto/jws.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using latticegate::crypto::JwsKey;

namespace {

// Made for this test; it opens nothing.
constexpr std::string_view p256 = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKDQo/nUHoP/+WR+W
FIjPRvmyfeL//TRkqgkNDAZHpVuhRANCAASAjeC3mrV2HMiV00WeE2XLogItHnMc
JuVGhGLkjtFvKrIjFjo+vKKMMGoX3XYeLdfipaQ9+LC7S6z3x4Jdpq7F
-----END PRIVATE KEY-----
)";

}  // namespace

TEST_CASE("a token of ES256 has its two numbers side by side") {
  const auto key = JwsKey::from_pem(p256);
  REQUIRE(key.has_value());
  CHECK(key->algorithm() == "ES256");
  const auto token = key->sign(R"({"iss":"a"})");
  REQUIRE(token.has_value());
  CHECK(token->starts_with("eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhIn0."));
  CHECK(std::ranges::count(*token, '.') == 2);
  CHECK(token->size() - token->rfind('.') - 1 == 86);  // 64 bytes
  CHECK(key->sign(R"({"iss":"a"})") != *token);
}

TEST_CASE("what is no usable key") {
  for (const std::string_view text :
       {std::string_view(""), std::string_view("-----BEGIN PRIVATE KEY-----"), p256.substr(0, 80)})
    CHECK(!JwsKey::from_pem(text).has_value());
  CHECK(!JwsKey::from_pem(std::string(100'000, 'x')).has_value());
}
