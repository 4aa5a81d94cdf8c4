#include "store/sealer.h"

#include <pthread.h>

#include <algorithm>
#include <format>
#include <system_error>
#include <utility>

#include "audit/receipt.h"
#include "audit/segment.h"
#include "store/detail/thread.h"
#include "store/query_reader.h"
#include "store/rotation.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

constexpr std::uint64_t flush_at = std::uint64_t{4} * 1024 * 1024;  // bytes of completed files
constexpr std::uint64_t look_back = 10'000'000;  // leaves whose tiles an open makes sure of

std::unexpected<base::Error> altered(const std::filesystem::path& log, std::string_view how) {
  return fail(Code::malformed,
              std::format("the audit log in {} was altered: {}; keep it as it is, run "
                          "'latticegate audit verify' on it, and begin a new one",
                          log.string(), how));
}

// The checkpoint that the log was left with.
Result<std::optional<audit::Checkpoint>> last_checkpoint(const std::filesystem::path& log,
                                                         const std::string& origin,
                                                         const LogKeys& keys) {
  const auto path = checkpoint_path(log);
  const auto note = read_file(path, audit::note_limit.count);
  if (!note && note.error().code == Code::not_found) {
    std::error_code error;
    if (!std::filesystem::is_empty(old_checkpoints_path(log), error) && !error)
      return altered(log, "it was signed, and its checkpoint is gone");
    return std::optional<audit::Checkpoint>();
  }
  if (!note) return std::unexpected(note.error());
  const auto known = keys.verifiers();
  if (!known) return std::unexpected(known.error());
  auto opened = audit::open_checkpoint(*note, *known, origin);
  if (!opened && opened.error().code == Code::crypto)
    return fail(Code::conflict,
                std::format("{} is not signed with this log's keys ({}); give the keys that it was "
                            "signed with, or begin a new log",
                            path.string(), opened.error().detail));
  if (!opened) return base::within(path.string(), std::move(opened).error());
  return std::optional(opened->checkpoint);
}

// Reads leaves from `from` to before `until` with a reader that stands there, and hands them to
// `take`, which may say that it is enough.
template <class Take>
Result<void> read_leaves(LogReader& reader, std::uint64_t from, std::uint64_t until, Take take) {
  for (std::uint64_t seq = from; seq < until; ++seq) {
    const auto entry = reader.next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry || (*entry)->seq != seq)
      return fail(Code::malformed, std::format("record {} is not in the segments", seq));
    if (auto taken = take((*entry)->leaf); !taken) return taken;
  }
  return {};
}
template <class Take>
Result<void> read_leaves(const std::filesystem::path& log, std::uint64_t from, std::uint64_t until,
                         Take take) {
  if (from >= until) return {};
  auto reader = LogReader::open(log, {.seq = from, .since = {}, .last = {}});
  if (!reader) return std::unexpected(std::move(reader).error());
  if (auto read = read_leaves(*reader, from, until, std::move(take)); !read)
    return base::within(log.string(), std::move(read).error());
  return {};
}

Result<void> add_leaves(TreeWriter& tree, const std::filesystem::path& log, std::uint64_t until) {
  const auto add = [&](std::string_view leaf) -> Result<void> {
    tree.add(leaf);
    return tree.waiting_bytes() < flush_at ? Result<void>() : tree.flush();
  };
  if (auto read = read_leaves(log, tree.size(), until, add); !read) return read;
  return tree.flush();
}

// Whether the leaves that the last bundle holds are those of the segments.
Result<bool> same_leaves(const TreeWriter& tree, const std::filesystem::path& log,
                         std::uint64_t minimum) {
  audit::BundleReader bundle(tree.open_bundle());
  bool same = true;
  const auto compare = [&](std::string_view leaf) -> Result<void> {
    same = same && bundle.next() == leaf;
    return {};
  };
  const std::uint64_t begin = tree.size() / audit::tile_width * audit::tile_width;
  const std::uint64_t from = std::max(begin, std::min(minimum, tree.size()));
  for (std::uint64_t given_up = begin; given_up < from; ++given_up) (void)bundle.next();
  if (auto read = read_leaves(log, from, tree.size(), compare); !read)
    return std::unexpected(std::move(read).error());
  return same;
}

// The first record that is left in the segments.
Result<std::uint64_t> first_record(const std::filesystem::path& log) {
  const auto segments = list_segments(log);
  if (!segments) return std::unexpected(segments.error());
  if (segments->empty()) return 0;
  const auto first = SegmentFile::open(segments->front().path);
  if (!first) return std::unexpected(first.error());
  return first->header().first;
}

// The tree over all leaves, from its files as far as they go.
Result<TreeWriter> restore(const std::filesystem::path& log, std::uint64_t next_seq,
                           const std::optional<audit::Checkpoint>& checkpoint, Files& files) {
  if (checkpoint && checkpoint->size > next_seq)
    return altered(log, std::format("its checkpoint covers {} records, and it holds {}",
                                    checkpoint->size, next_seq));
  const auto minimum = first_record(log);
  if (!minimum) return std::unexpected(minimum.error());
  if (checkpoint && tiles_exist(log, checkpoint->size, look_back, *minimum)) {
    auto tree = TreeWriter::load(log, *checkpoint, files);
    if (tree) {
      const auto same = same_leaves(*tree, log, *minimum);
      if (!same) return std::unexpected(same.error());
      if (!*same) return altered(log, "its last signed records are others now");
      if (auto added = add_leaves(*tree, log, next_seq); !added)
        return std::unexpected(std::move(added).error());
      tree->find_leftovers(checkpoint->size);
      return tree;
    }
  }
  if (*minimum > 0)
    return fail(
        Code::malformed,
        std::format("the tiles of {} cannot be made again: the records before {} were given "
                    "up; bring its folder tile/ back from a copy",
                    log.string(), *minimum));
  // No checkpoint yet, or files that are gone: everything once more, from the records.
  TreeWriter tree(log, files);
  if (checkpoint) {
    if (auto added = add_leaves(tree, log, checkpoint->size); !added)
      return std::unexpected(std::move(added).error());
    if (tree.root() != checkpoint->root)
      return altered(log, std::format("its first {} records are not those that were signed",
                                      checkpoint->size));
  }
  if (auto added = add_leaves(tree, log, next_seq); !added)
    return std::unexpected(std::move(added).error());
  tree.find_leftovers(0);
  return tree;
}

}  // namespace

std::filesystem::path checkpoint_path(const std::filesystem::path& log) {
  return log / "checkpoint";
}
std::filesystem::path public_keys_path(const std::filesystem::path& log) { return log / "log.pub"; }
std::filesystem::path old_checkpoints_path(const std::filesystem::path& log) {
  return log / "checkpoints";
}

Sealer::Sealer(SealerOptions options, TreeWriter tree, std::shared_ptr<const LogKeys> keys,
               const base::Clock& clock, Files& files)
    : options_(std::move(options)),
      clock_(clock),
      files_(files),
      tree_(std::move(tree)),
      durable_(tree_.size()),
      keys_(std::move(keys)) {}

Result<std::unique_ptr<Sealer>> Sealer::open(SealerOptions options, std::uint64_t next_seq,
                                             std::shared_ptr<const LogKeys> keys,
                                             const base::Clock& clock, Files& files) {
  const auto checkpoint = last_checkpoint(options.directory, options.origin, *keys);
  if (!checkpoint) return std::unexpected(checkpoint.error());
  auto tree = restore(options.directory, next_seq, *checkpoint, files);
  if (!tree) return std::unexpected(std::move(tree).error());
  std::unique_ptr<Sealer> sealer;
  // tidy: the constructor is private
  sealer.reset(new Sealer(std::move(options), *std::move(tree), std::move(keys), clock, files));
  const fs::path public_keys = public_keys_path(sealer->options_.directory);
  const auto there = read_file(public_keys, 64 * 1024);
  const std::string text = sealer->keys_->public_text();
  // Next keys stand there as soon as a receipt says where they come from.
  const bool announced = there && *there == sealer->keys_->former_text();
  if (!announced && (!there || *there != text))
    if (auto written = sealer->put(public_keys, text); !written)
      return std::unexpected(std::move(written).error());
  sealer->signed_ = *checkpoint ? (*checkpoint)->size : 0;
  sealer->status_.signed_leaves = sealer->signed_;
  if (sealer->tree_.size() > sealer->signed_) sealer->unsigned_since_ = clock.instant();

  sealer->thread_ = quiet_thread([&self = *sealer] { self.run(); });
  return sealer;
}

Sealer::~Sealer() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Sealer::offer(std::uint64_t first, std::uint64_t count, std::string& frames) {
  {
    const std::scoped_lock lock(mutex_);
    durable_ = first + count;
    if (backlog_ + frames.size() <= options_.backlog.count) {
      backlog_ += frames.size();
      chunks_.push_back({.first = first, .count = count, .frames = std::move(frames)});
    }
    frames = {};
    if (!spare_.empty()) {
      frames = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  frames.clear();
  wake_.notify_one();
}

void Sealer::use(std::shared_ptr<const LogKeys> keys) {
  const std::scoped_lock lock(mutex_);
  keys_ = std::move(keys);
}

void Sealer::prove_rotation(std::uint64_t record) {
  const std::scoped_lock lock(mutex_);
  rotation_ = record;
}

Sealer::Status Sealer::status() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

void Sealer::run() {
  pthread_setname_np(pthread_self(), "audit-tree");
  std::vector<Chunk> chunks;
  for (;;) {
    std::uint64_t durable = 0;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return stopping_ || !chunks_.empty() || durable_ > tree_.size(); };
      if (failing_since_) {
        wake_.wait_for(lock, options_.retry, [&] { return stopping_; });
      } else if (tree_.size() > signed_) {
        const auto due = *unsigned_since_ + options_.age - clock_.instant();
        wake_.wait_for(lock, std::max(due, std::chrono::nanoseconds::zero()), ready);
      } else {
        wake_.wait(lock, ready);
      }
      // Buffers of the last round go back to the journal.
      for (Chunk& chunk : chunks)
        if (spare_.size() < 8) spare_.push_back(std::move(chunk.frames));
      chunks.clear();
      std::swap(chunks, chunks_);
      backlog_ = 0;
      durable = durable_;
      stopping = stopping_;
    }
    auto done = take_in(chunks, durable);
    if (tree_.size() > signed_) {
      const base::Instant now = clock_.instant();
      if (!unsigned_since_) unsigned_since_ = now;
      if (done && (stopping || tree_.size() - signed_ >= options_.leaves ||
                   now - *unsigned_since_ >= options_.age))
        done = publish();
    }
    if (!done) {
      failed(done.error());
    } else if (failing_since_) {
      failing_since_.reset();
      blocked_ = false;
      const std::scoped_lock lock(mutex_);
      status_.trouble.clear();
    }
    if (stopping) {
      static_cast<void>(files_.remove(options_.directory / "checkpoint.new").has_value());
      return;
    }
  }
}

void Sealer::failed(const base::Error& error) {
  const base::Instant now = clock_.instant();
  if (!failing_since_) failing_since_ = now;
  if (now - *failing_since_ >= options_.patience) blocked_ = true;
  const std::scoped_lock lock(mutex_);
  status_.trouble = base::describe(error);
}

Result<void> Sealer::take_in(std::vector<Chunk>& chunks, std::uint64_t durable) {
  // Not more into memory before what is there got out.
  if (auto flushed = tree_.flush(); !flushed) return flushed;
  bool behind = false;
  for (const Chunk& chunk : chunks) {
    if (chunk.first > tree_.size()) {
      behind = true;
      if (auto caught = catch_up(chunk.first); !caught) return caught;
    }
    if (auto taken = take_frames(chunk); !taken) return taken;
  }
  if (durable > tree_.size()) return catch_up(durable);
  if (!behind) reader_.reset();
  return {};
}

Result<void> Sealer::take_frames(const Chunk& chunk) {
  std::string_view rest = chunk.frames;
  for (std::uint64_t seq = chunk.first; seq < chunk.first + chunk.count; ++seq) {
    // Our own bytes from memory: their checksums were made a moment ago.
    const std::size_t size = audit::frame_size(rest);
    if (seq == tree_.size())
      if (auto taken = take_leaf(rest.substr(audit::frame_overhead, size - audit::frame_overhead));
          !taken)
        return taken;
    rest.remove_prefix(size);
  }
  return {};
}

Result<void> Sealer::take_leaf(std::string_view leaf) {
  tree_.add(leaf);
  // Counted from the beginning of the log: where tiles are full, few partial ones are needed.
  if (tree_.size() > signed_ && tree_.size() % options_.leaves == 0) return publish();
  return tree_.waiting_bytes() < flush_at ? Result<void>() : tree_.flush();
}

Result<void> Sealer::catch_up(std::uint64_t until) {
  // Reading on, not anew: a reader that begins walks its segment up to there.
  if (reader_)
    reader_->skip_to(tree_.size());
  else if (auto opened =
               LogReader::open(options_.directory, {.seq = tree_.size(), .since = {}, .last = {}}))
    reader_.emplace(*std::move(opened));
  else
    return std::unexpected(std::move(opened).error());
  auto read = read_leaves(*reader_, tree_.size(), until,
                          [this](std::string_view leaf) { return take_leaf(leaf); });
  if (read) return {};
  reader_.reset();
  return base::within(options_.directory.string(), std::move(read).error());
}

Result<void> Sealer::put(const std::filesystem::path& path, std::string_view text, bool often) {
  // For a file that is replaced often, two files take turns: making one each time gets slow.
  const std::filesystem::path fresh = options_.directory / "checkpoint.new";
  auto file = files_.create(fresh);
  if (!file && file.error().code == Code::conflict) {
    file = files_.open(fresh);
    if (file)
      if (auto cut = (*file)->truncate(text.size()); !cut) return cut;
  }
  if (!file) return std::unexpected(std::move(file).error());
  if (auto written = (*file)->write_all(text, 0); !written) return written;
  // So that the name never stands for less than a whole note, whatever happens to the machine.
  if (auto synced = (*file)->sync(); !synced) return synced;
  return often ? files_.exchange(fresh, path) : files_.rename(fresh, path);
}

Result<void> Sealer::write_rotation(std::uint64_t record, const std::string& note) {
  const FolderTiles tiles(options_.directory);
  auto proof = audit::prove_inclusion(record, tree_.size(), audit::TileSource(tiles, tree_.size()));
  if (!proof) return std::unexpected(std::move(proof).error());
  std::string leaf;
  const auto take = [&](std::string_view text) -> Result<void> {
    leaf = text;
    return {};
  };
  if (auto read = read_leaves(options_.directory, record, record + 1, take); !read) return read;
  std::error_code error;
  std::filesystem::create_directories(rotations_path(options_.directory), error);
  const std::string receipt = audit::write_receipt(
      {.extra = leaf, .index = record, .proof = *std::move(proof), .checkpoint = note});
  if (auto written = put(rotation_path(options_.directory, record), receipt); !written)
    return written;
  return files_.sync_folder(rotations_path(options_.directory));
}

Result<void> Sealer::publish() {
  if (auto prepared = tree_.prepare(); !prepared) return prepared;
  const audit::Checkpoint checkpoint{
      .origin = options_.origin, .size = tree_.size(), .root = tree_.root()};
  const base::Time now = clock_.now();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  std::shared_ptr<const LogKeys> keys;
  std::optional<std::uint64_t> rotation;
  {
    const std::scoped_lock lock(mutex_);
    keys = keys_;
    rotation = rotation_;
  }
  const auto note =
      keys->sign(checkpoint, static_cast<std::uint64_t>(std::max<std::int64_t>(0, seconds)));
  if (!note) return std::unexpected(note.error());
  // Before the checkpoint: a log that has one over such a record has its receipt.
  if (rotation && *rotation < checkpoint.size) {
    if (auto written = write_rotation(*rotation, *note); !written) return written;
    if (auto written = put(public_keys_path(options_.directory), keys->public_text()); !written)
      return written;
    const std::scoped_lock lock(mutex_);
    if (rotation_ == rotation) rotation_.reset();
  }
  if (auto written = put(checkpoint_path(options_.directory), *note, true); !written)
    return written;
  tree_.settle();
  signed_ = checkpoint.size;
  unsigned_since_.reset();
  {
    const std::scoped_lock lock(mutex_);
    status_.signed_leaves = signed_;
    status_.signed_at = now;
    ++status_.checkpoints;
  }
  if (kept_at_ && now - *kept_at_ < options_.keep) return {};
  const std::filesystem::path folder = old_checkpoints_path(options_.directory);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail(error == std::errc::no_space_on_device ? Code::unavailable : Code::io,
                std::format("cannot create {}: {}", folder.string(), error.message()));
  if (auto kept = put(folder / std::format("{:020}", checkpoint.size), *note); !kept) return kept;
  kept_at_ = now;
  return {};
}

}  // namespace latticegate::store
