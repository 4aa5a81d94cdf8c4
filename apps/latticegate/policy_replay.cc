// policy replay: what would other policies have decided about the calls of the audit log.
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <utility>
#include <vector>

#include "audit/leaf.h"
#include "commands.h"
#include "gateway/snapshot.h"
#include "json/write.h"
#include "policy/replay.h"
#include "recorded_calls.h"

namespace latticegate::app {
namespace {

using policy::Change;
using policy::ReplayReport;

struct Arguments {
  RecordedArguments recorded;
  std::string policies;
  std::string output = "text";
  std::optional<std::uint64_t> most_flips;
  std::size_t examples = 3;
  bool fail_on_flip = false;
  bool strict = false;
  bool whole = false;
  bool answers = false;
};

std::int64_t number(std::uint64_t count) { return static_cast<std::int64_t>(count); }

std::uint64_t not_compared(const ReplayReport& report) { return report.calls - report.compared(); }

std::string_view reason(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> words{{
      {"question", "refused before any policy was asked, or recorded without the question"},
      {"unreadable", "recorded in a way that cannot be read"},
      {"size", "too large to be recorded whole"},
      {"depth", "nested too deep to be recorded"},
      {"inspection", "not inspected whole, and so not recorded"},
      {"redaction", "no question without the secrets in it"},
      {"arguments", "with arguments that no policy could judge"},
      {"off", "recorded with audit.context none"},
      {"sealed", "recorded with audit.context sealed"},
      {"unsure", "depending on what happened before, which is not known"},
  }};
  for (const auto& [known, sentence] : words)
    if (known == word) return sentence;
  return word;
}

// "crm/search 38, crm/list 2, ...": the most frequent first.
std::string most_frequent(const ReplayReport::Counts& counts) {
  std::vector<std::pair<std::uint64_t, std::string_view>> sorted;
  for (const auto& [key, count] : counts) sorted.emplace_back(count, key);
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  constexpr std::size_t most = 8;
  std::string text;
  for (std::size_t i = 0; i < sorted.size() && i < most; ++i)
    text += std::format("{}{} {}", i == 0 ? "" : ", ", sorted[i].second, sorted[i].first);
  if (sorted.size() > most) text += std::format(", {} more", sorted.size() - most);
  return base::printable(text);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all.empty() ? "no policy" : all;
}

// The largest groups first.
std::vector<const std::pair<const std::pair<Change, std::string>, ReplayReport::Group>*> sorted(
    const ReplayReport& report) {
  std::vector<const std::pair<const std::pair<Change, std::string>, ReplayReport::Group>*> all;
  for (const auto& entry : report.groups) all.push_back(&entry);
  std::ranges::stable_sort(all, [](const auto* a, const auto* b) {
    if (a->first.first != b->first.first) return a->first.first < b->first.first;
    return a->second.count > b->second.count;
  });
  return all;
}

void print_text(const ReplayReport& report, std::size_t policies) {
  for (const auto* const entry : sorted(report)) {
    const auto& [change, policy] = entry->first;
    const ReplayReport::Group& group = entry->second;
    std::println("{} {} by {}", group.count, policy::name(change),
                 policy.empty()
                     ? std::string(change == Change::released ? "default: nothing forbids it"
                                                              : "default: no policy allows it")
                     : base::printable(policy));
    std::println("    tools:  {}", most_frequent(group.targets));
    std::println("    agents: {}", most_frequent(group.agents));
    for (const policy::Flip& flip : group.examples) {
      std::println("    {} {} {} {}: {} by {}, now {} by {}{}", flip.seq, flip.time,
                   base::printable(flip.agent), base::printable(flip.target),
                   policy::name(flip.before), base::printable(joined(flip.rules_before)),
                   policy::name(flip.after), base::printable(joined(flip.rules_after)),
                   flip.redacted ? " (a string that held a secret is replaced)" : "");
      if (!flip.why.empty()) std::println("        {}", base::printable(flip.why.substr(0, 300)));
    }
  }
  std::println("{}, {}: {} as before, {} would be refused, {} would be allowed{}",
               counted(report.compared(), "call", "calls"), counted(policies, "policy", "policies"),
               report.same, report.flips[static_cast<std::size_t>(Change::refused)],
               report.flips[static_cast<std::size_t>(Change::allowed)],
               report.flips[static_cast<std::size_t>(Change::other)] == 0
                   ? std::string()
                   : std::format(", {} would be refused otherwise",
                                 report.flips[static_cast<std::size_t>(Change::other)]));
  if (report.answers != 0)
    std::println(
        "{}: {} as before, {} would be withheld, {} would be let out, {} depend on what "
        "is not recorded",
        counted(report.answers, "answer", "answers"), report.answers_same,
        report.flips[static_cast<std::size_t>(Change::withheld)],
        report.flips[static_cast<std::size_t>(Change::released)], report.answers_unsure);
  if (not_compared(report) != 0) {
    std::println("{} could not be compared:", counted(not_compared(report), "call", "calls"));
    for (const auto& [word, count] : report.missing)
      std::println("    {}: {}", count, reason(word));
    if (report.unsure != 0) std::println("    {}: {}", report.unsure, reason("unsure"));
  }
  if (report.redacted != 0)
    std::println("note: compared without the strings that held secrets: {}",
                 counted(report.redacted, "call", "calls"));
  if (report.strangers != 0)
    std::println("note: made for people whom the configuration does not know: {}",
                 counted(report.strangers, "call", "calls"));
  if (report.other_world != 0)
    std::println("note: decided when users, groups, segments or servers were others: {}",
                 counted(report.other_world, "call", "calls"));
}

void write_counts(const ReplayReport::Counts& counts, json::Writer& writer) {
  writer.begin_object();
  for (const auto& [key, count] : counts) writer.member(key, number(count));
  writer.end_object();
}

void write_texts(const std::vector<std::string>& texts, json::Writer& writer) {
  writer.begin_array();
  for (const std::string& text : texts) writer.string(text);
  writer.end_array();
}

void print_json(const ReplayReport& report, const policy::Engine& engine,
                const ReadStatistics& read) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("policies", static_cast<std::int64_t>(engine.policies()))
      .member("policy_hash", engine.hash())
      .member("world", engine.world())
      .member("records", number(read.records))
      .member("calls", number(report.calls))
      .member("compared", number(report.compared()))
      .member("same", number(report.same))
      .member("flips", number(report.changed()));
  for (const auto& [name, change] : {std::pair("would_be_refused", Change::refused),
                                     {"would_be_allowed", Change::allowed},
                                     {"refused_otherwise", Change::other},
                                     {"would_be_withheld", Change::withheld},
                                     {"would_be_released", Change::released}})
    writer.member(name, number(report.flips[static_cast<std::size_t>(change)]));
  writer.member("answers", number(report.answers))
      .member("answers_same", number(report.answers_same))
      .member("answers_unsure", number(report.answers_unsure))
      .member("unsure", number(report.unsure))
      .key("missing");
  write_counts(report.missing, writer);
  writer.member("redacted", number(report.redacted))
      .member("unknown_people", number(report.strangers))
      .member("other_world", number(report.other_world));
  writer.key("groups").begin_array();
  for (const auto* const entry : sorted(report)) {
    const ReplayReport::Group& group = entry->second;
    writer.begin_object()
        .member("change", policy::name(entry->first.first))
        .member("policy", entry->first.second)
        .member("count", number(group.count))
        .key("tools");
    write_counts(group.targets, writer);
    writer.key("agents");
    write_counts(group.agents, writer);
    writer.key("examples").begin_array();
    for (const policy::Flip& flip : group.examples) {
      writer.begin_object()
          .member("seq", number(flip.seq))
          .member("time", flip.time)
          .member("call_uid", flip.call)
          .member("agent", flip.agent)
          .member("target", flip.target)
          .member("before", policy::name(flip.before))
          .member("after", policy::name(flip.after))
          .key("rules_before");
      write_texts(flip.rules_before, writer);
      writer.key("rules_after");
      write_texts(flip.rules_after, writer);
      writer.member("why", flip.why).member("redacted", flip.redacted).end_object();
    }
    writer.end_array().end_object();
  }
  writer.end_array().end_object();
  std::println("{}", out);
}

// Each leaf the quick way, and where that does not do, whole: `take` gets its record then.
base::Result<ReadStatistics> read_quickly(
    const Recording& recording, const std::shared_ptr<const policy::Engine>& engine,
    const policy::People& people, std::vector<policy::Replay>& slices,
    const std::function<void(std::size_t, json::Value)>& take) {
  struct Own {
    policy::PastReader reader;
    SkimmedCall call;
  };
  std::vector<Own> own;
  for (std::size_t i = 0; i < slices.size(); ++i)
    own.push_back({policy::PastReader(engine, people), {}});
  const auto wanted = recording.query.members();
  const auto quickly = [&](std::size_t slice, std::string_view leaf) {
    SkimmedCall& call = own[slice].call;
    if (!wanted || !skim_call(leaf, *wanted, own[slice].reader, call)) return false;
    const auto before = decided(call);
    if (!before) return false;
    if (!wanted->empty()) {
      const auto record = json::Document::parse(call.members.empty() ? "{}" : call.members);
      if (!record) return false;
      if (!recording.query.matches(record->root())) return true;
    }
    if (!is_call(call) || slices[slice].take_same(*call.past, *before)) return true;
    const auto agent = agent_of(call);
    const auto target = target_of(call);
    return agent && target && slices[slice].take_changed(*call.past, *before, *agent, *target);
  };
  return read_leaves(recording.log, recording.query.since(), slices.size(),
                     [&](std::size_t slice, std::string_view leaf) {
                       if (audit::type_of(leaf) != "call.decided" || quickly(slice, leaf))
                         return true;
                       const auto document = json::Document::parse(leaf);
                       if (document) take(slice, document->root());
                       return document.has_value();
                     });
}

int replay(const Arguments& given) {
  auto recording = open_recording(given.recorded);
  if (!recording) return complain("replay", recording.error());
  std::vector<policy::PolicyText> texts = recording->files.policies;
  if (!given.policies.empty()) {
    auto read = gateway::read_policies(given.policies);
    if (!read) return complain("policies", read.error());
    texts = *std::move(read);
  }
  const policy::World& world = *recording->files.world;
  const auto engine = policy::Engine::load(world, texts, {});
  if (!engine) return complain("policies", engine.error());
  // What conditions look back on lies before what counts, and needs its order.
  const bool in_order = (*engine)->looks_back() || given.answers;
  const std::size_t threads = in_order ? 1 : thread_count(given.recorded.threads);
  std::vector<policy::Replay> slices;
  for (std::size_t i = 0; i < threads; ++i)
    slices.emplace_back(
        *engine, world,
        policy::Replay::Settings{.examples = given.examples, .answers = given.answers});
  std::optional<std::uint64_t> expected;
  const auto take = [&](std::size_t slice, json::Value record) {
    policy::Replay& own = slices[slice];
    if (in_order) {
      const auto seq = static_cast<std::uint64_t>(record["seq"].integer().value_or(0));
      const auto call = call_of(record);
      if (expected.value_or(0) != seq || record["type"].text_or("") == "log.resumed")
        if (const auto at = time_of(record)) own.lost(*at);
      expected = seq + 1;
      if (call) {
        policy::RecordedCall one = call->call;
        one.target = call->tool;
        own.take(one, recording->query.matches(record));
      } else if (const auto answer = answer_of(record)) {
        own.take(*answer);
      }
      return;
    }
    if (!recording->query.matches(record)) return;
    if (const auto call = call_of(record)) {
      policy::RecordedCall one = call->call;
      one.target = call->tool;
      own.take(one, true);
    }
  };
  // Order does not matter, and a log's checksums say that its records are as they were written:
  // each is read only as far as policies and query can see.
  const bool quick = !in_order && !given.whole && std::filesystem::is_directory(recording->log);
  const auto read =
      quick ? read_quickly(*recording, *engine, policy::people_of(world), slices, take)
            : read_records(recording->log, in_order ? std::nullopt : recording->query.since(),
                           threads, take, in_order ? "" : "call.decided");
  if (!read) return complain("audit log", read.error());
  ReplayReport report = std::move(slices.front().report());
  for (std::size_t i = 1; i < threads; ++i)
    report.merge(std::move(slices[i].report()), given.examples);
  if (given.output == "json")
    print_json(report, **engine, *read);
  else
    print_text(report, (*engine)->policies());
  std::println(stderr, "{} in {:.2f} s, {:.0f} a second, {}",
               counted(read->records, "record", "records"), read->seconds,
               static_cast<double>(read->records) / std::max(read->seconds, 1e-9),
               counted(threads, "thread", "threads"));
  if (read->unreadable != 0)
    std::println(stderr, "latticegate: {} parts of the log could not be read", read->unreadable);
  const std::optional<std::uint64_t> most =
      given.fail_on_flip ? std::optional<std::uint64_t>(0) : given.most_flips;
  if (most && report.changed() > *most) return wrong;
  const bool blind =
      not_compared(report) != 0 || report.answers_unsure != 0 || read->unreadable != 0;
  if (given.strict && blind) return unknown;
  // A gate that saw nothing did not see that all is well.
  return most && report.compared() == 0 ? unknown : done;
}

}  // namespace

void add_policy_replay(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = policy.add_subcommand(
      "replay", "Decide the calls of the audit log again, and say what would change");
  add_recorded_options(*command, given->recorded);
  command->add_option("--policies", given->policies,
                      "A directory of .cedar files to decide by, instead of the configuration's");
  command->add_flag("--fail-on-flip", given->fail_on_flip, "Exit code 1 if anything would change");
  command->add_option("--max-flips", given->most_flips,
                      "Exit code 1 if more calls than this would be decided otherwise");
  command->add_flag("--strict", given->strict, "Exit code 3 if any call could not be compared");
  command->add_flag(
      "--answers", given->answers,
      "Judge answers again, too, by what is recorded of them; reads the log in order");
  command->add_flag("--whole", given->whole,
                    "Read every record whole, in order, on the slow way: the same result");
  command->add_option("--examples", given->examples, "Of each group")->capture_default_str();
  command->add_option("-o,--output", given->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(
      "Compared is with what was decided then; with policies that look back the whole log is "
      "read,\n"
      "so that they see what happened before. Calls whose question was not recorded whole are\n"
      "counted and not compared.\n"
      "Exit code: 0 done, 1 more would change than --fail-on-flip or --max-flips allow, 2 the "
      "files\n"
      "could not be read or the arguments are wrong, 3 with --strict: not all could be compared;\n"
      "with --fail-on-flip and --max-flips: none could.\n"
      "Examples:\n"
      "  latticegate policy replay -c latticegate.yaml --policies policies.next --since 30d\n"
      "  latticegate policy replay -c latticegate.yaml --policies next --agent 'billing*' -o json\n"
      "  latticegate policy replay -c latticegate.yaml --policies next --fail-on-flip --strict");
  command->callback([&chosen, given] { chosen = [given] { return replay(*given); }; });
}

}  // namespace latticegate::app
