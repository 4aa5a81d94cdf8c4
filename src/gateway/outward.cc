#include "gateway/outward.h"

#include <algorithm>

#include "gateway/naming.h"

namespace latticegate::gateway {

using mcp::Method;

void Outward::put(json::Value uri, std::vector<json::Edit>& edits) const {
  const auto text = uri.string();
  if (!text) return;
  const auto known = std::ranges::find_if(
      edits, [&](const json::Edit& edit) { return edit.at.node() == uri.node(); });
  std::string out;
  if (known == edits.end()) {
    json::write_string(outward_uri(server_, *text), out);
    edits.push_back({uri, std::move(out)});
    return;
  }
  if (known->text.empty()) return;  // it is taken out
  json::write_string(outward_uri(server_, ""), out);
  out.pop_back();  // its quote
  known->text.replace(0, 1, out);
}

// A block of content: a link, or a resource itself.
void Outward::block(json::Value content, std::vector<json::Edit>& edits) const {
  if (content["type"].string() == "resource_link") put(content["uri"], edits);
  if (content["type"].string() == "resource") put(content["resource"]["uri"], edits);
}

void Outward::result(json::Value result, std::vector<json::Edit>& edits) const {
  for (const json::Value each : result["content"].elements()) block(each, edits);
  for (const json::Value each : result["contents"].elements()) put(each["uri"], edits);
  for (const json::Value message : result["messages"].elements()) {
    block(message["content"], edits);
    for (const json::Value each : message["content"].elements()) block(each, edits);
  }
}

void Outward::answer_edits(Method of, const mcp::Message& response,
                           std::vector<json::Edit>& edits) const {
  switch (of) {
    case Method::tools_call:
    case Method::prompts_get:
    case Method::resources_read:
    case Method::resources_subscribe:
    case Method::tasks_get:
    case Method::tasks_result:
      result(response.result(), edits);
      result(response.result()["result"], edits);  // of a task that is complete
      put(response.error()["data"]["uri"], edits);
      break;
    default: break;
  }
}

void Outward::notification_edits(const mcp::Message& message,
                                 std::vector<json::Edit>& edits) const {
  if (message.method() == Method::notifications_resources_updated)
    put(message.params()["uri"], edits);
}

void Outward::element_edits(json::Value element, std::vector<json::Edit>& edits) const {
  put(element["uri"], edits);
  put(element["uriTemplate"], edits);
  const json::Value meta = element["_meta"];
  put(meta["ui"]["resourceUri"], edits);
  put(meta["ui/resourceUri"], edits);
}

}  // namespace latticegate::gateway
