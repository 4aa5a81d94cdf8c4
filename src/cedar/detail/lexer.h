// Tokens of Cedar text (policies and schemas), and the unescaping of string literals.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/expression.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {

enum class Token : std::uint8_t {
  end,
  bad,  // no token; the lexer's complaint says why
  identifier,
  integer,
  string,  // with its quotes, not unescaped
  slot,    // ?principal
  at,
  left_paren,
  right_paren,
  left_brace,
  right_brace,
  left_bracket,
  right_bracket,
  comma,
  semicolon,
  colon,
  path,
  dot,
  question,
  assign,
  equal,
  unequal,
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,
  logical_or,
  exclaim,
  plus,
  minus,
  star,
  slash,
  percent,
};

struct Lexeme {
  Token token = Token::end;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// The tokens of a text, closed by one `end` or, at the first byte that fits no token, by one `bad`.
struct Lexed {
  std::vector<Lexeme> tokens;
  std::string complaint;  // for `bad`
};
Lexed lex(std::string_view text);

// A text with its name and the starts of its lines.
struct SourceFile {
  std::string name;
  std::string text;
  std::vector<std::uint32_t> lines;

  SourceFile(std::string_view file, std::string_view content);
  Location locate(std::uint32_t offset) const;
};

// "the name `foo`", "`==`", "the end of the text", for messages.
std::string describe(const Lexeme& lexeme, std::string_view text);

// An identifier that may not be used as a name: true, if, in, __cedar, ...
bool is_reserved(std::string_view identifier);
bool is_identifier(std::string_view text);
// Identifiers joined by "::", none of them reserved, nothing else: a name as JSON has it.
bool is_type_name(std::string_view text);

// The content of a string literal (quotes included in `literal`). Without any backslash a view into
// the literal; otherwise the text is made in the arena. On a bad escape nothing, and `bad_escape`
// is its place and length within the literal.
std::optional<std::string_view> unescape(std::string_view literal, Arena& arena, Span& bad_escape);
// The same for the pattern of `like`, where \* is a star and a bare star the wildcard. Neighbouring
// wildcards are one.
std::optional<std::vector<PatternPart>> unescape_pattern(std::string_view literal, Arena& arena,
                                                         Span& bad_escape);

}  // namespace latticegate::cedar
