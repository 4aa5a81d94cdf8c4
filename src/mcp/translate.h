// Translations of single messages between the eras. Pure text work: what waits, asks and remembers
// is the gateway's (gateway/bridge.h). Unknown members survive in both directions.
// Source: 2026-07-28, basic/lifecycle, basic/patterns/mrtr, changelog; 2025-11-25.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mcp/message.h"
#include "mcp/revision.h"

namespace latticegate::mcp {

// A modern request or notification for a legacy server: without the protocol's own _meta members,
// answers and state.
std::string to_legacy(const Message& message);

// What a modern request says of its sender, as JSON text.
struct Envelope {
  std::string capabilities = "{}";
  std::string client;     // clientInfo; empty: left out
  std::string log_level;  // empty: no log messages are wanted
};
// A legacy request for a modern server. `answers` (of an object) and `state` (of a string) are JSON
// text for a further round, or empty. `id` replaces the message's own when not empty.
std::string to_modern(const Message& message, const Envelope& envelope, std::string_view id = {},
                      std::string_view answers = {}, std::string_view state = {});

// The answer of a legacy server for a modern client: resultType, hints for caches, and the code for
// what does not exist. `server` is serverInfo as JSON text and stands for what a legacy server
// cannot say; empty when it can.
std::string response_to_modern(const Message& response, std::string_view id, Method of,
                               std::string_view server);
// The answer of a modern server for a legacy client.
std::string response_to_legacy(const Message& response, std::string_view id);

// initialize's result as that of server/discover, and the reverse. `asked` is the revision that the
// client asked for.
std::string discovered_from(json::Value initialized);
std::string initialized_from(json::Value discovered, std::string_view asked);

// A notification with the id of a subscription in its _meta (JSON text), and without it.
std::string with_subscription(const Message& notification, std::string_view subscription);
std::string without_subscription(const Message& notification);

// The capability that a request of the server needs: "elicitation", "sampling", "roots"; empty for
// other methods.
std::string_view capability_for(Method method);
// Whether the declared capabilities let the server ask this. Elicitation without a mode is by form,
// and `elicitation: {}` means forms only.
bool may_be_asked(json::Value capabilities, Method method, json::Value params);

}  // namespace latticegate::mcp
