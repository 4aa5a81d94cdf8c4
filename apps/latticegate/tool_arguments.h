// The arguments of a tool call as the command line names them.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace latticegate::app {

// name=text and name:=json, as the text of one JSON object. Code::invalid for anything else.
[[nodiscard]] base::Result<std::string> tool_arguments(const std::vector<std::string>& values);

}  // namespace latticegate::app
