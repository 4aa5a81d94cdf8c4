// An index over a log's records, for questions that few records answer: one SQLite file, made from
// the segments and again whenever it is missing, damaged or of another log. Nothing is proved by
// it: what it finds is read from the segments.
//
// It lags behind the log as far as nobody calls update(). Several processes may have it open; one
// at a time updates it. About 5 us and 80 bytes a record. Errors: Code::io, Code::unavailable.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "audit/query.h"
#include "base/result.h"

namespace latticegate::store {

class LogIndex {
 public:
  // Opens or makes it; `rebuild`: from nothing in any case.
  [[nodiscard]] static base::Result<LogIndex> open(const std::filesystem::path& file,
                                                   const std::filesystem::path& log,
                                                   bool rebuild = false);
  LogIndex(LogIndex&&) noexcept;
  LogIndex& operator=(LogIndex&&) noexcept;
  LogIndex(const LogIndex&) = delete;
  LogIndex& operator=(const LogIndex&) = delete;
  ~LogIndex();

  // Takes in what the log has more, at most so many records; gives how many.
  [[nodiscard]] base::Result<std::uint64_t> update(std::uint64_t most = UINT64_MAX);
  // The records before this one are in it.
  std::uint64_t end() const;

  // Whether the query is one that it answers better than the segments.
  static bool helps(const audit::Query& query);
  // Gives the leaves of candidates to `take` in the order of the log, until that gives false: all
  // records before end() that match the query are among them.
  [[nodiscard]] base::Result<void> find(const audit::Query& query,
                                        const std::function<bool(std::string_view leaf)>& take);

 private:
  struct Batch;
  struct Database;
  explicit LogIndex(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace latticegate::store
