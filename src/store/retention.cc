#include "store/retention.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <system_error>
#include <utility>

#include "audit/bundle.h"
#include "audit/checkpoint.h"
#include "audit/note.h"
#include "store/body_file.h"
#include "store/detail/lock.h"
#include "store/query_reader.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using base::Result;

// How many records the latest checkpoint covers, by what it says.
std::uint64_t covered(const fs::path& log) {
  const auto text = read_file(checkpoint_path(log), audit::note_limit.count);
  const auto note = text ? audit::read_note(*text) : std::unexpected(text.error());
  const auto head = note ? audit::read_checkpoint(note->text) : std::unexpected(note.error());
  return head ? head->size : 0;
}

// The first moment after a month; nothing when the text is no month.
std::optional<base::Time> end_of(std::string_view month) {
  int year = 0;
  unsigned number = 0;
  const char* const text = month.data();
  if (month.size() != 7 || std::from_chars(text, text + 4, year).ptr != text + 4 ||
      std::from_chars(text + 5, text + 7, number).ptr != text + 7)
    return std::nullopt;
  const std::chrono::year_month last{std::chrono::year(year), std::chrono::month(number)};
  if (!last.ok()) return std::nullopt;
  return base::Time(std::chrono::sys_days((last + std::chrono::months(1)) / 1));
}

// Those before that one, plain and packed.
Result<void> prune_segments(const fs::path& log, std::uint64_t before, Files& files) {
  const auto lock = Lock::wait_for(segment_folder(log));  // no segment is packed meanwhile
  if (!lock) return std::unexpected(lock.error());
  const auto segments = list_segments(log);
  if (!segments) return std::unexpected(segments.error());
  for (const SegmentName& name : *segments) {
    if (name.number >= before) continue;
    for (const fs::path& path : {body_path(log, name.number), segment_path(log, name.number),
                                 packed_path(log, name.number)})
      if (auto removed = files.remove(path); !removed) return removed;
  }
  return {};
}

}  // namespace

Result<std::optional<Prune>> prunable(const fs::path& log, std::chrono::seconds age,
                                      base::Time now) {
  const auto segments = list_segments(log);
  if (!segments) return std::unexpected(segments.error());
  const std::uint64_t signed_records = covered(log);
  std::optional<std::uint64_t> first;
  std::optional<Prune> found;
  for (const SegmentName& name : *segments) {
    const auto segment = SegmentFile::open(name.path);
    if (!segment) break;  // being made
    if (!first) {
      first = segment->header().first;
      continue;
    }
    // Everything before this segment was written before it was begun.
    if (segment->header().created + age > now || segment->header().first > signed_records) break;
    found = Prune{.segment = name.number,
                  .minimum = segment->header().first,
                  .records = segment->header().first - *first};
  }
  return found;
}

Result<void> prune(const fs::path& log, const Prune& what, Files& files) {
  if (auto removed = prune_segments(log, what.segment, files); !removed) return removed;
  // Bundles that hold nothing else; from the back, so that what is there always begins at one
  // place.
  for (std::uint64_t index = what.minimum / audit::tile_width; index-- > 0;) {
    const fs::path path = log / audit::bundle_path(index);
    std::error_code ignored;
    // Below this one everything went with an earlier decision.
    if (!fs::exists(path, ignored)) break;
    // Partial ones that older checkpoints needed; the sealer does without.
    fs::remove_all(path.string() + ".p", ignored);
    if (auto removed = files.remove(path); !removed) return removed;
    fs::remove(path.parent_path(), ignored);  // only an empty one
  }
  return files.sync_folder(segment_folder(log));
}

std::vector<audit::KeyInfo> expired(std::vector<audit::KeyInfo> keys, const BodyRetention& after,
                                    base::Time now) {
  std::erase_if(keys, [&](const audit::KeyInfo& info) {
    std::optional<std::chrono::seconds> time = after.bodies;
    if (const auto label = after.labels.find(info.purpose.label); label != after.labels.end())
      time = time ? std::min(*time, label->second) : label->second;
    const auto end = end_of(info.purpose.month);
    return !time || !end || *end + *time > now;
  });
  return keys;
}

}  // namespace latticegate::store
