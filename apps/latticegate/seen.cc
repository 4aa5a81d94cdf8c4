#include "seen.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <format>
#include <system_error>

#include "base/clock.h"
#include "crypto/hash.h"
#include "store/log_keys.h"
#include "store/tree_writer.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t keys_limit = 64 * 1024;

std::string text_of(const std::vector<audit::VerifierKey>& keys) {
  std::string text;
  for (const audit::VerifierKey& key : keys) text += key.text() + "\n";
  return text;
}

}  // namespace

std::optional<std::filesystem::path> seen_path(std::string_view origin) {
  std::filesystem::path state;
  if (const char* const given = std::getenv("XDG_STATE_HOME"); given != nullptr && *given == '/')
    state = given;
  else if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/')
    state = std::filesystem::path(home) / ".local" / "state";
  else
    return std::nullopt;
  return state / "latticegate" / "seen" / crypto::to_hex(crypto::sha256(origin)).substr(0, 32);
}

Result<std::optional<Seen>> recall(const std::filesystem::path& path) {
  const auto text = store::read_file(path, keys_limit + audit::note_limit.count);
  if (!text && text.error().code == Code::not_found) return std::optional<Seen>();
  if (!text) return std::unexpected(text.error());
  const std::size_t middle = text->find("\n\n");
  if (middle == std::string::npos)
    return fail(Code::malformed, std::format("{} is damaged", path.string()));
  auto keys = store::read_verifier_keys(std::string_view(*text).substr(0, middle + 1));
  if (!keys) return base::within(path.string(), std::move(keys).error());
  auto opened = audit::open_checkpoint(std::string_view(*text).substr(middle + 2), *keys);
  if (!opened) return base::within(path.string(), std::move(opened).error());
  Seen seen{.keys = *std::move(keys), .checkpoint = opened->checkpoint};
  for (const audit::Endorsement& e : opened->endorsements)
    seen.signed_at = std::max(seen.signed_at, e.timestamp);
  return std::optional(std::move(seen));
}

Result<void> remember(const std::filesystem::path& path,
                      const std::vector<audit::VerifierKey>& keys, std::string_view note) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  return write_whole(path, text_of(keys) + "\n" + std::string(note));
}

Result<void> write_whole(const std::filesystem::path& path, std::string_view text) {
  const auto cannot = [&](std::string_view reason) {
    return fail(Code::io, std::format("cannot write {}: {}", path.string(), reason));
  };
  const std::filesystem::path fresh = path.string() + ".new";
  const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return cannot(base::os_reason(errno));
  // On the disk before it is relied on.
  const bool written =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(descriptor) == 0;
  const int number = errno;
  ::close(descriptor);
  if (!written) return cannot(base::os_reason(number));
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  if (error) return cannot(error.message());
  return {};
}

Result<std::vector<audit::VerifierKey>> keys_given(const std::vector<std::string>& words) {
  std::vector<audit::VerifierKey> all;
  for (const std::string& word : words) {
    std::error_code error;
    std::string text = word;
    if (std::filesystem::exists(word, error)) {
      auto read = store::read_file(word, keys_limit);
      if (!read) return std::unexpected(std::move(read).error());
      text = *std::move(read);
    } else if (!word.contains('+')) {
      return fail(Code::not_found, std::format("{} is neither a file nor a verifier key", word));
    }
    auto keys = store::read_verifier_keys(text);
    if (!keys) return base::within(word, std::move(keys).error());
    for (audit::VerifierKey& key : *keys) all.push_back(std::move(key));
  }
  return all;
}

std::string date_of(std::uint64_t seconds) {
  constexpr std::uint64_t last = 9'000'000'000;  // 2255: what nanoseconds in 64 bits hold
  const std::string text =
      base::to_rfc3339(base::Time(std::chrono::seconds(std::min(seconds, last))));
  return text.substr(0, 19) + "Z";
}

}  // namespace latticegate::app
