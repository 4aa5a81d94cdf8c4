// Arena: memory for the values of one evaluation, or for the constants of one snapshot; freed all
// at once.
//
// A caller keeps one Arena per thread, builds the context in it, lets the evaluator use it for
// temporaries, and calls reset() before the next call: after warming up, no call allocates from the
// heap. Not safe for two threads at once.
//
// Lifetimes: whatever an Arena handed out is valid until its reset() or destruction; moving the
// Arena keeps it valid.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace latticegate::cedar {

class Arena {
 public:
  // The size of the first block in bytes; it is taken from the heap at the first use.
  explicit Arena(std::size_t first_block = 8192) : next_size_(first_block) {}
  Arena(Arena&& other) noexcept { swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    swap(other);
    return *this;
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() = default;

  // `alignment` is a power of two, at most 16.
  void* allocate(std::size_t size, std::size_t alignment) {
    const std::size_t start = (used_ + alignment - 1) & ~(alignment - 1);
    if (start + size > size_) [[unlikely]]
      return from_next_block(size);
    used_ = start + size;
    return begin_ + start;
  }
  // Room for `count` objects, to be written by the caller before they are read.
  template <class T>
  std::span<T> array(std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
    if (count == 0) return {};
    return {static_cast<T*>(allocate(count * sizeof(T), alignof(T))), count};
  }
  template <class T>
  const T* make(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
    return new (allocate(sizeof(T), alignof(T))) T(value);
  }
  template <class T>
  std::span<const T> copy(std::span<const T> values) {
    const auto room = array<T>(values.size());
    if (!values.empty()) std::memcpy(room.data(), values.data(), values.size_bytes());
    return room;
  }
  std::string_view copy(std::string_view text) {
    const auto room = copy(std::span<const char>(text.data(), text.size()));
    return {room.data(), room.size()};
  }
  // Forgets everything and keeps the memory.
  void reset() {
    block_ = 0;
    used_ = 0;
    begin_ = blocks_.empty() ? nullptr : blocks_.front().memory.get();
    size_ = blocks_.empty() ? 0 : blocks_.front().size;
  }
  // Bytes taken from the heap.
  std::size_t capacity() const;

 private:
  struct Block {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size;
  };
  void* from_next_block(std::size_t size);
  void swap(Arena& other) noexcept;

  std::byte* begin_ = nullptr;  // of the current block
  std::size_t size_ = 0;
  std::size_t used_ = 0;
  std::size_t block_ = 0;  // index of the current block
  std::size_t next_size_ = 8192;
  std::vector<Block> blocks_;
};

}  // namespace latticegate::cedar
