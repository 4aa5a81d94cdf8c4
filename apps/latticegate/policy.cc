// policy format, convert; the other policy commands have files of their own.
#include <fstream>
#include <print>

#include "cedar/format.h"
#include "cedar/policy_json.h"
#include "commands.h"
#include "json/value.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Arguments {
  std::vector<std::string> files;
  bool write = false;
  bool only_check = false;
};

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
  add_policy_check(*command, chosen);
  add_policy_authorize(*command, chosen);
  add_policy_explain(*command, chosen);
  add_policy_test(*command, chosen);
  add_policy_schema(*command, chosen);
  add_policy_analyse(*command, chosen);
  add_policy_translate(*command, chosen);
  add_policy_replay(*command, chosen);
  add_policy_suggest(*command, chosen);
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
