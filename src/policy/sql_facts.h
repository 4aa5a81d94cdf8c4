// What an SQL text in an argument is, as far as a policy needs it: its verb, whether it is one
// statement, and the tables that it names.
//
// Not a parser of any dialect: a lexer that knows where the dialects disagree. Whatever two
// databases could read differently (a backslash before a quote, `#`, nested comments, `--` without
// a space, dollar quotes, executable comments, letters outside ASCII) makes the verb "unknown", so
// that `verb == "select"` can be trusted whichever database reads the text. What is named too much
// (a common table expression, a column after `from` in extract()) is no harm: rules forbid tables.
//
// Posture: the text is hostile. At most 64 KiB and 64 nested parentheses, otherwise "unknown".
// Linear; no allocation but in the arena. Fuzz target: fuzz/policy_fuzz.cc.
#pragma once
#include <span>
#include <string_view>

#include "cedar/arena.h"

namespace latticegate::policy {

struct SqlFacts {
  // Lower case: "select", "insert", "update", "delete", "drop", ... ; "select_into" for a select
  // that writes; of `with ...` what is done in it; "unknown" when it is not certain.
  std::string_view verb = "unknown";
  // More than one statement, or something that a lenient database could take for a second one. True
  // when the verb is unknown.
  bool multi = true;
  // Lower case, without quotes; a qualified name is listed in full and by its last part.
  std::span<const std::string_view> tables;
};

SqlFacts sql_facts(std::string_view sql, cedar::Arena& arena);

// Whether a text begins like an SQL statement; for parameters that hold SQL only sometimes.
bool looks_like_sql(std::string_view text);

}  // namespace latticegate::policy
