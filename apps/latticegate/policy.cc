// policy check, test, format, convert: policies without a gateway.
#include <fstream>
#include <print>

#include "cedar/format.h"
#include "cedar/policy_json.h"
#include "commands.h"
#include "json/value.h"
#include "policy/check.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Arguments {
  std::string config;
  std::string directory;
  std::string tests;
  std::string entities;
  std::string schema;
  std::vector<std::string> files;
  bool write = false;
  bool only_check = false;
};

int check(const Arguments& given) {
  auto texts = read_policy_files(given.directory, given.config);
  if (!texts) return complain("policies", texts.error());
  const policy::CheckReport report =
      policy::check_policies(texts->policies, texts->world ? &*texts->world : nullptr);
  for (const std::string& error : report.errors) std::println("error: {}", error);
  for (const std::string& warning : report.warnings) std::println("warning: {}", warning);
  if (report.good())
    std::println("{} policies in {} files are good", report.policies, texts->policies.size());
  return report.good() ? done : wrong;
}

int test(const Arguments& given) {
  auto texts = read_policy_files(given.directory, given.config);
  if (!texts) return complain("policies", texts.error());
  std::string entities;
  std::string schema;
  auto tests = file_text(given.tests);
  if (!tests) return complain("tests", tests.error());
  if (!given.entities.empty()) {
    auto text = file_text(given.entities);
    if (!text) return complain("entities", text.error());
    entities = *std::move(text);
  }
  if (!given.schema.empty()) {
    auto text = file_text(given.schema);
    if (!text) return complain("schema", text.error());
    schema = *std::move(text);
  }
  auto report =
      policy::run_tests(texts->policies, {.tests = *tests, .entities = entities, .schema = schema});
  if (!report) return complain("tests", report.error());
  for (const policy::TestOutcome& outcome : report->outcomes)
    if (!outcome.passed) std::println("failed: {}: {}", outcome.name, outcome.words);
  for (const std::string& silent : report->silent)
    std::println("not covered: no test is decided by {}", silent);
  std::println("{} passed, {} failed", report->passed, report->outcomes.size() - report->passed);
  return report->good() ? done : wrong;
}

Result<void> write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) return fail(Code::io, std::format("cannot write {}", path));
  return {};
}

int format(const Arguments& given) {
  int result = done;
  for (const std::string& path : given.files) {
    const auto text = file_text(path);
    if (!text) return complain("policies", text.error());
    const auto formatted = cedar::format_policies(*text, path);
    if (!formatted) return complain("policies", formatted.error());
    if (given.only_check) {
      if (*formatted == *text) continue;
      std::println("{} is not formatted", path);
      result = wrong;
    } else if (!given.write) {
      std::print("{}", *formatted);
    } else if (*formatted != *text) {
      if (const auto written = write_file(path, *formatted); !written)
        return complain("policies", written.error());
      std::println("{}", path);
    }
  }
  return result;
}

// The set as text. In JSON the ids stand outside of the policies; here they become annotations.
std::string text_of(const cedar::PolicySet& set) {
  std::string text;
  for (const auto list : {set.templates(), set.policies()})
    for (const cedar::Policy& policy : list) {
      if (!text.empty()) text += '\n';
      if (!policy.annotation("id")) text += std::format("@id({})\n", cedar::quoted(policy.id));
      text += cedar::print(policy);
    }
  return text;
}

int convert(const Arguments& given) {
  const std::string& path = given.files.front();
  const auto text = file_text(path);
  if (!text) return complain("policies", text.error());
  if (!path.ends_with(".json")) {
    const auto set = cedar::parse_policies(*text, path);
    if (!set) return complain("policies", set.error());
    std::println("{}", cedar::to_json(*set));
    return done;
  }
  const auto document = json::Document::parse(*text, {.depth = 1'000, .allow_nul = true});
  if (!document) return complain(path, document.error());
  const auto set = cedar::policies_from_json(document->root(), path);
  if (!set) return complain("policies", set.error());
  const auto formatted = cedar::format_policies(text_of(*set), path);
  if (!formatted) return complain("policies", formatted.error());
  std::print("{}", *formatted);
  return done;
}

}  // namespace

void add_policy(CLI::App& parser, Chosen& chosen) {
  CLI::App* const command =
      parser.add_subcommand("policy", "Check, ask, test, format and convert policies");
  command->require_subcommand(1);
  auto given = std::make_shared<Arguments>();
  const auto common = [given](CLI::App* sub) {
    sub->add_option("-c,--config", given->config, "Policies and names of this configuration");
    sub->add_option("--directory", given->directory,
                    "A directory of .cedar files, instead of a configuration");
  };
  CLI::App* const check_command =
      command->add_subcommand("check", "Read the policies and say what is wrong with them");
  common(check_command);
  check_command->callback([&chosen, given] { chosen = [given] { return check(*given); }; });
  add_policy_validate(*command, chosen);
  add_policy_authorize(*command, chosen);
  CLI::App* const test_command = command->add_subcommand(
      "test", "Decide the requests of a test file (cedar run-tests format)");
  common(test_command);
  test_command->add_option("tests", given->tests, "JSON file of tests")->required();
  test_command->add_option("--entities", given->entities, "JSON file of entities for all tests");
  test_command->add_option("--schema", given->schema, "Cedar schema, for the groups of actions");
  test_command->callback([&chosen, given] { chosen = [given] { return test(*given); }; });
  CLI::App* const format_command =
      command->add_subcommand("format", "Lay policy files out in one way; comments stay");
  format_command->add_option("files", given->files, "Policy files")->required();
  format_command->add_flag("-w,--write", given->write, "Change the files instead of printing");
  format_command->add_flag("--check", given->only_check, "Only name the files that would change");
  format_command->callback([&chosen, given] { chosen = [given] { return format(*given); }; });
  CLI::App* const convert_command = command->add_subcommand(
      "convert", "Policies as JSON (Cedar's form of a set), or such JSON (*.json) as policies");
  convert_command->add_option("file", given->files, "Policy file, or JSON file")
      ->required()
      ->expected(1);
  convert_command->callback([&chosen, given] { chosen = [given] { return convert(*given); }; });
}

}  // namespace latticegate::app
