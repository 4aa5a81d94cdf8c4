// The two keys that a log signs its checkpoints with: ML-DSA-44 and Ed25519, both named like the
// log. While they are exchanged for others there are four: the former and the next ones, all of
// which sign.
//
// They live outside the log's folder, because that folder is copied and served. Each is a PKCS#8
// PEM file for its owner only; a file that others may read is refused. Made at the first start of a
// log: a log whose keys are gone is ended, not continued under others. How a log gets other keys:
// store/rotation.h.
//
// Threads: immutable after it was opened; signs on any thread.
#pragma once
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
  // With the next ones (audit-ml-dsa-44.next.pem, ...), if there are any.
  [[nodiscard]] static base::Result<LogKeys> open(const std::filesystem::path& folder,
                                                  std::string_view origin, bool may_make,
                                                  KeyRole role = KeyRole::log);
  // Makes the next ones beside those that are there. Code::conflict: there are some already.
  [[nodiscard]] static base::Result<void> make_next(const std::filesystem::path& folder);
  // Destroys the former ones; the next ones take their place. Code::not_found: there are none. Cut
  // short, it is completed by the next open().
  [[nodiscard]] static base::Result<void> drop_former(const std::filesystem::path& folder);

  // Both of the former and of the next ones; `next` signs together with these keys.
  [[nodiscard]] static LogKeys joined(LogKeys former, LogKeys next);

  // Whether there are next keys beside the former ones.
  bool changing() const { return keys_.size() > 2; }
  // The public halves of all, ML-DSA-44 first, the former ones before the next.
  [[nodiscard]] base::Result<std::vector<audit::VerifierKey>> verifiers() const;
  // Those of the latest as text, a line each: what goes into log.pub.
  std::string public_text() const;
  // Those before them; empty when there are none.
  std::string former_text() const;
  std::span<const audit::SignerKey> signers() const [[clang::lifetimebound]] { return keys_; }
  // The note: checkpoint and signatures of all. Takes about 0.6 ms.
  [[nodiscard]] base::Result<std::string> sign(const audit::Checkpoint& checkpoint,
                                               std::uint64_t timestamp) const;

 private:
  explicit LogKeys(std::vector<audit::SignerKey> keys) : keys_(std::move(keys)) {}
  static base::Result<LogKeys> named(std::string_view origin,
                                     base::Result<crypto::SigningKey> ml_dsa_44,
                                     base::Result<crypto::SigningKey> ed25519,
                                     KeyRole role = KeyRole::log);
  std::string text_of(std::size_t first) const;
  std::vector<audit::SignerKey> keys_;  // ML-DSA-44, Ed25519; and those of the next
};

// Verifier keys from a text: one a line; empty lines and lines that begin with # are passed over.
// Code::malformed for anything else, Code::invalid when there is none.
[[nodiscard]] base::Result<std::vector<audit::VerifierKey>> read_verifier_keys(
    std::string_view text);

}  // namespace latticegate::store
