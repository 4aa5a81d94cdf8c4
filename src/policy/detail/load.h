// The steps of Engine::load, and of policy/check.h.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cedar/entity.h"
#include "cedar/policy_set.h"
#include "policy/engine.h"
#include "policy/obligation.h"
#include "policy/world.h"

namespace latticegate::policy {

struct ReadPolicies {
  cedar::PolicySet set;
  std::vector<std::vector<Obligation>> obligations;  // by policy
};
[[nodiscard]] base::Result<ReadPolicies> read_policies(std::span<const PolicyText> texts,
                                                       bool built_in);

// Code::invalid for a cycle or a name that is described twice.
[[nodiscard]] base::Result<cedar::Entities> entities_of(const World& world);

// A line for each policy that names what the World does not know.
std::vector<std::string> unknown_names(const cedar::PolicySet& policies, const World& world);

}  // namespace latticegate::policy
