// The `history` of a policy test: what happened before the request, and what temporal conditions
// make of it.
//
// An array of objects, in any order:
//   {"ago": "10m", "action": "Mcp::Action::\"crm/search\"", "kind": "response",
//    "input": {...}, "output": {...}, "principal": ..., "resource": ...}
// Only `ago` (30s, 10m, 2h, 1d) and `action` are needed; `kind` is "request" otherwise, and the
// others are those of the request. The request is the latest event by itself.
#pragma once
#include "base/result.h"
#include "cedar/entity.h"
#include "cedar/evaluate.h"
#include "json/value.h"
#include "policy/detail/temporal_rules.h"

namespace latticegate::policy {

// The request's context with what the conditions say; `history` may be absent.
[[nodiscard]] base::Result<cedar::Value> context_after(const TemporalRules& rules,
                                                       json::Value history,
                                                       const cedar::Request& request,
                                                       const cedar::EntityView& entities,
                                                       cedar::Arena& arena);

}  // namespace latticegate::policy
