#include "mcp/message.h"

#include <format>

namespace latticegate::mcp {
namespace {

using base::Code;

// The id of a message that is wrong otherwise, so that the answer can carry it.
std::optional<std::string> readable_id(json::Value root) {
  const json::Value id = root["id"];
  if (id.is_string() || id.integer()) return json::to_string(id);
  return std::nullopt;
}

std::unexpected<ParseFailure> refuse(json::Value root, std::string words) {
  return std::unexpected(
      ParseFailure{-32600, {Code::malformed, std::move(words)}, readable_id(root)});
}

}  // namespace

std::expected<Message, ParseFailure> Message::parse(std::string_view text,
                                                    const json::Limits& limits) {
  auto document = json::Document::parse(text, limits);
  if (!document)
    return std::unexpected(ParseFailure{-32700, std::move(document).error(), std::nullopt});
  const json::Value root = document->root();
  if (root.is_array()) return refuse({}, "batches are not accepted");
  if (!root.is_object()) return refuse({}, "a message is an object");
  Message message(*std::move(document), text.size());
  json::Value version;
  json::Value method;
  for (const json::Member member : root.members()) {
    if (member.key == "jsonrpc")
      version = member.value;
    else if (member.key == "id")
      message.id_ = member.value;
    else if (member.key == "method")
      method = member.value;
    else if (member.key == "params")
      message.params_ = member.value;
    else if (member.key == "result")
      message.result_ = member.value;
    else if (member.key == "error")
      message.error_ = member.value;
  }
  if (version.string() != "2.0") return refuse(root, "jsonrpc is not \"2.0\"");
  const bool has_id = message.id_.exists();
  if (has_id && !message.id_.is_string() && !message.id_.integer())
    return refuse(root, "the id is neither a string nor an integer");
  if (method.exists()) {
    if (!method.is_string()) return refuse(root, "the method is no string");
    if (message.result_.exists() || message.error_.exists())
      return refuse(root, "both a method and an answer");
    if (message.params_.exists() && !message.params_.is_object())
      return refuse(root, "the params are no object");
    message.kind_ = has_id ? Kind::request : Kind::notification;
    message.method_name_ = *method.string();
    if (const MethodRow* const row = find_method(message.method_name_)) {
      message.method_ = row->method;
      if (row->notification && has_id) return refuse(root, "a notification with an id");
      if (!row->notification && !has_id) return refuse(root, "a request without an id");
    }
    return message;
  }
  message.kind_ = Kind::response;
  if (message.result_.exists() == message.error_.exists())
    return refuse(root, "neither a method nor exactly one of result and error");
  if (message.result_.exists() && (!has_id || !message.result_.is_object()))
    return refuse(root, "a result without an id, or that is no object");
  if (message.error_.exists() &&
      (!message.error_["code"].integer() || !message.error_["message"].is_string()))
    return refuse(root, "an error without code or message");
  return message;
}

std::string Message::id_text() const { return id_.exists() ? json::to_string(id_) : std::string(); }

std::string Message::text(std::span<const json::Edit> edits) const {
  std::string out;
  json::write(root(), edits, out);
  return out;
}

std::string_view subject_of(const Message& message) {
  switch (message.method()) {
    case Method::tools_call:
    case Method::prompts_get: return message.params()["name"].text_or({});
    case Method::resources_read:
    case Method::resources_subscribe:
    case Method::resources_unsubscribe: return message.params()["uri"].text_or({});
    case Method::tasks_get:
    case Method::tasks_update:
    case Method::tasks_cancel:
    case Method::tasks_result: return message.params()["taskId"].text_or({});
    case Method::completion_complete: {
      const json::Value reference = message.params()["ref"];
      return reference["name"].text_or(reference["uri"].text_or({}));
    }
    default: return {};
  }
}

namespace {

std::string begin_response(std::string_view id) {
  std::string out = R"({"jsonrpc":"2.0")";
  if (!id.empty()) {
    out += R"(,"id":)";
    out += id;
  }
  return out;
}

}  // namespace

std::string error_response(std::string_view id, int code, std::string_view sentence,
                           std::string_view data) {
  std::string out = begin_response(id);
  out += std::format(R"(,"error":{{"code":{},"message":)", code);
  json::write_string(sentence, out);
  if (!data.empty()) {
    out += R"(,"data":)";
    out += data;
  }
  out += "}}";
  return out;
}

std::string tool_error_response(std::string_view id, std::string_view sentence, bool modern) {
  std::string out = begin_response(id);
  out += R"(,"result":{"content":[{"type":"text","text":)";
  json::write_string(sentence, out);
  out += R"(}],"isError":true)";
  if (modern) out += R"(,"resultType":"complete")";
  out += "}}";
  return out;
}

std::string result_response(std::string_view id, std::string_view result) {
  std::string out = begin_response(id);
  out += R"(,"result":)";
  out += result;
  out += '}';
  return out;
}

}  // namespace latticegate::mcp
