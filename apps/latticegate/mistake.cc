#include "mistake.h"

#include <algorithm>
#include <format>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/suggest.h"

namespace latticegate::app {
namespace {

// "latticegate audit".
std::string path_of(const CLI::App& command) {
  const CLI::App* const parent = command.get_parent();
  return parent == nullptr ? command.get_name() : path_of(*parent) + ' ' + command.get_name();
}

std::vector<std::string> commands_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* const below : command.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(below->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// "; did you mean 'run'?" or nothing.
std::string meant(std::string_view word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  const auto nearest = base::nearest(word, candidates);
  return nearest ? std::format("; did you mean '{}'?", *nearest) : std::string();
}

std::string listed(const CLI::App& command) {
  std::string out;
  for (const std::string& name : commands_of(command)) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string unknown(const CLI::App& command, std::string_view word) {
  const std::string where = path_of(command);
  const std::string shown = base::printable(word);
  if (word.size() > 1 && word.front() == '-')
    return std::format("{}: unknown option '{}'{} (see {} --help)", where, shown,
                       meant(word.substr(0, word.find('=')), options_of(command)), where);
  if (commands_of(command).empty())
    return std::format("{}: takes no argument '{}' (see {} --help)", where, shown, where);
  return std::format("{}: unknown command '{}'{} (there are: {})", where, shown,
                     meant(word, commands_of(command)), listed(command));
}

}  // namespace

std::string mistake(const CLI::App& parser, const CLI::ParseError& error) {
  // Down the commands that were recognised, to the first that has a word left over.
  const CLI::App* command = &parser;
  while (true) {
    const std::vector<std::string> left = command->remaining();
    if (!left.empty()) return unknown(*command, left.front());
    const std::vector<CLI::App*> next = command->get_subcommands();
    if (next.empty()) break;
    command = next.front();
  }
  const std::string where = path_of(*command);
  if (command->get_require_subcommand_min() > 0)
    return std::format("{}: a command is missing (there are: {})", where, listed(*command));
  return std::format("{}: {} (see {} --help)", where, error.what(), where);
}

}  // namespace latticegate::app
