#include "gateway/exceptions.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace latticegate::gateway {

namespace {

// Whether a segment of the pointer (RFC 6901) is this name.
bool is_in(std::string_view pointer, std::string_view name) {
  std::string segment = "/";
  for (const char c : name) {
    if (c == '~')
      segment += "~0";
    else if (c == '/')
      segment += "~1";
    else
      segment += c;
  }
  segment += '/';
  return (std::string(pointer) + "/").contains(segment);
}

}  // namespace

void leave_out(inspect::Findings& findings, std::span<const config::Exception> exceptions,
               std::string_view server, std::string_view tool, base::Time now) {
  if (exceptions.empty() || findings.empty()) return;
  const auto excepted = [&](const inspect::Finding& finding) {
    return std::ranges::any_of(exceptions, [&](const config::Exception& one) {
      return (one.rule == finding.rule || one.rule == inspect::name(finding.kind)) &&
             (one.server.empty() || one.server == server) &&
             (one.tool.empty() || one.tool == tool) &&
             (one.field.empty() || is_in(finding.pointer, one.field)) &&
             (!one.until || now < *one.until);
    });
  };
  const auto rest = std::ranges::stable_partition(
      findings.items, [&](const inspect::Finding& finding) { return !excepted(finding); });
  std::ranges::move(rest, std::back_inserter(findings.excepted));
  findings.items.erase(rest.begin(), rest.end());
}

}  // namespace latticegate::gateway
