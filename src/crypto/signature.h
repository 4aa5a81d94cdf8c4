// Signatures: Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204, empty context, no pre-hash), signing and
// verifying whole messages.
//
// Keys are immutable after they were made; one key may sign or verify on several threads at once.
// ML-DSA-44 signs in about 0.6 ms and verifies in 0.1 ms, Ed25519 in 0.04 and 0.1 ms: neither
// belongs on the path of a call.
//
// Posture: public keys and signatures come from files and peers and are hostile; their lengths are
// checked before libcrypto sees them. A signature that does not verify is an answer (false), not an
// error.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

struct evp_pkey_st;

namespace latticegate::crypto {

enum class SignatureKind : std::uint8_t { ed25519, ml_dsa_44 };
// As libcrypto and the standards call it: "ED25519", "ML-DSA-44".
std::string_view name(SignatureKind kind);

std::size_t public_key_size(SignatureKind kind);      // bytes: 32 or 1,312
std::size_t signature_size(SignatureKind kind);       // bytes: 64 or 2,420
inline constexpr std::size_t signing_seed_size = 32;  // bytes, of both kinds
inline constexpr base::Bytes signing_pem_limit{16 * 1024};

// Owner of one libcrypto key.
struct FreeKey {
  void operator()(evp_pkey_st* key) const;
};
using KeyHandle = std::unique_ptr<evp_pkey_st, FreeKey>;

class PublicKey {
 public:
  // The raw form; Code::crypto when it has another length or is no key of that kind.
  [[nodiscard]] static base::Result<PublicKey> from_bytes(SignatureKind kind, base::ByteView bytes);

  SignatureKind kind() const { return kind_; }
  std::string_view bytes() const [[clang::lifetimebound]] { return bytes_; }
  bool verify(std::string_view message, std::string_view signature) const;

 private:
  PublicKey(SignatureKind kind, KeyHandle key, std::string bytes)
      : kind_(kind), key_(std::move(key)), bytes_(std::move(bytes)) {}
  SignatureKind kind_;
  KeyHandle key_;
  std::string bytes_;
};

// What goes into an ML-DSA signature besides key and message. Ed25519 knows only the second form.
enum class Hedge : std::uint8_t {
  random,  // fresh randomness: withstands faults and side channels better
  none,    // the same bytes every time, for test vectors
};

class SigningKey {
 public:
  // A new key from libcrypto's generator.
  [[nodiscard]] static base::Result<SigningKey> make(SignatureKind kind);
  // The 32 bytes that RFC 8032 and FIPS 204 expand; Code::crypto for another length.
  [[nodiscard]] static base::Result<SigningKey> from_seed(SignatureKind kind, base::ByteView seed);
  // PKCS#8 without a passphrase, of one of the two kinds.
  [[nodiscard]] static base::Result<SigningKey> from_pem(std::string_view pem);

  SignatureKind kind() const { return kind_; }
  [[nodiscard]] base::Result<Secret> pem() const;
  [[nodiscard]] base::Result<PublicKey> public_key() const;
  // Fails only when libcrypto does (no memory, no randomness).
  [[nodiscard]] base::Result<std::string> sign(std::string_view message,
                                               Hedge hedge = Hedge::random) const;

 private:
  SigningKey(SignatureKind kind, KeyHandle key) : kind_(kind), key_(std::move(key)) {}
  SignatureKind kind_;
  KeyHandle key_;
};

}  // namespace latticegate::crypto
