#include "store/detail/verifier.h"

#include <algorithm>
#include <format>
#include <system_error>

#include "store/log_keys.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

namespace latticegate::store {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

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

}  // namespace latticegate::store
