// Doors: /mcp, behind which all servers are, and virtual servers, behind which some are.
//
// A Door is a value of the snapshot: which servers and tools, and under which names. A Doorway is
// one HTTP request to it. It decides nothing: a call is said in the words of the server that it is
// for and then is an Exchange with that server like any other, judged, recorded and released under
// the server's and the tool's own names. Only lists, capabilities and streams are merged here, of
// what each Exchange lets this caller see.
//
// Servers are asked side by side; what one does not tell within `aggregate.wait` is left out, and
// the answer says so in its _meta. Merged lists depend on the caller and are never for shared
// caches. In the legacy era a session of a door holds one session at each server, opened with it;
// in the modern era there is nothing to hold.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "gateway/naming.h"
#include "gateway/outward.h"
#include "identity/caller.h"

namespace latticegate::gateway {

struct ServerRoute;
struct Snapshot;

struct DoorServer {
  const ServerRoute* route = nullptr;  // of the same snapshot
  bool whole = true;                   // false: only the tools that are picked
  std::string prefix;                  // empty: names as the server gives them
  std::optional<Outward> outward;      // absent: addresses as the server gives them
};

struct DoorTool {
  std::size_t server = 0;  // place in Door::servers
  std::string tool;
  std::string description;  // empty: the server's
};

struct Door {
  std::string name;                                    // empty: /mcp
  std::vector<DoorServer> servers;                     // by name
  std::map<std::string, DoorTool, std::less<>> tools;  // picked, by their names for clients
  // Names for clients, by place of the server and name there.
  std::map<std::pair<std::size_t, std::string>, std::string, std::less<>> picked;
  bool for_all = true;
  std::set<std::string, std::less<>> groups;  // otherwise; with all that lie in them
  std::string instructions;                   // in place of the servers'
  std::uint64_t search_above = 0;

  bool open_to(const identity::CallerProfile& caller) const;
  const DoorServer* with_prefix(std::string_view prefix) const;
  const DoorServer* named(std::string_view server) const;
};

// The doors of a configuration, by name. `routes` are the snapshot's, and stay where they are.
// Code::invalid when two servers would have one prefix.
[[nodiscard]] base::Result<std::map<std::string, Door, std::less<>>> make_doors(
    const config::Config& config, const std::map<std::string, ServerRoute, std::less<>>& routes);

}  // namespace latticegate::gateway
