// Data keys: what bodies are sealed with, one per subject, label of the data and month; each
// wrapped by a key-encryption key, as one small JSON text.
//
//   {"id":"0194f3c27d1e7a3b","kek":"5f70a1b2","label":"personal-eu","month":"2026-11",
//    "subject":"p:...","v":1,"wrapped":"<hexadecimal>"}
//
// wrapped = nonce || AES-256-GCM(kek, data key) || tag; all other members are its context, so that
// no key can be passed off as another's. Destroying that text destroys the key; a copy of it is
// worth nothing without the key-encryption key. Pure.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/random.h"
#include "crypto/secret.h"

namespace latticegate::audit {

// What a data key is for.
struct KeyPurpose {
  std::string subject;  // a pseudonym
  std::string label;    // kind of data
  std::string month;    // "2026-11", UTC
  auto operator<=>(const KeyPurpose&) const = default;
};
std::string month_of(base::Time time);

struct KeyInfo {
  std::string id;   // body_key_id_size hexadecimal digits
  std::string kek;  // id of the key that wraps it
  KeyPurpose purpose;
};

// A key-encryption key: 32 bytes.
class WrappingKey {
 public:
  // 64 hexadecimal digits.
  [[nodiscard]] static base::Result<WrappingKey> from_text(std::string_view digits);
  static WrappingKey make(crypto::Random& random);
  // The digits, for its file.
  crypto::Secret text() const;
  // Tells nothing about the key.
  const std::string& id() const [[clang::lifetimebound]] { return id_; }

 private:
  friend class DataKey;
  explicit WrappingKey(crypto::Secret bytes);
  crypto::Secret bytes_;
  std::string id_;
};

class DataKey {
 public:
  static DataKey make(KeyPurpose purpose, crypto::Random& random);
  // The JSON text.
  std::string wrap(const WrappingKey& kek, crypto::Random& random) const;
  // Code::not_found: wrapped by none of these. Code::crypto, Code::malformed: no such text.
  [[nodiscard]] static base::Result<DataKey> unwrap(std::string_view text,
                                                    std::span<const WrappingKey> keks);

  const std::string& id() const [[clang::lifetimebound]] { return id_; }
  const KeyPurpose& purpose() const [[clang::lifetimebound]] { return purpose_; }
  std::string_view bytes() const [[clang::lifetimebound]] { return bytes_.reveal(); }

 private:
  DataKey(std::string id, KeyPurpose purpose, crypto::Secret bytes)
      : id_(std::move(id)), purpose_(std::move(purpose)), bytes_(std::move(bytes)) {}
  std::string id_;
  KeyPurpose purpose_;
  crypto::Secret bytes_;
};

// What a wrapped key says of itself; nothing is proved by it.
[[nodiscard]] base::Result<KeyInfo> read_key_info(std::string_view text);

}  // namespace latticegate::audit
