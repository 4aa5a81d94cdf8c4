#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "audit/segment.h"
#include "audit/tile.h"

using namespace latticegate;
using audit::CompactRange;
using audit::Digest;
using audit::Tile;

namespace {

constexpr std::uint64_t most = 66'000;  // three levels of tiles

Digest leaf_at(std::uint64_t index) { return audit::leaf_hash("record-" + std::to_string(index)); }

// Each level of tiles as one run of bytes, as a writer would have appended it.
class Levels final : public audit::TileReader {
 public:
  explicit Levels(std::uint64_t leaves) {
    CompactRange range;
    std::vector<audit::Node> completed;
    for (std::uint64_t i = 0; i < leaves; ++i) {
      completed.clear();
      range.append(leaf_at(i), completed);
      for (const audit::Node& node : completed) {
        if (node.at.level % audit::tile_height == 0)
          levels_[node.at.level / audit::tile_height] += base::text_of(node.hash);
      }
      if (i % 997 == 0 || i + 1 == leaves) roots_.emplace_back(i + 1, range.root());
    }
  }
  base::Result<std::string> tile(const Tile& tile) const override {
    return levels_.at(tile.level).substr(tile.index * audit::tile_width * 32, tile.width * 32U);
  }
  const std::vector<std::pair<std::uint64_t, Digest>>& roots() const { return roots_; }

 private:
  std::map<unsigned, std::string> levels_;
  std::vector<std::pair<std::uint64_t, Digest>> roots_;  // of some sizes
};

}  // namespace

TEST_CASE("the paths of tiles") {
  CHECK(audit::tile_path({0, 0}) == "tile/0/000");
  CHECK(audit::tile_path({0, 273, 112}) == "tile/0/273.p/112");
  CHECK(audit::tile_path({0, 1000}) == "tile/0/x001/000");
  CHECK(audit::tile_path({3, 1'234'067}) == "tile/3/x001/x234/067");
  CHECK(audit::tile_path({7, 0, 1}) == "tile/7/000.p/1");
}

TEST_CASE("the tiles of a tree of 70,000") {
  CHECK(audit::tile_of({0, 0}, 70'000) == Tile{0, 0, 256});
  CHECK(audit::tile_of({0, 69'887}, 70'000) == Tile{0, 272, 256});
  CHECK(audit::tile_of({0, 69'888}, 70'000) == Tile{0, 273, 112});
  CHECK(audit::tile_of({8, 255}, 70'000) == Tile{1, 0, 256});
  CHECK(audit::tile_of({8, 272}, 70'000) == Tile{1, 1, 17});
  CHECK(audit::tile_of({12, 16}, 70'000) == Tile{1, 1, 17});
  CHECK(audit::tile_of({16, 0}, 70'000) == Tile{2, 0, 1});
  CHECK(audit::tile_of({62, 0}, audit::tree_size_limit) == Tile{7, 0, 127});
}

TEST_CASE("roots, states and proofs come out of tiles") {
  const Levels levels(most);
  const auto& [last, newest] = levels.roots().back();
  CHECK(last == most);
  for (const auto& [size, root] : levels.roots()) {
    CAPTURE(size);
    const audit::TileSource source(levels, size);
    CHECK(audit::root_at(size, source).value() == root);
    CHECK(audit::range_at(size, source)->root() == root);
    const std::uint64_t index = size * 2 / 3;
    const auto path = audit::prove_inclusion(index, size, source).value();
    CHECK(audit::verify_inclusion(index, size, leaf_at(index), path, root).has_value());
    const auto growth =
        audit::prove_consistency(size, most, audit::TileSource(levels, most)).value();
    CHECK(audit::verify_consistency(size, most, root, newest, growth).has_value());
  }
}

TEST_CASE("a tile of another length is refused") {
  for (const std::size_t size : {0U, 31U, 96U, 8192U})
    CHECK(audit::node_in({0, 0, 2}, std::string(size, 'x'), {1, 0}).error().code ==
          base::Code::malformed);
}
