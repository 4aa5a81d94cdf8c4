#include "store/query_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <concepts>
#include <format>
#include <system_error>
#include <utility>

#include "store/detail/read_at.h"

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::os_reason;
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

Result<std::string> read_at(int descriptor, std::uint64_t offset, std::size_t size,
                            const std::filesystem::path& path) {
  std::string bytes(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t n =
        ::pread(descriptor, bytes.data() + got, size - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return fail(Code::io, std::format("cannot read {}: {}", path.string(), os_reason(errno)));
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  return bytes;
}

std::filesystem::path segment_folder(const std::filesystem::path& log) { return log / "seg"; }

std::filesystem::path segment_path(const std::filesystem::path& log, std::uint64_t number) {
  return segment_folder(log) / std::format("{:06}.log", number);
}

Result<std::vector<SegmentName>> list_segments(const std::filesystem::path& log) {
  std::vector<SegmentName> found;
  std::error_code error;
  const std::filesystem::path folder = segment_folder(log);
  std::filesystem::directory_iterator entries(folder, error);
  if (error == std::errc::no_such_file_or_directory) return found;
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (!name.ends_with(".log")) continue;
    const std::string_view digits = std::string_view(name).substr(0, name.size() - 4);
    std::uint64_t number = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (bad != std::errc() || end != digits.data() + digits.size()) continue;
    if (segment_path(log, number).filename() != name) continue;
    found.push_back({.number = number, .path = entries->path()});
  }
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", folder.string(), error.message()));
  std::ranges::sort(found, {}, &SegmentName::number);
  return found;
}

SegmentFile::SegmentFile(SegmentFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      buffer_(std::move(other.buffer_)),
      buffered_at_(other.buffered_at_),
      at_end_(other.at_end_),
      offset_(other.offset_),
      seq_(other.seq_),
      stop_(other.stop_) {}

SegmentFile& SegmentFile::operator=(SegmentFile&& other) noexcept {
  if (this == &other) return *this;
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  path_ = std::move(other.path_);
  header_ = std::move(other.header_);
  buffer_ = std::move(other.buffer_);
  buffered_at_ = other.buffered_at_;
  at_end_ = other.at_end_;
  offset_ = other.offset_;
  seq_ = other.seq_;
  stop_ = other.stop_;
  return *this;
}

SegmentFile::~SegmentFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<SegmentFile> SegmentFile::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return fail(errno == ENOENT ? Code::not_found : Code::io,
                std::format("cannot open {}: {}", path.string(), os_reason(errno)));
  SegmentFile file(descriptor, path);
  auto start = read_at(descriptor, 0, largest_header, path);
  if (!start) return std::unexpected(std::move(start).error());
  auto found = audit::read_header(*start);
  if (!found) return base::within(path.string(), std::move(found).error());
  file.offset_ = found->size;
  file.seq_ = found->header.first;
  file.header_ = std::move(found->header);
  return file;
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
  auto bytes = read_at(descriptor_, offset_, chunk, path_);
  if (!bytes) return std::unexpected(std::move(bytes).error());
  at_end_ = bytes->size() < chunk;
  buffer_ = *std::move(bytes);
  buffered_at_ = offset_;
  return {};
}

Result<bool> SegmentFile::zeros_from(std::uint64_t offset) {
  for (;;) {
    const auto bytes = read_at(descriptor_, offset, chunk, path_);
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
    if (auto filled = fill(); !filled) return std::unexpected(std::move(filled).error());
    fresh = true;
  }
  if (stop_ == audit::Stop::padding && !at_end_) {
    const auto zeros = zeros_from(offset_ + buffer_.size());
    if (!zeros) return std::unexpected(zeros.error());
    if (!*zeros) stop_ = audit::Stop::length;
  }
  return std::optional<audit::Entry>();
}

Result<LogReader> LogReader::open(std::filesystem::path log, const ReadFrom& from) {
  const auto segments = list_segments(log);
  if (!segments) return std::unexpected(segments.error());
  if (segments->empty())
    return fail(Code::not_found, std::format("no audit log in {}", log.string()));

  std::uint64_t skip_below = from.seq.value_or(0);
  if (from.last) {
    // Count from the back: the last segment has to be read, those before it only say where they
    // begin.
    std::uint64_t end = 0;
    for (auto segment = segments->rbegin(); segment != segments->rend(); ++segment) {
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
      last_segment(*segments, [&](const audit::SegmentHeader& h) { return h.first <= skip_below; });
  if (from.since) {
    const SegmentName other = last_segment(
        *segments, [&](const audit::SegmentHeader& h) { return h.created <= *from.since; });
    if (other.number > chosen.number) chosen = other;
  }
  auto file = SegmentFile::open(chosen.path);
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
    const std::filesystem::path next = segment_path(log_, file_.header().number + 1);
    std::error_code error;
    if (!std::filesystem::exists(next, error)) return entry;
    entry = file_.next();
    if (!entry) return entry;
    if (*entry) {
      if ((*entry)->seq < skip_below_) continue;
      return entry;
    }
    auto file = SegmentFile::open(next);
    if (!file) {
      // Created a moment ago, its header not yet written: not there yet.
      if (std::filesystem::file_size(next, error) == 0) return std::optional<audit::Entry>();
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
