// Bodies on disk: one file of envelopes beside each segment whose records keep bodies.
//
//   <log>/blob/000001.bin = frame*
//   frame = checksum[4] length[4] seq[8] envelope[length]      numbers big-endian; the checksum is
//                                                              CRC-32C over all that follows it
//
// Frames stand in the order of their records, and are durable before their records are. A frame
// whose record never became durable is cut off by the next run; nothing refers to it.
//
// Posture of the reader: files come from disks and copies; a frame is bounded by envelope_limit,
// and what is in it is checked against the record by whoever opens it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "store/detail/growing_file.h"
#include "store/file.h"
#include "store/open_file.h"

namespace latticegate::store {

// Compressed bodies are hardly longer than bodies.
inline constexpr base::Bytes envelope_limit{std::uint64_t{17} * 1024 * 1024};

std::filesystem::path body_folder(const std::filesystem::path& log);
std::filesystem::path body_path(const std::filesystem::path& log, std::uint64_t segment);

// The writer's side; belongs to the journal's thread.
class BodyFile {
 public:
  BodyFile(std::filesystem::path log, Files& files) : log_(std::move(log)), files_(&files) {}

  // Goes on in the file of that segment, if there is one: what belongs to records from `next_seq`
  // on is cut off.
  [[nodiscard]] base::Result<void> resume(std::uint64_t segment, std::uint64_t next_seq);
  // The next segment has begun.
  void begin(std::uint64_t segment);

  // Where to put an envelope: append to it, then call added().
  std::string& buffer();
  void added(std::uint64_t seq);
  // Forgets what was added and not committed.
  void discard();
  // Makes what was added durable. After an error the same may be added again.
  [[nodiscard]] base::Result<void> commit();

 private:
  std::filesystem::path log_;
  Files* files_;
  GrowingFile file_;
  std::string out_;
  std::size_t frame_ = 0;  // of out_: where the one that is being added begins
};

// What stands in a file, frame by frame.
class BodyReader {
 public:
  // Code::not_found: no bodies are kept for that segment.
  [[nodiscard]] static base::Result<BodyReader> open(const std::filesystem::path& path);
  struct Frame {
    std::uint64_t seq = 0;
    std::uint64_t offset = 0;  // of the envelope
    std::uint64_t size = 0;    // of the envelope
  };
  // The next frame's head, or nothing where no whole frame follows.
  [[nodiscard]] base::Result<std::optional<Frame>> next();
  // Its envelope; Code::malformed when it is not the one that was written.
  [[nodiscard]] base::Result<std::string> envelope(const Frame& frame) const;
  std::uint64_t valid() const { return offset_; }  // bytes up to the last whole frame's end

 private:
  BodyReader(OpenFile file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
  OpenFile file_;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;
};

// The envelope of one record, in the file of its segment. Code::not_found.
[[nodiscard]] base::Result<std::string> find_envelope(const std::filesystem::path& log,
                                                      std::uint64_t segment, std::uint64_t seq);

}  // namespace latticegate::store
