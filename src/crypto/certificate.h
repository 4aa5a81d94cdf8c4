// X.509 certificates: what one says, and making one for development and tests.
//
// Posture: certificates come from peers and from files and are hostile. libcrypto decodes them; we
// bound their size before and the number and length of names after, and refuse names with a NUL or
// other control character inside, which other programs would read differently. Reading proves
// nothing: whether a chain is trusted is for the TLS stack.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace latticegate::crypto {

struct Certificate {
  std::string subject;                 // RFC 2253, UTF-8: "CN=gate,O=Acme"
  std::string issuer;                  // likewise
  std::string common_name;             // the last CN of the subject, or empty
  std::string serial;                  // lower-case hexadecimal
  std::vector<std::string> dns;        // subject alternative names, in their order
  std::vector<std::string> uris;       // spiffe://... among them
  std::vector<std::string> addresses;  // "127.0.0.1", "::1"
  std::vector<std::string> emails;
  base::Time not_before;
  base::Time not_after;
  std::string sha256;      // of the DER form, hexadecimal: the fingerprint
  std::string key;         // "EC P-256", "RSA 2048", "ED25519", "ML-DSA-44", ...
  bool authority = false;  // may sign others

  // Both ends included, as RFC 5280 has it.
  bool valid_at(base::Time now) const { return not_before <= now && now <= not_after; }
  bool expired_at(base::Time now) const { return not_after < now; }
};

inline constexpr base::Bytes certificate_limit{64 * 1024};  // one certificate, PEM or DER
inline constexpr std::size_t certificate_names_limit = 256;

// The first certificate of a PEM text; what stands before and after it is not looked at.
[[nodiscard]] base::Result<Certificate> read_certificate(std::string_view pem);
// One certificate in DER, nothing after it.
[[nodiscard]] base::Result<Certificate> read_certificate_der(base::ByteView der);

// A certificate with its private key (PKCS#8), both PEM.
struct CertifiedKey {
  std::string certificate_pem;
  Secret key_pem;
};

enum class KeyKind : std::uint8_t {
  ec_p256,
  ml_dsa_87,  // FIPS 204; what CNSA 2.0 asks for
};

struct CertificateOrder {
  std::string_view common_name{};
  std::vector<std::string> dns{};
  std::vector<std::string> addresses{};
  std::vector<std::string> uris{};
  base::Time from{};
  std::chrono::seconds lifetime{};
  bool authority = false;  // a CA certificate
  KeyKind key = KeyKind::ec_p256;
  const CertifiedKey* issuer = nullptr;  // self-signed when null
};

// A new key and a certificate for it. The key comes from libcrypto's own generator.
[[nodiscard]] base::Result<CertifiedKey> make_certificate(const CertificateOrder& order);

// For a first run on one machine: self-signed, localhost, 127.0.0.1 and ::1, one year from an hour
// ago (clocks differ).
[[nodiscard]] base::Result<CertifiedKey> make_development_certificate(
    base::Time now, KeyKind key = KeyKind::ec_p256);

}  // namespace latticegate::crypto
