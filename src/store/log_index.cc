#include "store/log_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "audit/segment.h"
#include "crypto/hash.h"
#include "json/value.h"
#include "store/detail/sqlite.h"
#include "store/query_reader.h"

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr int format_version = 2;
constexpr std::int64_t step = 8192;       // records of a transaction
constexpr std::int64_t place_every = 32;  // records between two places that are remembered
// Records are written a little after the time that they carry.
constexpr std::chrono::minutes slack(10);

constexpr const char* schema =
    // Per transaction one row for each value: its first record, and how far from each to the next.
    "CREATE TABLE term(field TEXT NOT NULL, value TEXT NOT NULL, first INTEGER NOT NULL,"
    " more BLOB NOT NULL, PRIMARY KEY(field, value, first)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE place(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, segment INTEGER NOT NULL,"
    " at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX place_time ON place(time);"
    "CREATE TABLE progress(one INTEGER PRIMARY KEY CHECK(one=1), next INTEGER NOT NULL,"
    " last TEXT NOT NULL) STRICT;"
    "INSERT INTO progress VALUES(1, 0, '');"
    "PRAGMA user_version=2;";

std::int64_t signed_of(std::uint64_t number) { return static_cast<std::int64_t>(number); }

std::int64_t time_of(json::Value record) {
  // Cheap and good enough: the text form sorts by time, so its digits as a number do, too.
  std::int64_t number = 0;
  for (const char c : record["time"].text_or("").substr(0, 19))
    if (c >= '0' && c <= '9') number = number * 10 + (c - '0');
  return number;
}

std::int64_t digits_of(base::Time time) {
  std::int64_t number = 0;
  for (const char c : base::to_rfc3339(time).substr(0, 19))
    if (c >= '0' && c <= '9') number = number * 10 + (c - '0');
  return number;
}

// What a transaction will have of one value.
struct Found {
  std::int64_t first = 0, last = 0;
  std::string more;  // distances, seven bits a byte, the lowest first
};

void append_distance(std::int64_t distance, std::string& out) {
  auto rest = static_cast<std::uint64_t>(distance);
  for (; rest >= 0x80; rest >>= 7) out += static_cast<char>(rest | 0x80);
  out += static_cast<char>(rest);
}

// The records of one value, in order, read row by row.
class Records {
 public:
  static constexpr std::int64_t none = INT64_MAX;

  explicit Records(StatementPtr rows) : rows_(std::move(rows)) {}

  // The first at or behind that one, which is never below that of the call before.
  std::int64_t from(std::int64_t seq) {
    for (;;) {
      while (at_ < row_.size() && row_[at_] < seq) ++at_;
      if (at_ < row_.size()) return row_[at_];
      if (rows_ == nullptr || sqlite3_step(rows_.get()) != SQLITE_ROW) {
        rows_.reset();
        return none;
      }
      read_row();
    }
  }

 private:
  void read_row() {
    at_ = 0;
    std::int64_t seq = sqlite3_column_int64(rows_.get(), 0);
    row_.assign(1, seq);
    const auto* const bytes =
        static_cast<const unsigned char*>(sqlite3_column_blob(rows_.get(), 1));
    const auto count = static_cast<std::size_t>(sqlite3_column_bytes(rows_.get(), 1));
    std::uint64_t distance = 0;
    unsigned shift = 0;
    for (const unsigned char byte : std::span(bytes, count)) {
      distance |= std::uint64_t{byte & 0x7FU} << shift;
      shift += 7;
      if (byte >= 0x80 && shift < 63) continue;
      seq += static_cast<std::int64_t>(distance);
      row_.push_back(seq);
      distance = shift = 0;
    }
  }

  StatementPtr rows_;
  std::vector<std::int64_t> row_;
  std::size_t at_ = 0;
};

}  // namespace

// What was read of the log and is not in the index yet.
struct LogIndex::Batch {
  struct Place {
    std::int64_t seq = 0, time = 0, segment = 0, at = 0;
  };
  explicit Batch(std::uint64_t begin) : first(begin) {}

  std::unordered_map<std::string, Found> terms;  // by field, a NUL, and value
  std::vector<Place> places;
  std::uint64_t first = 0;  // that the index must have come to
  std::string last_leaf;
  std::string key;  // working space

  void add(std::string_view field, std::string_view value, std::int64_t seq) {
    key.assign(field).append(1, '\0').append(value);
    const auto [at, is_new] = terms.try_emplace(key);
    Found& found = at->second;
    if (is_new) {
      found.first = found.last = seq;
    } else if (found.last != seq) {
      append_distance(seq - found.last, found.more);
      found.last = seq;
    }
  }
  bool empty() const { return last_leaf.empty(); }
};

struct LogIndex::Database {
  DatabasePtr handle;
  std::filesystem::path log;
  std::uint64_t next = 0;
  std::string last;  // hash of the last record that was in it when it was opened

  std::unexpected<base::Error> refused(std::string_view doing) const {
    return sqlite_refused(handle.get(), doing, "index");
  }
  Result<void> execute(const char* sql, std::string_view doing) {
    if (sqlite3_exec(handle.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
      return refused(doing);
    return {};
  }
  Result<StatementPtr> prepare(std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(handle.get(), sql.data(), static_cast<int>(sql.size()), 0, &raw,
                           nullptr) != SQLITE_OK)
      return refused("ask");
    return StatementPtr(raw);
  }
  Result<std::int64_t> number(std::string_view sql) {
    const auto statement = prepare(sql);
    if (!statement) return std::unexpected(statement.error());
    return sqlite3_step(statement->get()) == SQLITE_ROW ? sqlite3_column_int64(statement->get(), 0)
                                                        : 0;
  }
  Result<void> set_up() {
    sqlite3_busy_timeout(handle.get(), 10'000);
    sqlite3_db_config(handle.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    // It can be made again: a crash of the machine may cost it.
    for (const char* const sql : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF",
                                  "PRAGMA cache_size=-8192", "PRAGMA temp_store=MEMORY"})
      if (auto done = execute(sql, "open"); !done) return done;
    const auto version = number("PRAGMA user_version");
    if (!version) return std::unexpected(version.error());
    if (*version == 0) {
      if (auto done = execute("BEGIN IMMEDIATE", "make"); !done) return done;
      const auto again = number("PRAGMA user_version");  // another process may have been faster
      if (!again) return std::unexpected(again.error());
      if (*again == 0)
        if (auto done = execute(schema, "make"); !done) return done;
      if (auto done = execute("COMMIT", "make"); !done) return done;
    } else if (*version != format_version) {
      return fail(Code::malformed, "the index is of another version");
    }
    return read_progress();
  }
  Result<void> write(const Batch& batch);
  Result<void> read_progress() {
    const auto statement = prepare("SELECT next, last FROM progress");
    if (!statement) return std::unexpected(statement.error());
    if (sqlite3_step(statement->get()) != SQLITE_ROW) return refused("read");
    next = static_cast<std::uint64_t>(sqlite3_column_int64(statement->get(), 0));
    // tidy: SQLite gives bytes of another type
    const auto* const text =
        reinterpret_cast<const char*>(sqlite3_column_text(statement->get(), 1));
    last = text == nullptr ? "" : text;
    return {};
  }
  // Whether the last record in it is that of the log.
  Result<bool> fits() const {
    if (next == 0) return true;
    auto reader = LogReader::open(log, {.seq = next - 1, .since = {}, .last = {}});
    if (!reader) return std::unexpected(std::move(reader).error());
    const auto entry = reader->next();
    return entry && *entry && (*entry)->seq == next - 1 &&
           crypto::to_hex(audit::leaf_hash((*entry)->leaf)) == last;
  }
};

// All or nothing of a batch, in the order of the table, where the index has come to its beginning.
Result<void> LogIndex::Database::write(const Batch& batch) {
  auto term = prepare("INSERT INTO term VALUES(?1,?2,?3,?4)");
  auto place = prepare("INSERT OR IGNORE INTO place VALUES(?1,?2,?3,?4)");
  auto progress = prepare("UPDATE progress SET next=?1, last=?2 WHERE next=?3");
  for (const auto* const statement : {&term, &place, &progress})
    if (!*statement) return std::unexpected(statement->error());
  std::vector<const std::pair<const std::string, Found>*> ordered;
  ordered.reserve(batch.terms.size());
  for (const auto& entry : batch.terms) ordered.push_back(&entry);
  std::ranges::sort(ordered, {},
                    [](const auto* entry) -> const std::string& { return entry->first; });
  const auto run = [](const StatementPtr& statement) {
    const bool good = sqlite3_step(statement.get()) == SQLITE_DONE;
    sqlite3_reset(statement.get());
    return good;
  };
  const auto bind = [](const StatementPtr& statement, int at, std::string_view text) {
    sqlite3_bind_text(statement.get(), at, text.data(), static_cast<int>(text.size()),
                      SQLITE_STATIC);
  };
  if (auto begun = execute("BEGIN IMMEDIATE", "write"); !begun) return begun;
  const std::string hash = crypto::to_hex(audit::leaf_hash(batch.last_leaf));
  sqlite3_bind_int64(progress->get(), 1, signed_of(next));
  bind(*progress, 2, hash);
  sqlite3_bind_int64(progress->get(), 3, signed_of(batch.first));
  bool good = run(*progress);
  // Another process may have been faster.
  const bool late = good && sqlite3_changes(handle.get()) == 0;
  for (auto entry = ordered.begin(); good && !late && entry != ordered.end(); ++entry) {
    const std::string_view key = (*entry)->first;
    const Found& found = (*entry)->second;
    const std::size_t split = key.find('\0');
    bind(*term, 1, key.substr(0, split));
    bind(*term, 2, key.substr(split + 1));
    sqlite3_bind_int64(term->get(), 3, found.first);
    sqlite3_bind_blob(term->get(), 4, found.more.data(), static_cast<int>(found.more.size()),
                      SQLITE_STATIC);
    good = run(*term);
  }
  for (auto at = batch.places.begin(); good && !late && at != batch.places.end(); ++at) {
    sqlite3_bind_int64(place->get(), 1, at->seq);
    sqlite3_bind_int64(place->get(), 2, at->time);
    sqlite3_bind_int64(place->get(), 3, at->segment);
    sqlite3_bind_int64(place->get(), 4, at->at);
    good = run(*place);
  }
  if (good && !late) return execute("COMMIT", "write");
  auto why = late ? fail(Code::unavailable, "cannot write the index: another program does")
                  : refused("write");
  (void)execute("ROLLBACK", "end");
  return why;
}

LogIndex::LogIndex(std::unique_ptr<Database> database) : database_(std::move(database)) {}
LogIndex::LogIndex(LogIndex&&) noexcept = default;
LogIndex& LogIndex::operator=(LogIndex&&) noexcept = default;
LogIndex::~LogIndex() = default;
std::uint64_t LogIndex::end() const { return database_->next; }

Result<LogIndex> LogIndex::open(const std::filesystem::path& file, const std::filesystem::path& log,
                                bool rebuild) {
  for (const bool again : {false, true}) {
    std::error_code ignored;
    std::filesystem::create_directories(file.parent_path(), ignored);
    if (again || rebuild)
      for (const char* const suffix : {"", "-wal", "-shm"})
        std::filesystem::remove(file.string() + suffix, ignored);
    auto database = std::make_unique<Database>();
    database->log = log;
    sqlite3* raw = nullptr;
    const mode_t mask = ::umask(077);
    const int opened =
        sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    ::umask(mask);
    database->handle.reset(raw);
    if (opened != SQLITE_OK) return database->refused("open");
    const auto made = database->set_up();
    const auto fits = made ? database->fits() : Result<bool>(std::unexpected(made.error()));
    if (fits && *fits) return LogIndex(std::move(database));
    if (!fits && fits.error().code != Code::malformed) return std::unexpected(fits.error());
    if (again) break;
  }
  return fail(Code::malformed, "the index cannot be made");
}

Result<std::uint64_t> LogIndex::update(std::uint64_t most) {
  Database& db = *database_;
  std::uint64_t taken = 0;
  if (auto done = db.read_progress(); !done) return std::unexpected(std::move(done).error());
  const auto segments = list_segments(db.log);
  if (!segments) return std::unexpected(segments.error());
  Batch batch(db.next);
  const auto commit = [&]() -> Result<void> {
    auto done = batch.empty() ? Result<void>() : db.write(batch);
    batch = Batch(db.next);
    return done;
  };
  for (const SegmentName& name : *segments) {
    auto file = SegmentFile::open(name.path);
    if (!file) break;  // being made
    // All of a segment whose successor begins at or before what comes next is in it.
    const auto after = std::ranges::find(*segments, name.number + 1, &SegmentName::number);
    if (after != segments->end())
      if (const auto following = SegmentFile::open(after->path);
          following && following->header().first <= db.next)
        continue;
    if (file->header().first <= db.next) {
      auto where = db.prepare(
          "SELECT seq, at FROM place WHERE segment=?1 AND seq<=?2 ORDER BY seq "
          "DESC LIMIT 1");
      if (!where) return std::unexpected(std::move(where).error());
      sqlite3_bind_int64(where->get(), 1, signed_of(name.number));
      sqlite3_bind_int64(where->get(), 2, signed_of(db.next));
      if (sqlite3_step(where->get()) == SQLITE_ROW)
        file->go_to(static_cast<std::uint64_t>(sqlite3_column_int64(where->get(), 1)),
                    static_cast<std::uint64_t>(sqlite3_column_int64(where->get(), 0)));
    }
    while (taken < most) {
      const auto entry = file->next();
      if (!entry) return std::unexpected(entry.error());
      if (!*entry) break;
      if ((*entry)->seq < db.next) continue;
      const auto record = json::Document::parse(audit::index_part((*entry)->leaf));
      const std::int64_t seq = signed_of((*entry)->seq);
      if (record)
        audit::index_terms(record->root(), [&](std::string_view field, std::string_view value) {
          batch.add(field, value, seq);
        });
      if (seq % place_every == 0 || (*entry)->seq == file->header().first)
        batch.places.push_back({.seq = seq,
                                .time = record ? time_of(record->root()) : 0,
                                .segment = signed_of(name.number),
                                .at = signed_of((*entry)->offset)});
      db.next = (*entry)->seq + 1;
      batch.last_leaf.assign((*entry)->leaf);
      if (++taken % std::uint64_t{step} == 0)
        if (auto done = commit(); !done) return std::unexpected(std::move(done).error());
    }
    if (auto done = commit(); !done) return std::unexpected(std::move(done).error());
    if (taken == most) break;
  }
  return taken;
}

bool LogIndex::helps(const audit::Query& query) { return !query.hints().empty(); }

Result<void> LogIndex::find(const audit::Query& query,
                            const std::function<bool(std::string_view)>& take) {
  Database& db = *database_;
  const auto hints = query.hints();
  base::check(!hints.empty(), "an index is asked what it can answer");
  std::int64_t low = 0;
  std::int64_t high = Records::none - 1;
  const auto bound = [&](std::string_view question, base::Time time,
                         std::int64_t& into) -> Result<void> {
    const auto statement = db.prepare(question);
    if (!statement) return std::unexpected(statement.error());
    sqlite3_bind_int64(statement->get(), 1, digits_of(time));
    if (sqlite3_step(statement->get()) == SQLITE_ROW &&
        sqlite3_column_type(statement->get(), 0) != SQLITE_NULL)
      into = sqlite3_column_int64(statement->get(), 0);
    return {};
  };
  if (const auto since = query.since())
    if (auto done = bound("SELECT min(seq) FROM place WHERE time>=?1", *since - slack, low); !done)
      return done;
  if (const auto until = query.until())
    if (auto done = bound("SELECT max(seq) FROM place WHERE time<=?1", *until + slack, high); !done)
      return done;
  // The records around those places; clocks that were set are not relied on in between.
  low -= std::min(low, place_every);
  high = std::min(high, Records::none - 1 - place_every) + place_every;
  // Each hint is a list of records for each of its values; wanted is what all hints have in common.
  std::vector<std::vector<Records>> lists;
  for (const auto& hint : hints) {
    auto& values = lists.emplace_back();
    for (const std::string& value : hint.values) {
      auto rows = db.prepare(
          "SELECT first, more FROM term WHERE field=?1 AND value=?2 AND first BETWEEN ?3 AND ?4"
          " ORDER BY first");
      if (!rows) return std::unexpected(std::move(rows).error());
      sqlite3_bind_text(rows->get(), 1, hint.field.data(), static_cast<int>(hint.field.size()),
                        SQLITE_STATIC);
      sqlite3_bind_text(rows->get(), 2, value.data(), static_cast<int>(value.size()),
                        SQLITE_STATIC);
      sqlite3_bind_int64(rows->get(), 3, low - step);  // a row reaches less far than that
      sqlite3_bind_int64(rows->get(), 4, high);
      values.emplace_back(*std::move(rows));
    }
  }
  const auto in_all = [&lists](std::int64_t seq) {  // the first at or behind that one
    for (bool same = false; !same;) {
      same = true;
      for (auto& values : lists) {
        std::int64_t first = Records::none;
        for (Records& records : values) first = std::min(first, records.from(seq));
        if (first == Records::none) return first;
        same = same && first == seq;
        seq = first;
      }
    }
    return seq;
  };
  const auto where =
      db.prepare("SELECT seq, segment, at FROM place WHERE seq<=?1 ORDER BY seq DESC LIMIT 1");
  if (!where) return std::unexpected(where.error());
  std::optional<SegmentFile> file;
  std::uint64_t number = 0;
  for (std::int64_t wanted = in_all(low); wanted <= high; wanted = in_all(wanted + 1)) {
    sqlite3_reset(where->get());
    sqlite3_bind_int64(where->get(), 1, wanted);
    if (sqlite3_step(where->get()) != SQLITE_ROW) continue;
    const auto seq = static_cast<std::uint64_t>(sqlite3_column_int64(where->get(), 0));
    const auto segment = static_cast<std::uint64_t>(sqlite3_column_int64(where->get(), 1));
    const auto offset = static_cast<std::uint64_t>(sqlite3_column_int64(where->get(), 2));
    if (!file || number != segment) {
      auto opened = SegmentFile::open(segment_path(db.log, segment));
      if (!opened && opened.error().code == Code::not_found) continue;  // given up by retention
      if (!opened) return std::unexpected(std::move(opened).error());
      file.emplace(*std::move(opened));
      number = segment;
    }
    if (file->next_seq() > static_cast<std::uint64_t>(wanted) || file->next_seq() < seq)
      file->go_to(offset, seq);
    for (;;) {
      const auto entry = file->next();
      if (!entry) return std::unexpected(entry.error());
      if (!*entry) break;
      if ((*entry)->seq < static_cast<std::uint64_t>(wanted)) continue;
      if (!take((*entry)->leaf)) return {};
      break;
    }
  }
  return {};
}

}  // namespace latticegate::store
