#include "audit/tile.h"

#include <algorithm>
#include <array>
#include <format>

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

// The first of the tile's hashes below a node, counted over the whole level.
std::uint64_t first_below(Position at) { return at.index << (at.level % tile_height); }

}  // namespace

std::string tile_path(const Tile& tile) {
  base::check(tile.width >= 1 && tile.width <= tile_width, "a tile is neither empty nor overfull");
  std::string groups = std::format("{:03}", tile.index % 1000);
  for (std::uint64_t rest = tile.index / 1000; rest > 0; rest /= 1000)
    groups.insert(0, std::format("x{:03}/", rest % 1000));
  std::string path = std::format("tile/{}/{}", tile.level, groups);
  if (tile.width < tile_width) path += std::format(".p/{}", tile.width);
  return path;
}

Tile tile_of(Position at, std::uint64_t size) {
  const std::uint64_t nodes = at.level < 64 ? size >> at.level : 0;
  base::check(at.index < nodes, "a tile has complete nodes only");
  const unsigned level = at.level / tile_height;
  const std::uint64_t index = first_below(at) / tile_width;
  const std::uint64_t hashes = (size >> (level * tile_height)) - index * tile_width;
  return {level, index, static_cast<unsigned>(std::min<std::uint64_t>(hashes, tile_width))};
}

Result<Digest> node_in(const Tile& tile, std::string_view bytes, Position at) {
  if (bytes.size() != tile.width * sizeof(Digest))
    return fail(Code::malformed, std::format("{} has {} bytes, not {}", tile_path(tile),
                                             bytes.size(), tile.width * sizeof(Digest)));
  const std::size_t first = first_below(at) % tile_width;
  std::size_t count = std::size_t{1} << (at.level % tile_height);
  base::check(at.level / tile_height == tile.level && first_below(at) / tile_width == tile.index &&
                  first + count <= tile.width,
              "a node is asked from the tile that holds it");
  std::array<Digest, tile_width / 2> hashes;
  for (std::size_t i = 0; i < count; ++i)
    std::ranges::copy(base::bytes_of(bytes.substr((first + i) * sizeof(Digest), sizeof(Digest))),
                      hashes.at(i).begin());
  for (; count > 1; count /= 2) {
    for (std::size_t i = 0; i < count / 2; ++i)
      hashes.at(i) = node_hash(hashes.at(2 * i), hashes.at(2 * i + 1));
  }
  return hashes[0];
}

Result<Digest> TileSource::node(Position at) const {
  const Tile tile = tile_of(at, size_);
  const auto bytes = reader_.tile(tile);
  if (!bytes) return std::unexpected(bytes.error());
  return node_in(tile, *bytes, at);
}

}  // namespace latticegate::audit
