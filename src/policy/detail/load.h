// The steps of Engine::load, and of policy/check.h.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cedar/entity.h"
#include "cedar/policy_set.h"
#include "policy/detail/temporal_rules.h"
#include "policy/diagnostic.h"
#include "policy/engine.h"
#include "policy/obligation.h"
#include "policy/world.h"

namespace latticegate::policy {

struct ReadPolicies {
  cedar::PolicySet set;
  std::vector<std::vector<Obligation>> obligations;  // by policy
  TemporalRules temporal;                            // points into the set
};
// `world` may be null: then temporal conditions may name any server.
[[nodiscard]] base::Result<ReadPolicies> read_policies(std::span<const PolicyText> texts,
                                                       bool built_in, const World* world = nullptr);
// What could be read; what could not goes to `errors`.
ReadPolicies read_policies(std::span<const PolicyText> texts, bool built_in,
                           std::vector<Diagnostic>& errors, const World* world = nullptr);

void add_entities(const World& world, cedar::Entities::Builder& builder);
// Code::invalid for a cycle or a name that is described twice.
[[nodiscard]] base::Result<cedar::Entities> entities_of(const World& world);

// Warnings about policies that name what the World does not know.
std::vector<Diagnostic> unknown_names(const cedar::PolicySet& policies, const World& world);
// Warnings about templates that nothing links: whoever wrote them believes that they decide.
std::vector<Diagnostic> unlinked_templates(const cedar::PolicySet& policies);

}  // namespace latticegate::policy
