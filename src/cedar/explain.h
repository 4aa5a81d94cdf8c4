// Why: for each determining policy the clauses that decided, with source text, place and the values
// that they read; for a denial without a forbid the nearest permits and what they missed. For
// operators and the audit record, never for clients.
//
// Slow path (allocates, evaluates again); call it after authorize() with the same arguments.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cedar/authorize.h"

namespace latticegate::cedar {

// A value that a clause read: {"context.input.limit", "5000"}. "(absent)" for an attribute that is
// not there.
struct Read {
  std::string path;
  std::string value;
};

// One conjunct or scope constraint of a policy, as small as possible: of `when { a && (b || c) }`
// with c true the clauses are a and c.
struct Clause {
  enum class Result : std::uint8_t { holds, fails, errs };
  std::string text;  // as it stands in the source, white space collapsed, cut at 300 bytes
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  Result result = Result::holds;
  std::vector<Read> reads;
  std::string error;  // errs: the message
};

struct PolicyExplanation {
  PolicyIndex policy = 0;
  std::string id;
  Effect effect = Effect::permit;
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  // Most telling first: clauses that compare values come before scope constraints and guards such
  // as `has`. For a satisfied policy the clauses that made it so; for a failed one the clause with
  // the error; for a near miss what is missing.
  std::vector<Clause> clauses;
};

struct Explanation {
  Decision decision = Decision::deny;
  std::vector<PolicyExplanation> determining;
  std::vector<PolicyExplanation> failed;
  std::vector<PolicyExplanation>
      near_misses;  // denial without a forbid: up to three permits, nearest first
};

Explanation explain(const PolicySet& policies, const Request& request, const EntityView& entities,
                    Arena& scratch, const Answer& answer);

// One line: `context.input.limit > 500 at policies.cedar:31:6 (context.input.limit = 5000)`.
std::string to_text(const Clause& clause);
// Some lines, for a terminal.
std::string to_text(const Explanation& explanation);

}  // namespace latticegate::cedar
