// Judges a log's folder, also a copy of one, without the program that wrote it: offline, read-only,
// in memory that does not grow with the log, about 2 us a record.
//
// Every record is hashed into the tree again, and the tree is held against the signed checkpoint,
// the checkpoints that were kept, and the earlier ones that the caller knows from elsewhere
// (anchors); every tile and bundle against the records; every file against what belongs into the
// folder. What is not found this way: records behind the last checkpoint that were taken away, and
// a log that was brought back to an older state as a whole, unless there is an anchor or a witness.
//
// Posture: nothing in the folder is believed. Sizes are bounded before memory is taken; at most
// problems_limit problems are told.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "base/result.h"

namespace latticegate::store {

inline constexpr std::size_t problems_limit = 50;

// A checkpoint from outside the folder, whose signatures the caller has verified.
struct Anchor {
  std::string from;  // for people: "remembered from 2026-11-22", "node-7.checkpoint"
  audit::Checkpoint checkpoint;
};

struct VerifyOptions {
  std::filesystem::path directory{};
  // All of these must have signed, or those that they handed over to (store/rotation.h). None:
  // those in the folder itself, which proves less.
  std::vector<audit::VerifierKey> keys{};
  // Cosigners; each that signed is told.
  std::vector<audit::VerifierKey> witnesses{};
  std::vector<Anchor> anchors{};
  std::string origin{};  // that the log must have; empty: any
  bool live = false;     // somebody writes to it: what lies behind the checkpoint is not judged
};

// Something that is not as it was written.
struct Problem {
  std::string file;  // below the folder; empty: the log as a whole
  std::optional<std::uint64_t> record;
  std::string what;
};

enum class Verdict : std::uint8_t {
  verified,
  tampered,     // changed, missing, in another order, cut, rolled back, forked
  incomplete,   // nothing of that kind was found, but not everything could be checked
  unwitnessed,  // all good, but nothing outside the folder confirms it
};
std::string_view name(Verdict verdict);

struct VerifyReport {
  audit::Checkpoint head;       // of the checkpoint file
  std::string note;             // its bytes
  std::uint64_t signed_at = 0;  // POSIX seconds; 0: no key said so
  bool own_keys = false;        // the keys come from the folder itself
  std::string keys;             // the log's latest, as the given ones lead to them; one a line
  std::uint64_t records = 0;    // that were read and hashed
  std::string first_time;       // of the records
  std::string last_time;
  std::uint64_t segments = 0;  // that are good
  std::uint64_t bundles = 0;
  std::uint64_t tiles = 0;
  std::uint64_t checkpoints = 0;       // kept ones that the tree gives
  std::uint64_t pruned = 0;            // records that retention gave up; only their hashes are left
  std::uint64_t bodies = 0;            // kept ones that are as they were recorded
  std::uint64_t bodies_gone = 0;       // whose keys were destroyed, and they with them
  std::uint64_t keys_destroyed = 0;    // by erasure or retention, as the log says
  std::vector<std::string> anchors;    // that it gives
  std::vector<std::string> witnesses;  // that signed the checkpoint
  std::vector<Problem> problems;       // in the order in which they were found
  std::uint64_t more_problems = 0;     // beyond the limit
  std::vector<std::string> not_checked;  // what could not be, and why
  std::vector<std::string> remarks;

  std::uint64_t unsigned_records() const { return records > head.size ? records - head.size : 0; }
  Verdict verdict() const;
};

// Code::not_found: there is no log in that folder. Code::io: it cannot be read.
[[nodiscard]] base::Result<VerifyReport> verify_log(const VerifyOptions& options);

}  // namespace latticegate::store
