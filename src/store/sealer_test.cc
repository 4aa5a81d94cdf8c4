#include "store/sealer.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "audit/segment.h"
#include "base/clock.h"
#include "store/detail/scratch.h"
#include "store/detail/test_log.h"
#include "store/verify.h"

using namespace latticegate;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const std::string origin = "acme/test/node-1";

std::shared_ptr<const store::LogKeys> keys() { return store::test_keys(origin); }

// Segments without a tree, and their frames as the journal's writer would offer them.
struct Unsealed {
  store::Scratch scratch;
  store::SystemFiles files;
  base::SystemClock clock;
  fs::path path = scratch.path() / "log";
  std::vector<std::string> frames;

  explicit Unsealed(int records) {
    {
      store::Waiting waiting;
      store::Named named;
      const auto journal = store::Journal::open({.directory = path,
                                                 .origin = origin,
                                                 .segment = {20'000},
                                                 .post_delay = 1ms,
                                                 .pack = false},
                                                clock, files, waiting.notifier());
      REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
      for (int i = 0; i < records; ++i)
        REQUIRE((*journal)->post(named("record " + std::to_string(i))).has_value());
    }
    auto reader = store::LogReader::open(path);
    REQUIRE(reader.has_value());
    for (;;) {
      const auto entry = reader->next();
      REQUIRE(entry.has_value());
      if (!*entry) break;
      frames.emplace_back();
      audit::write_frame((*entry)->leaf, frames.back());
    }
  }
  std::uint64_t count() const { return frames.size(); }
  std::unique_ptr<store::Sealer> sealer(store::SealerOptions options) {
    options.directory = path;
    options.origin = origin;
    auto opened = store::Sealer::open(options, 0, keys(), clock, files);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().detail);
    return *std::move(opened);
  }
  void offer(store::Sealer& sealer, std::uint64_t from, std::uint64_t until) const {
    std::string all;
    for (std::uint64_t i = from; i < until; ++i) all += frames.at(i);
    sealer.offer(from, until - from, all);
  }
  std::string told() const {
    const auto report = store::verify_log({.directory = path, .keys = keys()->verifiers().value()});
    return report ? std::string(name(report->verdict())) : report.error().detail;
  }
};

// Until the sealer has signed so much; what it has signed then.
std::uint64_t signed_at_least(const store::Sealer& sealer, std::uint64_t leaves) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (sealer.status().signed_leaves < leaves && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  return sealer.status().signed_leaves;
}

}  // namespace

TEST_CASE("a checkpoint after so many leaves, without waiting for its time") {
  Unsealed log(100);
  auto sealer = log.sealer({.leaves = 32, .age = 1h});
  log.offer(*sealer, 0, 75);
  CHECK(signed_at_least(*sealer, 64) == 64);
  CHECK(sealer->status().checkpoints == 2);
  log.offer(*sealer, 75, 96);
  CHECK(signed_at_least(*sealer, 96) == 96);
  log.offer(*sealer, 96, log.count());
  sealer.reset();  // the rest at the end
  CHECK(log.told() == "unwitnessed");
}

TEST_CASE("a checkpoint after so much time, however few leaves there are") {
  Unsealed log(3);
  auto sealer = log.sealer({.leaves = 4096, .age = 30ms});
  log.offer(*sealer, 0, 1);
  CHECK(signed_at_least(*sealer, 1) == 1);
  log.offer(*sealer, 1, log.count());
  CHECK(signed_at_least(*sealer, log.count()) == log.count());
  // With the age that a gateway has.
  CHECK(store::SealerOptions{}.age == 1s);
  CHECK(store::SealerOptions{}.leaves == 4096);
}

TEST_CASE("what finds no room in memory is read from the segments, in order, signed as often") {
  for (const std::uint64_t room : {0UL, 600UL, 4'000UL}) {
    Unsealed log(700);
    auto sealer = log.sealer({.leaves = 50, .age = 1h, .backlog = {room}});
    for (std::uint64_t at = 0; at < log.count(); at += 7)
      log.offer(*sealer, at, std::min<std::uint64_t>(at + 7, log.count()));
    const std::uint64_t full = log.count() / 50 * 50;
    CHECK(signed_at_least(*sealer, full) == full);
    CHECK(sealer->status().checkpoints == full / 50);
    sealer.reset();
    CHECK(log.told() == "unwitnessed");
  }
}
