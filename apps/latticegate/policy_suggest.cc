// policy suggest: the least that would have allowed the calls of the audit log that were allowed.
#include <cstdint>
#include <format>
#include <memory>
#include <print>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "json/write.h"
#include "policy/check.h"
#include "policy/replay.h"
#include "policy/suggest.h"
#include "recorded_calls.h"

namespace latticegate::app {
namespace {

using Ids = std::set<std::string, std::less<>>;

struct Arguments {
  RecordedArguments recorded;
  std::vector<std::string> tools;  // SERVER=FILE
  std::string by = "agent";
  std::string output = "text";
  std::uint64_t enough = 20;
};

struct Proof {
  policy::ReplayReport replay;
  std::uint64_t untyped = 0;
  std::vector<std::string> problems;
  Ids wrong;  // permits that do not validate, or with which something would be refused
};

// Whether the text is valid and allows what was allowed.
base::Result<Proof> prove(const std::string& text, const Recording& recording,
                          std::span<const std::shared_ptr<const policy::Tool>> tools,
                          std::size_t threads, const policy::Suggest& suggest) {
  const policy::World& world = *recording.files.world;
  const policy::PolicyText file{"suggested.cedar", text};
  Proof proof;
  const auto checked = policy::check_policies({&file, 1}, {.world = &world, .tools = tools});
  if (!checked) return std::unexpected(checked.error());
  proof.untyped = checked->untyped;
  for (const policy::Diagnostic& one : checked->diagnostics) {
    if (one.severity != policy::Diagnostic::Severity::error) continue;
    proof.problems.push_back(policy::describe(one));
    proof.wrong.insert(one.policy);
  }
  auto engine = policy::Engine::load(world, {&file, 1}, {});
  if (!engine) return std::unexpected(std::move(engine).error());
  std::vector<policy::Replay> slices;
  for (std::size_t i = 0; i < threads; ++i)
    slices.emplace_back(*engine, world, policy::Replay::Settings{});
  const auto read = read_records(
      recording.log, recording.query.since(), threads, [&](std::size_t slice, json::Value record) {
        if (!recording.query.matches(record)) return;
        const auto call = call_of(record);
        if (!call || call->call.decided != policy::Judgement::Kind::allow) return;
        policy::RecordedCall one = call->call;
        one.target = call->tool;
        slices[slice].take(one, true);
      });
  if (!read) return std::unexpected(read.error());
  proof.replay = std::move(slices.front().report());
  for (std::size_t i = 1; i < threads; ++i) proof.replay.merge(std::move(slices[i].report()), 3);
  for (const auto& [key, group] : proof.replay.groups)
    for (const auto& [target, count] : group.targets)
      for (std::string& id : suggest.ids_about(target)) proof.wrong.insert(std::move(id));
  return proof;
}

void print_json(const policy::Suggest& suggest, const std::string& text, const Proof& proof,
                const std::vector<policy::UnusedGrant>& unused) {
  const auto number = [](std::uint64_t count) { return static_cast<std::int64_t>(count); };
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("policies", text)
      .member("permits", number(suggest.counts().grants))
      .member("calls", number(suggest.counts().allowed))
      .member("refused_calls", number(suggest.counts().refused))
      .member("calls_without_question", number(suggest.counts().missing))
      .member("valid", proof.problems.empty())
      .member("untyped", number(proof.untyped))
      .member("would_be_refused", number(proof.replay.changed()));
  writer.key("unused").begin_array();
  for (const policy::UnusedGrant& grant : unused)
    writer.begin_object().member("policy", grant.policy).member("place", grant.place).end_object();
  writer.end_array().end_object();
  std::println("{}", out);
}

int suggest(const Arguments& given) {
  const auto recording = open_recording(given.recorded);
  if (!recording) return complain("suggest", recording.error());
  const auto tools = read_tools(given.tools, recording->files.config.get());
  if (!tools) return complain("tools", tools.error());
  const policy::World& world = *recording->files.world;
  const auto engine = policy::Engine::load(world, recording->files.policies, {});
  if (!engine) return complain("policies", engine.error());
  policy::Suggest suggestion(*engine, world,
                             {.by_group = given.by == "group", .enough = given.enough});
  const auto read = read_records(recording->log, recording->query.since(), 1,
                                 [&](std::size_t, json::Value record) {
                                   if (!recording->query.matches(record)) return;
                                   const auto call = call_of(record);
                                   if (!call) return;
                                   policy::RecordedCall one = call->call;
                                   one.target = call->tool;
                                   suggestion.take(one);
                                 });
  if (!read) return complain("audit log", read.error());
  if (suggestion.counts().allowed == 0) {
    std::println(stderr, "latticegate: no recorded call was allowed: there is nothing to suggest");
    return unknown;
  }
  const std::size_t threads = thread_count(given.recorded.threads);
  Ids plain;
  std::string text;
  Proof proof;
  // A condition that does not hold is left out, and the rest is proved again.
  for (;;) {
    text = suggestion.text(plain);
    auto made = prove(text, *recording, *tools, threads, suggestion);
    if (!made) return complain("suggested policies", made.error());
    proof = *std::move(made);
    const std::size_t before = plain.size();
    plain.insert(proof.wrong.begin(), proof.wrong.end());
    if (plain.size() == before) break;
  }
  const auto unused = policy::unused_grants(recording->files.policies, suggestion.used());
  if (!unused) return complain("policies", unused.error());
  if (given.output == "json") {
    print_json(suggestion, text, proof, *unused);
  } else {
    std::print("{}", text);
    if (!unused->empty()) std::println("\n// Permits in force that allowed none of the calls:");
    for (const policy::UnusedGrant& grant : *unused)
      std::println("//   {} at {}", base::printable(grant.policy), base::printable(grant.place));
  }
  const policy::Suggest::Counts& counts = suggestion.counts();
  std::println(stderr, "{} permits from {} calls; {} of them would be refused", counts.grants,
               counts.allowed, proof.replay.changed());
  if (counts.missing != 0)
    std::println(stderr, "{} calls that were allowed are not recorded whole: nothing rests on them",
                 counts.missing);
  for (const std::string& problem : proof.problems) std::println(stderr, "{}", problem);
  if (proof.untyped != 0)
    std::println(stderr,
                 "note: {} permits are about tools that are not known here and were not held to "
                 "types; name their lists with --tools",
                 proof.untyped);
  return proof.problems.empty() && proof.replay.changed() == 0 ? done : wrong;
}

}  // namespace

void add_policy_suggest(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = policy.add_subcommand(
      "suggest", "Least privilege from the audit log: policies to review, and unused permits");
  add_recorded_options(*command, given->recorded);
  command->add_option("--by", given->by, "Permits for each agent, or for each group of agents")
      ->check(CLI::IsMember({"agent", "group"}))
      ->capture_default_str();
  command->add_option("--tools", given->tools,
                      "SERVER=FILE: what the server answers to tools/list, as JSON; permits are "
                      "then held to their types");
  command
      ->add_option("--enough", given->enough,
                   "So many calls justify to say that an argument is only, or always")
      ->check(CLI::Range(2, 1'000'000))
      ->capture_default_str();
  command->add_option("-o,--output", given->output, "text (Cedar) or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(
      "The text says for each permit what it rests on. It is checked, and the calls are decided "
      "by\n"
      "it again, before it is printed. Who sends calls decides what is evidence: review it.\n"
      "Exit code: 0 valid and it allows every call that was allowed, 1 not so, 2 the files could\n"
      "not be read or the arguments are wrong, 3 there is nothing to rest on.\n"
      "Examples:\n"
      "  latticegate policy suggest -c latticegate.yaml --since 30d > "
      "policies.next/suggested.cedar\n"
      "  latticegate policy suggest -c latticegate.yaml --agent billing-bot --tools crm=crm.json");
  command->callback([&chosen, given] { chosen = [given] { return suggest(*given); }; });
}

}  // namespace latticegate::app
