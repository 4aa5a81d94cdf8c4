#include "gateway/eras.h"

namespace latticegate::gateway {

std::optional<bool> Eras::speaks(std::uint64_t key, mcp::Era era, base::Instant now) const {
  const std::scoped_lock lock(mutex_);
  const auto found = verdicts_.find({key, era});
  if (found == verdicts_.end()) return std::nullopt;
  if (!found->second.speaks && now - found->second.at > horizon) return std::nullopt;
  return found->second.speaks;
}

void Eras::note(std::uint64_t key, mcp::Era era, bool speaks, base::Instant now) {
  const std::scoped_lock lock(mutex_);
  verdicts_.insert_or_assign({key, era}, Verdict{speaks, now});
}

}  // namespace latticegate::gateway
