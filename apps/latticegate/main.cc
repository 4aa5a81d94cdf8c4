// The one program. Arguments, the subcommand that they name, its exit code.
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <print>

#include "commands.h"
#include "mistake.h"

namespace latticegate::app {

int complain(std::string_view what, const base::Error& error) {
  std::println(stderr, "latticegate: {}: {}", what, base::describe(error));
  switch (error.code) {
    case base::Code::unavailable:
    case base::Code::timeout:
    case base::Code::closed: return unreachable;
    case base::Code::forbidden:
    case base::Code::unauthenticated: return refused;
    case base::Code::internal: return unknown;
    default: return usage;
  }
}

namespace {

// Whether standard output is a pipe that nobody reads any more.
bool unread() {
  pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

}  // namespace
}  // namespace latticegate::app

int main(int argc, char** argv) try {
  using namespace latticegate::app;
  // A peer that is gone is an error of the write, not of the program.
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGXFSZ, SIG_IGN);  // a write beyond a limit fails, wherever it is made
  CLI::App parser("Latticegate: a zero-trust gateway for the Model Context Protocol",
                  "latticegate");
  parser.set_version_flag("--version", "latticegate 0.1.0");
  parser.require_subcommand(1);
  parser.footer(
      "Examples:\n"
      "  latticegate run --config latticegate.yaml\n"
      "  latticegate call https://127.0.0.1:8443/mcp/files list_directory path=. --token-file "
      "token\n"
      "  latticegate audit tail --config latticegate.yaml decision:deny\n"
      "  latticegate tools --config latticegate.yaml          what is held back, and why\n"
      "  latticegate kill --config latticegate.yaml c-1f0a93b24c5d\n"
      "  latticegate quarantine server crm --for 2h --reason \"strange answers\"");
  Chosen chosen;
  add_run(parser, chosen);
  add_call(parser, chosen);
  add_connect(parser, chosen);
  add_wrap(parser, chosen);
  add_operate(parser, chosen);
  add_response(parser, chosen);
  add_metrics(parser, chosen);
  add_agents(parser, chosen);
  add_approvals(parser, chosen);
  add_audit(parser, chosen);
  add_policy(parser, chosen);
  add_inspect(parser, chosen);
  try {
    parser.parse(argc, argv);
    return chosen ? chosen() : usage;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return parser.exit(error);  // --help, --version
    std::println(stderr, "{}", mistake(parser, error));
    return usage;
  }
} catch (const std::exception& error) {
  // `latticegate ... | head`: nobody reads on, so there is nothing to say either.
  if (latticegate::app::unread()) return latticegate::app::not_read;
  (void)std::fprintf(stderr, "latticegate: %s\n", error.what());  // does not throw, as println may
  return latticegate::app::unknown;
}
