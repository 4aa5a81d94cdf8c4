// A record as a syslog message: RFC 5424 in the framing of RFC 6587 with counted octets, for TCP
// and TLS (RFC 5425).
//
//   812 <110>1 2026-11-22T14:02:11.123456Z node-1 latticegate - call.decided
//       [origin software="latticegate" swVersion="0.1.0"][meta sequenceId="17"] CEF:0|...
//
// (one line). Facility 13, log audit; the severity follows the outcome. The message is the record
// in one of the export's forms, in UTF-8 with its byte order mark when it is not ASCII. Pure.
#pragma once
#include <string>
#include <string_view>

#include "audit/export.h"
#include "json/value.h"

namespace latticegate::audit {

// Appends one frame. `version` is the program's.
void write_syslog(json::Value record, ExportForm form, std::string_view version, std::string& out);

// Whatever else is told in the same frame. Fields are cut and cleaned as the format demands.
struct SyslogHead {
  int severity = 6;         // 0 emergency .. 7 debug
  std::string_view time{};  // RFC 3339
  std::string_view node{};
  std::string_view type{};           // MSGID
  std::string_view version{};        // the program's
  std::string_view structured = {};  // further elements, ready to be written
};
void write_syslog(const SyslogHead& head, std::string_view message, std::string& out);

}  // namespace latticegate::audit
