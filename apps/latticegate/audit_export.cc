// audit export: records in the forms of other programs. audit stats: what is in a log, counted.
#include <algorithm>
#include <cstdio>
#include <map>
#include <print>
#include <set>

#include "audit/export.h"
#include "base/log.h"
#include "commands.h"
#include "json/write.h"
#include "log_reading.h"
#include "store/packer.h"

namespace latticegate::app {
namespace {

struct Arguments {
  LogChoice log;
  std::vector<std::string> words;
  std::string format = "jsonl";
  std::string output = "text";
  std::uint64_t top = 5;
};

audit::ExportForm form_of(std::string_view name) {
  if (name == "csv") return audit::ExportForm::csv;
  if (name == "ocsf") return audit::ExportForm::ocsf;
  if (name == "cef") return audit::ExportForm::cef;
  return audit::ExportForm::jsonl;
}

int export_records(const Arguments& given) {
  const audit::ExportForm form = form_of(given.format);
  std::string out = audit::export_head(form);
  std::uint64_t count = 0;
  const auto flush = [&] {
    const bool good = std::fwrite(out.data(), 1, out.size(), stdout) == out.size();
    out.clear();
    return good;
  };
  const int outcome = each_record(given.log, given.words, [&](json::Value record) {
    audit::export_record(form, record, "0.1.0", out);
    ++count;
    return out.size() < 65'536 || flush();
  });
  if (outcome == usage) return outcome;
  if (!flush() || std::fflush(stdout) != 0) {
    std::println(stderr, "latticegate: cannot write");
    return unknown;
  }
  std::println(stderr, "{} records", count);
  return outcome;
}

// Counts by name, in bounded memory.
class Counts {
 public:
  void add(std::string_view name, std::uint64_t by = 1) {
    if (name.empty()) return;
    const auto found = counts_.find(name);
    if (found != counts_.end())
      found->second += by;
    else if (counts_.size() < 10'000)
      counts_.emplace(name, by);
    else
      others_ += by;
  }
  // The largest first.
  std::vector<std::pair<std::string, std::uint64_t>> top(std::uint64_t most) const {
    std::vector<std::pair<std::string, std::uint64_t>> all(counts_.begin(), counts_.end());
    if (others_ > 0) all.emplace_back("(others)", others_);
    std::ranges::stable_sort(all, std::greater(), &std::pair<std::string, std::uint64_t>::second);
    if (all.size() > most) all.resize(most);
    return all;
  }

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
  std::uint64_t others_ = 0;
};

int stats(const Arguments& given) {
  constexpr std::size_t open_limit = 1'000'000;
  std::uint64_t records = 0;
  std::int64_t rows = 0;
  std::int64_t bytes_in = 0;
  std::int64_t bytes_out = 0;
  std::string first;
  std::string last;
  std::set<std::string, std::less<>> open;  // allowed calls without an outcome
  Counts types;
  Counts decisions;
  Counts outcomes;
  Counts agents;
  Counts tools;
  Counts rules;
  Counts findings;
  Counts labels;
  const int outcome = each_record(given.log, given.words, [&](json::Value r) {
    ++records;
    const std::string_view time = r["time"].text_or("");
    if (first.empty()) first = time;
    last = time;
    const std::string_view type = r["type"].text_or("");
    types.add(type);
    const std::string_view uid = r["call_uid"].text_or("");
    if (type == "call.decided") {
      decisions.add(r["decision"].text_or(""));
      agents.add(r["agent"]["ref"].text_or(""));
      if (r["tool"].exists())
        tools.add(std::format("{}/{}", r["server"]["id"].text_or(""), r["tool"].text_or("")));
      for (const json::Value rule : r["rules"].elements()) rules.add(rule.text_or(""));
      if (!r["outcome"].exists() && open.size() < open_limit) open.emplace(uid);
    } else if (type == "call.finished") {
      if (const auto at = open.find(uid); at != open.end()) open.erase(at);
    }
    outcomes.add(r["outcome"].text_or(""));
    for (const json::Value finding : r["findings"].elements())
      findings.add(finding["id"].text_or(""));
    for (const json::Value label : r["labels_out"].elements()) labels.add(label.text_or(""));
    rows += r["rows_out"].integer().value_or(0);
    bytes_in += r["bytes_in"].integer().value_or(0);
    bytes_out += r["bytes_out"].integer().value_or(0);
    return true;
  });
  if (outcome == usage) return outcome;
  const auto log = choose_log(given.log);
  const auto size = log ? store::size_of(log->directory) : std::unexpected(log.error());
  if (!size) return complain("audit log", size.error());
  const std::vector<std::pair<std::string_view, const Counts*>> tables{
      {"types", &types}, {"decisions", &decisions}, {"outcomes", &outcomes}, {"agents", &agents},
      {"tools", &tools}, {"rules", &rules},         {"findings", &findings}, {"labels", &labels}};
  if (given.output == "json") {
    std::string out;
    json::Writer w(out);
    w.begin_object()
        .member("records", static_cast<std::int64_t>(records))
        .member("first_time", first)
        .member("last_time", last)
        .member("rows_out", rows)
        .member("bytes_in", bytes_in)
        .member("bytes_out", bytes_out)
        .member("without_outcome", static_cast<std::int64_t>(open.size()));
    const auto number = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
    w.key("disk")
        .begin_object()
        .member("segments", number(size->segments))
        .member("segment_bytes", number(size->bytes))
        .member("packed_segments", number(size->packed_segments))
        .member("packed_records", number(size->packed_records))
        .member("packed_bytes", number(size->packed_bytes))
        .member("unpacked_bytes", number(size->unpacked_bytes))
        .member("tile_bytes", number(size->tile_bytes))
        .member("bundle_bytes", number(size->bundle_bytes))
        .member("body_bytes", number(size->body_bytes))
        .end_object();
    for (const auto& [name, counts] : tables) {
      w.key(name).begin_object();
      for (const auto& [what, count] : counts->top(given.top))
        w.member(what, static_cast<std::int64_t>(count));
      w.end_object();
    }
    w.end_object();
    std::println("{}", out);
    return outcome;
  }
  std::println("{:<16} {}", "records", records);
  std::println("{:<16} {} to {}", "time", first, last);
  std::println("{:<16} {}", "rows out", rows);
  std::println("{:<16} {} in, {} out", "bytes", bytes_in, bytes_out);
  std::println("{:<16} {}", "without outcome", open.size());
  std::println("{:<16} {} in {} segments, {} in tiles, {} in bundles, {} of bodies",
               "bytes on disk", size->bytes, size->segments, size->tile_bytes, size->bundle_bytes,
               size->body_bytes);
  if (size->packed_records > 0)
    std::println("{:<16} {} of {} segments: {} bytes a record, {} before", "packed",
                 size->packed_segments, size->segments, size->packed_bytes / size->packed_records,
                 size->unpacked_bytes / size->packed_records);
  for (const auto& [name, counts] : tables)
    for (bool leading = true; const auto& [what, count] : counts->top(given.top)) {
      std::println("{:<16} {:>10} {}", leading ? name : "", count, base::printable(what));
      leading = false;
    }
  return outcome;
}

}  // namespace

void add_audit_export(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  const auto common = [given](CLI::App* command) {
    add_log_options(*command, given->log);
    command->add_option("query", given->words, "As for audit query; none: all records");
  };
  CLI::App* const export_command =
      audit.add_subcommand("export", "Records for other programs, one a line");
  common(export_command);
  export_command
      ->add_option("--format", given->format,
                   "jsonl (as they are), csv, ocsf (1.8.0 events) or cef")
      ->check(CLI::IsMember({"jsonl", "csv", "ocsf", "cef"}))
      ->capture_default_str();
  export_command->callback(
      [&chosen, given] { chosen = [given] { return export_records(*given); }; });
  CLI::App* const stats_command = audit.add_subcommand("stats", "What is in the log, counted");
  common(stats_command);
  stats_command->add_option("--top", given->top, "So many of each kind")->capture_default_str();
  stats_command->add_option("-o,--output", given->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  stats_command->callback([&chosen, given] { chosen = [given] { return stats(*given); }; });
}

}  // namespace latticegate::app
