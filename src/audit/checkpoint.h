// Checkpoints: which log, how many leaves, which root, signed. C2SP tlog-checkpoint and
// tlog-cosignature; docs/formats/checkpoint.md draws the bytes.
//
// Pure: time comes in as POSIX seconds, keys as values. Signing costs 0.6 ms with ML-DSA-44.
//
// Posture: checkpoints and verifier keys come from files and peers and are hostile. Extension lines
// are refused, because the ML-DSA-44 signature does not cover them. A line of an unknown key says
// nothing and is passed over; a line of a known key that does not verify condemns the whole note.
// That a log is signed does not mean that it only grew: see verify_consistency() in tree.h. Fuzz
// target: fuzz/note_fuzz.cc.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note.h"
#include "audit/tree.h"
#include "base/result.h"
#include "crypto/signature.h"

namespace latticegate::audit {

struct Checkpoint {
  std::string origin;      // of the log; a key name, and usually that of its keys
  std::uint64_t size = 0;  // leaves
  Digest root{};
  bool operator==(const Checkpoint&) const = default;
};

// The three lines.
std::string write_checkpoint(const Checkpoint& checkpoint);
// Exactly those. Code::invalid for a tree without leaves whose root is not that of one.
[[nodiscard]] base::Result<Checkpoint> read_checkpoint(std::string_view text);

inline constexpr std::uint64_t timestamp_limit = (std::uint64_t{1} << 63U) - 1;

// What a key of each type signs. The timestamp counts POSIX seconds, to timestamp_limit; a plain
// Ed25519 signature has none.
std::string signed_message(NoteKeyType type, std::string_view key_name,
                           const Checkpoint& checkpoint, std::uint64_t timestamp);

// A public key with its name: what a reader of checkpoints trusts.
class VerifierKey {
 public:
  // "<name>+<key id, hexadecimal>+<base64 of type and public key>".
  [[nodiscard]] static base::Result<VerifierKey> from_text(std::string_view text);
  std::string text() const;

  const std::string& name() const [[clang::lifetimebound]] { return name_; }
  std::uint32_t id() const { return id_; }
  NoteKeyType type() const { return type_; }
  bool signed_line(const NoteSignature& signature) const {
    return signature.key_id == id_ && signature.name == name_;
  }
  // The timestamp that the signature carries (0 for plain Ed25519); Code::crypto when it is not
  // this key's signature of that checkpoint.
  [[nodiscard]] base::Result<std::uint64_t> verify(const Checkpoint& checkpoint,
                                                   const NoteSignature& signature) const;

 private:
  friend class SignerKey;
  VerifierKey(std::string name, NoteKeyType type, crypto::PublicKey key);
  std::string name_;
  NoteKeyType type_;
  crypto::PublicKey key_;
  std::uint32_t id_;
};

// A private key with its name: what a log or a witness signs with.
class SignerKey {
 public:
  // Code::invalid when the name is none, or the key is not of that type.
  [[nodiscard]] static base::Result<SignerKey> make(std::string_view name, NoteKeyType type,
                                                    crypto::SigningKey key);
  const VerifierKey& verifier() const [[clang::lifetimebound]] { return verifier_; }
  // The timestamp is in POSIX seconds; 0 says nothing about what else was signed. Plain Ed25519
  // does not use it.
  [[nodiscard]] base::Result<NoteSignature> sign(const Checkpoint& checkpoint,
                                                 std::uint64_t timestamp,
                                                 crypto::Hedge hedge = crypto::Hedge::random) const;

 private:
  SignerKey(VerifierKey verifier, crypto::SigningKey key)
      : verifier_(std::move(verifier)), key_(std::move(key)) {}
  VerifierKey verifier_;
  crypto::SigningKey key_;
};

struct Endorsement {
  std::size_t key = 0;          // which of the known keys
  std::uint64_t timestamp = 0;  // POSIX seconds, or 0
};

struct SignedCheckpoint {
  Checkpoint checkpoint;
  std::vector<Endorsement> endorsements;  // at least one, in the order of the lines
  bool endorsed_by(std::size_t key) const;
};

// Reads a note and verifies each line of a known key. Code::crypto: a line of a known key is wrong,
// or no known key signed. Whoever wants two signatures (both kinds) asks endorsed_by() for each.
// Code::invalid: the origin is another (an empty one stands for any), or two of the known keys
// answer to one name and id.
[[nodiscard]] base::Result<SignedCheckpoint> open_checkpoint(std::string_view note,
                                                             std::span<const VerifierKey> known,
                                                             std::string_view origin = {});

}  // namespace latticegate::audit
