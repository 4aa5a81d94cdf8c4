// The families of subcommands: each adds its commands to the parser; main runs the one that was
// named.
//
// Exit codes: 0 done, 1 found something wrong or the tool said so, 2 usage or configuration, 3
// could not be checked, 4 refused by policy, 5 not reachable, 130 interrupted, 141 nobody reads standard output
// any more. Data goes to standard output, talk to standard error.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace latticegate::app {

enum Exit : std::uint8_t {
  done = 0,
  wrong = 1,
  usage = 2,
  unknown = 3,
  refused = 4,
  unreachable = 5,
  not_read = 141  // as shells say of what SIGPIPE ended
};

// Set by the command that the arguments name; main calls it.
using Chosen = std::function<int()>;

void add_run(CLI::App& parser, Chosen& chosen);      // run, config
void add_call(CLI::App& parser, Chosen& chosen);     // call
void add_connect(CLI::App& parser, Chosen& chosen);  // connect
void add_wrap(CLI::App& parser, Chosen& chosen);     // wrap
void add_operate(CLI::App& parser,
                 Chosen& chosen);  // status, conversations, tools, reload
void add_response(CLI::App& parser, Chosen& chosen);   // kill, quarantine, stop-all, release
void add_metrics(CLI::App& parser, Chosen& chosen);    // metrics
void add_agents(CLI::App& parser, Chosen& chosen);     // agents show, ratify, lock, unlock, forget
void add_approvals(CLI::App& parser, Chosen& chosen);  // approvals, approve, deny
void add_audit(CLI::App& parser, Chosen& chosen);      // audit tail, query, show and:
void add_audit_verify(CLI::App& audit, Chosen& chosen);       // audit verify
void add_audit_prove(CLI::App& audit, Chosen& chosen);        // audit prove, check
void add_audit_export(CLI::App& audit, Chosen& chosen);       // audit export, stats
void add_audit_witness(CLI::App& audit, Chosen& chosen);      // audit witness
void add_audit_anchor(CLI::App& audit, Chosen& chosen);       // audit cosign, anchor
void add_audit_stream(CLI::App& audit, Chosen& chosen);       // audit stream
void add_audit_index(CLI::App& audit, Chosen& chosen);        // audit index
void add_audit_custody(CLI::App& audit, Chosen& chosen);      // audit erase, retain
void add_audit_generate(CLI::App& audit, Chosen& chosen);     // audit generate
void add_inspect(CLI::App& parser, Chosen& chosen);           // inspect, inspect explain and:
void add_inspect_bundle(CLI::App& inspect, Chosen& chosen);   // inspect sign, verify
void add_policy(CLI::App& parser, Chosen& chosen);            // policy format, convert and:
void add_policy_check(CLI::App& policy, Chosen& chosen);      // policy check
void add_policy_test(CLI::App& policy, Chosen& chosen);       // policy test
void add_policy_explain(CLI::App& policy, Chosen& chosen);    // policy explain
void add_policy_schema(CLI::App& policy, Chosen& chosen);     // policy schema
void add_policy_analyse(CLI::App& policy, Chosen& chosen);    // policy analyse
void add_policy_translate(CLI::App& policy, Chosen& chosen);  // policy translate
void add_policy_replay(CLI::App& policy, Chosen& chosen);     // policy replay
void add_policy_suggest(CLI::App& policy, Chosen& chosen);    // policy suggest
void add_policy_authorize(CLI::App& policy, Chosen& chosen);  // policy authorize

// "latticegate: <what>: <why>" on standard error; gives the exit code that fits.
int complain(std::string_view what, const base::Error& error);

}  // namespace latticegate::app
