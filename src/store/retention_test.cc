#include "store/retention.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "audit/bundle.h"
#include "audit/receipt.h"
#include "base/clock.h"
#include "store/awaited.h"
#include "store/body_file.h"
#include "store/detail/scratch.h"
#include "store/detail/test_log.h"
#include "store/journal.h"
#include "store/query_reader.h"
#include "store/sealer.h"
#include "store/tree_writer.h"
#include "store/verify.h"

using namespace latticegate;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using store::Journal;

namespace {

// A clock that a test moves.
class Calendar final : public base::Clock {
 public:
  base::Time now() const override { return base::Time(at.load()); }
  base::Instant instant() const override { return machine_.instant(); }
  std::atomic<base::Time::duration> at{std::chrono::seconds(1'795'356'131)};  // 2026-11-22

 private:
  base::SystemClock machine_;
};

struct Bench {
  store::Scratch scratch;
  Calendar clock;
  store::SystemFiles files;
  store::Awaited awaited;
  audit::RecordWriter writer{"node-1"};
  std::shared_ptr<const store::LogKeys> keys = store::test_keys("acme/test/node-1");
  std::shared_ptr<const store::WrappingKeys> keks = [] {
    crypto::SeededRandom random(1);
    auto made = std::make_shared<store::WrappingKeys>();
    made->push_back(audit::WrappingKey::make(random));
    return made;
  }();
  std::unique_ptr<Journal> journal;

  fs::path log() const { return scratch.path() / "log"; }
  void open() {
    auto opened = Journal::open({.directory = log(),
                                 .origin = "acme/test/node-1",
                                 .segment = {16'384},
                                 .keys = keys,
                                 .wrapping_keys = keks,
                                 .body_keys = scratch.path() / "keys"},
                                clock, files, awaited.notifier());
    REQUIRE_MESSAGE(opened.has_value(), opened.error().detail);
    journal = *std::move(opened);
  }
  void write(const audit::Record& record, std::string body = {}) {
    store::Append append;
    audit::Record full = record;
    full.time = clock.now();
    full.req.kept = !body.empty();
    append.set(
        writer.write(full), {}, 0, nullptr,
        body.empty()
            ? nullptr
            : std::make_unique<const store::KeptBody>(store::KeptBody{
                  .text = std::move(body),
                  .purpose = {
                      .subject = "p:one", .label = "phi", .month = audit::month_of(clock.now())}}));
    REQUIRE(journal->submit(append).has_value());
    awaited.wait_for(1);
    REQUIRE(append.take_ticket().has_value());
  }
  void write_many(int count) {
    for (int i = 0; i < count; ++i)
      write({.type = audit::Type::call_decided, .why = std::string(400, 'x')},
            i % 10 == 0 ? "body" : "");
  }
  void wait_until_signed() {
    while (journal->status().signed_records < journal->status().next_seq) std::this_thread::yield();
  }
  store::VerifyReport verify() {
    auto keys_text = keys->verifiers();
    auto report = store::verify_log({.directory = log(), .keys = *std::move(keys_text)});
    REQUIRE_MESSAGE(report.has_value(), report.error().detail);
    for (const store::Problem& problem : report->problems) INFO(problem.file, ": ", problem.what);
    return *std::move(report);
  }
  // What a gateway does: decide, record, carry out.
  store::Prune prune(std::chrono::seconds age) {
    wait_until_signed();
    const auto found = store::prunable(log(), age, clock.now());
    REQUIRE((found.has_value() && found->has_value()));
    write({.type = audit::Type::log_pruned,
           .log_minimum = static_cast<std::int64_t>((*found)->minimum),
           .log_segment = static_cast<std::int64_t>((*found)->segment)});
    REQUIRE(store::prune(log(), **found, files).has_value());
    return **found;
  }
};

std::string problems_of(const store::VerifyReport& report) {
  std::string out;
  for (const store::Problem& problem : report.problems)
    out += problem.file + ": " + problem.what + "\n";
  for (const std::string& what : report.not_checked) out += "not checked: " + what + "\n";
  return out;
}

}  // namespace

TEST_CASE("records that were given up leave everything else proved, and the log goes on") {
  Bench bench;
  bench.open();
  bench.write_many(700);
  bench.clock.at = bench.clock.at.load() + 24h * 400;
  bench.write_many(300);
  const store::Prune pruned = bench.prune(24h * 365);
  CHECK(pruned.minimum >= 500);
  CHECK(pruned.minimum <= 701);
  CHECK(pruned.records == pruned.minimum);
  bench.write_many(50);
  bench.journal.reset();
  store::VerifyReport report = bench.verify();
  CHECK_MESSAGE(report.problems.empty(), problems_of(report));
  CHECK_MESSAGE(report.not_checked.empty(), problems_of(report));
  CHECK(report.pruned == pruned.minimum);
  CHECK(report.bodies > 0);
  CHECK_FALSE(fs::exists(bench.log() / audit::bundle_path(0)));
  CHECK_FALSE(fs::exists(store::segment_path(bench.log(), 1)));

  // A later run goes on, gives up more, and proves what is left.
  bench.open();
  bench.clock.at = bench.clock.at.load() + 24h * 400;
  bench.write_many(300);
  const store::Prune again = bench.prune(24h * 365);
  CHECK(again.minimum > pruned.minimum);
  CHECK(again.records == again.minimum - pruned.minimum);
  CHECK_FALSE(store::prunable(bench.log(), 24h * 365, bench.clock.now()).value().has_value());
  bench.journal.reset();
  report = bench.verify();
  CHECK_MESSAGE(report.problems.empty(), problems_of(report));
  CHECK(report.pruned == again.minimum);
  const store::FolderTiles tiles(bench.log());
  const audit::TileSource source(tiles, report.head.size);
  for (const std::uint64_t index : {std::uint64_t{0}, again.minimum, report.head.size - 1})
    CHECK(audit::prove_inclusion(index, report.head.size, source).has_value());
}

TEST_CASE("verification tells what was given up from what is missing") {
  struct Case {
    std::string_view name;
    std::function<void(Bench&)> change;
    std::string_view expected;  // in a problem; empty: none
  };
  const Case cases[] = {
      {"as it is", [](Bench&) {}, ""},
      {"one segment more",
       [](Bench& bench) {
         const auto segments = store::list_segments(bench.log()).value();
         fs::remove(segments.front().path);
       },
       "only those before"},
      {"a later segment",
       [](Bench& bench) {
         const auto segments = store::list_segments(bench.log()).value();
         fs::remove(segments[1].path);
       },
       "is missing"},
      {"a hash of what was given up",
       [](Bench& bench) {
         std::fstream file(bench.log() / "tile/0/000",
                           std::ios::in | std::ios::out | std::ios::binary);
         file.seekp(40);
         file.put('!');
       },
       "are not those that were signed"},
      {"a tile of what was given up", [](Bench& bench) { fs::remove(bench.log() / "tile/0/001"); },
       "is missing"},
      {"a body file",
       [](Bench& bench) {
         const auto segments = store::list_segments(bench.log()).value();
         fs::remove(store::body_path(bench.log(), segments[1].number));
       },
       "body is missing"},
      {"a byte of a body",
       [](Bench& bench) {
         const auto segments = store::list_segments(bench.log()).value();
         std::fstream file(store::body_path(bench.log(), segments[1].number),
                           std::ios::in | std::ios::out | std::ios::binary);
         file.seekp(30);
         file.put('!');
       },
       "is damaged"},
  };
  for (const Case& one : cases) {
    Bench bench;
    bench.open();
    bench.write_many(700);
    bench.clock.at = bench.clock.at.load() + 24h * 400;
    bench.write_many(300);
    bench.prune(24h * 365);
    bench.journal.reset();
    one.change(bench);
    const std::string problems = problems_of(bench.verify());
    if (one.expected.empty())
      CHECK_MESSAGE(problems == "", one.name);
    else
      CHECK_MESSAGE(problems.contains(one.expected), one.name, ":\n", problems);
  }
  // Nobody said that anything was given up.
  Bench bench;
  bench.open();
  bench.write_many(300);
  bench.journal.reset();
  fs::remove(store::list_segments(bench.log()).value().front().path);
  CHECK(problems_of(bench.verify()).contains("does not say that they were given up"));
}

TEST_CASE("bodies whose keys were destroyed are gone, not missing, once the log says so") {
  Bench bench;
  bench.open();
  bench.write_many(30);
  auto keys = store::BodyKeys::open(bench.scratch.path() / "keys", bench.keks);
  const std::vector<audit::KeyInfo> all = keys->list().value();
  REQUIRE(all.size() == 1);
  bench.journal.reset();
  fs::remove(store::body_path(bench.log(), 1));
  CHECK(problems_of(bench.verify()).contains("body is missing"));
  bench.open();
  const std::vector<std::string_view> ids{all.front().id};
  bench.write({.type = audit::Type::bodies_expired, .log_keys = ids});
  bench.journal.reset();
  const store::VerifyReport report = bench.verify();
  CHECK(problems_of(report) == "");
  CHECK(report.bodies_gone == 3);
  CHECK(report.keys_destroyed == 1);
}

TEST_CASE("keys expire by their label, a while after the end of their month") {
  const auto key = [](std::string label, std::string month) {
    return audit::KeyInfo{
        .id = label + month, .kek = "", .purpose = {"p:one", label, std::move(month)}};
  };
  const std::vector<audit::KeyInfo> all{key("general", "2026-09"), key("general", "2026-10"),
                                        key("phi", "2026-10"), key("phi", "2026-11"),
                                        key("general", "no-date")};
  const base::Time now{std::chrono::seconds(1'795'356'131)};  // 2026-11-22
  const auto ids = [&](const store::BodyRetention& after) {
    std::vector<std::string> out;
    for (const audit::KeyInfo& info : store::expired(all, after, now)) out.push_back(info.id);
    return out;
  };
  using Ids = std::vector<std::string>;
  CHECK(ids({}) == Ids{});
  CHECK(ids({.bodies = 24h * 30}) == Ids{"general2026-09"});
  CHECK(ids({.bodies = 24h * 365, .labels = {{"phi", 24h * 7}}}) == Ids{"phi2026-10"});
  CHECK(ids({.bodies = 24h * 7}) == Ids{"general2026-09", "general2026-10", "phi2026-10"});
  CHECK(ids({.labels = {{"phi", 24h * 7}}}) == Ids{"phi2026-10"});
}

TEST_CASE("every byte of the bodies, changed, is found") {
  Bench bench;
  bench.open();
  bench.write_many(40);
  bench.journal.reset();
  REQUIRE(problems_of(bench.verify()) == "");
  const fs::path path = store::body_path(bench.log(), 1);
  std::string good;
  {
    std::ifstream in(path, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  REQUIRE(good.size() > 300);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
    CHECK_MESSAGE(bench.verify().verdict() == store::Verdict::tampered, at);
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << good.substr(0, good.size() - 1);
  CHECK(bench.verify().verdict() == store::Verdict::tampered);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << good;
  CHECK(problems_of(bench.verify()) == "");
}
