// A file that only grows, each piece durable before the next: made, with its folder, when the first
// piece comes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/result.h"
#include "store/file.h"

namespace latticegate::store {

class GrowingFile {
 public:
  GrowingFile() = default;
  GrowingFile(std::filesystem::path path, Files& files) : path_(std::move(path)), files_(&files) {}

  const std::filesystem::path& path() const [[clang::lifetimebound]] { return path_; }
  // Goes on in the file that is there, behind its first `size` bytes; the rest is cut off.
  [[nodiscard]] base::Result<void> resume(std::uint64_t size) {
    auto file = files_->open(path_);
    if (!file) return std::unexpected(std::move(file).error());
    file_ = *std::move(file);
    size_ = size;
    return file_->truncate(size_);
  }
  // Durable when it returns. After an error the same may be appended again. One that was not
  // resumed begins anew.
  [[nodiscard]] base::Result<void> append(std::string_view bytes) {
    if (file_ == nullptr) {
      std::error_code ignored;  // then the file cannot be made, which is told
      std::filesystem::create_directories(path_.parent_path(), ignored);
      auto made = files_->create_anew(path_);
      if (!made) return std::unexpected(std::move(made).error());
      if (auto synced = files_->sync_folder(path_.parent_path()); !synced) return synced;
      file_ = *std::move(made);
      size_ = 0;
    }
    if (auto done = file_->write_all(bytes, size_); !done) return done;
    if (auto done = file_->sync(); !done) return done;
    size_ += bytes.size();
    return {};
  }

 private:
  std::filesystem::path path_;
  Files* files_ = nullptr;
  std::unique_ptr<File> file_;
  std::uint64_t size_ = 0;
};

}  // namespace latticegate::store
