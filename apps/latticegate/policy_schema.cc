// policy schema: the Cedar schema that policies are held to, with the tools that are named.
#include <memory>
#include <print>
#include <string>
#include <utility>
#include <vector>

#include "cedar/schema.h"
#include "cedar/schema_source.h"
#include "commands.h"
#include "config/files.h"
#include "policy/compatible_schema.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

using base::Result;
using cedar::SchemaSource;

struct Arguments {
  std::string config;
  std::vector<std::string> tools;  // SERVER=FILE
  std::string output = "cedar";
  std::string stub;
  policy::CompatibleOptions compatible;
};

// The gateway's model.
Result<std::string> model_text(const Arguments& given) {
  std::shared_ptr<const config::Config> config;
  if (!given.config.empty()) {
    auto loaded = config::load(given.config);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    config = loaded->config;
  }
  const auto tools = read_tools(given.tools, config.get());
  if (!tools) return std::unexpected(tools.error());
  return policy::schema_text(*tools);
}

Result<SchemaSource> compatible(const Arguments& given) {
  if (given.tools.size() != 1)
    return base::fail(base::Code::invalid, "--stub takes one --tools FILE");
  const auto stub_text = file_text(given.stub);
  if (!stub_text) return std::unexpected(stub_text.error());
  const auto stub = cedar::read_schema_text(*stub_text, given.stub);
  if (!stub) return std::unexpected(stub.error());
  const std::string& path = given.tools.front();
  const auto text = file_text(path);
  if (!text) return std::unexpected(text.error());
  const auto document = json::Document::parse(*text);
  if (!document) return base::within(path, document.error());
  auto source = policy::compatible_schema(*stub, tools_in(document->root()), given.compatible);
  if (!source) return base::within(path, std::move(source).error());
  // What cannot be resolved (a name that is taken) is of no use to anybody.
  if (auto schema = cedar::resolve(*source); !schema)
    return base::within(path, std::move(schema).error());
  return source;
}

int schema(const Arguments& given) {
  const bool as_json = given.output == "json";
  if (given.stub.empty()) {
    const auto text = model_text(given);
    if (!text) return complain("schema", text.error());
    if (!as_json) {
      std::print("{}", *text);
      return done;
    }
    const auto source = cedar::read_schema_text(*text, "the model");
    if (!source) return complain("schema", source.error());
    std::println("{}", cedar::to_schema_json(*source));
    return done;
  }
  const auto source = compatible(given);
  if (!source) return complain("schema", source.error());
  if (as_json) {
    std::println("{}", cedar::to_schema_json(*source));
    return done;
  }
  const auto text = cedar::to_schema_text(*source);
  if (!text) return complain("schema", text.error());
  std::print("{}", *text);
  return done;
}

}  // namespace

void add_policy_schema(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = policy.add_subcommand(
      "schema", "Print the Cedar schema of the gateway's model, with tools, for editors and tests");
  command->add_option("-c,--config", given->config,
                      "What this configuration says of servers and tools counts");
  command->add_option(
      "--tools", given->tools,
      "SERVER=FILE: what the server answers to tools/list, as JSON; or a folder of SERVER.json");
  command->add_option("-o,--output", given->output, "cedar (text) or json")
      ->check(CLI::IsMember({"cedar", "json"}));
  CLI::Option* const stub = command->add_option(
      "--stub,--compatible", given->stub,
      "Not the gateway's model, but a schema as cedar-for-agents makes it from this stub; --tools "
      "is then one FILE");
  policy::CompatibleOptions& options = given->compatible;
  command->add_flag("--include-outputs", options.include_outputs)->needs(stub);
  command->add_flag("--objects-as-records", options.objects_as_records)->needs(stub);
  command->add_flag("--flatten-namespaces", options.flatten_namespaces)->needs(stub);
  command->add_flag("--numbers-as-decimal", options.numbers_as_decimal)->needs(stub);
  command->add_flag("--keep-annotations", options.keep_annotations)->needs(stub);
  command->footer(
      "Exit code: 0, or 2 if something could not be read or does not become a schema.\n"
      "Examples:\n"
      "  latticegate policy schema --tools crm=crm-tools.json > mcp.cedarschema\n"
      "  latticegate policy schema --compatible stub.cedarschema --tools crm-tools.json -o json");
  command->callback([&chosen, given] { chosen = [given] { return schema(*given); }; });
}

}  // namespace latticegate::app
