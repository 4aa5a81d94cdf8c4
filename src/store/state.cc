#include "store/state.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <format>
#include <system_error>
#include <thread>
#include <utility>

#include "store/detail/sqlite.h"

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr int format_version = 1;
constexpr int busy_ms = 5000;

std::unexpected<base::Error> refused(sqlite3* database, std::string_view doing) {
  return sqlite_refused(database, doing, "state");
}

Result<void> execute(sqlite3* database, const char* sql, std::string_view doing) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return refused(database, doing);
  return {};
}

}  // namespace

struct State::Database {
  DatabasePtr handle;
  StatementPtr get;
  StatementPtr put;
  StatementPtr remove;
  StatementPtr list;
  StatementPtr version;
  std::thread::id owner = std::this_thread::get_id();

  void check_owner() const {
    base::check(std::this_thread::get_id() == owner, "the state is used by its own thread only");
  }

  Result<void> prepare(StatementPtr& statement, std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(handle.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK)
      return refused(handle.get(), "prepare");
    statement.reset(raw);
    return {};
  }

  Result<void> set_up() {
    sqlite3* const db = handle.get();
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, busy_ms);
    // A database is not trusted to call functions by its schema.
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    for (const char* const sql :
         {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"})
      if (auto done = execute(db, sql, "open"); !done) return done;

    StatementPtr statement;
    if (auto done = prepare(statement, "PRAGMA user_version"); !done) return done;
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return refused(db, "open");
    const int found = sqlite3_column_int(statement.get(), 0);
    statement.reset();
    if (found > format_version)
      return fail(Code::unsupported, std::format("the state has version {}, this program knows {}",
                                                 found, format_version));
    if (found == 0)
      if (auto done =
              execute(db,
                      "BEGIN IMMEDIATE;"
                      "CREATE TABLE IF NOT EXISTS entry(space TEXT NOT NULL, key TEXT NOT NULL,"
                      " value BLOB NOT NULL, PRIMARY KEY(space, key)) STRICT, WITHOUT ROWID;"
                      "PRAGMA user_version=1;"
                      "COMMIT",
                      "create");
          !done)
        return done;
    for (const auto& [statement_of, sql] :
         {std::pair(&Database::get, "SELECT value FROM entry WHERE space=?1 AND key=?2"),
          std::pair(&Database::put,
                    "INSERT INTO entry VALUES(?1,?2,?3) ON CONFLICT DO UPDATE SET value=?3"),
          std::pair(&Database::remove, "DELETE FROM entry WHERE space=?1 AND key=?2"),
          std::pair(&Database::list,
                    "SELECT key, value FROM entry WHERE space=?1 AND key>=?2 ORDER BY key"),
          std::pair(&Database::version, "PRAGMA data_version")})
      if (auto done = prepare(this->*statement_of, sql); !done) return done;
    return {};
  }

  // A statement with its texts bound, which is reset when this goes.
  class Run {
   public:
    Run(Database& database, StatementPtr& statement)
        : database_(database), statement_(statement.get()) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() {
      sqlite3_reset(statement_);
      sqlite3_clear_bindings(statement_);
    }
    Run& text(int index, std::string_view value) {
      sqlite3_bind_text(statement_, index, value.data() != nullptr ? value.data() : "",
                        static_cast<int>(value.size()), SQLITE_STATIC);
      return *this;
    }
    Run& blob(int index, std::string_view value) {
      sqlite3_bind_blob(statement_, index, value.data() != nullptr ? value.data() : "",
                        static_cast<int>(value.size()), SQLITE_STATIC);
      return *this;
    }
    // Whether there is a row.
    Result<bool> step(std::string_view doing) {
      const int code = sqlite3_step(statement_);
      if (code == SQLITE_ROW) return true;
      if (code == SQLITE_DONE) return false;
      return refused(database_.handle.get(), doing);
    }
    std::string column(int index) const {
      const void* const data = sqlite3_column_blob(statement_, index);
      const int size = sqlite3_column_bytes(statement_, index);
      return data == nullptr
                 ? std::string()
                 : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
    }
    std::int64_t number() const { return sqlite3_column_int64(statement_, 0); }

   private:
    Database& database_;
    sqlite3_stmt* statement_;
  };

  Result<void> change(const Change& change) {
    if (change.space.size() > state_key_limit.count || change.key.size() > state_key_limit.count)
      return fail(Code::too_large, "a key of the state is too long");
    if (change.value && change.value->size() > state_value_limit.count)
      return fail(Code::too_large, std::format("a value of {} bytes is too long for the state",
                                               change.value->size()));
    Run run(*this, change.value ? put : remove);
    run.text(1, change.space).text(2, change.key);
    if (change.value) run.blob(3, *change.value);
    if (const auto done = run.step("change"); !done) return std::unexpected(done.error());
    return {};
  }
};

State::State(std::unique_ptr<Database> database) : database_(std::move(database)) {}
State::State(State&&) noexcept = default;
State& State::operator=(State&&) noexcept = default;
State::~State() = default;

Result<State> State::open(const std::filesystem::path& path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  // SQLite gives its side files the mode of the database, so that has to be right from the
  // beginning.
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return fail(Code::io, std::format("cannot open {}: {}", path.string(), base::os_reason(errno)));
  ::close(descriptor);
  auto database = std::make_unique<Database>();
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  database->handle.reset(raw);
  if (code != SQLITE_OK) return base::within(path.string(), refused(raw, "open").error());
  if (auto done = database->set_up(); !done)
    return base::within(path.string(), std::move(done).error());
  return State(std::move(database));
}

Result<std::optional<std::string>> State::get(std::string_view space, std::string_view key) {
  database_->check_owner();
  Database::Run run(*database_, database_->get);
  const auto row = run.text(1, space).text(2, key).step("read");
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::optional<std::string>();
  return run.column(0);
}

Result<void> State::put(std::string_view space, std::string_view key, std::string_view value) {
  database_->check_owner();
  return database_->change({.space = space, .key = key, .value = value});
}

Result<void> State::remove(std::string_view space, std::string_view key) {
  database_->check_owner();
  return database_->change({.space = space, .key = key, .value = std::nullopt});
}

Result<std::vector<State::Entry>> State::list(std::string_view space, std::string_view prefix) {
  database_->check_owner();
  Database::Run run(*database_, database_->list);
  run.text(1, space).text(2, prefix);
  std::vector<Entry> entries;
  for (;;) {
    const auto row = run.step("read");
    if (!row) return std::unexpected(row.error());
    if (!*row) return entries;
    Entry entry{.key = run.column(0), .value = run.column(1)};
    if (!entry.key.starts_with(prefix)) return entries;
    entries.push_back(std::move(entry));
  }
}

Result<void> State::apply(std::span<const Change> changes) {
  database_->check_owner();
  sqlite3* const db = database_->handle.get();
  if (auto done = execute(db, "BEGIN IMMEDIATE", "change"); !done) return done;
  for (const Change& change : changes) {
    if (auto done = database_->change(change); !done) {
      static_cast<void>(execute(db, "ROLLBACK", "change").has_value());  // what failed is told
      return done;
    }
  }
  auto done = execute(db, "COMMIT", "change");
  if (!done) static_cast<void>(execute(db, "ROLLBACK", "change").has_value());
  return done;
}

Result<std::int64_t> State::version() {
  database_->check_owner();
  Database::Run run(*database_, database_->version);
  const auto row = run.step("read");
  if (!row) return std::unexpected(row.error());
  return run.number() + sqlite3_total_changes64(database_->handle.get());
}

}  // namespace latticegate::store
