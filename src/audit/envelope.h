// The envelope of a body: compressed, then sealed, kept beside the log and not in it.
//
//   envelope = 01 nonce[12] ciphertext tag[16]       AES-256-GCM; context: "latticegate-body-1\n"
//   key id sealed   = salt[32] zstd-frame                   the frame says how long the body is
//
// The record has the hash of the envelope, the id of the key, and a commitment to the body,
// SHA-256(salt || body). Without the key nobody learns or guesses the body, from the commitment
// neither; with it, anybody can check that this is the body that was recorded. So a key that is
// destroyed takes the body with it, and the log and all its proofs stay as they are.
//
// Pure; one EnvelopeWriter per thread. About 15 us for 2 KiB. Posture: envelopes come from disks
// and backups. Limit: body_limit.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/random.h"

struct ZSTD_CCtx_s;

namespace latticegate::audit {

inline constexpr base::Bytes body_limit{std::uint64_t{16} * 1024 * 1024};
inline constexpr std::size_t body_key_id_size = 16;  // characters

// What the record says about a body that is kept.
struct BodyReference {
  crypto::Digest commit{};
  crypto::Digest ct_sha256{};
  std::string_view key{};  // body_key_id_size characters
};

class EnvelopeWriter {
 public:
  EnvelopeWriter();
  EnvelopeWriter(const EnvelopeWriter&) = delete;
  EnvelopeWriter& operator=(const EnvelopeWriter&) = delete;
  ~EnvelopeWriter();

  // Appends the envelope. The body is at most body_limit long, the key 32 bytes.
  BodyReference write(std::string_view body, std::string_view key, std::string_view key_id,
                      crypto::Random& random, std::string& out);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::string plain_;
};

// The body, if the envelope is the one that the record means and the key is its key. Code::crypto
// otherwise, Code::malformed when what was sealed is no body.
[[nodiscard]] base::Result<std::string> open_envelope(std::string_view envelope,
                                                      const BodyReference& wanted,
                                                      std::string_view key);

}  // namespace latticegate::audit
