#include "store/verify.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "audit/bundle.h"
#include "audit/segment.h"
#include "audit/tile.h"
#include "crypto/hash.h"
#include "json/value.h"
#include "store/log_keys.h"
#include "store/query_reader.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using audit::Digest;
using audit::tile_width;
using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t full_tile = tile_width * sizeof(Digest);
constexpr std::size_t largest_bundle = tile_width * (audit::leaf_limit.count + 2);
constexpr std::size_t cut_limit = std::size_t{64} * 1024 * 1024;  // of a torn tail that we hash

std::string short_hash(std::string_view digest) {
  return base::to_hex(base::bytes_of(digest.substr(0, 8)));
}
std::string short_hash(const Digest& digest) { return short_hash(base::text_of(digest)); }

bool contains(std::string_view text, std::string_view what) {
  return ::memmem(text.data(), text.size(), what.data(), what.size()) != nullptr;
}

std::string time_of(std::string_view leaf) {
  const auto record = json::Document::parse(leaf);
  return record ? std::string(record->root()["time"].text_or("")) : std::string();
}

// What a size of the tree must give.
struct Expected {
  enum class Kind : std::uint8_t { head, kept, anchor } kind;
  std::string from;
  Digest root;
};

class Verifier {
 public:
  explicit Verifier(const VerifyOptions& options) : options_(options), log_(options.directory) {}

  Result<VerifyReport> run();

 private:
  void problem(std::string file, std::optional<std::uint64_t> record, std::string what) {
    if (report_.problems.size() == problems_limit)
      ++report_.more_problems;
    else
      report_.problems.push_back(
          {.file = std::move(file), .record = record, .what = std::move(what)});
  }
  void not_checked(std::string what) { report_.not_checked.push_back(std::move(what)); }
  void remark(std::string what) { report_.remarks.push_back(std::move(what)); }

  Result<void> read_keys();
  Result<void> read_head();
  Result<void> read_kept();
  void add_anchors();
  Result<void> walk_segments();
  // True when the walk can go on with the next segment.
  Result<bool> walk_segment(const SegmentName& name, bool last);
  Result<void> walk_bundles();
  void leaf(std::string_view text);
  void full_tile_of(unsigned level, std::uint64_t index, std::string_view hashes);
  void full_bundle(std::uint64_t index);
  void at_size();
  void partial_tiles();
  Result<void> look_through_tiles();
  void look_at_tile(const std::string& path);
  Result<void> look_through_rest();
  void judge_end();

  bool is_signed(std::uint64_t end) const { return has_head_ && end <= report_.head.size; }
  // Reads a file that is one of ours; nothing, with a problem told, when it cannot be used.
  std::optional<std::string> contents(const std::string& path, std::size_t limit,
                                      std::optional<std::uint64_t> record, bool must);

  const VerifyOptions& options_;
  const fs::path log_;
  VerifyReport report_;
  std::vector<audit::VerifierKey> keys_;  // required ones first, witnesses behind
  std::size_t required_ = 0;
  bool has_head_ = false;
  bool has_tiles_ = false;
  bool from_bundles_ = false;
  bool broken_ = false;                              // the walk ended before the end of the log
  bool closed_ = false;                              // the last record says so
  std::multimap<std::uint64_t, Expected> expected_;  // by size

  audit::CompactRange range_;
  std::vector<audit::Node> completed_;
  std::array<std::string, 8> tiles_;
  std::string bundle_;
  std::string last_leaf_;
  std::string needle_;
  std::map<std::string, std::pair<std::uint64_t, std::string>> cut_files_;  // name: bytes, sha256
};

std::optional<std::string> Verifier::contents(const std::string& path, std::size_t limit,
                                              std::optional<std::uint64_t> record, bool must) {
  auto bytes = read_file(log_ / path, limit);
  if (bytes) return *std::move(bytes);
  if (bytes.error().code == Code::not_found) {
    if (must) problem(path, record, "is missing");
  } else if (bytes.error().code == Code::too_large) {
    problem(path, record, "is longer than it can be");
  } else {
    not_checked(bytes.error().detail);
  }
  return std::nullopt;
}

Result<void> Verifier::read_keys() {
  const auto own = read_file(public_keys_path(log_), 64 * 1024);
  std::optional<std::vector<audit::VerifierKey>> found;
  if (own) {
    auto keys = read_verifier_keys(*own);
    std::string again;
    if (keys)
      for (const audit::VerifierKey& key : *keys) again += key.text() + "\n";
    if (!keys)
      problem("log.pub", {}, std::format("is damaged: {}", keys.error().detail));
    else if (again != *own)
      problem("log.pub", {}, "holds more than keys");
    if (keys) found = *std::move(keys);
  } else if (own.error().code != Code::not_found) {
    not_checked(own.error().detail);
  }
  const auto copy = [&](const audit::VerifierKey& key) -> Result<void> {
    auto copied = audit::VerifierKey::from_text(key.text());
    if (!copied) return std::unexpected(std::move(copied).error());
    keys_.push_back(*std::move(copied));
    return {};
  };
  if (options_.keys.empty()) {
    report_.own_keys = true;
    if (found) keys_ = *std::move(found);
  } else {
    for (const audit::VerifierKey& key : options_.keys)
      if (auto copied = copy(key); !copied) return copied;
    if (found) {
      const auto known = [&](const audit::VerifierKey& key) {
        return std::ranges::any_of(options_.keys,
                                   [&](const auto& k) { return k.text() == key.text(); });
      };
      if (!std::ranges::all_of(*found, known))
        problem("log.pub", {}, "names other keys than those that were given");
    }
  }
  required_ = keys_.size();
  for (const audit::VerifierKey& key : options_.witnesses)
    if (auto copied = copy(key); !copied) return copied;
  return {};
}

Result<void> Verifier::read_head() {
  const auto note = read_file(checkpoint_path(log_), audit::note_limit.count);
  if (!note) {
    if (note.error().code != Code::not_found && note.error().code != Code::too_large)
      return std::unexpected(note.error());
    std::error_code error;
    // In its first second a log has none.
    const bool kept = fs::exists(old_checkpoints_path(log_), error) &&
                      !fs::is_empty(old_checkpoints_path(log_), error);
    const bool was_signed = kept || !options_.anchors.empty();
    if (was_signed || note.error().code == Code::too_large)
      problem("checkpoint", {}, was_signed ? "is missing" : "is longer than it can be");
    else
      not_checked("the log has no checkpoint: it was never signed");
    return {};
  }
  report_.note = *note;
  // What it says is needed to find the place, also if nobody signed it.
  if (const auto parsed = audit::read_note(*note)) {
    if (auto text = audit::read_checkpoint(parsed->text)) {
      report_.head = *std::move(text);
      has_head_ = true;
    }
  }
  if (required_ == 0) {
    not_checked("there is no key to verify the checkpoint with");
  } else {
    const auto opened = audit::open_checkpoint(*note, keys_, options_.origin);
    if (!opened) {
      problem("checkpoint", {}, opened.error().detail);
    } else {
      for (std::size_t key = 0; key < keys_.size(); ++key) {
        if (opened->endorsed_by(key)) {
          if (key >= required_) report_.witnesses.push_back(keys_[key].name());
        } else if (key < required_) {
          problem(
              "checkpoint", {},
              std::format("is not signed by key {}+{:08x}", keys_[key].name(), keys_[key].id()));
        }
      }
      for (const audit::Endorsement& endorsement : opened->endorsements)
        report_.signed_at = std::max(report_.signed_at, endorsement.timestamp);
    }
  }
  if (has_head_)
    expected_.emplace(
        report_.head.size,
        Expected{.kind = Expected::Kind::head, .from = "checkpoint", .root = report_.head.root});
  return {};
}

Result<void> Verifier::read_kept() {
  std::error_code error;
  const fs::path folder = old_checkpoints_path(log_);
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = "checkpoints/" + entry->path().filename().string();
    const auto note = contents(path, audit::note_limit.count, {}, false);
    if (!note) continue;
    const auto opened = audit::open_checkpoint(
        *note, std::span(keys_).first(required_),
        options_.origin.empty() && has_head_ ? report_.head.origin : options_.origin);
    if (required_ == 0) continue;
    if (!opened) {
      problem(path, {}, opened.error().detail);
      continue;
    }
    for (std::size_t key = 0; key < required_; ++key)
      if (!opened->endorsed_by(key))
        problem(path, {},
                std::format("is not signed by key {}+{:08x}", keys_[key].name(), keys_[key].id()));
    const audit::Checkpoint& checkpoint = opened->checkpoint;
    if (entry->path().filename() != std::format("{:020}", checkpoint.size))
      problem(path, {}, std::format("is the checkpoint of {} records", checkpoint.size));
    if (has_head_ && checkpoint.size > report_.head.size) {
      if (!options_.live)
        problem("checkpoint", {},
                std::format("covers {} records; an earlier one, {}, covers {}: rolled back",
                            report_.head.size, path, checkpoint.size));
      continue;
    }
    expected_.emplace(
        checkpoint.size,
        Expected{.kind = Expected::Kind::kept, .from = path, .root = checkpoint.root});
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(Code::io, std::format("cannot read {}: {}", folder.string(), error.message()));
  return {};
}

void Verifier::add_anchors() {
  for (const Anchor& anchor : options_.anchors) {
    if (has_head_ && anchor.checkpoint.origin != report_.head.origin) {
      problem("checkpoint", {},
              std::format("is that of \"{}\"; {} is of \"{}\"", report_.head.origin, anchor.from,
                          anchor.checkpoint.origin));
    } else if (has_head_ && anchor.checkpoint.size > report_.head.size) {
      problem("", {},
              std::format("rolled back: the log had {} records ({}), now its checkpoint covers {}",
                          anchor.checkpoint.size, anchor.from, report_.head.size));
    } else {
      expected_.emplace(anchor.checkpoint.size, Expected{.kind = Expected::Kind::anchor,
                                                         .from = anchor.from,
                                                         .root = anchor.checkpoint.root});
    }
  }
}

void Verifier::at_size() {
  const auto [first, last] = expected_.equal_range(range_.size());
  if (first == last) return;
  const Digest root = range_.root();
  for (auto it = first; it != last; ++it) {
    const Expected& expected = it->second;
    if (expected.root == root) {
      if (expected.kind == Expected::Kind::kept) ++report_.checkpoints;
      if (expected.kind == Expected::Kind::anchor) report_.anchors.push_back(expected.from);
      continue;
    }
    std::string good = "none is known to be right";
    for (auto before = expected_.begin(); before != first; ++before)
      if (before->first > 0)
        good = std::format("the first {} still were at {}", before->first, before->second.from);
    problem(expected.kind == Expected::Kind::anchor ? "" : expected.from, {},
            std::format("the first {} records are not those that were signed{}: root {}, expected "
                        "{}; {}",
                        range_.size(),
                        expected.kind == Expected::Kind::anchor ? " (" + expected.from + ")" : "",
                        short_hash(root), short_hash(expected.root), good));
  }
  if (has_head_ && range_.size() == report_.head.size) partial_tiles();
}

void Verifier::full_tile_of(unsigned level, std::uint64_t index, std::string_view hashes) {
  const std::string path = audit::tile_path({.level = level, .index = index, .width = tile_width});
  const std::uint64_t leaves = std::uint64_t{1} << (8 * (level + 1));
  const bool must = is_signed((index + 1) * leaves);
  const auto bytes = contents(path, full_tile, index * leaves, must);
  if (!bytes) return;
  if (*bytes == hashes) {
    ++report_.tiles;
    return;
  }
  if (!must) {
    not_checked(std::format("{} differs from records that are not signed yet", path));
    return;
  }
  if (bytes->size() != hashes.size()) {
    problem(path, index * leaves,
            std::format("has {} bytes instead of {}", bytes->size(), hashes.size()));
    return;
  }
  for (std::size_t at = 0; at < hashes.size(); at += sizeof(Digest))
    if (const auto there = std::string_view(*bytes).substr(at, sizeof(Digest));
        there != hashes.substr(at, sizeof(Digest))) {
      const std::uint64_t leaf = (index * tile_width + at / sizeof(Digest)) << (8 * level);
      problem(path, leaf,
              std::format("holds hash {}, the record{} give{} {}", short_hash(there),
                          level == 0 ? "" : "s from there on", level == 0 ? "s" : "",
                          short_hash(hashes.substr(at, sizeof(Digest)))));
      return;
    }
}

void Verifier::full_bundle(std::uint64_t index) {
  if (from_bundles_) return;
  const std::string path = audit::bundle_path(index);
  const bool must = is_signed((index + 1) * tile_width);
  const auto bytes = contents(path, largest_bundle, index * tile_width, must);
  if (!bytes) return;
  if (*bytes == bundle_) {
    ++report_.bundles;
    return;
  }
  if (!must) {
    not_checked(std::format("{} differs from records that are not signed yet", path));
    return;
  }
  audit::BundleReader there(*bytes);
  audit::BundleReader here(bundle_);
  std::uint64_t record = index * tile_width;
  for (; const auto leaf = here.next(); ++record)
    if (there.next() != leaf) break;
  problem(path, std::min(record, (index + 1) * tile_width - 1),
          "holds another record than the segment");
}

void Verifier::leaf(std::string_view text) {
  const std::uint64_t seq = range_.size();
  needle_.clear();
  std::format_to(std::back_inserter(needle_), ",\"seq\":{},", seq);
  if (!contains(text, needle_) && !contains(text, std::string_view(needle_).substr(1)))
    problem("", seq, "a record does not carry its own number");
  if (seq == 0) report_.first_time = time_of(text);
  if (contains(text, R"("cut_file":)") && contains(text, R"("type":"log.opened")"))
    if (const auto record = json::Document::parse(text)) {
      const json::Value log = record->root()["log"];
      cut_files_[std::string(log["cut_file"].text_or(""))] = {
          static_cast<std::uint64_t>(log["cut_bytes"].integer().value_or(0)),
          std::string(log["cut_sha256"].text_or(""))};
    }
  last_leaf_.assign(text);
  completed_.clear();
  range_.append(audit::leaf_hash(text), completed_);
  audit::write_entry(text, bundle_);
  for (const audit::Node& node : completed_) {
    if (node.at.level % audit::tile_height != 0) continue;
    const unsigned level = node.at.level / audit::tile_height;
    std::string& tile = tiles_.at(level);
    tile += base::text_of(node.hash);
    if (tile.size() < full_tile) break;
    const std::uint64_t index = node.at.index / tile_width;
    if (has_tiles_) {
      full_tile_of(level, index, tile);
      if (level == 0) full_bundle(index);
    }
    tile.clear();
    if (level == 0) bundle_.clear();
  }
  at_size();
}

// At the size of the checkpoint: the tiles that it cuts through.
void Verifier::partial_tiles() {
  if (!has_tiles_ || options_.live) return;
  for (unsigned level = 0; level < 8; ++level) {
    const auto width = static_cast<unsigned>(tiles_.at(level).size() / sizeof(Digest));
    if (width == 0) continue;
    const std::uint64_t index = level == 7 ? 0 : range_.size() >> (8 * (level + 1));
    const auto look = [&](const std::string& path, std::string_view wanted, std::size_t limit) {
      const auto bytes = contents(path, limit, {}, true);
      if (!bytes) return;
      if (*bytes != wanted)
        problem(path, {}, "does not hold what the records give");
      else
        ++(path.starts_with("tile/entries/") ? report_.bundles : report_.tiles);
    };
    look(audit::tile_path({.level = level, .index = index, .width = width}), tiles_.at(level),
         full_tile);
    if (level == 0 && !from_bundles_)
      look(audit::bundle_path(index, width), bundle_, largest_bundle);
  }
}

Result<bool> Verifier::walk_segment(const SegmentName& segment, bool last) {
  const std::string path = "seg/" + segment.path.filename().string();
  auto file = SegmentFile::open(segment.path);
  if (!file) {
    if (file.error().code == Code::io) return std::unexpected(std::move(file).error());
    // The last one may be one that a crash left without its header.
    const auto size = read_file(segment.path, audit::header_limit.count);
    if (last && size && (!has_head_ || range_.size() >= report_.head.size))
      not_checked(std::format("{}: {}", path, file.error().detail));
    else
      problem(path, range_.size(), file.error().detail);
    return false;
  }
  const audit::SegmentHeader& header = file->header();
  if (header.number != segment.number) {
    problem(path, range_.size(), std::format("says that it is segment {}", header.number));
    return false;
  }
  if (has_head_ && header.origin != report_.head.origin)
    problem(path, range_.size(), std::format("is of another log, \"{}\"", header.origin));
  if (header.first != range_.size()) {
    problem(
        path, range_.size(),
        std::format("begins with record {}; record {} is missing", header.first, range_.size()));
    return false;
  }
  for (;;) {
    const auto entry = file->next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) break;
    leaf((*entry)->leaf);
  }
  const std::string where =
      std::format("at byte {} ({})", file->valid(), audit::name(file->stop()));
  closed_ = contains(last_leaf_, R"("type":"log.closed")");
  if (file->stop() == audit::Stop::end) {
    ++report_.segments;
    return true;
  }
  if (!last) {
    problem(path, range_.size(), std::format("does not read on {}", where));
    return false;
  }
  if (has_head_ && range_.size() < report_.head.size) {
    problem(path, range_.size(), std::format("does not read on {}", where));
    return false;
  }
  if (!options_.live && closed_ && range_.size() == report_.head.size) {
    problem(path, {}, std::format("goes on behind the end of a log that was closed, {}", where));
    return true;
  }
  if (!options_.live && !file->clean())
    not_checked(
        std::format("{} does not read on {}: what a crash leaves, or a record that was "
                    "altered before it was signed",
                    path, where));
  ++report_.segments;
  return true;
}

Result<void> Verifier::walk_segments() {
  const auto segments = list_segments(log_);
  if (!segments) return std::unexpected(segments.error());
  if (segments->empty()) {
    from_bundles_ = true;
    if (has_tiles_) {
      not_checked("there are no segments here; the records were read from the bundles");
      return walk_bundles();
    }
    return {};
  }
  std::uint64_t number = 1;
  for (const SegmentName& segment : *segments) {
    if (segment.number != number) {
      problem(std::format("seg/{:06}.log", number), range_.size(), "is missing");
      broken_ = true;
      return {};
    }
    const auto good = walk_segment(segment, segment.number == segments->back().number);
    if (!good) return std::unexpected(good.error());
    if (!*good) {
      broken_ = true;
      return {};
    }
    ++number;
  }
  return {};
}

Result<void> Verifier::walk_bundles() {
  const FolderTiles folder(log_);
  const std::uint64_t size = report_.head.size;
  for (std::uint64_t index = 0; index * tile_width < size; ++index) {
    const auto width =
        static_cast<unsigned>(std::min<std::uint64_t>(tile_width, size - index * tile_width));
    const auto bytes = folder.bundle(index, width);
    if (!bytes) {
      problem(audit::bundle_path(index, width), index * tile_width, "is missing");
      broken_ = true;
      return {};
    }
    audit::BundleReader reader(*bytes);
    for (unsigned i = 0; i < width; ++i) {
      const auto text = reader.next();
      if (!text || text->size() > audit::leaf_limit.count) {
        problem(audit::bundle_path(index, width), range_.size(), "is damaged");
        broken_ = true;
        return {};
      }
      leaf(*text);
    }
    if (!reader.complete())
      problem(audit::bundle_path(index, width), {}, "has bytes behind its last record");
    ++report_.bundles;
  }
  return {};
}

// A file below tile/ that is there: is it one of ours, and does it hold what it should?
void Verifier::look_at_tile(const std::string& path) {
  const auto stored = audit::tile_from_path(path);
  if (!stored) {
    problem(path, {}, "does not belong there");
    return;
  }
  const audit::Tile& tile = stored->tile;
  const std::uint64_t hashes = range_.size() >> (8 * tile.level);  // of the whole level
  const std::uint64_t end = tile.index * tile_width + tile.width;
  if (end > hashes) {
    if (!options_.live && !broken_) problem(path, {}, "is of records that are not there");
    return;
  }
  if (tile.width == tile_width) return;  // seen on the way
  // A partial one: the beginning of the full one, or of what is open.
  const bool open = tile.index == hashes / tile_width;
  const auto bytes = contents(path, largest_bundle, {}, false);
  if (!bytes) return;
  std::string whole;
  if (open) {
    whole = stored->entries ? bundle_ : tiles_.at(tile.level);
  } else {
    // The full one; or, while that is not signed and perhaps not written, the one of the
    // checkpoint, which was compared on the way.
    const std::uint64_t full_end = (tile.index + 1) * tile_width << (8 * tile.level);
    const auto width = static_cast<unsigned>(report_.head.size >> (8 * tile.level) & 0xFFU);
    const unsigned other = is_signed(full_end) ? tile_width : std::max(width, tile.width);
    auto read =
        contents(stored->entries
                     ? audit::bundle_path(tile.index, other)
                     : audit::tile_path({.level = tile.level, .index = tile.index, .width = other}),
                 largest_bundle, {}, true);
    if (!read) return;
    whole = *std::move(read);
  }
  std::size_t size = tile.width * sizeof(Digest);
  if (stored->entries) {
    size = 0;
    audit::BundleReader reader(whole);
    for (unsigned i = 0; i < tile.width; ++i)
      if (const auto text = reader.next()) size += 2 + text->size();
  }
  if (*bytes == std::string_view(whole).substr(0, size)) return;
  if (is_signed(end << (8 * tile.level)))
    problem(path, {}, "does not hold what the records give");
  else if (!options_.live)
    not_checked(std::format("{} is not whole; nothing that was signed needs it", path));
}

Result<void> Verifier::look_through_tiles() {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(log_ / "tile", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path().lexically_relative(log_).generic_string();
    std::error_code unused;
    if (entry->symlink_status(unused).type() == fs::file_type::directory) continue;
    if (entry->symlink_status(unused).type() != fs::file_type::regular)
      problem(path, {}, "is no regular file");
    else
      look_at_tile(path);
  }
  if (error == std::errc::no_such_file_or_directory && options_.live) return {};
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", log_.string(), error.message()));
  return {};
}

Result<void> Verifier::look_through_rest() {
  std::error_code error;
  for (fs::directory_iterator entry(log_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    static const std::set<std::string, std::less<>> ours{"checkpoint", "checkpoints", "lock",
                                                         "log.pub",    "seg",         "tile"};
    std::error_code unused;
    if (file == "lock" && fs::file_size(entry->path(), unused) != 0)
      problem(file, {}, "is not empty");
    if (file == "checkpoint.new") {
      // The one before, or one half-written: nobody reads it.
      if (!options_.live) remark("checkpoint.new is left from a process that was killed");
    } else if (!ours.contains(file)) {
      remark(std::format("{} is no part of the log", file));
    }
  }
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", log_.string(), error.message()));
  for (fs::directory_iterator entry(segment_folder(log_), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    const std::string path = "seg/" + file;
    if (const auto cut = cut_files_.find(file); cut != cut_files_.end()) {
      const auto bytes = contents(path, cut_limit, {}, false);
      const auto& [size, sha256] = cut->second;
      if (bytes && (bytes->size() != size ||
                    (!sha256.empty() && crypto::to_hex(crypto::sha256(*bytes)) != sha256)))
        problem(path, {}, "is not what recovery put aside");
      cut_files_.erase(cut);
    } else if (file.contains(".cut-")) {
      remark(std::format("{}: put aside by a recovery that was itself cut short", path));
    } else {
      const auto segments = list_segments(log_);
      if (segments &&
          !std::ranges::contains(*segments, entry->path().filename(),
                                 [](const SegmentName& s) { return s.path.filename(); }))
        problem(path, {}, "does not belong there");
    }
  }
  if (!from_bundles_)
    for (const auto& [file, unused] : cut_files_) problem("seg/" + file, {}, "is missing");
  return {};
}

void Verifier::judge_end() {
  if (!last_leaf_.empty()) report_.last_time = time_of(last_leaf_);
  report_.records = range_.size();
  if (has_head_ && range_.size() < report_.head.size && !broken_)
    problem("", range_.size(),
            std::format("records {} to {} are missing", range_.size(), report_.head.size - 1));
  if (has_head_ && !options_.live && report_.unsigned_records() > 0)
    not_checked(
        std::format("{} records behind the checkpoint are not signed", report_.unsigned_records()));
  if (broken_) not_checked(std::format("nothing behind record {} was read", range_.size()));
}

Result<VerifyReport> Verifier::run() {
  std::error_code error;
  has_tiles_ = fs::is_directory(log_ / "tile", error);
  if (!has_tiles_ && !fs::is_directory(segment_folder(log_), error) &&
      !fs::exists(checkpoint_path(log_), error))
    return fail(Code::not_found, std::format("there is no audit log in {}", log_.string()));
  if (auto done = read_keys(); !done) return std::unexpected(std::move(done).error());
  if (auto done = read_head(); !done) return std::unexpected(std::move(done).error());
  if (auto done = read_kept(); !done) return std::unexpected(std::move(done).error());
  add_anchors();
  if (has_head_ && report_.head.size > 0 && !has_tiles_)
    not_checked("there are no tiles and bundles here");
  at_size();
  if (auto done = walk_segments(); !done) return std::unexpected(std::move(done).error());
  if (has_tiles_)
    if (auto done = look_through_tiles(); !done) return std::unexpected(std::move(done).error());
  if (auto done = look_through_rest(); !done) return std::unexpected(std::move(done).error());
  judge_end();
  return std::move(report_);
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::verified: return "verified";
    case Verdict::tampered: return "tampered";
    case Verdict::incomplete: return "incomplete";
    case Verdict::unwitnessed: return "unwitnessed";
  }
  std::unreachable();
}

Verdict VerifyReport::verdict() const {
  if (!problems.empty()) return Verdict::tampered;
  if (!not_checked.empty()) return Verdict::incomplete;
  return anchors.empty() && witnesses.empty() ? Verdict::unwitnessed : Verdict::verified;
}

Result<VerifyReport> verify_log(const VerifyOptions& options) { return Verifier(options).run(); }

}  // namespace latticegate::store
