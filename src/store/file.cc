#include "store/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <format>
#include <string>
#include <utility>

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

std::unexpected<base::Error> refused(std::string_view operation,
                                     const std::filesystem::path& path) {
  const int number = errno;
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  return fail(full ? Code::unavailable : Code::io,
              std::format("cannot {} {}: {}", operation, path.string(), base::os_reason(number)));
}

class SystemFile final : public File {
 public:
  SystemFile(int descriptor, std::filesystem::path path)
      : descriptor_(descriptor), path_(std::move(path)) {}
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;
  ~SystemFile() override { ::close(descriptor_); }

  Result<std::size_t> write(base::ByteView bytes, std::uint64_t offset) override {
    for (;;) {
      const ssize_t n =
          ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n > 0 || (n == 0 && bytes.empty())) return static_cast<std::size_t>(n);
      if (n == 0) errno = EIO;
      if (errno != EINTR) return refused("write", path_);
    }
  }

  Result<void> sync() override {
    while (::fdatasync(descriptor_) != 0)
      if (errno != EINTR) return refused("make durable", path_);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    while (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0)
      if (errno != EINTR) return refused("cut", path_);
    return {};
  }

  Result<void> reserve(std::uint64_t from, std::uint64_t to) override {
    static constexpr std::array<std::byte, 65'536> zeros{};
    // Space in one piece first, where the file system can do that.
    while (::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                       static_cast<off_t>(to - from)) != 0) {
      if (errno == EOPNOTSUPP || errno == ENOSYS) break;
      if (errno != EINTR) return refused("reserve space for", path_);
    }
    while (from < to) {
      const auto wrote = write(
          base::ByteView(zeros).first(std::min<std::uint64_t>(zeros.size(), to - from)), from);
      if (!wrote) return std::unexpected(wrote.error());
      from += *wrote;
    }
    return {};
  }

 private:
  int descriptor_;
  std::filesystem::path path_;
};

}  // namespace

Result<void> File::write_all(std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto taken = write(base::bytes_of(bytes), offset);
    if (!taken) return std::unexpected(taken.error());
    bytes.remove_prefix(*taken);
    offset += *taken;
  }
  return {};
}

Result<std::unique_ptr<File>> Files::create_anew(const std::filesystem::path& path) {
  auto made = create(path);
  if (made || made.error().code != Code::conflict) return made;
  if (auto removed = remove(path); !removed) return std::unexpected(std::move(removed).error());
  return create(path);
}

Result<std::unique_ptr<File>> SystemFiles::create(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    if (errno == EEXIST)
      return fail(Code::conflict, std::format("{} exists already", path.string()));
    return refused("create", path);
  }
  return std::make_unique<SystemFile>(descriptor, path);
}

Result<std::unique_ptr<File>> SystemFiles::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return refused("open", path);
  return std::make_unique<SystemFile>(descriptor, path);
}

Result<void> SystemFiles::sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return refused("open", folder);
  const bool done = ::fsync(descriptor) == 0;
  const int number = errno;
  ::close(descriptor);
  errno = number;
  if (!done) return refused("make durable", folder);
  return {};
}

Result<void> SystemFiles::remove(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return refused("remove", path);
  return {};
}

Result<void> SystemFiles::rename(const std::filesystem::path& from,
                                 const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return refused("put in place", to);
  return {};
}

Result<void> SystemFiles::exchange(const std::filesystem::path& from,
                                   const std::filesystem::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return {};
  return rename(from, to);
}

}  // namespace latticegate::store
