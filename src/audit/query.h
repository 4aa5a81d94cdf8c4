// The small filter language over audit records that the command line, the API and the console
// share.
//
//   agent:billing* tool:crm.query decision:deny,kill rows:>1000 -outcome:ok since:24h "disk full"
//
// Terms are separated by spaces and must all hold; "-" before a term turns it round. field:value
// compares without regard to case, "*" stands for any characters, "," separates alternatives,
// quotes keep spaces and colons. Numbers take >, >=,
// <, <= and 10..20; durations take ns, us, ms, s, m, h, d. since: and until: take a duration before
// now or a UTC date
// ("2026-11-22", "2026-11-22T14:02", "2026-11-22T14:02:11.5Z"); until: is exclusive. A term without
// a field is looked for anywhere in the record. fields() lists the names; a name with a dot is a
// path into the record
// ("client.tls.version:TLSv1.3").
//
// Posture: the text comes from users of the console. Limits: 4 KiB, 64 terms. Code::invalid with
// column and a suggestion. Fuzz target: fuzz/segment_fuzz.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "json/value.h"

namespace latticegate::audit {

struct QueryField {
  std::string_view name;
  std::string_view meaning;
};
// The fields, by name, for help texts.
std::span<const QueryField> query_fields();

// What an index over records has of one: names of fields with values in lower case, some perhaps
// twice. Values that most records have are left out.
using TakeTerm = std::function<void(std::string_view field, std::string_view value)>;
void index_terms(json::Value record, const TakeTerm& take);
// Of a record's text what index_terms() looks at, and its time: a record of a quarter of the size.
// A text that is not canonical, which none of ours is, comes back whole.
std::string index_part(std::string_view record);

class Query {
 public:
  // The empty text matches every record. `now` is what since: and until: count back from.
  [[nodiscard]] static base::Result<Query> parse(std::string_view text, base::Time now);
  Query(Query&&) noexcept;
  Query& operator=(Query&&) noexcept;
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  // Whether a record, as it was parsed from its leaf, is meant. Anything that is no record just
  // does not match.
  bool matches(json::Value record) const;

  // The members of a record that it looks at, ascending; nothing when it may be any of them. A
  // record of only these matches as the whole one does.
  std::optional<std::vector<std::string>> members() const;

  // The latest since: of the query, if there is one, so that a reader can begin there.
  std::optional<base::Time> since() const;
  // The earliest until:.
  std::optional<base::Time> until() const;

  // What an index can answer of it: a record that matches has one of the values of each.
  struct Hint {
    std::string_view field;
    std::vector<std::string> values;  // in lower case
  };
  std::vector<Hint> hints() const;

 private:
  struct Term;
  explicit Query(std::vector<Term> terms);
  std::vector<Term> terms_;
};

}  // namespace latticegate::audit
