// The two keys that a log signs its checkpoints with: ML-DSA-44 and Ed25519, both named like the
// log.
//
// They live outside the log's folder, because that folder is copied and served. Each is a PKCS#8
// PEM file for its owner only; a file that others may read is refused. Made at the first start of a
// log and never replaced by us: a log whose keys are gone is ended, not continued under others.
//
// Threads: immutable after it was opened; signs on any thread.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/checkpoint.h"
#include "base/result.h"

namespace latticegate::store {

// Whose keys: a witness's sign with the time, a log's Ed25519 key without it.
enum class KeyRole : std::uint8_t { log, witness };

class LogKeys {
 public:
  // New keys, in memory only.
  [[nodiscard]] static base::Result<LogKeys> make(std::string_view origin);
  // From 32 bytes each, for tests and vectors.
  [[nodiscard]] static base::Result<LogKeys> from_seeds(std::string_view origin,
                                                        std::string_view ml_dsa_44,
                                                        std::string_view ed25519);
  // audit-ml-dsa-44.pem and audit-ed25519.pem of that folder. Where neither exists and `may_make`
  // is set, both are made. Code::not_found: a key is missing; Code::forbidden: others may read one;
  // Code::invalid: the origin cannot name a key; Code::crypto, Code::malformed: no such key.
  [[nodiscard]] static base::Result<LogKeys> open(const std::filesystem::path& folder,
                                                  std::string_view origin, bool may_make,
                                                  KeyRole role = KeyRole::log);

  // The public halves, ML-DSA-44 first.
  [[nodiscard]] base::Result<std::vector<audit::VerifierKey>> verifiers() const;
  // The same as text, a line each: what goes into log.pub.
  std::string public_text() const;
  std::span<const audit::SignerKey> signers() const [[clang::lifetimebound]] { return keys_; }
  // The note: checkpoint and two signatures. Takes about 0.6 ms.
  [[nodiscard]] base::Result<std::string> sign(const audit::Checkpoint& checkpoint,
                                               std::uint64_t timestamp) const;

 private:
  explicit LogKeys(std::array<audit::SignerKey, 2> keys) : keys_(std::move(keys)) {}
  static base::Result<LogKeys> named(std::string_view origin,
                                     base::Result<crypto::SigningKey> ml_dsa_44,
                                     base::Result<crypto::SigningKey> ed25519,
                                     KeyRole role = KeyRole::log);
  std::array<audit::SignerKey, 2> keys_;  // ML-DSA-44, Ed25519
};

// Verifier keys from a text: one a line; empty lines and lines that begin with # are passed over.
// Code::malformed for anything else, Code::invalid when there is none.
[[nodiscard]] base::Result<std::vector<audit::VerifierKey>> read_verifier_keys(
    std::string_view text);

}  // namespace latticegate::store
