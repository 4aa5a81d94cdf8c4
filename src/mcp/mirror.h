// Mirrored arguments: what a tool's schema marks with x-mcp-header travels in an Mcp-Param-* header
// as well, for intermediaries that read no bodies (2026-07-28, basic/transports). Headers are
// copies that the sender controls: whoever reads the body compares them, and decides on the body.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace latticegate::mcp {

struct Mirror {
  std::vector<std::string> path;  // from the arguments to the value, through properties only
  std::string header;             // "Mcp-Param-Region"
};

// The mirrors of an inputSchema. An error says which rule an annotation breaks; such a tool is not
// valid as a whole.
base::Result<std::vector<Mirror>> mirrors_of(json::Value schema);

// Name and encoded value of each header that these arguments need; absent and null ones have none.
std::vector<std::pair<std::string, std::string>> mirrored_headers(
    const std::vector<Mirror>& mirrors, json::Value arguments);

// Compares what came. `header` looks a value up by its lower-case name. A sentence when they
// differ.
std::optional<std::string> mirror_mismatch(
    const std::vector<Mirror>& mirrors, json::Value arguments,
    const std::function<std::optional<std::string_view>(std::string_view)>& header);

}  // namespace latticegate::mcp
