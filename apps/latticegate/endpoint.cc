#include "endpoint.h"

#include <cstdlib>
#include <format>
#include <fstream>
#include <iterator>

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

Result<std::string> file_text(const std::string& option, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::io, std::format("{}: cannot read {}", option, path));
  std::string text(std::istreambuf_iterator<char>(file), {});
  return text;
}

}  // namespace

void add_endpoint(CLI::App& command, EndpointArguments& given) {
  command.add_option("url", given.url, "The MCP endpoint, https://host:port/mcp/<server>")
      ->required();
  command.add_option("--token-file", given.token_file,
                     "File with the bearer token (or the variable LATTICEGATE_TOKEN)");
  command.add_option("--ca", given.ca_file,
                     "PEM file of the authority to trust instead of the system's");
  command.add_option("--profile", given.profile,
                     "TLS profile: preferred, required (post-quantum or nothing), cnsa");
}

Result<client::Options> endpoint_of(const EndpointArguments& given) {
  client::Options endpoint;
  endpoint.url = given.url;
  if (!given.token_file.empty()) {
    auto token = file_text("--token-file", given.token_file);
    if (!token) return std::unexpected(std::move(token).error());
    while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
    endpoint.bearer = *std::move(token);
  } else if (const char* const token = std::getenv("LATTICEGATE_TOKEN")) {
    endpoint.bearer = token;
  }
  if (!given.profile.empty()) {
    const auto profile = pqc::parse_profile(given.profile);
    if (!profile)
      return fail(profile.error().code, std::format("--profile: {}", profile.error().detail));
    endpoint.profile = *profile;
  }
  if (!given.ca_file.empty()) {
    auto ca = file_text("--ca", given.ca_file);
    if (!ca) return std::unexpected(std::move(ca).error());
    endpoint.ca_pem = *std::move(ca);
  }
  return endpoint;
}

}  // namespace latticegate::app
