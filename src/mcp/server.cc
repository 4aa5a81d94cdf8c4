#include "mcp/server.h"

#include <algorithm>
#include <array>
#include <format>

#include "base/result.h"
#include "mcp/endpoint.h"
#include "mcp/tasks.h"

namespace latticegate::mcp {
namespace {

std::string member_of(const std::string& descriptor, std::string_view key) {
  const auto document = json::Document::parse(descriptor, {.depth = 64});
  base::check(document.has_value(), "a descriptor is not JSON");
  const auto text = document->root()[key].string();
  base::check(text && !text->empty(), "a descriptor has no name");
  return std::string(*text);
}

constexpr auto levels = std::to_array<std::string_view>(
    {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"});

// "a{x}b" fits "a...b" with something, and no slash, in the place of x.
bool fits(std::string_view uri_template, std::string_view uri) {
  const std::size_t open = uri_template.find('{');
  const std::size_t close = uri_template.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos) return uri_template == uri;
  const std::string_view before = uri_template.substr(0, open);
  const std::string_view after = uri_template.substr(close + 1);
  if (!uri.starts_with(before) || !uri.ends_with(after) ||
      uri.size() <= before.size() + after.size())
    return false;
  uri.remove_prefix(before.size());
  uri.remove_suffix(after.size());
  return !uri.contains('/');
}

}  // namespace

std::optional<std::size_t> log_level(std::string_view name) {
  const auto* const found = std::ranges::find(levels, name);
  if (found == levels.end()) return std::nullopt;
  return static_cast<std::size_t>(found - levels.begin());
}

void Server::add_tool(std::string descriptor, Handler handler) {
  std::string name = member_of(descriptor, "name");
  tools_.push_back({std::move(name), std::move(descriptor), std::move(handler)});
}
void Server::add_resource(std::string descriptor, Handler handler) {
  std::string uri = member_of(descriptor, "uri");
  resources_.push_back({std::move(uri), std::move(descriptor), std::move(handler)});
}
void Server::add_template(std::string descriptor, Handler handler) {
  std::string uri = member_of(descriptor, "uriTemplate");
  templates_.push_back({std::move(uri), std::move(descriptor), std::move(handler)});
}
void Server::add_prompt(std::string descriptor, Handler handler) {
  std::string name = member_of(descriptor, "name");
  prompts_.push_back({std::move(name), std::move(descriptor), std::move(handler)});
}

const Server::Item* Server::find(const std::vector<Item>& items, std::string_view name) {
  const auto found = std::ranges::find(items, name, &Item::name);
  return found == items.end() ? nullptr : &*found;
}

const Server::Item* Server::find_resource(std::string_view uri) const {
  if (const Item* const resource = find(resources_, uri)) return resource;
  for (const Item& item : templates_)
    if (fits(item.name, uri)) return &item;
  return nullptr;
}

std::string Server::capabilities(Era era, bool tasks) const {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  if (!tools_.empty()) writer.key("tools").raw(R"({"listChanged":true})");
  if (!resources_.empty() || !templates_.empty())
    writer.key("resources").raw(R"({"subscribe":true,"listChanged":true})");
  if (!prompts_.empty()) writer.key("prompts").raw(R"({"listChanged":true})");
  if (completion_) writer.key("completions").raw("{}");
  // Messages of a modern server belong to the request that asked for them: nothing to declare.
  if (era == Era::legacy) writer.key("logging").raw("{}");
  if (era == Era::modern && tasks)
    writer.key("extensions").begin_object().key(tasks_extension).raw("{}").end_object();
  writer.end_object();
  return out;
}

void write_inputs(const std::vector<Input>& inputs, json::Writer& writer) {
  writer.begin_object();
  for (const Input& input : inputs)
    writer.key(input.key)
        .begin_object()
        .member("method", input.method)
        .key("params")
        .raw(input.params)
        .end_object();
  writer.end_object();
}

bool Call::can(std::string_view capability) const {
  if (era_ == Era::modern)
    return reserved_meta(message_.meta(), "clientCapabilities")[capability].exists();
  const json::Value declared = endpoint_->capabilities()[capability];
  return declared.exists();
}

json::Value Call::answer(std::string_view key) const {
  if (const auto found = answers_.find(key); found != answers_.end()) return found->second.root();
  return era_ == Era::modern ? message_.params()["inputResponses"][key] : json::Value();
}

void Call::progress(std::int64_t done, std::int64_t total) {
  const json::Value token = message_.meta()["progressToken"];
  if (!token.exists() || endpoint_ == nullptr) return;
  endpoint_->notify(*this, "notifications/progress",
                    std::format(R"({{"progressToken":{},"progress":{},"total":{}}})",
                                json::to_string(token), done, total));
}

void Call::log(std::string_view level, std::string_view data) {
  const auto rank = log_level(level);
  base::check(rank.has_value(), "no level of this name");
  if (endpoint_ == nullptr) return;
  std::optional<std::size_t> least = endpoint_->level();
  if (era_ == Era::modern)
    least = log_level(reserved_meta(message_.meta(), "logLevel").text_or({}));
  if (!least || *rank < *least) return;
  endpoint_->notify(*this, "notifications/message",
                    std::format(R"({{"level":"{}","logger":"server","data":{}}})", level, data));
}

void Call::announce(Method change) {
  if (endpoint_ != nullptr) endpoint_->announce(change, {});
}

void Call::let_go() {
  if (era_ == Era::legacy) endpoint_->end_early(*this);
}

}  // namespace latticegate::mcp
