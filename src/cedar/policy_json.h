// Policies as JSON and back: the JSON form that Cedar defines for policies, templates and whole
// sets with their links.
//
// From JSON a policy is first written as Cedar text and then parsed, so that one parser decides
// what a policy is, and messages and explanations have a text to point into. The JSON is an
// operator's but is treated as hostile: unknown members, values outside of the language, names that
// are no names and nesting above max_nesting are errors (Code::invalid, with the place), and
// strings are escaped, never pasted. What text cannot say is refused: a method without a receiver,
// `has` with several names of which one is no identifier. Fuzz target: fuzz/policy_json_fuzz.cc.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "cedar/policy_set.h"
#include "json/value.h"

namespace latticegate::cedar {

// {"effect", "principal", "action", "resource", "conditions", "annotations"}. A link is written as
// the policy that it is, with its slots filled.
std::string to_json(const Policy& policy);
// {"staticPolicies", "templates", "templateLinks"}; links name their template.
std::string to_json(const PolicySet& policies);

// The text of one policy or template.
[[nodiscard]] base::Result<std::string> policy_text(json::Value tree);

// A whole set; the ids are those of the JSON. `file` is for messages.
[[nodiscard]] base::Result<PolicySet> policies_from_json(
    json::Value tree, std::string_view file = "policies.cedar.json");

}  // namespace latticegate::cedar
