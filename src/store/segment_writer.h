// The segment that is being written (format in audit/segment.h), and the next one when it is full.
//
// What append() returned for is durable, and nothing else counts: after an error the same bytes may
// be appended again, over what is left of the first attempt. Belongs to one thread; the caller
// holds the log's lock.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "store/file.h"
#include "store/recovery.h"

namespace latticegate::store {

class SegmentWriter {
 public:
  SegmentWriter(std::filesystem::path log, std::string origin, Files& files)
      : log_(std::move(log)), origin_(std::move(origin)), files_(files) {}
  // Goes on where recovery ended; where it found no file to go on in, next() comes first.
  void resume(Recovered& found);

  [[nodiscard]] base::Result<void> append(std::string_view frames);
  // Ends the segment where it is durable and begins the next one with the leaf `first`.
  [[nodiscard]] base::Result<void> next(std::uint64_t first, base::Time now);
  // Takes away whatever is behind what is durable, reserved space too.
  [[nodiscard]] base::Result<void> cut();

  bool is_open() const { return file_ != nullptr; }
  std::uint64_t number() const { return number_; }
  std::uint64_t first() const { return first_; }  // seq of its first leaf
  std::uint64_t size() const { return size_; }    // durable bytes

 private:
  std::filesystem::path log_;
  std::string origin_;
  Files& files_;
  std::unique_ptr<File> file_;
  std::uint64_t number_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t reserved_ = 0;  // up to where space is reserved
};

}  // namespace latticegate::store
