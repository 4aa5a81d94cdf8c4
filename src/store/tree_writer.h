// The tree of a log as files: full tiles and bundles as they are completed, partial ones for each
// checkpoint.
//
// All of it is derived from the segments and can be made again from them; so nothing here waits for
// the disk, and a file that exists already is written anew. Partial tiles stay for two checkpoints,
// so that a reader who has just fetched one finds them.
//
// Belongs to one thread. add() does no I/O: what it completes waits in memory for flush(), about
// the bytes of the leaves that were added. After a flush() that failed, call it again.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "audit/bundle.h"
#include "audit/checkpoint.h"
#include "audit/tile.h"
#include "audit/tile_builder.h"
#include "base/result.h"
#include "store/file.h"
#include "store/open_file.h"

namespace latticegate::store {

// The tiles of a log's folder. Where a partial one is gone, the full one serves.
class FolderTiles final : public audit::TileReader {
 public:
  explicit FolderTiles(std::filesystem::path log) : log_(std::move(log)) {}
  base::Result<std::string> tile(const audit::Tile& tile) const override;
  // The bytes of a bundle with that many leaves, or those of the full one.
  [[nodiscard]] base::Result<std::string> bundle(std::uint64_t index, unsigned width) const;

 private:
  std::filesystem::path log_;
};

class TreeWriter {
 public:
  // The tree without leaves. Files outlive it.
  TreeWriter(std::filesystem::path log, Files& files) : log_(std::move(log)), files_(&files) {}
  // The tree as it was at a checkpoint. Code::malformed, Code::not_found: the files do not give it.
  [[nodiscard]] static base::Result<TreeWriter> load(const std::filesystem::path& log,
                                                     const audit::Checkpoint& checkpoint,
                                                     Files& files);

  // Finds the partial tiles that a process left which died before it published them, half-written
  // ones among them; prepare() removes them. It had published the tree of `from` leaves, and this
  // one has got at least as far as it had.
  void find_leftovers(std::uint64_t from);

  void add(std::string_view leaf);
  // Writes what was completed since the last time.
  [[nodiscard]] base::Result<void> flush();
  std::uint64_t waiting_bytes() const { return waiting_bytes_; }

  // Before a checkpoint of this size is published: flushes, and writes the partial tiles.
  [[nodiscard]] base::Result<void> prepare();
  // After it was: gives up partial tiles that only older checkpoints need. Their files become those
  // of later ones, because making and removing files all the time gets slow on ext4.
  void settle();

  std::uint64_t size() const { return tree_.size(); }
  audit::Digest root() const { return tree_.root(); }
  // The leaves that are in no full bundle yet, as a bundle.
  std::string_view open_bundle() const [[clang::lifetimebound]] { return tree_.open_bundle(); }

 private:
  struct Waiting {
    std::string path;
    std::string bytes;
  };
  [[nodiscard]] base::Result<void> write(const std::string& path, std::string_view bytes);
  [[nodiscard]] base::Result<void> make_folder(const std::string& path);
  // An obsolete file under that name; null when there is none.
  std::unique_ptr<File> reuse(const std::string& path);
  std::string buffer();
  void wait(std::string path, std::string& bytes);

  std::filesystem::path log_;
  Files* files_;
  audit::TileBuilder tree_;
  std::vector<Waiting> waiting_;
  std::uint64_t waiting_bytes_ = 0;
  std::vector<std::string> spare_;    // buffers to use again
  std::array<std::string, 9> made_;   // by level, bundles last: the folder that is known to exist
  std::vector<std::string> partial_;  // of the checkpoint in preparation
  std::vector<std::string> published_;
  std::vector<std::string> before_;
  std::vector<std::string> obsolete_;
};

// Whether the full tiles and bundles of the last `leaves` leaves exist in their sizes: a power cut
// may lose files that were not synced. Bundles that retention gave up, all before `minimum`, may be
// missing.
bool tiles_exist(const std::filesystem::path& log, std::uint64_t size, std::uint64_t leaves,
                 std::uint64_t minimum);

}  // namespace latticegate::store
