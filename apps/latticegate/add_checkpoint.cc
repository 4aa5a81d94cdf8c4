#include "add_checkpoint.h"

#include <utility>

#include "audit/tile.h"
#include "audit/witness.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::Result;

Result<std::string> attempt(const std::filesystem::path& log, std::uint64_t old_size) {
  auto note = store::read_file(store::checkpoint_path(log), audit::note_limit.count);
  if (!note) return std::unexpected(std::move(note).error());
  const auto parsed = audit::read_note(*note);
  if (!parsed) return std::unexpected(parsed.error());
  const auto head = audit::read_checkpoint(parsed->text);
  if (!head) return std::unexpected(head.error());
  audit::AddCheckpoint request{.old_size = old_size, .proof = {}, .note = *std::move(note)};
  if (old_size > 0 && old_size <= head->size) {
    const store::FolderTiles tiles(log);
    auto proof =
        audit::prove_consistency(old_size, head->size, audit::TileSource(tiles, head->size));
    if (!proof) return std::unexpected(std::move(proof).error());
    request.proof = *std::move(proof);
  }
  return audit::write_add_checkpoint(request);
}

}  // namespace

Result<std::string> add_checkpoint_request(const std::filesystem::path& log,
                                           std::uint64_t old_size) {
  auto request = attempt(log, old_size);
  // Tiles of the checkpoint that we read may be gone already in a log that is being written.
  if (!request && request.error().code == Code::not_found) request = attempt(log, old_size);
  return request;
}

}  // namespace latticegate::app
