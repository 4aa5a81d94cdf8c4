// audit index: makes or refreshes the index that audit query uses.
#include <chrono>
#include <print>

#include "commands.h"
#include "config/files.h"
#include "log_reading.h"
#include "store/log_index.h"

namespace latticegate::app {
namespace {

struct Arguments {
  LogChoice log;
  std::string file;
  bool rebuild = false;
};

int index_log(const Arguments& given) {
  const auto log = choose_log(given.log);
  if (!log) return complain("audit log", log.error());
  const std::filesystem::path file =
      given.file.empty() ? log->index : std::filesystem::path(given.file);
  if (file.empty()) {
    std::println(stderr, "latticegate: --directory needs --file: where the index lies");
    return usage;
  }
  const base::SystemClock clock;
  const base::Instant start = clock.instant();
  auto index = store::LogIndex::open(file, log->directory, given.rebuild);
  if (!index) return complain("index", index.error());
  const auto taken = index->update();
  if (!taken) return complain("index", taken.error());
  const std::chrono::duration<double> took = clock.instant() - start;
  std::println(stderr, "{} records taken in, {:.0f} a second; {} in all", *taken,
               static_cast<double>(*taken) / std::max(took.count(), 1e-9), index->end());
  return done;
}

}  // namespace

void add_audit_index(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = audit.add_subcommand(
      "index", "Make or refresh the index that query uses; a running gateway does it by itself");
  add_log_options(*command, given->log);
  command->add_option("--file", given->file, "Where it lies; <state.directory>/audit-index.db");
  command->add_flag("--rebuild", given->rebuild, "From nothing");
  command->callback([&chosen, given] { chosen = [given] { return index_log(*given); }; });
}

}  // namespace latticegate::app
