#include <algorithm>
#include <format>
#include <set>
#include <utility>

#include "config/detail/parts.h"

namespace latticegate::config::detail {
namespace {

constexpr std::size_t longest_name = 64;

// What stands for tools that are searched (gateway/tool_search.h).
constexpr std::string_view taken[] = {"search_tools", "describe_tools", "call_tool"};

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && !name.contains("__") &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

void refer(Section& section, const yaml::Node* node, const Config& config) {
  if (node != nullptr && node->is_scalar() && !config.servers.contains(node->text()))
    section.findings().problem(
        *node, std::format("there is no server \"{}\"", base::printable(node->text())));
}

void read_tools(Section& section, const Config& config, VirtualServer& into) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const yaml::Entry& entry : section.names("tools")) {
    if (!is_tool_name(entry.key) || std::ranges::contains(taken, entry.key)) {
      section.findings().problem(
          entry, std::format("\"{}\" is no name for a tool here: at most {} letters, digits, - and "
                             "_, no \"__\", and not a name for the search of tools",
                             base::printable(entry.key), longest_name));
      continue;
    }
    VirtualTool& tool = into.tools[entry.key];
    Section inner(section.findings(), &entry.value, "virtual_servers.*.tools.*",
                  std::format("tool {} of {}", entry.key, section.what()));
    tool.tool = entry.key;
    const bool named = inner.text("server", tool.server);
    refer(inner, inner.find("server"), config);
    inner.text("tool", tool.tool);
    inner.prose("description", tool.description);
    if (named && !seen.emplace(tool.server, tool.tool).second)
      section.findings().problem(
          entry, std::format("the tool {} of {} stands here twice", tool.tool, tool.server));
  }
}

void read_virtual(Section section, const yaml::Entry& at, Universe& universe, Config& config,
                  VirtualServer& into) {
  section.texts("servers", into.servers);
  if (const yaml::Node* node = section.find("servers"))
    for (const yaml::Node& item : node->items()) refer(section, &item, config);
  std::ranges::sort(into.servers);
  into.servers.erase(std::ranges::unique(into.servers).begin(), into.servers.end());
  read_tools(section, config, into);
  section.flag("prefix", into.prefix);
  section.texts("groups", into.groups);
  universe.groups.refer(section.find("groups"));
  section.prose("instructions", into.instructions);
  into.search_above = config.aggregate.search_above;
  section.number("search_above", into.search_above);
  if (section.find("servers") == nullptr && section.find("tools") == nullptr &&
      (at.value.is_map() || at.value.is_null()))
    section.findings().problem(at,
                               std::format("{} needs \"servers\" or \"tools\"", section.what()));
  const bool alone =
      into.servers.size() == 1 && std::ranges::all_of(into.tools, [&](const auto& entry) {
        return entry.second.server == into.servers.front();
      });
  if (!into.prefix && !alone)
    section.findings().problem(*section.find("prefix"),
                               "prefix: names can stay as they are for one server only; give "
                               "single tools of several servers names under \"tools\"");
}

}  // namespace

void read_aggregate(Section section, Aggregate& into) {
  section.flag("enabled", into.enabled);
  section.number("search_above", into.search_above);
  section.duration("wait", into.wait);
}

void read_virtual_servers(Section& top, Universe& universe, Config& into) {
  for (const yaml::Entry& entry : top.names("virtual_servers")) {
    if (!is_server_name(entry.key)) {
      top.findings().problem(
          entry, std::format("\"{}\" is no name for a server: small letters, digits, - and _, at "
                             "most 64",
                             base::printable(entry.key)));
      continue;
    }
    if (into.servers.contains(entry.key))
      top.findings().problem(entry, std::format("{} is a server already", entry.key));
    VirtualServer& server = into.virtual_servers[entry.key];
    server.name = entry.key;
    read_virtual(
        Section(top.findings(), &entry.value, "virtual_servers.*", "virtual server " + entry.key),
        entry, universe, into, server);
  }
}

}  // namespace latticegate::config::detail
