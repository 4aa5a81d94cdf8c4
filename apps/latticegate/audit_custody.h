// Reading bodies, for audit show.
#pragma once
#include <string>

namespace latticegate::app {

// Prints the bodies of a record; the exit code.
int reveal(const std::string& config, const std::string& record, const std::string& reason,
           const std::string& token_file);

}  // namespace latticegate::app
