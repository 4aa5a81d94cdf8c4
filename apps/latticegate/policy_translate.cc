// policy translate: rules of other gateways as policies of ours.
#include <memory>
#include <print>
#include <string>
#include <utility>

#include "commands.h"
#include "policy/translate.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

struct Arguments {
  std::string from;
  std::string file;
  std::string server;
  bool strict = false;
};

int translate(const Arguments& given) {
  const auto source = policy::rule_source_named(given.from);
  if (!source) return usage;  // the option's check has seen to it
  const auto text = file_text(given.file);
  if (!text) return complain("rules", text.error());
  const auto translation = policy::translate(*source, *text, given.file, given.server);
  if (!translation) return complain("rules", translation.error());
  std::print("{}", translation->policies);
  for (const std::string& note : translation->notes) std::println(stderr, "note: {}", note);
  for (const std::string& what : translation->missing)
    std::println(stderr, "not carried over: {}", what);
  return given.strict && !translation->missing.empty() ? wrong : done;
}

}  // namespace

void add_policy_translate(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command =
      policy.add_subcommand("translate", "Print rules of another gateway as policies");
  command->add_option("--from", given->from, "Whose rules they are")
      ->required()
      ->check(CLI::IsMember({"toolhive", "agentgateway", "envoy-ai-gateway", "pomerium"}));
  command->add_option("file", given->file, "Its configuration file, YAML or JSON")->required();
  command->add_option("--server", given->server,
                      "The server that the rules are about, where the file does not say it");
  command->add_flag("--strict", given->strict,
                    "Exit code 1 when something could not be carried over");
  command->footer(
      "What could not be carried over, and what has to be arranged, stands in comments and on\n"
      "standard error. Nothing is allowed that the rules do not allow.\n"
      "Exit code: 0, 1 with --strict when something is missing, 2 the file could not be read.\n"
      "Example:\n"
      "  latticegate policy translate --from toolhive authz.yaml --server weather");
  command->callback([&chosen, given] { chosen = [given] { return translate(*given); }; });
}

}  // namespace latticegate::app
