#include "store/verify.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audit/bundle.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "store/detail/faults.h"
#include "store/detail/scratch.h"
#include "store/detail/test_files.h"
#include "store/detail/test_log.h"
#include "store/journal.h"
#include "store/log_keys.h"
#include "store/packer.h"
#include "store/query_reader.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

using namespace latticegate;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using store::slurp;
using store::spill;
using store::Verdict;
using store::VerifyReport;

namespace {

const std::string origin = "acme/test/node-1";

std::shared_ptr<const store::LogKeys> keys_of(char seed) {
  auto keys = store::LogKeys::from_seeds(origin, std::string(32, seed), std::string(32, seed));
  REQUIRE(keys.has_value());
  return std::make_shared<const store::LogKeys>(*std::move(keys));
}

struct Shape {
  int records = 0;
  std::string name = "x";
  std::uint64_t segment = 20'000;
  char seed = 1;
  int batch = 50;  // records
};

// Adds that many records, in a run of the journal of its own.
void write_log(const fs::path& log, const Shape& shape) {
  const base::SystemClock clock;
  store::SystemFiles files;
  store::Named named;
  store::Waiting waiting;
  const auto journal = store::Journal::open({.directory = log,
                                             .origin = origin,
                                             .segment = {shape.segment},
                                             .post_delay = 1ms,
                                             .keys = keys_of(shape.seed)},
                                            clock, files, waiting.notifier());
  REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
  store::Append append;
  for (int i = 0; i < shape.records; ++i) {
    if (i % shape.batch != shape.batch - 1) {
      REQUIRE((*journal)->post(named(shape.name + std::to_string(i))).has_value());
      continue;
    }
    append.set(named(shape.name + std::to_string(i)), {}, 0, nullptr);  // ends a batch
    REQUIRE((*journal)->submit(append).has_value());
    waiting.take(1);
    REQUIRE(append.take_ticket().has_value());
  }
}

audit::Checkpoint head_of(const fs::path& log) {
  const auto note = audit::read_note(slurp(store::checkpoint_path(log)));
  REQUIRE(note.has_value());
  const auto checkpoint = audit::read_checkpoint(note->text);
  REQUIRE(checkpoint.has_value());
  return *checkpoint;
}

VerifyReport judged(const fs::path& log, std::vector<store::Anchor> anchors = {}, char seed = 1) {
  auto report = store::verify_log({.directory = log,
                                   .keys = keys_of(seed)->verifiers().value(),
                                   .anchors = std::move(anchors)});
  REQUIRE_MESSAGE(report.has_value(), report.error().detail);
  return *std::move(report);
}

std::string told(const VerifyReport& report) {
  std::string all{name(report.verdict())};
  for (const store::Problem& p : report.problems)
    all += std::format("\n  {} {}: {}", p.file, p.record ? std::to_string(*p.record) : "-", p.what);
  for (const std::string& n : report.not_checked) all += "\n  not checked: " + n;
  for (const std::string& n : report.remarks) all += "\n  remark: " + n;
  return all;
}

std::vector<std::string> leaves_of(const fs::path& log) {
  std::vector<std::string> leaves;
  auto reader = store::LogReader::open(log);
  REQUIRE(reader.has_value());
  for (;;) {
    const auto entry = reader->next();
    REQUIRE(entry.has_value());
    if (!*entry) return leaves;
    leaves.emplace_back((*entry)->leaf);
  }
}

// A whole log made of these leaves, as somebody would who has the program and some keys.
void forge(const fs::path& log, const std::vector<std::string>& leaves, char seed) {
  fs::create_directories(store::segment_folder(log));
  std::string segment =
      audit::write_header({.number = 1, .first = 0, .origin = origin, .created = base::Time{}});
  for (const std::string& leaf : leaves) audit::write_frame(leaf, segment);
  spill(store::segment_path(log, 1), segment);
  const base::SystemClock clock;
  store::SystemFiles files;
  const auto sealer = store::Sealer::open({.directory = log, .origin = origin}, leaves.size(),
                                          keys_of(seed), clock, files);
  REQUIRE(sealer.has_value());
}

void copy_of(const fs::path& from, const fs::path& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

}  // namespace

TEST_CASE("a log that was closed is good; one anchor makes it witnessed") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  write_log(log, {.records = 700});
  const VerifyReport report = judged(log);
  CHECK_MESSAGE(report.verdict() == Verdict::unwitnessed, told(report));
  CHECK(report.head == head_of(log));
  CHECK(report.records == 702);
  CHECK(report.segments > 3);
  CHECK(report.bundles == 3);
  CHECK(report.tiles == 4);  // 2 full and 1 partial on level 0, 1 partial above
  CHECK(report.checkpoints >= 1);
  CHECK(report.remarks.empty());
  const store::Anchor early{.from = "yesterday", .checkpoint = head_of(log)};
  write_log(log, {.records = 70'000, .segment = 10'000'000});
  const VerifyReport later = judged(log, {early});
  CHECK_MESSAGE(later.verdict() == Verdict::verified, told(later));
  CHECK(later.records == 70'704);
  CHECK(later.anchors == std::vector<std::string>{"yesterday"});
  // Without keys from outside it holds together, and says where the keys are from.
  const auto own = store::verify_log({.directory = log, .anchors = {early}});
  REQUIRE(own.has_value());
  CHECK(own->own_keys);
  CHECK(own->verdict() == Verdict::verified);
  // A copy is judged in the same way, and nothing is written into it.
  copy_of(log, scratch.path() / "copy");
  CHECK(judged(scratch.path() / "copy", {early}).verdict() == Verdict::verified);
}

namespace {

struct Flips {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
};

// Changes a bit of bytes of each file, `step` of a file's size apart, lengthens, shortens and
// removes it: each is to be found.
Flips flip(const fs::path& log, const std::function<std::size_t(std::size_t)>& step_of) {
  const store::Anchor anchor{.from = "now", .checkpoint = head_of(log)};
  REQUIRE(judged(log, {anchor}).verdict() == Verdict::verified);
  Flips flips;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(log))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  const store::VerifyOptions options{
      .directory = log, .keys = keys_of(1)->verifiers().value(), .anchors = {anchor}};
  for (const fs::path& path : paths) {
    const std::string good = slurp(path);
    ++flips.files;
    for (std::size_t at = 0; at < good.size(); at += step_of(good.size())) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      spill(path, bad);
      const auto report = store::verify_log(options);
      const bool found = report && report->verdict() == Verdict::tampered;
      CHECK_MESSAGE(found, path.lexically_relative(log).string(), " byte ", at, " of ", good.size(),
                    " ", report ? told(*report) : report.error().detail);
      ++flips.bytes;
    }
    for (const std::string& bad :
         {good + std::string(1, '\0'), good + "x",
          good.substr(0, good.size() - std::min<std::size_t>(1, good.size()))}) {
      if (bad == good) continue;
      spill(path, bad);
      const VerifyReport report = judged(log, {anchor});
      CHECK_MESSAGE(report.verdict() == Verdict::tampered, path.lexically_relative(log).string(),
                    " ", bad.size(), " of ", good.size(), told(report));
    }
    // Nobody needs partial tiles of an older checkpoint, and some files are only for convenience.
    if (path.filename() != "lock" && path.filename() != "log.pub" &&
        path.parent_path().filename() != "checkpoints" &&
        path.parent_path().filename() != "000.p") {
      fs::remove(path);
      const VerifyReport report = judged(log, {anchor});
      CHECK_MESSAGE(report.verdict() == Verdict::tampered, path.lexically_relative(log).string(),
                    " removed ", told(report));
    }
    spill(path, good);
  }
  CHECK(judged(log, {anchor}).verdict() == Verdict::verified);
  return flips;
}

void pack(const fs::path& log, std::uint64_t number) {
  store::SystemFiles files;
  REQUIRE(store::pack_segment(log, number, files).has_value());
}

}  // namespace

TEST_CASE("every byte of a small log, changed, is found") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  write_log(log, {.records = 4, .segment = 500, .batch = 2});
  pack(log, 1);
  const Flips flips = flip(log, [](std::size_t) { return 1UZ; });
  MESSAGE("all ", flips.bytes, " bytes of ", flips.files, " files, one bit each");
}

TEST_CASE("changed bytes of a log with a full tile, several runs, packed segments are found") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  write_log(log, {.records = 130, .segment = 9'000});
  write_log(log, {.records = 130, .segment = 9'000});  // a second run: over one full tile
  for (const std::uint64_t number : {1UL, 2UL}) pack(log, number);  // the others may be either
  // A step that meets, over the runs of a file's periods, every kind of byte of long files;
  // LATTICEGATE_EVERY_BYTE (./dev soak) takes all of them.
  const bool all = std::getenv("LATTICEGATE_EVERY_BYTE") != nullptr;
  const Flips flips = flip(log, [&](std::size_t size) { return all ? 1 : 1 + size / 40; });
  MESSAGE(flips.bytes, " changed bytes in ", flips.files, " files");
}

TEST_CASE("surgery: every way to have other records is found and told") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  write_log(log, {.records = 300, .segment = 1'000'000});
  const store::Anchor then{.from = "then", .checkpoint = head_of(log)};
  write_log(log, {.records = 300, .segment = 1'000'000});
  const store::Anchor now{.from = "now", .checkpoint = head_of(log)};
  const std::vector<std::string> leaves = leaves_of(log);
  const fs::path bad = scratch.path() / "bad";
  const fs::path segment = store::segment_path(bad, 1);

  // The segment alone is written anew, with right checksums.
  const auto rewrite = [&](const std::vector<std::string>& with) {
    copy_of(log, bad);
    std::string bytes =
        audit::write_header({.number = 1, .first = 0, .origin = origin, .created = base::Time{}});
    for (const std::string& leaf : with) audit::write_frame(leaf, bytes);
    spill(segment, bytes);
  };
  struct Surgery {
    std::string what;
    std::function<void(std::vector<std::string>&)> cut;
    std::uint64_t record;  // the first that is not right
  };
  const std::vector<Surgery> surgeries{
      {"delete", [](auto& l) { l.erase(l.begin() + 77); }, 77},
      {"insert", [](auto& l) { l.insert(l.begin() + 77, l[5]); }, 77},
      {"swap", [](auto& l) { std::swap(l[77], l[78]); }, 77},
      {"duplicate", [](auto& l) { l.insert(l.begin() + 77, l[77]); }, 78},
      {"replace", [](auto& l) { l[77].replace(l[77].find("x7"), 2, "y7"); }, 77},
      {"truncate", [](auto& l) { l.resize(500); }, 500},
      {"remove the first", [](auto& l) { l.erase(l.begin()); }, 0},
      {"append", [](auto& l) { l.push_back(l.back()); }, 604},
  };
  for (const Surgery& surgery : surgeries) {
    CAPTURE(surgery.what);
    std::vector<std::string> with = leaves;
    surgery.cut(with);
    rewrite(with);
    const VerifyReport report = judged(bad);
    REQUIRE_MESSAGE(report.verdict() == Verdict::tampered, told(report));
    const bool place = std::ranges::any_of(
        report.problems, [&](const store::Problem& p) { return p.record == surgery.record; });
    CHECK_MESSAGE(place, told(report));

    // Everything that can be made again is made again, with other keys, or with the log's own.
    fs::remove_all(bad);
    forge(bad, with, 2);
    CHECK(judged(bad).verdict() == Verdict::tampered);
    CHECK(judged(bad, {now}, 2).verdict() == Verdict::tampered);
    fs::remove_all(bad);
    forge(bad, with, 1);
    const VerifyReport resigned = judged(bad, {now});
    CHECK_MESSAGE(resigned.verdict() == Verdict::tampered, told(resigned));
    // Without anything from outside it is never called verified.
    CHECK(judged(bad).verdict() != Verdict::verified);
  }

  // Rolled back as a whole, with its right checkpoint of then.
  fs::remove_all(bad);
  forge(bad, {leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(then.checkpoint.size)},
        1);
  CHECK(head_of(bad) == then.checkpoint);
  CHECK(judged(bad, {then}).verdict() == Verdict::verified);
  const VerifyReport rolled = judged(bad, {then, now});
  CHECK(rolled.verdict() == Verdict::tampered);
  CHECK(told(rolled).contains("rolled back"));
  // Only the checkpoint is that of then: the records behind it count for nothing.
  copy_of(log, bad);
  spill(store::checkpoint_path(bad),
        slurp(store::old_checkpoints_path(log) / std::format("{:020}", 1)));
  CHECK(judged(bad).verdict() == Verdict::tampered);  // a kept one is newer
  // A fork: the same beginning, another end, both signed.
  std::vector<std::string> fork = leaves;
  fork[400] = fork[401];
  fs::remove_all(bad);
  forge(bad, fork, 1);
  CHECK(judged(bad, {then}).verdict() == Verdict::tampered);  // seq of record 400
  const VerifyReport forked = judged(bad, {then, now});
  CHECK(told(forked).contains("(now)"));
  // Another log's checkpoint, and another log altogether.
  CHECK(store::verify_log({.directory = log, .origin = "acme/other"})->verdict() ==
        Verdict::tampered);
}

TEST_CASE("files that do not belong there are told") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  write_log(log, {.records = 300});
  for (const std::string path : {"seg/000099.log", "seg/1.log", "seg/x", "tile/0/009",
                                 "tile/0/000.p/5", "tile/0/1", "tile/9/000", "tile/entries/000.p/7",
                                 "tile/entries/099", "checkpoints/00000000000000000007"}) {
    CAPTURE(path);
    std::error_code error;
    const bool made = fs::create_directories((log / path).parent_path(), error);
    spill(log / path, "something");
    CHECK(judged(log).verdict() == Verdict::tampered);
    fs::remove(log / path);
    if (made) fs::remove(((log / path).parent_path()));
  }
  spill(log / "notes.txt", "an auditor's");
  CHECK(judged(log).verdict() == Verdict::unwitnessed);
  CHECK(judged(log).remarks.size() == 1);
}

TEST_CASE("what cannot be checked is not called good") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  CHECK_FALSE(store::verify_log({.directory = log}).has_value());
  write_log(log, {.records = 300});
  const store::Anchor now{.from = "now", .checkpoint = head_of(log)};
  const fs::path copy = scratch.path() / "copy";
  copy_of(log, copy);
  fs::remove(store::public_keys_path(copy));
  CHECK(store::verify_log({.directory = copy})->verdict() == Verdict::incomplete);
  CHECK(judged(copy, {now}).verdict() == Verdict::verified);
  copy_of(log, copy);
  fs::remove_all(copy / "tile");
  CHECK(judged(copy, {now}).verdict() == Verdict::incomplete);
  // What a web server has: tiles, bundles, checkpoint.
  copy_of(log, copy);
  fs::remove_all(copy / "seg");
  CHECK_MESSAGE(judged(copy, {now}).verdict() == Verdict::incomplete, told(judged(copy, {now})));
  CHECK(judged(copy, {now}).records == 302);
  std::string bundle = slurp(copy / audit::bundle_path(0));
  bundle[600] = static_cast<char>(bundle[600] ^ 1);
  spill(copy / audit::bundle_path(0), bundle);
  CHECK(judged(copy, {now}).verdict() == Verdict::tampered);
  // Records that nobody signed yet.
  copy_of(log, copy);
  std::string segment = slurp(store::segment_path(copy, store::list_segments(copy)->back().number));
  const std::string extra = audit::with_seq({R"({"seq":,"v":1})", 7}, 302);
  audit::write_frame(extra, segment);
  spill(store::segment_path(copy, store::list_segments(copy)->back().number), segment);
  CHECK(judged(copy, {now}).verdict() == Verdict::incomplete);
}

TEST_CASE("the proofs of a log's own files hold") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  write_log(log, {.records = 1000});
  const std::vector<std::string> leaves = leaves_of(log);
  const audit::Checkpoint head = head_of(log);
  REQUIRE(head.size == leaves.size());
  const store::FolderTiles tiles(log);
  const audit::TileSource source(tiles, head.size);
  for (std::uint64_t index = 0; index < head.size; index += 37) {
    const auto proof = audit::prove_inclusion(index, head.size, source);
    REQUIRE(proof.has_value());
    CHECK(audit::verify_inclusion(index, head.size, audit::leaf_hash(leaves[index]), *proof,
                                  head.root)
              .has_value());
  }
}

TEST_CASE("when the tree cannot be written, calls go on, then are refused, then go on again") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  const base::SystemClock clock;
  store::Waiting waiting;
  store::Named named;
  std::atomic<bool> broken{false};
  // A disk that takes the records and nothing else.
  store::FaultyFiles files([&](std::string_view operation, std::size_t&) -> base::Result<void> {
    const bool of_tree = operation == "create" || operation == "rename" || operation == "open";
    if (of_tree && broken) return base::fail(base::Code::unavailable, "no space left");
    return {};
  });
  {
    const auto journal = store::Journal::open({.directory = log,
                                               .origin = origin,
                                               .keys = keys_of(1),
                                               .checkpoint_age = 1ms,
                                               .seal_patience = 300ms},
                                              clock, files, waiting.notifier());
    REQUIRE(journal.has_value());
    broken = true;
    store::Append append;
    const auto write = [&] {
      append.set(named("x"), {}, 0, nullptr);
      if (!(*journal)->submit(append)) return false;
      waiting.take(1);
      return append.take_ticket().has_value();
    };
    CHECK(write());
    int taken = 1;
    while (write()) ++taken;
    CHECK(taken > 1);
    CHECK_FALSE((*journal)->status().working);
    CHECK((*journal)->status().seal_trouble.contains("no space left"));
    CHECK((*journal)->status().trouble.contains("no space left"));
    broken = false;
    while (!write()) continue;
    CHECK((*journal)->status().working);
  }
  CHECK(judged(log).verdict() == Verdict::unwitnessed);
}

TEST_CASE("a log that was altered is not continued; tiles that are gone are made again") {
  const store::Scratch scratch;
  const fs::path log = scratch.path() / "log";
  write_log(log, {.records = 600, .segment = 1'000'000});
  const std::vector<std::string> leaves = leaves_of(log);
  const fs::path copy = scratch.path() / "copy";
  const base::SystemClock clock;
  store::SystemFiles files;
  const auto opened = [&](char seed = 1) -> base::Result<void> {
    const auto journal =
        store::Journal::open({.directory = copy, .origin = origin, .keys = keys_of(seed)}, clock,
                             files, [](std::uint32_t, store::Append*) {});
    if (!journal) return std::unexpected(journal.error());
    return {};
  };
  const auto rewrite = [&](const std::vector<std::string>& with) {
    copy_of(log, copy);
    std::string bytes =
        audit::write_header({.number = 1, .first = 0, .origin = origin, .created = base::Time{}});
    for (const std::string& leaf : with) audit::write_frame(leaf, bytes);
    spill(store::segment_path(copy, 1), bytes);
  };
  std::vector<std::string> with = leaves;
  with.pop_back();
  rewrite(with);
  CHECK(opened().error().code == base::Code::malformed);
  with = leaves;
  with[590][40] = 'X';  // in the tile that is not full
  rewrite(with);
  CHECK(opened().error().code == base::Code::malformed);
  copy_of(log, copy);
  CHECK(opened(2).error().code == base::Code::conflict);
  fs::remove(store::checkpoint_path(copy));
  CHECK(opened().error().code == base::Code::malformed);

  for (const std::string_view lost :
       {"tile", "tile/0", "tile/0/000", "tile/entries/001", "tile/0/002.p", "tile/entries/002.p"}) {
    CAPTURE(lost);
    copy_of(log, copy);
    fs::remove_all(copy / lost);
    CHECK(opened().has_value());
    CHECK_MESSAGE(judged(copy).verdict() == Verdict::unwitnessed, told(judged(copy)));
  }
  // Records from before there was a tree.
  copy_of(log, copy);
  for (const std::string_view file : {"tile", "checkpoint", "checkpoints", "log.pub"})
    fs::remove_all(copy / file);
  CHECK(opened().has_value());
  CHECK(judged(copy).verdict() == Verdict::unwitnessed);
  CHECK(judged(copy).records == 604);
}

TEST_CASE("the keys of a log are made once, for their owner only") {
  const store::Scratch scratch;
  const fs::path folder = scratch.path() / "keys";
  CHECK(store::LogKeys::open(folder, origin, false).error().code == base::Code::not_found);
  const auto made = store::LogKeys::open(folder, origin, true);
  REQUIRE(made.has_value());
  CHECK(fs::status(folder).permissions() == fs::perms::owner_all);
  for (const std::string_view file : {"audit-ml-dsa-44.pem", "audit-ed25519.pem"})
    CHECK(fs::status(folder / file).permissions() ==
          (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(std::distance(fs::directory_iterator(folder), {}) == 2);
  CHECK(store::LogKeys::open(folder, origin, false)->public_text() == made->public_text());
  CHECK(store::LogKeys::open(folder, "a b", false).error().code == base::Code::invalid);
  fs::permissions(folder / "audit-ed25519.pem", fs::perms::group_read, fs::perm_options::add);
  CHECK(store::LogKeys::open(folder, origin, true).error().code == base::Code::forbidden);
  fs::permissions(folder / "audit-ed25519.pem", fs::perms::owner_read);
  fs::remove(folder / "audit-ml-dsa-44.pem");
  fs::copy_file(folder / "audit-ed25519.pem", folder / "audit-ml-dsa-44.pem");
  CHECK(store::LogKeys::open(folder, origin, true).error().code == base::Code::crypto);
  spill(folder / "audit-ml-dsa-44.pem", "nonsense");
  CHECK_FALSE(store::LogKeys::open(folder, origin, true).has_value());
}
