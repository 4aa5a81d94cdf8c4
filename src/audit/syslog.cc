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
  if (type == "session.killed" || type.ends_with(".quarantined") || type == "calls.stopped" ||
      type == "tool.held")
    return 2;
  if (type == "log.resumed" || outcome == "upstream_error" || outcome == "withheld") return 3;
  if (decision == "deny" || decision == "step_up" || type == "caller.refused" ||
      type == "agent.tightened" || type == "objective.burns")
    return 4;
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

void write_syslog(const SyslogHead& head, std::string_view message, std::string& out) {
  // Six digits of the fraction at most.
  std::string time(head.time);
  if (time.size() == 30) time = time.substr(0, 26) + "Z";
  std::string frame = std::format(
      "<{}>1 {} {} latticegate - {} [origin software=\"latticegate\" swVersion=\"{}\"]{} ",
      facility * 8 + head.severity, time.empty() ? "-" : time, field(head.node, 255),
      field(head.type, 32), field(head.version, 32), head.structured);
  if (std::ranges::any_of(message, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    frame += "\xEF\xBB\xBF";
  frame += message;
  out += std::format("{} ", frame.size());
  out += frame;
}

void write_syslog(json::Value record, ExportForm form, std::string_view version, std::string& out) {
  const auto seq = static_cast<std::uint64_t>(record["seq"].integer().value_or(0));
  const std::string meta = std::format("[meta sequenceId=\"{}\"]", 1 + seq % 2'147'483'647);
  std::string line;
  export_record(form, record, version, line);
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  write_syslog({.severity = severity(record),
                .time = record["time"].text_or(""),
                .node = record["node"].text_or(""),
                .type = record["type"].text_or(""),
                .version = version,
                .structured = meta},
               line, out);
}

}  // namespace latticegate::audit
