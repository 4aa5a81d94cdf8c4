#include "store/query_reader.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <format>
#include <iterator>
#include <system_error>
#include <utility>

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t chunk = 65'536;
constexpr std::size_t largest_frame = audit::leaf_limit.count + audit::frame_overhead;
constexpr std::size_t largest_header = audit::header_limit.count + audit::frame_overhead + 8;

// The last segment before the first one for which `early` does not hold; at least the first.
SegmentName last_segment(const std::vector<SegmentName>& segments,
                         std::predicate<const audit::SegmentHeader&> auto early) {
  SegmentName best = segments.front();
  for (const SegmentName& segment : segments) {
    const auto file = SegmentFile::open(segment.path);
    // One that does not open is being created, or damaged: whoever reads as far will say so.
    if (!file || !early(file->header())) break;
    best = segment;
  }
  return best;
}

}  // namespace

std::filesystem::path segment_folder(const std::filesystem::path& log) { return log / "seg"; }

std::filesystem::path segment_path(const std::filesystem::path& log, std::uint64_t number) {
  return segment_folder(log) / std::format("{:06}.log", number);
}

std::filesystem::path packed_path(const std::filesystem::path& log, std::uint64_t number) {
  return segment_folder(log) / std::format("{:06}.log.zst", number);
}

Result<std::vector<SegmentName>> list_segments(const std::filesystem::path& log) {
  std::vector<SegmentName> found;
  std::error_code error;
  const std::filesystem::path folder = segment_folder(log);
  std::filesystem::directory_iterator entries(folder, error);
  if (error == std::errc::no_such_file_or_directory) return found;
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    const bool packed = name.ends_with(".log.zst");
    if (!packed && !name.ends_with(".log")) continue;
    const std::string_view digits =
        std::string_view(name).substr(0, name.size() - (packed ? 8 : 4));
    std::uint64_t number = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (bad != std::errc() || end != digits.data() + digits.size()) continue;
    const auto path = packed ? packed_path(log, number) : segment_path(log, number);
    if (path.filename() != name) continue;
    found.push_back({.number = number, .path = entries->path(), .packed = packed});
  }
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", folder.string(), error.message()));
  std::ranges::sort(found, {}, [](const SegmentName& n) { return std::pair(n.number, n.packed); });
  for (std::size_t i = 1; i < found.size(); ++i)
    if (found[i].number == found[i - 1].number) found[i - 1].twice = true;
  const auto beside = std::ranges::unique(found, {}, &SegmentName::number);
  found.erase(beside.begin(), beside.end());
  return found;
}

Result<SegmentFile> SegmentFile::open(const std::filesystem::path& path) {
  auto opened = OpenFile::open(path);
  if (!opened && opened.error().code == Code::not_found && path.extension() == ".log")
    if (auto packed = OpenFile::open(path.string() + ".zst")) opened = std::move(packed);
  if (!opened) return std::unexpected(std::move(opened).error());
  SegmentFile file(*std::move(opened));
  const std::string name = file.file_.path().string();
  Result<std::string> start;
  if (file.file_.path().extension() == ".zst") {
    // The first chunk is the header.
    if (auto read = file.find_chunks().and_then([&] { return file.fill(); }); !read)
      return base::within(name, std::move(read).error());
    start = file.buffer_;
  } else {
    start = file.file_.read(0, largest_header);
  }
  if (!start) return std::unexpected(std::move(start).error());
  auto found = audit::read_header(*start);
  if (!found) return base::within(name, std::move(found).error());
  file.offset_ = found->size;
  file.seq_ = found->header.first;
  file.header_ = std::move(found->header);
  return file;
}

Result<std::vector<audit::PackedChunk>> read_chunks(const OpenFile& file) {
  const auto size = file.size();
  if (!size) return std::unexpected(size.error());
  const auto tail = file.read(*size - std::min<std::uint64_t>(*size, audit::packed_tail_size),
                              audit::packed_tail_size);
  if (!tail) return std::unexpected(tail.error());
  const auto index_size = audit::packed_index_size(*tail, *size);
  if (!index_size) return fail(Code::malformed, "the index of its chunks is damaged");
  const auto index = file.read(*size - *index_size, *index_size);
  if (!index) return std::unexpected(index.error());
  return audit::read_packed_index(*index, *size);
}

Result<void> SegmentFile::find_chunks() {
  auto chunks = read_chunks(file_);
  if (!chunks) return std::unexpected(std::move(chunks).error());
  chunks_ = *std::move(chunks);
  unpacker_.emplace();
  return {};
}

void SegmentFile::go_to(std::uint64_t offset, std::uint64_t seq) {
  if (offset < buffered_at_ || offset > buffered_at_ + buffer_.size()) {
    buffer_.clear();
    buffered_at_ = offset;
    at_end_ = false;
  }
  offset_ = offset;
  seq_ = seq;
}

Result<void> SegmentFile::fill() {
  if (packed()) return fill_from_chunk();
  auto bytes = file_.read(offset_, chunk);
  if (!bytes) return std::unexpected(std::move(bytes).error());
  at_end_ = bytes->size() < chunk;
  buffer_ = *std::move(bytes);
  buffered_at_ = offset_;
  return {};
}

Result<void> SegmentFile::fill_from_chunk() {
  buffer_.clear();
  buffered_at_ = offset_;
  at_end_ = true;
  const auto after = std::ranges::upper_bound(chunks_, offset_, {}, &audit::PackedChunk::plain_at);
  const audit::PackedChunk& wanted = *std::prev(after);
  if (offset_ - wanted.plain_at >= wanted.plain_size) return {};
  const auto bytes = file_.read(wanted.at, wanted.size);
  if (!bytes) return std::unexpected(bytes.error());
  if (auto unpacked = unpacker_->unpack(wanted, *bytes, buffer_); !unpacked) return unpacked;
  buffered_at_ = wanted.plain_at;
  at_end_ = after == chunks_.end();
  return {};
}

Result<bool> SegmentFile::zeros_from(std::uint64_t offset) {
  for (;;) {
    const auto bytes = file_.read(offset, chunk);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->find_first_not_of('\0') != std::string::npos) return false;
    if (bytes->size() < chunk) return true;
    offset += chunk;
  }
}

Result<std::optional<audit::Entry>> SegmentFile::next() {
  bool fresh = false;
  for (;;) {
    const std::string_view rest =
        std::string_view(buffer_).substr(std::min(buffer_.size(), offset_ - buffered_at_));
    const audit::Frame frame = audit::read_frame(rest);
    if (frame.leaf) {
      const audit::Entry entry{.seq = seq_, .offset = offset_, .leaf = *frame.leaf};
      offset_ += frame.size;
      ++seq_;
      return entry;
    }
    stop_ = frame.stop;
    // Whatever the reason, the buffer may be old or too short: only a fresh look at the file
    // decides.
    if (fresh) break;
    if (auto filled = fill(); !filled) {
      if (filled.error().code != Code::malformed) return std::unexpected(std::move(filled).error());
      stop_ = audit::Stop::checksum;  // of a chunk
      return std::optional<audit::Entry>();
    }
    fresh = true;
  }
  if (stop_ == audit::Stop::padding && packed()) stop_ = audit::Stop::length;
  if (stop_ == audit::Stop::padding && !at_end_) {
    const auto zeros = zeros_from(offset_ + buffer_.size());
    if (!zeros) return std::unexpected(zeros.error());
    if (!*zeros) stop_ = audit::Stop::length;
  }
  return std::optional<audit::Entry>();
}

namespace {

// Of a log that has segments. `skip_below` is where counting from the back ended.
Result<SegmentName> first_segment(const std::vector<SegmentName>& segments, const ReadFrom& from,
                                  std::uint64_t& skip_below) {
  skip_below = from.seq.value_or(0);
  if (from.last) {
    // Count from the back: the last segment has to be read, those before it only say where they
    // begin.
    std::uint64_t end = 0;
    for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
      auto file = SegmentFile::open(segment->path);
      if (!file) continue;
      for (;;) {
        const auto entry = file->next();
        if (!entry) return std::unexpected(entry.error());
        if (!*entry) break;
      }
      end = file->next_seq();
      break;
    }
    skip_below = std::max(skip_below, end - std::min(end, *from.last));
  }
  SegmentName chosen =
      last_segment(segments, [&](const audit::SegmentHeader& h) { return h.first <= skip_below; });
  if (from.since) {
    const SegmentName other = last_segment(
        segments, [&](const audit::SegmentHeader& h) { return h.created <= *from.since; });
    if (other.number > chosen.number) chosen = other;
  }
  return chosen;
}

Result<std::vector<SegmentName>> some_segments(const std::filesystem::path& log) {
  auto segments = list_segments(log);
  if (segments && segments->empty())
    return fail(Code::not_found, std::format("no audit log in {}", log.string()));
  return segments;
}

}  // namespace

Result<std::vector<SegmentName>> segments_from(const std::filesystem::path& log,
                                               const ReadFrom& from) {
  auto segments = some_segments(log);
  if (!segments) return segments;
  std::uint64_t skip_below = 0;
  const auto chosen = first_segment(*segments, from, skip_below);
  if (!chosen) return std::unexpected(chosen.error());
  std::erase_if(*segments, [&](const SegmentName& s) { return s.number < chosen->number; });
  return segments;
}

Result<LogReader> LogReader::open(std::filesystem::path log, const ReadFrom& from) {
  const auto segments = some_segments(log);
  if (!segments) return std::unexpected(segments.error());
  std::uint64_t skip_below = 0;
  const auto chosen = first_segment(*segments, from, skip_below);
  if (!chosen) return std::unexpected(chosen.error());
  auto file = SegmentFile::open(chosen->path);
  if (!file) return std::unexpected(std::move(file).error());
  LogReader reader(std::move(log), *std::move(file));
  reader.skip_below_ = skip_below;
  return reader;
}

Result<std::optional<audit::Entry>> LogReader::next() {
  for (;;) {
    auto entry = file_.next();
    if (!entry) return entry;
    if (*entry) {
      if ((*entry)->seq < skip_below_) continue;
      return entry;
    }
    // The end of this segment for now. A next one means that this one is complete, so look at it
    // once more.
    const std::uint64_t number = file_.header().number + 1;
    const std::filesystem::path next = segment_path(log_, number);
    std::error_code error;
    if (!std::filesystem::exists(next, error) &&
        !std::filesystem::exists(packed_path(log_, number), error))
      return entry;
    entry = file_.next();
    if (!entry) return entry;
    if (*entry) {
      if ((*entry)->seq < skip_below_) continue;
      return entry;
    }
    auto file = SegmentFile::open(next);
    if (!file) {
      // Created a moment ago, its header not yet written: not there yet.
      if (std::filesystem::file_size(next, error) == 0 && !error)
        return std::optional<audit::Entry>();
      return std::unexpected(std::move(file).error());
    }
    const SegmentFile old = std::exchange(file_, *std::move(file));
    if (!old.clean() || file_.header().first != old.next_seq())
      return fail(Code::malformed,
                  std::format("{} is damaged: leaf {} at byte {} does not read ({}), and the next "
                              "segment begins with leaf {}",
                              segment_path(log_, old.header().number).string(), old.next_seq(),
                              old.valid(), audit::name(old.stop()), file_.header().first));
  }
}

}  // namespace latticegate::store
