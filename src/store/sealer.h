// Keeps the log's tree and signs it: what makes the log one that nobody can alter unseen.
//
// A thread of its own takes the frames of each durable batch from the journal, hashes the leaves
// into the tree, writes tiles and bundles, and publishes a checkpoint as soon as 4,096 leaves or
// one second came together since the last one, and at the end. Only leaves that are durable get
// into the tree, so a signed checkpoint never covers what a crash can take back. Nothing here makes
// a commit wait: when the thread falls behind, batches are dropped from memory and read again from
// the segments.
//
// When tiles or checkpoints cannot be written, the sealer tries again; after `patience` blocked()
// says so and the journal refuses calls until it works again.
//
// Opening compares what was signed with what is in the segments, and refuses (Code::malformed) a
// log that a crash cannot explain: shorter than its checkpoint, or with other records. Code::
// conflict: it was signed with other keys. Tiles that are missing or wrong are made again.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/file.h"
#include "store/log_keys.h"
#include "store/query_reader.h"
#include "store/tree_writer.h"

namespace latticegate::store {

// Names in the log's folder.
std::filesystem::path checkpoint_path(const std::filesystem::path& log);       // the latest
std::filesystem::path public_keys_path(const std::filesystem::path& log);      // verifier keys
std::filesystem::path old_checkpoints_path(const std::filesystem::path& log);  // one an hour

struct SealerOptions {
  std::filesystem::path directory{};
  std::string origin{};
  std::uint64_t leaves = 4096;          // a checkpoint at the latest after so many
  std::chrono::milliseconds age{1000};  // and after so much time
  std::chrono::seconds keep{3600};      // time between checkpoints that are kept for good
  base::Bytes backlog{std::uint64_t{16} * 1024 * 1024};  // of frames in memory
  std::chrono::milliseconds retry{200};
  std::chrono::milliseconds patience{10'000};
};

class Sealer {
 public:
  // `next_seq`: how many leaves the segments hold. Reads those that no checkpoint covers, or all of
  // them when the tiles have to be made again. Clock and files outlive it.
  [[nodiscard]] static base::Result<std::unique_ptr<Sealer>> open(
      SealerOptions options, std::uint64_t next_seq, std::shared_ptr<const LogKeys> keys,
      const base::Clock& clock, Files& files);
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;
  // Takes in and signs what was offered, as far as the disk lets it, and ends the thread.
  ~Sealer();

  // From the journal's writer: the frames of `count` leaves from seq `first` on, which are durable.
  // Takes the bytes and leaves an empty buffer. Never waits.
  void offer(std::uint64_t first, std::uint64_t count, std::string& frames);

  // From the next checkpoint on these sign. Any thread.
  void use(std::shared_ptr<const LogKeys> keys);
  // The record that names the keys that sign now is durable and has that number: the first
  // checkpoint over it gets a receipt of it (store/rotation.h), and log.pub holds the latest keys.
  // Any thread.
  void prove_rotation(std::uint64_t record);

  // Whether nothing could be sealed for too long. Any thread.
  bool blocked() const { return blocked_.load(std::memory_order_relaxed); }

  struct Status {
    std::uint64_t signed_leaves = 0;
    base::Time signed_at{};
    std::uint64_t checkpoints = 0;  // since open()
    std::string trouble;            // why it does not go on
  };
  Status status() const;

 private:
  struct Chunk {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::string frames;
  };
  Sealer(SealerOptions options, TreeWriter tree, std::shared_ptr<const LogKeys> keys,
         const base::Clock& clock, Files& files);

  void run();
  [[nodiscard]] base::Result<void> take_in(std::vector<Chunk>& chunks, std::uint64_t durable);
  [[nodiscard]] base::Result<void> take_frames(const Chunk& chunk);
  [[nodiscard]] base::Result<void> take_leaf(std::string_view leaf);
  // From the segments, up to that leaf.
  [[nodiscard]] base::Result<void> catch_up(std::uint64_t until);
  [[nodiscard]] base::Result<void> publish();
  [[nodiscard]] base::Result<void> write_rotation(std::uint64_t record, const std::string& note);
  // A small file, whole or not at all. `often`: one that is replaced again and again.
  [[nodiscard]] base::Result<void> put(const std::filesystem::path& path, std::string_view text,
                                       bool often = false);
  void failed(const base::Error& error);

  const SealerOptions options_;
  const base::Clock& clock_;
  Files& files_;

  // Of the sealing thread.
  TreeWriter tree_;
  std::optional<LogReader> reader_;  // while the segments are caught up with
  std::uint64_t signed_ = 0;
  std::optional<base::Instant> unsigned_since_;
  std::optional<base::Instant> failing_since_;
  std::optional<base::Time> kept_at_;  // the last checkpoint that is kept for good

  std::atomic<bool> blocked_{false};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Chunk> chunks_;
  std::vector<std::string> spare_;
  std::uint64_t backlog_ = 0;
  std::uint64_t durable_ = 0;
  std::shared_ptr<const LogKeys> keys_;
  std::optional<std::uint64_t> rotation_;  // that has no receipt yet
  bool stopping_ = false;
  Status status_;

  std::jthread thread_;
};

}  // namespace latticegate::store
