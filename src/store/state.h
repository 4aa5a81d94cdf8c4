// Small state that must survive a restart: who is killed or quarantined, which tool texts are
// pinned, what is normal.
//
// Values by name space and key in one SQLite file (WAL, synchronous=FULL: what was put is on disk
// when put() returns, a millisecond or so). For changes at human pace, never per call. Values are
// bytes; the caller gives them a format.
//
// Threads: one owner, the thread that opened it; use by another aborts. Another process (the
// command line) may have the same file open; a write waits up to five seconds for its transaction.
// Errors: Code::io, Code::unavailable (disk full, locked), Code::malformed (no or a damaged
// database), Code::unsupported (written by a newer version), Code::too_large.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::store {

inline constexpr base::Bytes state_key_limit{1024};
inline constexpr base::Bytes state_value_limit{std::uint64_t{1024} * 1024};

class State {
 public:
  // Opens the file or makes it, for its owner only.
  [[nodiscard]] static base::Result<State> open(const std::filesystem::path& path);
  State(State&&) noexcept;
  State& operator=(State&&) noexcept;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  [[nodiscard]] base::Result<std::optional<std::string>> get(std::string_view space,
                                                             std::string_view key);
  [[nodiscard]] base::Result<void> put(std::string_view space, std::string_view key,
                                       std::string_view value);
  // Fine if it is not there.
  [[nodiscard]] base::Result<void> remove(std::string_view space, std::string_view key);

  struct Entry {
    std::string key;
    std::string value;
    auto operator<=>(const Entry&) const = default;
  };
  // The entries of a name space whose keys begin with the prefix, by key.
  [[nodiscard]] base::Result<std::vector<Entry>> list(std::string_view space,
                                                      std::string_view prefix = {});

  struct Change {
    std::string_view space;
    std::string_view key;
    std::optional<std::string_view> value;  // nothing: remove
  };
  // All of them or none.
  [[nodiscard]] base::Result<void> apply(std::span<const Change> changes);

  // Grows with every change made by any process; a reader that remembers it knows whether to read
  // again. Cheap.
  [[nodiscard]] base::Result<std::int64_t> version();

 private:
  struct Database;
  explicit State(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace latticegate::store
