// Records beside a log that cannot be written now: one file in another folder, each record durable
// before anybody is told of it, taken back when the log works again.
//
//   <folder>/spill.log = frame*      as in a segment; in a frame: place of the seq[4] leaf
//
// A torn tail is of records that nobody was told about. Bodies are left out. Belongs to one thread.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "audit/record.h"
#include "base/result.h"
#include "store/detail/growing_file.h"
#include "store/file.h"

namespace latticegate::store {

class Spill {
 public:
  Spill(const std::filesystem::path& folder, Files& files)
      : files_(&files), file_(folder / "spill.log", files) {}

  struct Kept {
    std::string text;
    std::uint32_t seq_at = 0;
  };
  // What an earlier process left; empty when there is nothing.
  [[nodiscard]] base::Result<std::vector<Kept>> read() const;

  // Takes out of these what is in the log already: a process that died between the log and
  // clear() left it in both.
  [[nodiscard]] static base::Result<void> drop_known(const std::filesystem::path& log,
                                                     std::vector<Kept>& kept);

  // Collects; text with the place of a body still in it.
  void add(audit::Leaf leaf);
  // Makes what was added since the last time durable. After an error nothing of it counts.
  [[nodiscard]] base::Result<void> commit();
  // Everything is in the log now.
  [[nodiscard]] base::Result<void> clear();

 private:
  Files* files_;
  GrowingFile file_;
  std::string out_;
};

}  // namespace latticegate::store
