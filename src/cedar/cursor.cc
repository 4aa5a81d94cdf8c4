#include <format>
#include <string>
#include <string_view>

#include "cedar/detail/cursor.h"

namespace latticegate::cedar {
namespace {

// What people coming from other languages write here.
std::string_view hint_for(Token token, std::string_view word) {
  switch (token) {
    case Token::assign: return "comparison is written `==`";
    case Token::slash: return "division is not supported; comments begin with `//`";
    case Token::percent: return "remainder is not supported";
    case Token::slot: return "slots stand only in the scope, after == or in";
    case Token::equal:
    case Token::unequal:
    case Token::less:
    case Token::less_equal:
    case Token::greater:
    case Token::greater_equal: return "comparisons do not chain; use parentheses";
    default: break;
  }
  if (token != Token::identifier) return {};
  if (word == "if") return "an `if` inside an operand needs parentheses around it";
  if (word == "and" || word == "AND") return "the logical and is written `&&`";
  if (word == "or" || word == "OR") return "the logical or is written `||`";
  if (word == "not" || word == "NOT") return "negation is written `!`";
  if (word == "in" || word == "is" || word == "has" || word == "like")
    return "comparisons do not chain; use parentheses";
  return {};
}

}  // namespace

bool Cursor::fail(std::uint32_t offset, std::string_view message, base::Code code) {
  if (error_) return false;
  const Location place = file_.locate(offset);
  error_ =
      base::Error{code, std::format("{}:{}:{}: {}", place.file, place.line, place.column, message)};
  return false;
}

bool Cursor::expected(std::string_view what, std::string_view hint) {
  const Lexeme& found = peek();
  if (found.token == Token::bad) return fail(found.begin, lexed_.complaint);
  if (hint.empty()) hint = hint_for(found.token, text(found));
  std::string message = std::format("expected {}, found {}", what, describe(found, file_.text));
  if (!hint.empty()) message += std::format(" ({})", hint);
  return fail(found.begin, message);
}

bool Cursor::expect_word(std::string_view word) {
  if (take_word(word)) return true;
  return expected(std::format("`{}`", word));
}

bool Cursor::name(std::string_view what, std::string_view& out) {
  if (!at(Token::identifier)) return expected(what);
  out = text(peek());
  if (is_reserved(out))
    return expected(what,
                    std::format("`{}` is reserved; in brackets and quotes it is a name", out));
  next();
  return true;
}

bool Cursor::path(std::string_view what, std::string_view& out) {
  const std::uint32_t first = begin();
  std::string_view segment;
  if (!name(what, segment)) return false;
  if (!at(Token::path) || peek(1).token != Token::identifier) {
    out = segment;
    return true;
  }
  std::string joined(segment);
  while (at(Token::path) && peek(1).token == Token::identifier) {
    next();
    if (!name(what, segment)) return false;
    joined += "::";
    joined += segment;
  }
  const std::string_view written = std::string_view(file_.text).substr(first, end_ - first);
  out = written == joined ? written : arena_.copy(std::string_view(joined));
  return true;
}

bool Cursor::entity(EntityUid& uid) {
  std::string_view type;
  std::string_view id;
  if (at(Token::string))
    return expected("an entity", "an entity has a type, for example User::\"alice\"");
  if (!path("an entity, for example User::\"alice\"", type) ||
      !expect(Token::path, "`::` and the entity's id as a string") ||
      !string("the entity's id as a string", id))
    return false;
  uid = EntityUid(type, id);
  return true;
}

bool Cursor::bad_escape(const Lexeme& literal, Span bad) {
  const std::string_view whole = text(literal).substr(bad.begin, bad.end - bad.begin);
  return fail(literal.begin + bad.begin,
              std::format("bad escape `{}` in a string (known are \\n \\r \\t \\0 \\\\ \\' \\\" "
                          "\\xHH up to 7F and \\u{{...}})",
                          whole.substr(0, 2)));
}

bool Cursor::string(std::string_view what, std::string_view& out) {
  if (!at(Token::string)) return expected(what);
  const Lexeme literal = next();
  Span bad;
  const auto content = unescape(text(literal), arena_, bad);
  if (!content) return bad_escape(literal, bad);
  out = *content;
  return true;
}

bool Cursor::pattern(std::span<const PatternPart>& out) {
  if (!at(Token::string))
    return expected("a pattern as a string", "the right side of `like` is always a literal");
  const Lexeme literal = next();
  Span bad;
  const auto parts = unescape_pattern(text(literal), arena_, bad);
  if (!parts) return bad_escape(literal, bad);
  out = arena_.copy(std::span<const PatternPart>(*parts));
  return true;
}

}  // namespace latticegate::cedar
