#include <algorithm>
#include <format>
#include <utility>

#include "audit/bundle.h"
#include "crypto/hash.h"
#include "json/value.h"
#include "store/detail/verifier.h"
#include "store/tree_writer.h"

namespace latticegate::store {
namespace {

using audit::Digest;
using audit::tile_width;
using base::Code;

}  // namespace

bool Verifier::take_given_up(std::uint64_t first) {
  first_ = first;
  if (first >= audit::tree_size_limit) return false;
  const FolderTiles tiles(log_);
  const auto cut = [this](const audit::StoredTile& tile, std::string& bytes) {
    if (!tile.entries) full_tile_of(tile, bytes);
  };
  while (tree_.size() < first) {
    const std::uint64_t index = tree_.size() / tile_width;
    const auto width =
        static_cast<unsigned>(std::min<std::uint64_t>(tile_width, first - tree_.size()));
    const audit::Tile tile{.level = 0, .index = index, .width = width};
    const auto bytes = tiles.tile(tile);
    if (!bytes || bytes->size() != width * sizeof(Digest)) {
      problem(audit::tile_path(tile), tree_.size(), "is missing, and its records were given up");
      return false;
    }
    // A bundle that is still there holds what its tile says; the last one holds records behind
    // these.
    const auto entries = tiles.bundle(index, width);
    const bool shared = width < tile_width;
    if (shared && !entries) {
      problem(audit::bundle_path(index, width), tree_.size(), "is missing");
      return false;
    }
    audit::BundleReader reader(entries ? std::string_view(*entries) : std::string_view());
    for (std::string_view rest = *bytes; !rest.empty(); rest.remove_prefix(sizeof(Digest))) {
      Digest hash;
      std::ranges::copy(base::bytes_of(rest.substr(0, sizeof(Digest))), hash.begin());
      const auto leaf = reader.next();
      if (entries && (!leaf || audit::leaf_hash(*leaf) != hash)) {
        problem(audit::bundle_path(index, width), tree_.size(), "does not hold what its tile says");
        return false;
      }
      if (shared)
        tree_.add(*leaf, cut);
      else
        tree_.add_hash(hash, cut);
      at_size();
    }
  }
  report_.pruned = first;
  return true;
}

void Verifier::take_custody(std::string_view type, std::string_view leaf) {
  if (type != "log.pruned" && type != "erasure.done" && type != "bodies.expired" &&
      type != "log.rekeyed")
    return;
  const auto record = json::Document::parse(leaf);
  if (!record) return;
  const json::Value log = record->root()["log"];
  if (type == "log.pruned")
    given_up_ =
        std::max(given_up_, static_cast<std::uint64_t>(log["minimum"].integer().value_or(0)));
  if (type == "log.rekeyed")
    for (const json::Value key : log["signers"]["after"].elements())
      rekeyed_[tree_.size()] += std::string(key.text_or("")) + "\n";
  if (type == "erasure.done" || type == "bodies.expired")
    for (const json::Value key : log["keys"].elements()) destroyed_.emplace(key.text_or(""));
}

void Verifier::open_bodies(std::uint64_t segment) {
  bodies_.reset();
  next_body_.reset();
  if (!has_bodies_) return;
  const auto path = body_path(log_, segment);
  bodies_path_ = path.lexically_relative(log_).generic_string();
  auto reader = BodyReader::open(path);
  if (!reader) {
    if (reader.error().code != Code::not_found) not_checked(reader.error().detail);
    return;
  }
  bodies_.emplace(*std::move(reader));
  if (const auto frame = bodies_->next()) next_body_ = *frame;
}

void Verifier::body_of(std::string_view leaf, std::uint64_t seq) {
  if (!contains(leaf, R"("ct_sha256":")")) return;
  const auto record = json::Document::parse(leaf);
  if (!record) return;
  const json::Value root = record->root();
  const json::Value kept = root["req"]["ct_sha256"].exists() ? root["req"] : root["res"];
  const std::string_view wanted = kept["ct_sha256"].text_or("");
  if (wanted.empty()) return;
  if (from_bundles_ || !has_bodies_) {
    ++without_folder_;
    return;
  }
  // Frames of records that never became durable may lie between.
  while (next_body_ && next_body_->seq < seq) {
    const auto frame = bodies_->next();
    next_body_ = frame ? *frame : std::nullopt;
  }
  if (!next_body_ || next_body_->seq != seq) {
    Lost& lost = lost_[std::string(kept["key"].text_or(""))];
    if (lost.bodies++ == 0) lost.record = seq;
    return;
  }
  // Of a batch that failed and was written once more there are two: the later one counts.
  bool good = false;
  std::string why = "is not the body that was recorded";
  while (next_body_ && next_body_->seq == seq) {
    const auto envelope = bodies_->envelope(*next_body_);
    if (!envelope)
      why = "is damaged";
    else
      good = good || crypto::to_hex(crypto::sha256(*envelope)) == wanted;
    const auto frame = bodies_->next();
    next_body_ = frame ? *frame : std::nullopt;
  }
  if (good)
    ++report_.bodies;
  else
    problem(bodies_path_, seq, why);
}

void Verifier::rest_of_bodies() {
  if (bodies_ && next_body_ && !options_.live)
    remark(std::format("{} holds bodies behind those of its records: left from a failure",
                       bodies_path_));
}

void Verifier::judge_rotations() {
  for (const Rotation& rotation : rotations_)
    if (!options_.live && rotation.checkpoint.size > tree_.size())
      problem(rotation.file, rotation.record,
              std::format("the log had {} records when it got other keys: rolled back",
                          rotation.checkpoint.size));
  for (const auto& [record, keys] : rekeyed_)
    if (is_signed(record + 1) && std::ranges::none_of(rotations_, [&](const Rotation& rotation) {
          return rotation.after == keys;
        }))
      problem("rotations", record, "the receipt of this change of keys is missing");
}

void Verifier::judge_given_up() {
  report_.keys_destroyed = destroyed_.size();
  if (without_folder_ > 0) not_checked(std::format("{} bodies are not here", without_folder_));
  for (const auto& [key, lost] : lost_) {
    if (destroyed_.contains(key))
      report_.bodies_gone += lost.bodies;
    else
      problem("blob", lost.record,
              lost.bodies == 1
                  ? std::string("its body is missing")
                  : std::format("its body is missing, and {} others", lost.bodies - 1));
  }
  if (first_ <= given_up_ || broken_) return;
  problem("", given_up_,
          given_up_ == 0
              ? std::format("records 0 to {} are missing; the log does not say that they were "
                            "given up",
                            first_ - 1)
              : std::format("records {} to {} are missing; only those before {} were given up",
                            given_up_, first_ - 1, given_up_));
}

}  // namespace latticegate::store
