// Keep: what a table tells whoever owns the disk.
#pragma once
#include <functional>
#include <optional>
#include <string>

namespace latticegate::behaviour {

// A row's key and its text; no text: the row goes.
using Keep = std::function<void(std::string key, std::optional<std::string> text)>;

}  // namespace latticegate::behaviour
