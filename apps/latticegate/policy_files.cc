#include "policy_files.h"

#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <utility>

#include "config/files.h"
#include "gateway/snapshot.h"

namespace latticegate::app {

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

}  // namespace latticegate::app
