// audit generate: a sample log, for tests and demonstrations.
#include <array>
#include <memory>
#include <print>
#include <vector>

#include "base/clock.h"
#include "commands.h"
#include "crypto/random.h"
#include "store/awaited.h"
#include "store/journal.h"
#include "store/log_keys.h"

namespace latticegate::app {
namespace {

using base::Result;

struct Arguments {
  std::string directory;
  std::string origin = "example/sample/node-1";
  std::string keys;
  std::uint64_t records = 1000;
  std::uint64_t size = 1024;
  std::uint64_t segment = std::uint64_t{64} * 1024 * 1024;
};

constexpr std::uint64_t bare = 520;  // bytes of such a record without filling

// Calls that could have been: the same ones for the same number.
class Sample {
 public:
  Sample(const Arguments& given, const base::Clock& clock)
      : writer_(given.origin.substr(given.origin.rfind('/') + 1)),
        clock_(clock),
        random_(given.records),
        filler_(given.size > bare ? given.size - bare : 0, '.') {}

  // Valid until the next call.
  audit::Leaf next() {
    static constexpr std::array<std::string_view, 4> agents{"billing-bot", "crm-assistant",
                                                            "report-writer", "ops-agent"};
    static constexpr std::array<std::string_view, 5> tools{
        "crm.query", "files.read_file", "billing.create_invoice", "search.web", "db.select"};
    const std::uint64_t call = number_ / 2;
    const bool finished = number_++ % 2 == 1;
    const bool denied = call % 17 == 3;
    if (!finished) {
      started_ = clock_.now();
      uid_ = crypto::uuid_v7(started_, random_);
    }
    const std::string_view tool = tools.at(call % tools.size());
    const std::array<std::string_view, 1> rules{denied ? "no-invoices-by-night"
                                                       : "agents-may-read"};
    audit::Record record{
        .type = finished ? audit::Type::call_finished : audit::Type::call_decided,
        .time = clock_.now(),
        .agent = {.name = agents.at(call % agents.size()), .ref = agents.at(call % agents.size())},
        .call_uid = uid_,
        .decision = denied ? audit::Decision::deny : audit::Decision::allow,
        .effect = call % 5 == 2 ? "write" : "read",
        .method = "tools/call",
        .mode = "enforce",
        .outcome = denied     ? audit::Outcome::denied
                   : finished ? audit::Outcome::ok
                              : audit::Outcome::none,
        .principal = {.auth = "bearer", .kind = "agent", .ref = "p:k3jq7sample"},
        .rules = rules,
        .server = {.id = tool.substr(0, tool.find('.'))},
        .session = "c-5a3b00112233",
        .tool = tool.substr(tool.find('.') + 1),
        .transport = "http",
        .uid = crypto::uuid_v7(clock_.now(), random_),
        .why = denied ? "sample: 23:10 is outside of 06:00 to 22:00" : ""};
    if (!denied) {
      // Each text has a limit, so several share.
      const std::string_view filler = filler_;
      record.why = filler.substr(0, 600);
      record.error = filler.substr(record.why.size(), 600);
      record.resource_uri = filler.substr(record.why.size() + record.error.size(), 600);
    }
    if (finished) {
      record.dur_ns = 1'000'000 + static_cast<std::int64_t>(call % 977) * 10'000;
      record.rows_out = static_cast<std::int64_t>(call % 40);
    }
    return writer_.write(record);
  }

 private:
  audit::RecordWriter writer_;
  const base::Clock& clock_;
  crypto::SeededRandom random_;
  std::string filler_;
  std::uint64_t number_ = 0;
  base::Time started_{};
  crypto::Uuid uid_;
};

int generate(const Arguments& given) {
  const std::filesystem::path log = given.directory;
  std::error_code error;
  if (std::filesystem::exists(log, error) && !std::filesystem::is_empty(log, error)) {
    std::println(stderr, "latticegate: {} is not empty", given.directory);
    return usage;
  }
  auto keys = given.keys.empty() ? store::LogKeys::make(given.origin)
                                 : store::LogKeys::open(given.keys, given.origin, true);
  if (!keys) return complain("keys", keys.error());
  const base::SystemClock clock;
  store::SystemFiles files;
  store::Awaited window;
  const base::Instant start = clock.instant();
  {
    auto opened =
        store::Journal::open({.directory = log,
                              .origin = given.origin,
                              .segment = {given.segment},
                              .keys = std::make_shared<const store::LogKeys>(*std::move(keys))},
                             clock, files, window.notifier());
    if (!opened) return complain("audit log", opened.error());
    store::Journal& journal = **opened;
    Sample sample(given, clock);
    std::vector<store::Append> appends(512);
    for (std::uint64_t written = 0; written < given.records;) {
      std::size_t count = 0;
      for (store::Append& append : appends) {
        if (written == given.records) break;
        append.set(sample.next(), {}, 0, nullptr);
        if (auto queued = journal.submit(append); !queued)
          return complain("audit log", queued.error());
        ++written;
        ++count;
      }
      window.wait_for(count);
      for (std::size_t i = 0; i < count; ++i)
        if (auto ticket = appends[i].take_ticket(); !ticket)
          return complain("audit log", ticket.error());
    }
  }
  const std::chrono::duration<double> took = clock.instant() - start;
  std::println(stderr, "{} records in {:.2f} s, {:.0f} a second, in {}", given.records,
               took.count(), static_cast<double>(given.records) / took.count(), given.directory);
  return done;
}

}  // namespace

void add_audit_generate(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command =
      audit.add_subcommand("generate", "Write a sample log, for tests and demonstrations");
  command->add_option("--directory", given->directory, "Where: an empty or new directory")
      ->required();
  command->add_option("--records", given->records, "How many")->capture_default_str();
  command->add_option("--size", given->size, "Bytes of a record, about")
      ->check(CLI::Range(bare, bare + 1800))
      ->capture_default_str();
  command->add_option("--origin", given->origin, "The log's name")->capture_default_str();
  command->add_option("--segment", given->segment, "Bytes of a segment")
      ->check(CLI::Range(std::uint64_t{8192}, std::uint64_t{4} << 30U))
      ->capture_default_str();
  command->add_option("--keys", given->keys,
                      "Folder of the keys that sign it, made if need be; without it, new keys that "
                      "are thrown away");
  command->callback([&chosen, given] { chosen = [given] { return generate(*given); }; });
}

}  // namespace latticegate::app
