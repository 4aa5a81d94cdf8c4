// What the owners of SQLite files share.
#pragma once
#include <sqlite3.h>

#include <format>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace latticegate::store {

struct CloseSqlite {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using DatabasePtr = std::unique_ptr<sqlite3, CloseSqlite>;
using StatementPtr = std::unique_ptr<sqlite3_stmt, CloseSqlite>;

// What went wrong in the database that is called so.
[[nodiscard]] inline std::unexpected<base::Error> sqlite_refused(sqlite3* database,
                                                                 std::string_view doing,
                                                                 std::string_view what) {
  base::Code code = base::Code::io;
  switch (sqlite3_errcode(database) & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED: code = base::Code::unavailable; break;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT: code = base::Code::malformed; break;
    default: break;
  }
  return base::fail(code,
                    std::format("cannot {} the {}: {}", doing, what, sqlite3_errmsg(database)));
}

}  // namespace latticegate::store
