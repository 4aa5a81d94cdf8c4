// Tool: everything about one tool that decisions need, made once when the tool is listed and not
// once per call.
//
// It holds the action Mcp::Action::"server/tool" with the groups above it, the attributes of the
// resource Mcp::Tool::"server/tool", the programs that turn arguments and structured answers into
// Cedar values (policy/argument.h) and the piece of Cedar schema that describes all this to the
// writers of policies. It depends neither on the policies nor on the World, so it outlives a reload
// of both.
//
// Posture: the descriptor is a server's and hostile. Its annotations count only where the operator
// said nothing, and what is not known counts as destructive and egress. A descriptor whose
// inputSchema cannot be turned into a program is an error: a tool that cannot be judged stays
// hidden. Limits: those of policy/argument.h, 256 bytes for the name.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "policy/world.h"

namespace latticegate::policy {

// What a call does. destructive and actuate are kinds of write.
struct Effects {
  bool read = false;
  bool write = false;
  bool destructive = false;
  bool egress = false;   // can move data out of the trust boundary
  bool actuate = false;  // changes the physical world
  bool operator==(const Effects&) const = default;
  bool any() const { return read || write || destructive || egress || actuate; }
};

// What the operator says about a tool, merged with what he said about its server.
struct ToolFacts {
  Effects effects{};  // none: the descriptor's annotations decide
  std::vector<std::string> domains{};
  std::int64_t sensitivity = 0;
  std::string segment{};  // empty: the server's; otherwise it lies in this one, too
  std::string region{};   // empty: the server's
  std::int64_t retention_years = 0;
};

// What the hints of a tool's `annotations` claim, missing ones by the protocol's defaults
// (readOnlyHint false, destructiveHint true, openWorldHint true). An absent value gives destructive
// and egress.
Effects effects_of(json::Value annotations);

// Immutable; safe from any thread.
class Tool : public std::enable_shared_from_this<Tool> {
 public:
  struct Content;  // policy/detail/tool_content.h

  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;
  ~Tool();

  std::string_view server() const [[clang::lifetimebound]];
  std::string_view name() const [[clang::lifetimebound]];
  // "server/tool": the id of the action and of the resource.
  std::string_view id() const [[clang::lifetimebound]];
  const Effects& effects() const [[clang::lifetimebound]];
  // The action's declaration, to stand inside `namespace Mcp { }`. The whole schema: schema_text().
  std::string_view schema() const [[clang::lifetimebound]];
  // What of the inputSchema policies cannot see with a type ("options: a union of object and
  // string"), for people.
  const std::vector<std::string>& untyped() const [[clang::lifetimebound]];
  const Content& content() const [[clang::lifetimebound]] { return *content_; }

 private:
  friend base::Result<std::shared_ptr<const Tool>> make_tool(const ServerFacts& server,
                                                             json::Value descriptor,
                                                             const ToolFacts& facts);
  explicit Tool(std::unique_ptr<const Content> content);
  std::unique_ptr<const Content> content_;
};

// From an element of the `tools` array of tools/list. The descriptor is not needed afterwards.
[[nodiscard]] base::Result<std::shared_ptr<const Tool>> make_tool(const ServerFacts& server,
                                                                  json::Value descriptor,
                                                                  const ToolFacts& facts);

// The Cedar schema of the model with the actions of these tools: for `policy schema`, for editors
// and, later, for the validator.
std::string schema_text(std::span<const std::shared_ptr<const Tool>> tools);

}  // namespace latticegate::policy
