// What the `policy` commands read from disk.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "json/value.h"
#include "policy/engine.h"
#include "policy/tool.h"
#include "policy/world.h"

namespace latticegate::app {

[[nodiscard]] base::Result<std::string> file_text(const std::string& path);

struct PolicyFiles {
  std::vector<policy::PolicyText> policies;
  // Without a configuration: nothing and null.
  std::optional<policy::World> world;
  std::shared_ptr<const config::Config> config;
};

// The policies of a directory; if that is empty, those of the configuration (latticegate.yaml if
// that is empty, too).
[[nodiscard]] base::Result<PolicyFiles> read_policy_files(const std::string& directory,
                                                          const std::string& config);

// The `tools` of what a server answers to tools/list: the whole answer, its result, or the list.
json::Value tools_in(json::Value answer);

// The tools of each SERVER=FILE, where the file is such an answer, or folder of files SERVER.json.
// What the configuration says about servers and tools counts as in the gateway; it may be null.
[[nodiscard]] base::Result<std::vector<std::shared_ptr<const policy::Tool>>> read_tools(
    const std::vector<std::string>& given, const config::Config* config);

// "1 policy", "2 policies".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

}  // namespace latticegate::app
