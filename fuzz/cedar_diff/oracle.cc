#include "cedar_diff/oracle.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <utility>

namespace latticegate::diff {

Oracle::Oracle(std::string node, std::string script, std::string modules)
    : node_(std::move(node)), script_(std::move(script)), modules_("NODE_PATH=" + modules) {
  // A process that died is noticed by what it does not answer.
  std::signal(SIGPIPE, SIG_IGN);
}

Oracle::~Oracle() { stop(); }

bool Oracle::start() {
  std::array<int, 2> down{};
  std::array<int, 2> up{};
  if (::pipe2(down.data(), O_CLOEXEC) != 0) return false;
  if (::pipe2(up.data(), O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
  const std::array<char*, 3> arguments{node_.data(), script_.data(), nullptr};
  const std::array<char*, 2> environment{modules_.data(), nullptr};
  const bool started = ::posix_spawnp(&process_, node_.c_str(), &actions, nullptr, arguments.data(),
                                      environment.data()) == 0;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(down[0]);
  ::close(up[1]);
  to_ = down[1];
  from_ = up[0];
  if (!started) process_ = 0;
  return started;
}

void Oracle::stop() {
  if (to_ >= 0) ::close(std::exchange(to_, -1));
  if (from_ >= 0) ::close(std::exchange(from_, -1));
  if (process_ != 0) ::waitpid(std::exchange(process_, 0), nullptr, 0);
  buffer_.clear();
}

std::optional<std::string> Oracle::ask(std::string_view question) {
  if (process_ == 0 && !start()) return std::nullopt;
  std::string line(question);
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t written = ::write(to_, rest.data(), rest.size());
    if (written <= 0) {
      stop();
      return std::nullopt;
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  std::array<char, 65'536> bytes{};
  for (;;) {
    const auto end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string answer = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (!answer.starts_with("{\"crashed\"")) return answer;
      stop();
      return std::nullopt;
    }
    const ssize_t got = ::read(from_, bytes.data(), bytes.size());
    if (got <= 0) {
      stop();
      return std::nullopt;
    }
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace latticegate::diff
