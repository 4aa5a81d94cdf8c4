#include "audit/syslog.h"

#include <algorithm>
#include <cstdint>
#include <format>

namespace latticegate::audit {
namespace {

constexpr int facility = 13;  // log audit

int severity(json::Value r) {
  const std::string_view type = r["type"].text_or("");
  const std::string_view decision = r["decision"].text_or("");
  const std::string_view outcome = r["outcome"].text_or("");
  if (type == "session.killed" || type == "agent.quarantined" || type == "tool.held") return 2;
  if (type == "log.resumed" || outcome == "upstream_error" || outcome == "withheld") return 3;
  if (decision == "deny" || decision == "step_up" || type == "caller.refused") return 4;
  if (type.starts_with("erasure.") || type.starts_with("body.") || type.starts_with("log."))
    return 5;
  return 6;
}

// Printable ASCII without spaces, as a header field has it.
std::string field(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) out += c > ' ' && c < 0x7F ? c : '_';
  return out.empty() ? "-" : out;
}

}  // namespace

void write_syslog(json::Value record, ExportForm form, std::string_view version, std::string& out) {
  // Six digits of the fraction at most.
  std::string time(record["time"].text_or(""));
  if (time.size() == 30) time = time.substr(0, 26) + "Z";
  const auto seq = static_cast<std::uint64_t>(record["seq"].integer().value_or(0));
  std::string message = std::format(
      "<{}>1 {} {} latticegate - {} [origin software=\"latticegate\" swVersion=\"{}\"]"
      "[meta sequenceId=\"{}\"] ",
      facility * 8 + severity(record), time.empty() ? "-" : time,
      field(record["node"].text_or(""), 255), field(record["type"].text_or(""), 32),
      field(version, 32), 1 + seq % 2'147'483'647);
  std::string line;
  export_record(form, record, version, line);
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  if (std::ranges::any_of(line, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    message += "\xEF\xBB\xBF";
  message += line;
  out += std::format("{} ", message.size());
  out += message;
}

}  // namespace latticegate::audit
