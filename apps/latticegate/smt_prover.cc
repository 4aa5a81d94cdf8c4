#include "smt_prover.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string_view>
#include <utility>

extern char** environ;

namespace latticegate::app {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Beyond the limit that it was told.
constexpr milliseconds grace{2'000};
constexpr std::string_view end_mark = "latticegate-end";
constexpr std::size_t longest_answer = 65'536;

class Process {
 public:
  Process(int socket, pid_t pid, milliseconds limit) : socket_(socket), pid_(pid), limit_(limit) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { stop(); }

  bool disproves(const std::string& script) {
    if (socket_ < 0) return false;
    const auto answer =
        ask(std::format("{}(check-sat)\n(echo \"{}\")\n(reset)\n", script, end_mark));
    if (!answer) {
      if (answered_)
        std::println(stderr, "note: the prover stopped answering; what is open stays unknown");
      stop();
    }
    answered_ = true;
    return answer && *answer == "unsat\n";
  }

 private:
  // What it prints before the mark; nothing when it does not come to that.
  std::optional<std::string> ask(std::string_view question) {
    const auto deadline = Clock::now() + limit_ + grace;
    std::string answer;
    while (true) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
      const short wanted = question.empty() ? POLLIN : POLLIN | POLLOUT;
      pollfd ready{.fd = socket_, .events = wanted, .revents = 0};
      if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return std::nullopt;
      if ((ready.revents & POLLOUT) != 0) {
        const auto sent = ::send(socket_, question.data(), question.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return std::nullopt;
        if (sent > 0) question.remove_prefix(static_cast<std::size_t>(sent));
      }
      if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      std::array<char, 4'096> chunk{};
      const auto got = ::recv(socket_, chunk.data(), chunk.size(), 0);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0 || answer.size() > longest_answer) return std::nullopt;
      answer.append(chunk.data(), static_cast<std::size_t>(got));
      // cvc5 prints the mark with or without its quotes, by version.
      if (const auto mark = answer.find(end_mark);
          mark != std::string::npos && answer.ends_with('\n'))
        return answer.substr(0, mark - (mark > 0 && answer[mark - 1] == '"' ? 1 : 0));
    }
  }

  void stop() {
    if (socket_ < 0) return;
    ::close(std::exchange(socket_, -1));
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  int socket_;
  pid_t pid_;
  milliseconds limit_;
  bool answered_ = false;
};

}  // namespace

base::Result<cedar::Prover> start_prover(const std::string& program, milliseconds limit) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return base::fail(base::Code::unavailable, std::strerror(errno));
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string name = program;
  std::string language = "--lang=smt2";
  std::string many = "--incremental";
  std::string time = std::format("--tlimit-per={}", limit.count());
  std::array<char*, 5> arguments{name.data(), language.data(), many.data(), time.data(), nullptr};
  pid_t pid = 0;
  const int failed =
      ::posix_spawnp(&pid, name.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return base::fail(base::Code::not_found, std::format("{}: {}", program, std::strerror(failed)));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const auto process = std::make_shared<Process>(ends[0], pid, limit);
  // What does not know this is no such prover.
  if (!process->disproves("(set-logic ALL)\n(assert false)\n"))
    return base::fail(base::Code::not_found,
                      std::format("{} does not answer as a prover for SMT-LIB", program));
  return [process](const std::string& script) { return process->disproves(script); };
}

}  // namespace latticegate::app
