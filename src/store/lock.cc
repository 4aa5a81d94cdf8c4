#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <format>

#include "store/detail/lock.h"

namespace latticegate::store {

using base::Code;
using base::fail;
using base::Result;

namespace {

std::unexpected<base::Error> refused(const std::filesystem::path& path) {
  return fail(Code::io, std::format("cannot lock {}: {}", path.string(), base::os_reason(errno)));
}

}  // namespace

Result<Lock> Lock::take(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return refused(file);
  Lock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK)
    return fail(Code::conflict, std::format("another process has locked {}", file.string()));
  return refused(file);
}

Result<Lock> Lock::wait_for(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return refused(folder);
  Lock lock(descriptor);
  while (::flock(descriptor, LOCK_EX) != 0)
    if (errno != EINTR) return refused(folder);
  return lock;
}

Lock::~Lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace latticegate::store
