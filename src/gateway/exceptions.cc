#include "gateway/exceptions.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace latticegate::gateway {

void leave_out(inspect::Findings& findings, std::span<const config::Exception> exceptions,
               std::string_view server, std::string_view tool, base::Time now) {
  if (exceptions.empty() || findings.empty()) return;
  const auto excepted = [&](const inspect::Finding& finding) {
    return std::ranges::any_of(exceptions, [&](const config::Exception& one) {
      return (one.rule == finding.rule || one.rule == inspect::name(finding.kind)) &&
             (one.server.empty() || one.server == server) &&
             (one.tool.empty() || one.tool == tool) && (!one.until || now < *one.until);
    });
  };
  const auto rest = std::ranges::stable_partition(
      findings.items, [&](const inspect::Finding& finding) { return !excepted(finding); });
  std::ranges::move(rest, std::back_inserter(findings.excepted));
  findings.items.erase(rest.begin(), rest.end());
}

}  // namespace latticegate::gateway
