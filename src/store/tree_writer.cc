#include "store/tree_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <format>
#include <system_error>
#include <utility>

#include "audit/segment.h"

namespace latticegate::store {
namespace {

using audit::Digest;
using audit::tile_width;
using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t largest_bundle = tile_width * (audit::leaf_limit.count + 2);

// The first `count` leaves of a bundle; shorter when it does not hold so many.
std::string_view first_entries(std::string_view bundle, unsigned count) {
  std::size_t size = 0;
  audit::BundleReader reader(bundle);
  for (unsigned i = 0; i < count; ++i) {
    const auto leaf = reader.next();
    if (!leaf) return {};
    size += 2 + leaf->size();
  }
  return bundle.substr(0, size);
}

std::vector<std::string> partial_paths(std::uint64_t size) {
  std::vector<std::string> paths;
  for (const audit::StoredTile& tile : audit::open_tiles(size))
    paths.push_back(audit::path_of(tile));
  return paths;
}

// How many tiles of a level are full.
std::uint64_t full_count(std::uint64_t size, unsigned level) {
  return level + 1 == audit::tile_levels ? 0 : size >> (audit::tile_height * (level + 1));
}

}  // namespace

Result<std::string> FolderTiles::tile(const audit::Tile& tile) const {
  auto bytes = read_file(log_ / audit::tile_path(tile), audit::full_tile_size);
  if (bytes || bytes.error().code != Code::not_found || tile.width == tile_width) return bytes;
  auto full = read_file(
      log_ / audit::tile_path({.level = tile.level, .index = tile.index, .width = tile_width}),
      audit::full_tile_size);
  if (!full) return bytes;  // the one that was asked for is missing
  full->resize(std::min(full->size(), tile.width * sizeof(Digest)));
  return full;
}

Result<std::string> FolderTiles::bundle(std::uint64_t index, unsigned width) const {
  auto bytes = read_file(log_ / audit::bundle_path(index, width), largest_bundle);
  if (bytes || bytes.error().code != Code::not_found || width == tile_width) return bytes;
  auto full = read_file(log_ / audit::bundle_path(index), largest_bundle);
  return full ? std::move(full) : std::move(bytes);
}

Result<TreeWriter> TreeWriter::load(const std::filesystem::path& log,
                                    const audit::Checkpoint& checkpoint, Files& files) {
  const FolderTiles tiles(log);
  TreeWriter writer(log, files);
  std::array<std::string, audit::tile_levels> open;
  std::string entries;
  for (const audit::StoredTile& stored : audit::open_tiles(checkpoint.size)) {
    const audit::Tile& tile = stored.tile;
    auto bytes = stored.entries ? tiles.bundle(tile.index, tile.width) : tiles.tile(tile);
    if (!bytes) return std::unexpected(std::move(bytes).error());
    if (stored.entries) {
      entries = first_entries(*bytes, tile.width);
    } else {
      if (bytes->size() != tile.width * sizeof(Digest))
        return fail(Code::malformed, std::format("a tile of level {} is short", tile.level));
      open.at(tile.level) = *std::move(bytes);
    }
  }
  auto range = audit::range_at(checkpoint.size, audit::TileSource(tiles, checkpoint.size));
  if (!range) return std::unexpected(std::move(range).error());
  if (range->root() != checkpoint.root)
    return fail(Code::malformed, "the tiles do not give the root that was signed");
  audit::BundleReader reader(entries);
  for (std::string_view hashes = open[0]; !hashes.empty(); hashes.remove_prefix(sizeof(Digest))) {
    const auto leaf = reader.next();
    if (!leaf || base::text_of(audit::leaf_hash(*leaf)) != hashes.substr(0, sizeof(Digest)))
      return fail(Code::malformed, "the last bundle does not hold the leaves of its tile");
  }
  writer.tree_ = audit::TileBuilder(*std::move(range), std::move(open), std::move(entries));
  writer.published_ = partial_paths(checkpoint.size);
  return writer;
}

void TreeWriter::find_leftovers(std::uint64_t from) {
  const auto look = [&](const std::string& any_width) {
    const std::filesystem::path folder = std::filesystem::path(any_width).parent_path();
    std::error_code error;
    for (std::filesystem::directory_iterator entry(log_ / folder, error), end;
         !error && entry != end; entry.increment(error)) {
      std::string path = folder / entry->path().filename();
      if (!std::ranges::contains(published_, path)) partial_.push_back(std::move(path));
    }
  };
  for (unsigned level = 0; level < audit::tile_levels; ++level)
    for (std::uint64_t index = full_count(from, level); index <= full_count(size(), level);
         ++index) {
      look(audit::tile_path({.level = level, .index = index, .width = 1}));
      if (level == 0) look(audit::bundle_path(index, 1));
    }
}

std::string TreeWriter::buffer() {
  if (spare_.empty()) return {};
  std::string bytes = std::move(spare_.back());
  spare_.pop_back();
  bytes.clear();
  return bytes;
}

void TreeWriter::wait(std::string path, std::string& bytes) {
  waiting_bytes_ += bytes.size();
  waiting_.push_back({.path = std::move(path), .bytes = std::exchange(bytes, buffer())});
}

void TreeWriter::add(std::string_view leaf) {
  tree_.add(leaf, [this](const audit::StoredTile& tile, std::string& bytes) {
    wait(audit::path_of(tile), bytes);
  });
}

Result<void> TreeWriter::make_folder(const std::string& path) {
  const bool entries = path.starts_with("tile/entries/");
  std::string& made = made_.at(entries ? 8 : static_cast<std::size_t>(path.at(5) - '0'));
  const std::string_view folder = std::string_view(path).substr(0, path.rfind('/'));
  if (made == folder) return {};
  std::error_code error;
  std::filesystem::create_directories(log_ / folder, error);
  if (error)
    return fail(error == std::errc::no_space_on_device ? Code::unavailable : Code::io,
                std::format("cannot create {}: {}", (log_ / folder).string(), error.message()));
  made = folder;
  return {};
}

std::unique_ptr<File> TreeWriter::reuse(const std::string& path) {
  if (obsolete_.empty()) return nullptr;
  const std::filesystem::path old = log_ / obsolete_.back();
  obsolete_.pop_back();
  if (!files_->rename(old, log_ / path)) return nullptr;
  std::error_code error;
  if (std::filesystem::remove(old.parent_path(), error)) std::ranges::fill(made_, std::string());
  auto file = files_->open(log_ / path);
  if (!file) return nullptr;
  // Nothing of the old content is left if we are killed now.
  return (*file)->truncate(0) ? *std::move(file) : nullptr;
}

Result<void> TreeWriter::write(const std::string& path, std::string_view bytes) {
  const std::filesystem::path whole = log_ / path;
  if (auto made = make_folder(path); !made) return made;
  std::unique_ptr<File> file = path.contains(".p/") ? reuse(path) : nullptr;
  if (file == nullptr) {
    auto made = files_->create_anew(whole);
    if (!made) {
      std::ranges::fill(made_, std::string());  // somebody may have removed the folder
      return std::unexpected(std::move(made).error());
    }
    file = *std::move(made);
  }
  return file->write_all(bytes, 0);
}

Result<void> TreeWriter::flush() {
  std::size_t done = 0;
  Result<void> outcome;
  for (Waiting& file : waiting_) {
    outcome = write(file.path, file.bytes);
    if (!outcome) break;
    waiting_bytes_ -= file.bytes.size();
    if (spare_.size() < 32) spare_.push_back(std::move(file.bytes));
    ++done;
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(done));
  return outcome;
}

Result<void> TreeWriter::prepare() {
  if (auto flushed = flush(); !flushed) return flushed;
  // What was prepared and never published may be half-written, and must not lie under a checkpoint.
  while (!partial_.empty()) {
    if (!std::ranges::contains(published_, partial_.back()))
      if (auto removed = files_->remove(log_ / partial_.back()); !removed) return removed;
    partial_.pop_back();
  }
  partial_ = partial_paths(size());
  for (const std::string& path : partial_) {
    if (std::ranges::contains(published_, path)) continue;
    const auto stored = audit::tile_from_path(path);
    base::check(stored.has_value(), "our own paths are paths");
    if (auto written = write(path, tree_.open(*stored)); !written) return written;
  }
  return {};
}

void TreeWriter::settle() {
  for (std::string& path : before_) {
    if (std::ranges::contains(published_, path) || std::ranges::contains(partial_, path)) continue;
    if (obsolete_.size() < partial_.size() + 2) {
      obsolete_.push_back(std::move(path));
      continue;
    }
    // One that stays is harmless.
    static_cast<void>(files_->remove(log_ / path).has_value());
    std::error_code error;
    const std::filesystem::path folder = (log_ / path).parent_path();
    if (std::filesystem::remove(folder, error)) std::ranges::fill(made_, std::string());
  }
  before_ = std::exchange(published_, std::exchange(partial_, {}));
}

bool tiles_exist(const std::filesystem::path& log, std::uint64_t size, std::uint64_t leaves,
                 std::uint64_t minimum) {
  const auto has = [&](const std::string& path, bool any_size) {
    struct stat about{};
    return ::stat((log / path).c_str(), &about) == 0 && S_ISREG(about.st_mode) &&
           (any_size ? about.st_size > 0
                     : about.st_size == static_cast<off_t>(audit::full_tile_size));
  };
  const std::uint64_t from = size - std::min(size, leaves);
  for (unsigned level = 0; level < audit::tile_levels; ++level) {
    const std::uint64_t end = full_count(size, level);
    for (std::uint64_t index = full_count(from, level); index < end; ++index) {
      if (!has(audit::tile_path({.level = level, .index = index, .width = tile_width}), false))
        return false;
      if (level == 0 && index >= minimum / tile_width && !has(audit::bundle_path(index), true))
        return false;
    }
  }
  return true;
}

}  // namespace latticegate::store
