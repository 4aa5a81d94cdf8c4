// Rules of other gateways as policies of ours: `latticegate policy translate`.
//
// What becomes of them:
//   caller            the subject of a token is Mcp::Agent::"subject"; a claim with a value is the
//                     group Mcp::Group::"claim:value", a scope Mcp::Group::"scope:value", which the
//                     configuration has to give to its agents
//   tool of a server  Mcp::Action::"server/tool"
//   arguments         context.input
// Nothing is widened: of a rule that allows, what cannot be said here counts as false, of a rule
// that refuses, as true; a rule of which nothing is left is not carried over. All of it is named in
// `missing`, what has to be seen to in `notes`; both also stand as comments in the text.
//
// Posture: the files are an operator's; sizes and nesting are limited all the same.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latticegate::policy {

enum class RuleSource : std::uint8_t { toolhive, agentgateway, envoy_ai_gateway, pomerium };
std::optional<RuleSource> rule_source_named(std::string_view name);

struct Translation {
  std::string policies;              // Cedar text, formatted
  std::vector<std::string> missing;  // what could not be carried over
  std::vector<std::string> notes;    // what has to be arranged for it to mean the same
};

// YAML or JSON. `server` is the one that the rules are about, where the file does not say it.
[[nodiscard]] base::Result<Translation> translate(RuleSource source, std::string_view text,
                                                  std::string_view file, std::string_view server);

}  // namespace latticegate::policy
