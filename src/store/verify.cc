#include "store/verify.h"

#include <algorithm>
#include <format>
#include <set>
#include <system_error>
#include <utility>

#include "crypto/hash.h"
#include "store/detail/verifier.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

namespace latticegate::store {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

namespace {

constexpr std::size_t cut_limit = std::size_t{64} * 1024 * 1024;  // of a torn tail that we hash

}  // namespace

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

Result<void> Verifier::look_through_rest() {
  std::error_code error;
  for (fs::directory_iterator entry(log_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    static const std::set<std::string, std::less<>> ours{
        "checkpoint", "checkpoints", "lock", "log.pub", "seg", "tile", "blob", "rotations"};
    std::error_code unused;
    if (file == "lock" && fs::file_size(entry->path(), unused) != 0)
      problem(file, {}, "is not empty");
    if (file == "checkpoint.new" || file == "segment.new") {
      // The one before, or one half-written: nobody reads it.
      if (!options_.live) remark(std::format("{} is left from a process that was killed", file));
    } else if (!ours.contains(file)) {
      remark(std::format("{} is no part of the log", file));
    }
  }
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", log_.string(), error.message()));
  const auto segments = list_segments(log_);
  if (!segments) return std::unexpected(segments.error());
  std::set<std::string, std::less<>> segment_files;
  std::set<std::string, std::less<>> body_files;
  for (const SegmentName& segment : *segments) {
    segment_files.insert(segment_path(log_, segment.number).filename());
    segment_files.insert(packed_path(log_, segment.number).filename());
    body_files.insert(body_path(log_, segment.number).filename());
  }
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
    } else if (!segment_files.contains(file)) {
      problem(path, {}, "does not belong there");
    }
  }
  if (!from_bundles_)
    for (const auto& [file, unused] : cut_files_) problem("seg/" + file, {}, "is missing");
  for (fs::directory_iterator entry(body_folder(log_), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    if (!body_files.contains(file)) problem("blob/" + file, {}, "does not belong there");
  }
  return {};
}

void Verifier::judge_end() {
  if (!last_leaf_.empty()) report_.last_time = time_of(last_leaf_);
  report_.records = tree_.size();
  if (has_head_ && tree_.size() < report_.head.size && !broken_)
    problem("", tree_.size(),
            std::format("records {} to {} are missing", tree_.size(), report_.head.size - 1));
  if (has_head_ && !options_.live && report_.unsigned_records() > 0)
    not_checked(
        std::format("{} records behind the checkpoint are not signed", report_.unsigned_records()));
  if (broken_) not_checked(std::format("nothing behind record {} was read", tree_.size()));
}

Result<VerifyReport> Verifier::run() {
  std::error_code error;
  has_tiles_ = fs::is_directory(log_ / "tile", error);
  has_bodies_ = fs::is_directory(body_folder(log_), error);
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
  judge_given_up();
  judge_rotations();
  judge_end();
  return std::move(report_);
}

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
