#include "audit/otlp.h"

#include <algorithm>
#include <format>
#include <optional>
#include <string>
#include <utility>

#include "audit/export.h"
#include "base/bytes.h"
#include "json/write.h"

namespace latticegate::audit {
namespace {

// Protobuf: a key of field number and wire type, then the value.
enum class Wire : unsigned { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void varint(std::uint64_t number, std::string& out) {
  for (; number >= 0x80; number >>= 7U) out += static_cast<char>(number | 0x80U);
  out += static_cast<char>(number);
}
void key(unsigned field, Wire wire, std::string& out) {
  varint(field << 3U | static_cast<unsigned>(wire), out);
}
void bytes(unsigned field, std::string_view value, std::string& out) {
  key(field, Wire::bytes, out);
  varint(value.size(), out);
  out += value;
}
void number(unsigned field, std::uint64_t value, std::string& out) {
  key(field, Wire::varint, out);
  varint(value, out);
}
void fixed64(unsigned field, std::uint64_t value, std::string& out) {
  key(field, Wire::fixed64, out);
  for (unsigned i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
}

// KeyValue{key=1, value=2: AnyValue{string_value=1 | int_value=3}}
void attribute(unsigned field, std::string_view name, std::string_view text, std::string& out) {
  if (text.empty()) return;
  std::string value;
  bytes(1, text, value);
  std::string pair;
  bytes(1, name, pair);
  bytes(2, value, pair);
  bytes(field, pair, out);
}
void attribute(unsigned field, std::string_view name, json::Value integer, std::string& out) {
  const auto found = integer.integer();
  if (!found) return;
  std::string value;
  number(3, static_cast<std::uint64_t>(*found), value);
  std::string pair;
  bytes(1, name, pair);
  bytes(2, value, pair);
  bytes(field, pair, out);
}

struct Severity {
  std::uint64_t number;
  std::string_view text;
};
Severity severity(json::Value r) {
  const std::string_view type = r["type"].text_or("");
  const std::string_view outcome = r["outcome"].text_or("");
  const std::string_view decision = r["decision"].text_or("");
  if (type == "session.killed" || type.ends_with(".quarantined") || type == "calls.stopped" ||
      outcome == "upstream_error" || outcome == "withheld" || type == "log.resumed")
    return {17, "ERROR"};
  if (decision == "deny" || decision == "step_up" || type == "caller.refused" ||
      type == "tool.held" || type == "agent.tightened" || type == "objective.burns")
    return {13, "WARN"};
  return {9, "INFO"};
}

// Nanoseconds since 1970 of "2026-11-22T14:02:11.123456789Z".
std::uint64_t nanoseconds(std::string_view time) {
  const std::int64_t ms = unix_ms_of(time);
  std::uint64_t rest = 0;
  if (time.size() == 30)
    for (const char c : time.substr(23, 6)) rest = rest * 10 + static_cast<unsigned>(c - '0') % 10;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)) * 1'000'000 + rest;
}

void id(unsigned field, std::string_view hex, std::size_t size, std::string& out) {
  const auto found = base::from_hex(hex);
  if (found && found->size() == size) bytes(field, *found, out);
}

}  // namespace

OtlpRequest::OtlpRequest(std::string_view node, std::string_view version, Signal signal)
    : signal_(signal) {
  attribute(1, "service.name", "latticegate", resource_);
  attribute(1, "service.version", version, resource_);
  attribute(1, "service.instance.id", node, resource_);
  bytes(1, "latticegate.audit", scope_);
  bytes(2, version, scope_);
}

// What people filter calls by, in logs and in spans.
namespace {
void add_call(unsigned attributes, json::Value r, std::string& one) {
  attribute(attributes, "mcp.method.name", r["method"].text_or(""), one);
  attribute(attributes, "gen_ai.tool.name", r["tool"].text_or(""), one);
  attribute(attributes, "gen_ai.prompt.name", r["prompt"].text_or(""), one);
  attribute(attributes, "gen_ai.agent.id", r["agent"]["ref"].text_or(""), one);
  attribute(attributes, "mcp.resource.uri", r["resource_uri"].text_or(""), one);
  attribute(attributes, "mcp.protocol.version", r["proto"].text_or(""), one);
  attribute(attributes, "client.address", r["client"]["addr"].text_or(""), one);
  attribute(attributes, "latticegate.server", r["server"]["id"].text_or(""), one);
  attribute(attributes, "latticegate.conversation", r["session"].text_or(""), one);
  attribute(attributes, "latticegate.principal", r["principal"]["ref"].text_or(""), one);
  attribute(attributes, "latticegate.decision", r["decision"].text_or(""), one);
  attribute(attributes, "latticegate.outcome", r["outcome"].text_or(""), one);
  attribute(attributes, "latticegate.rule",
            r["rules"].size() > 0 ? r["rules"].at(0).text_or("") : std::string_view(), one);
  attribute(attributes, "latticegate.call", r["call_uid"].text_or(""), one);
  attribute(attributes, "latticegate.seq", r["seq"], one);
  attribute(attributes, "latticegate.rows", r["rows_out"], one);
}

std::string without_dashes(std::string_view uuid) {
  std::string digits(uuid);
  std::erase(digits, '-');
  return digits;
}

// Of the server's side: what the server did wrong is an error, what the client did is none.
bool is_error(std::string_view outcome, std::optional<std::int64_t> code) {
  if (outcome == "timeout" || outcome == "upstream_error") return true;
  return code && (*code == -32603 || (*code >= -32099 && *code <= -32000));
}
}  // namespace

void OtlpRequest::add_span(json::Value r) {
  constexpr unsigned attributes = 9;
  constexpr std::size_t uuid_digits = 32;
  const bool finished = r["type"].text_or("") == "call.finished";
  if (!finished && (r["type"].text_or("") != "call.decided" || !r["outcome"].exists())) return;
  const std::string call = without_dashes(r["call_uid"].text_or(r["uid"].text_or("")));
  if (call.size() != uuid_digits) return;
  const std::string_view outcome = r["outcome"].text_or("");
  const std::optional<std::int64_t> code = r["rpc_code"].integer();
  const std::string_view subject = r["tool"].text_or(r["prompt"].text_or(""));
  const std::string_view method = r["method"].text_or("");
  const std::uint64_t end = nanoseconds(r["time"].text_or(""));
  const auto took = static_cast<std::uint64_t>(std::clamp<std::int64_t>(
      r["dur_ns"].integer().value_or(0), 0, static_cast<std::int64_t>(end)));
  std::string one;
  id(1, r["trace_id"].text_or(call), 16, one);
  id(2, r["span_id"].text_or(std::string_view(call).substr(16)), 8, one);
  id(4, r["parent_span_id"].text_or(""), 8, one);
  bytes(5, subject.empty() ? std::string(method) : std::format("{} {}", method, subject), one);
  constexpr std::uint64_t server = 2;
  number(6, server, one);
  fixed64(7, end - took, one);
  fixed64(8, end, one);
  add_call(attributes, r, one);
  if (method == "tools/call") attribute(attributes, "gen_ai.operation.name", "execute_tool", one);
  attribute(attributes, "jsonrpc.request.id", r["rpc_id"].text_or(""), one);
  if (code) attribute(attributes, "rpc.response.status_code", std::format("{}", *code), one);
  if (outcome != "ok")
    attribute(attributes, "error.type",
              outcome == "rpc_error" && code ? std::format("{}", *code) : std::string(outcome),
              one);
  attribute(attributes, "latticegate.outcome", outcome, one);
  attribute(attributes, "latticegate.added_ms", json::to_string(r["added_ms"]), one);
  if (is_error(outcome, code)) {
    std::string status;
    constexpr std::uint64_t error = 2;
    number(3, error, status);
    bytes(15, status, one);
  }
  bytes(2, one, records_);
}

void OtlpRequest::add(json::Value r, base::Time observed) {
  if (signal_ == Signal::spans) {
    add_span(r);
    return;
  }
  constexpr unsigned attributes = 6;
  std::string one;
  fixed64(1, nanoseconds(r["time"].text_or("")), one);
  const Severity level = severity(r);
  number(2, level.number, one);
  bytes(3, level.text, one);
  std::string body;
  bytes(1, json::to_string(r), body);
  bytes(5, body, one);
  add_call(attributes, r, one);
  id(9, r["trace_id"].text_or(""), 16, one);
  id(10, r["span_id"].text_or(""), 8, one);
  fixed64(
      11,
      static_cast<std::uint64_t>(std::max<std::int64_t>(observed.time_since_epoch().count(), 0)),
      one);
  bytes(12, r["type"].text_or(""), one);
  bytes(2, one, records_);
}

std::string OtlpRequest::take() {
  std::string scope;
  bytes(1, scope_, scope);
  scope += std::exchange(records_, {});
  std::string all;
  bytes(1, resource_, all);
  bytes(2, scope, all);
  std::string out;
  bytes(1, all, out);
  return out;
}

}  // namespace latticegate::audit
