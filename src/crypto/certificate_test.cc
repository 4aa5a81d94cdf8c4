#include <doctest/doctest.h>

#include <string>

#include "crypto/certificate.h"

using namespace latticegate;
using namespace std::chrono_literals;

namespace {
constexpr base::Time now{std::chrono::seconds(1'800'000'000)};
}

TEST_CASE("the development certificate says what a first run needs") {
  const auto made = crypto::make_development_certificate(now);
  REQUIRE(made.has_value());
  CHECK(made->key_pem.reveal().starts_with("-----BEGIN PRIVATE KEY-----"));
  const auto read = crypto::read_certificate("some words before\n" + made->certificate_pem);
  REQUIRE(read.has_value());
  CHECK(read->subject == "CN=latticegate development");
  CHECK(read->issuer == read->subject);
  CHECK(read->common_name == "latticegate development");
  CHECK(read->dns == std::vector<std::string>{"localhost"});
  CHECK(read->addresses == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(read->uris.empty());
  CHECK(read->key == "EC P-256");
  CHECK(read->sha256.size() == 64);
  CHECK(read->serial.size() == 32);
  CHECK_FALSE(read->authority);
  CHECK(read->valid_at(now));
  CHECK(read->not_after == now - 1h + std::chrono::days(365));
  CHECK_FALSE(read->expired_at(read->not_after));
  CHECK(read->expired_at(read->not_after + 1s));
  CHECK_FALSE(read->valid_at(read->not_before - 1s));
  CHECK_FALSE(read->expired_at(read->not_before - 1s));
}

TEST_CASE("the development certificate of CNSA 2.0 has an ML-DSA-87 key") {
  const auto made = crypto::make_development_certificate(now, crypto::KeyKind::ml_dsa_87);
  REQUIRE(made.has_value());
  const auto read = crypto::read_certificate(made->certificate_pem);
  REQUIRE(read.has_value());
  CHECK(read->key == "ML-DSA-87");
  CHECK(read->dns == std::vector<std::string>{"localhost"});
}

TEST_CASE("an authority signs a workload's certificate with a SPIFFE name") {
  const auto authority = crypto::make_certificate(
      {.common_name = "test authority", .from = now, .lifetime = 24h, .authority = true});
  REQUIRE(authority.has_value());
  const auto leaf = crypto::make_certificate({.common_name = "workload",
                                              .uris = {"spiffe://example.org/agents/finance"},
                                              .from = now,
                                              .lifetime = 1h,
                                              .issuer = &*authority});
  REQUIRE(leaf.has_value());
  CHECK(crypto::read_certificate(authority->certificate_pem)->authority);
  const auto read = crypto::read_certificate(leaf->certificate_pem);
  REQUIRE(read.has_value());
  CHECK(read->issuer == "CN=test authority");
  CHECK(read->uris == std::vector<std::string>{"spiffe://example.org/agents/finance"});
  CHECK_FALSE(read->authority);
}

TEST_CASE("IPv6 addresses are written in their short form") {
  for (const std::string address :
       {"::", "::1", "2001:db8::1", "2001:db8:0:1:1:1:1:1", "1:0:0:2::3", "fe80::", "::ffff:0:0"}) {
    const auto made = crypto::make_certificate(
        {.common_name = "x", .addresses = {address}, .from = now, .lifetime = 1h});
    REQUIRE(made.has_value());
    CHECK(crypto::read_certificate(made->certificate_pem)->addresses.at(0) == address);
  }
}

TEST_CASE("what is no certificate, or not a clean one, is refused") {
  const auto made = crypto::make_development_certificate(now);
  REQUIRE(made.has_value());
  const std::string& pem = made->certificate_pem;
  CHECK_FALSE(crypto::read_certificate("").has_value());
  CHECK_FALSE(crypto::read_certificate("hello").has_value());
  CHECK_FALSE(crypto::read_certificate(pem.substr(0, pem.size() / 2)).has_value());
  CHECK_FALSE(crypto::read_certificate(made->key_pem.reveal()).has_value());
  std::string broken = pem;
  broken[60] = broken[60] == 'A' ? 'B' : 'A';
  const auto refused = crypto::read_certificate(broken);
  if (!refused) CHECK(refused.error().code == base::Code::malformed);
  const auto large = crypto::read_certificate(
      "-----BEGIN CERTIFICATE-----\n" + std::string(70'000, 'A') + "\n-----END CERTIFICATE-----\n");
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error().code == base::Code::too_large);
  CHECK_FALSE(crypto::read_certificate_der({}).has_value());
  CHECK_FALSE(crypto::make_certificate(
                  {.common_name = "x", .dns = {"a,DNS:evil"}, .from = now, .lifetime = 1h})
                  .has_value());
  CHECK_FALSE(
      crypto::make_certificate(
          {.common_name = "x", .addresses = {"not an address"}, .from = now, .lifetime = 1h})
          .has_value());
}
