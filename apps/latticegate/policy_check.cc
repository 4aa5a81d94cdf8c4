// policy check: what is wrong with policies, for people, programs and code scanning.
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
#include "policy/check.h"
#include "policy/sarif.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

using policy::Diagnostic;
using Severity = Diagnostic::Severity;

struct Arguments {
  std::string config;
  std::string directory;
  std::string schema;
  std::vector<std::string> tools;  // SERVER=FILE
  std::optional<std::uint32_t> level;
  std::string output = "text";
  bool strict = false;
};

void print_json(const policy::CheckReport& report, const PolicyFiles& files) {
  const auto of = [&](Severity severity) {
    return static_cast<std::int64_t>(policy::count(report.diagnostics, severity));
  };
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("valid", report.good())
      .member("policies", static_cast<std::int64_t>(report.policies))
      .member("untyped", static_cast<std::int64_t>(report.untyped))
      .member("errors", of(Severity::error))
      .member("warnings", of(Severity::warning));
  writer.key("findings").begin_array();
  for (const Diagnostic& one : report.diagnostics) policy::write(one, files.policies, writer);
  writer.end_array().end_object();
  std::println("{}", out);
}

void print_text(const policy::CheckReport& report, const PolicyFiles& files) {
  for (const Diagnostic& one : report.diagnostics)
    std::print("{}: {}\n{}", policy::name(one.severity), policy::describe(one),
               policy::excerpt(one, files.policies));
  if (report.good())
    std::println("{} in {} {} good", counted(report.policies, "policy", "policies"),
                 counted(files.policies.size(), "file", "files"),
                 report.policies == 1 ? "is" : "are");
}

int check(const Arguments& given) {
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
  const auto report =
      policy::check_policies(files->policies, {.world = files->world ? &*files->world : nullptr,
                                               .schema = schema,
                                               .schema_name = given.schema,
                                               .tools = *tools,
                                               .level = given.level});
  if (!report) return complain("schema", report.error());
  if (given.output == "json")
    print_json(*report, *files);
  else if (given.output == "sarif")
    std::println("{}", policy::to_sarif(report->diagnostics, files->policies, "0.1.0"));
  else
    print_text(*report, *files);
  if (report->untyped != 0)
    std::println(stderr,
                 "note: not held to types: {} about tools that are not known here; name their "
                 "lists with --tools",
                 counted(report->untyped, "policy", "policies"));
  const bool good = report->good() && (!given.strict || report->diagnostics.empty());
  return good ? done : wrong;
}

}  // namespace

void add_policy_check(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command =
      policy.add_subcommand("check", "Say what is wrong with policies: syntax, names, types");
  command->alias("validate");
  command->add_option("-c,--config", given->config, "Policies and names of this configuration");
  command->add_option("--directory", given->directory,
                      "A directory of .cedar files, instead of a configuration");
  command->add_option("--schema", given->schema,
                      "Cedar schema, text or JSON, instead of the gateway's model");
  command->add_option(
      "--tools", given->tools,
      "SERVER=FILE: what the server answers to tools/list, as JSON; or a folder of SERVER.json");
  command->add_option("--level", given->level, "How many entities in a row a policy may read");
  command->add_flag("--strict", given->strict, "Exit code 1 for warnings, too");
  command->add_option("-o,--output", given->output, "text, json or sarif (2.1.0)")
      ->check(CLI::IsMember({"text", "json", "sarif"}));
  command->footer(
      "Exit code: 0 no errors, 1 errors (with --strict: or warnings), 2 the files could not be\n"
      "read or the arguments are wrong.\n"
      "Examples:\n"
      "  latticegate policy check -c latticegate.yaml --tools crm=crm-tools.json\n"
      "  latticegate policy check --directory policies -o sarif > policies.sarif");
  command->callback([&chosen, given] { chosen = [given] { return check(*given); }; });
}

}  // namespace latticegate::app
