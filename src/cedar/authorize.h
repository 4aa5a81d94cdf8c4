// The decision: Cedar's own rule over a whole set. Allow iff a permit is satisfied and no forbid
// is; a policy that fails is skipped and reported. All policies are evaluated, so reasons and
// errors are complete.
//
// What a gateway makes of errors is not decided here: Answer::forbid_failed tells that a forbid was
// skipped, and module policy denies then.
#pragma once
#include <cstdint>
#include <vector>

#include "cedar/evaluate.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {

enum class Decision : std::uint8_t { deny, allow };
std::string_view name(Decision decision);

struct PolicyFailure {
  PolicyIndex policy = 0;
  EvaluationError error;
};

// Keep one per thread and use it again: authorize() clears it and keeps its memory.
struct Answer {
  Decision decision = Decision::deny;
  std::vector<PolicyIndex> reasons;   // satisfied forbids if any, else satisfied permits; ascending
  std::vector<PolicyFailure> errors;  // ascending by policy
  bool forbid_failed = false;         // at least one of the errors is a forbid
};

void authorize(const PolicySet& policies, const Request& request, const EntityView& entities,
               Arena& scratch, Answer& answer);

// Three-valued: the context (or an extra entity) contains Value::unknown() where the value will
// only be known later, for example at `input`. What is below an unknown is unknown, too.
struct Outlook {
  bool may_permit = false;           // some permit is satisfied for some values of the unknowns
  bool certainly_forbidden = false;  // some forbid is satisfied whatever they are
  bool certainly_failing = false;  // some forbid is satisfied or fails whatever they are: a gateway
                                   // that denies on failing forbids will deny
  // Whether a call can be allowed at all: a tool for which this is false is not worth listing.
  bool may_allow(bool failing_forbids_deny = true) const {
    return may_permit && !certainly_forbidden && !(failing_forbids_deny && certainly_failing);
  }
  // Takes in a policy whose scope matches.
  void add(Effect effect, const Possible& conditions);
};
Outlook foresee(const PolicySet& policies, const Request& request, const EntityView& entities,
                Arena& scratch);

}  // namespace latticegate::cedar
