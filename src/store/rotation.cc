#include "store/rotation.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <system_error>
#include <utility>

#include "json/value.h"
#include "json/write.h"
#include "store/open_file.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

constexpr std::string_view suffix = ".tlog-proof";
constexpr std::size_t rotations_limit = 10'000;

void write_keys(json::Writer& writer, std::string_view text) {
  writer.begin_array();
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    writer.string(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  writer.end_array();
}

std::string keys_in(json::Value list) {
  std::string text;
  for (const json::Value key : list.elements()) text += std::string(key.text_or("")) + "\n";
  return text;
}

// The same keys, in whatever order they were given.
bool same_keys(std::string_view one, std::string_view other) {
  const auto lines = [](std::string_view text) {
    std::vector<std::string_view> all;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      all.push_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    std::ranges::sort(all);
    return all;
  };
  return lines(one) == lines(other);
}

}  // namespace

fs::path rotations_path(const fs::path& log) { return log / "rotations"; }
fs::path rotation_path(const fs::path& log, std::uint64_t record) {
  return rotations_path(log) / std::format("{:020}{}", record, suffix);
}

std::string signers_json(const LogKeys& keys) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("after");
  write_keys(writer, keys.public_text());
  writer.key("before");
  write_keys(writer, keys.former_text());
  writer.end_object();
  return out;
}

Result<Rotation> read_rotation(std::string_view text) {
  const auto receipt = audit::read_receipt(text);
  if (!receipt) return std::unexpected(receipt.error());
  if (!receipt->extra || audit::write_receipt(*receipt) != text)
    return fail(Code::malformed, "it is no receipt of ours");
  const auto record = json::Document::parse(*receipt->extra);
  if (!record) return std::unexpected(record.error());
  const json::Value root = record->root();
  const json::Value signers = root["log"]["signers"];
  if (root["type"].text_or("") != "log.rekeyed" ||
      root["seq"].integer() != static_cast<std::int64_t>(receipt->index))
    return fail(Code::malformed, "it is the receipt of another record");
  Rotation rotation{.file = {},
                    .record = receipt->index,
                    .before = keys_in(signers["before"]),
                    .after = keys_in(signers["after"]),
                    .checkpoint = {}};
  const auto keys = read_verifier_keys(rotation.before + rotation.after);
  if (!keys) return std::unexpected(keys.error());
  auto checked = audit::check_receipt(*receipt, *keys, keys->size());
  if (!checked) return std::unexpected(std::move(checked).error());
  rotation.checkpoint = checked->head.checkpoint;
  return rotation;
}

Result<RotationsFound> read_rotations(const fs::path& log) {
  RotationsFound found;
  std::error_code error;
  for (fs::directory_iterator entry(rotations_path(log), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = "rotations/" + entry->path().filename().string();
    if (found.rotations.size() + found.bad.size() == rotations_limit) break;
    const auto text = read_file(entry->path(), audit::receipt_limit.count);
    auto rotation = text ? read_rotation(*text) : std::unexpected(text.error());
    if (!rotation) {
      found.bad.push_back({.file = file, .why = base::describe(rotation.error())});
    } else if (entry->path() != rotation_path(log, rotation->record)) {
      found.bad.push_back(
          {.file = file, .why = std::format("is the receipt of record {}", rotation->record)});
    } else {
      rotation->file = file;
      found.rotations.push_back(*std::move(rotation));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(Code::io,
                std::format("cannot read {}: {}", rotations_path(log).string(), error.message()));
  std::ranges::sort(found.rotations, {}, &Rotation::record);
  return found;
}

std::vector<KeyEpoch> epochs_of(const std::vector<Rotation>& rotations, std::string_view keys) {
  std::vector<KeyEpoch> epochs;
  bool known = false;
  for (const Rotation& rotation : rotations) {
    if (epochs.empty()) epochs.push_back({.from = 0, .keys = rotation.before});
    // A crash between record and receipt leaves two records of one exchange.
    if (same_keys(epochs.back().keys, rotation.after)) continue;
    if (!same_keys(epochs.back().keys, rotation.before))
      return {{.from = 0, .keys = std::string(keys)}};
    epochs.push_back({.from = rotation.record + 1, .keys = rotation.after});
  }
  for (const KeyEpoch& epoch : epochs) known = known || same_keys(epoch.keys, keys);
  if (!known) return {{.from = 0, .keys = std::string(keys)}};
  return epochs;
}

std::string text_of(const std::vector<audit::VerifierKey>& keys) {
  std::string text;
  for (const audit::VerifierKey& key : keys) text += key.text() + "\n";
  return text;
}

}  // namespace latticegate::store
