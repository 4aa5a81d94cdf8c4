// Facts: everything that one decision may read, as views. What is not in here, no policy can know.
//
// What policies see of it (namespace Mcp, policy/schema.cc has the text):
//   principal  Mcp::Agent from the caller's profile; `attested` is false for the anonymous caller
//   action     Mcp::Action::"server/tool" below read, write, destructive, egress, actuate;
//              Mcp::Action::"read_resource"; Mcp::Action::"get_prompt"
//   resource   Mcp::Tool::"server/tool", Mcp::Resource::"uri", Mcp::Prompt::"server/prompt"
//   context    input     the arguments, converted by the tool's inputSchema
//              session   {id, user?, calls, denied, recordsRead, bytesRead, taint, seen, age,
//                         purpose?}
//              risk      {score, signals}
//              env       {now, ip?, region, deviceTrusted, kex}
//              derived   {estimatedRecords?, sql?, destHost?, destIp?, hosts, findings,
//              provenance?, explained?} approval? {approver, level, expiresAt} output?   {records,
//              bytes, findings, structured?}: only in the second decision, on
//                        the answer; its structured content by the tool's outputSchema
//              and, for each temporal condition that has an answer, that answer
// A set of labels that is not complete holds the label "incomplete" besides.
//
// Lifetimes: everything that Facts points to outlives the call of the Engine; nothing is kept.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "behaviour/conversation.h"
#include "behaviour/risk.h"
#include "identity/caller.h"
#include "inspect/finding.h"
#include "json/value.h"
#include "policy/history.h"
#include "policy/tool.h"
#include "provenance/purpose.h"
#include "provenance/trail.h"

namespace latticegate::policy {

// What is reached. A resource or prompt has the properties of its server.
struct ToolTarget {
  const Tool* tool = nullptr;
  bool pinned = true;  // the descriptor in force is the approved one
};
struct ResourceTarget {
  const ServerFacts* server = nullptr;
  std::string_view uri{};  // exactly as the client sent it: it is the entity's id
};
struct PromptTarget {
  const ServerFacts* server = nullptr;
  std::string_view name{};
};
using Target = std::variant<ToolTarget, ResourceTarget, PromptTarget>;

struct Approval {
  std::string_view approver{};  // a user's id
  std::int64_t level = 0;
  base::Time expires{};
};

// What came back, for release().
struct Output {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  const inspect::Findings* findings = nullptr;  // of the answer; null: not inspected
  json::Value structured{};                     // its structured content, if it has any
};

struct Facts {
  const identity::Caller* caller = nullptr;
  bool quarantined = false;  // the agent
  Target target{};
  std::string_view call{};  // our own id of the call; the Permit names it
  json::Value arguments{};  // an object or absent

  std::string_view conversation{};
  const behaviour::Totals* totals = nullptr;         // null: a new conversation
  const behaviour::Risk* risk = nullptr;             // null: none
  const inspect::Findings* findings = nullptr;       // of the arguments; null: nothing was found
  const provenance::Origins* origins = nullptr;      // of the arguments; null: not looked for
  const provenance::Explained* explained = nullptr;  // by what it is for; null: nobody said
  std::optional<std::uint64_t> records{};            // asked_records(), or another estimate
  std::optional<Approval> approval{};
  std::optional<Output> output{};
  Histories histories{};  // for policies with temporal conditions

  base::Time now{};
  std::string_view peer{};    // address of the client; one that is no IP address is left out
  std::string_view region{};  // where this gateway runs
  std::string_view kex{};     // negotiated TLS group, "X25519MLKEM768"; "" without TLS
  bool device_trusted = false;
};

}  // namespace latticegate::policy
