// A log in pieces that many threads read at once: of complete, packed segments the chunks, of plain
// ones some hundred KiB of whole frames. For reading very many records whose order does not matter;
// LogReader reads them in their order.
//
// Checked are the same checksums as there, and that each segment goes on where the one before
// ended. What is damaged is told once, by damage(); unlike there, pieces of the same segment behind
// the damaged one are still read. Not checked is what only store/verify.h checks: the hash tree and
// its signatures.
//
// Takes no lock and writes nothing; ends where the log ends at that moment. Memory: a piece each
// thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/packed.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/open_file.h"
#include "store/query_reader.h"

namespace latticegate::store {

class LogPieces {
 public:
  // Code::not_found when there is no log, Code::io. `since`: as ReadFrom has it.
  [[nodiscard]] static base::Result<LogPieces> open(const std::filesystem::path& log,
                                                    std::optional<base::Time> since);

  // Memory of one thread, used again from piece to piece.
  class Piece {
   public:
    // The next leaf, valid until the next piece is read; nothing at the end.
    std::optional<std::string_view> next();

   private:
    friend class LogPieces;
    std::string bytes_;
    std::size_t at_ = 0;
    std::size_t segment_ = 0;  // its position in the list
    std::uint64_t leaves_ = 0;
    std::optional<audit::SegmentUnpacker> unpacker_;
  };
  // Reads the next piece, after the piece before was read to its end; false when there is none.
  // Any thread.
  bool read(Piece& piece);

  // What is damaged, a sentence each; once all pieces were read.
  std::vector<std::string> damage();

  LogPieces(LogPieces&&) noexcept;
  LogPieces& operator=(LogPieces&&) noexcept;
  LogPieces(const LogPieces&) = delete;
  LogPieces& operator=(const LogPieces&) = delete;
  ~LogPieces();

 private:
  struct Segment;
  struct Share;
  explicit LogPieces(std::unique_ptr<Share> share);
  static bool open_next(Share& share);
  std::unique_ptr<Share> share_;
};

}  // namespace latticegate::store
