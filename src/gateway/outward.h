// The addresses of one server's resources and the ids of its tasks on their way to a client behind
// a door: wherever the protocol has one that the client may give back, it gets the server's name in
// front (gateway/naming.h). Texts that merely mention one stay as they are. Immutable; any thread.
#pragma once
#include <string>
#include <vector>

#include "json/write.h"
#include "mcp/message.h"

namespace latticegate::gateway {

class Outward {
 public:
  explicit Outward(std::string server) : server_(std::move(server)) {}

  // All add to edits of the same message, which may hold a redaction of the same text already.
  void answer_edits(mcp::Method of, const mcp::Message& response,
                    std::vector<json::Edit>& edits) const;
  void notification_edits(const mcp::Message& message, std::vector<json::Edit>& edits) const;
  // An element of a list: uri, uriTemplate, and where a tool's user interface is.
  void element_edits(json::Value element, std::vector<json::Edit>& edits) const;

 private:
  void put(json::Value uri, std::vector<json::Edit>& edits) const;
  void task(json::Value id, std::vector<json::Edit>& edits) const;
  void related(json::Value meta, std::vector<json::Edit>& edits) const;
  void replace(json::Value text, std::string outward, std::string_view bare,
               std::vector<json::Edit>& edits) const;
  void block(json::Value content, std::vector<json::Edit>& edits) const;
  void result(json::Value result, std::vector<json::Edit>& edits) const;
  std::string server_;
};

}  // namespace latticegate::gateway
