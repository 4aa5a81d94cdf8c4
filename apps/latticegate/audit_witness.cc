// audit witness: sign another gateway's log, if it only grew.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <print>

#include "audit/tile.h"
#include "audit/witness.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "crypto/hash.h"
#include "seen.h"
#include "store/log_keys.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Arguments {
  std::string directory;
  std::string state;
  std::string name;
  std::vector<std::string> keys;
};

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

Result<std::string> request_for(const std::filesystem::path& log,
                                const std::optional<audit::Checkpoint>& last) {
  auto note = store::read_file(store::checkpoint_path(log), audit::note_limit.count);
  if (!note) return std::unexpected(std::move(note).error());
  const auto parsed = audit::read_note(*note);
  if (!parsed) return std::unexpected(parsed.error());
  const auto head = audit::read_checkpoint(parsed->text);
  if (!head) return std::unexpected(head.error());
  audit::AddCheckpoint request{
      .old_size = last ? last->size : 0, .proof = {}, .note = *std::move(note)};
  if (last && last->size > 0 && last->size <= head->size) {
    const store::FolderTiles tiles(log);
    auto proof =
        audit::prove_consistency(last->size, head->size, audit::TileSource(tiles, head->size));
    if (!proof) return std::unexpected(std::move(proof).error());
    request.proof = *std::move(proof);
  }
  return audit::write_add_checkpoint(request);
}

int witness(const Arguments& given) {
  auto log_keys = keys_given(given.keys);
  if (!log_keys) return complain("--key", log_keys.error());
  const std::string origin = log_keys->front().name();
  const std::filesystem::path state = given.state;
  auto own = store::LogKeys::open(state / "keys", given.name, true, store::KeyRole::witness);
  if (!own) return complain("--state", own.error());
  const StateLock lock(state);
  if (!lock.held()) {
    std::println(stderr, "latticegate: cannot lock {}", given.state);
    return unknown;
  }
  const std::string file = crypto::to_hex(crypto::sha256(origin)).substr(0, 32);
  const std::filesystem::path kept = state / (file + ".checkpoint");
  std::optional<audit::Checkpoint> last;
  if (const auto note = store::read_file(kept, audit::note_limit.count)) {
    // What we signed ourselves.
    const auto mine = own->verifiers();
    if (!mine) return complain("--state", mine.error());
    const auto opened = audit::open_checkpoint(*note, *mine, origin);
    if (!opened) {
      (void)complain(kept.string(), opened.error());
      return unknown;
    }
    last = opened->checkpoint;
  } else if (note.error().code != Code::not_found) {
    return complain("--state", note.error());
  }
  const std::filesystem::path log = given.directory;
  auto request = request_for(log, last);
  // Tiles of the checkpoint that we read may be gone already in a log that is being written.
  if (!request && request.error().code == Code::not_found) request = request_for(log, last);
  if (!request) {
    (void)complain("audit log", request.error());
    return unknown;
  }
  const base::SystemClock clock;
  const auto now = static_cast<std::uint64_t>(base::to_unix_ms(clock.now()) / 1000);
  const audit::WitnessAnswer answer =
      audit::answer_add_checkpoint(*request, *log_keys, last, own->signers(), now);
  if (answer.status != 200) {
    std::println(stderr, "latticegate: not signed ({}): {}", answer.status,
                 base::printable(answer.body.substr(0, answer.body.find('\n'))));
    if (last && answer.status == 400)
      std::println(stderr, "latticegate: the log had {} records when it was signed last",
                   last->size);
    return wrong;
  }
  const std::string signed_note = audit::read_add_checkpoint(*request)->note + answer.body;
  const std::filesystem::path pub = state / "witness.pub";
  for (const auto& [path, text] :
       {std::pair(kept, signed_note), std::pair(pub, own->public_text())})
    if (auto written = write_whole(path, text); !written) {
      (void)complain("--state", written.error());
      return unknown;
    }
  std::print("{}", signed_note);
  std::println(stderr, "{} records of {} signed; kept in {}", answer.store->size,
               base::printable(origin), kept.string());
  return done;
}

}  // namespace

void add_audit_witness(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = audit.add_subcommand(
      "witness", "Sign another gateway's log, if it only grew since the last time");
  command
      ->add_option("--directory", given->directory,
                   "The log, or a mirror of its checkpoint and tiles")
      ->required();
  command->add_option("--key", given->keys, "The log's verifier keys, or a file with them")
      ->required();
  command
      ->add_option("--state", given->state,
                   "Folder of the witness: its keys (made at the first time), and the last "
                   "checkpoint of each log")
      ->required();
  command->add_option("--name", given->name, "The witness's name, of its keys")->required();
  command->footer(
      "Prints the checkpoint with the witness's signatures. Anybody who has the witness's keys "
      "(witness.pub\nin its folder) then verifies with: audit verify --checkpoint FILE --witness "
      "witness.pub.\nExit codes: 0 signed, 1 not signed: the log is not the one that it was, 2 "
      "usage, 3 could not be checked.");
  command->callback([&chosen, given] { chosen = [given] { return witness(*given); }; });
}

}  // namespace latticegate::app
