#include "store/rotation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/awaited.h"
#include "store/detail/faults.h"
#include "store/detail/scratch.h"
#include "store/detail/test_files.h"
#include "store/detail/test_log.h"
#include "store/journal.h"
#include "store/sealer.h"
#include "store/verify.h"

using namespace latticegate;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using base::Code;
using store::LogKeys;
using store::slurp;
using store::spill;
using store::Verdict;

namespace {

const std::string origin = "acme/test/node-1";

struct Bench {
  store::Scratch scratch;
  base::SystemClock clock;
  store::SystemFiles files;
  store::Named named;
  fs::path log = scratch.path() / "log";
  fs::path keys = scratch.path() / "keys";

  LogKeys own(bool may_make = false) const {
    auto opened = LogKeys::open(keys, origin, may_make);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().detail);
    return *std::move(opened);
  }
  // A run of the journal with the keys that are there: so many records, a checkpoint.
  void run(int records, bool may_make = false) {
    store::Waiting waiting;
    const auto journal =
        store::Journal::open({.directory = log,
                              .origin = origin,
                              .post_delay = 1ms,
                              .keys = std::make_shared<const LogKeys>(own(may_make))},
                             clock, files, waiting.notifier());
    REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
    for (int i = 0; i < records; ++i)
      REQUIRE((*journal)->post(named(std::to_string(i))).has_value());
  }
  store::VerifyReport judged(std::string_view trusted) const {
    auto report =
        store::verify_log({.directory = log, .keys = store::read_verifier_keys(trusted).value()});
    REQUIRE_MESSAGE(report.has_value(), report.error().detail);
    return *std::move(report);
  }
  std::string told(std::string_view trusted) const {
    const auto report = judged(trusted);
    std::string all{name(report.verdict())};
    for (const store::Problem& p : report.problems) all += std::format(" {}: {};", p.file, p.what);
    for (const std::string& n : report.not_checked) all += " not checked: " + n;
    return all;
  }
  std::string public_keys() const { return slurp(store::public_keys_path(log)); }
};

}  // namespace

TEST_CASE("a log gets other keys, twice, and whoever has keys of any time verifies all of it") {
  Bench bench;
  bench.run(20, true);
  std::vector<std::string> all{bench.public_keys()};
  for (int round = 0; round < 2; ++round) {
    CHECK_FALSE(bench.own().changing());
    REQUIRE(LogKeys::make_next(bench.keys).has_value());
    CHECK(LogKeys::make_next(bench.keys).error().code == Code::conflict);
    REQUIRE(bench.own().changing());
    bench.run(20);
    // Both sign now, and log.pub has the next ones.
    all.push_back(bench.public_keys());
    CHECK(all.back() == bench.own().public_text());
    CHECK(all[all.size() - 2] == bench.own().former_text());
    for (const std::string& trusted : all) CHECK(bench.told(trusted) == "unwitnessed");
    bench.run(5);  // no second record of the same change
    REQUIRE(LogKeys::drop_former(bench.keys).has_value());
    CHECK(LogKeys::drop_former(bench.keys).error().code == Code::not_found);
    CHECK(bench.own().public_text() == all.back());
    bench.run(20);
    for (const std::string& trusted : all) {
      CHECK(bench.told(trusted) == "unwitnessed");
      CHECK(bench.judged(trusted).keys == all.back());
    }
  }
  const auto found = store::read_rotations(bench.log);
  REQUIRE(found.has_value());
  CHECK(found->rotations.size() == 2);
  CHECK(found->bad.empty());
  const auto types = store::read_all(bench.log).types;
  CHECK(std::ranges::count(types, "log.rekeyed") == 2);
  // Keys of nobody, and a log whose folder says nothing of how it got its keys.
  const auto strangers = LogKeys::make(origin);
  REQUIRE(strangers.has_value());
  CHECK(bench.told(strangers->public_text()).starts_with("tampered"));
  fs::remove(bench.log / found->rotations.front().file);
  CHECK(bench.told(all[0]).starts_with("tampered"));
}

TEST_CASE(
    "each byte of a receipt of other keys counts, and a log without it or its records is told") {
  Bench bench;
  bench.run(20, true);
  const std::string first = bench.public_keys();
  REQUIRE(LogKeys::make_next(bench.keys).has_value());
  bench.run(20);
  const auto rotation = store::read_rotations(bench.log)->rotations.front();
  const fs::path receipt = bench.log / rotation.file;
  const std::string good = slurp(receipt);
  for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 400) {
    std::string other = good;
    other[at] ^= 2;
    CAPTURE(at);
    CHECK_FALSE(store::read_rotation(other).has_value());
  }
  spill(receipt, good + " ");
  CHECK(bench.told(first).starts_with("tampered"));
  fs::remove(receipt);
  CHECK(bench.told(first).contains("the receipt of this change of keys is missing"));
  spill(receipt, good);
  CHECK(bench.told(first) == "unwitnessed");
  // Under the name of another record.
  fs::rename(receipt, store::rotation_path(bench.log, rotation.record + 1));
  CHECK(bench.told(first).starts_with("tampered"));
}

TEST_CASE("a log that goes back to before its other keys is told") {
  Bench bench;
  bench.run(20, true);
  const std::string first = bench.public_keys();
  const fs::path before = bench.scratch.path() / "before";
  fs::copy(bench.log, before, fs::copy_options::recursive);
  REQUIRE(LogKeys::make_next(bench.keys).has_value());
  bench.run(20);
  REQUIRE(LogKeys::drop_former(bench.keys).has_value());
  bench.run(1);
  const std::string second = bench.public_keys();
  // With the old state comes the receipt: it says how far the log had come.
  fs::copy(store::rotations_path(bench.log), store::rotations_path(before),
           fs::copy_options::recursive);
  fs::remove_all(bench.log);
  fs::rename(before, bench.log);
  CHECK(bench.told(first).contains("rolled back"));
  // Without it nothing leads from the keys that are known to those that signed.
  fs::remove_all(store::rotations_path(bench.log));
  CHECK(bench.told(second).starts_with("tampered"));
}

TEST_CASE("cut short at any step, exchanging the keys is completed the next time") {
  Bench bench;
  bench.run(5, true);
  const std::string first = bench.public_keys();
  const auto at = [&](std::string_view name) { return bench.keys / name; };
  // Making: only the first of the next ones.
  REQUIRE(LogKeys::make_next(bench.keys).has_value());
  fs::remove(at("audit-ed25519.next.pem"));
  CHECK_FALSE(bench.own().changing());
  REQUIRE(LogKeys::make_next(bench.keys).has_value());
  REQUIRE(bench.own().changing());
  const std::string next = bench.own().public_text();
  // Signed over, but the process died before the checkpoint.
  bench.run(5);
  const auto rotation = store::read_rotations(bench.log)->rotations.front();
  fs::remove(bench.log / rotation.file);
  bench.run(5);
  CHECK(store::read_rotations(bench.log)->rotations.size() == 1);
  CHECK(bench.told(first) == "unwitnessed");
  // Putting them in place: the first one destroyed; renamed; the second one destroyed.
  const fs::path kept = bench.scratch.path() / "kept";
  fs::copy(bench.keys, kept, fs::copy_options::recursive);
  for (int step = 0; step < 3; ++step) {
    CAPTURE(step);
    fs::remove_all(bench.keys);
    fs::copy(kept, bench.keys, fs::copy_options::recursive);
    fs::remove(at("audit-ml-dsa-44.pem"));
    if (step > 0) fs::rename(at("audit-ml-dsa-44.next.pem"), at("audit-ml-dsa-44.pem"));
    if (step > 1) fs::remove(at("audit-ed25519.pem"));
    CHECK_FALSE(bench.own().changing());
    CHECK(bench.own().public_text() == next);
    CHECK_FALSE(fs::exists(at("audit-ed25519.next.pem")));
  }
  bench.run(5);
  CHECK(bench.told(first) == "unwitnessed");
}

TEST_CASE("keys are exchanged while the log is written") {
  Bench bench;
  bench.run(5, true);
  const std::string first = bench.public_keys();
  {
    store::Awaited waiting;
    const auto journal = store::Journal::open({.directory = bench.log,
                                               .origin = origin,
                                               .keys = std::make_shared<const LogKeys>(bench.own()),
                                               .checkpoint_age = 1ms},
                                              bench.clock, bench.files, waiting.notifier());
    REQUIRE(journal.has_value());
    REQUIRE(LogKeys::make_next(bench.keys).has_value());
    const auto both = std::make_shared<const LogKeys>(bench.own());
    (*journal)->use_keys(both);
    audit::RecordWriter writer("node-1");
    const std::string signers = store::signers_json(*both);
    store::Append append;
    append.set(writer.write({.type = audit::Type::log_rekeyed, .log_signers = signers}), {}, 0,
               nullptr);
    REQUIRE((*journal)->submit(append).has_value());
    waiting.wait_for(1);
    (*journal)->prove_rotation(append.take_ticket()->seq());
    REQUIRE((*journal)->post(bench.named("behind it")).has_value());
  }
  CHECK(bench.told(first) == "unwitnessed");
  CHECK(bench.public_keys() != first);
  CHECK(bench.told(bench.public_keys()) == "unwitnessed");
}
