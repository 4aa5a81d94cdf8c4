// A segment of the audit log as bytes: a header, then one frame per leaf. docs/formats/audit-log.md
// draws it.
//
// Frames are only ever appended, so a crash can leave a bad tail but nothing bad before it: the
// reader gives every leaf up to the first frame that does not check and says where and why it
// stopped. Space that was reserved on the disk but not yet written reads as zeros, and zeros are no
// frame.
//
// Posture: the reader takes any bytes. Limits: leaf_limit per leaf, header_limit for the header. A
// checksum finds torn and rotten bytes, not forgery: that is the hash tree's work, whose leaf hash
// is here. Fuzz target: fuzz/segment_fuzz.cc. Lifetimes: leaves are views into the bytes that were
// handed in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/hash.h"

namespace latticegate::audit {

inline constexpr base::Bytes leaf_limit{16 * 1024};
inline constexpr base::Bytes header_limit{4 * 1024};
inline constexpr std::size_t frame_overhead = 8;  // checksum and length

// What the first bytes of a segment say.
struct SegmentHeader {
  std::uint64_t number = 0;  // of the segment: its file's name
  std::uint64_t first = 0;   // seq of the first leaf
  std::string origin;        // <org>/<cluster>/<node>: which log this is
  base::Time created;        // kept with milliseconds
};

// The header's bytes: magic and one frame.
std::string write_header(const SegmentHeader& header);

// Appends a frame around the leaf. The leaf is at most leaf_limit long; anything else is a defect
// of the caller.
void write_frame(std::string_view leaf, std::string& out);
// The same for a leaf with its seq still missing: the digits go in at `seq_at`.
void write_frame(std::string_view leaf, std::size_t seq_at, std::uint64_t seq, std::string& out);

// Why there is no next leaf.
enum class Stop : std::uint8_t {
  end,       // the bytes end where a frame ended
  padding,   // zeros follow to the end: reserved space
  cut,       // the bytes end inside a frame
  length,    // a frame says that it is empty or longer than a leaf may be
  checksum,  // the bytes of a frame are not those that were written
};
std::string_view name(Stop stop);

// One frame at the beginning of the bytes: its leaf, or why not.
struct Frame {
  std::optional<std::string_view> leaf;
  std::size_t size = 0;   // of the whole frame, when there is a leaf
  Stop stop = Stop::end;  // when there is none
};
Frame read_frame(std::string_view bytes);
// The size of the frame at the beginning of bytes that write_frame() made: nothing is checked.
std::size_t frame_size(std::string_view bytes);

// The header at the beginning of the bytes, and how long it is. Code::malformed when it is damaged
// or no segment.
struct HeaderFound {
  SegmentHeader header;
  std::size_t size = 0;
};
[[nodiscard]] base::Result<HeaderFound> read_header(std::string_view bytes);

struct Entry {
  std::uint64_t seq = 0;
  std::uint64_t offset = 0;  // of the frame in its segment
  std::string_view leaf;
};

// Walks a whole segment.
class SegmentReader {
 public:
  [[nodiscard]] static base::Result<SegmentReader> open(std::string_view bytes);
  // The next leaf, or nothing at the end of what is valid.
  std::optional<Entry> next();

  const SegmentHeader& header() const { return header_; }
  // After next() gave nothing: why, how many bytes are valid, and the seq that would have come
  // next.
  Stop stop() const { return stop_; }
  std::uint64_t valid() const { return offset_; }
  std::uint64_t next_seq() const { return seq_; }
  // Whether the end is one that a writer in good health leaves.
  bool clean() const { return stop_ == Stop::end || stop_ == Stop::padding; }

 private:
  SegmentReader(std::string_view bytes, HeaderFound found)
      : bytes_(bytes), header_(std::move(found.header)), offset_(found.size), seq_(header_.first) {}
  std::string_view bytes_;
  SegmentHeader header_;
  std::uint64_t offset_ = 0;
  std::uint64_t seq_ = 0;
  Stop stop_ = Stop::end;
};

// RFC 9162 leaf hash: SHA-256(0x00 || leaf).
crypto::Digest leaf_hash(std::string_view leaf);

// SHA-256(salt || text): binds a record to a body without telling anything about it to who lacks
// the salt.
crypto::Digest commitment(base::ByteView salt, std::string_view text);

}  // namespace latticegate::audit
