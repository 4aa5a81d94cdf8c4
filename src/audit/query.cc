#include "audit/query.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <format>
#include <limits>
#include <utility>

#include "base/suggest.h"
#include "json/skim.h"

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t text_limit = 4096;
constexpr std::size_t term_limit = 64;

enum class Kind : std::uint8_t { text, number, nanoseconds, milliseconds, since, until, anywhere };

struct Field {
  std::string_view name;
  Kind kind;
  std::string_view path;   // members with dots; a list on the way means any of its elements
  std::string_view other;  // a second place to look at
  std::string_view meaning;
};

constexpr auto fields = std::to_array<Field>({
    {"added", Kind::milliseconds, "added_ms", "", "time that the gateway added"},
    {"agent", Kind::text, "agent.ref", "agent.name", "agent, by id or name"},
    {"approver", Kind::text, "approval.by", "approved_by", "who agreed, as pseudonym"},
    {"call", Kind::text, "call_uid", "", "id that joins the records of one call"},
    {"client", Kind::text, "client.name", "client.addr", "client program or its address"},
    {"code", Kind::number, "rpc_code", "", "JSON-RPC error code"},
    {"decision", Kind::text, "decision", "", "allow, deny, modify, step_up, kill"},
    {"dur", Kind::nanoseconds, "dur_ns", "", "duration of the call"},
    {"effect", Kind::text, "effect", "", "read, write, delete, send, pay, admin"},
    {"error", Kind::text, "error", "", "what went wrong"},
    {"finding", Kind::text, "findings.id", "", "what inspection found"},
    {"in", Kind::number, "bytes_in", "", "bytes from the client"},
    {"label", Kind::text, "labels_in", "labels_out", "data label in or out"},
    {"method", Kind::text, "method", "", "MCP method"},
    {"mode", Kind::text, "mode", "", "enforce, observe"},
    {"node", Kind::text, "node", "", "gateway that wrote the record"},
    {"obligation", Kind::text, "obligations", "", "what the policy demanded besides"},
    {"out", Kind::number, "bytes_out", "", "bytes to the client"},
    {"outcome", Kind::text, "outcome", "", "ok, tool_error, denied, ..."},
    {"pin", Kind::text, "tool_pin", "tool_pin_was", "hash of the tool's definition"},
    {"policy", Kind::text, "policy_hash", "", "hash of the policy set"},
    {"prompt", Kind::text, "prompt", "", "prompt"},
    {"proto", Kind::text, "proto", "", "protocol revision"},
    {"redaction", Kind::text, "redactions.class", "", "what was taken out"},
    {"resource", Kind::text, "resource_uri", "", "resource"},
    {"risk", Kind::number, "risk.score", "", "how unusual, 0 to 100"},
    {"rows", Kind::number, "rows_out", "", "records in the answer"},
    {"rule", Kind::text, "rules", "", "policy that decided"},
    {"segment", Kind::text, "server.segment", "", "segment of the server"},
    {"seq", Kind::number, "seq", "", "index of the record"},
    {"server", Kind::text, "server.id", "", "server"},
    {"session", Kind::text, "session", "", "conversation"},
    {"shadow", Kind::text, "shadow.decision", "shadow.rules",
     "what the policies of the shadow decide otherwise: a decision, or a policy"},
    {"signal", Kind::text, "risk.signals", "", "what was unusual"},
    {"since", Kind::since, "time", "", "not older than"},
    {"taint", Kind::text, "taint", "", "untrusted sources that the conversation had read"},
    {"tenant", Kind::text, "tenant", "", "tenant"},
    {"tls", Kind::text, "client.tls.group", "server.tls.group", "key exchange, of either side"},
    {"tool", Kind::text, "tool", "", "tool, or server.tool"},
    {"trace", Kind::text, "trace_id", "", "trace"},
    {"transport", Kind::text, "transport", "", "http, stdio"},
    {"type", Kind::text, "type", "", "call.decided, call.finished, session.killed, ..."},
    {"uid", Kind::text, "uid", "", "id of the record"},
    {"until", Kind::until, "time", "", "older than"},
    {"user", Kind::text, "principal.ref", "", "person on whose behalf, as pseudonym"},
    {"why", Kind::text, "why", "", "sentence that explains the decision"},
    {"would", Kind::text, "would", "",
     "what policies said that did not happen: observed, throttled"},
});
static_assert(std::ranges::is_sorted(fields, {}, &Field::name));

constexpr auto published = [] {
  std::array<QueryField, fields.size()> list{};
  for (std::size_t i = 0; i < fields.size(); ++i) list[i] = {fields[i].name, fields[i].meaning};
  return list;
}();

constexpr const Field* find_field(std::string_view name) {
  const auto* const found = std::ranges::lower_bound(fields, name, {}, &Field::name);
  return found != fields.end() && found->name == name ? &*found : nullptr;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Whether the text follows the pattern, in which "*" stands for anything. Goes back to the last
// star only, so the time is at most the product of the lengths.
bool follows(std::string_view text, std::string_view pattern) {
  std::size_t t = 0;
  std::size_t p = 0;
  std::size_t star = std::string_view::npos;
  std::size_t tried = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      tried = t;
    } else if (p < pattern.size() && lower(pattern[p]) == lower(text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++tried;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool contains(std::string_view text, std::string_view part) {
  return !std::ranges::search(text, part, {}, lower, lower).empty() || part.empty();
}

bool anywhere(json::Value value, std::string_view part) {
  if (const auto text = value.string()) return contains(*text, part);
  for (const json::Value element : value.elements())
    if (anywhere(element, part)) return true;
  for (const json::Member member : value.members())
    if (anywhere(member.value, part)) return true;
  return false;
}

// Whether the predicate holds for the value at the path, or for one of them where the path leads
// through lists.
template <class F>
bool any_at(json::Value value, std::string_view path, const F& holds) {
  if (value.is_array()) {
    for (const json::Value element : value.elements())
      if (any_at(element, path, holds)) return true;
    return false;
  }
  if (path.empty()) return value.exists() && holds(value);
  const std::size_t dot = path.find('.');
  const std::string_view rest =
      dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  return any_at(value[path.substr(0, dot)], rest, holds);
}

std::optional<std::int64_t> digits(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "24h" in nanoseconds; without a unit nothing.
std::optional<double> duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ns;
  };
  constexpr auto units = std::to_array<Unit>({{"ns", 1},
                                              {"us", 1e3},
                                              {"ms", 1e6},
                                              {"s", 1e9},
                                              {"m", 60e9},
                                              {"h", 3600e9},
                                              {"d", 86400e9}});
  const std::size_t split = text.find_first_not_of("0123456789.");
  if (split == std::string_view::npos || split == 0) return std::nullopt;
  const auto unit = std::ranges::find(units, text.substr(split), &Unit::name);
  const std::string_view digits = text.substr(0, split);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (unit == units.end() || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return number * unit->ns;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(value))
    return std::nullopt;
  return value;
}

// "2026-11-22[THH:MM[:SS[.fraction]]][Z]".
std::optional<base::Time> date(std::string_view text) {
  if (text.ends_with('Z')) text.remove_suffix(1);
  const auto part = [&](std::size_t at, std::size_t length) -> std::int64_t {
    if (text.size() < at + length) return -1;
    const auto value = text.substr(at, length);
    if (value.find_first_not_of("0123456789") != std::string_view::npos) return -1;
    return digits(value).value_or(-1);
  };
  const auto is = [&](std::size_t at, char c) { return at < text.size() && text[at] == c; };
  const std::chrono::year_month_day ymd(std::chrono::year(static_cast<int>(part(0, 4))),
                                        std::chrono::month(static_cast<unsigned>(part(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(part(8, 2))));
  // Years that nanoseconds in 64 bits can say.
  if (part(0, 4) < 1970 || part(0, 4) > 2261 || !is(4, '-') || !is(7, '-') || !ymd.ok())
    return std::nullopt;
  base::Time time{std::chrono::sys_days(ymd)};
  if (text.size() == 10) return time;
  const std::int64_t hour = part(11, 2);
  const std::int64_t minute = part(14, 2);
  if (!is(10, 'T') || !is(13, ':') || hour < 0 || hour > 23 || minute < 0 || minute > 59)
    return std::nullopt;
  time += std::chrono::hours(hour) + std::chrono::minutes(minute);
  if (text.size() == 16) return time;
  const std::int64_t second = part(17, 2);
  if (!is(16, ':') || second < 0 || second > 60) return std::nullopt;
  time += std::chrono::seconds(second);
  if (text.size() == 19) return time;
  const std::string_view fraction = text.substr(20);
  if (!is(19, '.') || fraction.empty() || fraction.size() > 9) return std::nullopt;
  std::int64_t ns = part(20, fraction.size());
  if (ns < 0) return std::nullopt;
  for (std::size_t i = fraction.size(); i < 9; ++i) ns *= 10;
  return time + std::chrono::nanoseconds(ns);
}

// One of the alternatives of a numeric term: both ends included.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

std::optional<Range> range(std::string_view text, Kind kind) {
  const auto value = [&](std::string_view part) -> std::optional<double> {
    if (kind == Kind::number) return number(part);
    const auto ns = duration(part);
    return ns && kind == Kind::milliseconds ? *ns / 1e6 : ns;
  };
  Range found;
  if (const auto dots = text.find(".."); dots != std::string_view::npos) {
    const auto low = value(text.substr(0, dots));
    const auto high = value(text.substr(dots + 2));
    if (!low || !high) return std::nullopt;
    return Range{.low = *low, .high = *high};
  }
  const bool above = text.starts_with('>');
  const bool below = text.starts_with('<');
  if (above || below) text.remove_prefix(1);
  const bool or_equal = (above || below) && text.starts_with('=');
  if (or_equal) text.remove_prefix(1);
  const auto bound = value(text);
  if (!bound) return std::nullopt;
  if (!below) found.low = above && !or_equal ? std::nextafter(*bound, found.high) : *bound;
  if (!above) found.high = below && !or_equal ? std::nextafter(*bound, found.low) : *bound;
  if (below) found.low = -std::numeric_limits<double>::infinity();
  return found;
}

// A term as it was written.
struct Word {
  std::size_t column = 0;
  bool negated = false;
  std::string field;                // empty: none
  std::vector<std::string> values;  // alternatives
};

// Splits a text into words; quotes keep what would separate.
Result<std::vector<Word>> split(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ' || text[i] == '\t') {
      ++i;
      continue;
    }
    if (words.size() == term_limit)
      return fail(Code::too_large, std::format("a query has at most {} terms", term_limit));
    Word word{.column = i + 1, .negated = text[i] == '-', .field = {}, .values = {""}};
    if (word.negated) ++i;
    bool has_field = false;
    for (; i < text.size() && text[i] != ' ' && text[i] != '\t'; ++i) {
      if (text[i] == '"') {
        const std::size_t end = text.find('"', i + 1);
        if (end == std::string_view::npos)
          return fail(Code::invalid, std::format("column {}: the quote has no end", i + 1));
        word.values.back() += text.substr(i + 1, end - i - 1);
        i = end;
      } else if (text[i] == ':' && !has_field) {
        has_field = true;
        word.field = std::exchange(word.values.back(), {});
        if (word.field.empty())
          return fail(Code::invalid, std::format("column {}: a field's name is missing", i + 1));
      } else if (text[i] == ',' && has_field) {
        word.values.emplace_back();
      } else {
        word.values.back() += text[i];
      }
    }
    if (has_field && std::ranges::contains(word.values, std::string()))
      return fail(Code::invalid, std::format("column {}: a value is missing after \"{}:\"",
                                             word.column, word.field));
    if (!has_field && word.values.front().empty())
      return fail(Code::invalid, std::format("column {}: a term is missing", word.column));
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace

std::span<const QueryField> query_fields() { return published; }

namespace {

// Fields whose values tell few records from many.
constexpr auto indexed = std::to_array<std::string_view>(
    {"agent", "call", "decision", "finding", "label", "outcome", "prompt", "redaction", "rule",
     "server", "session", "tool", "type", "user", "would"});

constexpr auto indexed_fields = [] {
  std::array<const Field*, indexed.size()> list{};
  std::ranges::transform(indexed, list.begin(), find_field);
  return list;
}();

// The members of a record in which they are, and its time; some twice, and empty ones.
constexpr auto looked_at = [] {
  std::array<std::string_view, 2 * indexed.size() + 1> list{"time"};
  std::size_t count = 1;
  for (const Field* const field : indexed_fields)
    for (const std::string_view path : {field->path, field->other})
      list[count++] = path.substr(0, path.find('.'));
  std::ranges::sort(list);
  return list;
}();

bool is_common(std::string_view value) {
  return value == "allow" || value == "ok" || value == "call.decided" || value == "call.finished";
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

}  // namespace

void index_terms(json::Value record, const TakeTerm& take) {
  std::string value;
  for (const Field* const each : indexed_fields) {
    const Field& field = *each;
    const auto add = [&](json::Value found) {
      const auto text = found.string();
      if (text && !text->empty() && !is_common(*text)) {
        value.assign(*text);
        std::ranges::transform(value, value.begin(), lower);
        take(field.name, value);
      }
      return false;
    };
    (void)any_at(record, field.path, add);
    if (!field.other.empty()) (void)any_at(record, field.other, add);
  }
  if (record["tool"].is_string() && record["server"]["id"].is_string())
    take("tool", lowered(std::format("{}.{}", record["server"]["id"].text_or(""),
                                     record["tool"].text_or(""))));
}

std::string index_part(std::string_view record) {
  std::string out;
  out.reserve(record.size());
  const auto* wanted = looked_at.begin();
  json::Skim skim(record);
  std::string_view key;
  for (skim.enter(); skim.member(key);) {
    const std::string_view value = skim.value();
    while (wanted != looked_at.end() && *wanted < key) ++wanted;  // both are in order
    if (wanted == looked_at.end() || *wanted != key) continue;
    out += out.empty() ? "{\"" : ",\"";
    out.append(key).append("\":").append(value);
  }
  if (skim.odd() || !skim.rest().empty()) return std::string(record);
  return out.empty() ? "{}" : out + '}';
}

struct Query::Term {
  Kind kind = Kind::text;
  bool negated = false;
  bool tool = false;      // also compared as server.tool
  std::string_view name;  // of a field of the list
  std::string path;
  std::string other;
  std::vector<std::string> texts;
  std::vector<Range> ranges;
  base::Time time;

  bool holds(json::Value record) const {
    switch (kind) {
      case Kind::anywhere: return anywhere(record, texts.front());
      case Kind::since:
      case Kind::until: {
        const auto at = date(record["time"].text_or(""));
        return at && (kind == Kind::since) == (*at >= time);
      }
      case Kind::text: {
        const auto text = [&](json::Value value) { return text_holds(value); };
        if (any_at(record, path, text) || (!other.empty() && any_at(record, other, text)))
          return true;
        if (!tool) return false;
        const std::string full =
            std::format("{}.{}", record["server"]["id"].text_or(""), record["tool"].text_or(""));
        return record["tool"].is_string() && record["server"]["id"].is_string() &&
               std::ranges::any_of(texts, [&](const std::string& t) { return follows(full, t); });
      }
      case Kind::number:
      case Kind::nanoseconds:
      case Kind::milliseconds:
        return any_at(record, path, [&](json::Value value) {
          const auto n = value.number();
          return n && std::ranges::any_of(
                          ranges, [&](const Range& r) { return r.low <= *n && *n <= r.high; });
        });
    }
    std::unreachable();
  }

 private:
  bool text_holds(json::Value value) const {
    std::string_view text;
    if (const auto string = value.string())
      text = *string;
    else if (value.is_number())
      text = value.digits();
    else if (const auto truth = value.boolean())
      text = *truth ? "true" : "false";
    else
      return false;
    return std::ranges::any_of(texts, [&](const std::string& t) { return follows(text, t); });
  }
};

Query::Query(std::vector<Term> terms) : terms_(std::move(terms)) {}
Query::Query(Query&&) noexcept = default;
Query& Query::operator=(Query&&) noexcept = default;
Query::~Query() = default;

Result<Query> Query::parse(std::string_view text, base::Time now) {
  if (text.size() > text_limit)
    return fail(Code::too_large, std::format("a query has at most {} bytes", text_limit));
  auto words = split(text);
  if (!words) return std::unexpected(std::move(words).error());
  std::vector<Term> terms;
  for (Word& word : *words) {
    Term term;
    term.negated = word.negated;
    if (word.field.empty()) {
      term.kind = Kind::anywhere;
      term.texts = std::move(word.values);
      terms.push_back(std::move(term));
      continue;
    }
    const auto wrong = [&](std::string_view value, std::string_view expected) {
      return fail(Code::invalid,
                  std::format("column {}: \"{}\" is no {}", word.column, value, expected));
    };
    if (const Field* const field = find_field(word.field); field != nullptr) {
      term.kind = field->kind;
      term.name = field->name;
      term.path = field->path;
      term.other = field->other;
      term.tool = field->name == "tool";
    } else if (word.field.contains('.')) {
      term.path = word.field;
    } else {
      std::vector<std::string_view> names;
      names.reserve(fields.size());
      for (const Field& known : fields) names.push_back(known.name);
      const auto near = base::nearest(word.field, names);
      return fail(
          Code::invalid,
          near ? std::format("column {}: there is no field \"{}\"; did you mean \"{}\"?",
                             word.column, word.field, *near)
               : std::format("column {}: there is no field \"{}\"", word.column, word.field));
    }
    switch (term.kind) {
      case Kind::anywhere: break;
      case Kind::text: term.texts = std::move(word.values); break;
      case Kind::number:
      case Kind::nanoseconds:
      case Kind::milliseconds:
        for (const std::string& value : word.values) {
          const auto found = range(value, term.kind);
          if (!found)
            return wrong(value, term.kind == Kind::number ? "number, as in 5, >1000, <=10 or 10..20"
                                                          : "duration, as in 250ms, >2s or 1s..5s");
          term.ranges.push_back(*found);
        }
        break;
      case Kind::since:
      case Kind::until: {
        const std::string& value = word.values.front();
        const auto ago = duration(value);
        const auto at = date(value);
        const double most = static_cast<double>(now.time_since_epoch().count());
        if (word.values.size() != 1 || (!ago && !at) || word.negated)
          return wrong(value, "point in time, as in 24h, 2026-11-22 or 2026-11-22T14:02");
        // Further back than 1970 is the same as 1970.
        term.time = at ? *at
                       : now - std::chrono::nanoseconds(static_cast<std::int64_t>(
                                   std::clamp(*ago, 0.0, std::max(most, 0.0))));
        break;
      }
    }
    terms.push_back(std::move(term));
  }
  return Query(std::move(terms));
}

bool Query::matches(json::Value record) const {
  return record.is_object() && std::ranges::all_of(terms_, [&](const Term& term) {
           return term.holds(record) != term.negated;
         });
}

std::optional<base::Time> Query::until() const {
  std::optional<base::Time> earliest;
  for (const Term& term : terms_)
    if (term.kind == Kind::until && (!earliest || term.time < *earliest)) earliest = term.time;
  return earliest;
}

std::vector<Query::Hint> Query::hints() const {
  std::vector<Hint> hints;
  for (const Term& term : terms_) {
    if (term.kind != Kind::text || term.negated || !std::ranges::contains(indexed, term.name))
      continue;
    Hint hint{.field = term.name, .values = {}};
    for (const std::string& text : term.texts) hint.values.push_back(lowered(text));
    const auto useless = [](const std::string& value) {
      return value.contains('*') || is_common(value);
    };
    if (std::ranges::none_of(hint.values, useless)) hints.push_back(std::move(hint));
  }
  return hints;
}

std::optional<std::vector<std::string>> Query::members() const {
  std::vector<std::string> all;
  const auto add = [&](std::string_view path) {
    if (!path.empty()) all.emplace_back(path.substr(0, path.find('.')));
  };
  for (const Term& term : terms_) {
    if (term.kind == Kind::anywhere) return std::nullopt;
    add(term.path);
    add(term.other);
    if (term.tool) add("server");
  }
  std::ranges::sort(all);
  const auto again = std::ranges::unique(all);
  all.erase(again.begin(), again.end());
  return all;
}

std::optional<base::Time> Query::since() const {
  std::optional<base::Time> latest;
  for (const Term& term : terms_)
    if (term.kind == Kind::since && (!latest || term.time > *latest)) latest = term.time;
  return latest;
}

}  // namespace latticegate::audit
