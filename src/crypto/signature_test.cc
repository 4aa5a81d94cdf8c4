#include <doctest/doctest.h>

#include <array>
#include <string>

#include "crypto/hash.h"
#include "crypto/signature.h"

using namespace latticegate;
using crypto::Hedge;
using crypto::PublicKey;
using crypto::SignatureKind;
using crypto::SigningKey;

namespace {

constexpr std::array kinds{SignatureKind::ed25519, SignatureKind::ml_dsa_44};

std::string counting_seed() {
  std::string seed;
  for (char c = 0; c < 32; ++c) seed += c;
  return seed;
}

SigningKey key_of(SignatureKind kind) {
  return std::move(SigningKey::from_seed(kind, base::bytes_of(counting_seed())).value());
}

}  // namespace

TEST_CASE("what was signed verifies; anything else does not") {
  for (const SignatureKind kind : kinds) {
    CAPTURE(crypto::name(kind));
    const SigningKey key = std::move(SigningKey::make(kind).value());
    const PublicKey pub = std::move(key.public_key().value());
    CHECK(pub.bytes().size() == crypto::public_key_size(kind));
    for (const std::string& message : {std::string(), std::string("a"), std::string(5000, 'x')}) {
      const std::string signature = key.sign(message).value();
      CHECK(signature.size() == crypto::signature_size(kind));
      CHECK(pub.verify(message, signature));
      CHECK_FALSE(pub.verify(message + "!", signature));
      CHECK_FALSE(pub.verify(message, signature + "!"));
      CHECK_FALSE(pub.verify(message, signature.substr(1)));
      CHECK_FALSE(pub.verify(message, ""));
      for (std::size_t at = 0; at < signature.size(); at += 61) {
        std::string other = signature;
        other[at] = static_cast<char>(other[at] ^ 1);
        CHECK_FALSE(pub.verify(message, other));
      }
      CHECK_FALSE(key_of(kind).public_key()->verify(message, signature));
    }
  }
}

TEST_CASE("a seed makes the key of the standards") {
  // RFC 8032, section 7.1, test 1.
  const std::string seed =
      base::from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").value();
  const SigningKey key =
      std::move(SigningKey::from_seed(SignatureKind::ed25519, base::bytes_of(seed)).value());
  CHECK(base::to_hex(base::bytes_of(key.public_key()->bytes())) ==
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  CHECK(base::to_hex(base::bytes_of(key.sign("").value())) ==
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
  const SigningKey lattice = key_of(SignatureKind::ml_dsa_44);
  CHECK(crypto::to_hex(crypto::sha256(lattice.public_key()->bytes())) ==
        "9f107644c1084526af3bc8098680b05499a2325a644e388fb4f970e058d19d46");
}

TEST_CASE("without hedging a signature repeats, with it an ML-DSA signature does not") {
  for (const SignatureKind kind : kinds) {
    const SigningKey key = key_of(kind);
    CHECK(key.sign("m", Hedge::none).value() == key.sign("m", Hedge::none).value());
    CHECK((key.sign("m").value() == key.sign("m").value()) == (kind == SignatureKind::ed25519));
  }
}

TEST_CASE("a signing key survives PEM") {
  for (const SignatureKind kind : kinds) {
    const SigningKey key = key_of(kind);
    const crypto::Secret pem = std::move(key.pem().value());
    CHECK(pem.reveal().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    const SigningKey again = std::move(SigningKey::from_pem(pem.reveal()).value());
    CHECK(again.kind() == kind);
    CHECK(again.public_key()->bytes() == key.public_key()->bytes());
  }
}

TEST_CASE("keys that are none are refused") {
  for (const SignatureKind kind : kinds) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{31}, std::size_t{33}, crypto::public_key_size(kind) + 1}) {
      const std::string bytes(size, '\x01');
      CHECK(PublicKey::from_bytes(kind, base::bytes_of(bytes)).error().code == base::Code::crypto);
      CHECK(SigningKey::from_seed(kind, base::bytes_of(bytes)).error().code == base::Code::crypto);
    }
  }
  CHECK_FALSE(SigningKey::from_pem("").has_value());
  CHECK_FALSE(SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
                  .has_value());
  CHECK(SigningKey::from_pem(std::string(100'000, 'x')).error().code == base::Code::too_large);
}
