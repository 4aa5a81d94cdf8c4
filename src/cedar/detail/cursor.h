// Walking over tokens with good error messages; shared by the parsers of policies and of schemas.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "cedar/detail/lexer.h"

namespace latticegate::cedar {

class Cursor {
 public:
  Cursor(const SourceFile& file, Arena& arena)
      : file_(file), arena_(arena), lexed_(lex(file.text)) {}

  const Lexeme& peek(std::size_t ahead = 0) const {
    const std::size_t last = lexed_.tokens.size() - 1;
    return lexed_.tokens[at_ + ahead < last ? at_ + ahead : last];
  }
  bool at(Token token) const { return peek().token == token; }
  bool at_word(std::string_view word) const {
    return at(Token::identifier) && text(peek()) == word;
  }
  std::string_view text(const Lexeme& lexeme) const {
    return std::string_view(file_.text).substr(lexeme.begin, lexeme.end - lexeme.begin);
  }
  Lexeme next() {
    const Lexeme current = peek();
    if (at_ + 1 < lexed_.tokens.size()) ++at_;
    end_ = current.end;
    return current;
  }
  bool take(Token token) {
    if (!at(token)) return false;
    next();
    return true;
  }
  bool take_word(std::string_view word) {
    if (!at_word(word)) return false;
    next();
    return true;
  }
  std::uint32_t begin() const { return peek().begin; }
  std::uint32_t end() const { return end_; }  // of the last token taken

  // Notes an error; the first one stays. All return false, so that `return cursor.fail(...)` reads
  // well.
  bool fail(std::uint32_t offset, std::string_view message,
            base::Code code = base::Code::malformed);
  // "expected WHAT, found TOKEN (hint)".
  bool expected(std::string_view what, std::string_view hint = {});
  bool expect(Token token, std::string_view what) {
    if (take(token)) return true;
    return expected(what);
  }
  bool expect_word(std::string_view word);
  // An identifier that is not reserved.
  bool name(std::string_view what, std::string_view& out);
  // IDENT { '::' IDENT }, in normal form. Stops before a "::" that is followed by anything but an
  // identifier.
  bool path(std::string_view what, std::string_view& out);
  // Path '::' STR.
  bool entity(EntityUid& uid);
  // A string literal, unescaped.
  bool string(std::string_view what, std::string_view& out);
  bool pattern(std::span<const PatternPart>& out);

  bool failed() const { return error_.has_value(); }
  base::Error error() const { return *error_; }
  // The error that was noted; from here on another one counts.
  base::Error take_error() { return *std::exchange(error_, std::nullopt); }
  Arena& arena() { return arena_; }
  const SourceFile& file() const { return file_; }

 private:
  bool bad_escape(const Lexeme& literal, Span bad);

  const SourceFile& file_;
  Arena& arena_;
  Lexed lexed_;
  std::size_t at_ = 0;
  std::uint32_t end_ = 0;
  std::optional<base::Error> error_;
};

}  // namespace latticegate::cedar
