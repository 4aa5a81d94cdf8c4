// metrics: the numbers of the running gateway, as collectors get them.
#include <print>

#include "client/client.h"
#include "commands.h"
#include "management.h"

namespace latticegate::app {
namespace {

int show(const Where& where, bool list) {
  const auto socket = socket_of(where);
  if (!socket) return complain("configuration", socket.error());
  const auto answer = client::ask_control(*socket, "GET", list ? "/metrics/list" : "/metrics", "");
  if (!answer) {
    complain("the gateway does not answer on " + *socket, answer.error());
    return unreachable;
  }
  if (answer->status != 200) {
    std::println(stderr, "latticegate: the gateway answered {}", answer->status);
    return wrong;
  }
  std::print("{}", answer->body);
  return done;
}

}  // namespace

void add_metrics(CLI::App& parser, Chosen& chosen) {
  auto where = std::make_shared<Where>();
  auto list = std::make_shared<bool>(false);
  CLI::App* const command = parser.add_subcommand(
      "metrics", "Numbers of the running gateway in the Prometheus text format");
  with_place(command, where);
  command->add_flag("--list", *list, "What there is, as a table in Markdown");
  command->footer(
      "Collectors get the same over HTTP from `listen.metrics`, when that is configured.");
  command->callback(
      [&chosen, where, list] { chosen = [where, list] { return show(*where, *list); }; });
}

}  // namespace latticegate::app
