// Reading a log's folder, also while a gateway writes to it: for tail, query, show, and for
// recovery.
//
// Segments that are complete may be packed (audit/packed.h): readers see no difference, offsets are
// those of the plain bytes. Takes no lock and writes nothing. What a reader sees at the end may not
// be durable yet. Memory is one buffer of about 256 KiB, however large the log. Errors:
// Code::not_found (no such folder or no segment), Code::io, Code::malformed for a segment that is
// damaged before its end (the sentence names the file, the offset and the reason). Lifetimes: an
// Entry's leaf is valid until the next call of next().
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/packed.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/open_file.h"

namespace latticegate::store {

struct SegmentName {
  std::uint64_t number = 0;
  std::filesystem::path path;
  bool packed = false;
  bool twice = false;  // plain, and packed beside it: left from a crash in between
};

// The folder of the segments, and the path of one, plain and packed.
std::filesystem::path segment_folder(const std::filesystem::path& log);
std::filesystem::path segment_path(const std::filesystem::path& log, std::uint64_t number);
std::filesystem::path packed_path(const std::filesystem::path& log, std::uint64_t number);
// The segments of a log by number, other files ignored; empty when there is no folder yet.
[[nodiscard]] base::Result<std::vector<SegmentName>> list_segments(
    const std::filesystem::path& log);

// The chunks of a packed segment. Code::malformed, Code::io.
[[nodiscard]] base::Result<std::vector<audit::PackedChunk>> read_chunks(const OpenFile& file);

// One segment's file, frame by frame.
class SegmentFile {
 public:
  // Where a plain one is gone, the packed one beside it.
  [[nodiscard]] static base::Result<SegmentFile> open(const std::filesystem::path& path);

  // Goes on at a frame that is known to begin there.
  void go_to(std::uint64_t offset, std::uint64_t seq);
  // The next leaf, or nothing for now: stop() says why. A later call looks at the file again.
  [[nodiscard]] base::Result<std::optional<audit::Entry>> next();

  const audit::SegmentHeader& header() const { return header_; }
  bool packed() const { return !chunks_.empty(); }
  const std::filesystem::path& path() const [[clang::lifetimebound]] { return file_.path(); }
  // Of a packed one: the bytes that it had.
  std::uint64_t unpacked_size() const {
    return packed() ? chunks_.back().plain_at + chunks_.back().plain_size : 0;
  }
  audit::Stop stop() const { return stop_; }
  bool clean() const { return stop_ == audit::Stop::end || stop_ == audit::Stop::padding; }
  std::uint64_t valid() const { return offset_; }  // bytes up to the last leaf's end
  std::uint64_t next_seq() const { return seq_; }

 private:
  explicit SegmentFile(OpenFile file) : file_(std::move(file)) {}
  [[nodiscard]] base::Result<void> find_chunks();
  [[nodiscard]] base::Result<void> fill();
  [[nodiscard]] base::Result<void> fill_from_chunk();
  [[nodiscard]] base::Result<bool> zeros_from(std::uint64_t offset);

  OpenFile file_;
  std::vector<audit::PackedChunk> chunks_;  // of a packed one
  std::optional<audit::SegmentUnpacker> unpacker_;
  audit::SegmentHeader header_;
  std::string buffer_;  // bytes of the segment from buffered_at_ on
  std::uint64_t buffered_at_ = 0;
  bool at_end_ = false;  // the buffer reaches the end of the file
  std::uint64_t offset_ = 0;
  std::uint64_t seq_ = 0;
  audit::Stop stop_ = audit::Stop::end;
};

// Where a reader begins. With several, the latest place wins.
struct ReadFrom {
  std::optional<std::uint64_t> seq{};  // this seq
  std::optional<base::Time>
      since{};  // segments that ended before this are passed over; single leaves are not looked at
  std::optional<std::uint64_t> last{};  // so many leaves before the end of what is there now
};

// The segments of a log from the first one on that such a reader reads. Code::not_found when there
// is no log.
[[nodiscard]] base::Result<std::vector<SegmentName>> segments_from(const std::filesystem::path& log,
                                                                   const ReadFrom& from);

class LogReader {
 public:
  [[nodiscard]] static base::Result<LogReader> open(std::filesystem::path log,
                                                    const ReadFrom& from = {});

  // The next leaf of the log, over the ends of segments. Nothing: the end for now; call again later
  // to follow a log that is being written, new segments included. A segment that does not read to
  // the next one's beginning is told once, as an error; the call after that goes on with the next
  // segment.
  [[nodiscard]] base::Result<std::optional<audit::Entry>> next();
  // Passes over what is before that leaf.
  void skip_to(std::uint64_t seq) { skip_below_ = seq; }

 private:
  LogReader(std::filesystem::path log, SegmentFile file)
      : log_(std::move(log)), file_(std::move(file)) {}
  std::filesystem::path log_;
  SegmentFile file_;
  std::uint64_t skip_below_ = 0;
};

}  // namespace latticegate::store
