#include "store/wrapping_keys.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <format>
#include <optional>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "crypto/random.h"
#include "store/secret_file.h"

extern char** environ;

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t text_limit = 4096;

// What a command prints. It gets our environment, no input, and as long as `patience`.
Result<crypto::Secret> output_of(const std::vector<std::string>& command,
                                 std::chrono::milliseconds patience) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return fail(Code::io, std::format("cannot make a pipe: {}", base::os_reason(errno)));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, argv.front(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return fail(Code::unavailable,
                std::format("cannot run {}: {}", command.front(), base::os_reason(failed)));
  }
  const base::SystemClock clock;
  const base::Instant deadline = clock.instant() + patience;
  std::string text;
  bool late = false;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.instant()).count();
    pollfd wait{.fd = ends[0], .events = POLLIN, .revents = 0};
    late = left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) == 0;
    if (late) break;
    std::array<char, 1024> piece{};
    const ssize_t got = ::read(ends[0], piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (text.size() > text_limit) break;
  }
  ::close(ends[0]);
  crypto::Secret secret = crypto::Secret::taken_from(text);
  if (late || secret.reveal().size() > text_limit) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (late) return fail(Code::timeout, std::format("{} did not end in time", command.front()));
  if (secret.reveal().size() > text_limit)
    return fail(Code::too_large, std::format("{} prints too much", command.front()));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(Code::unavailable, std::format("{} failed", command.front()));
  return secret;
}

Result<crypto::Secret> content_of(const KeySource& source) {
  auto text = read_secret_file(source.file, text_limit);
  if (!text) return std::unexpected(std::move(text).error());
  if (*text) return *std::move(*text);
  if (!source.may_make)
    return fail(Code::not_found, std::format("there is no key in {}", source.file.string()));
  crypto::SystemRandom random;
  crypto::Secret made = audit::WrappingKey::make(random).text();
  std::error_code ignored;  // then the file cannot be written, which is told
  std::filesystem::create_directories(source.file.parent_path(), ignored);
  if (auto written = write_secret_file(source.file, made.reveal()); !written)
    return std::unexpected(std::move(written).error());
  return made;
}

}  // namespace

Result<std::vector<audit::WrappingKey>> read_wrapping_keys(const KeySource& source,
                                                           std::chrono::milliseconds patience) {
  auto text = source.command.empty() ? content_of(source) : output_of(source.command, patience);
  if (!text) return std::unexpected(std::move(text).error());
  std::vector<audit::WrappingKey> keys;
  std::string_view rest = text->reveal();
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    auto key = audit::WrappingKey::from_text(line);
    if (!key) return std::unexpected(std::move(key).error());
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) return fail(Code::malformed, "there is no key-encryption key");
  return keys;
}

}  // namespace latticegate::store
