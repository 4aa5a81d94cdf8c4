// A lock on a file or folder, gone when this or the process is. Two of one process exclude each
// other, too.
#pragma once
#include <filesystem>
#include <utility>

#include "base/result.h"

namespace latticegate::store {

class Lock {
 public:
  // A file, made if need be. Code::conflict: somebody else has it.
  [[nodiscard]] static base::Result<Lock> take(const std::filesystem::path& file);
  // A folder that exists; waits for whoever has it.
  [[nodiscard]] static base::Result<Lock> wait_for(const std::filesystem::path& folder);
  Lock(Lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Lock& operator=(Lock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock();

 private:
  explicit Lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace latticegate::store
