#include "mcp/translate.h"

#include <algorithm>

#include "base/result.h"

namespace latticegate::mcp {
namespace {

bool is_reserved_meta(std::string_view key) { return key.starts_with(meta_prefix); }

// The members of _meta that are not the protocol's own.
void write_free_meta(json::Value meta, json::Writer& writer) {
  for (const json::Member member : meta.members())
    if (!is_reserved_meta(member.key)) writer.member(member.key, member.value);
}

bool has_free_meta(json::Value meta) {
  return std::ranges::any_of(meta.members(),
                             [](json::Member member) { return !is_reserved_meta(member.key); });
}

void begin(json::Writer& writer, const Message& message, std::string_view id) {
  writer.begin_object().member("jsonrpc", "2.0");
  if (!id.empty())
    writer.key("id").raw(id);
  else if (message.id().exists())
    writer.member("id", message.id());
  if (!message.method_name().empty()) writer.member("method", message.method_name());
}

// Members of the envelope that no revision names.
void end(json::Writer& writer, const Message& message) {
  for (const json::Member member : message.root().members())
    if (member.key != "jsonrpc" && member.key != "id" && member.key != "method" &&
        member.key != "params" && member.key != "result" && member.key != "error")
      writer.member(member.key, member.value);
  writer.end_object();
}

std::string notification_with(const Message& message, std::string_view subscription) {
  std::string out;
  json::Writer writer(out);
  begin(writer, message, {});
  writer.key("params").begin_object();
  for (const json::Member member : message.params().members())
    if (member.key != "_meta") writer.member(member.key, member.value);
  if (!subscription.empty() || has_free_meta(message.meta())) {
    writer.key("_meta").begin_object();
    write_free_meta(message.meta(), writer);
    if (!subscription.empty())
      writer.key(std::string(meta_prefix) + "subscriptionId").raw(subscription);
    writer.end_object();
  }
  writer.end_object();
  end(writer, message);
  return out;
}

}  // namespace

std::string to_legacy(const Message& message) {
  std::string out;
  json::Writer writer(out);
  begin(writer, message, {});
  if (message.params().exists()) {
    writer.key("params").begin_object();
    for (const json::Member member : message.params().members())
      if (member.key != "_meta" && member.key != "inputResponses" && member.key != "requestState")
        writer.member(member.key, member.value);
    if (has_free_meta(message.meta())) {
      writer.key("_meta").begin_object();
      write_free_meta(message.meta(), writer);
      writer.end_object();
    }
    writer.end_object();
  }
  end(writer, message);
  return out;
}

std::string to_modern(const Message& message, const Envelope& envelope, std::string_view id,
                      std::string_view answers, std::string_view state) {
  const std::string prefix(meta_prefix);
  std::string out;
  json::Writer writer(out);
  begin(writer, message, id);
  writer.key("params").begin_object();
  for (const json::Member member : message.params().members())
    if (member.key != "_meta" && member.key != "inputResponses" && member.key != "requestState" &&
        member.key != "task")
      writer.member(member.key, member.value);
  if (!answers.empty()) writer.key("inputResponses").raw(answers);
  if (!state.empty()) writer.key("requestState").raw(state);
  writer.key("_meta").begin_object();
  write_free_meta(message.meta(), writer);
  writer.member(prefix + "protocolVersion", modern_revision);
  writer.key(prefix + "clientCapabilities").raw(envelope.capabilities);
  if (!envelope.client.empty()) writer.key(prefix + "clientInfo").raw(envelope.client);
  if (!envelope.log_level.empty()) writer.member(prefix + "logLevel", envelope.log_level);
  writer.end_object().end_object();
  end(writer, message);
  return out;
}

std::string response_to_modern(const Message& response, std::string_view id, Method of,
                               std::string_view server) {
  std::string out;
  json::Writer writer(out);
  begin(writer, response, id);
  if (const json::Value error = response.error(); error.exists()) {
    writer.key("error").begin_object();
    for (const json::Member member : error.members())
      if (member.key == "code" && member.value.integer() == not_found_code)
        writer.member("code", std::int64_t{-32602});
      else
        writer.member(member.key, member.value);
    writer.end_object();
    end(writer, response);
    return out;
  }
  const json::Value result = response.result();
  writer.key("result").begin_object();
  if (!result["resultType"].exists()) writer.member("resultType", "complete");
  if (has_cache_hints(of)) {
    if (!result["ttlMs"].exists()) writer.member("ttlMs", std::int64_t{0});
    if (!result["cacheScope"].exists()) writer.member("cacheScope", "private");
  }
  for (const json::Member member : result.members())
    if (member.key != "_meta") writer.member(member.key, member.value);
  if (server.empty()) {
    if (result["_meta"].exists()) writer.member("_meta", result["_meta"]);
  } else {
    writer.key("_meta").begin_object();
    write_free_meta(result["_meta"], writer);
    writer.key(std::string(meta_prefix) + "serverInfo").raw(server);
    writer.end_object();
  }
  writer.end_object();
  end(writer, response);
  return out;
}

std::string response_to_legacy(const Message& response, std::string_view id) {
  std::string out;
  json::Writer writer(out);
  begin(writer, response, id);
  if (const json::Value error = response.error(); error.exists()) {
    writer.member("error", error);
    end(writer, response);
    return out;
  }
  const json::Value result = response.result();
  // Until 2025-11-25 structured content is an object; another value goes as text, if it is not
  // there as text already.
  const json::Value structured = result["structuredContent"];
  const bool as_text = structured.exists() && !structured.is_object();
  writer.key("result").begin_object();
  for (const json::Member member : result.members()) {
    if (member.key == "resultType" || member.key == "ttlMs" || member.key == "cacheScope" ||
        member.key == "_meta" || (as_text && member.key == "structuredContent"))
      continue;
    if (as_text && member.key == "content" && member.value.size() == 0) continue;
    writer.member(member.key, member.value);
  }
  if (as_text && result["content"].size() == 0)
    writer.key("content")
        .begin_array()
        .begin_object()
        .member("type", "text")
        .member("text", json::to_string(structured))
        .end_object()
        .end_array();
  if (has_free_meta(response.result()["_meta"])) {
    writer.key("_meta").begin_object();
    write_free_meta(response.result()["_meta"], writer);
    writer.end_object();
  }
  writer.end_object();
  end(writer, response);
  return out;
}

std::string discovered_from(json::Value initialized) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("resultType", "complete")
      .member("ttlMs", std::int64_t{0})
      .member("cacheScope", "private")
      .key("supportedVersions")
      .begin_array()
      .string(modern_revision)
      .end_array()
      .key("capabilities")
      .begin_object();
  // Tasks of 2025-11-25 are another thing than the extension of that name; log messages need no
  // capability any more.
  for (const json::Member member : initialized["capabilities"].members())
    if (member.key != "tasks" && member.key != "logging") writer.member(member.key, member.value);
  writer.end_object();
  if (initialized["instructions"].is_string())
    writer.member("instructions", initialized["instructions"]);
  if (initialized["serverInfo"].is_object())
    writer.key("_meta")
        .begin_object()
        .member(std::string(meta_prefix) + "serverInfo", initialized["serverInfo"])
        .end_object();
  writer.end_object();
  return out;
}

std::string initialized_from(json::Value discovered, std::string_view asked) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("protocolVersion", is_legacy_revision(asked) ? asked : legacy_revisions.back())
      .key("capabilities")
      .begin_object();
  for (const json::Member member : discovered["capabilities"].members())
    if (member.key != "extensions" && member.key != "logging")
      writer.member(member.key, member.value);
  writer.key("logging").raw("{}").end_object().key("serverInfo");
  if (const json::Value info = reserved_meta(discovered["_meta"], "serverInfo");
      info["name"].is_string() && info["version"].is_string())
    writer.value(info);
  else
    writer.raw(R"({"name":"server","version":"0"})");
  if (discovered["instructions"].is_string())
    writer.member("instructions", discovered["instructions"]);
  writer.end_object();
  return out;
}

std::string with_subscription(const Message& notification, std::string_view subscription) {
  return notification_with(notification, subscription);
}

std::string without_subscription(const Message& notification) {
  return notification_with(notification, {});
}

std::string_view capability_for(Method method) {
  switch (method) {
    case Method::elicitation_create: return "elicitation";
    case Method::sampling_create_message: return "sampling";
    case Method::roots_list: return "roots";
    default: return {};
  }
}

bool may_be_asked(json::Value capabilities, Method method, json::Value params) {
  const std::string_view name = capability_for(method);
  if (name.empty()) return false;
  const json::Value declared = capabilities[name];
  if (!declared.is_object()) return false;
  if (method == Method::elicitation_create) {
    const std::string_view mode = params["mode"].text_or("form");
    return declared[mode].exists() || (mode == "form" && !declared["url"].exists());
  }
  if (method == Method::sampling_create_message && params["tools"].exists())
    return declared["tools"].exists();
  return true;
}

}  // namespace latticegate::mcp
