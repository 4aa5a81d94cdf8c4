#include "store/detail/verifier.h"

#include <algorithm>
#include <format>
#include <system_error>
#include <utility>

#include "audit/bundle.h"

namespace latticegate::store {

namespace fs = std::filesystem;
using audit::Digest;
using audit::tile_width;
using base::Code;
using base::fail;
using base::Result;

std::string short_hash(std::string_view digest) {
  return base::to_hex(base::bytes_of(digest.substr(0, 8)));
}
std::string short_hash(const Digest& digest) { return short_hash(base::text_of(digest)); }

// A tile or bundle that the records have just filled, against its file.
void Verifier::full_tile_of(const audit::StoredTile& tile, std::string_view wanted) {
  if (tile.entries && from_bundles_) return;
  const std::string path = audit::path_of(tile);
  const unsigned shift = audit::tile_height * (tile.tile.level + 1);
  const std::uint64_t first = tile.tile.index << shift;  // leaf
  const bool must = is_signed((tile.tile.index + 1) << shift);
  const auto bytes =
      contents(path, tile.entries ? largest_bundle : audit::full_tile_size, first, must);
  if (!bytes) return;
  if (*bytes == wanted)
    ++(tile.entries ? report_.bundles : report_.tiles);
  else if (!must)
    not_checked(std::format("{} differs from records that are not signed yet", path));
  else if (tile.entries)
    differing_record(path, *bytes, wanted, first);
  else
    differing_hash(path, *bytes, wanted, tile.tile);
}

void Verifier::differing_hash(const std::string& path, std::string_view bytes,
                              std::string_view wanted, const audit::Tile& tile) {
  const std::uint64_t first = tile.index * tile_width;
  const unsigned shift = audit::tile_height * tile.level;
  if (bytes.size() != wanted.size()) {
    problem(path, first << shift,
            std::format("has {} bytes instead of {}", bytes.size(), wanted.size()));
    return;
  }
  std::size_t at = 0;
  while (bytes.substr(at, sizeof(Digest)) == wanted.substr(at, sizeof(Digest)))
    at += sizeof(Digest);
  problem(path, (first + at / sizeof(Digest)) << shift,
          std::format("holds hash {}, the record{} give{} {}",
                      short_hash(bytes.substr(at, sizeof(Digest))),
                      tile.level == 0 ? "" : "s from there on", tile.level == 0 ? "s" : "",
                      short_hash(wanted.substr(at, sizeof(Digest)))));
}

void Verifier::differing_record(const std::string& path, std::string_view bytes,
                                std::string_view wanted, std::uint64_t first) {
  audit::BundleReader there(bytes);
  audit::BundleReader here(wanted);
  std::uint64_t record = first;
  for (; const auto leaf = here.next(); ++record)
    if (there.next() != leaf) break;
  problem(path, std::min(record, first + tile_width - 1), "holds another record than the segment");
}

// At the size of the checkpoint: the tiles that it cuts through.
void Verifier::partial_tiles() {
  if (!has_tiles_ || options_.live) return;
  for (const audit::StoredTile& tile : audit::open_tiles(tree_.size())) {
    if (tile.entries && from_bundles_) continue;
    const std::string path = audit::path_of(tile);
    const auto bytes =
        contents(path, tile.entries ? largest_bundle : audit::full_tile_size, {}, true);
    if (!bytes) continue;
    if (*bytes != tree_.open(tile))
      problem(path, {}, "does not hold what the records give");
    else
      ++(tile.entries ? report_.bundles : report_.tiles);
  }
}

// A file below tile/ that is there: is it one of ours, and does it hold what it should?
void Verifier::look_at_tile(const std::string& path) {
  const auto stored = audit::tile_from_path(path);
  if (!stored) {
    problem(path, {}, "does not belong there");
    return;
  }
  const audit::Tile& tile = stored->tile;
  const std::uint64_t hashes = tree_.size() >> (8 * tile.level);  // of the whole level
  const std::uint64_t end = tile.index * tile_width + tile.width;
  if (end > hashes) {
    if (!options_.live && !broken_) problem(path, {}, "is of records that are not there");
    return;
  }
  if (tile.width == tile_width) return;  // seen on the way
  // A partial one: the beginning of the full one, or of what is open.
  const bool open = tile.index == hashes / tile_width;
  const auto bytes = contents(path, largest_bundle, {}, false);
  if (!bytes) return;
  std::string whole;
  if (open) {
    whole = tree_.open(*stored);
  } else {
    // The full one; or, while that is not signed and perhaps not written, the one of the
    // checkpoint, which was compared on the way.
    const std::uint64_t full_end = (tile.index + 1) * tile_width << (8 * tile.level);
    const auto width = static_cast<unsigned>(report_.head.size >> (8 * tile.level) & 0xFFU);
    const unsigned other = is_signed(full_end) ? tile_width : std::max(width, tile.width);
    auto read =
        contents(stored->entries
                     ? audit::bundle_path(tile.index, other)
                     : audit::tile_path({.level = tile.level, .index = tile.index, .width = other}),
                 largest_bundle, {}, true);
    if (!read) return;
    whole = *std::move(read);
  }
  std::size_t size = tile.width * sizeof(Digest);
  if (stored->entries) {
    size = 0;
    audit::BundleReader reader(whole);
    for (unsigned i = 0; i < tile.width; ++i)
      if (const auto text = reader.next()) size += 2 + text->size();
  }
  if (*bytes == std::string_view(whole).substr(0, size)) return;
  if (is_signed(end << (8 * tile.level)))
    problem(path, {}, "does not hold what the records give");
  else if (!options_.live)
    not_checked(std::format("{} is not whole; nothing that was signed needs it", path));
}

Result<void> Verifier::look_through_tiles() {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(log_ / "tile", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path().lexically_relative(log_).generic_string();
    std::error_code unused;
    if (entry->symlink_status(unused).type() == fs::file_type::directory) continue;
    if (entry->symlink_status(unused).type() != fs::file_type::regular)
      problem(path, {}, "is no regular file");
    else
      look_at_tile(path);
  }
  if (error == std::errc::no_such_file_or_directory && options_.live) return {};
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", log_.string(), error.message()));
  return {};
}

}  // namespace latticegate::store
