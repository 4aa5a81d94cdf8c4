#include "store/detail/verifier.h"

#include <string.h>

#include <format>
#include <utility>

#include "audit/bundle.h"
#include "audit/leaf.h"
#include "json/value.h"
#include "store/tree_writer.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using audit::Digest;
using audit::tile_width;
using base::Code;
using base::fail;
using base::Result;

}  // namespace

// string_view::find stops at every quotation mark, of which records are full.
bool contains(std::string_view text, std::string_view what) {
  return ::memmem(text.data(), text.size(), what.data(), what.size()) != nullptr;
}

std::string time_of(std::string_view leaf) {
  const auto record = json::Document::parse(leaf);
  return record ? std::string(record->root()["time"].text_or("")) : std::string();
}

void Verifier::at_size() {
  const auto [first, last] = expected_.equal_range(tree_.size());
  if (first == last) return;
  const Digest root = tree_.root();
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
                        tree_.size(),
                        expected.kind == Expected::Kind::anchor ? " (" + expected.from + ")" : "",
                        short_hash(root), short_hash(expected.root), good));
  }
  if (has_head_ && tree_.size() == report_.head.size) partial_tiles();
}

void Verifier::leaf(std::string_view text) {
  const std::uint64_t seq = tree_.size();
  needle_.clear();
  std::format_to(std::back_inserter(needle_), ",\"seq\":{},", seq);
  if (!contains(text, needle_) && !contains(text, std::string_view(needle_).substr(1)))
    problem("", seq, "a record does not carry its own number");
  if (seq == 0) report_.first_time = time_of(text);
  const std::string_view type = audit::type_of(text);
  if (type == "log.opened" && contains(text, R"("cut_file":)"))
    if (const auto record = json::Document::parse(text)) {
      const json::Value log = record->root()["log"];
      cut_files_[std::string(log["cut_file"].text_or(""))] = {
          static_cast<std::uint64_t>(log["cut_bytes"].integer().value_or(0)),
          std::string(log["cut_sha256"].text_or(""))};
    }
  take_custody(type, text);
  body_of(text, seq);
  last_leaf_.assign(text);
  tree_.add(text, [this](const audit::StoredTile& tile, std::string& bytes) {
    if (has_tiles_) full_tile_of(tile, bytes);
  });
  at_size();
}

Result<bool> Verifier::walk_segment(const SegmentName& segment, bool last) {
  const std::string path = "seg/" + segment.path.filename().string();
  auto file = SegmentFile::open(segment.path);
  if (!file) {
    if (file.error().code == Code::io) return std::unexpected(std::move(file).error());
    // The last one may be one that a crash left without its header.
    const auto size = read_file(segment.path, audit::header_limit.count);
    if (last && size && (!has_head_ || tree_.size() >= report_.head.size))
      not_checked(std::format("{}: {}", path, file.error().detail));
    else
      problem(path, tree_.size(), file.error().detail);
    return false;
  }
  const audit::SegmentHeader& header = file->header();
  if (header.number != segment.number) {
    problem(path, tree_.size(), std::format("says that it is segment {}", header.number));
    return false;
  }
  if (has_head_ && header.origin != report_.head.origin)
    problem(path, tree_.size(), std::format("is of another log, \"{}\"", header.origin));
  if (tree_.size() == 0 && header.first > 0 && header.number > 1 && !take_given_up(header.first))
    return false;
  open_bodies(segment.number);
  if (header.first != tree_.size()) {
    problem(path, tree_.size(),
            std::format("begins with record {}; record {} is missing", header.first, tree_.size()));
    return false;
  }
  for (;;) {
    const auto entry = file->next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) break;
    leaf((*entry)->leaf);
  }
  rest_of_bodies();
  if (segment.twice) packed_beside(segment.number);
  const std::string where =
      std::format("at byte {} ({})", file->valid(), audit::name(file->stop()));
  closed_ = contains(last_leaf_, R"("type":"log.closed")");
  if (file->stop() == audit::Stop::end) {
    ++report_.segments;
    return true;
  }
  if (!last) {
    problem(path, tree_.size(), std::format("does not read on {}", where));
    return false;
  }
  if (has_head_ && tree_.size() < report_.head.size) {
    problem(path, tree_.size(), std::format("does not read on {}", where));
    return false;
  }
  if (!options_.live && closed_ && tree_.size() == report_.head.size) {
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

void Verifier::packed_beside(std::uint64_t number) {
  auto plain = SegmentFile::open(segment_path(log_, number));
  auto packed = SegmentFile::open(packed_path(log_, number));
  if (!packed && packed.error().code == Code::not_found) return;  // the log is being written
  bool same = plain && packed && plain->header().first == packed->header().first &&
              plain->header().created == packed->header().created &&
              plain->header().origin == packed->header().origin;
  while (same) {
    const auto here = plain->next();
    const auto there = packed->next();
    same = here && there && here->has_value() == there->has_value() &&
           (!*here || (*here)->leaf == (*there)->leaf);
    if (!same || !*here) break;
  }
  if (same && packed->stop() == audit::Stop::end && packed->valid() == plain->valid())
    remark(std::format("seg/{:06}.log is there plain and packed: left from a crash", number));
  else
    problem(std::format("seg/{:06}.log.zst", number), {}, "is not what lies plain beside it");
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
  std::uint64_t number = segments->front().number;
  for (const SegmentName& segment : *segments) {
    if (segment.number != number) {
      problem(std::format("seg/{:06}.log", number), tree_.size(), "is missing");
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
        problem(audit::bundle_path(index, width), tree_.size(), "is damaged");
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

}  // namespace latticegate::store
