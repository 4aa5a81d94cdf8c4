// A planted value that came back (a finding of the kind `canary`) as a signal of behaviour: nothing
// else has to be known of whoever has it.
#pragma once
#include <string_view>

#include "behaviour/risk.h"
#include "inspect/finding.h"

namespace latticegate::gateway {

// `where` for people: "its arguments".
void add_canary(behaviour::Risk& risk, const inspect::Findings& found, std::string_view where);

}  // namespace latticegate::gateway
