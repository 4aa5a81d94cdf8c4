#include "store/journal.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "store/detail/faults.h"
#include "store/detail/scratch.h"
#include "store/detail/test_log.h"
#include "store/spill.h"
#include "store/verify.h"

using namespace latticegate;
using namespace std::chrono_literals;
using base::Code;
using store::Append;
using store::Journal;
using store::JournalOptions;
using store::read_all;

namespace {

struct Bench {
  store::Scratch scratch;
  base::SystemClock clock;
  store::SystemFiles files;
  store::Waiting waiting;
  store::Named named;

  JournalOptions options() const {
    return {.directory = scratch.path() / "log",
            .origin = "acme/test/node-1",
            .homes = 2,
            .first_retry = 1ms,
            .last_retry = 4ms};
  }
  std::unique_ptr<Journal> open(const JournalOptions& with, store::Files& on) {
    auto journal = Journal::open(with, clock, on, waiting.notifier());
    REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
    return *std::move(journal);
  }
  std::unique_ptr<Journal> open() { return open(options(), files); }
  crypto::Uuid uuid(std::uint64_t n) {
    crypto::SeededRandom random(n);
    return crypto::uuid_v7(base::Time{}, random);
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "a decision gets its ticket when it is on disk, and the log says when it was opened and "
    "closed") {
  static_assert(!std::is_default_constructible_v<store::Ticket>);
  static_assert(!std::is_copy_constructible_v<store::Ticket>);
  static_assert(std::is_nothrow_move_constructible_v<store::Ticket>);
  Bench bench;
  {
    const auto journal = bench.open();
    Append append;
    int waiter = 0;
    append.set(bench.named("one"), bench.uuid(1), 1, &waiter);
    REQUIRE(journal->submit(append).has_value());
    const auto done = bench.waiting.take(1);
    CHECK(done.front() == std::pair<std::uint32_t, Append*>(1, &append));
    CHECK(append.waiter() == &waiter);
    // Durable means that another reader finds it already.
    CHECK(read_all(bench.options().directory).names == Names{"one"});
    const auto ticket = append.take_ticket();
    REQUIRE(ticket.has_value());
    CHECK(ticket->call_uid() == bench.uuid(1));
    CHECK(ticket->seq() == 1);
    // The same append serves the next call.
    append.set(bench.named("two"), bench.uuid(2), 0, nullptr);
    REQUIRE(journal->submit(append).has_value());
    CHECK(bench.waiting.take(1).front().first == 0);
    CHECK(append.take_ticket()->seq() == 2);
    REQUIRE(journal->post(bench.named("three")).has_value());
  }
  const auto all = read_all(bench.options().directory);
  CHECK(all.names == Names{"one", "two", "three"});
  CHECK(all.types.front() == "log.opened");
  CHECK(all.types.back() == "log.closed");
  {
    const auto journal = bench.open();
    CHECK(journal->status().next_seq == 6);
    CHECK(journal->status().segment == 1);
    CHECK(journal->status().cut_bytes == 0);
  }
  CHECK(read_all(bench.options().directory).leaves == 7);
}

TEST_CASE(
    "records for later are committed together: when it is said, when 64 wait, with another one") {
  Bench bench;
  JournalOptions options = bench.options();
  options.post_delay = 1h;
  std::vector<Append> appends(64);
  {
    const auto journal = bench.open(options, bench.files);
    const auto submit = [&](std::size_t from, std::size_t to) {
      for (std::size_t i = from; i < to; ++i) {
        appends[i].set(bench.named(std::to_string(i)), {}, 0, nullptr);
        REQUIRE(journal->submit(appends[i], store::Commit::later).has_value());
      }
    };
    const std::uint64_t before = journal->status().batches;
    journal->commit();  // nothing waits
    submit(0, 3);
    CHECK(journal->status().queued_bytes > 0);
    CHECK(bench.waiting.calls() == 0);
    journal->commit();
    CHECK(bench.waiting.take(3).size() == 3);
    CHECK(journal->status().batches == before + 1);
    submit(0, 63);
    CHECK(bench.waiting.calls() == 1);
    submit(63, 64);
    CHECK(bench.waiting.take(64).size() == 64);
    CHECK(journal->status().batches == before + 2);
    submit(0, 1);
    Append at_once;  // takes along what waits
    at_once.set(bench.named("now"), {}, 1, nullptr);
    REQUIRE(journal->submit(at_once).has_value());
    CHECK(bench.waiting.take(2).size() == 2);
    CHECK(journal->status().batches == before + 3);
    submit(0, 5);  // the end of the journal commits them
  }
  CHECK(bench.waiting.take(5).size() == 5);
  options.post_delay = 5ms;
  const auto journal = bench.open(options, bench.files);
  appends[0].set(bench.named("forgotten"), {}, 0, nullptr);
  REQUIRE(journal->submit(appends[0], store::Commit::later).has_value());
  REQUIRE(journal->post(bench.named("posted")).has_value());
  CHECK(bench.waiting.take(1).size() == 1);
}

TEST_CASE(
    "eight threads, 100,000 records each: one order, nothing lost, nothing twice, each thread's "
    "order kept") {
  Bench bench;
  JournalOptions options = bench.options();
  options.homes = 8;
  options.segment = {std::uint64_t{1} * 1024 * 1024};  // rotates on the way
  options.keys = store::test_keys(options.origin);
  constexpr int threads = 8;
  constexpr int records = 100'000;
  constexpr int window = 100;  // a thread's records on their way at once
  std::vector<store::Waiting> homes(threads);
  std::vector<Journal::Notifier> notifiers;
  for (store::Waiting& home : homes) notifiers.push_back(home.notifier());
  std::uint64_t batches = 0;
  {
    auto opened =
        Journal::open(options, bench.clock, bench.files,
                      [&](std::uint32_t home, Append* list) { notifiers[home](home, list); });
    REQUIRE(opened.has_value());
    Journal& journal = **opened;
    std::atomic<int> failures{0};
    std::vector<std::jthread> running;
    for (int t = 0; t < threads; ++t)
      running.emplace_back([&, t] {
        store::Named named;
        std::vector<Append> appends(window);
        std::uint64_t last = 0;
        const auto home = static_cast<std::uint32_t>(t);
        for (int i = 0; i < records; i += window) {
          for (int k = 0; k < window; ++k) {
            const std::string name = std::to_string(t) + ":" + std::to_string(i + k);
            if (k % 2 == 1) {  // nobody waits for these
              if (!journal.post(named(name))) ++failures;
              continue;
            }
            Append& append = appends[static_cast<std::size_t>(k)];
            append.set(named(name), {}, home, nullptr);
            if (!journal.submit(append)) ++failures;
          }
          for (std::size_t got = 0; got < window / 2;)
            for (const auto& [where, append] : homes[home].take(1)) {
              ++got;
              const auto ticket = append->take_ticket();
              if (!ticket || where != home || ticket->seq() <= last) ++failures;
              if (ticket) last = ticket->seq();
            }
        }
      });
    running.clear();
    CHECK(failures == 0);
    batches = journal.status().batches;
    CHECK(journal.status().segment > 5);
  }
  std::uint64_t calls = 0;
  for (const store::Waiting& home : homes) calls += home.calls();
  CHECK(calls <= batches * threads);
  const auto all = read_all(options.directory);
  CHECK(all.names.size() == threads * records);
  std::vector<int> next(threads, 0);
  std::vector<int> posted(threads, 1);
  int wrong = 0;
  for (const std::string& name : all.names) {
    const auto t = static_cast<std::size_t>(name[0] - '0');
    const int i = std::stoi(name.substr(2));
    int& expected = i % 2 == 0 ? next[t] : posted[t];
    if (i != expected) ++wrong;
    expected += 2;
  }
  CHECK(wrong == 0);
  // One order for all, sealed as it was written.
  const auto report = store::verify_log({.directory = options.directory});
  REQUIRE(report.has_value());
  CHECK(report->verdict() == store::Verdict::unwitnessed);
  CHECK(report->records == report->head.size);
  CHECK(report->records == threads * records + 2);
  MESSAGE(all.names.size(), " records in ", batches, " batches");
}

TEST_CASE("a full disk refuses visibly and the log goes on when there is room again") {
  Bench bench;
  std::atomic<bool> full{false};
  store::FaultyFiles files(
      [&](std::string_view operation, std::size_t& bytes) -> base::Result<void> {
        if (!full || (operation != "write" && operation != "create" && operation != "reserve"))
          return {};
        bytes /= 2;  // half of it still fits
        return base::fail(Code::unavailable, "no space left");
      });
  {
    const auto journal = bench.open(bench.options(), files);
    std::deque<Append> appends(5);
    const auto submit = [&](std::size_t i, const std::string& name) {
      appends[i].set(bench.named(name), bench.uuid(i), static_cast<std::uint32_t>(i % 2), nullptr);
      return journal->submit(appends[i]);
    };
    REQUIRE(submit(0, "before").has_value());
    bench.waiting.take(1);
    CHECK(appends[0].take_ticket().has_value());

    full = true;
    REQUIRE(submit(1, "lost in the batch").has_value());
    bench.waiting.take(1);
    const auto none = appends[1].take_ticket();
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().code == Code::unavailable);
    const auto refused = submit(2, "refused at once");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Code::unavailable);
    CHECK(refused.error().detail.contains("no space left"));
    CHECK_FALSE(journal->status().working);
    CHECK(journal->post(bench.named("kept")).has_value());
    CHECK(journal->status().refused == 2);

    full = false;
    while (!journal->status().working) std::this_thread::yield();
    REQUIRE(submit(3, "after").has_value());
    bench.waiting.take(1);
    CHECK(appends[3].take_ticket().has_value());
    CHECK(journal->status().segment == 2);
    CHECK(journal->status().trouble.empty());
  }
  const auto all = read_all(bench.options().directory);
  CHECK(all.names == Names{"before", "kept", "after"});
  CHECK(std::ranges::count(all.types, "log.resumed") == 1);
}

TEST_CASE(
    "whatever operation fails, at whatever moment, nothing that was promised is lost and nothing "
    "appears twice") {
  for (const std::string_view operation :
       {"write", "sync", "truncate", "create", "sync_folder", "remove", "reserve"}) {
    for (int healthy = 0; healthy < 12; ++healthy) {
      CAPTURE(operation);
      CAPTURE(healthy);
      Bench bench;
      JournalOptions options = bench.options();
      options.segment = {2000};  // every few records
      std::atomic<int> left{1'000'000};
      store::FaultyFiles files(
          [&](std::string_view what, std::size_t& bytes) -> base::Result<void> {
            if (what != operation || --left > 0 || left < -2) return {};
            bytes /= 3;
            return base::fail(Code::io, "input/output error");
          });
      Names promised;
      Names refused;
      {
        const auto journal = bench.open(options, files);
        left = healthy;
        for (int i = 0; i < 40; ++i) {
          const std::string name = "r" + std::to_string(i);
          Append append;
          append.set(bench.named(name), {}, 0, nullptr);
          if (!journal->submit(append)) {
            refused.push_back(name);
            while (!journal->status().working) std::this_thread::yield();
            continue;
          }
          bench.waiting.take(1);
          (append.take_ticket() ? promised : refused).push_back(name);
        }
      }
      CHECK(promised.size() > 30);
      CHECK(read_all(options.directory).names == promised);
    }
  }
}

TEST_CASE("short writes are continued") {
  Bench bench;
  store::FaultyFiles files(
      [](std::string_view operation, std::size_t& bytes) -> base::Result<void> {
        if (operation == "write") bytes = std::min<std::size_t>(bytes, 7);
        return {};
      });
  {
    const auto journal = bench.open(bench.options(), files);
    for (int i = 0; i < 10; ++i) CHECK(journal->post(bench.named("x")).has_value());
  }
  CHECK(read_all(bench.options().directory).names.size() == 10);
}

TEST_CASE("a queue that is full refuses and takes again when the disk has caught up") {
  Bench bench;
  JournalOptions options = bench.options();
  options.queue = {20'000};
  std::mutex gate;
  store::FaultyFiles files([&](std::string_view operation, std::size_t&) -> base::Result<void> {
    if (operation == "sync") const std::scoped_lock wait(gate);
    return {};
  });
  const auto journal = bench.open(options, files);
  std::vector<std::unique_ptr<Append>> sent;
  std::optional<Code> code;
  {
    const std::scoped_lock closed(gate);
    for (int i = 0; i < 1000 && !code; ++i) {
      auto append = std::make_unique<Append>();
      append->set(bench.named(std::string(500, 'x')), {}, 0, nullptr);
      if (auto queued = journal->submit(*append); queued)
        sent.push_back(std::move(append));
      else
        code = queued.error().code;
    }
    CHECK(code == Code::overloaded);
    CHECK(sent.size() > 10);
    CHECK(sent.size() < 50);
    CHECK(journal->post(bench.named(std::string(500, 'x'))).error().code == Code::overloaded);
    CHECK(journal->status().lost == 1);
  }
  for (std::size_t got = 0; got < sent.size();)
    for (const auto& [home, append] : bench.waiting.take(1)) {
      ++got;
      CHECK(append->take_ticket().has_value());
    }
  while (journal->status().queued_bytes > 0) std::this_thread::yield();
  CHECK(journal->post(bench.named("x")).has_value());
}

TEST_CASE("a log has one writer and one origin") {
  Bench bench;
  const auto open = [&](const std::string& origin) -> std::optional<Code> {
    JournalOptions options = bench.options();
    options.origin = origin;
    const auto journal = Journal::open(options, bench.clock, bench.files, bench.waiting.notifier());
    return journal ? std::nullopt : std::optional(journal.error().code);
  };
  {
    const auto journal = bench.open();
    CHECK(open("acme/test/node-1") == Code::conflict);
  }
  CHECK(open("acme/test/node-2") == Code::conflict);
  CHECK_FALSE(open("acme/test/node-1").has_value());
}

namespace {

// Processor time of this process, in microseconds.
double cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

// Measurements end after this time, however slow the disk is.
constexpr std::chrono::milliseconds patience{400};

}  // namespace

TEST_CASE("records per second and CPU per record at three batch sizes, printed") {
  for (const std::size_t size : {1UL, 16UL, 64UL}) {
    Bench bench;
    const auto journal = bench.open();
    std::vector<Append> appends(size);
    const std::string name(600, 'x');
    const double cpu_before = cpu_us();
    const auto start = std::chrono::steady_clock::now();
    int rounds = 0;
    while (std::chrono::steady_clock::now() - start < patience) {
      ++rounds;
      for (Append& append : appends) {
        append.set(bench.named(name), {}, 0, nullptr);
        REQUIRE(journal->submit(append).has_value());
      }
      for (std::size_t got = 0; got < size;) got += bench.waiting.take(1).size();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double count = static_cast<double>(rounds) * static_cast<double>(size);
    const double rate = count / took.count();
    const double each = (cpu_us() - cpu_before) / count;
    const double batch = count / static_cast<double>(journal->status().batches);
    MESSAGE("batches of ", size, " (", batch, " on average): ", rate, " records/s, ", each,
            " us of CPU per record");
  }
}

TEST_CASE("calls in a closed loop, as a gateway makes them, printed") {
  // Two event loops; a call is 15 us of work, a decision that is waited for, 10 us of work, and a
  // record that is not.
  for (const std::size_t calls : {1UL, 4UL, 32UL, 64UL}) {
    Bench bench;
    std::vector<store::Waiting> homes(2);
    std::vector<Journal::Notifier> notifiers{homes[0].notifier(), homes[1].notifier()};
    auto opened =
        Journal::open(bench.options(), bench.clock, bench.files,
                      [&](std::uint32_t home, Append* list) { notifiers[home](home, list); });
    REQUIRE(opened.has_value());
    Journal& journal = **opened;
    const auto work = [](std::chrono::nanoseconds time) {
      const auto end = std::chrono::steady_clock::now() + time;
      while (std::chrono::steady_clock::now() < end) continue;
    };
    const double cpu_before = cpu_us();
    const auto start = std::chrono::steady_clock::now();
    std::atomic<int> made{0};
    std::vector<std::jthread> loops;
    for (std::uint32_t home = 0; home < (calls == 1 ? 1U : 2U); ++home)
      loops.emplace_back([&, home] {
        store::Named named;
        const std::string why(600, 'x');
        std::vector<Append> appends(std::max<std::size_t>(1, calls / 2));
        std::size_t out = 0;
        const auto begin = [&](Append& append) {
          if (std::chrono::steady_clock::now() - start > patience) return;
          work(15us);
          append.set(named(why), {}, home, nullptr);
          if (journal.submit(append)) ++out;
        };
        for (Append& append : appends) begin(append);
        while (out > 0)
          for (const auto& [where, append] : homes[home].take(1)) {
            --out;
            ++made;
            static_cast<void>(append->take_ticket().has_value());
            work(10us);
            static_cast<void>(journal.post(named(why)).has_value());
            begin(*append);
          }
      });
    loops.clear();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double rate = made / took.count();
    const double each = (cpu_us() - cpu_before) / made - 25;
    const double latency = static_cast<double>(calls) / rate * 1e6;
    const double batch = 2.0 * made / static_cast<double>(journal.status().batches);
    MESSAGE(calls, " calls at once: ", rate, " calls/s, ", latency, " us each, ", each,
            " us of CPU beside their work, ", batch, " records per commit");
  }
}

TEST_CASE(
    "while the log cannot be written, calls go on as they were asked to, and the log says so") {
  Bench bench;
  std::atomic<bool> full = false;
  store::FaultyFiles faulty(
      [&](std::string_view operation, std::size_t& bytes) -> base::Result<void> {
        // Only the log's disk.
        if (!full || operation != "sync") return {};
        bytes = 0;
        return base::fail(Code::unavailable, "full");
      });
  JournalOptions options = bench.options();
  options.on_failure = store::OnFailure::proceed;
  options.aside = {64 * 1024};
  const auto journal = bench.open(options, faulty);
  const auto call = [&](std::string_view name) {
    Append append;
    append.set(bench.named(name), bench.uuid(1), 0, nullptr);
    if (auto queued = journal->submit(append); !queued) return false;
    bench.waiting.take(1);
    return append.take_ticket().has_value();
  };
  CHECK(call("before"));
  full = true;
  for (int i = 0; i < 20; ++i) CHECK(call("during"));
  REQUIRE(journal->post(bench.named("posted")).has_value());
  CHECK_FALSE(journal->status().working);
  CHECK(journal->status().aside >= 20);
  std::uint64_t went = 0;
  while (call("too many")) ++went;  // it is bounded
  CHECK(went > 50);
  full = false;
  while (!journal->status().working || journal->status().aside > 0) std::this_thread::yield();
  CHECK(call("after"));
  const auto all = read_all(bench.scratch.path() / "log");
  CHECK(all.names.front() == "before");
  CHECK(all.names.back() == "after");
  CHECK(std::ranges::count(all.names, "during") == 20);
  CHECK(std::ranges::count(all.names, "posted") == 1);
  CHECK(static_cast<std::uint64_t>(std::ranges::count(all.names, "too many")) == went);
}

TEST_CASE("what was spilled is durable, and in the log after a crash, once") {
  Bench bench;
  const std::filesystem::path log = bench.scratch.path() / "log";
  JournalOptions options = bench.options();
  options.on_failure = store::OnFailure::spill;
  options.spill = bench.scratch.path() / "spill";
  std::atomic<bool> full = false;
  // Fails what is written to the log: its segment, and each new one.
  class LogFails final : public store::Files {
   public:
    LogFails(std::filesystem::path folder, const std::atomic<bool>& fails)
        : folder_(std::move(folder)),
          fails_(fails),
          faulty_([this](std::string_view, std::size_t& bytes) -> base::Result<void> {
            if (!fails_) return {};
            bytes = 0;
            return base::fail(Code::io, "broken");
          }) {}
    store::Files& of(const std::filesystem::path& path) {
      return path.string().starts_with(folder_.string()) ? static_cast<store::Files&>(faulty_)
                                                         : files_;
    }
    base::Result<std::unique_ptr<store::File>> create(const std::filesystem::path& p) override {
      return of(p).create(p);
    }
    base::Result<std::unique_ptr<store::File>> open(const std::filesystem::path& p) override {
      return of(p).open(p);
    }
    base::Result<void> sync_folder(const std::filesystem::path& p) override {
      return of(p).sync_folder(p);
    }
    base::Result<void> remove(const std::filesystem::path& p) override { return of(p).remove(p); }
    base::Result<void> rename(const std::filesystem::path& a,
                              const std::filesystem::path& b) override {
      return of(a).rename(a, b);
    }
    base::Result<void> exchange(const std::filesystem::path& a,
                                const std::filesystem::path& b) override {
      return of(a).exchange(a, b);
    }

   private:
    std::filesystem::path folder_;
    const std::atomic<bool>& fails_;
    store::FaultyFiles faulty_;
    store::SystemFiles files_;
  };
  LogFails files(log, full);
  {
    const auto journal = bench.open(options, files);
    const auto call = [&](std::string_view name) {
      Append append;
      append.set(bench.named(name), bench.uuid(1), 0, nullptr);
      REQUIRE(journal->submit(append).has_value());
      bench.waiting.take(1);
      return append.take_ticket().has_value();
    };
    CHECK(call("before"));
    full = true;
    for (int i = 0; i < 5; ++i) CHECK(call("spilled"));
    CHECK(read_all(log).names == Names{"before"});
    CHECK(store::Spill(options.spill, bench.files).read().value().size() == 5);
  }  // and ends while the disk fails, as a crash would
  full = false;
  const std::filesystem::path spilled = options.spill / "spill.log";
  const std::filesystem::path kept = bench.scratch.path() / "kept";
  std::filesystem::copy_file(spilled, kept);
  for (int run = 0; run < 2; ++run) {
    const auto journal = bench.open(options, bench.files);
    const auto all = read_all(log);
    CHECK(all.names == Names{"before", "spilled", "spilled", "spilled", "spilled", "spilled"});
    CHECK(std::ranges::count(all.types, "log.resumed") == 1);
  }
  // The process died when all of it was in the log and the spill not yet removed; and when half of
  // it was: what is in the log already does not come twice.
  const auto put_back = [&](std::uintmax_t bytes) {
    std::filesystem::copy_file(kept, spilled, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(spilled, bytes);
  };
  put_back(std::filesystem::file_size(kept));
  (void)bench.open(options, bench.files);
  CHECK(read_all(log).names.size() == 6);
  CHECK_FALSE(std::filesystem::exists(spilled));
  const std::filesystem::path cut = bench.scratch.path() / "cut";
  {
    const auto journal =
        bench.open({.directory = cut, .origin = "acme/test/node-1", .homes = 2}, bench.files);
    for (int i = 0; i < 2; ++i) REQUIRE(journal->post(bench.named("spilled")).has_value());
  }
  put_back(std::filesystem::file_size(kept));
  options.directory = cut;
  (void)bench.open(options, bench.files);
  CHECK(read_all(cut).names.size() == 5);
}
