// The few system calls that the durable log makes, behind an interface, so that a test can let any
// of them fail.
//
// Every error is Code::unavailable when the disk is full (ENOSPC, EDQUOT, EFBIG) and Code::io
// otherwise; the detail names the operation, the path and the system's reason.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::store {

class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  // Writes at the offset; how many bytes were taken may be fewer than were given, but not none.
  [[nodiscard]] virtual base::Result<std::size_t> write(base::ByteView bytes,
                                                        std::uint64_t offset) = 0;
  // All of them.
  [[nodiscard]] base::Result<void> write_all(std::string_view bytes, std::uint64_t offset);
  // Returns when the data, and the size if it changed, are on stable storage.
  [[nodiscard]] virtual base::Result<void> sync() = 0;
  [[nodiscard]] virtual base::Result<void> truncate(std::uint64_t size) = 0;
  // Fills what lies behind `from`, the end of the file, with zeros up to `to` (byte offsets; what
  // stood there is lost). Written zeros, not only reserved space: a later sync() of bytes in their
  // place changes nothing but those bytes, and is cheaper than one that also notes a change of the
  // file.
  [[nodiscard]] virtual base::Result<void> reserve(std::uint64_t from, std::uint64_t to) = 0;
};

class Files {
 public:
  Files() = default;
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  virtual ~Files() = default;

  // A new file for the owner only; Code::conflict when the name exists.
  [[nodiscard]] virtual base::Result<std::unique_ptr<File>> create(
      const std::filesystem::path& path) = 0;
  // The same in place of one that exists.
  [[nodiscard]] base::Result<std::unique_ptr<File>> create_anew(const std::filesystem::path& path);
  // An existing file, to go on writing.
  [[nodiscard]] virtual base::Result<std::unique_ptr<File>> open(
      const std::filesystem::path& path) = 0;
  // Makes the names in the folder durable.
  [[nodiscard]] virtual base::Result<void> sync_folder(const std::filesystem::path& folder) = 0;
  // Removes a file; fine if it does not exist.
  [[nodiscard]] virtual base::Result<void> remove(const std::filesystem::path& path) = 0;
  // Gives a file another name in one step; what had that name is gone.
  [[nodiscard]] virtual base::Result<void> rename(const std::filesystem::path& from,
                                                  const std::filesystem::path& to) = 0;
  // Lets two files have each other's name in one step. Where the file system cannot do that, or the
  // second one does not exist, the same as rename().
  [[nodiscard]] virtual base::Result<void> exchange(const std::filesystem::path& from,
                                                    const std::filesystem::path& to) = 0;
};

// The machine's files. Safe from any thread.
class SystemFiles final : public Files {
 public:
  base::Result<std::unique_ptr<File>> create(const std::filesystem::path& path) override;
  base::Result<std::unique_ptr<File>> open(const std::filesystem::path& path) override;
  base::Result<void> sync_folder(const std::filesystem::path& folder) override;
  base::Result<void> remove(const std::filesystem::path& path) override;
  base::Result<void> rename(const std::filesystem::path& from,
                            const std::filesystem::path& to) override;
  base::Result<void> exchange(const std::filesystem::path& from,
                              const std::filesystem::path& to) override;
};

}  // namespace latticegate::store
