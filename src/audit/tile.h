// C2SP tlog-tiles: where the tree's complete nodes are in files that any web server can serve.
//
// A tile holds 256 hashes of one level in 8 (leaves, then level 8, 16, ...); levels between them
// are computed from it. The last tile of a level may be partial: the first 1 to 255 hashes of the
// full one.
//
// Posture: tiles come from disks and mirrors; the length of each is checked, its content cannot be:
// a wrong hash leads to a wrong root, and the root is signed. Pure: whoever reads files implements
// TileReader.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "audit/tree.h"
#include "base/result.h"

namespace latticegate::audit {

inline constexpr unsigned tile_height = 8;
inline constexpr unsigned tile_width = 256;  // hashes in a full tile

struct Tile {
  unsigned level = 0;           // of its hashes: node level 8 * level
  std::uint64_t index = 0;      // its place on that level
  unsigned width = tile_width;  // hashes in it
  auto operator<=>(const Tile&) const = default;
};

// "tile/0/x001/x234/067", "tile/0/273.p/112".
std::string tile_path(const Tile& tile);

// The tile that holds the node in a tree of that size, as wide as that tree makes it. The node must
// be complete there.
Tile tile_of(Position at, std::uint64_t size);

// The node from the bytes of its tile; Code::malformed when they are not that tile's length.
[[nodiscard]] base::Result<Digest> node_in(const Tile& tile, std::string_view bytes, Position at);

class TileReader {
 public:
  TileReader() = default;
  TileReader(const TileReader&) = delete;
  TileReader& operator=(const TileReader&) = delete;
  virtual ~TileReader() = default;
  // The bytes of that tile: 32 * width. Where only a wider one is left, its beginning.
  [[nodiscard]] virtual base::Result<std::string> tile(const Tile& tile) const = 0;
};

// The nodes of a tree of one size. Reads a tile for each node: the reader may remember some.
class TileSource final : public NodeSource {
 public:
  TileSource(const TileReader& reader [[clang::lifetimebound]], std::uint64_t size)
      : reader_(reader), size_(size) {}
  [[nodiscard]] base::Result<Digest> node(Position at) const override;

 private:
  const TileReader& reader_;
  std::uint64_t size_;
};

}  // namespace latticegate::audit
