#include "policy_files.h"

#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <utility>

#include "config/files.h"
#include "gateway/catalogue.h"
#include "gateway/snapshot.h"

namespace latticegate::app {
namespace {

// The tools of one SERVER=FILE: what the server answered to tools/list, its result, or the list
// itself. What the configuration says about the server and its tools counts as in the gateway.
base::Result<void> add_tools(std::string_view given, const config::Config* config,
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
  const json::Value list = tools_in(document->root());
  if (!list.is_array())
    return base::fail(base::Code::invalid, std::format("{}: no list of tools", path));
  policy::ServerFacts facts{.name = server};
  const config::Server* known = nullptr;
  if (config != nullptr)
    if (const auto found = config->servers.find(server); found != config->servers.end())
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

}  // namespace

json::Value tools_in(json::Value answer) {
  if (answer["result"]) answer = answer["result"];
  if (answer["tools"]) answer = answer["tools"];
  return answer;
}

base::Result<std::string> file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::fail(base::Code::io, std::format("cannot read {}", path));
  std::string text(std::istreambuf_iterator<char>(file), {});
  return text;
}

base::Result<PolicyFiles> read_policy_files(const std::string& directory,
                                            const std::string& config) {
  PolicyFiles files;
  std::filesystem::path from = directory;
  if (directory.empty()) {
    auto loaded = config::load(config.empty() ? "latticegate.yaml" : config);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    files.config = loaded->config;
    files.world = gateway::world_of(*files.config);
    from = files.config->policy.directory;
  }
  auto read = gateway::read_policies(from);
  if (!read) return std::unexpected(std::move(read).error());
  files.policies = *std::move(read);
  return files;
}

base::Result<std::vector<std::shared_ptr<const policy::Tool>>> read_tools(
    const std::vector<std::string>& given, const config::Config* config) {
  std::vector<std::shared_ptr<const policy::Tool>> tools;
  for (const std::string& one : given)
    if (auto added = add_tools(one, config, tools); !added)
      return std::unexpected(std::move(added).error());
  return tools;
}

}  // namespace latticegate::app
