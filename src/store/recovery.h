// What a log's folder holds when a process takes it over, made fit to be continued.
//
// The last segment may end in a torn tail: bytes of a batch that nobody was told about. They are
// copied to a file beside it (000123.cut-<offset>) and cut off. A last segment whose header never
// got to the disk is set aside likewise, whole. Damage that a crash cannot explain is not repaired
// but refused (Code::malformed): a person has to look at it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/file.h"

namespace latticegate::store {

struct Recovered {
  std::uint64_t segment = 0;  // the last one's number; 0: there is none
  std::uint64_t next_seq = 0;
  std::unique_ptr<File> file;  // of that segment, if there is one
  std::uint64_t size = 0;      // of its valid part, which is now its end
  std::uint64_t first = 0;     // seq of its first leaf
  std::string last_type;       // type of the last leaf; empty when the segment holds none
  std::uint64_t cut_bytes = 0;
  std::string cut_file;    // where they are now: a file name in the segments' folder
  std::string cut_sha256;  // of that file, hexadecimal
};

// Creates the folders if need be. The caller holds the log's lock. Code::conflict when the log is
// another origin's.
[[nodiscard]] base::Result<Recovered> recover(const std::filesystem::path& log,
                                              std::string_view origin, Files& files);

}  // namespace latticegate::store
