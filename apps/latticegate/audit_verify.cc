// audit verify: judging a log's folder, offline.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <print>

#include "audit/note.h"
#include "base/log.h"
#include "commands.h"
#include "json/write.h"
#include "log_reading.h"
#include "seen.h"
#include "store/log_keys.h"
#include "store/rotation.h"
#include "store/sealer.h"
#include "store/tree_writer.h"
#include "store/verify.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Arguments {
  LogChoice log;
  std::string origin;
  std::vector<std::string> keys;
  std::vector<std::string> checkpoints;
  std::vector<std::string> witnesses;
  std::string output = "text";
  bool forget = false;
};

// Whether a process has the log open to write: then its end moves while we read.
bool is_written(const std::filesystem::path& log) {
  const int descriptor = ::open((log / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  return held;
}

// The name that the log gives itself, which nobody has checked yet.
std::string claimed_origin(const std::filesystem::path& log) {
  const auto text = store::read_file(store::checkpoint_path(log), audit::note_limit.count);
  if (!text) return {};
  const std::string line = text->substr(0, text->find('\n'));
  return audit::is_key_name(line) ? line : std::string();
}

std::string counted(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string_view word(store::Verdict verdict) {
  switch (verdict) {
    case store::Verdict::verified: return "VERIFIED";
    case store::Verdict::tampered: return "TAMPERED";
    case store::Verdict::incomplete: return "INCOMPLETE: not everything could be checked";
    case store::Verdict::unwitnessed:
      return "NOT WITNESSED: all holds together, nothing from outside confirms it";
  }
  std::unreachable();
}

int code_of(store::Verdict verdict) {
  switch (verdict) {
    case store::Verdict::verified: return 0;
    case store::Verdict::tampered: return 1;
    case store::Verdict::incomplete: return 3;
    case store::Verdict::unwitnessed: return 4;
  }
  std::unreachable();
}

void line(std::string_view label, std::string_view text) {
  std::println("{:<10} {}", label, base::printable(text));
}

void print_text(const store::VerifyReport& report, bool remembered_keys) {
  line("log", std::format("{}   {} records   {} to {}", report.head.origin, counted(report.records),
                          report.first_time, report.last_time));
  line("files", std::format("{} segments, {} bundles, {} tiles are good", counted(report.segments),
                            counted(report.bundles), counted(report.tiles)));
  line("signed", std::format("{} records, {}", counted(report.head.size),
                             report.signed_at == 0 ? "time unknown" : date_of(report.signed_at)));
  line("keys", report.own_keys   ? "from the log's own folder, nobody vouches for them"
               : remembered_keys ? "as remembered"
                                 : "as given");
  line("history", std::format("{} kept checkpoints are consistent", counted(report.checkpoints)));
  if (report.pruned > 0)
    line("given up", std::format("the first {} records, by retention; their hashes are good",
                                 counted(report.pruned)));
  if (report.bodies + report.bodies_gone + report.keys_destroyed > 0)
    line("bodies", std::format("{} are as they were recorded; {} gone with their keys, {} keys "
                               "destroyed",
                               counted(report.bodies), counted(report.bodies_gone),
                               counted(report.keys_destroyed)));
  for (const std::string& anchor : report.anchors)
    line("anchor", std::format("{}: consistent", anchor));
  for (const std::string& witness : report.witnesses)
    line("witness", std::format("{} signed it", witness));
  for (const std::string& remark : report.remarks) line("note", remark);
  for (const std::string& what : report.not_checked) line("UNCHECKED", what);
  for (const store::Problem& problem : report.problems)
    line("PROBLEM",
         std::format("{}{}{}", problem.file,
                     problem.record ? std::format("{}record {}: ", problem.file.empty() ? "" : ", ",
                                                  *problem.record)
                     : problem.file.empty() ? ""
                                            : ": ",
                     problem.what));
  if (report.more_problems > 0)
    line("PROBLEM", std::format("and {} more", counted(report.more_problems)));
  line("RESULT", word(report.verdict()));
}

void print_json(const store::VerifyReport& report) {
  const auto number = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  std::string out;
  json::Writer w(out);
  w.begin_object().member("verdict", name(report.verdict()));
  w.member("origin", report.head.origin)
      .member("records", number(report.records))
      .member("signed_records", number(report.head.size))
      .member("signed_at", number(report.signed_at))
      .member("first_time", report.first_time)
      .member("last_time", report.last_time)
      .member("own_keys", report.own_keys)
      .member("segments", number(report.segments))
      .member("bundles", number(report.bundles))
      .member("tiles", number(report.tiles))
      .member("checkpoints", number(report.checkpoints))
      .member("pruned", number(report.pruned))
      .member("bodies", number(report.bodies))
      .member("bodies_gone", number(report.bodies_gone))
      .member("keys_destroyed", number(report.keys_destroyed));
  const auto list = [&](std::string_view key, const std::vector<std::string>& all) {
    w.key(key).begin_array();
    for (const std::string& one : all) w.string(one);
    w.end_array();
  };
  list("anchors", report.anchors);
  list("witnesses", report.witnesses);
  w.key("problems").begin_array();
  for (const store::Problem& problem : report.problems) {
    w.begin_object().member("file", problem.file);
    if (problem.record) w.member("record", number(*problem.record));
    w.member("what", problem.what).end_object();
  }
  w.end_array();
  w.member("more_problems", number(report.more_problems));
  list("not_checked", report.not_checked);
  list("remarks", report.remarks);
  w.end_object();
  std::println("{}", out);
}

// The notes of a file that was appended to, an empty line between two of them; most have one.
std::vector<std::string> notes_in(std::string_view text) {
  std::vector<std::string> notes;
  while (!text.empty()) {
    const std::size_t body = text.find("\n\n");
    const std::size_t end = body == std::string_view::npos ? body : text.find("\n\n", body + 2);
    if (end == std::string_view::npos) {
      notes.emplace_back(text);
      break;
    }
    notes.emplace_back(text.substr(0, end + 1));
    text.remove_prefix(end + 2);
  }
  return notes;
}

// Checkpoints that the caller brings. One that its keys have not signed says nothing.
Result<void> add_checkpoints(const Arguments& given, store::VerifyOptions& options) {
  for (const std::string& file : given.checkpoints) {
    const auto text = store::read_file(file, std::size_t{64} * 1024 * 1024);
    if (!text) return std::unexpected(text.error());
    std::vector<audit::VerifierKey> own;
    if (options.keys.empty()) {
      const auto pub = store::read_file(store::public_keys_path(options.directory), 64 * 1024);
      auto keys = pub ? store::read_verifier_keys(*pub) : fail(Code::not_found, "no keys");
      if (!keys) return fail(Code::invalid, std::format("there is no key to verify {} with", file));
      own = *std::move(keys);
    }
    // The log's keys of all times and the witnesses': who of them signed is told.
    auto rotations = store::read_rotations(options.directory);
    if (!rotations) return std::unexpected(std::move(rotations).error());
    std::string all;
    for (const store::KeyEpoch& epoch : store::epochs_of(
             rotations->rotations, store::text_of(options.keys.empty() ? own : options.keys)))
      all += epoch.keys;
    auto every = store::read_verifier_keys(all + store::text_of(options.witnesses));
    if (!every) return std::unexpected(std::move(every).error());
    const std::vector<audit::VerifierKey> known = *std::move(every);
    for (const std::string& note : notes_in(*text)) {
      const auto opened = audit::open_checkpoint(note, known);
      if (!opened) return base::within(file, opened.error());
      std::string from = std::format("{}, {} records", file, opened->checkpoint.size);
      const std::size_t first = known.size() - options.witnesses.size();
      for (std::size_t key = first; key < known.size(); ++key)
        if (opened->endorsed_by(key))
          from += std::format("{} {}", key == first ? ", witnessed by" : ",", known[key].name());
      options.anchors.push_back({.from = std::move(from), .checkpoint = opened->checkpoint});
    }
  }
  return {};
}

int verify(const Arguments& given) {
  store::VerifyOptions options{.origin = given.origin};
  auto chosen = choose_log(given.log);
  if (!chosen) return complain("audit log", chosen.error());
  options.directory = std::move(chosen->directory);
  if (options.origin.empty()) options.origin = std::move(chosen->origin);
  options.live = is_written(options.directory);
  auto keys = keys_given(given.keys);
  if (!keys) return complain("--key", keys.error());
  options.keys = *std::move(keys);
  auto witnesses = keys_given(given.witnesses);
  if (!witnesses) return complain("--witness", witnesses.error());
  options.witnesses = *std::move(witnesses);

  const std::string origin =
      options.origin.empty() ? claimed_origin(options.directory) : options.origin;
  const auto memory = given.forget || origin.empty() ? std::nullopt : seen_path(origin);
  std::uint64_t remembered = 0;
  bool remembered_keys = false;
  if (memory) {
    auto seen = recall(*memory);
    if (!seen) {
      (void)complain("what is remembered of this log", seen.error());
      return unknown;
    }
    if (auto& known = *seen) {
      remembered = known->checkpoint.size;
      if (options.keys.empty()) {
        options.keys = std::move(known->keys);
        remembered_keys = true;
      }
      options.anchors.push_back(
          {.from = std::format("remembered, {} records signed {}", counted(remembered),
                               date_of(known->signed_at)),
           .checkpoint = known->checkpoint});
    }
  }
  if (auto added = add_checkpoints(given, options); !added) {
    (void)complain("--checkpoint", added.error());
    return added.error().code == Code::crypto ? wrong : usage;
  }
  const auto report = store::verify_log(options);
  if (!report) {
    (void)complain("audit log", report.error());
    return unknown;
  }
  if (given.output == "json")
    print_json(*report);
  else
    print_text(*report, remembered_keys);

  const store::Verdict verdict = report->verdict();
  if (memory && verdict != store::Verdict::tampered && report->head.size >= remembered &&
      report->head.size > 0 && report->records >= report->head.size) {
    std::vector<audit::VerifierKey> trusted;
    if (auto latest = store::read_verifier_keys(report->keys)) trusted = *std::move(latest);
    if (!trusted.empty())
      if (auto kept = remember(*memory, trusted, report->note); !kept)
        (void)complain("remembering", kept.error());
  }
  return code_of(verdict);
}

}  // namespace

void add_audit_verify(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = audit.add_subcommand(
      "verify", "Judge a log or a copy of one: is every record as it was written?");
  add_log_options(*command, given->log);
  command->add_option("--key", given->keys,
                      "Verifier keys of the log, or a file with them (its log.pub, from a safe "
                      "place); all must have signed");
  command->add_option("--checkpoint", given->checkpoints,
                      "Earlier checkpoints of the log, from a safe place");
  command->add_option("--witness", given->witnesses,
                      "Verifier keys of witnesses, or a file with them");
  command->add_option("--origin", given->origin, "The name that the log must have");
  command->add_flag("--no-memory", given->forget,
                    "Neither use nor update what is remembered of this log");
  command->add_option("-o,--output", given->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(
      "Exit codes: 0 verified, against something from outside the log's folder; 1 tampered; 2 "
      "usage;\n3 nothing, or not everything, could be checked; 4 all holds together, but nothing "
      "from outside\nconfirms it: give --checkpoint or --witness, or verify again later, when this "
      "run is remembered.\nWorks offline and writes nothing into the directory.");
  command->callback([&chosen, given] { chosen = [given] { return verify(*given); }; });
}

}  // namespace latticegate::app
