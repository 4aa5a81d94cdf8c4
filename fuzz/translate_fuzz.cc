// Rules of other gateways from outside: whatever stands in them, what comes out is policies with
// the ids that the translation gives, and nothing that stood in the file gets out of its comment.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cedar/policy_set.h"
#include "policy/translate.h"

using namespace latticegate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65'536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using policy::RuleSource;
  for (const RuleSource source : {RuleSource::toolhive, RuleSource::agentgateway,
                                  RuleSource::envoy_ai_gateway, RuleSource::pomerium}) {
    const auto translation = policy::translate(source, text, "rules", "server");
    if (!translation) continue;
    const auto set = cedar::parse_policies(translation->policies);
    if (!set) std::abort();
    for (const cedar::Policy& policy : set->policies()) {
      if (!policy.annotation("id") || policy.annotations.size() != 1) std::abort();
      if (policy.principal.kind != cedar::ScopeConstraint::Kind::any) std::abort();
    }
  }
  return 0;
}
