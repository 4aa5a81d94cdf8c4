#include "store/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <format>
#include <string>
#include <utility>

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

Code code_of(int number) {
  if (number == ENOENT) return Code::not_found;
  return number == EEXIST ? Code::conflict : Code::io;
}

std::unexpected<base::Error> refused(std::string_view operation,
                                     const std::filesystem::path& path) {
  const int number = errno;
  return fail(code_of(number),
              std::format("cannot {} {}: {}", operation, path.string(), base::os_reason(number)));
}

// Closes without touching errno.
void close_file(int descriptor) {
  const int number = errno;
  ::close(descriptor);
  errno = number;
}

Result<void> sync_folder_of(const std::filesystem::path& path) {
  const int folder = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return refused("open", path.parent_path());
  const bool synced = ::fsync(folder) == 0;
  close_file(folder);
  if (!synced) return refused("make durable", path.parent_path());
  return {};
}

// A new file beside the one that is meant.
Result<std::filesystem::path> write_beside(const std::filesystem::path& path,
                                           std::string_view text) {
  std::filesystem::path fresh = path.string() + ".new";
  ::unlink(fresh.c_str());
  const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return refused("create", fresh);
  const bool written =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(descriptor) == 0;
  close_file(descriptor);
  if (!written) return refused("write", fresh);
  return fresh;
}

}  // namespace

Result<std::optional<crypto::Secret>> read_secret_file(const std::filesystem::path& path,
                                                       std::size_t limit) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return std::optional<crypto::Secret>();
    return refused("open", path);
  }
  struct stat about{};
  const bool known = ::fstat(descriptor, &about) == 0;
  std::string text(limit + 1, '\0');
  const ssize_t got = ::read(descriptor, text.data(), text.size());
  close_file(descriptor);
  if (!known || got < 0) return refused("read", path);
  text.resize(static_cast<std::size_t>(got));
  crypto::Secret secret = crypto::Secret::taken_from(text);
  if (secret.reveal().size() > limit)
    return fail(Code::too_large, std::format("{} is longer than {} bytes", path.string(), limit));
  if ((about.st_mode & 077U) != 0)
    return fail(Code::forbidden,
                std::format("{} can be read by others (mode {:04o}); it must be 0600",
                            path.string(), about.st_mode & 07777U));
  return std::optional<crypto::Secret>(std::move(secret));
}

Result<void> write_secret_file(const std::filesystem::path& path, std::string_view text) {
  const auto fresh = write_beside(path, text);
  if (!fresh) return std::unexpected(fresh.error());
  if (::link(fresh->c_str(), path.c_str()) != 0) {
    auto why = refused("create", path);
    ::unlink(fresh->c_str());
    return why;
  }
  ::unlink(fresh->c_str());
  return sync_folder_of(path);
}

Result<void> replace_secret_file(const std::filesystem::path& path, std::string_view text) {
  const auto fresh = write_beside(path, text);
  if (!fresh) return std::unexpected(fresh.error());
  return rename_secret_file(*fresh, path);
}

Result<void> rename_secret_file(const std::filesystem::path& from,
                                const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return refused("replace", to);
  return sync_folder_of(to);
}

Result<void> destroy_secret_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return {};
  if (descriptor < 0) return refused("open", path);
  struct stat about{};
  bool good = ::fstat(descriptor, &about) == 0;
  const std::string zeros(good ? static_cast<std::size_t>(about.st_size) : 0, '\0');
  good = good &&
         ::write(descriptor, zeros.data(), zeros.size()) == static_cast<ssize_t>(zeros.size()) &&
         ::fsync(descriptor) == 0;
  close_file(descriptor);
  if (!good) return refused("overwrite", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return refused("remove", path);
  return sync_folder_of(path);
}

}  // namespace latticegate::store
