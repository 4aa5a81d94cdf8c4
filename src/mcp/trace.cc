#include "mcp/trace.h"

#include <algorithm>
#include <format>

namespace latticegate::mcp {
namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
bool is_zero(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '0'; });
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view text) {
  constexpr std::size_t length = 55;
  if (text.size() < length || text[2] != '-' || text[35] != '-' || text[52] != '-') return {};
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  for (const std::string_view part : {version, trace, parent, flags})
    if (!is_hex(part)) return {};
  // Versions to come may say more behind another dash.
  if (version == "ff" || (text.size() > length && (version == "00" || text[length] != '-')))
    return {};
  if (is_zero(trace) || is_zero(parent)) return {};
  return TraceContext{std::string(trace), std::string(parent), std::string(flags)};
}

std::string to_text(const TraceContext& context) {
  return std::format("00-{}-{}-{}", context.trace, context.parent, context.flags);
}

}  // namespace latticegate::mcp
