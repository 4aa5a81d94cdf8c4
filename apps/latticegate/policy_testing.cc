// policy test: the requests of a test file, and which clauses they never tried.
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "json/write.h"
#include "policy/test_run.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

struct Arguments {
  std::string config;
  std::string directory;
  std::vector<std::string> tests;
  std::string entities;
  std::string schema;
  std::vector<std::string> tools;  // SERVER=FILE
  std::string output = "text";
  bool coverage = false;
  std::optional<double> least;  // percent
};

struct Sum {
  std::size_t seen = 0;
  std::size_t possible = 0;
  double percent() const {
    return possible == 0 ? 100 : 100.0 * static_cast<double>(seen) / static_cast<double>(possible);
  }
};

Sum sum_of(const policy::TestReport& report) {
  Sum sum;
  for (const cedar::PolicyCoverage& one : report.coverage) {
    sum.seen += one.seen();
    sum.possible += one.possible();
  }
  return sum;
}

std::string_view missing(const cedar::Outcomes& outcomes) {
  if (outcomes.yes > 0) return outcomes.no > 0 ? "" : "never false";
  if (outcomes.no > 0) return "never true";
  return outcomes.failed > 0 ? "always failed" : "never reached";
}

void print_coverage(const policy::TestReport& report) {
  std::size_t widest = 6;
  for (const cedar::PolicyCoverage& one : report.coverage) widest = std::max(widest, one.id.size());
  std::println("{:<{}}  {:>6} {:>6} {:>6}  covered", "policy", widest, "true", "false", "failed");
  for (const cedar::PolicyCoverage& one : report.coverage) {
    std::println("{:<{}}  {:>6} {:>6} {:>6}  {} of {}", one.id, widest, one.outcomes.yes,
                 one.outcomes.no, one.outcomes.failed, one.seen(), one.possible());
    for (const cedar::ClauseCoverage& clause : one.clauses)
      if (const std::string_view words = missing(clause.outcomes); !words.empty())
        std::println("  {}:{}:{}: {}: {}", one.file, clause.line, clause.column, words,
                     clause.text);
  }
}

void write_outcomes(const cedar::Outcomes& outcomes, json::Writer& writer) {
  writer.member("true", static_cast<std::int64_t>(outcomes.yes))
      .member("false", static_cast<std::int64_t>(outcomes.no))
      .member("failed", static_cast<std::int64_t>(outcomes.failed));
}

void write_place(std::uint32_t line, std::uint32_t column, json::Writer& writer) {
  writer.member("line", static_cast<std::int64_t>(line))
      .member("column", static_cast<std::int64_t>(column));
}

void print_json(const policy::TestReport& report) {
  std::string out;
  json::Writer writer(out);
  const Sum sum = sum_of(report);
  writer.begin_object()
      .member("passed", static_cast<std::int64_t>(report.passed))
      .member("failed", static_cast<std::int64_t>(report.outcomes.size() - report.passed));
  writer.key("tests").begin_array();
  for (const policy::TestOutcome& outcome : report.outcomes)
    writer.begin_object()
        .member("name", outcome.name)
        .member("passed", outcome.passed)
        .member("deniedOnError", outcome.denied_on_error)
        .member("words", outcome.words)
        .end_object();
  writer.end_array().key("undecided").begin_array();
  for (const std::string& id : report.silent) writer.string(id);
  writer.end_array().key("coverage").begin_object();
  writer.member("seen", static_cast<std::int64_t>(sum.seen))
      .member("possible", static_cast<std::int64_t>(sum.possible));
  writer.key("policies").begin_array();
  for (const cedar::PolicyCoverage& one : report.coverage) {
    writer.begin_object().member("id", one.id).member("file", one.file);
    write_place(one.line, one.column, writer);
    write_outcomes(one.outcomes, writer);
    writer.key("clauses").begin_array();
    for (const cedar::ClauseCoverage& clause : one.clauses) {
      writer.begin_object().member("text", clause.text);
      write_place(clause.line, clause.column, writer);
      write_outcomes(clause.outcomes, writer);
      writer.end_object();
    }
    writer.end_array().end_object();
  }
  writer.end_array().end_object().end_object();
  std::println("{}", out);
}

void print_text(const policy::TestReport& report, bool coverage) {
  for (const policy::TestOutcome& outcome : report.outcomes)
    if (!outcome.passed) std::println("failed: {}: {}", outcome.name, outcome.words);
  for (const std::string& silent : report.silent)
    std::println("not covered: no test is decided by {}", silent);
  if (coverage) print_coverage(report);
  const Sum sum = sum_of(report);
  std::println("{} passed, {} failed", report.passed, report.outcomes.size() - report.passed);
  std::println("coverage: {:.1f} % ({} of {} outcomes of policies and clauses)", sum.percent(),
               sum.seen, sum.possible);
}

// The tests of all files as one array.
base::Result<std::string> all_tests(const std::vector<std::string>& paths) {
  std::string all;
  json::Writer writer(all);
  writer.begin_array();
  for (const std::string& path : paths) {
    const auto text = file_text(path);
    if (!text) return std::unexpected(text.error());
    const auto document = json::Document::parse(*text);
    if (!document) return base::within(path, document.error());
    if (!document->root().is_array())
      return base::fail(base::Code::invalid, std::format("{}: not an array", path));
    for (const json::Value test : document->root().elements()) writer.value(test);
  }
  writer.end_array();
  return all;
}

int test(const Arguments& given) {
  const auto files = read_policy_files(given.directory, given.config);
  if (!files) return complain("policies", files.error());
  const auto tests = all_tests(given.tests);
  if (!tests) return complain("tests", tests.error());
  std::string entities;
  std::string schema;
  for (const auto& [what, path, to] : {std::tuple("entities", &given.entities, &entities),
                                       std::tuple("schema", &given.schema, &schema)}) {
    if (path->empty()) continue;
    auto text = file_text(*path);
    if (!text) return complain(what, text.error());
    *to = *std::move(text);
  }
  const auto tools = read_tools(given.tools, files->config.get());
  if (!tools) return complain("tools", tools.error());
  const auto report =
      policy::run_tests(files->policies, {.tests = *tests,
                                          .entities = entities,
                                          .schema = schema,
                                          .world = files->world ? &*files->world : nullptr,
                                          .tools = *tools});
  if (!report) return complain("tests", report.error());
  if (given.output == "json")
    print_json(*report);
  else
    print_text(*report, given.coverage);
  if (given.least && sum_of(*report).percent() < *given.least) {
    std::println(stderr, "coverage is below {} %", *given.least);
    return wrong;
  }
  return report->good() ? done : wrong;
}

}  // namespace

void add_policy_test(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = policy.add_subcommand(
      "test", "Decide the requests of a test file (cedar run-tests format), with coverage");
  command->add_option("-c,--config", given->config,
                      "Policies, agents, servers of this configuration");
  command->add_option("--directory", given->directory,
                      "A directory of .cedar files, instead of a configuration");
  command->add_option("tests", given->tests, "JSON files of tests")->required();
  command->add_option("--entities", given->entities, "JSON file of entities for all tests");
  command->add_option("--schema", given->schema, "Cedar schema, for the groups of actions");
  command->add_option(
      "--tools", given->tools,
      "SERVER=FILE: what the server answers to tools/list, as JSON; or a folder of SERVER.json");
  command->add_flag("--coverage", given->coverage,
                    "List what was never true or never false: policies and clauses");
  command
      ->add_option("--coverage-min", given->least,
                   "Exit code 1 below that many percent of the outcomes")
      ->check(CLI::Range(0.0, 100.0));
  command->add_option("-o,--output", given->output, "text or json (with coverage)")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(
      "Exit code: 0 all tests passed and the coverage suffices, 1 not, 2 the files could not be\n"
      "read or the arguments are wrong.");
  command->callback([&chosen, given] { chosen = [given] { return test(*given); }; });
}

}  // namespace latticegate::app
