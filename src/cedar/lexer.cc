#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/detail/lexer.h"

namespace latticegate::cedar {
namespace {

bool begins_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The length of the white space character at this place, 0 if it is none: what Unicode calls white
// space.
std::size_t space_at(std::string_view text) {
  const char c = text[0];
  if (c == ' ' || (c >= '\t' && c <= '\r')) return 1;
  if (c == '\xC2') return text.starts_with("\xC2\x85") || text.starts_with("\xC2\xA0") ? 2 : 0;
  static constexpr std::array<std::string_view, 18> three{
      "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
      "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88",
      "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF",
      "\xE2\x81\x9F", "\xE3\x80\x80", "\xE3\x80\x80"};
  return std::ranges::any_of(three, [&](std::string_view space) { return text.starts_with(space); })
             ? 3
             : 0;
}

struct Symbol {
  std::string_view text;
  Token token;
};
// Longer ones before their beginnings.
constexpr std::array<Symbol, 28> symbols{{
    {"::", Token::path},          {"==", Token::equal},
    {"!=", Token::unequal},       {"<=", Token::less_equal},
    {">=", Token::greater_equal}, {"&&", Token::logical_and},
    {"||", Token::logical_or},    {"@", Token::at},
    {"(", Token::left_paren},     {")", Token::right_paren},
    {"{", Token::left_brace},     {"}", Token::right_brace},
    {"[", Token::left_bracket},   {"]", Token::right_bracket},
    {",", Token::comma},          {";", Token::semicolon},
    {":", Token::colon},          {".", Token::dot},
    {"=", Token::assign},         {"<", Token::less},
    {">", Token::greater},        {"!", Token::exclaim},
    {"+", Token::plus},           {"-", Token::minus},
    {"*", Token::star},           {"/", Token::slash},
    {"%", Token::percent},        {"?", Token::question},
}};

std::string complaint_at(std::string_view rest) {
  switch (rest[0]) {
    case '&': return "unexpected `&` (the logical and is `&&`)";
    case '|': return "unexpected `|` (the logical or is `||`)";
    case '\'': return "unexpected `'` (strings are written with double quotes)";
    case '#': return "unexpected `#` (comments begin with `//`)";
    default: break;
  }
  const auto byte = static_cast<unsigned char>(rest[0]);
  if (byte > 0x20 && byte < 0x7F) return std::format("unexpected character `{}`", rest[0]);
  return std::format("unexpected byte 0x{:02X} (outside strings and comments the text is ASCII)",
                     byte);
}

// The end of a string literal that begins at `begin`, or npos with a complaint.
std::size_t string_end(std::string_view text, std::size_t begin, std::string& complaint) {
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\r') {
      complaint =
          "a carriage return inside a string (write \\r, or save the file with LF line ends)";
      return std::string_view::npos;
    }
    if (text[i] == '\\') ++i;
  }
  complaint = "a string that is not closed (expected `\"`)";
  return std::string_view::npos;
}

std::size_t word_end(std::string_view text, std::size_t at) {
  while (at < text.size() && (begins_word(text[at]) || is_digit(text[at]))) ++at;
  return at;
}

// Reads one escape (text[0] is the backslash); its length, 0 if it is bad.
std::size_t read_escape(std::string_view text, char32_t& scalar) {
  if (text.size() < 2) return 0;
  const auto hex = [](char c) -> int {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  switch (text[1]) {
    case 'n': scalar = '\n'; return 2;
    case 'r': scalar = '\r'; return 2;
    case 't': scalar = '\t'; return 2;
    case '0': scalar = 0; return 2;
    case '\\':
    case '\'':
    case '"': scalar = static_cast<unsigned char>(text[1]); return 2;
    case 'x': {
      if (text.size() < 4 || hex(text[2]) < 0 || hex(text[2]) > 7 || hex(text[3]) < 0) return 0;
      scalar = static_cast<char32_t>(hex(text[2]) * 16 + hex(text[3]));
      return 4;
    }
    case 'u': break;
    default: return 0;
  }
  if (text.size() < 4 || text[2] != '{') return 0;
  char32_t number = 0;
  int digits = 0;
  std::size_t at = 3;
  for (; at < text.size() && text[at] != '}'; ++at) {
    if (text[at] == '_' && digits > 0) continue;
    if (hex(text[at]) < 0 || ++digits > 6) return 0;
    number = number * 16 + static_cast<char32_t>(hex(text[at]));
  }
  if (at == text.size() || digits == 0 || number > 0x10FFFF ||
      (number >= 0xD800 && number < 0xE000))
    return 0;
  scalar = number;
  return at + 1;
}

void append_utf8(char32_t scalar, std::string& out) {
  const auto put = [&](char32_t byte) {
    out += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (scalar < 0x80) {
    put(scalar);
  } else if (scalar < 0x800) {
    put(0xC0U | (scalar >> 6U));
    put(0x80U | (scalar & 0x3FU));
  } else if (scalar < 0x10000) {
    put(0xE0U | (scalar >> 12U));
    put(0x80U | ((scalar >> 6U) & 0x3FU));
    put(0x80U | (scalar & 0x3FU));
  } else {
    put(0xF0U | (scalar >> 18U));
    put(0x80U | ((scalar >> 12U) & 0x3FU));
    put(0x80U | ((scalar >> 6U) & 0x3FU));
    put(0x80U | (scalar & 0x3FU));
  }
}

}  // namespace

Lexed lex(std::string_view text) {
  Lexed result;
  result.tokens.reserve(text.size() / 4 + 2);
  std::size_t at = 0;
  const auto push = [&](Token token, std::size_t end) {
    result.tokens.push_back(
        {token, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end)});
    at = end;
  };
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (const std::size_t space = space_at(rest); space > 0) {
      at += space;
      continue;
    }
    if (rest.starts_with("//")) {
      at = std::min(text.find_first_of("\n\r", at), text.size());
      continue;
    }
    const char c = rest[0];
    if (begins_word(c)) {
      push(Token::identifier, word_end(text, at));
      continue;
    }
    if (is_digit(c)) {
      std::size_t end = at;
      while (end < text.size() && is_digit(text[end])) ++end;
      push(Token::integer, end);
      continue;
    }
    if (c == '"') {
      const std::size_t end = string_end(text, at, result.complaint);
      if (end == std::string_view::npos) break;
      push(Token::string, end);
      continue;
    }
    if (c == '?' && rest.size() > 1 && begins_word(rest[1])) {
      push(Token::slot, word_end(text, at + 1));
      continue;
    }
    const auto* const symbol =
        std::ranges::find_if(symbols, [&](const Symbol& s) { return rest.starts_with(s.text); });
    if (symbol == symbols.end()) {
      result.complaint = complaint_at(rest);
      break;
    }
    push(symbol->token, at + symbol->text.size());
  }
  if (at < text.size())
    push(Token::bad, at + 1);
  else
    push(Token::end, at);
  return result;
}

SourceFile::SourceFile(std::string_view file, std::string_view content)
    : name(file), text(content) {
  lines.push_back(0);
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n') lines.push_back(static_cast<std::uint32_t>(i + 1));
}

Location SourceFile::locate(std::uint32_t offset) const {
  const auto after = std::ranges::upper_bound(lines, offset);
  const auto line = static_cast<std::uint32_t>(after - lines.begin());
  return {name, line, offset - lines[line - 1] + 1};
}

std::string describe(const Lexeme& lexeme, std::string_view text) {
  std::string_view word = text.substr(lexeme.begin, lexeme.end - lexeme.begin);
  const std::string_view more = word.size() > 40 ? "..." : "";
  word = word.substr(0, 40);
  switch (lexeme.token) {
    case Token::end: return "the end of the text";
    case Token::identifier: return std::format("the word `{}{}`", word, more);
    case Token::integer: return std::format("the number `{}{}`", word, more);
    case Token::string: return std::format("the string {}{}", word, more);
    default: return std::format("`{}{}`", word, more);
  }
}

bool is_reserved(std::string_view identifier) {
  static constexpr std::array<std::string_view, 10> words{
      "true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"};
  return std::ranges::contains(words, identifier);
}

bool is_identifier(std::string_view text) {
  return !text.empty() && begins_word(text[0]) && word_end(text, 0) == text.size();
}

bool is_type_name(std::string_view text) {
  while (true) {
    const std::size_t end = text.find("::");
    const std::string_view segment = text.substr(0, end);
    if (!is_identifier(segment) || is_reserved(segment)) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 2);
  }
}

std::optional<std::string_view> unescape(std::string_view literal, Arena& arena, Span& bad_escape) {
  const std::string_view body = literal.substr(1, literal.size() - 2);
  if (!body.contains('\\')) return body;
  std::string out;
  out.reserve(body.size());
  for (std::size_t i = 0; i < body.size();) {
    if (body[i] != '\\') {
      out += body[i++];
      continue;
    }
    char32_t scalar = 0;
    const std::size_t length = read_escape(body.substr(i), scalar);
    if (length == 0) {
      bad_escape = {static_cast<std::uint32_t>(i + 1), static_cast<std::uint32_t>(i + 3)};
      return std::nullopt;
    }
    append_utf8(scalar, out);
    i += length;
  }
  return arena.copy(std::string_view(out));
}

std::optional<std::vector<PatternPart>> unescape_pattern(std::string_view literal, Arena& arena,
                                                         Span& bad_escape) {
  const std::string_view body = literal.substr(1, literal.size() - 2);
  std::vector<PatternPart> parts;
  std::string text;
  const auto close_text = [&] {
    if (!text.empty()) parts.push_back({false, arena.copy(std::string_view(text))});
    text.clear();
  };
  for (std::size_t i = 0; i < body.size();) {
    char32_t scalar = static_cast<unsigned char>(body[i]);
    std::size_t length = 1;
    bool literal_star = false;
    if (body[i] == '\\') {
      literal_star = body.substr(i).starts_with("\\*");
      length = literal_star ? 2 : read_escape(body.substr(i), scalar);
      if (length == 0) {
        bad_escape = {static_cast<std::uint32_t>(i + 1), static_cast<std::uint32_t>(i + 3)};
        return std::nullopt;
      }
    }
    if (literal_star) {
      text += '*';
    } else if (scalar ==
               U'*') {  // also one written \u{2a}: the language tests the unescaped character
      close_text();
      if (parts.empty() || !parts.back().wildcard) parts.push_back({true, {}});
    } else if (length == 1) {
      text += body[i];
    } else {
      append_utf8(scalar, text);
    }
    i += length;
  }
  close_text();
  return parts;
}

}  // namespace latticegate::cedar
