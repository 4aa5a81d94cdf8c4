// C2SP tlog-tiles, the other half: the leaves themselves, 256 to a file, beside the tiles of their
// hashes.
//
//   bundle = (length[2] leaf[length])*        lengths are big-endian
//
// Posture: bundles come from disks and mirrors. A length that reaches over the end stops the
// reader; whether a leaf is the right one only its hash in the tree tells. Pure. Lifetimes: leaves
// are views into the bytes that were handed in. Fuzz target: fuzz/receipt_fuzz.cc.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/tile.h"

namespace latticegate::audit {

// "tile/entries/x001/234", "tile/entries/273.p/112".
std::string bundle_path(std::uint64_t index, unsigned width = tile_width);

// Appends a leaf; it is at most leaf_limit long.
void write_entry(std::string_view leaf, std::string& out);

class BundleReader {
 public:
  explicit BundleReader(std::string_view bytes) : rest_(bytes) {}
  // The next leaf, or nothing: at the end, and where the bytes are no bundle any more.
  std::optional<std::string_view> next();
  // After next() gave nothing: whether it was the end.
  bool complete() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// What a path below the log's folder stands for, if it is one of tile_path() or bundle_path().
struct StoredTile {
  bool entries = false;  // a bundle; its level is 0
  Tile tile;
  bool operator==(const StoredTile&) const = default;
};
std::optional<StoredTile> tile_from_path(std::string_view path);
std::string path_of(const StoredTile& tile);

}  // namespace latticegate::audit
