// audit tail, query, show: reading the log, also while a gateway writes to it.
#include <chrono>
#include <deque>
#include <format>
#include <print>

#include "audit/query.h"
#include "audit_custody.h"
#include "base/log.h"
#include "commands.h"
#include "json/write.h"
#include "log_reading.h"

namespace latticegate::app {
namespace {

struct Arguments {
  LogChoice log;
  std::vector<std::string> words;
  std::string record;
  std::uint64_t count = 20;
  bool follow = false;
  bool json = false;
  std::string before;
  std::uint64_t within = 3600;  // seconds
  bool reveal = false;
  std::string reason;
  std::string token_file;
};

// One line per record: when, what, who, where, how it was decided and how it ended.
void print_line(json::Value r, bool as_json) {
  if (as_json) {
    std::println("{}", json::to_string(r));
    return;
  }
  const std::string_view subject =
      r["tool"].text_or(r["resource_uri"].text_or(r["prompt"].text_or("")));
  std::string line = std::format("{:>8} {} {:14} {:12} {}", r["seq"].digits(),
                                 r["time"].text_or("").substr(0, 23), r["type"].text_or(""),
                                 r["agent"]["ref"].text_or(""), r["server"]["id"].text_or(""));
  if (!subject.empty()) line += std::format("/{}", subject);
  if (const auto decision = r["decision"].string()) line += std::format("  {}", *decision);
  if (const auto outcome = r["outcome"].string()) line += std::format("  {}", *outcome);
  if (r["rows_out"].integer().value_or(0) > 0)
    line += std::format("  {} records", r["rows_out"].digits());
  if (const json::Value rules = r["rules"]; rules.size() > 0)
    line += std::format("  by {}", rules.at(0).text_or(""));
  if (const json::Value shadow = r["shadow"])
    line += std::format("  shadow {} by {}", shadow["decision"].text_or(""),
                        shadow["rules"].size() > 0 ? shadow["rules"].at(0).text_or("") : "default");
  if (const auto why = r["why"].string()) line += std::format("  ({})", why->substr(0, 160));
  std::println("{}", base::printable(line));
}

int tail(const Arguments& given) {
  std::deque<std::string> last;
  auto collect = [&](json::Value record) {
    last.push_back(json::to_string(record));
    if (last.size() > given.count) last.pop_front();
    return true;
  };
  std::uint64_t seen = 0;
  const auto print = [&](json::Value record) {
    const auto seq = static_cast<std::uint64_t>(record["seq"].integer().value_or(0));
    if (seq >= seen) print_line(record, given.json);
    return true;
  };
  const int outcome = each_record(given.log, given.words, collect);
  for (const std::string& text : last)
    if (const auto document = json::Document::parse(text)) {
      print(document->root());
      seen = static_cast<std::uint64_t>(document->root()["seq"].integer().value_or(0)) + 1;
    }
  return given.follow && outcome != usage ? each_record(given.log, given.words, print, true)
                                          : outcome;
}

// The words that also demand the time before the latest record that `before` means.
int narrow(const Arguments& given, std::vector<std::string>& words) {
  std::string time;
  const int outcome = each_record(given.log, {given.before}, [&](json::Value record) {
    time = record["time"].text_or("");
    return true;
  });
  if (outcome != done && outcome != wrong) return outcome;
  if (time.empty()) {
    std::println(stderr, "latticegate: no record is meant by --before");
    return wrong;
  }
  words.push_back(std::format("until:{}", time));
  const auto end = audit::Query::parse(words.back(), base::Time())->until();
  const base::Time begin = *end - std::chrono::seconds(given.within);
  words.push_back(std::format("since:{}", base::to_rfc3339(begin)));
  return done;
}

int query(const Arguments& given) {
  std::vector<std::string> words = given.words;
  if (!given.before.empty())
    if (const int outcome = narrow(given, words); outcome != done) return outcome;
  return each_record(given.log, words, [&](json::Value record) {
    print_line(record, given.json);
    return true;
  });
}

// A record by its seq, or both records of a call by its call_uid.
int show(const Arguments& given) {
  if (given.reveal) {
    if (!given.log.directory.empty() || given.reason.empty() || given.token_file.empty()) {
      std::println(stderr,
                   "latticegate: --reveal needs --reason and --token-file, and --config: reading "
                   "is recorded in the log itself");
      return usage;
    }
    return reveal(given.log.config, given.record, given.reason, given.token_file);
  }
  bool found = false;
  const int outcome = each_record(given.log, {}, [&](json::Value record) {
    const bool by_seq = record["seq"].digits() == given.record;
    if (!by_seq && record["call_uid"].text_or("") != given.record &&
        record["uid"].text_or("") != given.record)
      return true;
    found = true;
    for (const json::Member member : record.members())
      std::println("{:14} {}", member.key, base::printable(json::to_string(member.value)));
    std::println("");
    return !by_seq;
  });
  if (found && outcome == unknown) return done;  // by its seq: nothing further was looked for
  if (!found && outcome == done) {
    std::println(stderr, "latticegate: no record '{}' in the log", given.record);
    return wrong;
  }
  return outcome;
}

}  // namespace

void add_audit(CLI::App& parser, Chosen& chosen) {
  CLI::App* const audit = parser.add_subcommand("audit", "Read, verify and prove the audit log");
  audit->require_subcommand(1);
  auto given = std::make_shared<Arguments>();
  const auto common = [given](CLI::App* command) {
    add_log_options(*command, given->log);
    command->add_flag("--json", given->json, "Print each record as JSON, as it is in the log");
  };
  std::string fields = "Fields of a query, all of which must match:\n";
  for (const audit::QueryField& field : audit::query_fields())
    fields += std::format("  {:12} {}\n", field.name, field.meaning);
  CLI::App* const tail_command = audit->add_subcommand("tail", "The latest records");
  common(tail_command);
  tail_command->add_option("query", given->words,
                           "agent:billing* tool:crm.query decision:deny rows:>1000 since:24h");
  tail_command->add_option("-n,--lines", given->count, "How many")->capture_default_str();
  tail_command->add_flag("-f,--follow", given->follow, "Go on as records are written");
  tail_command->footer(fields);
  tail_command->callback([&chosen, given] { chosen = [given] { return tail(*given); }; });
  CLI::App* const query_command = audit->add_subcommand("query", "All records that match");
  common(query_command);
  query_command->add_option("query", given->words,
                            "agent:billing* tool:crm.query decision:deny rows:>1000 since:24h");
  query_command->add_option("--before", given->before,
                            "Only what came before the latest record that this query means: "
                            "agent:bot --before finding:secret.*");
  query_command->add_option("--within", given->within, "With --before: at most so many seconds")
      ->capture_default_str();
  query_command->footer(fields);
  query_command->callback([&chosen, given] { chosen = [given] { return query(*given); }; });
  CLI::App* const show_command =
      audit->add_subcommand("show", "One record, or both records of a call");
  common(show_command);
  show_command->add_option("record", given->record, "Its seq, uid or call_uid")->required();
  show_command->add_flag("--reveal", given->reveal,
                         "Print the bodies that were kept; that is recorded, too");
  show_command->add_option("--reason", given->reason, "With --reveal: why");
  show_command->add_option("--token-file", given->token_file,
                           "With --reveal: the token of a person who has the role (audit.role)");
  show_command->callback([&chosen, given] { chosen = [given] { return show(*given); }; });
  add_audit_verify(*audit, chosen);
  add_audit_prove(*audit, chosen);
  add_audit_export(*audit, chosen);
  add_audit_witness(*audit, chosen);
  add_audit_anchor(*audit, chosen);
  add_audit_stream(*audit, chosen);
  add_audit_index(*audit, chosen);
  add_audit_custody(*audit, chosen);
  add_audit_generate(*audit, chosen);
}

}  // namespace latticegate::app
