#include "store/log_pieces.h"

#include <algorithm>
#include <format>
#include <utility>

namespace latticegate::store {
namespace {

using base::Result;

constexpr std::size_t plain_piece = std::size_t{256} * 1024;
constexpr std::size_t largest_header = audit::header_limit.count + audit::frame_overhead + 8;

// How many of these bytes are whole frames, by their lengths alone.
std::size_t whole_frames(std::string_view bytes) {
  std::size_t end = 0;
  while (bytes.size() - end >= audit::frame_overhead) {
    const std::size_t size = audit::frame_size(bytes.substr(end));
    if (size == audit::frame_overhead || size > audit::leaf_limit.count + audit::frame_overhead ||
        size > bytes.size() - end)
      break;
    end += size;
  }
  return end;
}

}  // namespace

// A segment whose pieces are being read.
struct LogPieces::Segment {
  SegmentName name;
  OpenFile file;
  audit::SegmentHeader header;
  std::vector<audit::PackedChunk> chunks;  // of a packed one
  std::size_t next_chunk = 1;              // the first is the header
  std::uint64_t offset = 0;                // of a plain one: read so far
  std::uint64_t leaves = 0;
  std::string trouble{};  // why it does not read to its end
};

struct LogPieces::Share {
  std::mutex mutex;
  std::vector<SegmentName> names;  // still to be opened, from `next` on
  std::size_t next = 0;
  std::vector<std::unique_ptr<Segment>> segments;  // the last one is being read
  std::vector<std::string> unopened;
};

LogPieces::LogPieces(std::unique_ptr<Share> share) : share_(std::move(share)) {}
LogPieces::LogPieces(LogPieces&&) noexcept = default;
LogPieces& LogPieces::operator=(LogPieces&&) noexcept = default;
LogPieces::~LogPieces() = default;

Result<LogPieces> LogPieces::open(const std::filesystem::path& log,
                                  std::optional<base::Time> since) {
  auto names = segments_from(log, {.seq = {}, .since = since, .last = {}});
  if (!names) return std::unexpected(std::move(names).error());
  auto share = std::make_unique<Share>();
  share->names = *std::move(names);
  return LogPieces(std::move(share));
}

// False when there is no further segment.
bool LogPieces::open_next(Share& share) {
  while (share.next < share.names.size()) {
    SegmentName& name = share.names[share.next++];
    auto file = OpenFile::open(name.path);
    // Packed a moment ago.
    if (!file && !name.packed) {
      name.path += ".zst";
      name.packed = true;
      file = OpenFile::open(name.path);
    }
    std::vector<audit::PackedChunk> chunks;
    const auto header = [&]() -> Result<audit::HeaderFound> {
      if (!file) return std::unexpected(file.error());
      auto start = file->read(0, largest_header);
      if (start && name.packed) {
        auto found = read_chunks(*file);
        if (!found) return std::unexpected(std::move(found).error());
        chunks = *std::move(found);
        start = file->read(chunks.front().at, chunks.front().size);
        std::string plain;
        if (start)
          if (auto read = audit::SegmentUnpacker().unpack(chunks.front(), *start, plain); !read)
            return std::unexpected(std::move(read).error());
        start = std::move(plain);
      }
      if (!start) return std::unexpected(std::move(start).error());
      return audit::read_header(*start);
    }();
    if (!header) {
      // The last one may have been created a moment ago.
      const bool empty = file && file->size().value_or(1) == 0;
      if (share.next < share.names.size() || !empty)
        share.unopened.push_back(base::describe(header.error()));
      continue;
    }
    share.segments.push_back(std::make_unique<Segment>(Segment{.name = name,
                                                               .file = *std::move(file),
                                                               .header = header->header,
                                                               .chunks = std::move(chunks),
                                                               .offset = header->size}));
    return true;
  }
  return false;
}

bool LogPieces::read(Piece& piece) {
  Share& share = *share_;
  std::unique_lock lock(share.mutex);
  if (piece.segment_ < share.segments.size()) {
    Segment& done = *share.segments[piece.segment_];
    done.leaves += piece.leaves_;
    if (piece.at_ < piece.bytes_.size() && done.trouble.empty())
      done.trouble = std::format(
          "a record does not read ({})",
          audit::name(audit::read_frame(std::string_view(piece.bytes_).substr(piece.at_)).stop));
  }
  piece.leaves_ = 0;
  piece.at_ = 0;
  piece.bytes_.clear();
  for (;;) {
    Segment* const segment = share.segments.empty() ? nullptr : share.segments.back().get();
    piece.segment_ = share.segments.size() - 1;
    if (segment != nullptr && segment->name.packed &&
        segment->next_chunk < segment->chunks.size()) {
      const audit::PackedChunk chunk = segment->chunks[segment->next_chunk++];
      lock.unlock();  // what takes time is done beside the others
      if (!piece.unpacker_) piece.unpacker_.emplace();
      const auto bytes = segment->file.read(chunk.at, chunk.size);
      const auto unpacked = !bytes ? Result<void>(std::unexpected(bytes.error()))
                                   : piece.unpacker_->unpack(chunk, *bytes, piece.bytes_);
      if (unpacked) return true;
      piece.bytes_.clear();
      lock.lock();
      if (segment->trouble.empty()) segment->trouble = base::describe(unpacked.error());
      continue;
    }
    if (segment != nullptr && !segment->name.packed) {
      auto bytes = segment->file.read(segment->offset, plain_piece);
      if (!bytes) {
        segment->trouble = base::describe(bytes.error());
      } else if (const std::size_t whole = whole_frames(*bytes); whole != 0) {
        segment->offset += whole;
        bytes->resize(whole);
        piece.bytes_ = *std::move(bytes);
        return true;
      }
    }
    if (!open_next(share)) {
      piece.segment_ = share.segments.size();  // none
      return false;
    }
  }
}

std::optional<std::string_view> LogPieces::Piece::next() {
  const audit::Frame frame = audit::read_frame(std::string_view(bytes_).substr(at_));
  if (!frame.leaf) return std::nullopt;
  at_ += frame.size;
  ++leaves_;
  return frame.leaf;
}

std::vector<std::string> LogPieces::damage() {
  const std::scoped_lock lock(share_->mutex);
  std::vector<std::string> all = share_->unopened;
  for (std::size_t i = 0; i < share_->segments.size(); ++i) {
    const Segment& segment = *share_->segments[i];
    const std::uint64_t end = segment.header.first + segment.leaves;
    // Of the last one the end is where the gateway writes.
    const bool last = i + 1 == share_->segments.size();
    if (segment.trouble.empty() && (last || share_->segments[i + 1]->header.first == end)) continue;
    std::string sentence = std::format("{} is damaged", segment.name.path.string());
    if (!segment.trouble.empty()) sentence += ": " + segment.trouble;
    if (!last && share_->segments[i + 1]->header.first != end)
      sentence += std::format("; {} of its records read, and the next segment begins with leaf {}",
                              segment.leaves, share_->segments[i + 1]->header.first);
    all.push_back(std::move(sentence));
  }
  return all;
}

}  // namespace latticegate::store
