// The rules of inspection that are in force: the built-in ones and those of `inspect.rules`.
//
// A directory of rules can be a bundle, which its author signs (`latticegate inspect sign`) and
// `inspect.rules_keys` asks for. rules.note in it is then a checkpoint (audit/checkpoint.h) whose
// origin is the bundle's name, whose size is its version and whose root is the SHA-256 of one line
// "<SHA-256 of the file> <length of its name> <name>" for each *.yaml, by name; the length, because
// a name may hold what looks like the next line. So a file that was changed, added or
// taken away is found, and witnesses can sign bundles like logs. Every kind of key that
// `inspect.rules_keys` holds must have signed: with both, a forger has to break Ed25519 and
// ML-DSA-44. The version of a name never goes back, not even over a restart.
//
// What Vectorscan makes of the rules is kept in the durable state (owner only), since making it is
// most of the time of a start.
//
// Blocks for the disk; for the thread that starts and reloads.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "base/log.h"
#include "base/result.h"
#include "config/config.h"
#include "gateway/memory.h"
#include "inspect/rules.h"

namespace latticegate::gateway {

inline constexpr std::string_view bundle_note = "rules.note";

// The *.yaml of a directory, by name; at most 16 MiB each.
[[nodiscard]] base::Result<std::vector<inspect::RuleFile>> read_rule_files(
    const std::filesystem::path& directory);

// What a bundle's author signs. Code::invalid: the name cannot name a key, or the version is 0.
[[nodiscard]] base::Result<audit::Checkpoint> bundle_statement(
    std::string_view name, std::uint64_t version, std::span<const inspect::RuleFile> files);

// The statement of rules.note, when each kind among the keys signed it and it is about exactly
// these files. Code::not_found: no note; Code::crypto: signatures; Code::conflict: other files.
[[nodiscard]] base::Result<audit::Checkpoint> verify_bundle(
    const std::filesystem::path& directory, std::span<const inspect::RuleFile> files,
    std::span<const audit::VerifierKey> keys);

class RulesInForce {
 public:
  RulesInForce(Memory& memory, const base::Log& log);
  // The same set as before when nothing changed. Code::forbidden: the bundle is older than one that
  // was loaded before.
  [[nodiscard]] base::Result<std::shared_ptr<const inspect::RuleSet>> load(
      const config::Inspect& options);

 private:
  // The statement of the bundle; nothing when nobody's signature is asked for.
  base::Result<std::optional<audit::Checkpoint>> bundle_of(
      const config::Inspect& options, std::span<const inspect::RuleFile> files) const;
  Memory& memory_;
  const base::Log& log_;
  std::map<std::string, std::uint64_t, std::less<>> versions_;  // the newest of each name
  std::string databases_;                                       // of the run before, until load()
  std::vector<inspect::RuleFile> files_;                        // of what load() gave last
  std::shared_ptr<const inspect::RuleSet> rules_;
};

}  // namespace latticegate::gateway
