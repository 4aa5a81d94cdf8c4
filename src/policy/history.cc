#include "policy/history.h"

#include <utility>

namespace latticegate::policy {

std::optional<std::string> History::save_changes() {
  const std::scoped_lock lock(mutex_);
  if (!changed_) return std::nullopt;
  changed_ = false;
  return state_.save();
}

base::Result<void> History::load(std::string text, base::Time now) {
  const std::scoped_lock lock(mutex_);
  auto loaded = state_.load(std::move(text));
  if (!loaded) state_.lost(now);
  return loaded;
}

void History::lost(base::Time now) {
  const std::scoped_lock lock(mutex_);
  state_.lost(now);
}

bool History::idle(base::Time now) {
  const std::scoped_lock lock(mutex_);
  return state_.idle(now);
}

}  // namespace latticegate::policy
