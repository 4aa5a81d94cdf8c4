#include "cedar/arena.h"

#include <algorithm>

namespace latticegate::cedar {

std::size_t Arena::capacity() const {
  std::size_t sum = 0;
  for (const Block& block : blocks_) sum += block.size;
  return sum;
}

void* Arena::from_next_block(std::size_t size) {
  // A block that is too small for this request is passed over until the next reset.
  const std::size_t first = begin_ == nullptr ? 0 : block_ + 1;
  for (std::size_t i = first; i < blocks_.size(); ++i) {
    if (blocks_[i].size < size) continue;
    std::swap(blocks_[i], blocks_[first]);
    block_ = first;
    begin_ = blocks_[first].memory.get();
    size_ = blocks_[first].size;
    used_ = size;
    return begin_;
  }
  const std::size_t wanted = std::max(next_size_, size);
  next_size_ = std::min(next_size_ * 2, std::size_t{1} << 20U);
  blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(first),
                 {std::make_unique_for_overwrite<std::byte[]>(wanted), wanted});
  block_ = first;
  begin_ = blocks_[first].memory.get();
  size_ = wanted;
  used_ = size;
  return begin_;
}

void Arena::swap(Arena& other) noexcept {
  std::swap(begin_, other.begin_);
  std::swap(size_, other.size_);
  std::swap(used_, other.used_);
  std::swap(block_, other.block_);
  std::swap(next_size_, other.next_size_);
  std::swap(blocks_, other.blocks_);
}

}  // namespace latticegate::cedar
