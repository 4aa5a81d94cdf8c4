#include "witness_book.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <format>
#include <utility>

#include "base/clock.h"
#include "crypto/hash.h"
#include "seen.h"
#include "store/tree_writer.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

// One witness at a time works on a state folder: looking up, signing and storing are one step.
class StateLock {
 public:
  explicit StateLock(const std::filesystem::path& folder)
      : descriptor_(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    held_ = descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX) == 0;
  }
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;
  ~StateLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  bool held() const { return held_; }

 private:
  int descriptor_;
  bool held_ = false;
};

}  // namespace

Result<WitnessBook> WitnessBook::open(std::filesystem::path folder, std::string_view name,
                                      std::vector<audit::VerifierKey> log_keys) {
  auto own = store::LogKeys::open(folder / "keys", name, true, store::KeyRole::witness);
  if (!own) return std::unexpected(std::move(own).error());
  WitnessBook book(std::move(folder), *std::move(own), std::move(log_keys));
  if (auto written = write_whole(book.folder_ / "witness.pub", book.public_text()); !written)
    return std::unexpected(std::move(written).error());
  return book;
}

std::filesystem::path WitnessBook::kept(std::string_view origin) const {
  return folder_ / (crypto::to_hex(crypto::sha256(origin)).substr(0, 32) + ".checkpoint");
}

Result<std::optional<audit::Checkpoint>> WitnessBook::last(std::string_view origin) const {
  const auto note = store::read_file(kept(origin), audit::note_limit.count);
  if (!note && note.error().code == Code::not_found) return std::optional<audit::Checkpoint>();
  if (!note) return std::unexpected(note.error());
  // What we signed ourselves.
  const auto mine = own_.verifiers();
  if (!mine) return std::unexpected(mine.error());
  const auto opened = audit::open_checkpoint(*note, *mine, origin);
  if (!opened) return base::within(kept(origin).string(), opened.error());
  return std::optional(opened->checkpoint);
}

Result<audit::WitnessAnswer> WitnessBook::answer(std::string_view request) {
  const StateLock lock(folder_);
  if (!lock.held()) return fail(Code::io, std::format("cannot lock {}", folder_.string()));
  // Which log is meant; nobody has checked it yet.
  const auto parsed = audit::read_add_checkpoint(request);
  const auto note = parsed ? audit::read_note(parsed->note) : std::unexpected(parsed.error());
  const auto head = note ? audit::read_checkpoint(note->text) : std::unexpected(note.error());
  if (!head) return audit::WitnessAnswer{.status = 400, .body = "no such request\n", .store = {}};
  std::vector<audit::VerifierKey> keys;
  for (const audit::VerifierKey& key : log_keys_) {
    if (key.name() != head->origin) continue;
    auto copy = audit::VerifierKey::from_text(key.text());
    if (!copy) return std::unexpected(std::move(copy).error());
    keys.push_back(*std::move(copy));
  }
  if (keys.empty())
    return audit::WitnessAnswer{
        .status = 404, .body = "a log that is not known here\n", .store = {}};
  const auto before = last(head->origin);
  if (!before) return std::unexpected(before.error());
  const base::SystemClock clock;
  const auto now = static_cast<std::uint64_t>(base::to_unix_ms(clock.now()) / 1000);
  audit::WitnessAnswer answer =
      audit::answer_add_checkpoint(request, keys, *before, own_.signers(), now);
  if (answer.status == 200)
    if (auto written = write_whole(kept(head->origin), parsed->note + answer.body); !written)
      return std::unexpected(std::move(written).error());
  return answer;
}

}  // namespace latticegate::app
