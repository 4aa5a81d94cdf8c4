// From Cedar's explanation to a Denial: what the client reads and what the operator reads.
#pragma once
#include <string>

#include "cedar/explain.h"
#include "policy/argument.h"
#include "policy/decision.h"

namespace latticegate::policy {

// Reason, sentence, policies and causes; the obligations are the caller's.
Denial denial_of(Reason reason, const cedar::Explanation& explanation);
Denial denial_of(const Refusal& refusal);

}  // namespace latticegate::policy
