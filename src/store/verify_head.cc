#include "store/detail/verifier.h"

#include <algorithm>
#include <charconv>
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

Result<void> Verifier::follow_keys(const std::string& known) {
  auto found = read_rotations(log_);
  if (!found) return std::unexpected(std::move(found).error());
  for (const RotationsFound::Bad& bad : found->bad) problem(bad.file, {}, bad.why);
  rotations_ = std::move(found->rotations);
  for (const KeyEpoch& epoch : epochs_of(rotations_, known)) {
    Signers signers{.from = epoch.from, .keys = {}, .required = 0};
    if (!epoch.keys.empty()) {
      auto keys = read_verifier_keys(epoch.keys);
      if (!keys) return std::unexpected(std::move(keys).error());
      signers.keys = *std::move(keys);
    }
    signers.required = signers.keys.size();
    for (const audit::VerifierKey& key : options_.witnesses) {
      auto copied = audit::VerifierKey::from_text(key.text());
      if (!copied) return std::unexpected(std::move(copied).error());
      signers.keys.push_back(*std::move(copied));
    }
    report_.keys = epoch.keys;
    epochs_.push_back(std::move(signers));
  }
  for (const Rotation& rotation : rotations_)
    expected_.emplace(rotation.checkpoint.size, Expected{.kind = Expected::Kind::kept,
                                                         .from = rotation.file,
                                                         .root = rotation.checkpoint.root});
  return {};
}

const Verifier::Signers& Verifier::signers_of(std::uint64_t size) const {
  const auto after = std::ranges::find_if(epochs_.rbegin(), epochs_.rend(), [&](const auto& epoch) {
    return epoch.from == 0 || size >= epoch.from;
  });
  return *after;
}

Result<void> Verifier::read_keys() {
  const auto own = read_file(public_keys_path(log_), 64 * 1024);
  std::string there;
  if (own) {
    const auto keys = read_verifier_keys(*own);
    if (keys) there = text_of(*keys);
    if (!keys)
      problem("log.pub", {}, std::format("is damaged: {}", keys.error().detail));
    else if (there != *own)
      problem("log.pub", {}, "holds more than keys");
  } else if (own.error().code != Code::not_found) {
    not_checked(own.error().detail);
  }
  report_.own_keys = options_.keys.empty();
  if (auto done = follow_keys(report_.own_keys ? there : text_of(options_.keys)); !done)
    return done;
  if (there.empty()) return {};
  // While the log is getting other keys the former ones may still stand there.
  const auto stands = [&](const Signers& epoch) {
    for (const audit::VerifierKey& key : std::span(epoch.keys).first(epoch.required))
      if (!there.contains(key.text() + "\n")) return false;
    return true;
  };
  const std::size_t first = epochs_.size() < 2 ? 0 : epochs_.size() - 2;
  if (std::ranges::none_of(std::span(epochs_).subspan(first), stands))
    problem("log.pub", {}, "names other keys than those that were given");
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
  const auto& [from, keys, required] = signers_of(report_.head.size);
  if (required == 0) {
    not_checked("there is no key to verify the checkpoint with");
  } else {
    const auto opened = audit::open_checkpoint(*note, keys, options_.origin);
    if (!opened) {
      problem("checkpoint", {}, opened.error().detail);
    } else {
      for (std::size_t key = 0; key < keys.size(); ++key) {
        if (opened->endorsed_by(key)) {
          if (key >= required) report_.witnesses.push_back(keys[key].name());
        } else if (key < required) {
          problem("checkpoint", {},
                  std::format("is not signed by key {}+{:08x}", keys[key].name(), keys[key].id()));
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
    // Its name says which keys; that it is not its size is told below.
    std::uint64_t named = 0;
    const std::string digits = entry->path().filename().string();
    std::from_chars(digits.data(), digits.data() + digits.size(), named);
    const auto& [from, keys, required] = signers_of(named);
    const auto opened = audit::open_checkpoint(
        *note, std::span(keys).first(required),
        options_.origin.empty() && has_head_ ? report_.head.origin : options_.origin);
    if (required == 0) continue;
    if (!opened) {
      problem(path, {}, opened.error().detail);
      continue;
    }
    for (std::size_t key = 0; key < required; ++key)
      if (!opened->endorsed_by(key))
        problem(path, {},
                std::format("is not signed by key {}+{:08x}", keys[key].name(), keys[key].id()));
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
