// A witness: signs a log's checkpoint when it continues the one that it signed last, and so makes
// it impossible to show two people two different logs. C2SP tlog-witness, as a function.
//
//   old <size>
//   <base64 hash>       consistency proof from there to the checkpoint, at most 63, one a line
//   <empty line>
//   <checkpoint>
//
// Pure: whoever calls keeps the last checkpoint of each log, and must look it up, call, and store
// the new one as one step that nobody else comes between, before the answer is given; else two
// requests at once can lead it back. Posture: requests are hostile. Fuzz target:
// fuzz/receipt_fuzz.cc.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/checkpoint.h"
#include "audit/tree.h"
#include "base/result.h"

namespace latticegate::audit {

inline constexpr std::size_t witness_proof_limit = 63;

struct AddCheckpoint {
  std::uint64_t old_size = 0;
  Proof proof;
  std::string note;
  bool operator==(const AddCheckpoint&) const = default;
};

[[nodiscard]] base::Result<AddCheckpoint> read_add_checkpoint(std::string_view body);
std::string write_add_checkpoint(const AddCheckpoint& request);

struct WitnessAnswer {
  // As HTTP has them: 200 signed, 400 no such request, 403 not signed by the log, 404 a log that we
  // do not know, 409 the old size is not that of the last checkpoint, 422 not a continuation of it.
  unsigned status = 200;
  std::string body;                 // 200: signature lines; 409: the size; else a sentence
  std::optional<Checkpoint> store;  // 200: what is the last one from now on
};

// `log_keys`: of the one log that is meant, all of which must have signed; its origin is theirs.
// `last`: what was signed last for it, if anything. `now`: POSIX seconds.
WitnessAnswer answer_add_checkpoint(std::string_view body, std::span<const VerifierKey> log_keys,
                                    const std::optional<Checkpoint>& last,
                                    std::span<const SignerKey> signers, std::uint64_t now);

}  // namespace latticegate::audit
