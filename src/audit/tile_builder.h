// The tree of a log while it grows: takes leaf after leaf and cuts full tiles and bundles off.
//
// Whoever writes them to a folder and whoever holds a folder against its records does the same
// steps. Pure; memory is one tile per level and one bundle, whatever the size. About 1 us a record.
#pragma once
#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/bundle.h"
#include "audit/tile.h"
#include "audit/tree.h"
#include "base/bytes.h"

namespace latticegate::audit {

inline constexpr unsigned tile_levels = 8;
inline constexpr std::size_t full_tile_size = tile_width * sizeof(Digest);

// The tiles and the bundle that a tree of that size leaves open, with their widths; levels without
// open hashes have none.
std::vector<StoredTile> open_tiles(std::uint64_t size);

class TileBuilder {
 public:
  TileBuilder() = default;
  // Goes on from a tree whose open tiles and bundle are given.
  TileBuilder(CompactRange range, std::array<std::string, tile_levels> tiles, std::string bundle)
      : range_(std::move(range)), tiles_(std::move(tiles)), bundle_(std::move(bundle)) {}

  // `cut` gets each tile that became full, and its bundle behind the one of level 0. It may take
  // the bytes away; what it leaves is forgotten.
  template <std::invocable<const StoredTile&, std::string&> Cut>
  void add(std::string_view leaf, Cut cut) {
    append(leaf);
    settle(cut);
  }

  // The same for a leaf of which only the hash is left: it is not in the bundle.
  template <std::invocable<const StoredTile&, std::string&> Cut>
  void add_hash(const Digest& leaf, Cut cut) {
    completed_.clear();
    range_.append(leaf, completed_);
    settle(cut);
  }

  std::uint64_t size() const { return range_.size(); }
  Digest root() const { return range_.root(); }
  // The bytes of one of open_tiles(size()).
  std::string_view open(const StoredTile& tile) const [[clang::lifetimebound]] {
    return tile.entries ? std::string_view(bundle_) : std::string_view(tiles_.at(tile.tile.level));
  }
  // The leaves that are in no full bundle yet, as a bundle.
  std::string_view open_bundle() const [[clang::lifetimebound]] { return bundle_; }

 private:
  void append(std::string_view leaf);
  template <class Cut>
  void settle(Cut& cut) {
    for (const Node& node : completed_) {
      if (node.at.level % tile_height != 0) continue;
      const unsigned level = node.at.level / tile_height;
      std::string& tile = tiles_.at(level);
      tile += base::text_of(node.hash);
      if (tile.size() < full_tile_size) break;
      const Tile whole{.level = level, .index = node.at.index / tile_width, .width = tile_width};
      cut(StoredTile{.entries = false, .tile = whole}, tile);
      tile.clear();
      if (level != 0) continue;
      cut(StoredTile{.entries = true, .tile = whole}, bundle_);
      bundle_.clear();
    }
  }

  CompactRange range_;
  std::vector<Node> completed_;
  std::array<std::string, tile_levels> tiles_;
  std::string bundle_;
};

}  // namespace latticegate::audit
