#include "policy/sql_facts.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace latticegate::policy {
namespace {

constexpr std::size_t longest = std::size_t{64} * 1024;
constexpr std::size_t deepest = 64;
constexpr std::size_t most_tables = 256;

// Words that begin a statement. What is not here is an unknown verb.
constexpr auto verbs = std::to_array<std::string_view>({
    "alter",   "analyze", "attach",   "begin",    "call",   "commit", "copy",   "create",
    "delete",  "desc",    "describe", "detach",   "do",     "drop",   "exec",   "execute",
    "explain", "grant",   "insert",   "load",     "lock",   "merge",  "pragma", "reindex",
    "rename",  "replace", "revoke",   "rollback", "select", "set",    "show",   "truncate",
    "update",  "use",     "vacuum",   "values",   "with",
});
// Words that change something: seen inside another statement, a lenient database may run them.
constexpr auto changing = std::to_array<std::string_view>({
    "alter",
    "attach",
    "call",
    "copy",
    "create",
    "delete",
    "drop",
    "exec",
    "execute",
    "grant",
    "insert",
    "load",
    "merge",
    "replace",
    "revoke",
    "truncate",
    "update",
});
// Words between the keyword and the name of a table.
constexpr auto fillers = std::to_array<std::string_view>({
    "if",
    "exists",
    "not",
    "only",
    "lateral",
    "table",
    "or",
    "ignore",
    "low_priority",
    "delayed",
    "temporary",
    "temp",
    "into",
    "from",
    "rollback",
    "abort",
    "fail",
    "replace",
});
// Words that end a list of tables.
constexpr auto clauses = std::to_array<std::string_view>({
    "where",
    "group",
    "order",
    "having",
    "limit",
    "union",
    "except",
    "intersect",
    "select",
    "set",
    "values",
    "window",
    "offset",
    "fetch",
    "for",
    "returning",
});

bool is_one_of(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

struct Token {
  enum class Kind : std::uint8_t { end, word, quoted, mark, uncertain };
  Kind kind = Kind::end;
  std::string_view text{};  // word: lower case; quoted: what is inside
  char mark = 0;
};

class Lexer {
 public:
  Lexer(std::string_view text, cedar::Arena& arena) : text_(text), arena_(arena) {}

  Token next() {
    if (!skip()) return {Token::Kind::uncertain};
    if (at_ >= text_.size()) return {};
    const char c = text_[at_];
    if (is_letter(c)) return word();
    if (is_digit(c)) return number();
    if (c == '\'' || c == '"' || c == '`') return quoted(c);
    if (c == '[') return bracket();
    const auto byte = static_cast<unsigned char>(c);
    if (c == '$' && is_digit(peek(1))) return number();
    if (byte >= 0x7F || byte < 0x20 || c == '#' || c == '$' || c == '\\')
      return {Token::Kind::uncertain};
    ++at_;
    return {Token::Kind::mark, {}, c};
  }
  // Whether the next character that counts is '('.
  bool before_parenthesis() {
    std::size_t at = at_;
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at < text_.size() && text_[at] == '(';
  }

 private:
  char peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  // White space and comments. False when it depends on the dialect what is one.
  bool skip() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        ++at_;
      } else if (text_[at_] == '-' && peek(1) == '-') {
        if (at_ + 2 < text_.size() && !is_space(text_[at_ + 2])) return false;
        const auto end = text_.find_first_of("\n\r", at_);
        // A lone carriage return ends a comment for some and not for others.
        if (end != std::string_view::npos && text_[end] == '\r' &&
            (end + 1 >= text_.size() || text_[end + 1] != '\n'))
          return false;
        at_ = end == std::string_view::npos ? text_.size() : end;
      } else if (text_[at_] == '/' && peek(1) == '*') {
        const auto end = text_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return false;
        const std::string_view inside = text_.substr(at_ + 2, end - at_ - 2);
        if (inside.starts_with('!') || inside.starts_with("M!") || inside.starts_with('+') ||
            inside.find("/*") != std::string_view::npos || inside.ends_with('/'))
          return false;
        at_ = end + 2;
      } else {
        return true;
      }
    }
    return true;
  }
  Token word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) ||
                                  (text_[at_] == '$' && is_digit(peek(1)))))
      ++at_;
    const std::string_view text = lowered(text_.substr(start, at_ - start));
    // E'...', N'...', X'...', U&'...': the quotes mean something else then.
    if (at_ < text_.size() && text_[at_] == '\'') return {Token::Kind::uncertain};
    return {Token::Kind::word, text};
  }
  Token number() {
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) ||
                                  text_[at_] == '.' || text_[at_] == '$'))
      ++at_;
    return {Token::Kind::mark, {}, '0'};
  }
  Token quoted(char quote) {
    const std::size_t start = ++at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\' && (peek(1) == quote || peek(1) == '\\'))
        return {Token::Kind::uncertain};
      if (text_[at_] != quote) continue;
      if (peek(1) == quote) {
        ++at_;
        continue;
      }
      const std::string_view inside = text_.substr(start, at_ - start);
      ++at_;
      return {Token::Kind::quoted, lowered(inside), quote};
    }
    return {Token::Kind::uncertain};
  }
  // A name for some databases, an index of an array for others.
  Token bracket() {
    const auto end = text_.find(']', at_);
    if (end == std::string_view::npos) return {Token::Kind::uncertain};
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find_first_of("'\"`;-/*#\\[$") != std::string_view::npos)
      return {Token::Kind::uncertain};
    at_ = end + 1;
    return {Token::Kind::quoted, lowered(inside), '['};
  }
  std::string_view lowered(std::string_view text) {
    if (std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'Z'; })) return text;
    const auto copy = arena_.array<char>(text.size());
    std::ranges::transform(text, copy.begin(), lower);
    return {copy.data(), copy.size()};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  cedar::Arena& arena_;
};

class Reader {
 public:
  Reader(std::string_view sql, cedar::Arena& arena)
      : lexer_(sql, arena), arena_(arena), tables_(arena.array<std::string_view>(most_tables)) {}

  SqlFacts read() {
    bool certain = true;
    for (Token token = lexer_.next(); token.kind != Token::Kind::end; token = lexer_.next()) {
      if (token.kind == Token::Kind::uncertain || !take(token)) {
        certain = false;
        break;
      }
    }
    SqlFacts facts;
    facts.tables = std::span<const std::string_view>(tables_).first(count_);
    if (!certain || verb_.empty() || depth_ != 0) return facts;
    facts.verb = effective_verb();
    facts.multi = multi_ || facts.verb == "unknown";
    return facts;
  }

 private:
  // False when the reader gives up.
  bool take(const Token& token) {
    if (ended_ && !(token.kind == Token::Kind::mark && token.mark == ';')) multi_ = true;
    if (token.kind == Token::Kind::mark) return take_mark(token.mark);
    const bool name = token.kind == Token::Kind::quoted || !take_word(token.text);
    if (name && expecting_ && !add_table(token.text)) return false;
    after_dot_ = false;
    return true;
  }

  bool take_mark(char mark) {
    if (mark == '(') {
      // "from (": what is inside has its own list; "from f(": the name was taken already.
      if (++depth_ >= deepest) return false;
      expecting_ = expecting_ && !joined_;
      listing_[depth_] = expecting_;
      joined_ = false;
    } else if (mark == ')') {
      if (depth_ == 0) return false;
      listing_[depth_--] = false;
      expecting_ = false;
      joined_ = false;
    } else if (mark == ',') {
      expecting_ = listing_[depth_];
      joined_ = false;
    } else if (mark == '.') {
      after_dot_ = true;
      return true;
    } else if (mark == ';') {
      if (depth_ != 0) return false;
      ended_ = true;
      expecting_ = false;
      listing_[0] = false;
      joined_ = false;
    } else {
      expecting_ = false;
      joined_ = false;
    }
    after_dot_ = false;
    return true;
  }

  // Whether the word is one of the language, not a name.
  bool take_word(std::string_view word) {
    if (after_dot_) return false;  // t.from is a column
    if (verb_.empty()) {
      verb_ = is_one_of(verbs, word) ? word : std::string_view("unknown");
      if (word == "insert" || word == "update" || word == "replace" || word == "truncate" ||
          word == "merge" || word == "describe" || word == "desc")
        expecting_ = listing_[depth_] = true;
      previous_ = word;
      return true;
    }
    if (word == "from" || word == "join" || word == "into" || word == "update" || word == "table" ||
        word == "using") {
      if (word == "into" && (verb_ == "select" || verb_ == "with")) writes_ = true;
      note_change(word);
      const bool locks = word == "update" && (previous_ == "for" || previous_ == "key");
      expecting_ = listing_[depth_] = !locks;
      joined_ = false;
      previous_ = word;
      return true;
    }
    if (word == "on") {  // the condition of a join; the list of tables may go on after it
      expecting_ = joined_ = false;
      previous_ = word;
      return true;
    }
    if (expecting_ && is_one_of(fillers, word)) {
      previous_ = word;
      return true;
    }
    note_change(word);
    previous_ = word;
    if (is_one_of(clauses, word)) {
      expecting_ = false;
      listing_[depth_] = false;
      joined_ = false;
      return true;
    }
    return false;
  }

  // A word that changes data inside a statement that reads.
  void note_change(std::string_view word) {
    if (!is_one_of(changing, word)) return;
    // "for update", "on delete", "do update" belong to the statement; replace( is a function.
    if (previous_ == "for" || previous_ == "on" || previous_ == "do" || previous_ == "key") return;
    if (word != "exec" && word != "execute" && lexer_.before_parenthesis()) return;
    if (verb_ == "with") {
      if (change_.empty()) change_ = word;
      return;
    }
    if (verb_ == "merge" || verb_ == "grant" || verb_ == "revoke" || verb_ == "create" ||
        verb_ == "explain")
      return;
    multi_ = true;
  }

  std::string_view effective_verb() const {
    if (verb_ == "with") return change_.empty() ? "select" : change_;
    return writes_ ? "select_into" : verb_;
  }

  bool add_table(std::string_view part) {
    if (joined_ && !after_dot_) return true;  // an alias: "from a b"
    const bool goes_on = joined_;
    if (!goes_on) first_ = count_;
    count_ = first_;  // of "hr.salary" not "hr"
    last_ = goes_on ? join(last_, part) : part;
    joined_ = true;
    return put(part) && (!goes_on || put(last_));
  }
  std::string_view join(std::string_view a, std::string_view b) {
    const auto room = arena_.array<char>(a.size() + 1 + b.size());
    auto out = std::ranges::copy(a, room.begin()).out;
    *out++ = '.';
    std::ranges::copy(b, out);
    return {room.data(), room.size()};
  }
  bool put(std::string_view table) {
    if (count_ >= tables_.size()) return false;
    tables_[count_++] = table;
    return true;
  }

  Lexer lexer_;
  cedar::Arena& arena_;
  std::span<std::string_view> tables_;
  std::size_t count_ = 0;
  std::size_t first_ = 0;                    // where the name that is being read begins in tables_
  std::array<bool, deepest + 1> listing_{};  // per depth: a comma is followed by a table
  std::size_t depth_ = 0;
  std::string_view verb_;
  std::string_view change_;    // with: the first word that changes something
  std::string_view previous_;  // the last word of the language
  std::string_view last_;      // the name so far: "hr" of "hr.salary"
  bool expecting_ = false;     // a name here is a table
  bool joined_ = false;        // a name was just taken
  bool after_dot_ = false;
  bool ended_ = false;  // a semicolon was seen
  bool multi_ = false;
  bool writes_ = false;
};

}  // namespace

SqlFacts sql_facts(std::string_view sql, cedar::Arena& arena) {
  if (sql.size() > longest) return {};
  return Reader(sql, arena).read();
}

bool looks_like_sql(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && (is_space(text[at]) || text[at] == '(')) ++at;
  if (text.substr(at).starts_with("--") || text.substr(at).starts_with("/*")) return true;
  std::array<char, 12> word{};
  std::size_t length = 0;
  while (at < text.size() && is_letter(text[at]) && length < word.size())
    word[length++] = lower(text[at++]);
  if (at < text.size() && !is_space(text[at]) && text[at] != '(' && text[at] != '*' &&
      text[at] != '/' && text[at] != '-')
    return false;
  static_assert(std::ranges::is_sorted(verbs));
  return std::ranges::binary_search(verbs, std::string_view(word.data(), length));
}

}  // namespace latticegate::policy
