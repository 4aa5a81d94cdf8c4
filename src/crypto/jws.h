// Signatures in the form of JSON Web Signatures (RFC 7515, 7518): what a client of OAuth proves its
// key with (RFC 7523). ES256 (P-256) and RS256 (2,048 bits and more); the key says which.
//
// A key is immutable; several threads may sign at once. Signing takes 30 us (ES256) to 1 ms.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/signature.h"

namespace latticegate::crypto {

class JwsKey {
 public:
  // PKCS#8 or SEC1 without a passphrase; Code::crypto for another kind of key.
  [[nodiscard]] static base::Result<JwsKey> from_pem(std::string_view pem);
  std::string_view algorithm() const { return elliptic_ ? "ES256" : "RS256"; }
  // The compact form of a token: header, payload (JSON texts) and signature, base64url.
  [[nodiscard]] base::Result<std::string> sign(std::string_view payload) const;

 private:
  JwsKey(KeyHandle key, bool elliptic) : key_(std::move(key)), elliptic_(elliptic) {}
  KeyHandle key_;
  bool elliptic_;
};

}  // namespace latticegate::crypto
