// What `audit verify` remembers of every log that it has judged: its keys and its latest good
// checkpoint, so that a log that is brought back to an older state, or signed anew, is found out
// even without a witness.
//
// One file per log in $XDG_STATE_HOME/latticegate/seen (else ~/.local/state): the verifier keys, an
// empty line, the checkpoint. Belongs to the user.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "base/result.h"

namespace latticegate::app {

struct Seen {
  std::vector<audit::VerifierKey> keys;
  audit::Checkpoint checkpoint;
  std::uint64_t signed_at = 0;  // POSIX seconds
};

// Where that log is remembered; nothing when there is no home folder.
std::optional<std::filesystem::path> seen_path(std::string_view origin);
// Nothing: this log was never seen. Errors: what is remembered cannot be read or does not hold.
[[nodiscard]] base::Result<std::optional<Seen>> recall(const std::filesystem::path& path);
[[nodiscard]] base::Result<void> remember(const std::filesystem::path& path,
                                          const std::vector<audit::VerifierKey>& keys,
                                          std::string_view note);

// A file of the user's own, whole or not at all.
[[nodiscard]] base::Result<void> write_whole(const std::filesystem::path& path,
                                             std::string_view text);

// Verifier keys from the command line: each the name of a file that holds some, or one itself.
[[nodiscard]] base::Result<std::vector<audit::VerifierKey>> keys_given(
    const std::vector<std::string>& words);

// "2026-11-22T14:02:11Z" of POSIX seconds.
std::string date_of(std::uint64_t seconds);

}  // namespace latticegate::app
