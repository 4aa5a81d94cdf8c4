#include "policy_files.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <utility>

#include "config/files.h"
#include "gateway/catalogue.h"
#include "gateway/snapshot.h"
#include "store/pseudonym_key.h"

namespace latticegate::app {
namespace {

// The tools of one server: what it answered to tools/list, its result, or the list itself. What the
// configuration says about the server and its tools counts as in the gateway.
base::Result<void> add_tools(const std::string& server, const std::string& path,
                             const config::Config* config,
                             std::vector<std::shared_ptr<const policy::Tool>>& tools) {
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
    if (const auto found = config->servers.find(server); found != config->servers.end()) {
      known = &found->second;
      facts = gateway::facts_of(*known);
    }
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

base::Result<void> add_folder(const std::filesystem::path& folder, const config::Config* config,
                              std::vector<std::shared_ptr<const policy::Tool>>& tools) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  if (error)
    return base::fail(base::Code::io,
                      std::format("cannot read {}: {}", folder.string(), error.message()));
  std::ranges::sort(files);
  for (const auto& file : files)
    if (auto added = add_tools(file.stem().string(), file.string(), config, tools); !added)
      return added;
  return {};
}

base::Result<void> add_given(const std::string& given, const config::Config* config,
                             std::vector<std::shared_ptr<const policy::Tool>>& tools) {
  if (std::filesystem::is_directory(given)) return add_folder(given, config, tools);
  const std::size_t sign = given.find('=');
  if (sign == std::string::npos || sign == 0)
    return base::fail(
        base::Code::invalid,
        std::format("--tools is SERVER=FILE or a folder of SERVER.json, not {}", given));
  return add_tools(given.substr(0, sign), given.substr(sign + 1), config, tools);
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
    // Without the key, people whom records mean are nobody that we know.
    const auto key = store::open_pseudonym_key(files.config->audit.keys, false);
    files.world = gateway::world_of(*files.config, key ? key->reveal() : std::string_view());
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
    if (auto added = add_given(one, config, tools); !added)
      return std::unexpected(std::move(added).error());
  return tools;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return std::format("{} {}", count, count == 1 ? one : many);
}

}  // namespace latticegate::app
