#include "store/recovery.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "audit/segment.h"
#include "base/clock.h"
#include "store/detail/faults.h"
#include "store/detail/scratch.h"
#include "store/detail/test_files.h"
#include "store/detail/test_log.h"
#include "store/journal.h"
#include "store/verify.h"

using namespace latticegate;
using namespace std::chrono_literals;
using base::Code;
using store::Append;
using store::Journal;
using store::JournalOptions;
using store::slurp;
using store::spill;

namespace {

const std::string origin = "acme/test/node-1";

JournalOptions options(const std::filesystem::path& log) {
  static const auto keys = store::test_keys(origin);
  return {.directory = log,
          .origin = origin,
          .segment = {8000},
          .first_retry = 1ms,
          .last_retry = 4ms,
          .keys = keys,
          .checkpoint_age = 2ms};
}

// Whatever a crash left, it must not look like the work of an attacker.
store::Verdict judged(const std::filesystem::path& log) {
  const auto report = store::verify_log({.directory = log});
  if (!report) return store::Verdict::incomplete;  // not even a folder yet
  for (const store::Problem& problem : report->problems)
    MESSAGE(problem.file, " ", problem.record.value_or(0), ": ", problem.what);
  for (const std::string& what : report->not_checked) CAPTURE(what);
  return report->verdict();
}

// Runs the function in a child process; what it writes into the pipe, and how it ended.
struct Child {
  std::string told;
  int status = 0;
};
template <class F>
Child in_child(F&& function, std::size_t kill_after = SIZE_MAX) {
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::close(pipe[0]);
    function(pipe[1]);
    ::_exit(0);
  }
  ::close(pipe[1]);
  Child child;
  std::string buffer(4096, '\0');
  for (ssize_t n = 0; (n = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
    child.told.append(buffer, 0, static_cast<std::size_t>(n));
    if (child.told.size() >= kill_after) ::kill(pid, SIGKILL);
  }
  ::close(pipe[0]);
  ::waitpid(pid, &child.status, 0);
  return child;
}

// Writes records until it is killed and tells "<seq>\n" of each one whose ticket it got.
void write_until_killed(const std::filesystem::path& log, store::Files& files, int told,
                        int records) {
  const base::SystemClock clock;
  store::Waiting waiting;
  auto journal = Journal::open(options(log), clock, files, waiting.notifier());
  if (!journal) ::_exit(3);
  store::Named named;
  std::vector<Append> appends(3);
  for (int i = 0; i < records; i += 3) {
    for (Append& append : appends) {
      append.set(named("x"), {}, 0, nullptr);
      if (!(*journal)->submit(append)) ::_exit(4);
    }
    for (std::size_t got = 0; got < appends.size();)
      for (const auto& [home, append] : waiting.take(1)) {
        ++got;
        const auto ticket = append->take_ticket();
        if (!ticket) ::_exit(5);
        const std::string line = std::to_string(ticket->seq()) + "\n";
        if (::write(told, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
          ::_exit(6);
      }
  }
}

// Opens the log again, closes it, and checks that everything that was told is there.
std::uint64_t check_after(const std::filesystem::path& log, const std::string& told) {
  const base::SystemClock clock;
  store::SystemFiles files;
  CHECK(judged(log) != store::Verdict::tampered);
  {
    const auto journal = Journal::open(options(log), clock, files, [](std::uint32_t, Append*) {});
    REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
  }
  CHECK(judged(log) == store::Verdict::unwitnessed);
  const auto all = store::read_all(log);  // no gap, each leaf with its seq
  std::uint64_t highest = 0;
  std::size_t at = 0;
  for (std::size_t end = 0; (end = told.find('\n', at)) != std::string::npos; at = end + 1)
    highest = std::max<std::uint64_t>(highest, std::stoull(told.substr(at, end - at)));
  CHECK(all.leaves > highest);
  return all.leaves;
}

std::string three_leaves(const std::filesystem::path& log) {
  const base::SystemClock clock;
  store::SystemFiles files;
  store::Named named;
  {
    const auto journal = Journal::open(options(log), clock, files, [](std::uint32_t, Append*) {});
    REQUIRE(journal.has_value());
    REQUIRE((*journal)->post(named("x")).has_value());
  }
  return slurp(store::segment_path(log, 1));
}

}  // namespace

TEST_CASE("killed at any moment, the log keeps every record whose ticket was given") {
  const store::Scratch scratch;
  store::SystemFiles files;
  std::uint64_t leaves = 0;
  for (std::size_t round = 0; round < 15; ++round) {
    CAPTURE(round);
    const Child child =
        in_child([&](int told) { write_until_killed(scratch.path(), files, told, 1'000'000); },
                 1 + round * round * 7);
    REQUIRE(WIFSIGNALED(child.status));
    const std::uint64_t now = check_after(scratch.path(), child.told);
    CHECK(now > leaves);
    leaves = now;
  }
  MESSAGE(leaves, " leaves after 15 kills");
}

TEST_CASE("killed before or in the middle of any single file operation, the log recovers") {
  int operations = 0;
  bool reached = true;
  for (int at = 0; reached; ++at) {
    CAPTURE(at);
    const store::Scratch scratch;
    std::atomic<int> left = at;
    store::FaultyFiles files(
        [&](std::string_view operation, std::size_t& bytes) -> base::Result<void> {
          const int now = left--;
          if (now > 0) return {};
          if (now < 0 ||
              operation != "write") {  // a write: half of it first, death at the next operation
            ::raise(SIGKILL);
          }
          bytes /= 2;
          return base::fail(Code::io, "half");
        });
    const Child child =
        in_child([&](int told) { write_until_killed(scratch.path(), files, told, 30); });
    reached = child.status != 0;  // killed, or given up after half a write
    check_after(scratch.path(), child.told);
    ++operations;
  }
  CHECK(operations > 20);
  MESSAGE(operations, " operations");
}

TEST_CASE("cut at any length, the log keeps every whole record and goes on") {
  const store::Scratch scratch;
  const std::filesystem::path log = scratch.path() / "log";
  const base::SystemClock clock;
  store::SystemFiles files;
  store::Named named;
  // Not synced: what counts here is what is in the file, and there are thousands of them.
  store::FaultyFiles quick([](std::string_view, std::size_t&) -> base::Result<void> { return {}; });
  const auto run = [&](bool sealed) {
    JournalOptions with = options(log);
    if (!sealed) with.keys = nullptr;
    const auto journal = Journal::open(with, clock, quick, [](std::uint32_t, Append*) {});
    REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
    for (int i = 0; i < 3; ++i) REQUIRE((*journal)->post(named(std::to_string(i))).has_value());
  };
  run(false);
  run(false);
  const std::string whole = slurp(store::segment_path(log, 1));
  // Where each record ends.
  std::vector<std::uint64_t> ends;
  {
    auto file = store::SegmentFile::open(store::segment_path(log, 1));
    REQUIRE(file.has_value());
    while (file->next().value()) ends.push_back(file->valid());
  }
  const bool all = std::getenv("LATTICEGATE_EVERY_BYTE") != nullptr;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    const auto kept = static_cast<std::uint64_t>(
        std::ranges::count_if(ends, [&](std::uint64_t end) { return end <= size; }));
    for (const bool zeros : {false, true}) {  // also with reserved space behind it
      std::filesystem::remove_all(log);
      std::filesystem::create_directories(store::segment_folder(log));
      spill(store::segment_path(log, 1),
            whole.substr(0, size) + std::string(zeros ? 3000 : 0, '\0'));
      const auto found = store::recover(log, origin, quick);
      REQUIRE_MESSAGE(found.has_value(), found.error().detail);
      CHECK(found->next_seq == kept);
      CHECK(slurp(store::segment_path(log, 1)) ==
            whole.substr(0, kept == 0 ? found->size : ends[kept - 1]));
    }
    // The whole way, with tree and signature: goes on, holds together.
    if (!all && size % 40 != 0 && size != whole.size()) continue;
    run(true);
    const auto read = store::read_all(log);
    CHECK(read.leaves == kept + 5);
    CHECK(judged(log) == store::Verdict::unwitnessed);
  }
  MESSAGE("up to ", whole.size(), " bytes");
}

TEST_CASE("a torn tail is cut and kept beside the segment, reserved space is only cut") {
  const std::string frame = [] {
    std::string out;
    audit::write_frame(R"({"seq":4})", out);
    return out;
  }();
  struct Case {
    std::string tail;
    std::uint64_t cut;
  };
  for (const Case& c : {Case{"", 0}, Case{std::string(5000, '\0'), 0}, Case{frame.substr(0, 4), 4},
                        Case{frame.substr(0, frame.size() - 1), frame.size() - 1},
                        Case{frame.substr(0, 12) + std::string(5000, '\0'), 12},
                        Case{std::string(70'000, '\0') + "x", 70'001},
                        Case{std::string("\0\0\0\0\0\0\0\0\xFF", 9), 9}}) {
    const store::Scratch scratch;
    const std::string good = three_leaves(scratch.path());
    const auto path = store::segment_path(scratch.path(), 1);
    spill(path, good + c.tail);
    store::SystemFiles files;
    const auto found = store::recover(scratch.path(), origin, files);
    REQUIRE_MESSAGE(found.has_value(), found.error().detail);
    CHECK(found->next_seq == 3);
    CHECK(found->size == good.size());
    CHECK(found->cut_bytes == c.cut);
    CHECK(found->last_type == "log.closed");
    CHECK(slurp(path) == good);
    if (c.cut > 0)
      CHECK(slurp(path.parent_path() / found->cut_file) ==
            (good + c.tail).substr(good.size(), c.cut));
    else
      CHECK(found->cut_file.empty());
  }
}

TEST_CASE("a segment that never got its header is set aside") {
  const store::Scratch scratch;
  const std::string good = three_leaves(scratch.path());
  store::SystemFiles files;
  for (const std::string& start :
       {std::string(), good.substr(0, 5), good.substr(0, 60), std::string(9000, '\0')}) {
    spill(store::segment_path(scratch.path(), 2), start);
    const auto found = store::recover(scratch.path(), origin, files);
    REQUIRE_MESSAGE(found.has_value(), found.error().detail);
    CHECK(found->segment == 1);
    CHECK(found->next_seq == 3);
    CHECK_FALSE(std::filesystem::exists(store::segment_path(scratch.path(), 2)));
  }
}

TEST_CASE("damage that no crash makes is left alone and refused") {
  const store::Scratch scratch;
  const std::string good = three_leaves(scratch.path());
  const auto path = store::segment_path(scratch.path(), 1);
  store::SystemFiles files;
  const auto code = [&](const std::string& bytes) {
    spill(path, bytes);
    const auto found = store::recover(scratch.path(), origin, files);
    CHECK(slurp(path) == bytes);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().detail.contains("000001.log"));
    return found.error().code;
  };
  std::string no_header = good + std::string(5000, 'x');
  no_header[20] = 'X';
  CHECK(code(no_header) == Code::malformed);
  std::string renumbered =
      audit::write_header({.number = 1, .first = 7, .origin = origin, .created = base::Time{}});
  audit::write_frame(R"({"seq":8})", renumbered);
  CHECK(code(renumbered) == Code::malformed);
  CHECK(code(audit::write_header(
            {.number = 2, .first = 0, .origin = origin, .created = base::Time{}})) ==
        Code::malformed);
}

TEST_CASE(
    "a file size limit is an error like a full disk, and the log goes on in the next segment") {
  const store::Scratch scratch;
  JournalOptions wide = options(scratch.path());
  wide.segment = {std::uint64_t{64} * 1024 * 1024};
  const Child child = in_child([&](int told) {
    const rlimit limit{.rlim_cur = 200'000, .rlim_max = 200'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_IGN);  // as the program does
    const base::SystemClock clock;
    store::SystemFiles files;
    store::Waiting waiting;
    auto journal = Journal::open(wide, clock, files, waiting.notifier());
    if (!journal) ::_exit(3);
    store::Named named;
    const std::string long_name(600, 'x');
    bool failed = false;
    for (int i = 0; i < 400; ++i) {
      Append append;
      append.set(named(long_name), {}, 0, nullptr);
      while (!(*journal)->submit(append)) continue;
      waiting.take(1);
      if (!append.take_ticket()) failed = true;
    }
    if ((*journal)->status().segment < 2) ::_exit(4);
    if (::write(told, failed ? "f" : "n", 1) != 1) ::_exit(5);
  });
  CHECK(WIFEXITED(child.status));
  CHECK(WEXITSTATUS(child.status) == 0);
  CHECK(child.told == "f");
  const auto all = store::read_all(scratch.path());
  CHECK(std::ranges::count(all.types, "log.resumed") >= 1);
}

TEST_CASE("a disk that is really full refuses, and works again when somebody makes room") {
  const store::Scratch scratch;
  const auto disk = scratch.path() / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
    MESSAGE(
        "SKIPPED: no right to mount a small file system here; the injected failures cover the same "
        "path");
    return;
  }
  struct Mounted {
    std::filesystem::path path;
    ~Mounted() { ::umount2(path.c_str(), MNT_DETACH); }
  };
  const Mounted mounted{disk};
  {
    const base::SystemClock clock;
    store::SystemFiles files;
    store::Waiting waiting;
    JournalOptions wide = options(disk / "log");
    wide.segment = {std::uint64_t{64} * 1024 * 1024};
    spill(disk / "ballast", std::string(600'000, 'x'));
    auto journal = Journal::open(wide, clock, files, waiting.notifier());
    REQUIRE_MESSAGE(journal.has_value(), journal.error().detail);
    store::Named named;
    const std::string long_name(600, 'x');
    std::uint64_t given = 0;
    bool refused = false;
    for (int i = 0; i < 5000 && !refused; ++i) {
      Append append;
      append.set(named(long_name), {}, 0, nullptr);
      if (!(*journal)->submit(append)) {
        refused = true;
        break;
      }
      waiting.take(1);
      if (append.take_ticket())
        ++given;
      else
        refused = true;
    }
    CHECK(refused);
    CHECK(given > 50);
    CHECK((*journal)->status().trouble.contains("No space left"));
    std::filesystem::remove(disk / "ballast");
    while (!(*journal)->status().working) std::this_thread::yield();
    Append append;
    append.set(named(long_name), {}, 0, nullptr);
    REQUIRE((*journal)->submit(append).has_value());
    waiting.take(1);
    CHECK(append.take_ticket().has_value());
    journal->reset();
    CHECK(store::read_all(disk / "log").names.size() == given + 1);
  }
}
