// A record in the forms that other programs read: CSV, OCSF 1.8.0 events, CEF.
//
// Pure; one record in, one line out. Calls become API Activity (6003), kills, quarantines and tools
// that were held Detection Findings (2004), everything else a Base Event with the record under
// `unmapped`: nothing is left out.
//
// Posture: values in records come from clients and servers. CSV cells that a spreadsheet would take
// for a formula get an apostrophe in front, CEF escapes what separates its fields, and no line
// holds a control character. Text in these forms is lossy on purpose; the record itself is the
// evidence.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "json/value.h"

namespace latticegate::audit {

enum class ExportForm : std::uint8_t { jsonl, csv, ocsf, cef };

// The line that a file of that form begins with, newline included; empty for most.
std::string export_head(ExportForm form);
// Appends the record as one line, newline included. `version` is the program's.
void export_record(ExportForm form, json::Value record, std::string_view version, std::string& out);

// Milliseconds since 1970 of a record's time; 0 for what is none.
std::int64_t unix_ms_of(std::string_view time);

}  // namespace latticegate::audit
