// What the sealed log costs: CPU per record with tree and signatures, durable records a second, the
// latency of one synced call beside a bare fdatasync, verification, a proof out of a large tree,
// bytes per record. All in one run on one disk; meaningful in the release preset only.
//
//   bench.audit [FOLDER [RECORDS [PART...]]]     FOLDER: on the disk to measure; RECORDS of the
//                                                verified log; PART: only these (see main)
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <thread>
#include <vector>

#include "audit/record.h"
#include "audit/segment.h"
#include "audit/tile.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "store/awaited.h"
#include "store/body_file.h"
#include "store/body_keys.h"
#include "store/journal.h"
#include "store/log_index.h"
#include "store/packer.h"
#include "store/query_reader.h"
#include "store/tree_writer.h"
#include "store/verify.h"

using namespace latticegate;
namespace fs = std::filesystem;

namespace {

const std::string origin = "acme/bench/node-1";

struct Cpu {
  double user = 0;
  double kernel = 0;
};
Cpu cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return {us(used.ru_utime), us(used.ru_stime)};
}
double thread_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}
double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void must(bool good, std::string_view what) {
  if (good) return;
  std::println(stderr, "bench.audit: {}", what);
  std::exit(1);
}

std::shared_ptr<const store::LogKeys> keys() {
  auto made = store::LogKeys::make(origin);
  must(made.has_value(), "keys");
  return std::make_shared<const store::LogKeys>(*std::move(made));
}

// A leaf of about that size, whose seq goes in at its place.
struct Sample {
  std::string text;
  std::uint32_t seq_at = 0;
  explicit Sample(std::size_t size, std::string_view name = "x") {
    text = std::format(R"({{"agent":{{"name":"{}"}},"seq":)", name);
    seq_at = static_cast<std::uint32_t>(text.size());
    text += R"(,"time":"2026-11-22T14:02:11.000000000Z","type":"call.decided","v":1,"why":")";
    crypto::SeededRandom random(size);
    while (text.size() + 8 < size) {
      std::array<std::byte, 1> one{};
      random.fill(one);
      text += static_cast<char>('a' + std::to_integer<int>(one[0]) % 26);
    }
    text += "\"}";
  }
  audit::Leaf leaf() const { return {.text = text, .seq_at = seq_at}; }
};

struct Log {
  base::SystemClock clock;
  store::SystemFiles files;
  std::vector<store::Awaited> windows;
  std::unique_ptr<store::Journal> journal;

  Log(const fs::path& folder, std::uint32_t homes, bool sealed) : windows(homes) {
    auto opened = store::Journal::open(
        {.directory = folder,
         .origin = origin,
         .homes = homes,
         .queue = {std::uint64_t{32} * 1024 * 1024},
         .keys = sealed ? keys() : nullptr,
         .pack = false},  // packing() measures it
        clock, files,
        [this](std::uint32_t home, store::Append* list) { windows[home].done(list); });
    must(opened.has_value(), opened ? "" : opened.error().detail);
    journal = *std::move(opened);
  }

  // `count` records in windows of `window`, all waited for.
  void write(std::uint64_t count, std::size_t window, const Sample& sample, std::uint32_t home) {
    std::vector<store::Append> appends(window);
    for (std::uint64_t written = 0; written < count;) {
      const std::size_t round = std::min<std::uint64_t>(window, count - written);
      for (std::size_t i = 0; i < round; ++i) {
        appends[i].set(sample.leaf(), {}, home, nullptr);
        must(journal->submit(appends[i]).has_value(), "submit");
      }
      windows[home].wait_for(round);
      for (std::size_t i = 0; i < round; ++i) must(appends[i].take_ticket().has_value(), "ticket");
      written += round;
    }
  }
};

void pieces() {
  const Sample sample(2048);
  const auto measure = [](std::string_view name, int calls, auto&& work) {
    double best = 1e12;
    for (int batch = 0; batch < 9; ++batch) {
      const double start = thread_us();
      for (int i = 0; i < calls; ++i) work(i);
      best = std::min(best, (thread_us() - start) / calls);
    }
    std::println("  {:46} {:9.2f} us", name, best);
    return best;
  };
  std::println("pieces, 2 KB record, one thread");
  measure("leaf hash", 2000, [&](int) { static_cast<void>(audit::leaf_hash(sample.text)); });
  std::string out;
  measure("frame with checksum", 2000, [&](int i) {
    if (i % 64 == 0) out.clear();
    audit::write_frame(sample.text, sample.seq_at, static_cast<std::uint64_t>(i), out);
  });
  const auto key = keys();
  const double sign = measure("checkpoint: ML-DSA-44 and Ed25519", 20, [&](int i) {
    must(key->sign({.origin = origin, .size = static_cast<std::uint64_t>(i), .root = {}}, 1)
             .has_value(),
         "sign");
  });
  std::println("  {:46} {:9.2f} us", "  the same per record, one in 4,096", sign / 4096);
}

void throughput(const fs::path& folder) {
  for (const std::size_t size : {600UL, 2048UL}) {
    constexpr std::uint64_t count = 300'000;
    std::println("{} records of {} B, 2 producers with 1,024 each on the way", count, size);
    for (const bool sealed : {false, true}) {
      const Sample sample(size);
      const Cpu before = cpu_us();
      const double start = now_us();
      double durable = 0;
      {
        // A new folder each: what was just deleted makes ext4 look long for free inodes.
        Log log(folder / std::format("{}-{}", size, sealed), 2, sealed);
        {
          std::vector<std::jthread> threads;
          for (std::uint32_t home = 0; home < 2; ++home)
            threads.emplace_back([&, home] { log.write(count / 2, 1024, sample, home); });
        }
        durable = now_us() - start;
      }
      const Cpu after = cpu_us();
      std::println(
          "  {:7} {:8.0f} durable records/s; a record: {:5.2f} us of the program, {:5.2f} us of "
          "the "
          "kernel; the last one sealed after {:.0f}% of that time",
          sealed ? "sealed" : "bare", count / durable * 1e6, (after.user - before.user) / count,
          (after.kernel - before.kernel) / count, (now_us() - start) / durable * 100);
    }
  }
}

void latency(const fs::path& folder) {
  constexpr int rounds = 2000;
  const Sample sample(2048);
  const auto median = [](std::vector<double>& all, double part) {
    std::ranges::sort(all);
    return all[static_cast<std::size_t>(static_cast<double>(all.size()) * part)];
  };
  std::println("one synced record of 2 KB at a time, {} rounds, turn by turn", rounds);
  fs::create_directories(folder);
  const fs::path bare = folder / "bare";
  const int file = ::open(bare.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  must(file >= 0, "open");
  const std::string zeros(std::size_t{16} << 20U, '\0');
  must(::pwrite(file, zeros.data(), zeros.size(), 0) == static_cast<ssize_t>(zeros.size()), "fill");
  ::fsync(file);
  Log log(folder / "log", 1, true);
  store::Append append;
  std::vector<double> synced;
  std::vector<double> calls;
  off_t at = 0;
  for (int i = 0; i < rounds; ++i) {
    double start = now_us();
    must(::pwrite(file, sample.text.data(), sample.text.size(), at) > 0 && ::fdatasync(file) == 0,
         "fdatasync");
    synced.push_back(now_us() - start);
    at += static_cast<off_t>(sample.text.size());
    start = now_us();
    append.set(sample.leaf(), {}, 0, nullptr);
    must(log.journal->submit(append).has_value(), "submit");
    log.windows[0].wait_for(1);
    calls.push_back(now_us() - start);
    must(append.take_ticket().has_value(), "ticket");
  }
  ::close(file);
  for (const double part : {0.5, 0.9, 0.99}) {
    const double a = median(synced, part);
    const double b = median(calls, part);
    std::println("  p{:<3} write and fdatasync {:7.0f} us, journal {:7.0f} us: {:.2f} x",
                 part * 100, a, b, b / a);
  }
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t all = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) all += entry.file_size();
  return all;
}

void verification(const fs::path& folder, std::uint64_t records) {
  const Sample sample(900);
  {
    Log log(folder, 1, true);
    log.write(records, 1024, sample, 0);
  }
  for (int round = 0; round < 2; ++round) {
    const double wall = now_us();
    const double cpu = thread_us();
    const auto report = store::verify_log({.directory = folder});
    must(report && report->verdict() == store::Verdict::unwitnessed, "the log is good");
    std::println(
        "verify {} records of 900 B: {:.2f} s, {:.2f} s CPU of one core, {:.2f} us a record",
        report->records, (now_us() - wall) / 1e6, (thread_us() - cpu) / 1e6,
        (thread_us() - cpu) / static_cast<double>(report->records));
  }
  const double segments = static_cast<double>(bytes_in(folder / "seg"));
  const double bundles = static_cast<double>(bytes_in(folder / "tile/entries"));
  const double tiles = static_cast<double>(bytes_in(folder / "tile")) - bundles;
  const auto each = [&](double bytes) { return bytes / static_cast<double>(records); };
  std::println(
      "bytes a record of 900 B: segments {:.1f}, bundles {:.1f}, tiles {:.1f}, in all {:.1f}",
      each(segments), each(bundles), each(tiles), each(static_cast<double>(bytes_in(folder))));
}

// A tree of 100 million equal leaves: every tile of a level holds one hash 256 times, so the few
// files on a record's path are enough to have it on the disk.
void proof(const fs::path& folder) {
  constexpr std::uint64_t size = 100'000'000;
  const audit::Digest leaf = audit::leaf_hash("the same record");
  std::vector<audit::Digest> nodes{leaf};
  for (unsigned level = 1; level < 40; ++level)
    nodes.push_back(audit::node_hash(nodes.back(), nodes.back()));
  class Equal final : public audit::NodeSource {
   public:
    explicit Equal(const std::vector<audit::Digest>& by_level) : nodes_(by_level) {}
    base::Result<audit::Digest> node(audit::Position at) const override { return nodes_[at.level]; }

   private:
    const std::vector<audit::Digest>& nodes_;
  };
  const auto root = audit::root_at(size, Equal(nodes));
  must(root.has_value(), "root");
  class Recorder final : public audit::TileReader {
   public:
    Recorder(fs::path to, const std::vector<audit::Digest>& by_level)
        : to_(std::move(to)), nodes_(by_level) {}
    base::Result<std::string> tile(const audit::Tile& tile) const override {
      std::string bytes;
      for (unsigned i = 0; i < tile.width; ++i) bytes += base::text_of(nodes_[8UL * tile.level]);
      const fs::path path = to_ / audit::tile_path(tile);
      fs::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << bytes;
      return bytes;
    }

   private:
    fs::path to_;
    const std::vector<audit::Digest>& nodes_;
  };
  const Recorder maker(folder, nodes);
  const store::FolderTiles tiles(folder);
  crypto::SeededRandom random(1);
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    std::array<std::byte, 8> bytes{};
    random.fill(bytes);
    std::uint64_t index = 0;
    for (const std::byte b : bytes) index = index << 8U | std::to_integer<std::uint64_t>(b);
    index %= size;
    must(audit::prove_inclusion(index, size, audit::TileSource(maker, size)).has_value(), "tiles");
    const double start = now_us();
    const auto path = audit::prove_inclusion(index, size, audit::TileSource(tiles, size));
    times.push_back(now_us() - start);
    must(path && audit::verify_inclusion(index, size, leaf, *path, *root), "the proof holds");
  }
  std::ranges::sort(times);
  std::println(
      "inclusion proof from {} records in tiles: median {:.0f} us, slowest of 200 {:.0f} us", size,
      times[100], times.back());
}

void writers(const fs::path& folder, int each) {
  constexpr std::uint32_t count = 8;
  const double start = now_us();
  {
    Log log(folder, count, true);
    std::vector<std::jthread> threads;
    for (std::uint32_t home = 0; home < count; ++home)
      threads.emplace_back([&, home] {
        std::vector<store::Append> appends(100);
        for (int i = 0; i < each; i += 100) {
          for (int k = 0; k < 100; ++k) {
            const Sample sample(300, std::format("{}:{}", home, i + k));
            appends[static_cast<std::size_t>(k)].set(sample.leaf(), {}, home, nullptr);
            must(log.journal->submit(appends[static_cast<std::size_t>(k)]).has_value(), "submit");
          }
          log.windows[home].wait_for(100);
          for (store::Append& append : appends) must(append.take_ticket().has_value(), "ticket");
        }
      });
  }
  const double took = now_us() - start;
  std::array<int, count> next{};
  auto reader = store::LogReader::open(folder);
  must(reader.has_value(), "read");
  std::uint64_t seq = 0;
  for (;; ++seq) {
    const auto entry = reader->next();
    must(entry.has_value(), "entry");
    if (!*entry) break;
    must((*entry)->seq == seq, "one order");
    const std::string_view text = (*entry)->leaf;
    if (!text.starts_with(R"({"agent":{"name":")")) continue;
    const auto home = static_cast<std::size_t>(text[18] - '0');
    must(std::atoi(std::string(text.substr(20, 12)).c_str()) == next.at(home), "a writer's order");
    ++next.at(home);
  }
  for (const int n : next) must(n == each, "nothing lost");
  const auto report = store::verify_log({.directory = folder});
  must(report && report->verdict() == store::Verdict::unwitnessed, "the log is good");
  std::println(
      "{} writers x {}: {} records in one order, each writer's kept, in {:.1f} s; verified", count,
      each, seq, took / 1e6);
}

// What a record costs that keeps a body of 2 KB, in the process as a whole.
void bodies(const fs::path& folder, std::uint64_t records) {
  crypto::SystemRandom random;
  auto keks = std::make_shared<store::WrappingKeys>();
  keks->push_back(audit::WrappingKey::make(random));
  std::string body = R"({"content":[)";
  for (int i = 0; body.size() < 2000; ++i)
    body += std::format(R"({}{{"text":"customer {} of {}","type":"text"}})", i == 0 ? "" : ",",
                        i * 7919, i * 104'729 % 1000);
  body += "]}";
  audit::RecordWriter writer("node-1");
  for (const bool kept : {false, true}) {
    base::SystemClock clock;
    store::SystemFiles files;
    store::Awaited awaited;
    const fs::path log = folder / (kept ? "with" : "without");
    auto journal = store::Journal::open({.directory = log,
                                         .origin = origin,
                                         .keys = keys(),
                                         .pack = false,
                                         .wrapping_keys = keks,
                                         .body_keys = folder / "keys"},
                                        clock, files, awaited.notifier());
    must(journal.has_value(), "journal");
    const Cpu before = cpu_us();
    const double start = now_us();
    std::vector<store::Append> appends(64);
    for (std::uint64_t n = 0; n < records; n += appends.size()) {
      for (store::Append& append : appends) {
        const audit::Record record{
            .type = audit::Type::call_finished,
            .agent = {.ref = "bot"},
            .method = "tools/call",
            .res = {.kept = kept, .len = static_cast<std::int64_t>(body.size())},
            .server = {.id = "crm"},
            .tool = "query"};
        append.set(
            writer.write(record), {}, 0, nullptr,
            kept ? std::make_unique<const store::KeptBody>(store::KeptBody{
                       .text = body,
                       .purpose = {.subject = "p:one", .label = "general", .month = "2026-11"}})
                 : nullptr);
        must((*journal)->submit(append).has_value(), "submit");
      }
      awaited.wait_for(appends.size());
      for (store::Append& append : appends) must(append.take_ticket().has_value(), "ticket");
    }
    const Cpu after = cpu_us();
    std::println(
        "{} bodies of 2 KB: {:.0f} records/s, {:.1f} us user and {:.1f} us kernel a record",
        kept ? "with" : "without", static_cast<double>(records) / (now_us() - start) * 1e6,
        (after.user - before.user) / static_cast<double>(records),
        (after.kernel - before.kernel) / static_cast<double>(records));
    if (kept) {
      std::uint64_t bytes = 0;
      for (const auto& entry : fs::directory_iterator(store::body_folder(log)))
        bytes += entry.file_size();
      std::println("each takes {} B on disk", bytes / records);
    }
  }
}

// What complete segments take once they are packed, and what packing and reading them costs.
// Records as a gateway writes them: two a call, with what was asked.
void packing(const fs::path& folder, std::uint64_t records) {
  audit::RecordWriter writer("node-1");
  crypto::SeededRandom random(9);
  store::SystemFiles files;
  {
    Log log(folder, 1, true);
    base::Time at{std::chrono::seconds(1'795'356'131)};
    std::string hash;
    for (std::uint64_t n = 0; n < records; ++n) {
      at += std::chrono::microseconds(731 + n % 97);
      const std::string agent = std::format("bot-{}", n / 2 * 7919 % 97);
      const std::string tool = std::format("tool-{}", n / 2 % 53);
      const std::string session = std::format("s-{:016x}", n / 200 * 0x9E3779B97F4A7C15);
      const std::string asked = std::format(
          R"({{"action":"{}","arguments":{{"customer":"c-{}","limit":{},"query":"open invoices of {}"}},"context":{{"hour":{},"risk":{}}},"principal":"{}","resource":"crm"}})",
          tool, n * 104'729 % 100'003, n % 50, n * 31 % 9973, n / 4000 % 24, n % 13, agent);
      const std::vector<std::string_view> rules{"agents-may-read"};
      const std::vector<std::string_view> labels{"pii", "finance"};
      const bool first = n % 2 == 0;
      if (n % 100 == 0) hash = crypto::to_hex(crypto::sha256(session));
      const audit::Record record{
          .type = first ? audit::Type::call_decided : audit::Type::call_finished,
          .time = at,
          .added_ns = static_cast<std::int64_t>(20'000 + n * 7919 % 9000),
          .agent = {.name = "billing assistant", .ref = agent, .version = "1.4.2"},
          .asked = first ? std::string_view(asked) : std::string_view(),
          .call_uid = crypto::uuid_v7(at, random),
          .client = {.addr = "10.3.7.21",
                     .port = static_cast<std::int64_t>(40'000 + n % 20'000),
                     .tls_group = "X25519MLKEM768",
                     .tls_version = "TLSv1.3"},
          .decision = n % 17 == 0 ? audit::Decision::deny : audit::Decision::allow,
          .dur_ns = static_cast<std::int64_t>(n * 48'271 % 90'000'000),
          .effect = "read",
          .labels_out = labels,
          .method = "tools/call",
          .policy_hash = hash,
          .principal = {.auth = "bearer",
                        .cred = hash,
                        .kind = "user",
                        .ref = "p:k3jq7samplesample"},
          .res = {.kept = false, .len = static_cast<std::int64_t>(n * 7 % 4000)},
          .rows_out = static_cast<std::int64_t>(n % 50),
          .rpc_id = "7",
          .rules = rules,
          .server = {.id = "crm", .segment = "internal"},
          .session = session,
          .tool = tool,
          .tool_pin = hash,
          .uid = crypto::uuid_v7(at, random),
          .why = "agents-may-read: context.risk < 40"};
      while (!log.journal->post(writer.write(record))) std::this_thread::yield();
    }
  }
  const auto walk = [&] {
    const double start = thread_us();
    auto reader = store::LogReader::open(folder);
    must(reader.has_value(), "read");
    std::uint64_t count = 0;
    for (auto entry = reader->next(); entry && *entry; entry = reader->next()) ++count;
    return (thread_us() - start) / static_cast<double>(count);
  };
  const double plain = walk();
  const double start = thread_us();
  const auto segments = store::list_segments(folder);
  must(segments.has_value(), "segments");
  for (const store::SegmentName& name : *segments)
    if (name.number < segments->back().number)
      must(store::pack_segment(folder, name.number, files).has_value(), "pack");
  const double took = thread_us() - start;
  const auto size = store::size_of(folder);
  must(size && size->packed_records > 0, "more records are needed to complete a segment");
  const auto each = [&](std::uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(size->packed_records);
  };
  std::println(
      "packed segments, records as of a gateway: {:.0f} B a record before, {:.0f} B after "
      "(1/{:.1f}); "
      "{:.2f} us a record with reading back; read in {:.2f} us a record before, {:.2f} us after",
      each(size->unpacked_bytes), each(size->packed_bytes),
      static_cast<double>(size->unpacked_bytes) / static_cast<double>(size->packed_bytes),
      took / static_cast<double>(size->packed_records), plain, walk());
  const auto report = store::verify_log({.directory = folder});
  must(report && report->verdict() == store::Verdict::unwitnessed, "the packed log is good");
}

// How fast the index takes records in, and what one asks it.
void indexing(const fs::path& folder, std::uint64_t records) {
  audit::RecordWriter writer("node-1");
  crypto::SeededRandom random(7);
  std::uint64_t n = 0;
  {
    Log log(folder, 1, false);
    base::Time at{std::chrono::seconds(1'795'356'131)};
    for (; n < records; ++n) {
      const std::string agent = std::format("bot-{}", n % 997);
      const std::string tool = std::format("tool-{}", n % 53);
      const std::vector<std::string_view> rules{"agents-may-read"};
      const audit::Record record{
          .type = n % 2 == 0 ? audit::Type::call_decided : audit::Type::call_finished,
          .time = at,
          .agent = {.ref = agent},
          .call_uid = crypto::uuid_v7(at, random),
          .decision = n % 17 == 0 ? audit::Decision::deny : audit::Decision::allow,
          .method = "tools/call",
          .principal = {.ref = "p:k3jq7samplesample"},
          .rules = rules,
          .server = {.id = "crm"},
          .session = agent,
          .tool = tool,
          .uid = crypto::uuid_v7(at, random)};
      while (!log.journal->post(writer.write(record)))
        std::this_thread::yield();  // the queue is full
      at += std::chrono::milliseconds(10);
    }
  }
  const fs::path file = folder.string() + ".db";
  const double start = now_us();
  const double cpu = thread_us();
  auto index = store::LogIndex::open(file, folder);
  must(index.has_value(), "index");
  must(index->update().has_value(), "index");
  const double took = now_us() - start;
  std::println("index of {} records: {:.0f} records/s, {:.1f} us CPU and {:.0f} B a record",
               index->end(), static_cast<double>(index->end()) / took * 1e6,
               (thread_us() - cpu) / static_cast<double>(index->end()),
               static_cast<double>(fs::file_size(file)) / static_cast<double>(index->end()));
  const auto query = audit::Query::parse("agent:bot-5 tool:tool-5 decision:deny", base::Time());
  std::uint64_t found = 0;
  const double asked = now_us();
  must(index->find(*query, [&](std::string_view) { return ++found, true; }).has_value(), "find");
  std::println("one question: {} candidates in {:.1f} ms", found, (now_us() - asked) / 1e3);
}

// 20,000 records of 2 KB a second for a while, with the index made beside them: what a record
// costs where nothing falls behind, how far behind the index is, and whether memory grows.
void steady(const fs::path& folder, int seconds) {
  constexpr std::uint64_t rate = 20'000;
  const auto resident_mb = [] {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    statm >> all >> resident;
    return static_cast<double>(resident * 4096) / 1e6;
  };
  const Sample sample(2048);
  Log log(folder, 1, true);
  log.write(rate, 64, sample, 0);  // buffers are made
  const fs::path file = folder.string() + ".db";
  std::atomic<bool> over{false};
  std::atomic<double> index_us{0};
  double longest = 0;
  {
    std::jthread indexing([&] {
      auto index = store::LogIndex::open(file, folder);
      must(index.has_value(), "index");
      while (!over) {
        // tidy: a pace
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        const double begun = now_us();
        must(index->update().has_value(), "index");
        longest = std::max(longest, now_us() - begun);
        index_us = thread_us();
      }
    });
    const double first_mb = resident_mb();
    double half_mb = 0;
    const Cpu before = cpu_us();
    const double start = now_us();
    std::uint64_t written = 0;
    double slowest = 0;
    while (written < rate * static_cast<std::uint64_t>(seconds)) {
      const double at = now_us();
      log.write(64, 64, sample, 0);
      written += 64;
      slowest = std::max(slowest, now_us() - at);
      if (half_mb == 0 && written > rate * static_cast<std::uint64_t>(seconds) / 2)
        half_mb = resident_mb();
      const double due = start + static_cast<double>(written) / rate * 1e6;
      if (const double early = due - now_us(); early > 0)
        std::this_thread::sleep_for(  // tidy: a pace
            std::chrono::duration<double, std::micro>(early));
    }
    const double took = now_us() - start;
    const Cpu after = cpu_us();
    const double of_index = index_us;
    over = true;
    const auto each = [&](double us) { return us / static_cast<double>(written); };
    std::println(
        "{:.0f} records/s of 2 KB for {} s, 64 at a time: a record {:.2f} us of the program and "
        "{:.2f} us of the kernel with {:.2f} us for the index in them; slowest batch {:.1f} ms",
        static_cast<double>(written) / took * 1e6, seconds, each(after.user - before.user),
        each(after.kernel - before.kernel), each(of_index), slowest / 1e3);
    std::println("  memory {:.1f} MB at first, {:.1f} MB halfway, {:.1f} MB now; signed {} behind",
                 first_mb, half_mb, resident_mb(),
                 log.journal->status().next_seq - log.journal->status().signed_records);
  }
  std::println("  the index, every half second: at most {:.0f} ms to catch up", longest / 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  const fs::path folder = fs::path(argc > 1 ? argv[1] : fs::temp_directory_path().string()) /
                          std::format("latticegate-bench-audit-{}", ::getpid());
  const std::uint64_t records = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  const auto wanted = [&](std::string_view part) {
    return argc <= 3 ||
           std::any_of(argv + 3, argv + argc, [&](const char* p) { return p == part; });
  };
  const auto at_most = [&](std::uint64_t most) { return std::min(records, most); };
  if (wanted("pieces")) pieces();
  if (wanted("throughput")) throughput(folder / "log");
  if (wanted("latency")) latency(folder / "one");
  if (wanted("writers")) writers(folder / "writers", static_cast<int>(at_most(100'000)));
  if (wanted("proof")) proof(folder / "proof");
  if (wanted("verify")) verification(folder / "verified", records);
  if (wanted("packing")) packing(folder / "packed", at_most(400'000));
  if (wanted("bodies")) bodies(folder / "bodies", at_most(64'000));
  if (wanted("steady")) steady(folder / "steady", 20);
  if (wanted("index")) indexing(folder / "indexed", at_most(500'000));
  fs::remove_all(folder);
  return 0;
}
