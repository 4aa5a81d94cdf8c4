// The requests of a test file, decided by policies: `latticegate policy test`.
//
// Pure: whoever calls has read the files. Tests are in the format of Cedar's own `run-tests`: a
// JSON array of
//   {"name", "request": {"principal", "action", "resource", "context"}, "decision": "allow"|"deny",
//    "reason": [policy ids], "num_errors": n, "entities": [...]}
// where `entities` may be left out when one array serves all tests, and, for policies with temporal
// conditions, "history": [{"ago": "10m", "action": ..., "kind": "response", "input": {...}, ...}]
// says what happened before (policy/detail/told_history.h). With a setting (the World and tools of
// a configuration) agents, servers and tools need no entities, and a context only has to say what
// is special: input is converted by the tool's inputSchema, and the rest is what the gateway says
// of a conversation that begins, at 2026-01-01 12:00 from 127.0.0.1 over X25519MLKEM768. They are
// trusted data of the operator:
// {"__entity"} and {"__extn"} are honoured in contexts. What is compared is Cedar's own decision;
// `denied_on_error` tells where the gateway would deny although Cedar allows.
//
// Coverage tells what the tests did not try: clauses (scope constraints and the conjuncts and
// alternatives of conditions, cedar/coverage.h) that were never true or never false in them.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/coverage.h"
#include "policy/engine.h"

namespace latticegate::policy {

struct TestFiles {
  std::string_view tests;        // JSON
  std::string_view entities{};   // JSON for all tests; may be empty
  std::string_view schema{};     // Cedar schema, for the groups of actions; empty: the model's own
  bool built_in = false;         // with the built-in policies
  const World* world = nullptr;  // the setting; null: none
  std::span<const std::shared_ptr<const Tool>> tools{};
};
struct TestOutcome {
  std::string name;
  bool passed = false;
  bool denied_on_error = false;
  std::string words{};  // what differs: "decision: expected deny, got allow by seg-baseline"
};
struct TestReport {
  std::vector<TestOutcome> outcomes;
  std::vector<std::string> silent;  // policies that decided no test: not covered
  std::vector<cedar::PolicyCoverage> coverage;
  std::size_t passed = 0;
  bool good() const { return passed == outcomes.size(); }
};
// An error when policies, entities, schema or the file of tests cannot be read at all.
[[nodiscard]] base::Result<TestReport> run_tests(std::span<const PolicyText> texts,
                                                 const TestFiles& files);

}  // namespace latticegate::policy
