#include "gateway/door.h"

#include <algorithm>
#include <format>

#include "gateway/snapshot.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;

DoorServer behind(const ServerRoute& route, bool prefix) {
  DoorServer server;
  server.route = &route;
  if (prefix) {
    server.prefix = prefix_of(route.config->name);
    server.outward.emplace(route.config->name);
  }
  return server;
}

// Groups with all groups that lie in them.
std::set<std::string, std::less<>> with_inner(const std::vector<std::string>& named,
                                              const std::vector<config::Named>& hierarchy) {
  std::set<std::string, std::less<>> all(named.begin(), named.end());
  for (bool more = true; more;) {
    more = false;
    for (const config::Named& group : hierarchy)
      if (!all.contains(group.name) &&
          std::ranges::any_of(group.in, [&](const std::string& in) { return all.contains(in); }))
        more = all.insert(group.name).second;
  }
  return all;
}

}  // namespace

bool Door::open_to(const identity::CallerProfile& caller) const {
  const auto inside = [&](const std::string& group) { return groups.contains(group); };
  return for_all || std::ranges::any_of(caller.groups, inside) ||
         (caller.user && std::ranges::any_of(caller.user->groups, inside));
}

const DoorServer* Door::with_prefix(std::string_view prefix) const {
  const auto found = std::ranges::find(servers, prefix, &DoorServer::prefix);
  return found == servers.end() ? nullptr : &*found;
}

const DoorServer* Door::named(std::string_view server) const {
  const auto found = std::ranges::find_if(
      servers, [&](const DoorServer& each) { return each.route->config->name == server; });
  return found == servers.end() ? nullptr : &*found;
}

base::Result<std::map<std::string, Door, std::less<>>> make_doors(
    const config::Config& config, const std::map<std::string, ServerRoute, std::less<>>& routes) {
  std::map<std::string, Door, std::less<>> doors;
  std::map<std::string, std::string> prefixes;
  for (const auto& [name, route] : routes) {
    const auto [place, fresh] = prefixes.emplace(prefix_of(name), name);
    if (!fresh)
      return fail(Code::invalid,
                  std::format("names of tools of the servers {} and {} would begin alike; give one "
                              "of them another name",
                              place->second, name));
  }
  if (config.aggregate.enabled && !routes.empty()) {
    Door door;
    for (const auto& [name, route] : routes) door.servers.push_back(behind(route, true));
    door.search_above = config.aggregate.search_above;
    doors.emplace("", std::move(door));
  }
  for (const auto& [name, server] : config.virtual_servers) {
    Door door;
    door.name = name;
    for (const auto& [each, route] : routes) {
      const bool whole = std::ranges::contains(server.servers, each);
      const bool picked = std::ranges::any_of(
          server.tools, [&](const auto& entry) { return entry.second.server == each; });
      if (!whole && !picked) continue;
      door.servers.push_back(behind(route, server.prefix));
      door.servers.back().whole = whole;
    }
    for (const auto& [outward, tool] : server.tools) {
      const auto at = static_cast<std::size_t>(door.named(tool.server) - door.servers.data());
      door.tools.emplace(outward, DoorTool{at, tool.tool, tool.description});
      door.picked.emplace(std::pair(at, tool.tool), outward);
    }
    door.for_all = server.groups.empty();
    door.groups = with_inner(server.groups, config.groups);
    door.instructions = server.instructions;
    // Where names stay as the server gives them, one of them may be that of a search.
    door.search_above = server.prefix ? server.search_above : 0;
    doors.emplace(name, std::move(door));
  }
  return doors;
}

}  // namespace latticegate::gateway
