// An MCP endpoint over HTTP as the command line names it: where it is, what is shown to it, whom it
// is trusted by.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "pqc/profile.h"

namespace latticegate::app {

struct Endpoint {
  std::string url;
  std::string bearer;  // empty: none
  std::string ca_pem;  // empty: the system's trust store
  pqc::Profile profile = pqc::Profile::preferred;
};

// The argument url and the options --token-file, --ca, --profile of a command.
struct EndpointArguments {
  std::string url;
  std::string token_file;
  std::string ca_file;
  std::string profile;
};
void add_endpoint(CLI::App& command, EndpointArguments& given);
// Reads the files; without --token-file the token is that of the variable LATTICEGATE_TOKEN.
[[nodiscard]] base::Result<Endpoint> endpoint_of(const EndpointArguments& given);

// Passes messages between standard input and output and the endpoint, until the input ends; gives
// the exit code.
int pass_lines(const Endpoint& endpoint);

}  // namespace latticegate::app
