// What the reader accepts, judged by a slow and obvious twin: RFC 8259's grammar by recursive
// descent, one character after the other, with our rule on duplicate keys.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <string_view>

#include "json/value.h"

using namespace latticegate;

namespace {

class Twin {
 public:
  explicit Twin(std::string_view text) : text_(text) {}
  bool accepts() {
    if (!value()) return false;
    blanks();
    return at_ == text_.size();
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
  }
  bool word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool digits() {
    const std::size_t first = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > first;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits();
  }
  // Of \u escapes, \u0041 is the only one in these tests.
  bool string(std::string& content) {
    if (!take('"')) return false;
    while (at_ < text_.size() && peek() != '"') {
      if (word("\\u0041")) {
        content += 'A';
      } else if (peek() == '\\' && at_ + 1 < text_.size() &&
                 std::string_view("\"\\/bfnrt").contains(text_[at_ + 1])) {
        content += '\\';
        content += text_[at_ + 1];
        at_ += 2;
      } else if (peek() == '\\' || static_cast<unsigned char>(peek()) < 0x20) {
        return false;
      } else {
        content += text_[at_++];
      }
    }
    return take('"');
  }
  bool array() {
    blanks();
    if (take(']')) return true;
    do {
      if (!value()) return false;
      blanks();
    } while (take(','));
    return take(']');
  }
  bool object() {
    std::set<std::string> keys;
    blanks();
    if (take('}')) return true;
    do {
      std::string key;
      blanks();
      if (!string(key) || !keys.insert(key).second) return false;
      blanks();
      if (!take(':') || !value()) return false;
      blanks();
    } while (take(','));
    return take('}');
  }
  bool value() {
    blanks();
    std::string content;
    if (take('{')) return object();
    if (take('[')) return array();
    if (peek() == '"') return string(content);
    return word("true") || word("false") || word("null") || number();
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr auto pieces = std::to_array<std::string_view>(
    {"{",     "}",   "[",  "]",          ":",    ",",           "\"a\"", "\"b\"",
     "\"A\"", "1",   "-0", "true",       "null", "\"\\u0041\"", "\"\"",  " ",
     "\n",    "1e5", "01", "\"c\\\"d\"", "\"",   "\\",          "-",     "."});
constexpr auto documents = std::to_array<std::string_view>(
    {R"({"a":"b","c":[1,"d",{"e":null}]})", R"(["a","b",["c"],{"d":"e"}])",
     R"({"x":{"y":"z"},"w":"v","A":-1.5e+3})", R"("a")", R"([{},[],""])"});

}  // namespace

TEST_CASE("what is accepted is what the grammar accepts") {
  std::mt19937 random(7);
  const auto any = [&](const auto& list) -> std::string_view {
    return list[random() % list.size()];
  };
  std::uint64_t accepted = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string text;
    if (i % 3 == 0) {
      for (std::size_t n = 1 + random() % 9; n > 0; --n) text += any(pieces);
    } else {  // a good document with one piece put in or in place of up to two characters
      text = any(documents);
      text.replace(random() % text.size(), random() % 3, any(pieces));
    }
    const bool expected = Twin(text).accepts();
    accepted += expected ? 1 : 0;
    INFO(text);
    REQUIRE(json::Document::parse(text).has_value() == expected);
  }
  CHECK(accepted > 4'000);  // the test asks both kinds of questions
  CHECK(accepted < 36'000);
}
