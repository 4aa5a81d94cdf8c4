// policy validate: the types in policies, against a schema.
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.h"
#include "gateway/catalogue.h"
#include "json/value.h"
#include "json/write.h"
#include "policy/validate.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

struct Arguments {
  std::string config;
  std::string directory;
  std::string schema;
  std::vector<std::string> tools;  // SERVER=FILE
  std::optional<std::uint32_t> level;
  bool json = false;
};

// The tools of one SERVER=FILE: what the server answered to tools/list, its result, or the list
// itself. What the configuration says about the server and its tools counts as in the gateway.
base::Result<void> add_tools(std::string_view given, const PolicyFiles& files,
                             std::vector<std::shared_ptr<const policy::Tool>>& tools) {
  const std::size_t sign = given.find('=');
  if (sign == std::string_view::npos || sign == 0)
    return base::fail(base::Code::invalid, std::format("--tools is SERVER=FILE, not {}", given));
  const std::string server(given.substr(0, sign));
  const std::string path(given.substr(sign + 1));
  const auto text = file_text(path);
  if (!text) return std::unexpected(text.error());
  const auto document = json::Document::parse(*text);
  if (!document) return base::within(path, document.error());
  json::Value list = document->root();
  if (list["result"]) list = list["result"];
  if (list["tools"]) list = list["tools"];
  if (!list.is_array())
    return base::fail(base::Code::invalid, std::format("{}: no list of tools", path));
  policy::ServerFacts facts{.name = server};
  const config::Server* known = nullptr;
  if (files.config != nullptr)
    if (const auto found = files.config->servers.find(server); found != files.config->servers.end())
      known = &found->second;
  for (const json::Value descriptor : list.elements()) {
    const policy::ToolFacts said = known == nullptr
                                       ? policy::ToolFacts{}
                                       : gateway::facts_of(*known, descriptor["name"].text_or(""));
    auto tool = policy::make_tool(facts, descriptor, said);
    if (!tool)
      return base::within(std::format("{}: {}", path, descriptor["name"].text_or("a tool")),
                          std::move(tool).error());
    tools.push_back(*std::move(tool));
  }
  return {};
}

void print_json(const policy::CheckReport& report) {
  std::string out;
  json::Writer writer(out);
  const auto list = [&](std::string_view key, const std::vector<std::string>& lines) {
    writer.key(key).begin_array();
    for (const std::string& line : lines) writer.string(line);
    writer.end_array();
  };
  writer.begin_object().member("valid", report.good());
  writer.member("policies", static_cast<std::int64_t>(report.policies));
  list("errors", report.errors);
  list("warnings", report.warnings);
  writer.end_object();
  std::println("{}", out);
}

int validate(const Arguments& given) {
  const auto files = read_policy_files(given.directory, given.config);
  if (!files) return complain("policies", files.error());
  std::vector<std::shared_ptr<const policy::Tool>> tools;
  for (const std::string& one : given.tools)
    if (auto added = add_tools(one, *files, tools); !added) return complain("tools", added.error());
  std::string schema;
  if (!given.schema.empty()) {
    auto text = file_text(given.schema);
    if (!text) return complain("schema", text.error());
    schema = *std::move(text);
  }
  auto report = policy::validate_policies(
      files->policies,
      {.schema = schema, .schema_name = given.schema, .tools = tools, .level = given.level});
  if (!report) return complain("policies", report.error());
  if (given.schema.empty() && tools.empty())
    std::println(stderr, "note: no tools are known here; name their lists with --tools");
  if (given.json) {
    print_json(*report);
    return report->good() ? done : wrong;
  }
  for (const std::string& error : report->errors) std::println("error: {}", error);
  for (const std::string& warning : report->warnings) std::println("warning: {}", warning);
  if (report->good()) std::println("{} policies are valid", report->policies);
  return report->good() ? done : wrong;
}

}  // namespace

void add_policy_validate(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command =
      policy.add_subcommand("validate", "Check the types in policies against a schema");
  command->add_option("-c,--config", given->config, "Policies and servers of this configuration");
  command->add_option("--directory", given->directory,
                      "A directory of .cedar files, instead of a configuration");
  command->add_option("--schema", given->schema,
                      "Cedar schema, text or JSON, instead of the gateway's model");
  command->add_option("--tools", given->tools,
                      "SERVER=FILE: what the server answers to tools/list, as JSON");
  command->add_option("--level", given->level, "How many entities in a row a policy may read");
  command->add_flag("--json", given->json, "One JSON object instead of lines");
  command->callback([&chosen, given] { chosen = [given] { return validate(*given); }; });
}

}  // namespace latticegate::app
