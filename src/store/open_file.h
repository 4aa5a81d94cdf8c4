// A file that is open for reading.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "base/result.h"

namespace latticegate::store {

class OpenFile {
 public:
  // Code::not_found, also where a folder on the way is none; Code::io.
  [[nodiscard]] static base::Result<OpenFile> open(std::filesystem::path path);
  OpenFile(OpenFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(path_, other.path_);
    return *this;
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();

  // Up to `size` bytes at the offset; fewer only at the end of the file.
  [[nodiscard]] base::Result<std::string> read(std::uint64_t offset, std::size_t size) const;
  // Code::io also for what is no regular file.
  [[nodiscard]] base::Result<std::uint64_t> size() const;
  const std::filesystem::path& path() const [[clang::lifetimebound]] { return path_; }

 private:
  OpenFile(int descriptor, std::filesystem::path path)
      : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// Reads a whole file of at most `limit` bytes. Code::not_found, Code::too_large, Code::io.
[[nodiscard]] base::Result<std::string> read_file(const std::filesystem::path& path,
                                                  std::size_t limit);

}  // namespace latticegate::store
