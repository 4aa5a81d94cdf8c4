// An MCP endpoint over HTTP as the command line names it: where it is, what is shown to it, whom it
// is trusted by.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "base/result.h"
#include "client/client.h"

namespace latticegate::app {

// The argument url and the options --token-file, --ca, --profile of a command.
struct EndpointArguments {
  std::string url;
  std::string token_file;
  std::string ca_file;
  std::string profile;
};
void add_endpoint(CLI::App& command, EndpointArguments& given);
// Reads the files; without --token-file the token is that of the variable LATTICEGATE_TOKEN.
[[nodiscard]] base::Result<client::Options> endpoint_of(const EndpointArguments& given);

// Passes messages between standard input and output and the endpoint, until the input ends; gives
// the exit code.
int pass_lines(const client::Options& endpoint);

}  // namespace latticegate::app
