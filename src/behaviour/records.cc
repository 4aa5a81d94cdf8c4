#include "behaviour/records.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace latticegate::behaviour {
namespace {

constexpr std::uint32_t deepest = 6;  // the root counts as one

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_word(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// ---- JSON inside text
// ------------------------------------------------------------------------------------------------

// Where a JSON string ends: just behind its closing quote, or the end of the text. `at` is behind
// the opening quote. Eight bytes at a time while there are eight: the lowest high bit that is set
// stands in the first byte that is a quote or a backslash.
std::size_t skip_string(std::string_view text, std::size_t at) {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t highs = 0x8080808080808080U;
  const auto zeros = [](std::uint64_t w) { return (w - ones) & ~w & highs; };
  while (at + 8 <= text.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
    const std::uint64_t found = zeros(word ^ ones * '"') | zeros(word ^ ones * '\\');
    if (found == 0) {
      at += 8;
      continue;
    }
    at += static_cast<std::size_t>(std::countr_zero(found)) / 8;
    if (text[at] == '"') return at + 1;
    at += 2;
  }
  for (; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return text.size();
}

// True when the text at the bracket looks like JSON and not like "[FILE] name" or a block of code.
bool begins_json(std::string_view text) {
  const char open = text.front();
  text.remove_prefix(1);
  const std::size_t next = text.find_first_not_of(" \t\r\n");
  if (next == std::string_view::npos) return true;
  text.remove_prefix(next);
  const char c = text.front();
  if (open == '{') return c == '"' || c == '}';
  return c == '{' || c == '[' || c == '"' || c == ']' || c == '-' || is_digit(c) ||
         text.starts_with("true") || text.starts_with("false") || text.starts_with("null");
}

struct JsonRun {
  std::size_t end = 0;        // behind the value
  std::uint64_t longest = 0;  // array at depth <= deepest
};

// Walks one JSON value leniently: brackets are counted, not matched, and a text that was cut ends
// it.
JsonRun walk_json(std::string_view text, std::size_t at) {
  struct Level {
    bool array = false;
    bool filled = false;
    std::uint64_t commas = 0;
  };
  std::array<Level, deepest + 1> levels{};
  JsonRun run;
  std::size_t depth = 0;
  const auto close = [&](std::size_t level) {
    if (level > deepest || !levels[level].array) return;
    run.longest = std::max(run.longest, levels[level].commas + (levels[level].filled ? 1 : 0));
  };
  while (at < text.size()) {
    const char c = text[at++];
    switch (c) {
      case ' ':
      case '\t':
      case '\r':
      case '\n': break;
      case '[':
      case '{':
        if (depth >= 1 && depth <= deepest) levels[depth].filled = true;
        ++depth;
        if (depth <= deepest) levels[depth] = {.array = c == '['};
        break;
      case ']':
      case '}':
        close(depth);
        if (--depth == 0) {
          run.end = at;
          return run;
        }
        break;
      case ',':
        if (depth <= deepest) ++levels[depth].commas;
        break;
      case '"':
        at = skip_string(text, at);
        if (depth <= deepest) levels[depth].filled = true;
        break;
      default:
        if (depth <= deepest) levels[depth].filled = true;
    }
  }
  for (std::size_t level = std::min<std::size_t>(depth, deepest); level > 0; --level) close(level);
  run.end = text.size();
  return run;
}

// ---- tables and listings in text
// -----------------------------------------------------------------------------------

constexpr std::string_view delimiters = ",\t;|";

// "-----+------", "|---|:--|", "=====": at least three dashes and nothing but what tables draw
// lines with.
bool is_ruler(std::string_view line) {
  std::size_t dashes = 0;
  for (const char c : line) {
    if (c == '-' || c == '=')
      ++dashes;
    else if (c != '+' && c != '|' && c != ':' && c != ' ')
      return false;
  }
  return dashes >= 3;
}

bool is_listing(std::string_view line) {
  if (line.size() < 3) return false;
  if ((line[0] == '-' || line[0] == '*' || line[0] == '+') && line[1] == ' ') return true;
  if (line[0] == '/' && !line.starts_with("//") && !line.starts_with("/*")) return true;
  std::size_t digits = 0;
  while (digits < line.size() && is_digit(line[digits])) ++digits;
  if (digits > 0 && digits + 1 < line.size() && (line[digits] == '.' || line[digits] == ')') &&
      line[digits + 1] == ' ')
    return true;
  if (line[0] != '[') return false;
  const std::size_t end = line.find(']');
  return end != std::string_view::npos && end > 1 && end <= 16 &&
         std::ranges::all_of(line.substr(1, end - 1),
                             [](char c) { return is_word(c) || c == ' '; });
}

// "(5 rows)", "5 rows in set": the number, or nothing.
std::optional<std::uint64_t> row_notice(std::string_view line) {
  if (line.starts_with('(')) line.remove_prefix(1);
  std::uint64_t rows = 0;
  std::size_t digits = 0;
  while (digits < line.size() && digits < 10 && is_digit(line[digits])) {
    rows = rows * 10 + static_cast<std::uint64_t>(line[digits] - '0');
    ++digits;
  }
  if (digits == 0 || !line.substr(digits).starts_with(" row")) return std::nullopt;
  return rows;
}

// Takes lines one after the other and counts rows of whatever table they form.
class Lines {
 public:
  // `counts` per delimiter, outside quotes.
  void take(std::string_view line, const std::array<std::uint32_t, delimiters.size()>& counts) {
    ++lines_;
    const bool ruler = is_ruler(line);
    if (line.starts_with('|') || (ruler && line.starts_with('+'))) {
      take_piped(ruler);
      take_delimited({});  // its bars are not those of delimited values
    } else {
      end_piped();
      take_ruled(line, ruler);
      take_delimited(counts);
    }
    if (is_listing(line)) {
      ++listed_;
    } else {
      end_listing();
    }
    if (const auto rows = row_notice(line)) noticed_ = std::max(noticed_, std::min(*rows, lines_));
    previous_blank_ = line.empty();
  }

  std::uint64_t finish() {
    end_piped();
    end_listing();
    take_delimited({});
    return std::max({tables_, *std::ranges::max_element(delimited_), listings_, noticed_});
  }

 private:
  void take_piped(bool ruler) {
    in_ruled_ = false;
    if (ruler)
      piped_ruler_ = true;
    else
      ++piped_;
  }
  void end_piped() {
    if (piped_ > 0) tables_ += piped_ruler_ ? piped_ - 1 : piped_;  // the header is no row
    piped_ = 0;
    piped_ruler_ = false;
  }
  // psql's form: a header, a ruler, rows until a blank line or the notice.
  void take_ruled(std::string_view line, bool ruler) {
    if (ruler && !previous_blank_ && lines_ > 1) {
      in_ruled_ = true;
    } else if (line.empty() || row_notice(line)) {
      in_ruled_ = false;
    } else if (in_ruled_) {
      ++tables_;
    }
  }
  void take_delimited(const std::array<std::uint32_t, delimiters.size()>& counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      Run& run = runs_[i];
      if (counts[i] == run.columns && counts[i] > 0) {
        ++run.lines;
        continue;
      }
      // A sentence has a comma too: few columns need more lines before they are a table.
      if (run.columns > 0 && run.lines >= (run.columns >= 2 ? 3U : 5U))
        delimited_[i] += run.lines - 1;
      run = {.columns = counts[i], .lines = counts[i] > 0 ? 1U : 0U};
    }
  }
  void end_listing() {
    if (listed_ >= 3) listings_ += listed_;
    listed_ = 0;
  }

  struct Run {
    std::uint32_t columns = 0;
    std::uint64_t lines = 0;
  };
  std::array<Run, delimiters.size()> runs_{};
  std::array<std::uint64_t, delimiters.size()> delimited_{};
  std::uint64_t lines_ = 0;
  std::uint64_t piped_ = 0;
  std::uint64_t tables_ = 0;
  std::uint64_t listed_ = 0;
  std::uint64_t listings_ = 0;
  std::uint64_t noticed_ = 0;
  bool piped_ruler_ = false;
  bool in_ruled_ = false;
  bool previous_blank_ = true;
};

// What a byte means inside a line.
enum class Mark : std::uint8_t { none, newline, quote, bracket, delimiter };
constexpr auto marks = [] {
  std::array<Mark, 256> table{};
  table['\n'] = Mark::newline;
  table['"'] = Mark::quote;
  table['['] = table['{'] = Mark::bracket;
  for (const char c : delimiters) table[static_cast<unsigned char>(c)] = Mark::delimiter;
  return table;
}();

// ---- trees
// -------------------------------------------------------------------------------------------------------------

std::uint64_t longest_array(json::Value value, std::uint32_t depth) {
  std::uint64_t longest = value.is_array() ? value.size() : 0;
  if (depth == deepest) return longest;
  for (const json::Value element : value.elements()) {
    if (element.is_array() || element.is_object())
      longest = std::max(longest, longest_array(element, depth + 1));
  }
  for (const json::Member member : value.members()) {
    if (member.value.is_array() || member.value.is_object())
      longest = std::max(longest, longest_array(member.value, depth + 1));
  }
  return longest;
}

// The largest count of any longer text in the tree: some servers put a whole table into one string.
std::uint64_t largest_text(json::Value value, std::uint32_t depth) {
  constexpr std::size_t worth_a_look = 64;
  if (const auto text = value.string())
    return text->size() < worth_a_look ? 0 : count_records_in_text(*text);
  if (depth == deepest) return 0;
  std::uint64_t largest = 0;
  for (const json::Value element : value.elements())
    largest = std::max(largest, largest_text(element, depth + 1));
  for (const json::Member member : value.members())
    largest = std::max(largest, largest_text(member.value, depth + 1));
  return largest;
}

std::uint64_t count_tree(json::Value value) {
  if (!value.exists()) return 0;
  return std::max(longest_array(value, 1), largest_text(value, 1));
}

// One block of content: its text, the text of its resource, or one thing.
std::uint64_t count_block(json::Value block) {
  if (const auto text = block["text"].string()) return count_records_in_text(*text);
  if (const auto text = block["resource"]["text"].string()) return count_records_in_text(*text);
  return 1;
}

// ---- arguments
// -----------------------------------------------------------------------------------------------------

// Keys that say how many, in lower case without separators; sorted.
constexpr auto count_keys = std::to_array<std::string_view>(
    {"amount",     "batchsize", "count",       "fetchsize",   "first",    "howmany",
     "last",       "limit",     "maxcount",    "maxentries",  "maxitems", "maxrecords",
     "maxresults", "maxrows",   "nresults",    "numresults",  "numrows",  "pagelimit",
     "pagesize",   "perpage",   "recordlimit", "resultlimit", "rowcount", "rowlimit",
     "rows",       "size",      "take",        "top",         "topk"});
static_assert(std::ranges::is_sorted(count_keys));
// Of these a negative number means "no limit" by a wide-spread custom.
constexpr auto limit_keys = std::to_array<std::string_view>(
    {"limit", "maxcount", "maxentries", "maxitems", "maxrecords", "maxresults", "maxrows",
     "pagelimit", "pagesize", "perpage", "recordlimit", "resultlimit", "rowlimit"});
static_assert(std::ranges::is_sorted(limit_keys));
constexpr auto sql_keys =
    std::to_array<std::string_view>({"command", "q", "query", "sql", "statement"});
static_assert(std::ranges::is_sorted(sql_keys));
constexpr std::uint64_t no_limit = std::uint64_t{1} << 31;

// A key without separators, in lower case; cut at the longest that could match.
class PlainKey {
 public:
  explicit PlainKey(std::string_view key) {
    for (const char c : key) {
      if (c == '_' || c == '-' || c == '.' || c == ' ' || c == '$') continue;
      if (size_ == text_.size()) {
        size_ = 0;  // longer than any key we know
        return;
      }
      text_[size_++] = lower(c);
    }
  }
  bool in(std::span<const std::string_view> sorted) const {
    return std::ranges::binary_search(sorted, std::string_view(text_.data(), size_));
  }

 private:
  std::array<char, 16> text_{};
  std::size_t size_ = 0;
};

std::optional<std::uint64_t> larger(std::optional<std::uint64_t> a,
                                    std::optional<std::uint64_t> b) {
  return a < b ? b : a;  // nothing is less than any number
}

std::optional<std::uint64_t> digits_of(std::string_view text) {
  if (text.empty() || text.size() > 12 || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) number = number * 10 + static_cast<std::uint64_t>(c - '0');
  return number;
}

bool begins_with_word(std::string_view text, std::string_view word) {
  if (text.size() <= word.size() || is_word(text[word.size()])) return false;
  for (std::size_t i = 0; i < word.size(); ++i)
    if (lower(text[i]) != word[i]) return false;
  return true;
}

bool begins_query(std::string_view text) {
  text = trimmed(text);
  return begins_with_word(text, "select") || begins_with_word(text, "with");
}

std::optional<std::uint64_t> asked_by_member(std::string_view key, json::Value value) {
  const PlainKey plain(key);
  if (value.is_number()) {
    if (!plain.in(count_keys)) return std::nullopt;
    const auto number = value.integral();
    if (number && *number >= 0) return static_cast<std::uint64_t>(*number);
    if (number && plain.in(limit_keys)) return no_limit;
    return std::nullopt;
  }
  const auto text = value.string();
  if (!text) return std::nullopt;
  if (plain.in(count_keys)) return digits_of(*text);
  if (plain.in(sql_keys) || begins_query(*text)) return sql_limit(*text);
  return std::nullopt;
}

std::optional<std::uint64_t> asked_in(json::Value value, std::uint32_t depth) {
  std::optional<std::uint64_t> asked;
  if (value.is_array()) asked = value.size();
  for (const json::Member member : value.members()) {
    if (member.value.is_array() || member.value.is_object()) {
      if (depth < deepest) asked = larger(asked, asked_in(member.value, depth + 1));
    } else {
      asked = larger(asked, asked_by_member(member.key, member.value));
    }
  }
  if (depth == deepest) return asked;
  for (const json::Value element : value.elements()) {
    if (element.is_array() || element.is_object())
      asked = larger(asked, asked_in(element, depth + 1));
  }
  return asked;
}

// ---- SQL
// -----------------------------------------------------------------------------------------------------------

// Hands out words, numbers and punctuation of an SQL text; strings, quoted names and comments are
// jumped over.
class SqlTokens {
 public:
  explicit SqlTokens(std::string_view sql) : sql_(sql) {}

  // Empty at the end.
  std::string_view next() {
    while (at_ < sql_.size()) {
      const char c = sql_[at_];
      if (is_space(c)) {
        ++at_;
      } else if (c == '\'' || c == '"' || c == '`') {
        jump(sql_.find(c, at_ + 1), 1);
      } else if (sql_.substr(at_).starts_with("--")) {
        jump(sql_.find('\n', at_), 1);
      } else if (sql_.substr(at_).starts_with("/*")) {
        jump(sql_.find("*/", at_ + 2), 2);
      } else if (c == '$' && dollar_quoted()) {
        // jumped
      } else {
        std::size_t end = at_ + 1;
        if (is_word(c))
          while (end < sql_.size() && is_word(sql_[end])) ++end;
        const std::string_view token = sql_.substr(at_, end - at_);
        at_ = end;
        return token;
      }
    }
    return {};
  }

 private:
  void jump(std::size_t found, std::size_t length) {
    at_ = found == std::string_view::npos ? sql_.size() : found + length;
  }
  // PostgreSQL's $tag$ ... $tag$.
  bool dollar_quoted() {
    std::size_t end = at_ + 1;
    while (end < sql_.size() && is_word(sql_[end])) ++end;
    if (end == sql_.size() || sql_[end] != '$') return false;
    const std::string_view tag = sql_.substr(at_, end + 1 - at_);
    jump(sql_.find(tag, end + 1), tag.size());
    return true;
  }

  std::string_view sql_;
  std::size_t at_ = 0;
};

bool same_word(std::string_view token, std::string_view word) {
  return std::ranges::equal(token, word, {}, lower);
}

}  // namespace

std::uint64_t count_records_in_text(std::string_view text) {
  if (trimmed(text).empty()) return 0;
  Lines lines;
  std::uint64_t values = 0;
  std::uint64_t longest = 0;
  std::size_t line = 0;
  bool quoted = false;
  std::array<std::uint32_t, delimiters.size()> counts{};
  const auto end_line = [&](std::size_t end) {
    lines.take(trimmed(text.substr(line, end - line)), counts);
    line = end + 1;
    quoted = false;
    counts = {};
  };
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    switch (marks[static_cast<unsigned char>(c)]) {
      case Mark::none: break;
      case Mark::newline: end_line(at); break;
      case Mark::quote: quoted = !quoted; break;
      case Mark::delimiter:
        if (!quoted) ++counts[delimiters.find(c)];
        break;
      case Mark::bracket:
        if (quoted || !begins_json(text.substr(at))) break;
        const JsonRun run = walk_json(text, at);
        ++values;
        longest = std::max(longest, run.longest);
        at = run.end;
        continue;
    }
    ++at;
  }
  if (line < text.size()) end_line(text.size());
  return std::max({std::uint64_t{1}, values, longest, lines.finish()});
}

std::uint64_t count_records(json::Value result) {
  if (!result.exists()) return 0;
  const json::Value blocks = result["content"].is_array() ? result["content"] : result["contents"];
  if (!blocks.is_array())
    return count_tree(result["structuredContent"] ? result["structuredContent"] : result);
  std::uint64_t content = 0;
  for (const json::Value block : blocks.elements()) content += count_block(block);
  return std::max(content, count_tree(result["structuredContent"]));
}

std::optional<std::uint64_t> asked_records(json::Value arguments) { return asked_in(arguments, 1); }

std::optional<std::uint64_t> sql_limit(std::string_view sql) {
  SqlTokens tokens(sql);
  std::optional<std::uint64_t> found;
  int depth = 0;
  std::string_view token = tokens.next();
  while (!token.empty()) {
    if (token == "(") ++depth;
    if (token == ")") --depth;
    if (depth > 0 || !is_word(token.front())) {
      token = tokens.next();
      continue;
    }
    const bool limit = same_word(token, "limit");
    const bool top = same_word(token, "top");
    const bool fetch = same_word(token, "fetch");
    token = tokens.next();
    if (!limit && !top && !fetch) continue;
    if (top && token == "(") token = tokens.next();
    if (fetch && (same_word(token, "first") || same_word(token, "next"))) token = tokens.next();
    auto number = digits_of(token);
    if (!number) continue;
    token = tokens.next();
    if (limit && token == ",") {  // MySQL: LIMIT offset, count
      token = tokens.next();
      if (const auto count = digits_of(token)) number = count;
    }
    found = larger(found, number);
    if (top && token == ")") token = tokens.next();
  }
  return found;
}

}  // namespace latticegate::behaviour
