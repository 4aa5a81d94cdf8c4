// What a log gives up, and how: records by whole segments, bodies by their keys.
//
// The decision and the deed are apart, because a record has to be durable between them: what is to
// be given up is a value that says which; carry it out only after the log says so. Interrupted in
// between, the same is decided again. The tree's hashes stay, so that every other record is proved
// as before.
//
// Threads: any, beside a journal that writes; the last segment is never given up.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/body_keys.h"
#include "store/file.h"

namespace latticegate::store {

// Segments before one of them.
struct Prune {
  std::uint64_t segment = 0;  // the first that is left
  std::uint64_t minimum = 0;  // its first record
  std::uint64_t records = 0;  // that are given up now
};
// The segments whose records are all older than that; nothing if there are none, or only such as no
// checkpoint covers yet.
[[nodiscard]] base::Result<std::optional<Prune>> prunable(const std::filesystem::path& log,
                                                          std::chrono::seconds age, base::Time now);
// Removes their segments, bundles and bodies. Fine when some are gone already.
[[nodiscard]] base::Result<void> prune(const std::filesystem::path& log, const Prune& what,
                                       Files& files);

// How long bodies are kept after the end of their month.
struct BodyRetention {
  std::optional<std::chrono::seconds> bodies{};
  std::map<std::string, std::chrono::seconds, std::less<>> labels{};
};
std::vector<audit::KeyInfo> expired(std::vector<audit::KeyInfo> keys, const BodyRetention& after,
                                    base::Time now);

// The keys that records say were destroyed come in pieces that fit one record each.
inline constexpr std::size_t keys_in_record = 100;

}  // namespace latticegate::store
