#include "audit/export.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <format>
#include <span>
#include <utility>
#include <vector>

#include "json/write.h"

namespace latticegate::audit {
namespace {

using json::Value;
using json::Writer;

// --- CSV

struct Column {
  std::string_view name;
  std::string (*text)(Value record);
};

std::string digits(Value number) { return std::string(number.digits()); }
std::string text(Value string) { return std::string(string.text_or("")); }

std::string joined(Value list) {
  std::string out;
  for (const Value one : list.elements()) {
    if (!out.empty()) out += ' ';
    out += one["id"].text_or(one.text_or(""));
  }
  return out;
}

constexpr std::array columns{
    Column{"seq", [](Value r) { return digits(r["seq"]); }},
    Column{"time", [](Value r) { return text(r["time"]); }},
    Column{"type", [](Value r) { return text(r["type"]); }},
    Column{"node", [](Value r) { return text(r["node"]); }},
    Column{"tenant", [](Value r) { return text(r["tenant"]); }},
    Column{"agent", [](Value r) { return text(r["agent"]["ref"]); }},
    Column{"principal", [](Value r) { return text(r["principal"]["ref"]); }},
    Column{"session", [](Value r) { return text(r["session"]); }},
    Column{"client_addr", [](Value r) { return text(r["client"]["addr"]); }},
    Column{"server", [](Value r) { return text(r["server"]["id"]); }},
    Column{"method", [](Value r) { return text(r["method"]); }},
    Column{"tool", [](Value r) { return text(r["tool"]); }},
    Column{"resource_uri", [](Value r) { return text(r["resource_uri"]); }},
    Column{"effect", [](Value r) { return text(r["effect"]); }},
    Column{"decision", [](Value r) { return text(r["decision"]); }},
    Column{"mode", [](Value r) { return text(r["mode"]); }},
    Column{"rules", [](Value r) { return joined(r["rules"]); }},
    Column{"why", [](Value r) { return text(r["why"]); }},
    Column{"outcome", [](Value r) { return text(r["outcome"]); }},
    Column{"error", [](Value r) { return text(r["error"]); }},
    Column{"findings", [](Value r) { return joined(r["findings"]); }},
    Column{"labels_in", [](Value r) { return joined(r["labels_in"]); }},
    Column{"labels_out", [](Value r) { return joined(r["labels_out"]); }},
    Column{"rows_out", [](Value r) { return digits(r["rows_out"]); }},
    Column{"bytes_in", [](Value r) { return digits(r["bytes_in"]); }},
    Column{"bytes_out", [](Value r) { return digits(r["bytes_out"]); }},
    Column{"dur_ns", [](Value r) { return digits(r["dur_ns"]); }},
    Column{"call_uid", [](Value r) { return text(r["call_uid"]); }},
    Column{"uid", [](Value r) { return text(r["uid"]); }},
};

void add_cell(std::string_view value, std::string& out) {
  const bool formula = !value.empty() && std::string_view("=+-@\t\r").contains(value.front());
  if (!formula && value.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += value;
    return;
  }
  out += '"';
  if (formula) out += '\'';
  for (const char c : value) {
    if (c == '"') out += '"';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  out += '"';
}

void add_csv(Value record, std::string& out) {
  for (const Column& column : columns) {
    if (&column != columns.data()) out += ',';
    add_cell(column.text(record), out);
  }
  out += '\n';
}

// --- what OCSF and CEF share

bool is_call(std::string_view type) { return type == "call.decided" || type == "call.finished"; }
bool is_detection(std::string_view type) {
  return type == "session.killed" || type.ends_with(".quarantined") || type == "calls.stopped" ||
         type == "agent.tightened" || type == "objective.burns" || type == "tool.held";
}

int severity_of(Value record) {  // of OCSF: 1 informational to 5 critical
  const std::string_view type = record["type"].text_or("");
  const std::string_view decision = record["decision"].text_or("");
  if (decision == "kill" || type == "session.killed" || type.ends_with(".quarantined") ||
      type == "calls.stopped")
    return 4;
  if (decision == "deny" || decision == "step_up" || type == "tool.held" ||
      type == "agent.tightened" || type == "objective.burns" || type == "caller.refused" ||
      record["outcome"].text_or("") == "withheld")
    return 3;
  return record["findings"].size() > 0 ? 2 : 1;
}

std::string_view subject_of(Value record) {
  return record["tool"].text_or(record["resource_uri"].text_or(record["prompt"].text_or("")));
}

// --- OCSF

void add_if(Writer& w, std::string_view name, std::string_view value) {
  if (!value.empty()) w.member(name, value);
}

struct Control {
  int action;
  int disposition;
};
Control control_of(Value record) {
  if (record["mode"].text_or("") == "observe") return {.action = 3, .disposition = 17};
  const std::string_view decision = record["decision"].text_or("");
  if (decision == "deny") return {.action = 2, .disposition = 2};
  if (decision == "modify") return {.action = 4, .disposition = 11};
  if (decision == "step_up") return {.action = 2, .disposition = 23};
  if (decision == "kill") return {.action = 2, .disposition = 24};
  if (record["outcome"].text_or("") == "withheld") return {.action = 2, .disposition = 2};
  return {.action = 1, .disposition = 1};
}

int activity_of(std::string_view effect) {
  if (effect == "read") return 2;
  if (effect == "write") return 3;
  if (effect == "delete") return 4;
  return 99;
}

void add_classes(Writer& w, Value record) {
  std::vector<int> categories;
  for (const std::string_view list : {"labels_in", "labels_out"})
    for (const Value label : record[list].elements()) {
      const std::string_view name = label.text_or("");
      const int category = name.contains("pii") || name.contains("personal")        ? 1
                           : name.contains("government")                            ? 2
                           : name.contains("financ") || name.contains("pci")        ? 3
                           : name.contains("secret") || name.contains("credential") ? 6
                                                                                    : 99;
      if (!std::ranges::contains(categories, category)) categories.push_back(category);
    }
  if (categories.empty()) return;
  w.key("data_classifications").begin_array();
  for (const int category : categories)
    w.begin_object().member("category_id", static_cast<std::int64_t>(category)).end_object();
  w.end_array();
}

void add_metadata(Writer& w, Value record, std::string_view version,
                  std::span<const std::string_view> profiles) {
  w.key("metadata").begin_object().member("version", "1.8.0");
  add_if(w, "uid", record["uid"].text_or(""));
  add_if(w, "correlation_uid", record["call_uid"].text_or(""));
  if (const auto seq = record["seq"].integer()) w.member("sequence", *seq);
  add_if(w, "tenant_uid", record["tenant"].text_or(""));
  w.key("reporter").begin_object().member("hostname", record["node"].text_or("")).end_object();
  w.key("product")
      .begin_object()
      .member("name", "Latticegate")
      .member("vendor_name", "Latticegate")
      .member("version", version)
      .end_object();
  w.key("profiles").begin_array();
  for (const std::string_view profile : profiles) w.string(profile);
  w.end_array();
  add_classes(w, record);
  w.end_object();
}

constexpr std::array<std::string_view, 1> security_control{"security_control"};

void add_actor(Writer& w, Value record) {
  w.key("actor").begin_object();
  const std::string_view agent = record["agent"]["ref"].text_or("");
  // One of these has to be there.
  w.member("app_uid", agent.empty() ? "unknown" : agent);
  add_if(w, "app_name", record["agent"]["name"].text_or(""));
  if (const auto ref = record["principal"]["ref"].string())
    w.key("user").begin_object().member("uid", *ref).end_object();
  if (const auto session = record["session"].string()) {
    w.key("session").begin_object().member("uid", *session);
    add_if(w, "issuer", record["principal"]["iss"].text_or(""));
    add_if(w, "credential_uid", record["principal"]["cred"].text_or(""));
    w.end_object();
  }
  w.end_object();
}

void add_unmapped(Writer& w, Value record) {
  w.key("unmapped").begin_object();
  for (const std::string_view field :
       {"tool_pin", "effect", "why", "rules", "obligations", "findings", "redactions", "labels_in",
        "labels_out", "rows_out", "bytes_in", "bytes_out", "dur_ns", "outcome", "risk", "taint",
        "approval"})
    if (const Value value = record[field]; value.exists()) w.member(field, value);
  if (const Value agent = record["agent"]; agent.exists()) w.member("ai_agent", agent);
  if (const Value chain = record["principal"]["delegation"]; chain.exists())
    w.member("delegation", chain);
  if (const Value tls = record["client"]["tls"]; tls.exists()) w.member("client_tls", tls);
  if (const Value tls = record["server"]["tls"]; tls.exists()) w.member("server_tls", tls);
  w.end_object();
}

// Of the profile ai_operation: the conversation, and what the client says it is.
void add_message(Writer& w, Value record) {
  w.key("message_context").begin_object();
  add_if(w, "uid", record["session"].text_or(""));
  const std::string_view client =
      record["client"]["name"].text_or(record["agent"]["ref"].text_or("unknown"));
  w.key("application").begin_object().member("name", client).member("uid", client);
  add_if(w, "version", record["client"]["version"].text_or(""));
  w.end_object();
  w.member("ai_role_id", std::int64_t{record["type"].text_or("") == "call.finished" ? 3 : 4});
  w.end_object();
}

// What is kept beside the log.
void add_body(Writer& w, Value record) {
  for (const std::string_view side : {"req", "res"}) {
    const auto hash = record[side]["ct_sha256"].string();
    if (!hash) continue;
    w.key("raw_data_hash")
        .begin_object()
        .member("algorithm_id", std::int64_t{3})
        .member("value", *hash)
        .end_object();
    if (const auto size = record[side]["len"].integer()) w.member("raw_data_size", *size);
  }
}

void add_control(Writer& w, Value record) {
  const Control control = control_of(record);
  w.member("action_id", static_cast<std::int64_t>(control.action))
      .member("disposition_id", static_cast<std::int64_t>(control.disposition))
      .member("is_alert", severity_of(record) >= 3);
  if (const auto hash = record["policy_hash"].string()) {
    w.key("policy").begin_object().member("uid", *hash);
    if (const auto number = record["policy_ver"].integer())
      w.member("version", std::to_string(*number));
    w.end_object();
  }
  if (const Value rules = record["rules"]; rules.size() > 0)
    w.key("firewall_rule")
        .begin_object()
        .member("uid", rules.at(0).text_or(""))
        .member("name", rules.at(0).text_or(""))
        .end_object();
}

void add_class(Writer& w, Value record, std::int64_t category, std::int64_t of,
               std::int64_t activity) {
  w.begin_object()
      .member("class_uid", of)
      .member("category_uid", category)
      .member("activity_id", activity)
      .member("type_uid", of * 100 + activity)
      .member("time", unix_ms_of(record["time"].text_or("")))
      .member("severity_id", static_cast<std::int64_t>(severity_of(record)));
}

void add_api_activity(Writer& w, Value record, std::string_view version) {
  add_class(w, record, 6, 6003, activity_of(record["effect"].text_or("")));
  const std::string_view outcome = record["outcome"].text_or("");
  if (!outcome.empty()) {
    w.member("status_id", std::int64_t{outcome == "ok" ? 1 : 2}).member("status_code", outcome);
  }
  const bool traced = !record["trace_id"].text_or("").empty();
  std::vector<std::string_view> profiles{"security_control", "ai_operation"};
  if (traced) profiles.push_back("trace");
  add_metadata(w, record, version, profiles);
  add_actor(w, record);
  w.key("api").begin_object().member("operation", record["method"].text_or("unknown"));
  add_if(w, "version", record["proto"].text_or(""));
  if (const auto id = record["rpc_id"].string())
    w.key("request").begin_object().member("uid", *id).end_object();
  const auto code = record["rpc_code"].integer();
  const auto error = record["error"].string();
  if (code || error) {
    w.key("response").begin_object();
    if (code) w.member("code", *code);
    if (error) w.member("error", *error);
    w.end_object();
  }
  if (const auto server = record["server"]["id"].string())
    w.key("service").begin_object().member("name", *server).member("uid", *server).end_object();
  w.end_object();
  w.key("src_endpoint").begin_object();
  if (const auto address = record["client"]["addr"].string()) {
    w.member("ip", *address);
    if (const auto port = record["client"]["port"].integer()) w.member("port", *port);
  } else {
    w.member("name", record["transport"].text_or("unknown"));
  }
  w.end_object();
  if (const auto address = record["server"]["addr"].string()) {
    w.key("dst_endpoint").begin_object().member("hostname", *address);
    if (const auto port = record["server"]["port"].integer()) w.member("port", *port);
    w.end_object();
  }
  if (const std::string_view subject = subject_of(record); !subject.empty()) {
    const std::string_view server = record["server"]["id"].text_or("");
    w.key("resources")
        .begin_array()
        .begin_object()
        .member("uid", std::format("{}/{}", server, subject))
        .member("name", subject)
        .member("type", record["tool"].exists()           ? "mcp_tool"
                        : record["resource_uri"].exists() ? "mcp_resource"
                                                          : "mcp_prompt")
        .member("role_id", std::int64_t{1})
        .end_object()
        .end_array();
  }
  add_message(w, record);
  add_body(w, record);
  if (traced)
    w.key("trace").begin_object().member("uid", record["trace_id"].text_or("")).end_object();
  add_control(w, record);
  add_unmapped(w, record);
  w.end_object();
}

void add_finding(Writer& w, Value record, std::string_view version) {
  add_class(w, record, 2, 2004, 1);
  w.member("status_id", std::int64_t{1});
  add_metadata(w, record, version, security_control);
  const std::string_view type = record["type"].text_or("");
  w.key("finding_info")
      .begin_object()
      .member("uid", record["uid"].text_or("unknown"))
      .member("title", record["why"].text_or(type))
      .key("types")
      .begin_array()
      .string(type)
      .end_array();
  w.member("created_time", unix_ms_of(record["time"].text_or(""))).end_object();
  w.key("evidences").begin_array().begin_object();
  add_actor(w, record);
  w.end_object().end_array();
  w.member("action_id", std::int64_t{2})
      .member("disposition_id", std::int64_t{type == "session.killed" ? 24 : 3})
      .member("is_alert", true);
  w.member("unmapped", record).end_object();
}

void add_base_event(Writer& w, Value record, std::string_view version) {
  add_class(w, record, 0, 0, 99);
  add_metadata(w, record, version, {});
  w.member("message", record["type"].text_or("")).member("unmapped", record).end_object();
}

// --- CEF

void add_header_field(std::string_view value, std::string& out) {
  for (const char c : value) {
    if (c == '\\' || c == '|') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  out += '|';
}

void add_extension(std::string_view key, std::string_view value, std::string& out) {
  if (value.empty()) return;
  if (!out.ends_with('|')) out += ' ';
  out += key;
  out += '=';
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '=') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
}

void add_cef(Value record, std::string_view version, std::string& out) {
  const std::string_view type = record["type"].text_or("");
  const Value rules = record["rules"];
  out += "CEF:0|Latticegate|Latticegate|";
  add_header_field(version, out);
  add_header_field(rules.size() > 0 ? rules.at(0).text_or("") : type, out);
  add_header_field(is_call(type)
                       ? std::format("{} {}", record["method"].text_or(""), subject_of(record))
                       : std::string(type),
                   out);
  add_header_field(std::to_string(severity_of(record) * 2 - 1), out);
  add_extension("rt", std::to_string(unix_ms_of(record["time"].text_or(""))), out);
  add_extension("cat", type, out);
  add_extension("externalId", record["uid"].text_or(""), out);
  add_extension("suid", record["principal"]["ref"].text_or(""), out);
  add_extension("suser", record["agent"]["ref"].text_or(""), out);
  add_extension("src", record["client"]["addr"].text_or(""), out);
  add_extension("dhost", record["server"]["id"].text_or(""), out);
  add_extension("act", record["decision"].text_or(""), out);
  add_extension("outcome", record["outcome"].text_or(""), out);
  add_extension("reason", record["why"].text_or(""), out);
  const auto custom = [&](std::string_view field, std::string_view label, std::string_view value) {
    if (value.empty()) return;
    add_extension(std::format("{}Label", field), label, out);
    add_extension(field, value, out);
  };
  custom("cs1", "tool", subject_of(record));
  custom("cs2", "policy", record["policy_hash"].text_or(""));
  custom("cs3", "callUid", record["call_uid"].text_or(""));
  custom("cs4", "findings", joined(record["findings"]));
  custom("cs5", "session", record["session"].text_or(""));
  custom("cn1", "rows", record["rows_out"].digits());
  custom("cn2", "seq", record["seq"].digits());
  out += '\n';
}

}  // namespace

std::int64_t unix_ms_of(std::string_view time) {
  // "2026-11-22T14:02:11.123..."
  if (time.size() < 23) return 0;
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = -1;
    const char* const from = time.data() + at;
    const auto [end, error] = std::from_chars(from, from + size, value);
    return error == std::errc() && end == from + size ? value : -1;
  };
  const std::array parts{number(0, 4),  number(5, 2),  number(8, 2), number(11, 2),
                         number(14, 2), number(17, 2), number(20, 3)};
  if (std::ranges::any_of(parts, [](int part) { return part < 0; })) return 0;
  const std::chrono::year_month_day date{std::chrono::year(parts[0]),
                                         std::chrono::month(static_cast<unsigned>(parts[1])),
                                         std::chrono::day(static_cast<unsigned>(parts[2]))};
  if (!date.ok()) return 0;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (((days * 24 + parts[3]) * 60 + parts[4]) * 60 + parts[5]) * 1000 + parts[6];
}

std::string export_head(ExportForm form) {
  std::string head;
  if (form != ExportForm::csv) return head;
  for (const Column& column : columns) {
    if (!head.empty()) head += ',';
    head += column.name;
  }
  return head + "\n";
}

void export_record(ExportForm form, Value record, std::string_view version, std::string& out) {
  const std::string_view type = record["type"].text_or("");
  switch (form) {
    case ExportForm::jsonl: json::write(record, out); break;
    case ExportForm::csv: return add_csv(record, out);
    case ExportForm::cef: return add_cef(record, version, out);
    case ExportForm::ocsf: {
      Writer w(out);
      if (is_call(type))
        add_api_activity(w, record, version);
      else if (is_detection(type))
        add_finding(w, record, version);
      else
        add_base_event(w, record, version);
      break;
    }
  }
  out += '\n';
}

}  // namespace latticegate::audit
