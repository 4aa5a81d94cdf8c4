#include "gateway/outward.h"

#include <algorithm>

#include "gateway/naming.h"
#include "mcp/revision.h"

namespace latticegate::gateway {

using mcp::Method;

// `bare` is what stands in front of the text.
void Outward::replace(json::Value text, std::string outward, std::string_view bare,
                      std::vector<json::Edit>& edits) const {
  const auto known = std::ranges::find_if(
      edits, [&](const json::Edit& edit) { return edit.at.node() == text.node(); });
  std::string out;
  if (known == edits.end()) {
    json::write_string(outward, out);
    edits.push_back({text, std::move(out)});
    return;
  }
  if (known->text.empty()) return;  // it is taken out
  json::write_string(bare, out);
  out.pop_back();  // its quote
  known->text.replace(0, 1, out);
}

void Outward::put(json::Value uri, std::vector<json::Edit>& edits) const {
  if (const auto text = uri.string())
    replace(uri, outward_uri(server_, *text), outward_uri(server_, ""), edits);
}

void Outward::task(json::Value id, std::vector<json::Edit>& edits) const {
  if (const auto text = id.string())
    replace(id, outward_task(server_, *text), outward_task(server_, ""), edits);
}

void Outward::related(json::Value meta, std::vector<json::Edit>& edits) const {
  task(mcp::reserved_meta(meta, "related-task")["taskId"], edits);
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
      [[fallthrough]];
    case Method::tasks_cancel:
      task(response.result()["taskId"], edits);
      task(response.result()["task"]["taskId"], edits);
      related(response.result()["_meta"], edits);
      break;
    default: break;
  }
}

void Outward::notification_edits(const mcp::Message& message,
                                 std::vector<json::Edit>& edits) const {
  if (message.method() == Method::notifications_resources_updated)
    put(message.params()["uri"], edits);
  if (message.method() == Method::notifications_tasks_status)
    task(message.params()["taskId"], edits);
  related(message.meta(), edits);
}

void Outward::element_edits(json::Value element, std::vector<json::Edit>& edits) const {
  put(element["uri"], edits);
  put(element["uriTemplate"], edits);
  task(element["taskId"], edits);
  const json::Value meta = element["_meta"];
  put(meta["ui"]["resourceUri"], edits);
  put(meta["ui/resourceUri"], edits);
}

}  // namespace latticegate::gateway
