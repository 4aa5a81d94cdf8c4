// The names of the model (namespace Mcp) as constants, so that no call hashes them again.
#pragma once
#include <string_view>

#include "cedar/value.h"

namespace latticegate::policy::model {

inline constexpr std::string_view agent = "Mcp::Agent";
inline constexpr std::string_view user = "Mcp::User";
inline constexpr std::string_view role = "Mcp::Role";
inline constexpr std::string_view group = "Mcp::Group";
inline constexpr std::string_view segment = "Mcp::Segment";
inline constexpr std::string_view server = "Mcp::Server";
inline constexpr std::string_view tool = "Mcp::Tool";
inline constexpr std::string_view resource = "Mcp::Resource";
inline constexpr std::string_view prompt = "Mcp::Prompt";
inline constexpr std::string_view action = "Mcp::Action";

// Where a server without a segment lies.
inline constexpr std::string_view unassigned = "unassigned";
// In a set of labels: there may be more.
inline constexpr std::string_view incomplete = "incomplete";

inline constexpr cedar::EntityUid mcp{action, "mcp"};
inline constexpr cedar::EntityUid call_tool{action, "call_tool"};
inline constexpr cedar::EntityUid read{action, "read"};
inline constexpr cedar::EntityUid write{action, "write"};
inline constexpr cedar::EntityUid destructive{action, "destructive"};
inline constexpr cedar::EntityUid actuate{action, "actuate"};
inline constexpr cedar::EntityUid egress{action, "egress"};
inline constexpr cedar::EntityUid read_resource{action, "read_resource"};
inline constexpr cedar::EntityUid get_prompt{action, "get_prompt"};

}  // namespace latticegate::policy::model
