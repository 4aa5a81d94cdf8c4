#include "store/open_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <format>

namespace latticegate::store {

using base::Code;
using base::fail;
using base::Result;

Result<OpenFile> OpenFile::open(std::filesystem::path path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return fail(errno == ENOENT || errno == ENOTDIR ? Code::not_found : Code::io,
                std::format("cannot open {}: {}", path.string(), base::os_reason(errno)));
  return OpenFile(descriptor, std::move(path));
}

OpenFile::~OpenFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<std::string> OpenFile::read(std::uint64_t offset, std::size_t size) const {
  std::string bytes;
  int error = 0;
  bytes.resize_and_overwrite(size, [&](char* out, std::size_t most) {
    std::size_t got = 0;
    while (got < most) {
      const ssize_t n =
          ::pread(descriptor_, out + got, most - got, static_cast<off_t>(offset + got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) error = errno;
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    return got;
  });
  if (error != 0)
    return fail(Code::io,
                std::format("cannot read {}: {}", path_.string(), base::os_reason(error)));
  return bytes;
}

Result<std::uint64_t> OpenFile::size() const {
  struct stat about{};
  if (::fstat(descriptor_, &about) != 0 || !S_ISREG(about.st_mode))
    return fail(Code::io, std::format("{} is no file", path_.string()));
  return static_cast<std::uint64_t>(about.st_size);
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const auto file = OpenFile::open(path);
  if (!file) return std::unexpected(file.error());
  const auto size = file->size();
  if (!size) return std::unexpected(size.error());
  if (*size > limit)
    return fail(Code::too_large,
                std::format("{} has {} bytes; at most {} make sense", path.string(), *size, limit));
  return file->read(0, static_cast<std::size_t>(*size));
}

}  // namespace latticegate::store
