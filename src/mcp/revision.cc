#include "mcp/revision.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"

namespace latticegate::mcp {
namespace {

constexpr std::string_view wrap_begin = "=?base64?";
constexpr std::string_view wrap_end = "?=";

std::unexpected<Rejection> mismatch(std::string sentence) {
  return std::unexpected(Rejection{400, header_mismatch_code, std::move(sentence), {}});
}

// What Mcp-Name repeats, for the methods that have it.
std::optional<std::string_view> named(const Message& message) {
  switch (message.method()) {
    case Method::tools_call:
    case Method::prompts_get:
    case Method::resources_read:
    case Method::tasks_get:
    case Method::tasks_update:
    case Method::tasks_cancel: return subject_of(message);
    default: return std::nullopt;
  }
}

}  // namespace

int http_status_of(Era era, std::int64_t rpc_code) {
  if (era == Era::legacy) return 200;
  if (rpc_code == -32601) return 404;
  return rpc_code == missing_capability_code ? 400 : 200;
}

bool has_cache_hints(Method method) {
  switch (method) {
    case Method::server_discover:
    case Method::tools_list:
    case Method::prompts_list:
    case Method::resources_list:
    case Method::resources_templates_list:
    case Method::resources_read: return true;
    default: return false;
  }
}

bool exists_in(Era era, Method method) {
  switch (method) {
    case Method::initialize:
    case Method::ping:
    case Method::logging_set_level:
    case Method::resources_subscribe:
    case Method::resources_unsubscribe:
    case Method::tasks_list:
    case Method::tasks_result: return era == Era::legacy;
    case Method::server_discover:
    case Method::subscriptions_listen:
    case Method::tasks_update: return era == Era::modern;
    default: {
      const auto* const row = std::ranges::find(methods, method, &MethodRow::method);
      return row != methods.end() && row->from != From::server && !row->notification;
    }
  }
}

bool names_tasks(json::Value capabilities) {
  return capabilities["extensions"][tasks_extension].is_object();
}

bool is_legacy_revision(std::string_view text) {
  return std::ranges::find(legacy_revisions, text) != legacy_revisions.end();
}

bool claims_modern(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i != 4 && i != 7 && (text[i] < '0' || text[i] > '9')) return false;
  return text >= modern_revision;
}

json::Value reserved_meta(json::Value meta, std::string_view name) {
  for (const json::Member member : meta.members())
    if (member.key.starts_with(meta_prefix) && member.key.substr(meta_prefix.size()) == name)
      return member.value;
  return {};
}

std::expected<Era, Rejection> classify(const Message& message, const MirroredHeaders& headers) {
  if (message.is_response()) return Era::legacy;
  const json::Value claim = reserved_meta(message.meta(), "protocolVersion");
  const bool header_modern = headers.version && claims_modern(*headers.version);
  if (!claim.exists()) {
    if (!header_modern) return Era::legacy;
    if (message.is_notification()) return Era::modern;
    return std::unexpected(Rejection{
        400, -32602, "the request lacks _meta io.modelcontextprotocol/protocolVersion", {}});
  }
  const std::string_view version = claim.text_or({});
  if (version.empty())
    return std::unexpected(Rejection{400, -32602, "_meta protocolVersion is no string", {}});
  if (is_legacy_revision(version)) return Era::legacy;
  if (headers.version != version)
    return mismatch(headers.version
                        ? "the MCP-Protocol-Version header differs from the request's _meta"
                        : "the MCP-Protocol-Version header is missing");
  if (version != modern_revision) {
    std::string data = std::format(R"({{"supported":["{}"],"requested":)", modern_revision);
    json::write_string(version, data);
    data += '}';
    return std::unexpected(Rejection{400, unsupported_version_code,
                                     "this protocol version is not supported", std::move(data)});
  }
  if (message.is_notification()) return Era::modern;
  if (!reserved_meta(message.meta(), "clientCapabilities").is_object())
    return std::unexpected(Rejection{
        400, -32602, "the request lacks _meta io.modelcontextprotocol/clientCapabilities", {}});
  if (headers.method != message.method_name())
    return mismatch(headers.method ? "the Mcp-Method header differs from the request's method"
                                   : "the Mcp-Method header is missing");
  if (const auto name = named(message)) {
    if (!headers.name) return mismatch("the Mcp-Name header is missing");
    if (decode_header_value(*headers.name) != *name)
      return mismatch("the Mcp-Name header differs from the request");
  }
  const Method method = message.method();
  if ((method == Method::tasks_get || method == Method::tasks_update ||
       method == Method::tasks_cancel) &&
      !names_tasks(reserved_meta(message.meta(), "clientCapabilities")))
    return std::unexpected(Rejection{400, missing_capability_code,
                                     "the request does not declare the tasks extension",
                                     std::string(tasks_required)});
  return Era::modern;
}

std::optional<std::string> decode_header_value(std::string_view value) {
  if (value.size() < wrap_begin.size() + wrap_end.size() || !value.starts_with(wrap_begin) ||
      !value.ends_with(wrap_end))
    return std::string(value);
  auto decoded = base::from_base64(
      value.substr(wrap_begin.size(), value.size() - wrap_begin.size() - wrap_end.size()));
  if (decoded && !base::is_utf8(*decoded)) return std::nullopt;
  return decoded;
}

std::string encode_header_value(std::string_view value) {
  const auto safe = [](char c) { return (c >= 0x21 && c <= 0x7E) || c == ' ' || c == '\t'; };
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  const bool plain = !value.empty() && std::ranges::all_of(value, safe) && !blank(value.front()) &&
                     !blank(value.back()) &&
                     !(value.starts_with(wrap_begin) && value.ends_with(wrap_end));
  if (plain) return std::string(value);
  return std::format("{}{}{}", wrap_begin, base::to_base64(base::bytes_of(value)), wrap_end);
}

}  // namespace latticegate::mcp
