// A hash table from entity uids to small values, built once and then only read: open addressing, at
// most half full.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cedar/value.h"

namespace latticegate::cedar {

template <class T>
class UidTable {
 public:
  // The value of a uid, default-constructed when it is new. May move all others.
  T& at(const EntityUid& uid) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place(uid)];
    if (!slot.used) {
      slot = {uid, T{}, true};
      filter_[word(uid)] |= bit(uid);
      ++count_;
    }
    return slot.value;
  }
  bool empty() const { return count_ == 0; }
  const T* find(const EntityUid& uid) const {
    if ((filter_[word(uid)] & bit(uid)) == 0) return nullptr;
    const Slot& slot = slots_[place(uid)];
    return slot.used ? &slot.value : nullptr;
  }

 private:
  struct Slot {
    EntityUid uid;
    T value{};
    bool used = false;
  };
  std::size_t place(const EntityUid& uid) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = uid.hash() & mask;
    while (slots_[i].used && !(slots_[i].uid == uid)) i = (i + 1) & mask;
    return i;
  }
  // Most of what is looked for is not here, and in a table of some dozens 256 bits say so.
  static std::size_t word(const EntityUid& uid) { return uid.hash() >> 62U; }
  static std::uint64_t bit(const EntityUid& uid) {
    return std::uint64_t{1} << ((uid.hash() >> 56U) & 63U);
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old)
      if (slot.used) slots_[place(slot.uid)] = std::move(slot);
  }
  std::vector<Slot> slots_;
  std::array<std::uint64_t, 4> filter_{};
  std::size_t count_ = 0;
};

}  // namespace latticegate::cedar
