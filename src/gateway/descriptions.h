// What servers say of themselves and their tools: taken in, looked at once, compared with what
// other servers say, held back when it should not reach a model before somebody has read it.
//
// A description that is known costs a look-up. A new one is scanned, and all tools of all servers
// are compared (inspect/descriptor_set.h), bounded by `most_compared` tools: milliseconds, once.
#pragma once
#include <cstddef>
#include <functional>
#include <string_view>

#include "base/clock.h"
#include "gateway/snapshot.h"
#include "inspect/scan.h"
#include "json/value.h"

namespace latticegate::gateway {

inline constexpr std::size_t most_compared = 2000;

// A form is held back for the first time; `approved` is the hash of the approved one, or empty.
using ToolHeld =
    std::function<void(std::string_view server, const ToolEntry& entry, std::string_view approved)>;

// Takes in a list of tools of the route's server (the result of tools/list).
void take_in_tools(inspect::Scanner& scanner, const Snapshot& snapshot, const ServerRoute& route,
                   json::Value result, base::Time now, const ToolHeld& held);

// Whether a server's instructions (a string) may reach clients: they are as approved and do not
// give orders or hide text.
bool accepts_instructions(inspect::Scanner& scanner, const Snapshot& snapshot,
                          const ServerRoute& route, json::Value instructions, base::Time now);

}  // namespace latticegate::gateway
