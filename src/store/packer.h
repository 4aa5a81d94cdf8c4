// Compresses a log's segments as soon as they are complete: seg/000001.log becomes
// seg/000001.log.zst, with the same bytes in it (audit/packed.h).
//
// Nothing is ever lost between the two: the packed file is written beside the log, made durable,
// read back and held against the plain one byte for byte, and only then put in its place in one
// step; the plain one goes last. A process that dies in between leaves the plain one, or both,
// which readers take for one. A segment that does not read to its end is left as it is, for whoever
// looks into it; so is everything while the disk has no room.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "base/result.h"
#include "store/file.h"

namespace latticegate::store {

// Packs one segment, if it is there and plain. Code::malformed: it is damaged; Code::closed: it was
// to stop. The caller's process holds the log's lock.
[[nodiscard]] base::Result<void> pack_segment(const std::filesystem::path& log,
                                              std::uint64_t number, Files& files,
                                              const std::stop_token& stop = {});

// A thread that does it, with the machine's spare time.
class Packer {
 public:
  // Files outlive it.
  Packer(std::filesystem::path log, Files& files);
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  // Stops; what is not packed yet is packed the next time.
  ~Packer();

  // All segments before this one are complete. Any thread; never waits.
  void complete(std::uint64_t before);
  // Why a segment could not be packed, if so; any thread.
  std::string trouble() const;

 private:
  void run(const std::stop_token& stop);
  void pack(std::uint64_t before, const std::stop_token& stop);

  const std::filesystem::path log_;
  Files& files_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::uint64_t before_ = 0;
  std::string trouble_;
  std::jthread thread_;
};

// What a log takes on the disk.
struct LogSize {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;            // of all segments
  std::uint64_t packed_segments = 0;  // of those, how many are packed,
  std::uint64_t packed_records = 0;   // what is in them
  std::uint64_t packed_bytes = 0;     // what they take
  std::uint64_t unpacked_bytes = 0;   // and took before
  std::uint64_t tile_bytes = 0;       // the tree
  std::uint64_t bundle_bytes = 0;     // the records once more, for web servers
  std::uint64_t body_bytes = 0;
};
[[nodiscard]] base::Result<LogSize> size_of(const std::filesystem::path& log);

}  // namespace latticegate::store
