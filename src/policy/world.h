// World: who and what the operator knows, as plain values: the part of the entities that does not
// change from call to call.
//
// It becomes the entity store of an Engine: Mcp::User, Mcp::Role, Mcp::Group, Mcp::Segment and
// Mcp::Server. Principals are not taken from it but from the caller's own profile, because two
// credentials of one agent may have different rights; `agents` only serves to tell a policy that
// names an agent from one that misspells it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "identity/caller.h"

namespace latticegate::policy {

// A group or segment, and those that it lies in directly. No cycles.
struct Named {
  std::string name{};
  std::vector<std::string> in{};
};

// A server, as the operator described it.
struct ServerFacts {
  std::string name{};
  std::string segment{};  // empty: Mcp::Segment::"unassigned", which no agent is in
  std::string region{};
  bool verified = false;
  std::vector<std::string> domains{};
  std::int64_t sensitivity = 0;  // 0 public .. 4 restricted
};

struct World {
  std::vector<identity::CallerProfile> agents{};
  std::vector<identity::User> users{};
  std::vector<Named> groups{};
  std::vector<Named> segments{};
  std::vector<ServerFacts> servers{};
  // Ids of built-in policies that the operator does without.
  std::vector<std::string> without{};
  // Of the marks that stand for people in records (policy/asked.h); whoever has it can find out who
  // a mark is. Says nothing about what the policies decide.
  std::string person_key{};
};

}  // namespace latticegate::policy
