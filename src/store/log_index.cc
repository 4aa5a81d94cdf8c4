#include "store/log_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <format>
#include <map>
#include <string>
#include <system_error>
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

constexpr int format_version = 1;
constexpr std::uint64_t step = 8192;      // records of a transaction
constexpr std::int64_t place_every = 32;  // records between two places that are remembered
// Records are written a little after the time that they carry.
constexpr std::chrono::minutes slack(10);

constexpr const char* schema =
    "CREATE TABLE term(field TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY(field, value, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE place(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, segment INTEGER NOT NULL,"
    " at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX place_time ON place(time);"
    "CREATE TABLE progress(one INTEGER PRIMARY KEY CHECK(one=1), next INTEGER NOT NULL,"
    " last TEXT NOT NULL) STRICT;"
    "INSERT INTO progress VALUES(1, 0, '');"
    "PRAGMA user_version=1;";

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

}  // namespace

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
  auto term = db.prepare("INSERT OR IGNORE INTO term VALUES(?1,?2,?3)");
  auto place = db.prepare("INSERT OR IGNORE INTO place VALUES(?1,?2,?3,?4)");
  auto progress = db.prepare("UPDATE progress SET next=?1, last=?2");
  for (const auto* const statement : {&term, &place, &progress})
    if (!*statement) return std::unexpected(statement->error());
  const auto run = [&](const StatementPtr& statement) {
    const bool good = sqlite3_step(statement.get()) == SQLITE_DONE;
    sqlite3_reset(statement.get());
    return good;
  };
  bool open = false;
  bool good = true;
  std::string last_leaf;
  const auto commit = [&]() -> Result<void> {
    if (!open) return {};
    const std::string last = crypto::to_hex(audit::leaf_hash(last_leaf));
    sqlite3_bind_int64(progress->get(), 1, signed_of(db.next));
    sqlite3_bind_text(progress->get(), 2, last.data(), static_cast<int>(last.size()),
                      SQLITE_STATIC);
    if (!good || !run(*progress)) {
      auto why = db.refused("write");
      (void)db.execute("ROLLBACK", "end");
      return why;
    }
    open = false;
    return db.execute("COMMIT", "write");
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
      if (!open) {
        if (auto begun = db.execute("BEGIN IMMEDIATE", "write"); !begun)
          return std::unexpected(std::move(begun).error());
        open = true;
      }
      const auto record = json::Document::parse((*entry)->leaf);
      const std::int64_t seq = signed_of((*entry)->seq);
      if (record)
        audit::index_terms(record->root(), [&](std::string_view field, std::string_view value) {
          sqlite3_bind_text(term->get(), 1, field.data(), static_cast<int>(field.size()),
                            SQLITE_STATIC);
          sqlite3_bind_text(term->get(), 2, value.data(), static_cast<int>(value.size()),
                            SQLITE_STATIC);
          sqlite3_bind_int64(term->get(), 3, seq);
          good = run(*term) && good;
        });
      if (seq % place_every == 0 || (*entry)->seq == file->header().first) {
        sqlite3_bind_int64(place->get(), 1, seq);
        sqlite3_bind_int64(place->get(), 2, record ? time_of(record->root()) : 0);
        sqlite3_bind_int64(place->get(), 3, signed_of(name.number));
        sqlite3_bind_int64(place->get(), 4, signed_of((*entry)->offset));
        good = run(*place) && good;
      }
      db.next = (*entry)->seq + 1;
      last_leaf.assign((*entry)->leaf);
      if (++taken % step == 0)
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
  // Each hint is a list of records; together they are what all lists have in common.
  std::string sql;
  for (const auto& hint : hints) {
    if (!sql.empty()) sql += " INTERSECT ";
    sql += "SELECT seq FROM term WHERE field=? AND value IN (";
    for (std::size_t i = 0; i < hint.values.size(); ++i) sql += i == 0 ? "?" : ",?";
    sql += ") AND seq BETWEEN ? AND ?";
  }
  sql += " ORDER BY seq";
  std::int64_t low = 0;
  std::int64_t high = INT64_MAX;
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
  if (high != INT64_MAX) high += place_every;
  const auto statement = db.prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  int at = 0;
  for (const auto& hint : hints) {
    sqlite3_bind_text(statement->get(), ++at, hint.field.data(),
                      static_cast<int>(hint.field.size()), SQLITE_STATIC);
    for (const std::string& value : hint.values)
      sqlite3_bind_text(statement->get(), ++at, value.data(), static_cast<int>(value.size()),
                        SQLITE_STATIC);
    sqlite3_bind_int64(statement->get(), ++at, low);
    sqlite3_bind_int64(statement->get(), ++at, high);
  }
  const auto where =
      db.prepare("SELECT seq, segment, at FROM place WHERE seq<=?1 ORDER BY seq DESC LIMIT 1");
  if (!where) return std::unexpected(where.error());
  std::optional<SegmentFile> file;
  std::uint64_t number = 0;
  while (sqlite3_step(statement->get()) == SQLITE_ROW) {
    const std::int64_t wanted = sqlite3_column_int64(statement->get(), 0);
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
