// Bodies on their way through the journal, on disk and back.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "audit/envelope.h"
#include "base/clock.h"
#include "store/body_file.h"
#include "store/detail/faults.h"
#include "store/detail/scratch.h"
#include "store/detail/test_log.h"
#include "store/journal.h"
#include "store/secret_file.h"
#include "store/wrapping_keys.h"

using namespace latticegate;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using base::Code;
using store::Journal;
using store::KeptBody;

namespace {

std::shared_ptr<const store::WrappingKeys> wrapping(std::uint64_t seed) {
  crypto::SeededRandom random(seed);
  auto keys = std::make_shared<store::WrappingKeys>();
  keys->push_back(audit::WrappingKey::make(random));
  return keys;
}

struct Bench {
  store::Scratch scratch;
  base::SystemClock clock;
  store::SystemFiles files;
  store::Waiting waiting;
  audit::RecordWriter writer{"node-1"};
  std::shared_ptr<const store::WrappingKeys> keks = wrapping(1);

  fs::path log() const { return scratch.path() / "log"; }
  fs::path keys() const { return scratch.path() / "keys"; }
  std::unique_ptr<Journal> open(store::Files& on, std::uint64_t segment = 1 << 20) {
    auto journal = Journal::open({.directory = log(),
                                  .origin = "acme/test/node-1",
                                  .segment = {segment},
                                  .first_retry = 1ms,
                                  .last_retry = 4ms,
                                  .wrapping_keys = keks,
                                  .body_keys = keys(),
                                  .body_queue = {100'000}},
                                 clock, on, waiting.notifier());
    REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
    return *std::move(journal);
  }
  std::unique_ptr<Journal> open() { return open(files); }

  static std::unique_ptr<const KeptBody> body(std::string text, std::string subject = "p:one") {
    return std::make_unique<const KeptBody>(KeptBody{
        .text = std::move(text),
        .purpose = {.subject = std::move(subject), .label = "general", .month = "2026-11"}});
  }
  audit::Leaf leaf(std::string_view name) {
    return writer.write({.type = audit::Type::call_decided,
                         .time = base::Time{},
                         .req = {.kept = true, .len = 3},
                         .why = name});
  }
  void submit(Journal& journal, std::string_view name, std::unique_ptr<const KeptBody> kept) {
    store::Append append;
    append.set(leaf(name), {}, 0, nullptr, std::move(kept));
    REQUIRE(journal.submit(append).has_value());
    waiting.take(1);
    REQUIRE(append.take_ticket().has_value());
  }
};

struct Found {
  std::string name;
  std::optional<std::string> body;  // nothing: the record refers to none
  std::string error;
};

// Every decision of the log with its body, as far as keys are there.
std::vector<Found> bodies_of(const Bench& bench) {
  std::vector<Found> found;
  const auto keys = store::BodyKeys::open(bench.keys(), bench.keks);
  REQUIRE(keys.has_value());
  const auto segments = store::list_segments(bench.log());
  REQUIRE(segments.has_value());
  for (const store::SegmentName& segment : *segments) {
    auto file = store::SegmentFile::open(segment.path);
    REQUIRE(file.has_value());
    for (;;) {
      const auto entry = file->next();
      REQUIRE(entry.has_value());
      if (!*entry) break;
      const auto record = json::Document::parse((*entry)->leaf);
      if (record->root()["type"].text_or("") != "call.decided") continue;
      Found one{.name = std::string(record->root()["why"].text_or("")), .body = {}, .error = {}};
      if (const json::Value req = record->root()["req"]; req["ct_sha256"].exists()) {
        const auto digest = [&](std::string_view name) {
          crypto::Digest out{};
          const auto bytes = base::from_hex(req[name].text_or(""));
          std::ranges::copy(base::bytes_of(bytes.value()), out.begin());
          return out;
        };
        const auto envelope = store::find_envelope(bench.log(), segment.number, (*entry)->seq);
        REQUIRE_MESSAGE(envelope.has_value(), envelope.error().detail);
        const auto key = keys->find(req["key"].text_or(""));
        auto body = key ? audit::open_envelope(*envelope,
                                               {.commit = digest("commit"),
                                                .ct_sha256 = digest("ct_sha256"),
                                                .key = req["key"].text_or("")},
                                               key->bytes())
                        : base::Result<std::string>(std::unexpected(key.error()));
        if (body)
          one.body = *std::move(body);
        else
          one.error = base::name(body.error().code);
      }
      found.push_back(std::move(one));
    }
  }
  return found;
}

bool on_disk(const fs::path& folder, std::string_view needle) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (bytes.contains(needle)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("bodies lie sealed beside the log and come back with their record and key") {
  Bench bench;
  {
    const auto journal = bench.open();
    for (int i = 0; i < 5; ++i)
      bench.submit(*journal, "submitted", Bench::body("what was asked " + std::to_string(i)));
    REQUIRE(journal->post(bench.leaf("posted"), Bench::body("what came back")).has_value());
    bench.submit(*journal, "two", Bench::body("another person's", "p:two"));
    CHECK(journal->status().bodies == 7);
  }
  const auto found = bodies_of(bench);
  REQUIRE(found.size() == 7);
  CHECK(found[4].body == "what was asked 4");
  CHECK(found.back().body == "another person's");
  CHECK_FALSE(on_disk(bench.scratch.path(), "what was asked"));
  CHECK_FALSE(on_disk(bench.scratch.path(), "what came back"));
  const auto keys = store::BodyKeys::open(bench.keys(), bench.keks);
  CHECK(keys->list().value().size() == 2);
}

TEST_CASE("a destroyed key takes the bodies of its person and nobody else's, at once") {
  Bench bench;
  const auto journal = bench.open();
  bench.submit(*journal, "one", Bench::body("secret of one", "p:one"));
  bench.submit(*journal, "two", Bench::body("secret of two", "p:two"));
  auto keys = store::BodyKeys::open(bench.keys(), bench.keks);
  REQUIRE(keys.has_value());
  std::string destroyed;
  const std::vector<audit::KeyInfo> all = keys->list().value();
  for (const audit::KeyInfo& info : all)
    if (info.purpose.subject == "p:one") destroyed = info.id;
  REQUIRE(keys->destroy(destroyed).has_value());
  REQUIRE(keys->destroy(destroyed).has_value());
  CHECK(keys->find(destroyed).error().code == Code::not_found);
  journal->forget_body_keys();
  bench.submit(*journal, "one again", Bench::body("later", "p:one"));
  const auto found = bodies_of(bench);
  REQUIRE(found.size() == 3);
  CHECK(found[0].error == "not_found");
  CHECK(found[1].body == "secret of two");
  CHECK(found[2].body == "later");
}

TEST_CASE("bodies go with their records from segment to segment and from run to run") {
  Bench bench;
  for (int run = 0; run < 3; ++run) {
    const auto journal = bench.open(bench.files, 2048);
    for (int i = 0; i < 20; ++i)
      bench.submit(*journal, std::to_string(run), Bench::body(std::string(300, 'x')));
  }
  const auto found = bodies_of(bench);
  REQUIRE(found.size() == 60);
  CHECK(std::ranges::all_of(found, [](const Found& f) { return f.body == std::string(300, 'x'); }));
  CHECK(store::list_segments(bench.log()).value().size() > 5);
}

TEST_CASE("a body without a record, as a crash leaves it, is cut off by the next run") {
  Bench bench;
  {
    const auto journal = bench.open();
    bench.submit(*journal, "one", Bench::body("kept"));
  }
  const fs::path blob = store::body_path(bench.log(), 1);
  const auto size = fs::file_size(blob);
  // The same frame again, for a record that is not there, and half of one.
  std::string bytes;
  {
    std::ifstream in(blob, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  bytes[15] = 99;
  for (const std::string& tail : {bytes, bytes.substr(0, 20), std::string("x")}) {
    std::ofstream(blob, std::ios::binary | std::ios::app) << tail;
    const auto journal = bench.open();
    CHECK(fs::file_size(blob) == size);
  }
  {
    const auto journal = bench.open();
    bench.submit(*journal, "two", Bench::body("kept as well"));
  }
  CHECK(bodies_of(bench).back().body == "kept as well");
}

TEST_CASE("a body that finds no room is left out, and its record says only its length") {
  Bench bench;
  const auto journal = bench.open();
  bench.submit(*journal, "too much", Bench::body(std::string(200'000, 'x')));
  REQUIRE(journal->post(bench.leaf("too much, too"), Bench::body(std::string(200'000, 'x')))
              .has_value());
  bench.submit(*journal, "little", Bench::body("y"));
  CHECK(journal->status().bodies_left_out == 2);
  const auto found = bodies_of(bench);
  REQUIRE(found.size() == 3);
  CHECK_FALSE(found[0].body.has_value());
  CHECK_FALSE(found[1].body.has_value());
  CHECK(found[2].body == "y");
}

TEST_CASE("whatever fails under bodies, no record refers to one that is not there") {
  for (const std::string_view operation : {"write", "sync", "create", "truncate"}) {
    for (int nth = 1; nth < 12; ++nth) {
      Bench bench;
      std::atomic<int> left = nth;
      std::atomic<bool> armed = false;
      store::FaultyFiles faulty(
          [&](std::string_view what, std::size_t& bytes) -> base::Result<void> {
            if (!armed || what != operation || --left != 0) return {};
            bytes /= 2;
            return base::fail(Code::unavailable, "full");
          });
      const auto journal = bench.open(faulty, 4096);
      armed = true;
      for (int i = 0; i < 8; ++i) {
        store::Append append;
        append.set(bench.leaf("a"), {}, 0, nullptr, Bench::body(std::string(500, 'x')));
        if (journal->submit(append)) {
          bench.waiting.take(1);
          (void)append.take_ticket();
        }
        (void)journal->post(bench.leaf("p"), Bench::body("posted"));
      }
      armed = false;
      while (!journal->status().working) std::this_thread::yield();
      bench.submit(*journal, "last", Bench::body("last"));
      const auto found = bodies_of(bench);
      CHECK(found.back().body == "last");
      CHECK(std::ranges::all_of(found, [](const Found& f) { return f.body.has_value(); }));
    }
  }
}

TEST_CASE(
    "keys are wrapped anew for another wrapping key, and the old one is not needed any more") {
  Bench bench;
  {
    const auto journal = bench.open();
    bench.submit(*journal, "one", Bench::body("kept"));
  }
  crypto::SeededRandom random(9);
  auto both = std::make_shared<store::WrappingKeys>();
  both->push_back(audit::WrappingKey::make(random));
  const auto fresh = std::make_shared<store::WrappingKeys>();
  fresh->push_back(audit::WrappingKey::from_text(both->front().text().reveal()).value());
  both->push_back(audit::WrappingKey::from_text(bench.keks->front().text().reveal()).value());
  auto keys = store::BodyKeys::open(bench.keys(), both);
  CHECK(keys->rewrap().value() == 1);
  CHECK(keys->rewrap().value() == 0);
  bench.keks = fresh;
  CHECK(bodies_of(bench).front().body == "kept");
  bench.keks = wrapping(1);
  CHECK(bodies_of(bench).front().error == "not_found");
}

TEST_CASE("wrapping keys come from a file for its owner only, or from a command") {
  store::Scratch scratch;
  const fs::path file = scratch.path() / "deep" / "bodies.key";
  CHECK(store::read_wrapping_keys({.file = file}).error().code == Code::not_found);
  const auto made = store::read_wrapping_keys({.file = file, .may_make = true});
  REQUIRE(made.has_value());
  CHECK(store::read_wrapping_keys({.file = file})->front().id() == made->front().id());
  ::chmod(file.c_str(), 0644);
  CHECK(store::read_wrapping_keys({.file = file}).error().code == Code::forbidden);
  ::chmod(file.c_str(), 0600);
  const std::string digits(64, 'a');
  struct Case {
    std::string script;
    Code code;
  };
  for (const Case& wrong : {Case{"exit 3", Code::unavailable}, Case{"echo abc", Code::malformed},
                            Case{"true", Code::malformed}, Case{"sleep 60", Code::timeout},
                            Case{"yes", Code::too_large}}) {
    const auto read = store::read_wrapping_keys(
        {.file = {}, .command = {"sh", "-c", wrong.script}, .may_make = false}, 300ms);
    REQUIRE_FALSE(read.has_value());
    CHECK_MESSAGE(read.error().code == wrong.code, wrong.script, ": ", read.error().detail);
  }
  CHECK(store::read_wrapping_keys(
            {.file = {}, .command = {"no-such-program-here"}, .may_make = false})
            .error()
            .code == Code::unavailable);
  const auto two = store::read_wrapping_keys(
      {.file = {},
       .command = {"printf", "# vault\\n" + digits + "\\n" + std::string(64, 'b') + "\\n"},
       .may_make = false});
  REQUIRE(two.has_value());
  CHECK(two->size() == 2);
  CHECK(two->front().text().reveal() == digits);
}
