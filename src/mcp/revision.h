// Protocol revisions and the two eras: legacy (up to 2025-11-25: handshake and sessions) and modern
// (2026-07-28: every request stands alone, its facts in _meta and mirrored in headers).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "mcp/message.h"

namespace latticegate::mcp {

enum class Era : std::uint8_t { legacy, modern };

inline constexpr auto legacy_revisions =
    std::to_array<std::string_view>({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"});
inline constexpr std::string_view modern_revision = "2026-07-28";

bool is_legacy_revision(std::string_view text);
// Any revision date from 2026-07-28 on: what a modern peer may claim, known to us or not.
bool claims_modern(std::string_view text);

inline constexpr std::string_view meta_prefix = "io.modelcontextprotocol/";
// A member of _meta with the protocol's prefix: reserved(meta, "protocolVersion").
json::Value reserved_meta(json::Value meta, std::string_view name);

// The headers that a modern request mirrors; absent ones are nullopt.
struct MirroredHeaders {
  std::optional<std::string_view> version;  // MCP-Protocol-Version
  std::optional<std::string_view> method;   // Mcp-Method
  std::optional<std::string_view> name;     // Mcp-Name, as it came
};

inline constexpr int header_mismatch_code = -32020;
inline constexpr int missing_capability_code = -32021;
inline constexpr int unsupported_version_code = -32022;
// What does not exist: -32002 to legacy clients, -32602 to modern ones.
inline constexpr int not_found_code = -32002;

inline constexpr std::string_view tasks_extension = "io.modelcontextprotocol/tasks";
// Whether the capabilities of a client or server name the extension.
bool names_tasks(json::Value capabilities);
// The `data` of the error that asks a client for it.
inline constexpr std::string_view tasks_required =
    R"({"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}})";

// The HTTP status of an error that a server answers with (2026-07-28, basic/transports); 200 for
// all that travel inside a good answer, and always in the legacy era.
int http_status_of(Era era, std::int64_t rpc_code);

// Whether the results of that method carry ttlMs and cacheScope (2026-07-28, server/utilities).
bool has_cache_hints(Method method);

// Whether a client's request of that method exists in the era.
bool exists_in(Era era, Method method);

// What answers a request that breaks the modern rules.
struct Rejection {
  int http_status = 400;
  int rpc_code = -32600;
  std::string sentence;
  std::string data;  // JSON text or empty
};

// Which era a posted message belongs to, by its body; the headers are only compared with it
// (2026-07-28, basic/transports: a body that claims a modern revision is modern and never falls
// back). A rejection when they disagree, and for requests of the tasks extension that do not
// declare it.
std::expected<Era, Rejection> classify(const Message& message, const MirroredHeaders& headers);

// Decodes a header value of the form =?base64?...?=; other values stand for themselves. Nothing for
// bad base64.
std::optional<std::string> decode_header_value(std::string_view value);
// The reverse: plain where the rules allow it, wrapped otherwise.
std::string encode_header_value(std::string_view value);

}  // namespace latticegate::mcp
