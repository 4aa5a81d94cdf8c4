// Trace context (W3C Trace Context, level 1) as it stands in `_meta.traceparent` and in headers:
// which trace a call belongs to, and what called it.
//
// Posture: what a client says. Strict form, nothing is repaired; what has another form is no
// context.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace latticegate::mcp {

struct TraceContext {
  std::string trace;   // 32 hexadecimal digits, not all 0
  std::string parent;  // 16, the span that called
  std::string flags;   // 2
};

// "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".
std::optional<TraceContext> parse_traceparent(std::string_view text);
std::string to_text(const TraceContext& context);

}  // namespace latticegate::mcp
