// A segment that is complete, compressed: the same bytes in pieces that can be unpacked alone, so
// that one record is found without the rest. docs/formats/audit-log.md draws it.
//
//   packed = chunk+ index
//   chunk  = a zstd frame; its plain bytes begin and end where frames of the segment do, and the
//            first chunk is the segment's header alone
//   index  = 5A 2A 4D 18 size[4, little-endian]          a skippable frame, for `zstd -d`
//            "LGPACK\0\1" (packed-size[4] plain-size[4] checksum[4])* count[4] checksum[4]
//
// Numbers but the first size are big-endian. A chunk's checksum is CRC-32C over its packed bytes,
// the last one over the index from "LGPACK" to the count; so each byte of the file is under one.
//
// Posture: the readers take any bytes. Limits: packed_chunk_limit plain bytes a chunk,
// packed_chunks_limit chunks. As with segments, checksums find rot and not forgery. Pure. Fuzz
// target: fuzz/segment_fuzz.cc.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace latticegate::audit {

inline constexpr base::Bytes packed_chunk_limit{std::uint64_t{512} * 1024};
inline constexpr std::size_t packed_chunks_limit = std::size_t{1} << 20U;
inline constexpr std::size_t packed_tail_size = 8;  // the last bytes of a packed segment

// One chunk: where it is in the packed file and in the segment.
struct PackedChunk {
  std::uint64_t at = 0;
  std::size_t size = 0;
  std::uint64_t plain_at = 0;
  std::size_t plain_size = 0;
  std::uint32_t checksum = 0;
};

class SegmentPacker {
 public:
  SegmentPacker();
  SegmentPacker(const SegmentPacker&) = delete;
  SegmentPacker& operator=(const SegmentPacker&) = delete;
  ~SegmentPacker();

  // Appends the next bytes of the segment, at most packed_chunk_limit and not none, as a chunk.
  void add(std::string_view plain, std::string& out);
  // Appends the index behind the last chunk.
  void finish(std::string& out);
  const std::vector<PackedChunk>& chunks() const [[clang::lifetimebound]] { return chunks_; }

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<PackedChunk> chunks_;
};

// How many bytes at the end of a file are its index, as its last packed_tail_size bytes have it;
// nothing when that cannot be.
std::optional<std::size_t> packed_index_size(std::string_view tail, std::uint64_t file_size);
// The chunks of a file of that size, from those bytes. Code::malformed.
[[nodiscard]] base::Result<std::vector<PackedChunk>> read_packed_index(std::string_view index,
                                                                       std::uint64_t file_size);

class SegmentUnpacker {
 public:
  SegmentUnpacker();
  SegmentUnpacker(SegmentUnpacker&&) noexcept = default;
  SegmentUnpacker& operator=(SegmentUnpacker&&) noexcept = default;
  SegmentUnpacker(const SegmentUnpacker&) = delete;
  SegmentUnpacker& operator=(const SegmentUnpacker&) = delete;
  ~SegmentUnpacker() = default;

  // The plain bytes of a chunk in place of what `plain` held. Code::malformed: these are not the
  // bytes that were written.
  [[nodiscard]] base::Result<void> unpack(const PackedChunk& chunk, std::string_view bytes,
                                          std::string& plain);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace latticegate::audit
