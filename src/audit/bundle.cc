#include "audit/bundle.h"

#include <charconv>

#include "audit/segment.h"

namespace latticegate::audit {
namespace {

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

// "x001/x234/067": each group three digits, all but the last with an x.
std::optional<std::uint64_t> index_of(std::string_view groups) {
  std::uint64_t index = 0;
  for (;;) {
    const bool last = !groups.starts_with('x');
    if (!last) groups.remove_prefix(1);
    if (groups.size() < 3 || index > tree_size_limit / 1000) return std::nullopt;
    const auto group = number(groups.substr(0, 3));
    if (!group) return std::nullopt;
    index = index * 1000 + *group;
    groups.remove_prefix(3);
    if (last) return groups.empty() ? std::optional(index) : std::nullopt;
    if (!groups.starts_with('/')) return std::nullopt;
    groups.remove_prefix(1);
  }
}

}  // namespace

std::string bundle_path(std::uint64_t index, unsigned width) {
  // As the tile of the same leaves, with another word for the level.
  return "tile/entries" + tile_path({.level = 0, .index = index, .width = width}).substr(6);
}

void write_entry(std::string_view leaf, std::string& out) {
  base::check(leaf.size() <= leaf_limit.count, "a leaf keeps within its limit");
  out += static_cast<char>(leaf.size() >> 8U & 0xFFU);
  out += static_cast<char>(leaf.size() & 0xFFU);
  out += leaf;
}

std::optional<std::string_view> BundleReader::next() {
  if (rest_.size() < 2) return std::nullopt;
  const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(rest_[0])) << 8U |
                           static_cast<unsigned char>(rest_[1]);
  if (rest_.size() - 2 < size) return std::nullopt;
  const std::string_view leaf = rest_.substr(2, size);
  rest_.remove_prefix(2 + size);
  return leaf;
}

std::optional<StoredTile> tile_from_path(std::string_view path) {
  const std::string_view whole = path;
  if (!path.starts_with("tile/")) return std::nullopt;
  path.remove_prefix(5);
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  StoredTile found;
  if (path.substr(0, slash) == "entries") {
    found.entries = true;
  } else {
    const auto level = number(path.substr(0, slash));
    if (!level || *level > 7) return std::nullopt;
    found.tile.level = static_cast<unsigned>(*level);
  }
  path.remove_prefix(slash + 1);
  if (const std::size_t partial = path.find(".p/"); partial != std::string_view::npos) {
    const auto width = number(path.substr(partial + 3));
    if (!width || *width == 0 || *width >= tile_width) return std::nullopt;
    found.tile.width = static_cast<unsigned>(*width);
    path = path.substr(0, partial);
  }
  const auto index = index_of(path);
  if (!index) return std::nullopt;
  found.tile.index = *index;
  // Other ways to write the same are no such path.
  return path_of(found) == whole ? std::optional(found) : std::nullopt;
}

std::string path_of(const StoredTile& tile) {
  return tile.entries ? bundle_path(tile.tile.index, tile.tile.width) : tile_path(tile.tile);
}

}  // namespace latticegate::audit
