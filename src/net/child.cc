#include "net/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <format>

#include "net/detail/descriptor.h"

namespace latticegate::net {
namespace {

using base::Code;
using base::fail;
using base::os_reason;
using base::Result;
using detail::Wake;

// One end of a pipe (or a process descriptor) as a stream.
class PipeStream final : public Stream {
 public:
  PipeStream(Loop& loop, int fd) : descriptor_(loop, fd) { peer_.address = "child"; }

  Task<Result<std::size_t>> read(std::span<char> into) override {
    for (;;) {
      if (!descriptor_.open()) co_return fail(Code::closed, "closed");
      const ssize_t count = ::read(descriptor_.fd(), into.data(), into.size());
      if (count >= 0) co_return static_cast<std::size_t>(count);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return fail(Code::closed, os_reason(errno));
      descriptor_.drained();
      const Wake wake = co_await descriptor_.readable();
      if (wake != Wake::ready)
        co_return fail(wake == Wake::expired ? Code::timeout : Code::closed, "closed");
    }
  }
  Task<Result<void>> write(std::span<const std::string_view> parts) override {
    for (std::string_view part : parts)
      while (!part.empty()) {
        if (!descriptor_.open()) co_return fail(Code::closed, "closed");
        const ssize_t count = ::write(descriptor_.fd(), part.data(), part.size());
        if (count >= 0) {
          part.remove_prefix(static_cast<std::size_t>(count));
          continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) co_return fail(Code::closed, os_reason(errno));
        const Wake wake = co_await descriptor_.writable();
        if (wake != Wake::ready)
          co_return fail(wake == Wake::expired ? Code::timeout : Code::closed, "closed");
      }
    co_return Result<void>();
  }
  Task<Result<void>> wait_readable() override {
    if (!descriptor_.open()) co_return fail(Code::closed, "closed");
    const Wake wake = co_await descriptor_.readable();
    if (wake != Wake::ready)
      co_return fail(wake == Wake::expired ? Code::timeout : Code::closed, "closed");
    co_return Result<void>();
  }
  void on_hangup(std::function<void()>) override {}
  void set_deadline(base::Instant at) override { descriptor_.set_deadline(at); }
  void clear_deadline() override { descriptor_.clear_deadline(); }
  void close() override { descriptor_.close(); }
  Task<void> shutdown() override {
    descriptor_.close();
    co_return;
  }
  const Peer& peer() const override { return peer_; }

 private:
  detail::Descriptor descriptor_;
  Peer peer_;
};

struct Pipe {
  int read = -1;
  int write = -1;
  bool open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  void close() const {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& text : texts)
    list.push_back(const_cast<char*>(text.c_str()));  // execve does not write
  list.push_back(nullptr);
  return list;
}

// The program's path, found by the child's own PATH, so that what runs is decided before fork.
Result<std::string> find_program(const std::string& name,
                                 const std::vector<std::string>& environment) {
  if (name.contains('/')) {
    if (::access(name.c_str(), X_OK) == 0) return name;
    return fail(Code::not_found, std::format("cannot run '{}': {}", name, os_reason(errno)));
  }
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& entry : environment)
    if (entry.starts_with("PATH=")) path = std::string_view(entry).substr(5);
  while (!path.empty()) {
    const std::size_t colon = path.find(':');
    const std::string candidate = std::format("{}/{}", path.substr(0, colon), name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    path = colon == std::string_view::npos ? std::string_view() : path.substr(colon + 1);
  }
  return fail(Code::not_found, std::format("'{}' is not found in PATH", name));
}

}  // namespace

Result<std::unique_ptr<Child>> Child::start(Loop& loop, const ChildOptions& options) {
  if (options.arguments.empty()) return fail(Code::invalid, "no program is named");
  auto program = find_program(options.arguments.front(), options.environment);
  if (!program) return std::unexpected(std::move(program).error());
  Pipe in;
  Pipe out;
  Pipe err;
  if (!in.open() || !out.open() || !err.open()) {
    const int error = errno;
    in.close(), out.close(), err.close();
    return fail(Code::io, "no pipe: " + os_reason(error));
  }
  // Everything the child needs after fork is made before it: only async-signal-safe calls follow
  // there.
  const std::vector<char*> arguments = pointers(options.arguments);
  const std::vector<char*> environment = pointers(options.environment);
  const char* const directory = options.directory.empty() ? nullptr : options.directory.c_str();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::signal(SIGXFSZ, SIG_DFL);
    if (directory != nullptr && ::chdir(directory) != 0) ::_exit(126);
    ::dup2(in.read, 0);
    ::dup2(out.write, 1);
    ::dup2(err.write, 2);
    ::execve(program->c_str(), arguments.data(), environment.data());
    ::_exit(127);
  }
  const int error = errno;
  ::close(in.read);
  ::close(out.write);
  ::close(err.write);
  if (pid < 0) {
    ::close(in.write), ::close(out.read), ::close(err.read);
    return fail(Code::io, "cannot fork: " + os_reason(error));
  }
  ::setpgid(pid, pid);  // also here, so that the group exists whoever runs first
  std::unique_ptr<Child> child(new Child);
  child->loop_ = &loop;
  child->pid_ = pid;
  child->input_ = std::make_unique<PipeStream>(loop, in.write);
  child->output_ = std::make_unique<PipeStream>(loop, out.read);
  child->errors_ = std::make_unique<PipeStream>(loop, err.read);
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (process >= 0) child->exit_ = std::make_unique<PipeStream>(loop, process);
  return child;
}

Child::~Child() {
  if (pid_ > 0 && !ended_) {
    ::kill(-pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }
}

Task<std::string> Child::wait() {
  while (!ended_) {
    int status = 0;
    const pid_t done = ::waitpid(pid_, &status, WNOHANG);
    if (done == pid_ || (done < 0 && errno == ECHILD)) {
      ended_ = true;
      status_ = done < 0            ? "gone"
                : WIFEXITED(status) ? std::format("exit {}", WEXITSTATUS(status))
                                    : std::format("signal {}", WTERMSIG(status));
      ::kill(-pid_, SIGKILL);  // what it left behind in its group
      break;
    }
    if (exit_)
      (void)co_await exit_->wait_readable();
    else
      co_await loop_->sleep(std::chrono::milliseconds(50));
  }
  co_return status_;
}

Task<void> Child::stop(std::chrono::milliseconds patience) {
  input_->close();
  const base::Instant deadline = loop_->clock().instant() + patience;
  bool asked = false;
  while (!ended_) {
    int status = 0;
    const pid_t done = ::waitpid(pid_, &status, WNOHANG);
    if (done == pid_ || (done < 0 && errno == ECHILD)) {
      ended_ = true;
      ::kill(-pid_, SIGKILL);
      break;
    }
    const base::Instant now = loop_->clock().instant();
    if (now >= deadline) {
      ::kill(-pid_, SIGKILL);
    } else if (!asked && now >= deadline - patience / 2) {
      ::kill(-pid_, SIGTERM);
      asked = true;
    }
    co_await loop_->sleep(std::chrono::milliseconds(10));
  }
}

}  // namespace latticegate::net
