#include "store/packer.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <string>
#include <thread>
#include <vector>

#include "audit/segment.h"
#include "base/clock.h"
#include "store/detail/faults.h"
#include "store/detail/scratch.h"
#include "store/detail/test_files.h"
#include "store/detail/test_log.h"
#include "store/log_keys.h"
#include "store/query_reader.h"
#include "store/retention.h"
#include "store/verify.h"

using namespace latticegate;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using base::Code;
using store::slurp;
using store::spill;

namespace {

const std::string origin = "acme/test/node-1";

std::shared_ptr<const store::LogKeys> keys() { return store::test_keys(origin); }

std::string told(const fs::path& log) {
  const auto report = store::verify_log({.directory = log, .keys = keys()->verifiers().value()});
  REQUIRE_MESSAGE(report.has_value(), report.error().detail);
  std::string all{name(report->verdict())};
  for (const store::Problem& p : report->problems) all += std::format(" {}: {};", p.file, p.what);
  for (const std::string& n : report->not_checked) all += " not checked: " + n;
  return all;
}

// A log of several segments, none packed yet.
struct Log {
  store::Scratch scratch;
  store::SystemFiles files;
  fs::path path = scratch.path() / "log";

  explicit Log(int records = 400) { write(records); }
  void write(int records) {
    const base::SystemClock clock;
    store::Waiting waiting;
    store::Named named;
    const auto journal = store::Journal::open({.directory = path,
                                               .origin = origin,
                                               .segment = {8'000},
                                               .post_delay = 1ms,
                                               .keys = keys(),
                                               .pack = false},
                                              clock, files, waiting.notifier());
    REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
    store::Append append;
    for (int i = 0; i < records; ++i) {
      if (i % 30 != 29) {
        REQUIRE((*journal)->post(named("record " + std::to_string(i))).has_value());
        continue;
      }
      append.set(named("record " + std::to_string(i)), {}, 0, nullptr);
      REQUIRE((*journal)->submit(append).has_value());
      waiting.take(1);
      REQUIRE(append.take_ticket().has_value());
    }
  }
  std::vector<store::SegmentName> segments() const { return store::list_segments(path).value(); }
  void pack_all() {
    for (const store::SegmentName& name : segments())
      if (name.number < segments().back().number)
        REQUIRE(store::pack_segment(path, name.number, files).has_value());
  }
};

}  // namespace

TEST_CASE("a packed log reads, is verified and goes on like a plain one") {
  Log log;
  const auto before = store::read_all(log.path);
  const std::string plain = slurp(store::segment_path(log.path, 2));
  REQUIRE(log.segments().size() > 4);
  CHECK(told(log.path) == "unwitnessed");
  log.pack_all();
  for (const store::SegmentName& name : log.segments()) {
    CHECK(name.packed == (name.number < log.segments().back().number));
    CHECK_FALSE(name.twice);
  }
  CHECK(store::read_all(log.path).names == before.names);
  CHECK(told(log.path) == "unwitnessed");
  const auto size = store::size_of(log.path);
  REQUIRE(size.has_value());
  CHECK(size->packed_segments == log.segments().size() - 1);
  CHECK(size->packed_bytes * 3 < size->unpacked_bytes);
  CHECK(size->packed_records > 0);
  // Any tool for zstd gets the bytes back.
  if (std::system("zstd --version >/dev/null 2>&1") == 0) {
    const auto out = log.scratch.path() / "plain";
    CHECK(std::system(std::format("zstd -q -d -o {} {}", out.string(),
                                  store::packed_path(log.path, 2).string())
                          .c_str()) == 0);
    CHECK(slurp(out) == plain);
  } else {
    MESSAGE("SKIPPED: there is no zstd program here");
  }
  log.write(20);
  CHECK(store::read_all(log.path).names.size() == before.names.size() + 20);
  CHECK(told(log.path) == "unwitnessed");
}

TEST_CASE("a reader finds any record of a packed log, from any place") {
  Log log;
  log.pack_all();
  for (const std::uint64_t seq : {0UL, 1UL, 77UL, 150UL, 399UL}) {
    auto reader = store::LogReader::open(log.path, {.seq = seq, .since = {}, .last = {}});
    REQUIRE(reader.has_value());
    CHECK(reader->next().value()->seq == seq);
  }
  // A place that an index remembers from the time when the segment was plain.
  auto file = store::SegmentFile::open(store::segment_path(log.path, 2));
  REQUIRE(file.has_value());
  CHECK(file->packed());
  std::vector<audit::Entry> places;
  std::vector<std::string> leaves;
  for (auto entry = file->next().value(); entry; entry = file->next().value()) {
    places.push_back(*entry);
    leaves.emplace_back(entry->leaf);
  }
  REQUIRE(places.size() > 10);
  for (std::size_t i = places.size(); i-- > 0;) {
    file->go_to(places[i].offset, places[i].seq);
    CHECK(file->next().value()->leaf == leaves[i]);
  }
}

TEST_CASE("whoever reads while a segment is packed sees nothing of it") {
  Log log;
  auto reader = store::LogReader::open(log.path);
  REQUIRE(reader.has_value());
  std::uint64_t read = 0;
  for (; read < 30; ++read) CHECK(reader->next().value()->seq == read);
  log.pack_all();
  while (const auto entry = reader->next().value()) CHECK(entry->seq == read++);
  CHECK(read == store::read_all(log.path).leaves);
}

TEST_CASE("killed at any operation of packing, nothing is lost and it is done the next time") {
  int at = 0;
  for (bool ended = false; !ended; ++at) {
    CAPTURE(at);
    Log log(260);
    REQUIRE(log.segments().size() > 2);
    const auto before = store::read_all(log.path);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      std::atomic<int> left = at;
      store::FaultyFiles files([&](std::string_view, std::size_t& bytes) -> base::Result<void> {
        if (left-- > 0) return {};
        bytes /= 2;
        ::raise(SIGKILL);
        return {};
      });
      ::_exit(store::pack_segment(log.path, 1, files).has_value() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    ended = WIFEXITED(status);
    CHECK(told(log.path) == "unwitnessed");
    CHECK(store::read_all(log.path).names == before.names);
    log.pack_all();
    CHECK(told(log.path) == "unwitnessed");
    CHECK(store::read_all(log.path).names == before.names);
    for (const store::SegmentName& name : log.segments()) CHECK_FALSE(name.twice);
    log.write(3);
    CHECK(told(log.path) == "unwitnessed");
  }
  CHECK(at > 5);
}

TEST_CASE("without room the plain segment stays, and nothing is left of the attempt") {
  for (int at = 0;; ++at) {
    CAPTURE(at);
    Log log(260);
    std::atomic<int> left = at;
    store::FaultyFiles files([&](std::string_view what, std::size_t& bytes) -> base::Result<void> {
      if (what == "remove" || left-- > 0) return {};
      bytes /= 2;
      return base::fail(Code::unavailable, "full");
    });
    const auto packed = store::pack_segment(log.path, 1, files);
    CHECK(told(log.path) == "unwitnessed");
    CHECK_FALSE(fs::exists(log.path / "segment.new"));
    if (packed) break;
    CHECK(packed.error().code == Code::unavailable);
    CHECK(store::list_segments(log.path)->front().path.extension() == ".log");
  }
}

TEST_CASE("a segment that is damaged is left as it is") {
  Log log;
  const fs::path path = store::segment_path(log.path, 2);
  std::string bytes = slurp(path);
  bytes[bytes.size() / 2] ^= 1;
  spill(path, bytes);
  const auto packed = store::pack_segment(log.path, 2, log.files);
  REQUIRE_FALSE(packed.has_value());
  CHECK(packed.error().code == Code::malformed);
  CHECK(slurp(path) == bytes);
  CHECK_FALSE(fs::exists(store::packed_path(log.path, 2)));
  // Nor one with zeros behind it, which nobody writes.
  const fs::path third = store::segment_path(log.path, 3);
  spill(third, slurp(third) + std::string(100, '\0'));
  CHECK_FALSE(store::pack_segment(log.path, 3, log.files).has_value());
}

TEST_CASE("two forms of one segment that differ are told") {
  Log log;
  const std::string plain = slurp(store::segment_path(log.path, 2));
  REQUIRE(store::pack_segment(log.path, 2, log.files).has_value());
  spill(store::segment_path(log.path, 2), plain);
  CHECK(told(log.path) == "unwitnessed");
  const std::string packed = slurp(store::packed_path(log.path, 2));
  for (std::size_t at = 0; at < packed.size(); at += 5) {
    std::string other = packed;
    other[at] ^= 4;
    spill(store::packed_path(log.path, 2), other);
    CAPTURE(at);
    CHECK(told(log.path).starts_with("tampered"));
  }
}

TEST_CASE("retention gives up packed segments") {
  Log log;
  log.pack_all();
  const base::SystemClock clock;
  const auto what = store::prunable(log.path, 0s, clock.now() + 1h);
  REQUIRE(what.has_value());
  REQUIRE(what->has_value());
  CHECK((*what)->segment == log.segments().back().number);
  REQUIRE(store::prune(log.path, **what, log.files).has_value());
  REQUIRE(log.segments().size() == 1);
  // Packing what was given up brings nothing back.
  CHECK(store::pack_segment(log.path, 1, log.files).has_value());
  CHECK(log.segments().size() == 1);
}

TEST_CASE("the journal has its segments packed as they are completed, and those of earlier runs") {
  Log log;
  const base::SystemClock clock;
  store::Waiting waiting;
  const auto journal = store::Journal::open(
      {.directory = log.path, .origin = origin, .segment = {8'000}, .keys = keys()}, clock,
      log.files, waiting.notifier());
  REQUIRE(journal.has_value());
  const auto all_packed = [&] {
    const auto names = log.segments();
    for (const store::SegmentName& name : names)
      if (name.packed == (name.number == names.back().number) || name.twice) return false;
    return true;
  };
  while (!all_packed()) std::this_thread::yield();
  CHECK((*journal)->status().pack_trouble.empty());
}
