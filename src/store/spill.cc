#include "store/spill.h"

#include <chrono>
#include <format>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "audit/export.h"
#include "audit/segment.h"
#include "json/value.h"
#include "store/open_file.h"
#include "store/query_reader.h"

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t place = 4;
constexpr std::size_t most = std::size_t{512} * 1024 * 1024;

// What is the same of a record in the log and set aside: its uid; of one without, its text, from
// which the seq is missing.
std::string name_of(json::Value record, std::string_view text) {
  const auto uid = record["uid"].string();
  return std::string(uid ? *uid : text);
}

}  // namespace

Result<std::vector<Spill::Kept>> Spill::read() const {
  std::vector<Kept> found;
  const auto bytes = read_file(file_.path(), most);
  if (!bytes && bytes.error().code == Code::not_found) return found;
  if (!bytes) return std::unexpected(bytes.error());
  for (std::string_view rest = *bytes;;) {
    const audit::Frame frame = audit::read_frame(rest);
    if (!frame.leaf || frame.leaf->size() <= place) return found;
    std::uint32_t seq_at = 0;
    for (const char byte : frame.leaf->substr(0, place))
      seq_at = seq_at << 8U | static_cast<unsigned char>(byte);
    const std::string_view leaf = frame.leaf->substr(place);
    if (seq_at > leaf.size())
      return fail(Code::malformed, std::format("{} is no spill of ours", file_.path().string()));
    found.push_back({.text = std::string(leaf), .seq_at = seq_at});
    rest.remove_prefix(frame.size);
  }
}

Result<void> Spill::drop_known(const std::filesystem::path& log, std::vector<Kept>& kept) {
  std::map<std::string, std::uint64_t, std::less<>> wanted;  // how often, by what names a record
  std::optional<base::Time> first;
  for (const Kept& one : kept) {
    const auto record =
        json::Document::parse(audit::with_seq({.text = one.text, .seq_at = one.seq_at}, 0));
    if (!record) continue;
    ++wanted[name_of(record->root(), one.text)];
    const base::Time time{
        std::chrono::milliseconds(audit::unix_ms_of(record->root()["time"].text_or("")))};
    if (!first || time < *first) first = time;
  }
  // Records are written a little after the time that they carry.
  auto reader = LogReader::open(
      log, {.seq = {},
            .since = first ? std::optional(*first - std::chrono::minutes(10)) : std::nullopt,
            .last = {}});
  if (!reader) return std::unexpected(std::move(reader).error());
  std::map<std::string, std::uint64_t, std::less<>> known;
  for (;;) {
    const auto entry = reader->next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) break;
    const auto record = json::Document::parse((*entry)->leaf);
    if (!record) continue;
    std::string text((*entry)->leaf);
    const std::string seq = std::format("\"seq\":{}", (*entry)->seq);
    if (const auto at = text.find(seq); at != std::string::npos) text.erase(at + 6, seq.size() - 6);
    const auto found = wanted.find(name_of(record->root(), text));
    if (found != wanted.end() && found->second > known[found->first]) ++known[found->first];
  }
  std::erase_if(kept, [&](const Kept& one) {
    const auto record =
        json::Document::parse(audit::with_seq({.text = one.text, .seq_at = one.seq_at}, 0));
    const auto found = record ? known.find(name_of(record->root(), one.text)) : known.end();
    if (found == known.end() || found->second == 0) return false;
    --found->second;
    return true;
  });
  return {};
}

void Spill::add(audit::Leaf leaf) {
  std::string text(leaf.text);
  if (leaf.body_at != 0) audit::drop_body(text, leaf.body_at, leaf.seq_at);
  std::string framed;
  for (std::size_t i = place; i-- > 0;) framed += static_cast<char>(leaf.seq_at >> (8 * i) & 0xFFU);
  audit::write_frame(framed + text, out_);
}

Result<void> Spill::commit() {
  const std::string bytes = std::exchange(out_, {});
  return bytes.empty() ? Result<void>() : file_.append(bytes);
}

Result<void> Spill::clear() {
  file_ = GrowingFile(file_.path(), *files_);
  out_.clear();
  return files_->remove(file_.path());
}

}  // namespace latticegate::store
