// What an operator says is no finding (inspect.exceptions).
#pragma once
#include <span>
#include <string_view>

#include "base/clock.h"
#include "config/config.h"
#include "inspect/finding.h"

namespace latticegate::gateway {

// Moves what an exception names from `items` to `excepted`: policies do not see it, nothing is
// taken out, and the record says so. Scores stay.
void leave_out(inspect::Findings& findings, std::span<const config::Exception> exceptions,
               std::string_view server, std::string_view tool, base::Time now);

}  // namespace latticegate::gateway
