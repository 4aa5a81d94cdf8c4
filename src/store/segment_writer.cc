#include "store/segment_writer.h"

#include <algorithm>
#include <utility>

#include "audit/segment.h"
#include "store/query_reader.h"

namespace latticegate::store {
namespace {

using base::Result;

// Space is reserved in steps: one for some hundred records, and little is left over when the
// process dies.
constexpr std::uint64_t reserve_step = std::uint64_t{1} * 1024 * 1024;

}  // namespace

void SegmentWriter::resume(Recovered& found) {
  number_ = found.segment;
  first_ = found.first;
  if (found.file == nullptr) return;
  file_ = std::move(found.file);
  size_ = reserved_ = found.size;
}

Result<void> SegmentWriter::append(std::string_view frames) {
  if (size_ + frames.size() > reserved_) {
    // Only an optimisation (no size to write at each commit): whether there is room, the write
    // itself tells.
    const std::uint64_t wanted =
        (size_ + frames.size() + reserve_step - 1) / reserve_step * reserve_step;
    // An earlier attempt may have failed and records been written all the same: never over those.
    if (file_->reserve(std::max(reserved_, size_), wanted)) reserved_ = wanted;
  }
  if (auto done = file_->write_all(frames, size_); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  size_ += frames.size();
  return {};
}

Result<void> SegmentWriter::cut() {
  if (auto done = file_->truncate(size_); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  reserved_ = size_;
  return {};
}

Result<void> SegmentWriter::next(std::uint64_t first, base::Time now) {
  if (is_open())
    if (auto done = cut(); !done) return done;
  const std::uint64_t number = number_ + 1;
  const std::filesystem::path path = segment_path(log_, number);
  // A file of that name is left from an attempt that failed; nobody was told of anything in it.
  auto made = files_.create_anew(path);
  if (!made) return std::unexpected(std::move(made).error());
  const std::string header =
      audit::write_header({.number = number, .first = first, .origin = origin_, .created = now});
  const auto fill = [&]() -> Result<void> {
    if (auto done = (*made)->write_all(header, 0); !done) return done;
    if (auto done = (*made)->sync(); !done) return done;
    return files_.sync_folder(path.parent_path());
  };
  if (auto filled = fill(); !filled) {
    static_cast<void>(files_.remove(path).has_value());  // the next attempt begins with it anyway
    return filled;
  }
  file_ = *std::move(made);
  number_ = number;
  first_ = first;
  size_ = reserved_ = header.size();
  return {};
}

}  // namespace latticegate::store
