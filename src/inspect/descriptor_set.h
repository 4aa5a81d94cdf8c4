// The tools of several servers seen together: names that are taken for one another, descriptions
// that steer the tools of other servers, parameters that ask for what a tool has no business with,
// annotations that the words contradict.
//
// Deterministic: a dictionary of all names, compared by skeleton (case, separators and look-alike
// letters folded), by edit distance, and as whole words in the texts of other servers. Pure.
// Posture: descriptors are hostile; at most `most_tools` tools are compared, the rest is counted as
// not looked at. Cost: pairs of names of near length, and one pass over the texts.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/finding.h"
#include "json/value.h"

namespace latticegate::inspect {

inline constexpr std::size_t most_tools = 5000;

// `servers` is an object: server's name -> list of its tools as tools/list gives them (or an object
// with "tools"); or a list of tools, each with its "server", or of objects {server, tools}.
// Findings point into the tree; of high severity is what no honest server has (names with letters
// of another script, digits for letters or tails that boast; references to other servers' tools;
// parameters for the whole conversation; "read-only" that deletes), of medium what happens. Rules:
// set-name-collision, set-name-look-alike, set-foreign-reference, set-parameter, set-annotation.
Findings scan_descriptors(json::Value servers);

// The same for a gateway that just learnt tools of one server: what they say and are taken for, and
// what tools of other servers say of them.
struct ToolFinding {
  std::string server;
  std::string tool;
  Finding finding;
};
std::vector<ToolFinding> compare_descriptors(json::Value servers, std::string_view learnt);

// A name as it looks: lower case, without separators, look-alike letters of Latin, Greek and
// Cyrillic and digits that pass for letters folded.
std::string skeleton(std::string_view name);

}  // namespace latticegate::inspect
