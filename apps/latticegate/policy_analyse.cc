// policy analyse: what can be proved of policies before any call.
#include <chrono>
#include <cstdint>
#include <memory>
#include <print>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "json/write.h"
#include "policy/analyse.h"
#include "policy/sarif.h"
#include "policy_files.h"
#include "smt_prover.h"

namespace latticegate::app {
namespace {

using cedar::Verdict;
using policy::AnalyseFinding;
using policy::Diagnostic;

constexpr std::chrono::seconds prover_limit{5};  // of one question

struct Arguments {
  std::string config;
  std::string directory;
  std::string schema;
  std::vector<std::string> tools;  // SERVER=FILE
  std::string output = "text";
  std::string against;
  std::string prover;
  bool all = false;
};

void print_json(const policy::AnalyseReport& report, const PolicyFiles& files, bool all) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("policies", static_cast<std::int64_t>(report.policies));
  for (const Verdict verdict : {Verdict::proved, Verdict::refuted, Verdict::unknown})
    writer.member(cedar::name(verdict), static_cast<std::int64_t>(report.count(verdict)));
  writer.key("findings").begin_array();
  for (const AnalyseFinding& finding : report.findings) {
    if (!all && finding.verdict != Verdict::proved) continue;
    writer.begin_object()
        .member("claim", std::string(cedar::name(finding.claim)))
        .member("verdict", std::string(cedar::name(finding.verdict)));
    if (!finding.other.empty()) writer.member("other", finding.other);
    writer.key("finding");
    policy::write(finding.diagnostic, files.policies, writer);
    if (!finding.example.empty()) writer.key("example").raw(finding.example);
    writer.end_object();
  }
  writer.end_array().end_object();
  std::println("{}", out);
}

void print_text(const policy::AnalyseReport& report, const PolicyFiles& files, bool all) {
  for (const AnalyseFinding& finding : report.findings) {
    if (finding.verdict == Verdict::proved) {
      std::print("{}: {}\n{}", policy::name(finding.diagnostic.severity),
                 policy::describe(finding.diagnostic),
                 policy::excerpt(finding.diagnostic, files.policies));
    } else if (all) {
      std::println("{}: {}", finding.verdict == Verdict::refuted ? "not so" : "unknown",
                   policy::describe(finding.diagnostic));
      if (!finding.example.empty()) std::println("    {}", finding.example);
    }
  }
  std::println("{}, {}: {} proved, {} refuted by an example, {} unknown",
               counted(report.policies, "policy", "policies"),
               counted(report.findings.size(), "question", "questions"),
               report.count(Verdict::proved), report.count(Verdict::refuted),
               report.count(Verdict::unknown));
}

void print_json(const policy::CompareReport& report, std::span<const policy::PolicyText> texts,
                bool all) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("same", report.count(Verdict::proved) == report.findings.size())
      .member("differ", static_cast<std::int64_t>(report.count(Verdict::refuted)))
      .member("unknown", static_cast<std::int64_t>(report.count(Verdict::unknown)));
  writer.key("findings").begin_array();
  for (const policy::CompareFinding& finding : report.findings) {
    if (!all && finding.verdict == Verdict::proved) continue;
    writer.begin_object()
        .member("change", finding.gained ? "gained" : "lost")
        .member("verdict", finding.verdict == Verdict::proved
                               ? "none"
                               : (finding.verdict == Verdict::refuted ? "shown" : "unknown"))
        .member("forbid", finding.forbid);
    writer.key("finding");
    policy::write(finding.diagnostic, texts, writer);
    if (!finding.example.empty()) writer.key("example").raw(finding.example);
    writer.end_object();
  }
  writer.end_array().end_object();
  std::println("{}", out);
}

void print_text(const policy::CompareReport& report) {
  for (const policy::CompareFinding& finding : report.findings) {
    const std::string_view change = finding.gained ? "gained" : "lost";
    if (finding.verdict == Verdict::refuted)
      std::println("{}: {}\n    {}", change, policy::describe(finding.diagnostic), finding.example);
    if (finding.verdict == Verdict::unknown)
      std::println("unknown: whether anything is {} by {}", change,
                   policy::describe(finding.diagnostic));
  }
  if (report.count(Verdict::proved) == report.findings.size())
    std::println("both sets allow the same");
  else
    std::println("permits: {} make a difference, {} make none, {} unknown",
                 report.count(Verdict::refuted), report.count(Verdict::proved),
                 report.count(Verdict::unknown));
}

int compare(const Arguments& given, const PolicyFiles& files,
            const policy::AnalyseSettings& settings) {
  const auto old_files = read_policy_files(given.against, "");
  if (!old_files) return complain("policies", old_files.error());
  const auto report = policy::compare_policies(old_files->policies, files.policies, settings);
  if (!report) return complain("policies", report.error());
  // Excerpts of both.
  std::vector<policy::PolicyText> texts = files.policies;
  texts.insert(texts.end(), old_files->policies.begin(), old_files->policies.end());
  if (given.output == "json") {
    print_json(*report, texts, given.all);
  } else if (given.output == "sarif") {
    std::vector<Diagnostic> shown;
    for (const policy::CompareFinding& finding : report->findings)
      if (finding.verdict == Verdict::refuted) shown.push_back(finding.diagnostic);
    std::println("{}", policy::to_sarif(shown, texts, "0.1.0"));
  } else {
    print_text(*report);
  }
  if (report->count(Verdict::refuted) != 0) return wrong;
  return report->count(Verdict::unknown) == 0 ? done : unknown;
}

int analyse(const Arguments& given) {
  const auto files = read_policy_files(given.directory, given.config);
  if (!files) return complain("policies", files.error());
  const auto tools = read_tools(given.tools, files->config.get());
  if (!tools) return complain("tools", tools.error());
  std::string schema;
  if (!given.schema.empty()) {
    auto text = file_text(given.schema);
    if (!text) return complain("schema", text.error());
    schema = *std::move(text);
  }
  policy::AnalyseSettings settings{.schema = schema,
                                   .schema_name = given.schema,
                                   .tools = *tools,
                                   .built_in = given.schema.empty()};
  if (!given.prover.empty()) {
    auto prover = start_prover(given.prover, prover_limit);
    if (!prover) return complain("prover", prover.error());
    settings.prover = *std::move(prover);
  }
  if (!given.against.empty()) return compare(given, *files, settings);
  const auto report = policy::analyse_policies(files->policies, settings);
  if (!report) return complain("policies", report.error());
  const std::vector<Diagnostic> proved = report->diagnostics();
  if (given.output == "json")
    print_json(*report, *files, given.all);
  else if (given.output == "sarif")
    std::println("{}", policy::to_sarif(proved, files->policies, "0.1.0"));
  else
    print_text(*report, *files, given.all);
  return policy::count(proved, Diagnostic::Severity::warning) == 0 ? done : wrong;
}

}  // namespace

void add_policy_analyse(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = policy.add_subcommand(
      "analyse", "Prove what policies never do: impossible, shadowed, overridden, unreachable");
  command->alias("analyze");
  command->add_option("-c,--config", given->config, "Policies of this configuration");
  command->add_option("--directory", given->directory,
                      "A directory of .cedar files, instead of a configuration");
  command->add_option("--schema", given->schema,
                      "Cedar schema, text or JSON, instead of the gateway's model");
  command->add_option(
      "--tools", given->tools,
      "SERVER=FILE: what the server answers to tools/list, as JSON; or a folder of SERVER.json");
  command->add_option("--against", given->against,
                      "A directory of .cedar files, the old ones: who gains, who loses what");
  command->add_option("--prover", given->prover,
                      "cvc5, or a path to it: asked about what stays unknown otherwise");
  command->add_flag("--all", given->all,
                    "Also what is not so, with an example as a policy test, and what is unknown");
  command->add_option("-o,--output", given->output, "text, json or sarif (2.1.0)")
      ->check(CLI::IsMember({"text", "json", "sarif"}));
  command->footer(
      "Exit code: 0 nothing to warn of was proved, 1 something was, 2 the files could not be read\n"
      "or the arguments are wrong. With --against: 0 both allow the same, 1 they differ, 3 "
      "unknown.\n"
      "Examples:\n"
      "  latticegate policy analyse -c latticegate.yaml --against policies.old\n"
      "  latticegate policy analyse -c latticegate.yaml --tools crm=crm-tools.json --all");
  command->callback([&chosen, given] { chosen = [given] { return analyse(*given); }; });
}

}  // namespace latticegate::app
