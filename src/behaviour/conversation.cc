#include "behaviour/conversation.h"

#include <algorithm>

namespace latticegate::behaviour {

void Labels::add(std::string_view label) {
  const auto at = std::ranges::lower_bound(labels_, label);
  if (at != labels_.end() && *at == label) return;
  if (labels_.size() == limit) {
    complete_ = false;
    return;
  }
  labels_.emplace(at, label);
}

void Labels::add(std::span<const std::string> labels) {
  for (const std::string& label : labels) add(label);
}

bool Labels::contains(std::string_view label) const {
  return std::ranges::binary_search(labels_, label);
}

void Lessons::add(Entry entry) {
  if (entries_.size() < kept) {
    entries_.push_back(entry);
    return;
  }
  entries_[next_] = entry;
  next_ = (next_ + 1) % kept;
}

}  // namespace latticegate::behaviour
