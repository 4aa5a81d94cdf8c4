// The Cedar schema of the model, and the policies that are built in.
#include <algorithm>
#include <format>
#include <string>
#include <vector>

#include "policy/engine.h"
#include "policy/tool.h"

namespace latticegate::policy {
namespace {

constexpr std::string_view base_schema = R"cedar(namespace Mcp {
  // Who asks, and on whose behalf.
  entity Role;
  entity Group in [Group];
  entity Segment in [Segment];      // where agents and servers lie; segments nest
  entity User in [Group, Role] {
    department: String,
    clearance: Long,                // 0 public .. 4 restricted
    residency: String,
  };
  entity Agent in [Group, Segment] {
    tenant: String,
    department: String,
    clearance: Long,
    domains: Set<String>,           // data domains that it was approved for
    attested: Bool,                 // it proved who it is; false for the anonymous caller
    quarantined: Bool,
  };

  // What is reached.
  entity Server in [Segment] {
    region: String,
    verified: Bool,
    sensitivity: Long,
    domains: Set<String>,
  };
  entity Tool in [Server, Segment] {
    segment: Segment,               // "unassigned" where the operator said none
    server: Server,
    region: String,
    sensitivity: Long,
    domains: Set<String>,           // "phi", "pci", "personal-eu", ...
    destructive: Bool,
    egress: Bool,                   // can move data out of the trust boundary
    pinned: Bool,                   // the definition in force is the approved one
    retentionYears: Long,
  };
  entity Resource in [Server] {
    segment: Segment, server: Server, region: String, sensitivity: Long, domains: Set<String>, uri: String,
  };
  entity Prompt in [Server] {
    segment: Segment, server: Server, region: String, sensitivity: Long, domains: Set<String>,
  };

  // In which circumstances. A set that is not complete holds "incomplete" besides.
  type Session = {
    id: String,
    user?: User,                    // the person on whose behalf the agent acts
    calls: Long,
    denied: Long,
    recordsRead: Long,
    bytesRead: Long,
    taint: Set<String>,             // labels of untrusted sources that were read: "web", "email", ...
    seen: Set<String>,              // data domains that were read
    age: duration,
    purpose?: Purpose,              // when somebody said what this is for
  };
  // Who said it: "configuration", "client", "prompt"; late: a client also said something after
  // untrusted text was read, which explains nothing.
  type Purpose = { by: Set<String>, late: Bool };
  type Risk = {
    score: Long, signals: Set<String>,   // 0 .. 100 and what is unusual
    rung?: Long,                    // of the ladder, 1 .. 5, when the agent stands on one
  };
  type Env = {
    now: datetime,
    ip?: ipaddr,
    region: String,                 // of the gateway
    deviceTrusted: Bool,
    kex: String,                    // key exchange of the connection: "X25519MLKEM768"; "" without TLS
  };
  type Approval = { approver: User, level: Long, expiresAt: datetime };
  type Sql = { verb: String, tables: Set<String>, multi: Bool };
  type Provenance = {               // where arguments come from; what is told of: their names
    steered: Set<String>,           // an address, an id, an amount, ... that only untrusted sources gave
    quoted: Set<String>,            // text, or a value in passing, that only untrusted sources gave
    sensitive: Set<String>,         // of a way out: what only sensitive sources gave, in any form
    sources: Set<String>,           // those sources: "mail/read_inbox"
  };
  type Derived = {                  // what inspection says about the arguments
    estimatedRecords?: Long,
    sql?: Sql,
    destHost?: String,              // of the only host that the arguments point to
    destIp?: ipaddr,
    hosts: Set<String>,             // all of them; "" for a URL without a certain one
    findings: Set<String>,          // ids and kinds: "github-pat", "secret", "hidden_text", ...
    provenance?: Provenance,        // only when there is something to tell
    // With a purpose: what of the call its words name, of "tool", "server", "tables", "hosts" and
    // "input.NAME".
    explained?: Set<String>,
  };
  type Output = {                   // of tools with an outputSchema: structured?, too
    records: Long, bytes: Long, findings: Set<String>,
  };

  // What is done. Each tool is an action in the groups of its effects.
  action "mcp";
  action "call_tool" in ["mcp"];
  action "read" in ["call_tool"];
  action "write" in ["call_tool"];
  action "destructive" in ["write"];
  action "actuate" in ["write"];    // changes the physical world
  action "egress" in ["call_tool"];
  action "read_resource" in ["mcp"] appliesTo {
    principal: [Agent], resource: [Resource],
    context: { session: Session, risk: Risk, env: Env, derived: Derived, approval?: Approval, output?: Output }
  };
  action "get_prompt" in ["mcp"] appliesTo {
    principal: [Agent], resource: [Prompt],
    context: { input: {}, session: Session, risk: Risk, env: Env, derived: Derived, approval?: Approval, output?: Output }
  };
)cedar";

}  // namespace

std::string schema_text(std::span<const std::shared_ptr<const Tool>> tools) {
  std::vector<const Tool*> sorted;
  for (const auto& tool : tools) sorted.push_back(tool.get());
  std::ranges::sort(sorted, {}, &Tool::id);
  std::string text(base_schema);
  if (!sorted.empty()) text += "\n  // Made from the tools that the servers list.\n";
  for (const Tool* tool : sorted) text += tool->schema();
  return text + "}\n";
}

std::string_view built_in_policies() {
  return R"cedar(// Hold besides the operator's policies.

// Behaviour turned: the call is refused and the conversation ends.
@id("latticegate-risk-cutoff")
@obligation("kill_session")
forbid (principal, action, resource)
when { context.risk.score >= 90 };

// A tool whose definition is not the approved one cannot be called.
@id("latticegate-unpinned-tool")
forbid (principal, action in Mcp::Action::"call_tool", resource is Mcp::Tool)
unless { resource.pinned };

// A quarantined agent does nothing.
@id("latticegate-quarantined-agent")
forbid (principal is Mcp::Agent, action, resource)
when { principal.quarantined };

// An argument that only an untrusted source gave decides what is destroyed: somebody else pulls the
// strings.
@id("latticegate-puppet")
forbid (principal, action in Mcp::Action::"destructive", resource)
when {
  context.derived has provenance &&
  !context.derived.provenance.steered.isEmpty()
};

// Or what leaves, and where to. To follow a link is to read, as long as nothing private was read.
@id("latticegate-puppet-egress")
forbid (principal, action in Mcp::Action::"egress", resource)
when {
  context.derived has provenance &&
  !context.derived.provenance.steered.isEmpty() &&
  (!(action in Mcp::Action::"read") || !context.session.seen.isEmpty())
};

// An agent that goes on being unusual may do less and less (behaviour.ladder). On the third rung it
// only reads, and from outside only as long as nothing private was read ...
@id("latticegate-ladder-read-only")
forbid (principal, action in Mcp::Action::"call_tool", resource)
when {
  context.risk has rung &&
  context.risk.rung == 3 &&
  (!(action in Mcp::Action::"read") ||
    action in Mcp::Action::"write" ||
    (action in Mcp::Action::"egress" && !context.session.seen.isEmpty()))
};

// ... and on the fourth a person has to say yes to each call. On the fifth it is quarantined.
@id("latticegate-ladder-step-up")
@obligation("step_up:1")
forbid (principal, action, resource)
when { context.risk has rung && context.risk.rung >= 4 }
unless {
  context has approval &&
  context.approval.level >= 1 &&
  context.env.now < context.approval.expiresAt
};

// Private data, untrusted text and a way out in one conversation: a person has to say yes.
@id("latticegate-lethal-trifecta")
@obligation("step_up:1")
forbid (principal, action in Mcp::Action::"egress", resource)
when {
  !context.session.taint.isEmpty() &&
  !context.session.seen.isEmpty()
}
unless {
  context has approval &&
  context.approval.level >= 1 &&
  context.env.now < context.approval.expiresAt
};
)cedar";
}

std::string built_in_policies(const World* world) {
  std::string text(built_in_policies());
  if (world == nullptr) return text;
  for (const std::string& id : world->without) {
    const std::size_t at = text.find(std::format("@id(\"{}\")", id));
    base::check(at != std::string::npos, "what one can be without is there");
    const std::size_t end = text.find(";\n", at);
    text.replace(at, end + 2 - at, std::format("// (without {})\n", id));
  }
  return text;
}

}  // namespace latticegate::policy
