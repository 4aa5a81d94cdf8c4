#include "gateway/descriptions.h"

#include <format>
#include <string>
#include <vector>

#include "gateway/exceptions.h"
#include "inspect/descriptor_set.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using inspect::FindingKind;
using inspect::Severity;

// What rules and model say together (inspect/model.h) holds a tool back where it is rarer than one in
// 250 harmless descriptions: honest servers speak of other tools and of files, too.
constexpr float certain = 2.4F;
constexpr json::Limits all_tools{
    .size = base::Bytes{std::uint64_t{64} * 1024 * 1024}, .depth = 256, .nodes = 2'000'000};

// Why a text should be read by a person before a model does; empty: no reason.
std::string suspicion(const inspect::Findings& found, bool of_orders) {
  if (found.has(FindingKind::hidden_text, Severity::medium) ||
      found.has(FindingKind::terminal_escape))
    return "its text hides characters";
  if (!of_orders) return {};
  if (found.scores.all < certain) return {};
  for (const inspect::Finding& finding : found.items)
    if (finding.kind == FindingKind::instruction && finding.severity >= Severity::medium)
      return std::format("its text gives orders ({}{}{})", finding.rule,
                         finding.pointer.empty() ? "" : " at ", finding.pointer);
  return {};
}

std::string reason_of(const inspect::ToolFinding& told) {
  return std::format("{} ({})", told.finding.excerpt, told.finding.rule);
}

// All that servers were seen to list, as one document.
std::string everything(const Snapshot& snapshot) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  std::size_t tools = 0;
  for (const auto& [name, route] : snapshot.routes) {
    writer.key(name).begin_array();
    for (const auto& entry : route.catalogue->entries())
      if (tools++ < most_compared) writer.raw(entry->form.bytes);
    writer.end_array();
  }
  writer.end_object();
  return text;
}

void compare(const Snapshot& snapshot, std::string_view learnt, base::Time now,
             const ToolHeld& held) {
  const auto document = json::Document::parse(everything(snapshot), all_tools);
  if (!document) return;
  for (const inspect::ToolFinding& told : inspect::compare_descriptors(document->root(), learnt)) {
    if (told.finding.severity < Severity::high) continue;
    inspect::Findings one;
    one.items.push_back(told.finding);
    leave_out(one, snapshot.config->inspect.exceptions, told.server, told.tool, now);
    if (one.empty()) continue;
    const auto route = snapshot.routes.find(told.server);
    if (route == snapshot.routes.end()) continue;
    route->second.catalogue->doubt(told.tool, reason_of(told), now,
                                   [&](const ToolEntry& entry, std::string_view approved) {
                                     held(told.server, entry, approved);
                                   });
  }
}

}  // namespace

void take_in_tools(inspect::Scanner& scanner, const Snapshot& snapshot, const ServerRoute& route,
                   json::Value result, base::Time now, const ToolHeld& held) {
  const std::string_view server = route.config->name;
  bool learnt = false;
  for (const json::Value descriptor : result["tools"].elements()) {
    const auto judge = [&] {
      learnt = true;
      inspect::Findings found = inspect::scan(scanner, inspect::Surface::descriptor, descriptor);
      leave_out(found, snapshot.config->inspect.exceptions, server, descriptor["name"].text_or({}),
                now);
      return suspicion(found, snapshot.config->inspect.hold_suspicious);
    };
    route.catalogue->observe(
        descriptor, judge, now,
        [&](const ToolEntry& entry, std::string_view approved) { held(server, entry, approved); });
  }
  if (learnt) compare(snapshot, server, now, held);
  route.catalogue->keep_news();
}

bool accepts_instructions(inspect::Scanner& scanner, const Snapshot& snapshot,
                          const ServerRoute& route, json::Value instructions, base::Time now) {
  inspect::Findings found = inspect::scan(scanner, inspect::Surface::instructions, instructions);
  leave_out(found, snapshot.config->inspect.exceptions, route.config->name, {}, now);
  return route.catalogue->observe_instructions(
      instructions.text_or({}), suspicion(found, snapshot.config->inspect.hold_suspicious), now);
}

}  // namespace latticegate::gateway
