// Other keys for a log that goes on: how it says so, and how whoever has keys of one time finds
// those of another.
//
//   <log>/rotations/00000000000000004711.tlog-proof     the name is the number of the record
//
// The record log.rekeyed names the keys before and after it. Its receipt (audit/receipt.h) has a
// checkpoint that all of them signed: so whoever trusts the former keys has their word for the next
// ones, and the other way round. From that record on checkpoints are signed by the next keys, and,
// until the operator ends that, by the former ones, too.
//
// Posture of the reader: the folder is a copy from anywhere. A rotation counts only when its
// receipt holds under the keys that its record names; whether those are to be trusted is
// epochs_of()'s to say, which follows the chain from keys that the caller trusts.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/receipt.h"
#include "base/result.h"
#include "store/log_keys.h"

namespace latticegate::store {

std::filesystem::path rotations_path(const std::filesystem::path& log);
std::filesystem::path rotation_path(const std::filesystem::path& log, std::uint64_t record);

// What the record says of the keys: Record::log_signers.
std::string signers_json(const LogKeys& keys);

struct Rotation {
  std::string file;  // below the log
  std::uint64_t record = 0;
  std::string before;  // verifier keys, one a line
  std::string after;
  audit::Checkpoint checkpoint;  // of the receipt
};
// One receipt's. Code::crypto, Code::malformed: it is none.
[[nodiscard]] base::Result<Rotation> read_rotation(std::string_view receipt);

struct RotationsFound {
  std::vector<Rotation> rotations;  // in the order of their records
  struct Bad {
    std::string file;
    std::string why;
  };
  std::vector<Bad> bad;
};
[[nodiscard]] base::Result<RotationsFound> read_rotations(const std::filesystem::path& log);

// Keys that have to sign checkpoints of more than `from` records.
struct KeyEpoch {
  std::uint64_t from = 0;  // 0: from the beginning
  std::string keys;        // one a line
};
// The epochs of a log, first to last, if the keys are those of one of them and each hands over to
// the next; else one epoch, of these keys.
std::vector<KeyEpoch> epochs_of(const std::vector<Rotation>& rotations, std::string_view keys);

// Verifier keys as text, one a line.
std::string text_of(const std::vector<audit::VerifierKey>& keys);

}  // namespace latticegate::store
