#include "log_reading.h"

#include <chrono>
#include <cstdio>
#include <print>
#include <system_error>
#include <thread>

#include "audit/query.h"
#include "config/files.h"
#include "store/log_index.h"

namespace latticegate::app {

using base::Result;

void add_log_options(CLI::App& command, LogChoice& choice) {
  command.add_option("-c,--config", choice.config, "The gateway's configuration file")
      ->capture_default_str();
  command.add_option("--directory", choice.directory,
                     "A log's directory, also a copy, instead of a configuration");
}

Result<ChosenLog> choose_log(const LogChoice& choice) {
  if (!choice.directory.empty())
    return ChosenLog{.directory = choice.directory, .origin = {}, .index = {}};
  auto loaded = config::load(choice.config);
  if (!loaded) return base::within("configuration", std::move(loaded).error());
  const config::Audit& audit = loaded->config->audit;
  return ChosenLog{
      .directory = audit.directory, .origin = audit.origin, .index = index_path(*loaded->config)};
}

std::filesystem::path index_path(const config::Config& config) {
  return config.state.directory / "audit-index.db";
}

namespace {

// By the index, if there is one, it helps and it can be brought up to date.
std::optional<int> each_indexed(const ChosenLog& log, const audit::Query& wanted,
                                const TakeRecord& take) {
  std::error_code error;
  if (!store::LogIndex::helps(wanted) || !std::filesystem::exists(log.index, error))
    return std::nullopt;
  auto index = store::LogIndex::open(log.index, log.directory);
  if (!index || !index->update()) return std::nullopt;
  bool ended = false;
  const auto found = index->find(wanted, [&](std::string_view leaf) {
    const auto document = json::Document::parse(leaf);
    ended = document && wanted.matches(document->root()) && !take(document->root());
    return !ended;
  });
  if (!found) {
    std::println(stderr, "latticegate: {}", base::describe(found.error()));
    return wrong;
  }
  return ended ? unknown : done;
}

}  // namespace

std::optional<audit::Entry> next_leaf(store::LogReader& reader, std::uint64_t& damaged) {
  for (;;) {
    auto entry = reader.next();
    if (entry) return *entry;
    std::println(stderr, "latticegate: {}", base::describe(entry.error()));
    ++damaged;
  }
}

int each_record(const LogChoice& choice, const std::vector<std::string>& query,
                const TakeRecord& take, bool follow) {
  const auto log = choose_log(choice);
  if (!log) return complain("audit log", log.error());
  std::string words;
  for (const std::string& word : query) words += word + " ";
  const base::SystemClock clock;
  const auto wanted = audit::Query::parse(words, clock.now());
  if (!wanted) return complain("query", wanted.error());
  if (!follow && !log->index.empty())
    if (const auto outcome = each_indexed(*log, *wanted, take)) return *outcome;
  auto reader =
      store::LogReader::open(log->directory, {.seq = {}, .since = wanted->since(), .last = {}});
  if (!reader) return complain("audit log", reader.error());
  std::uint64_t damaged = 0;
  for (;;) {
    const auto entry = next_leaf(*reader, damaged);
    if (!entry) {
      if (!follow) return damaged > 0 ? wrong : done;
      (void)std::fflush(stdout);
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      continue;
    }
    const auto document = json::Document::parse(entry->leaf);
    if (document && wanted->matches(document->root()) && !take(document->root())) return unknown;
  }
}

}  // namespace latticegate::app
