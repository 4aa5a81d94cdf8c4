// Which audit log a command means, and its records one after the other. Damaged places are told on
// standard error and passed over.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "commands.h"
#include "config/config.h"
#include "json/value.h"
#include "store/query_reader.h"

namespace latticegate::app {

// A log by its directory or by a gateway's configuration.
struct LogChoice {
  std::string config = "latticegate.yaml";
  std::string directory;
};
void add_log_options(CLI::App& command, LogChoice& choice);
struct ChosenLog {
  std::filesystem::path directory;
  std::string origin;           // that it must have; empty: any
  std::filesystem::path index;  // of its records (store/log_index.h); empty: there is none
};
[[nodiscard]] base::Result<ChosenLog> choose_log(const LogChoice& choice);

std::filesystem::path index_path(const config::Config& config);

// The next leaf, or nothing at the end for now; `damaged` counts what was passed over.
std::optional<audit::Entry> next_leaf(store::LogReader& reader, std::uint64_t& damaged);

// Gives each record that the query means to `take`, until that gives false; at the end waits for
// more if asked. Uses the log's index where there is one that helps. The exit code: usage when
// there is no such log or query, wrong when something was damaged, unknown when it was ended by
// `take`.
using TakeRecord = std::function<bool(json::Value)>;
int each_record(const LogChoice& choice, const std::vector<std::string>& query,
                const TakeRecord& take, bool follow = false);

}  // namespace latticegate::app
