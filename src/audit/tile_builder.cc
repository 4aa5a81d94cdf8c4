#include "audit/tile_builder.h"

#include "audit/segment.h"

namespace latticegate::audit {

std::vector<StoredTile> open_tiles(std::uint64_t size) {
  std::vector<StoredTile> open;
  for (unsigned level = 0; level < tile_levels; ++level) {
    const auto width = static_cast<unsigned>(size >> (tile_height * level) & (tile_width - 1));
    if (width == 0) continue;
    const std::uint64_t index = level + 1 == tile_levels ? 0 : size >> (tile_height * (level + 1));
    const Tile tile{.level = level, .index = index, .width = width};
    open.push_back({.entries = false, .tile = tile});
    if (level == 0) open.push_back({.entries = true, .tile = tile});
  }
  return open;
}

void TileBuilder::append(std::string_view leaf) {
  completed_.clear();
  range_.append(leaf_hash(leaf), completed_);
  write_entry(leaf, bundle_);
}

}  // namespace latticegate::audit
