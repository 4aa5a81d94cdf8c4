#include "cedar/format.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <utility>
#include <vector>

#include "cedar/detail/lexer.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t width = 100;
constexpr std::size_t step = 2;  // columns of one level

struct Comment {
  std::string_view text;
  bool apart = false;  // an empty line stood before it
};

// A token with the comments around it.
struct Item {
  Token token = Token::end;
  std::string_view text;
  std::vector<Comment> before;  // on lines of their own
  std::string_view after;       // on the same line; empty: none
  bool apart = false;           // an empty line stood before it, or before its comments
  bool glued = false;           // nothing stood before it

  bool is(std::string_view word) const { return token == Token::identifier && text == word; }
};

std::size_t line_ends(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

// The comments between two tokens; the first one belongs to the token before if it stands on its
// line.
void add_comments(std::string_view gap, Item* before, Item& after) {
  bool same_line = before != nullptr;
  while (true) {
    const std::size_t begin = gap.find("//");
    const std::string_view space = gap.substr(0, begin);
    const std::size_t ends = line_ends(space);
    if (begin == std::string_view::npos) {
      after.apart = ends > 1;
      return;
    }
    same_line = same_line && ends == 0;
    const std::size_t end = std::min(gap.find_first_of("\r\n", begin), gap.size());
    std::string_view text = gap.substr(begin, end - begin);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    if (same_line)
      before->after = text;
    else
      after.before.push_back({text, ends > 1});
    same_line = false;
    // A comment that a CR ends is as good as on a line of its own.
    gap.remove_prefix(end);
  }
}

std::vector<Item> items_of(std::string_view text) {
  const Lexed lexed = lex(text);
  std::vector<Item> items;
  items.reserve(lexed.tokens.size());
  std::size_t end = 0;
  for (const Lexeme& lexeme : lexed.tokens) {
    Item item{.token = lexeme.token,
              .text = text.substr(lexeme.begin, lexeme.end - lexeme.begin),
              .before = {},
              .after = {}};
    add_comments(text.substr(end, lexeme.begin - end), items.empty() ? nullptr : &items.back(),
                 item);
    item.glued = lexeme.begin == end && end != 0;
    items.push_back(std::move(item));
    end = lexeme.end;
  }
  return items;
}

bool is_open(Token token) {
  return token == Token::left_paren || token == Token::left_bracket || token == Token::left_brace;
}
bool is_close(Token token) {
  return token == Token::right_paren || token == Token::right_bracket ||
         token == Token::right_brace;
}

// A word after which something new begins: no function, no variable.
bool is_keyword(const Item& item) {
  static constexpr std::array<std::string_view, 10> words = {
      "if", "then", "else", "in", "is", "has", "like", "permit", "forbid", "when"};
  return item.token == Token::identifier && std::ranges::contains(words, item.text);
}

// Whether something that `item` ends can be called, indexed or subtracted from.
bool ends_operand(const Item& item) {
  switch (item.token) {
    case Token::identifier: return !is_keyword(item);
    case Token::integer:
    case Token::string:
    case Token::slot:
    case Token::right_paren:
    case Token::right_bracket:
    case Token::right_brace: return true;
    default: return false;
  }
}

class Layout {
 public:
  explicit Layout(const std::vector<Item>& items) : items_(items) {}

  std::string run() {
    std::size_t at = 0;
    while (items_[at].token != Token::end) {
      std::size_t end = at;
      while (items_[end].token != Token::semicolon) ++end;
      begin_policy(items_[at]);
      policy(at, end);
      at = end + 1;
    }
    const Item& last = items_[at];
    if (!last.before.empty() && !out_.empty()) out_ += '\n';
    for (std::size_t i = 0; i < last.before.size(); ++i) {
      if (i > 0 && last.before[i].apart) out_ += '\n';
      line(0, last.before[i].text);
    }
    return std::move(out_);
  }

 private:
  void line(std::size_t indent, std::string_view text) {
    out_.append(indent, ' ');
    out_ += text;
    out_ += '\n';
  }

  void begin_policy(const Item& first) {
    if (!out_.empty()) out_ += '\n';
    for (std::size_t i = 0; i < first.before.size(); ++i) {
      if (i > 0 && first.before[i].apart) out_ += '\n';
      line(0, first.before[i].text);
    }
    if (!first.before.empty() && first.apart) out_ += '\n';
  }

  void policy(std::size_t at, std::size_t end) {
    const std::size_t first = at;
    while (items_[at].token == Token::at) {
      std::size_t next = at + 2;
      if (items_[next].token == Token::left_paren) next += 3;
      lines(at, next, 0, at == first);
      at = next;
    }
    const std::size_t open = at + 1;
    std::size_t next = matching(open) + 1;
    for (bool head = true;; head = false) {
      // The semicolon belongs to whatever is last.
      const std::size_t until = next == end ? end + 1 : next;
      if (head)
        lines(at, until, 0, at == first);
      else
        condition(at, until);
      if (next == end) return;
      at = next;
      next = matching(brace_of(at)) + 1;
    }
  }

  // The opening brace of a condition: `when {`, `unless temporal {`.
  std::size_t brace_of(std::size_t at) const {
    return items_[at + 1].token == Token::left_brace ? at + 1 : at + 2;
  }

  void condition(std::size_t at, std::size_t until) {
    const std::string one = one_line(at, until);
    if (!has_comments(at, until) && one.size() <= width) {
      comments(items_[at], 0);
      end_line(one, until);
      return;
    }
    const std::size_t inside = brace_of(at) + 1;
    const std::size_t close = matching(inside - 1);
    comments(items_[at], 0);
    hoist(at, inside, 0);
    end_line(one_line(at, inside), inside);
    lines(inside, close, step, false);
    comments(items_[close], step);
    hoist(close, until, step);
    end_line(one_line(close, until), until);
  }

  // The tokens [from, to) as lines.
  void lines(std::size_t from, std::size_t to, std::size_t indent, bool comments_are_written) {
    if (from == to) return;
    if (!comments_are_written) comments(items_[from], indent);
    const std::string one = one_line(from, to);
    if (!has_comments(from, to) && indent + one.size() <= width) {
      out_.append(indent, ' ');
      end_line(one, to);
      return;
    }
    std::vector<std::size_t> cuts = cuts_of_if(from, to);
    for (const Token token : {Token::logical_or, Token::logical_and, Token::comma})
      if (cuts.empty()) cuts = cuts_after(from, to, token);
    if (!cuts.empty()) {
      std::size_t begin = from;
      cuts.push_back(to);
      for (const std::size_t cut : cuts) {
        lines(begin, cut, indent, begin == from);
        begin = cut;
      }
      return;
    }
    if (const std::size_t open = longest_group(from, to); open != to) {
      const std::size_t close = matching(open);
      hoist(from, open + 1, indent);
      out_.append(indent, ' ');
      end_line(one_line(from, open + 1), open + 1);
      lines(open + 1, close, indent + step, false);
      lines(close, to, indent, false);
      return;
    }
    hoist(from, to, indent);
    out_.append(indent, ' ');
    end_line(one, to);
  }

  void comments(const Item& item, std::size_t indent) {
    for (const Comment& comment : item.before) line(indent, comment.text);
  }

  // Comments from the middle of what becomes one line, above it.
  void hoist(std::size_t from, std::size_t to, std::size_t indent) {
    for (std::size_t i = from; i < to; ++i) {
      if (i > from) comments(items_[i], indent);
      if (i + 1 < to && !items_[i].after.empty()) line(indent, items_[i].after);
    }
  }

  bool has_comments(std::size_t from, std::size_t to) const {
    for (std::size_t i = from; i < to; ++i) {
      if (i > from && !items_[i].before.empty()) return true;
      if (i + 1 < to && !items_[i].after.empty()) return true;
    }
    return false;
  }

  void end_line(std::string_view text, std::size_t to) {
    out_ += text;
    if (!items_[to - 1].after.empty()) {
      out_ += ' ';
      out_ += items_[to - 1].after;
    }
    out_ += '\n';
  }

  std::size_t matching(std::size_t open) const {
    std::size_t depth = 0;
    for (std::size_t i = open;; ++i) {
      if (is_open(items_[i].token)) ++depth;
      if (is_close(items_[i].token) && --depth == 0) return i;
    }
  }

  // After each such token outside of brackets, except at the very end.
  std::vector<std::size_t> cuts_after(std::size_t from, std::size_t to, Token token) const {
    std::vector<std::size_t> cuts;
    for (std::size_t i = from; i < to; ++i) {
      if (is_open(items_[i].token)) {
        i = matching(i);
        if (i >= to) break;
      } else if (items_[i].token == token && i + 1 < to) {
        cuts.push_back(i + 1);
      }
    }
    return cuts;
  }

  // Before `then` and `else` of an `if` that everything here belongs to.
  std::vector<std::size_t> cuts_of_if(std::size_t from, std::size_t to) const {
    std::vector<std::size_t> cuts;
    if (!items_[from].is("if")) return cuts;
    std::size_t depth = 0;
    for (std::size_t i = from + 1; i < to; ++i) {
      if (is_open(items_[i].token)) i = matching(i);
      if (i >= to) break;
      if (items_[i].is("if")) ++depth;
      if (depth == 0 && (items_[i].is("then") || items_[i].is("else"))) cuts.push_back(i);
      if (depth > 0 && items_[i].is("else")) --depth;
    }
    return cuts;
  }

  // The opening bracket of the longest group that holds something, or `to`.
  std::size_t longest_group(std::size_t from, std::size_t to) const {
    std::size_t best = to;
    std::size_t length = 1;
    for (std::size_t i = from; i < to; ++i) {
      if (!is_open(items_[i].token)) continue;
      const std::size_t close = matching(i);
      if (close >= to) break;
      if (close - i > length) {
        best = i;
        length = close - i;
      }
      i = close;
    }
    return best;
  }

  bool space_between(std::size_t i) const {  // items_[i - 1] and items_[i]
    const Item& left = items_[i - 1];
    const Item& right = items_[i];
    // The window of a temporal operator: 15m.
    if (left.token == Token::integer && right.token == Token::identifier && right.glued)
      return false;
    if (begins_condition(i)) return true;
    // An event and its fields: Action::"a"::request{...}.
    if (right.token == Token::left_brace && left.token == Token::identifier && i >= 2 &&
        items_[i - 2].token == Token::path)
      return false;
    switch (left.token) {
      case Token::left_paren:
      case Token::left_bracket:
      case Token::dot:
      case Token::path:
      case Token::exclaim:
      case Token::at: return false;
      case Token::left_brace: return i >= 2 && opens_condition(i - 1);
      case Token::minus:
        if (i < 2 || !ends_operand(items_[i - 2])) return false;
        break;
      default: break;
    }
    switch (right.token) {
      case Token::right_paren:
      case Token::right_bracket:
      case Token::comma:
      case Token::semicolon:
      case Token::dot:
      case Token::path:
      case Token::colon: return false;
      case Token::left_paren: return !(left.token == Token::identifier && !is_keyword(left));
      case Token::left_bracket: return !ends_operand(left);
      case Token::right_brace: return closes_condition(i);
      default: return true;
    }
  }
  // In a temporal condition: what comes behind a window, a list of variables, or one of its words.
  bool begins_condition(std::size_t i) const {
    static constexpr std::array<std::string_view, 3> words = {"where", "for", "exists"};
    static constexpr std::array<std::string_view, 4> after = {"where", "formerly", "previous",
                                                              "exists"};
    const Item& left = items_[i - 1];
    const Item& right = items_[i];
    const bool opens = right.token == Token::left_paren;
    if (left.token == Token::dot)
      return i >= 2 && items_[i - 2].token == Token::right_paren &&
             (opens ||
              (right.token == Token::identifier && std::ranges::contains(after, right.text)));
    if (left.token != Token::identifier || !opens) return false;
    return std::ranges::contains(words, left.text) ||
           (left.glued && i >= 2 && items_[i - 2].token == Token::integer);
  }
  bool opens_condition(std::size_t brace) const {
    const std::size_t word = items_[brace - 1].is("temporal") ? brace - 2 : brace - 1;
    return items_[word].is("when") || items_[word].is("unless");
  }
  bool closes_condition(std::size_t brace) const {
    const Item& next = items_[brace + 1];
    return next.token == Token::semicolon || next.is("when") || next.is("unless");
  }

  std::string one_line(std::size_t from, std::size_t to) const {
    std::string out;
    for (std::size_t i = from; i < to; ++i) {
      if (i > from && space_between(i)) out += ' ';
      out += items_[i].text;
    }
    return out;
  }

  const std::vector<Item>& items_;
  std::string out_;
};

bool same_policies(std::span<const Policy> a, std::span<const Policy> b) {
  return std::ranges::equal(a, b, [](const Policy& x, const Policy& y) { return same(x, y); });
}

}  // namespace

base::Result<std::string> format_policies(std::string_view text, std::string_view file) {
  constexpr PolicyLimits limits{.temporal = true};
  const auto before = parse_policies(text, file, Naming::by_order, limits);
  if (!before) return std::unexpected(before.error());
  // A comment that moved up lets the lines around it be joined: until nothing moves any more.
  constexpr int most_rounds = 16;
  std::string out(text);
  for (int round = 0; round < most_rounds; ++round) {
    std::string next = Layout(items_of(out)).run();
    const auto after = parse_policies(next, file, Naming::by_order, limits);
    if (!after || !same_policies(before->policies(), after->policies()) ||
        !same_policies(before->templates(), after->templates()))
      return base::fail(base::Code::internal,
                        std::format("{}: the layout would change the policies", file));
    if (next == out) break;
    out = std::move(next);
  }
  return out;
}

}  // namespace latticegate::cedar
