#include "policy/tool.h"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/log.h"
#include "cedar/value.h"
#include "policy/detail/model.h"
#include "policy/detail/tool_content.h"

namespace latticegate::policy {
namespace {

using base::Code;
using cedar::EntityUid;
using cedar::Value;

constexpr std::size_t longest_name = 256;

Value strings(const std::vector<std::string>& texts, cedar::Arena& arena) {
  const auto values = arena.array<Value>(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) values[i] = Value::string(arena.copy(texts[i]));
  return Value::set(values, arena);
}

// The groups that the action lies in directly.
std::vector<EntityUid> groups_of(const Effects& effects) {
  std::vector<EntityUid> groups;
  if (effects.read) groups.push_back(model::read);
  if (effects.destructive) groups.push_back(model::destructive);
  if (effects.actuate) groups.push_back(model::actuate);
  if (effects.write && !effects.destructive && !effects.actuate) groups.push_back(model::write);
  if (effects.egress) groups.push_back(model::egress);
  return groups;
}

cedar::Entity action_of(const EntityUid& uid, const Effects& effects, cedar::Arena& arena) {
  const auto parents = groups_of(effects);
  std::vector<EntityUid> ancestors = parents;
  if (effects.destructive || effects.actuate) ancestors.push_back(model::write);
  ancestors.push_back(model::call_tool);
  ancestors.push_back(model::mcp);
  std::ranges::sort(ancestors);
  return {.uid = uid,
          .parents = arena.copy(std::span(parents)),
          .ancestors = arena.copy(std::span<const EntityUid>(ancestors))};
}

Value attributes_of(const ServerFacts& server, const ToolFacts& facts, const Effects& effects,
                    bool pinned, cedar::Arena& arena) {
  const std::string& segment = facts.segment.empty() ? server.segment : facts.segment;
  const std::string& region = facts.region.empty() ? server.region : facts.region;
  cedar::RecordBuilder record(arena);
  record
      .add("segment",
           Value::entity(
               {model::segment, segment.empty() ? model::unassigned : arena.copy(segment)}, arena))
      .add("server", Value::entity({model::server, arena.copy(server.name)}, arena))
      .add("region", Value::string(arena.copy(region)))
      .add("sensitivity", Value::integer(facts.sensitivity))
      .add("domains", strings(facts.domains, arena))
      .add("destructive", Value::boolean(effects.destructive))
      .add("egress", Value::boolean(effects.egress))
      .add("pinned", Value::boolean(pinned))
      .add("retentionYears", Value::integer(facts.retention_years));
  return record.finish();
}

// `typed`: there is an outputSchema.
std::string schema_of(const Tool::Content& tool, bool typed) {
  std::string groups;
  for (const EntityUid& group : tool.action.parents)
    groups += std::format("{}{}", groups.empty() ? "" : ", ", cedar::quoted(group.id()));
  std::string text;
  for (const std::string& line : tool.arguments.untyped())
    text += std::format("  // not typed: {}\n", base::printable(line));
  for (const std::string& line : tool.output.untyped())
    text += std::format("  // not typed: in the answer, {}\n", base::printable(line));
  const std::string output =
      typed
          ? std::format("{{ records: Long, bytes: Long, findings: Set<String>, structured?: {} }}",
                        tool.output.type())
          : "Output";
  return text + std::format(
                    "  action {} in [{}] appliesTo {{\n"
                    "    principal: [Agent], resource: [Tool],\n"
                    "    context: {{ input: {}, session: Session, risk: Risk, env: Env, "
                    "derived: Derived, approval?: Approval, output?: {} }}\n"
                    "  }};\n",
                    cedar::quoted(tool.id), groups, tool.arguments.type(), output);
}

}  // namespace

Effects effects_of(json::Value annotations) {
  const bool reads = annotations["readOnlyHint"].boolean().value_or(false);
  const bool destroys = annotations["destructiveHint"].boolean().value_or(true);
  return {.read = reads,
          .write = !reads,
          .destructive = !reads && destroys,
          .egress = annotations["openWorldHint"].boolean().value_or(true)};
}

Tool::Tool(std::unique_ptr<const Content> content) : content_(std::move(content)) {}
Tool::~Tool() = default;
std::string_view Tool::server() const { return content_->server; }
std::string_view Tool::name() const { return content_->name; }
std::string_view Tool::id() const { return content_->id; }
const Effects& Tool::effects() const { return content_->effects; }
std::string_view Tool::schema() const { return content_->schema; }
const std::vector<std::string>& Tool::untyped() const { return content_->arguments.untyped(); }

base::Result<std::shared_ptr<const Tool>> make_tool(const ServerFacts& server,
                                                    json::Value descriptor,
                                                    const ToolFacts& facts) {
  const auto name = descriptor["name"].string();
  if (!name || name->empty() || name->size() > longest_name)
    return base::fail(Code::invalid,
                      std::format("a tool's name must be a string of 1 to {} bytes", longest_name));
  auto program = ArgumentProgram::compile(descriptor["inputSchema"]);
  if (!program)
    return base::within(std::format("tool {}/{}", server.name, base::printable(*name)),
                        std::move(program).error());
  // An answer that has no type can still be judged as it comes; policies that need types are told
  // that there are none.
  const json::Value schema = descriptor["outputSchema"];
  auto output = ArgumentProgram::compile(schema);
  const bool typed = schema.exists() && output.has_value();
  if (!output) output = ArgumentProgram::compile({});
  if (!output) return std::unexpected(std::move(output).error());
  auto tool = std::make_unique<Tool::Content>(*std::move(program), *std::move(output));
  tool->server = server.name;
  tool->name = *name;
  tool->id = std::format("{}/{}", server.name, *name);
  Effects effects = facts.effects.any() ? facts.effects : effects_of(descriptor["annotations"]);
  effects.write = effects.write || effects.destructive || effects.actuate;
  if (!effects.any()) effects = effects_of({});
  tool->effects = effects;
  tool->uid = EntityUid(model::tool, tool->id);
  tool->action = action_of(EntityUid(model::action, tool->id), effects, tool->arena);
  for (const bool pinned : {false, true})
    tool->attributes[pinned ? 1 : 0] = attributes_of(server, facts, effects, pinned, tool->arena);
  std::vector<EntityUid> parents{{model::server, tool->server}};
  if (!facts.segment.empty()) parents.emplace_back(model::segment, tool->arena.copy(facts.segment));
  tool->parents = tool->arena.copy(std::span<const EntityUid>(parents));
  tool->schema = schema_of(*tool, typed);
  return std::shared_ptr<const Tool>(new Tool(std::move(tool)));
}

}  // namespace latticegate::policy
