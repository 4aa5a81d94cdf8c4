#include "store/log_index.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <format>
#include <fstream>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "audit/record.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "json/value.h"
#include "store/awaited.h"
#include "store/detail/scratch.h"
#include "store/indexer.h"
#include "store/journal.h"
#include "store/query_reader.h"

using namespace latticegate;
namespace fs = std::filesystem;
using store::LogIndex;

namespace {

struct Bench {
  store::Scratch scratch;
  base::SystemClock clock;
  store::SystemFiles files;
  store::Awaited awaited;
  audit::RecordWriter writer{"node-1"};
  base::Time at{std::chrono::seconds(1'795'356'131)};
  std::uint64_t written = 0;

  fs::path log() const { return scratch.path() / "log"; }
  fs::path file() const { return scratch.path() / "index.db"; }
  // Calls of ten agents, a second apart; every 50th with a finding.
  void write(int count, std::string_view origin = "acme/test/node-1") {
    auto journal = store::Journal::open(
        {.directory = log(), .origin = std::string(origin), .segment = {64 * 1024}}, clock, files,
        awaited.notifier());
    REQUIRE(journal.has_value());
    for (int i = 0; i < count; ++i) {
      const std::string agent = std::format("Bot-{}", written % 10);
      const std::vector<audit::Finding> findings{{.id = "secret.github"}};
      const audit::Record record{
          .type = written % 2 == 0 ? audit::Type::call_decided : audit::Type::call_finished,
          .time = at,
          .agent = {.name = "A bot", .ref = agent},
          .decision = written % 7 == 0 ? audit::Decision::deny : audit::Decision::allow,
          .findings = written % 50 == 3 ? std::span(findings) : std::span<const audit::Finding>(),
          .server = {.id = "crm"},
          .session = "c-1",
          .tool = written % 3 == 0 ? "query" : "update"};
      REQUIRE((*journal)->post(writer.write(record)).has_value());
      at += std::chrono::seconds(1);
      ++written;
    }
  }
};

std::vector<std::uint64_t> by_scan(const Bench& bench, std::string_view text) {
  const auto query = audit::Query::parse(text, bench.at);
  REQUIRE_MESSAGE(query.has_value(), query.error().detail);
  std::vector<std::uint64_t> found;
  auto reader = store::LogReader::open(bench.log());
  for (;;) {
    const auto entry = reader->next();
    REQUIRE(entry.has_value());
    if (!*entry) return found;
    const auto record = json::Document::parse((*entry)->leaf);
    if (query->matches(record->root())) found.push_back((*entry)->seq);
  }
}

std::vector<std::uint64_t> by_index(const Bench& bench, LogIndex& index, std::string_view text,
                                    std::size_t* looked_at = nullptr) {
  const auto query = audit::Query::parse(text, bench.at);
  REQUIRE(query.has_value());
  REQUIRE_MESSAGE(LogIndex::helps(*query), text);
  std::vector<std::uint64_t> found;
  const auto done = index.find(*query, [&](std::string_view leaf) {
    const auto record = json::Document::parse(leaf);
    if (looked_at != nullptr) ++*looked_at;
    if (query->matches(record->root()))
      found.push_back(static_cast<std::uint64_t>(*record->root()["seq"].integer()));
    return true;
  });
  REQUIRE_MESSAGE(done.has_value(), done.error().detail);
  return found;
}

constexpr std::string_view questions[] = {
    "agent:bot-3",
    "agent:BOT-3,bot-4 decision:deny",
    "agent:\"a bot\" finding:secret.github",
    "tool:crm.query decision:deny",
    "tool:update,crm.query agent:bot-1",
    "finding:secret.github since:600s",
    "agent:bot-2 until:2026-11-22T14:10",
    "agent:bot-2 since:2026-11-22T14:10 until:2026-11-22T14:15:30",
    "session:c-1 -agent:bot-1 rows:<5",
    "type:log.opened,log.closed",
    "agent:nobody",
    "server:crm agent:bot-*",
};

}  // namespace

TEST_CASE("the index finds what a scan finds, also after the log grew and over segments") {
  Bench bench;
  bench.write(1500);
  auto index = LogIndex::open(bench.file(), bench.log());
  REQUIRE_MESSAGE(index.has_value(), index.error().detail);
  CHECK(index->update(100).value() == 100);
  CHECK(index->end() == 100);
  CHECK(index->update().value() == 1402);
  CHECK(index->update().value() == 0);
  for (int round = 0; round < 3; ++round) {
    for (const std::string_view text : questions)
      CHECK_MESSAGE(by_index(bench, *index, text) == by_scan(bench, text), text);
    bench.write(700);
    index = LogIndex::open(bench.file(), bench.log());
    REQUIRE(index.has_value());
    CHECK(index->update().value() == 702);
  }
  CHECK(store::list_segments(bench.log()).value().size() > 3);
  std::size_t looked_at = 0;
  (void)by_index(bench, *index, "finding:secret.github agent:bot-3 since:300s", &looked_at);
  CHECK(looked_at < 100);  // records near the time, not all of them
}

TEST_CASE("two programs may keep one index") {
  Bench bench;
  bench.write(300);
  auto one = LogIndex::open(bench.file(), bench.log());
  auto other = LogIndex::open(bench.file(), bench.log());
  CHECK(one->update(70).value() == 70);
  CHECK(other->update(41).value() == 41);
  CHECK(one->update().value() == 302 - 111);
  CHECK(other->update().value() == 0);
  for (const std::string_view text : questions)
    CHECK_MESSAGE(by_index(bench, *other, text) == by_scan(bench, text), text);
}

TEST_CASE("only questions that name a rare value are for the index") {
  const base::Time now{};
  for (const std::string_view text : {"", "rows:>5", "agent:bot*", "-agent:bot", "decision:allow",
                                      "type:call.decided", "words", "client.tls.version:x"})
    CHECK_MESSAGE(!LogIndex::helps(*audit::Query::parse(text, now)), text);
}

TEST_CASE("an index that is damaged, of another version or of another log is made again") {
  Bench bench;
  bench.write(300);
  {
    auto index = LogIndex::open(bench.file(), bench.log());
    REQUIRE(index->update().value() == 302);
  }
  std::ofstream(bench.file(), std::ios::binary | std::ios::trunc) << "no database at all, not even "
                                                                     "a header of one";
  {
    auto index = LogIndex::open(bench.file(), bench.log());
    REQUIRE_MESSAGE(index.has_value(), index.error().detail);
    CHECK(index->end() == 0);
    CHECK(index->update().value() == 302);
  }
  fs::remove_all(bench.log());
  bench.write(400, "acme/other/node-1");
  auto index = LogIndex::open(bench.file(), bench.log());
  REQUIRE(index.has_value());
  CHECK(index->end() == 0);
  CHECK(index->update().value() == 402);
  CHECK(by_index(bench, *index, "agent:bot-3") == by_scan(bench, "agent:bot-3"));
  auto again = LogIndex::open(bench.file(), bench.log(), true);
  CHECK(again->end() == 0);
}

TEST_CASE("the indexer follows the log, tells of a trouble once, and goes on when it is over") {
  Bench bench;
  bench.write(500);
  std::counting_semaphore<100> troubles{0};
  fs::create_directory(bench.file());  // no place for a file
  const store::Indexer indexer(
      bench.file(), bench.log(), [&](const base::Error&) { troubles.release(); },
      std::chrono::milliseconds(2));
  CHECK(troubles.try_acquire_for(std::chrono::seconds(20)));
  CHECK_FALSE(troubles.try_acquire_for(std::chrono::milliseconds(20)));
  fs::remove(bench.file());
  const auto indexed = [&](std::uint64_t records) {
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < late) {
      const auto index = LogIndex::open(bench.file(), bench.log());
      if (index && index->end() >= records) return true;
      std::this_thread::yield();
    }
    return false;
  };
  CHECK(indexed(500));
  bench.write(200);
  CHECK(indexed(700));
  CHECK_FALSE(troubles.try_acquire());
}
