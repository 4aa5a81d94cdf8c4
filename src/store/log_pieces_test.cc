#include "store/log_pieces.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/detail/scratch.h"
#include "store/packer.h"

using namespace latticegate;
using base::Code;
using store::LogPieces;

namespace {

// Leaves of some hundred bytes, in segments of so many.
struct Log {
  explicit Log(std::vector<int> segments) {
    std::filesystem::create_directories(store::segment_folder(path()));
    std::uint64_t first = 0;
    for (std::size_t n = 0; n < segments.size(); ++n) {
      std::string bytes = audit::write_header(
          {.number = n + 1, .first = first, .origin = "o", .created = base::Time{}});
      for (int i = 0; i < segments[n]; ++i) {
        leaves.push_back(
            std::format(R"({{"seq":{},"text":"{}"}})", first,
                        std::string(first * 7 % 900, static_cast<char>('a' + i % 26))));
        audit::write_frame(leaves.back(), bytes);
        ++first;
      }
      append(n + 1, bytes);
    }
  }
  void append(std::uint64_t number, std::string_view bytes) const {
    std::ofstream(store::segment_path(path(), number), std::ios::binary | std::ios::app) << bytes;
  }
  void overwrite(const std::filesystem::path& file, std::int64_t from_end) const {
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(-from_end, std::ios::end);
    stream << "\x01\x02";
  }
  void pack(std::uint64_t number) {
    store::SystemFiles files;
    REQUIRE(store::pack_segment(path(), number, files).has_value());
  }
  const std::filesystem::path& path() const { return scratch.path(); }

  std::vector<std::string> read(std::size_t threads, std::vector<std::string>& damage) const {
    auto pieces = LogPieces::open(path(), {});
    REQUIRE_MESSAGE(pieces.has_value(), pieces.error().detail);
    std::mutex mutex;
    std::vector<std::string> found;
    {
      std::vector<std::jthread> workers;
      for (std::size_t i = 0; i < threads; ++i)
        workers.emplace_back([&] {
          LogPieces::Piece piece;
          std::vector<std::string> own;
          while (pieces->read(piece))
            while (const auto leaf = piece.next()) own.emplace_back(*leaf);
          const std::scoped_lock lock(mutex);
          std::ranges::move(own, std::back_inserter(found));
        });
    }
    damage = pieces->damage();
    std::ranges::sort(found);
    return found;
  }

  store::Scratch scratch;
  std::vector<std::string> leaves;
};

}  // namespace

TEST_CASE("all leaves once, plain and packed, by one thread and by many") {
  Log log({3000, 1, 2500, 10, 1200});
  for (const std::uint64_t packed : {0U, 1U, 3U, 4U}) {
    if (packed != 0) log.pack(packed);
    std::vector<std::string> wanted = log.leaves;
    std::ranges::sort(wanted);
    for (const std::size_t threads : {1U, 4U}) {
      CAPTURE(packed);
      CAPTURE(threads);
      std::vector<std::string> damage;
      CHECK(log.read(threads, damage) == wanted);
      CHECK(damage.empty());
    }
  }
}

TEST_CASE("the end of a log that is being written is no damage") {
  for (const std::string& tail :
       {std::string(5000, '\0'), std::string("\1\2\3"), std::string("\1\2\3\4\0\0\1\0half", 12)}) {
    const Log log({20, 30});
    log.append(2, tail);
    std::vector<std::string> damage;
    CHECK(log.read(2, damage).size() == 50);
    CHECK(damage.empty());
  }
  const Log fresh({20});
  fresh.append(2, "");  // created, nothing in it yet
  std::vector<std::string> damage;
  CHECK(fresh.read(2, damage).size() == 20);
  CHECK(damage.empty());
}

TEST_CASE("damage is told with its file, whatever is left is read") {
  SUBCASE("a record of a plain segment") {
    const Log log({20, 30, 10});
    log.overwrite(store::segment_path(log.path(), 2), 3);
    std::vector<std::string> damage;
    CHECK(log.read(2, damage).size() == 59);
    REQUIRE(damage.size() == 1);
    CHECK(damage[0].contains("000002.log"));
    CHECK(damage[0].contains("checksum"));
    CHECK(damage[0].contains("29 of its records read"));
  }
  SUBCASE("a chunk of a packed segment") {
    Log log({3000, 30});
    log.pack(1);
    const auto file = store::packed_path(log.path(), 1);
    log.overwrite(file, static_cast<std::int64_t>(std::filesystem::file_size(file) / 2));
    std::vector<std::string> damage;
    CHECK(log.read(2, damage).size() < 3030);
    REQUIRE(damage.size() == 1);
    CHECK(damage[0].contains("000001.log.zst"));
  }
  SUBCASE("the head of a segment") {
    const Log log({20, 30, 10});
    std::fstream(store::segment_path(log.path(), 2),
                 std::ios::binary | std::ios::in | std::ios::out)
        << "no log";
    std::vector<std::string> damage;
    CHECK(log.read(2, damage).size() == 30);
    CHECK(damage.size() == 2);  // it, and that the one before it does not lead to the next
  }
  SUBCASE("a segment that is not there any more") {
    const Log log({20, 30, 10});
    std::filesystem::remove(store::segment_path(log.path(), 2));
    std::vector<std::string> damage;
    CHECK(log.read(2, damage).size() == 30);
    CHECK(damage.size() == 1);
  }
}

TEST_CASE("no log") {
  const store::Scratch nothing;
  CHECK(LogPieces::open(nothing.path(), {}).error().code == Code::not_found);
}
