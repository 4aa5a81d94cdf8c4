// The parts of the reader, one function per section of the file.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/detail/section.h"

namespace latticegate::config::detail {

// Groups or segments: those that the file defines, and where others were named.
class Hierarchy {
 public:
  explicit Hierarchy(std::string_view kind) : kind_(kind) {}
  // Reads the list of {name, in}.
  void define(Section& top, std::string_view key);
  // Notes every element of a list of names that was read.
  void refer(const yaml::Node* list);
  void refer_one(const yaml::Node* text);
  // Reports names that a given list lacks, and circles; gives every name with what it is in,
  // sorted.
  std::vector<Named> finish(Findings& findings);

 private:
  std::string_view kind_;  // "group", "segment"
  bool given_ = false;
  std::map<std::string, std::vector<std::string>, std::less<>> defined_;
  std::vector<const yaml::Node*> referred_;
};

struct Universe {
  Hierarchy groups{"group"};
  Hierarchy segments{"segment"};
  bool users_given = false;
};

void read_listen(Section section, Listen& into);
void read_users(Section& top, Universe& universe, Config& into);
void read_identity(Section section, Universe& universe, Config& into);
void read_servers(Section& top, Universe& universe, Config& into);
// After the servers.
void read_aggregate(Section section, Aggregate& into);
void read_virtual_servers(Section& top, Universe& universe, Config& into);
// After the listener.
void read_replicas(Section section, const Listen& listen, Replicas& into);
void read_alerts(Section section, Alerts& into);
void read_objectives(Section& top, Universe& universe, std::vector<behaviour::Objective>& into);
// Small letters, digits, - and _, not these two first; at most 64.
bool is_server_name(std::string_view name);

// "127.0.0.1:8443", "[::1]:8443", "localhost:0".
base::Result<Address> parse_address(std::string_view text);
// http or https, a host, a port, a path; no user, no fragment. Fills url, tls, host, port and
// target.
base::Result<Http> parse_url(std::string_view text);

}  // namespace latticegate::config::detail
