#include "cedar/twin.h"

#include <algorithm>
#include <format>
#include <tuple>

namespace latticegate::cedar {
namespace {

std::string text_of(const PolicySet& policies, const Answer& answer) {
  std::string text(name(answer.decision));
  for (const PolicyIndex reason : answer.reasons) text += std::format(" {}", policies[reason].id);
  for (const PolicyFailure& failure : answer.errors)
    text += std::format(" {}:{}", policies[failure.policy].id, name(failure.error.error));
  if (answer.forbid_failed) text += " (a forbid failed)";
  return text;
}

auto parts(const Outlook& outlook) {
  return std::tuple(outlook.may_permit, outlook.certainly_forbidden, outlook.certainly_failing);
}

}  // namespace

std::string Twin::difference(const Request& request, const EntityView& entities, Arena& scratch) {
  const PolicySet& policies = program_.policies();
  authorize(policies, request, entities, scratch, plain_);
  decide(program_, request, entities, scratch, slate_, compiled_);
  const std::string plain = text_of(policies, plain_);
  const std::string compiled = text_of(policies, compiled_);
  if (plain != compiled) return std::format("plain: {}; compiled: {}", plain, compiled);
  if (parts(foresee(policies, request, entities, scratch)) !=
      parts(foresee(program_, request, entities, scratch, slate_)))
    return "the outlooks differ";
  return {};
}

}  // namespace latticegate::cedar
