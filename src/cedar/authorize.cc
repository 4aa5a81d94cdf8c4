#include "cedar/authorize.h"

#include <algorithm>
#include <cstdint>

namespace latticegate::cedar {
namespace {

// Calls `visit` once for every policy whose scope matches, in no particular order.
template <class Visit>
void for_each_match(const PolicySet& policies, const Evaluator& evaluator, const Visit& visit) {
  const Request& request = evaluator.request();
  const Entity* const action = evaluator.action();
  const auto consider = [&](PolicyIndex index) {
    const Policy& policy = policies[index];
    if (evaluator.matches(policy.principal, request.principal, evaluator.principal()) &&
        evaluator.matches(policy.resource, request.resource, evaluator.resource()))
      visit(index, policy);
  };
  for (const PolicyIndex index : policies.with_any_action()) consider(index);
  for (const PolicyIndex index : policies.with_action_equal(request.action)) consider(index);
  const auto through = [&](const EntityUid& group) {
    for (const PolicyIndex index : policies.with_action_in(group)) {
      // A policy with a list stands under each of its groups; it is taken at the first one that the
      // action is in.
      const auto uids = policies[index].action.uids;
      if (uids.size() > 1) {
        const auto first = std::ranges::find_if(uids, [&](const EntityUid& uid) {
          return uid == request.action || (action != nullptr && action->in(uid));
        });
        if (!(*first == group)) continue;
      }
      consider(index);
    }
  };
  through(request.action);
  if (action != nullptr)
    for (const EntityUid& group : action->ancestors) through(group);
}

}  // namespace

std::string_view name(Decision decision) { return decision == Decision::allow ? "allow" : "deny"; }

void authorize(const PolicySet& policies, const Request& request, const EntityView& entities,
               Arena& scratch, Answer& answer) {
  answer.reasons.clear();
  answer.errors.clear();
  answer.forbid_failed = false;
  bool forbidden = false;
  Evaluator evaluator(request, entities, scratch);
  for_each_match(policies, evaluator, [&](PolicyIndex index, const Policy& policy) {
    const Possible holds = evaluator.conditions(policy);
    const bool forbid = policy.effect == Effect::forbid;
    if (holds.error) {
      answer.errors.push_back({index, evaluator.error()});
      answer.forbid_failed = answer.forbid_failed || forbid;
      return;
    }
    if (!holds.yes || (forbidden && !forbid)) return;
    if (forbid && !forbidden) {
      answer.reasons.clear();
      forbidden = true;
    }
    answer.reasons.push_back(index);
  });
  answer.decision = !forbidden && !answer.reasons.empty() ? Decision::allow : Decision::deny;
  if (answer.reasons.size() > 1) std::ranges::sort(answer.reasons);
  if (answer.errors.size() > 1) std::ranges::sort(answer.errors, {}, &PolicyFailure::policy);
}

Outlook foresee(const PolicySet& policies, const Request& request, const EntityView& entities,
                Arena& scratch) {
  Outlook outlook;
  Evaluator evaluator(request, entities, scratch, true);
  for_each_match(policies, evaluator, [&](PolicyIndex, const Policy& policy) {
    outlook.add(policy.effect, evaluator.conditions(policy));
  });
  return outlook;
}

void Outlook::add(Effect effect, const Possible& conditions) {
  if (effect == Effect::permit) {
    may_permit = may_permit || conditions.yes;
    return;
  }
  certainly_forbidden = certainly_forbidden || conditions.certainly();
  certainly_failing = certainly_failing || !conditions.no;
}

}  // namespace latticegate::cedar
