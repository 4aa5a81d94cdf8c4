#include <charconv>
#include <format>
#include <optional>
#include <utility>

#include "policy/detail/cel.h"

namespace latticegate::policy {
namespace {

constexpr std::size_t longest = 65'536;
constexpr int deepest = 64;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  base::Result<Cel> whole() {
    auto expression = disjunction();
    if (!expression) return expression;
    blanks();
    if (at_ != text_.size()) return wrong("something follows the expression");
    return expression;
  }

 private:
  using Kind = Cel::Kind;

  std::unexpected<base::Error> wrong(std::string_view what) const {
    return base::fail(base::Code::unsupported, std::format("{} at byte {}", what, at_));
  }
  void blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  char next() {
    blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(std::string_view sign) {
    blanks();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    return true;
  }
  bool take_word(std::string_view word) {
    blanks();
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with(word)) return false;
    if (rest.size() > word.size() && (is_letter(rest[word.size()]) || is_digit(rest[word.size()])))
      return false;
    at_ += word.size();
    return true;
  }
  Cel make(Kind kind, std::size_t from, std::vector<Cel> parts = {}) const {
    Cel out;
    out.kind = kind;
    out.parts = std::move(parts);
    out.source = text_.substr(from, at_ - from);
    return out;
  }

  base::Result<Cel> disjunction() { return chain("||", Kind::any, &Parser::conjunction); }
  base::Result<Cel> conjunction() { return chain("&&", Kind::all, &Parser::relation); }

  base::Result<Cel> chain(std::string_view sign, Kind kind, base::Result<Cel> (Parser::*below)()) {
    if (++depth_ > deepest) return wrong("nested too deeply");
    blanks();
    const std::size_t from = at_;
    std::vector<Cel> parts;
    do {
      auto part = (this->*below)();
      if (!part) return part;
      parts.push_back(*std::move(part));
    } while (take(sign));
    --depth_;
    if (kind == Kind::any && next() == '?') return wrong("the conditional operator");
    if (parts.size() == 1) return std::move(parts[0]);
    return make(kind, from, std::move(parts));
  }

  base::Result<Cel> relation() {
    blanks();
    const std::size_t from = at_;
    auto left = unary();
    if (!left) return left;
    std::optional<Kind> kind;
    if (take("=="))
      kind = Kind::equal;
    else if (take("!="))
      kind = Kind::unequal;
    else if (take("<="))
      kind = Kind::less_equal;
    else if (take(">="))
      kind = Kind::greater_equal;
    else if (take("<"))
      kind = Kind::less;
    else if (take(">"))
      kind = Kind::greater;
    else if (take_word("in"))
      kind = Kind::in;
    if (!kind) return left;
    auto right = unary();
    if (!right) return right;
    std::vector<Cel> parts;
    parts.push_back(*std::move(left));
    parts.push_back(*std::move(right));
    return make(*kind, from, std::move(parts));
  }

  base::Result<Cel> unary() {
    blanks();
    const std::size_t from = at_;
    if (text_.substr(at_).starts_with("!=") || !take("!")) return member();
    if (++depth_ > deepest) return wrong("nested too deeply");
    auto inner = unary();
    --depth_;
    if (!inner) return inner;
    std::vector<Cel> parts;
    parts.push_back(*std::move(inner));
    return make(Kind::negation, from, std::move(parts));
  }

  base::Result<Cel> member() {
    blanks();
    const std::size_t from = at_;
    auto left = primary();
    if (!left) return left;
    for (;;) {
      if (take(".")) {
        if (next() == '?') return wrong("optional access");
        const std::string word = identifier();
        if (word.empty()) return wrong("a name is missing");
        if (take("(")) {
          Cel call;
          call.kind = Kind::call;
          call.method = true;
          call.name = word;
          call.parts.push_back(*std::move(left));
          if (auto done = arguments(call.parts, ")"); !done)
            return std::unexpected(std::move(done).error());
          call.source = text_.substr(from, at_ - from);
          left = std::move(call);
        } else if (left->kind == Kind::path) {
          left->words.push_back(word);
          left->source = text_.substr(from, at_ - from);
        } else {
          return wrong("a member of something that is no path");
        }
      } else if (take("[")) {
        if (left->kind != Kind::path) return wrong("an index of something that is no path");
        blanks();
        if (next() != '"' && next() != '\'') return wrong("an index that is no text");
        auto key = string();
        if (!key) return std::unexpected(std::move(key).error());
        if (!take("]")) return wrong("`]` is missing");
        left->words.push_back(*std::move(key));
        left->source = text_.substr(from, at_ - from);
      } else {
        return left;
      }
    }
  }

  base::Result<void> arguments(std::vector<Cel>& out, std::string_view end) {
    if (take(end)) return {};
    do {
      auto one = disjunction();
      if (!one) return std::unexpected(std::move(one).error());
      out.push_back(*std::move(one));
    } while (take(","));
    if (!take(end)) return wrong(std::format("`{}` is missing", end));
    return {};
  }

  std::string identifier() {
    blanks();
    const std::size_t from = at_;
    if (at_ < text_.size() && is_letter(text_[at_]))
      while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }

  base::Result<std::string> string() {
    const char quote = text_[at_++];
    if (text_.substr(at_).starts_with(std::string(2, quote))) return wrong("a text of many lines");
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ == text_.size()) break;
        c = text_[at_++];
        if (c == 'n')
          c = '\n';
        else if (c == 't')
          c = '\t';
        else if (c == 'r')
          c = '\r';
        else if (c != '\\' && c != '"' && c != '\'' && c != '/')
          return wrong("an escape");
      }
      out += c;
    }
    if (at_ == text_.size()) return wrong("a text without its end");
    ++at_;
    return out;
  }

  base::Result<Cel> primary() {
    const char c = next();
    const std::size_t from = at_;
    if (take("(")) {
      auto inner = disjunction();
      if (!inner) return inner;
      if (!take(")")) return wrong("`)` is missing");
      return inner;
    }
    if (take("[")) {
      Cel list = make(Kind::list, from);
      if (auto done = arguments(list.parts, "]"); !done)
        return std::unexpected(std::move(done).error());
      list.source = text_.substr(from, at_ - from);
      return list;
    }
    if (c == '"' || c == '\'') {
      auto text = string();
      if (!text) return std::unexpected(std::move(text).error());
      Cel out = make(Kind::text, from);
      out.name = *std::move(text);
      return out;
    }
    if (is_digit(c) || c == '-') {
      std::int64_t number = 0;
      const auto [end, error] =
          std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
      if (error != std::errc()) return wrong("a number");
      at_ = static_cast<std::size_t>(end - text_.data());
      if (at_ < text_.size() && (text_[at_] == '.' || is_letter(text_[at_])))
        return wrong("a number that is not whole");
      Cel out = make(Kind::integer, from);
      out.number = number;
      return out;
    }
    const std::string word = identifier();
    if (word.empty()) return wrong("an expression is missing");
    if (word == "true" || word == "false") {
      Cel out = make(Kind::boolean, from);
      out.number = word == "true" ? 1 : 0;
      return out;
    }
    if (word == "null") return make(Kind::null, from);
    if (take("(")) {
      Cel call = make(Kind::call, from);
      call.name = word;
      if (auto done = arguments(call.parts, ")"); !done)
        return std::unexpected(std::move(done).error());
      call.source = text_.substr(from, at_ - from);
      return call;
    }
    Cel path = make(Kind::path, from);
    path.words.push_back(word);
    return path;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

base::Result<Cel> parse_cel(std::string_view text) {
  if (text.size() > longest) return base::fail(base::Code::too_large, "an expression above 64 KiB");
  return Parser(text).whole();
}

}  // namespace latticegate::policy
