// A hash table from entity uids to small values, built once and then only read: open addressing, at
// most half full. Most of what is looked for is not here: that is seen from four bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "cedar/value.h"

namespace latticegate::cedar {

template <class T>
class UidTable {
 public:
  UidTable() : tags_(1, 0) {}
  // The value of a uid, default-constructed when it is new. May move all others.
  T& at(const EntityUid& uid) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    const std::size_t i = place(uid);
    if (tags_[i] == 0) {
      tags_[i] = tag(uid);
      slots_[i] = {uid, T{}};
      ++count_;
    }
    return slots_[i].value;
  }
  bool empty() const { return count_ == 0; }
  const T* find(const EntityUid& uid) const {
    const std::size_t i = place(uid);
    return tags_.data()[i] == 0 ? nullptr : &slots_.data()[i].value;
  }

 private:
  struct Slot {
    EntityUid uid;
    T value{};
  };
  static std::uint32_t tag(const EntityUid& uid) {
    return static_cast<std::uint32_t>(uid.hash() >> 32U) | 1U;
  }
  // Where the uid is, or else would be: the mask keeps it within bounds, so they are not checked
  // again here.
  std::size_t place(const EntityUid& uid) const {
    const std::uint32_t* const tags = tags_.data();
    const std::size_t mask = tags_.size() - 1;
    const std::uint32_t wanted = tag(uid);
    std::size_t i = uid.hash() & mask;
    while (tags[i] != 0 && !(tags[i] == wanted && slots_.data()[i].uid == uid)) i = (i + 1) & mask;
    return i;
  }
  void grow() {
    const std::vector<std::uint32_t> old_tags =
        std::exchange(tags_, std::vector<std::uint32_t>(slots_.empty() ? 16 : slots_.size() * 2));
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(tags_.size()));
    for (std::size_t i = 0; i < old.size(); ++i) {
      if (old_tags[i] == 0) continue;
      const std::size_t to = place(old[i].uid);
      tags_[to] = old_tags[i];
      slots_[to] = std::move(old[i]);
    }
  }
  std::vector<std::uint32_t> tags_;  // 0: empty
  std::vector<Slot> slots_;          // as many, or none before the first one
  std::size_t count_ = 0;
};

}  // namespace latticegate::cedar
