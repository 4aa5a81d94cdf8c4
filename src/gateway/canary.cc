#include "gateway/canary.h"

#include <algorithm>
#include <format>

namespace latticegate::gateway {

void add_canary(behaviour::Risk& risk, const inspect::Findings& found, std::string_view where) {
  const auto canary =
      std::ranges::find(found.items, inspect::FindingKind::canary, &inspect::Finding::kind);
  if (canary == found.items.end()) return;
  risk.add({.kind = behaviour::Kind::canary,
            .score = 100,
            .seen = 1,
            .sentence = std::format("a planted value came back in {} ({})", where, canary->rule)});
}

}  // namespace latticegate::gateway
