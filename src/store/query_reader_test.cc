#include "store/query_reader.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "store/detail/scratch.h"

using namespace latticegate;
using base::Code;
using store::LogReader;
using store::ReadFrom;

namespace {

constexpr std::uint64_t day = 86'400;

base::Time at(std::uint64_t days) { return base::Time(std::chrono::seconds(days * day)); }

void append_to(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

std::string leaf(std::uint64_t seq) { return "leaf " + std::to_string(seq); }

// Segments of ten leaves each, the n-th made on day n.
struct Log {
  store::Scratch scratch;
  const std::filesystem::path& path() const { return scratch.path(); }

  explicit Log(std::uint64_t segments) {
    std::filesystem::create_directories(store::segment_folder(path()));
    for (std::uint64_t n = 1; n <= segments; ++n) {
      begin(n);
      for (std::uint64_t i = 0; i < 10; ++i) add(n, (n - 1) * 10 + i);
    }
  }
  void begin(std::uint64_t n) const {
    append_to(
        store::segment_path(path(), n),
        audit::write_header({.number = n, .first = (n - 1) * 10, .origin = "o", .created = at(n)}));
  }
  void add(std::uint64_t n, std::uint64_t seq) const {
    std::string frame;
    audit::write_frame(leaf(seq), frame);
    append_to(store::segment_path(path(), n), frame);
  }
};

std::vector<std::uint64_t> seqs(const Log& log, const ReadFrom& from) {
  auto reader = LogReader::open(log.path(), from);
  REQUIRE_MESSAGE(reader.has_value(), reader.error().detail);
  std::vector<std::uint64_t> found;
  for (;;) {
    const auto entry = reader->next();
    REQUIRE(entry.has_value());
    if (!*entry) return found;
    CHECK((*entry)->leaf == leaf((*entry)->seq));
    found.push_back((*entry)->seq);
  }
}

}  // namespace

TEST_CASE("reading begins where it was told to") {
  const Log log(5);
  struct Case {
    ReadFrom from;
    std::uint64_t first;
  };
  for (const Case& c :
       {Case{{}, 0}, Case{{.seq = 0}, 0}, Case{{.seq = 17}, 17}, Case{{.seq = 20}, 20},
        Case{{.last = 3}, 47}, Case{{.last = 25}, 25}, Case{{.last = 1000}, 0},
        Case{{.since = at(0)}, 0}, Case{{.since = at(3)}, 20},
        Case{{.since = at(3) + std::chrono::hours(1)}, 20}, Case{{.since = at(9)}, 40},
        Case{{.seq = 33, .since = at(2)}, 33}, Case{{.seq = 3, .since = at(4), .last = 12}, 38}}) {
    const auto found = seqs(log, c.from);
    CAPTURE(c.first);
    REQUIRE_FALSE(found.empty());
    CHECK(found.front() == c.first);
    CHECK(found.back() == 49);
    CHECK(found.size() == 50 - c.first);
  }
  CHECK(seqs(log, {.seq = 50}).empty());
  CHECK(seqs(log, {.last = 0}).empty());
}

TEST_CASE("a log that grows is followed, over reserved space, half frames and new segments") {
  const Log log(1);
  auto reader = LogReader::open(log.path());
  REQUIRE(reader.has_value());
  const auto next = [&]() -> std::string {
    const auto entry = reader->next();
    REQUIRE(entry.has_value());
    return *entry ? std::string((*entry)->leaf) : "";
  };
  for (std::uint64_t i = 0; i < 10; ++i) CHECK(next() == leaf(i));
  CHECK(next().empty());
  CHECK(next().empty());
  const auto path = store::segment_path(log.path(), 1);
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size + 300'000);  // reserved
  CHECK(next().empty());
  std::string frame;
  audit::write_frame(leaf(10), frame);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(size));
  file << frame.substr(0, 9) << std::flush;  // half of it is there
  CHECK(next().empty());
  file << frame.substr(9) << std::flush;
  CHECK(next() == leaf(10));
  CHECK(next().empty());
  append_to(store::segment_path(log.path(), 2), "");  // created, its header not yet written
  CHECK(next().empty());
  std::string rest =
      audit::write_header({.number = 2, .first = 11, .origin = "o", .created = at(2)});
  audit::write_frame(leaf(11), rest);
  append_to(store::segment_path(log.path(), 2), rest);
  CHECK(next() == leaf(11));
  CHECK(next().empty());
}

TEST_CASE("damage is told once with its place, and reading goes on behind it") {
  const Log log(3);
  {
    std::fstream file(store::segment_path(log.path(), 2),
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-3, std::ios::end);
    file << "X";
  }
  auto reader = LogReader::open(log.path());
  REQUIRE(reader.has_value());
  std::vector<std::uint64_t> found;
  int errors = 0;
  for (;;) {
    const auto entry = reader->next();
    if (!entry) {
      ++errors;
      CHECK(entry.error().code == Code::malformed);
      CHECK(entry.error().detail.contains("000002.log"));
      CHECK(entry.error().detail.contains("checksum"));
      continue;
    }
    if (!*entry) break;
    found.push_back((*entry)->seq);
  }
  CHECK(errors == 1);
  CHECK(found.size() == 29);
  CHECK(found.back() == 29);
}

TEST_CASE("no log, foreign files and damaged beginnings") {
  const store::Scratch scratch;
  CHECK(LogReader::open(scratch.path()).error().code == Code::not_found);
  CHECK(store::list_segments(scratch.path()).value().empty());
  std::filesystem::create_directories(store::segment_folder(scratch.path()));
  for (const char* const name :
       {"readme.txt", "1.log", "000001.cut-5", "x.log", "0000001.log", "-00001.log", ".log"})
    append_to(store::segment_folder(scratch.path()) / name, "x");
  CHECK(store::list_segments(scratch.path()).value().empty());
  append_to(store::segment_path(scratch.path(), 1), "garbage");
  CHECK(LogReader::open(scratch.path()).error().code == Code::malformed);
  append_to(store::segment_path(scratch.path(), 1'234'567), "x");
  CHECK(store::list_segments(scratch.path()).value().back().number == 1'234'567);
}
