// The lines of a stream for commands that answer line by line: bounded, and never a byte read ahead
// of the line that is asked for, so that a program may ask over pipes.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>

#include "base/bytes.h"

namespace latticegate::app {

inline constexpr base::Bytes longest_line{std::uint64_t{4} * 1024 * 1024};

class Lines {
 public:
  explicit Lines(std::FILE* stream, base::Bytes longest = longest_line)
      : stream_(stream), longest_(longest) {}
  // False at the end. A line that is too long is cut; too_long() tells.
  bool next() {
    line_.clear();
    too_long_ = false;
    int byte = 0;
    while ((byte = ::getc_unlocked(stream_)) != EOF && byte != '\n') {
      too_long_ = too_long_ || line_.size() == longest_.count;
      if (!too_long_) line_ += static_cast<char>(byte);
    }
    return byte == '\n' || (std::ferror(stream_) == 0 && (!line_.empty() || too_long_));
  }
  const std::string& line() const { return line_; }
  bool too_long() const { return too_long_; }

 private:
  std::FILE* stream_;
  base::Bytes longest_;
  std::string line_;
  bool too_long_ = false;
};

}  // namespace latticegate::app
