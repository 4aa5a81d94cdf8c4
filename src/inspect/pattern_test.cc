#include "inspect/pattern.h"

#include <doctest/doctest.h>

#include <string>

using namespace latticegate;
using inspect::Pattern;

namespace {
bool found(std::string_view pattern, std::string_view text, bool ignore_case = false) {
  const auto compiled = Pattern::compile(pattern, {.ignore_case = ignore_case});
  REQUIRE_MESSAGE(compiled.has_value(), pattern);
  return compiled->found_in(text);
}
base::Code refusal(std::string_view pattern) {
  const auto compiled = Pattern::compile(pattern);
  REQUIRE_MESSAGE(!compiled.has_value(), pattern);
  return compiled.error().code;
}
}  // namespace

TEST_CASE("texts are found as ECMAScript would find them") {
  struct Row {
    std::string_view pattern, yes, no;
  };
  for (const Row& row : {
           Row{"abc", "xxabcx", "ab c"},
           Row{"^a.c$", "abc", "a\nc"},
           Row{"^[a-z0-9_-]{1,3}$", "a-1", "abcd"},
           Row{"^(foo|ba[rz])+$", "foobazbar", "foobax"},
           Row{"^\\d{4}-\\d{2}-\\d{2}$", "2026-11-22", "2026-1-22"},
           Row{"^a{2,}$", "aaa", "a"},
           Row{"^a{0}b?$", "", "a"},
           Row{"^(a?){3}b$", "aab", "aaaab"},
           Row{"\\bcat\\b", "a cat.", "concat"},
           Row{"\\Bcat", "concat", "cat"},
           Row{"^[^a-c]+$", "xyz\xC3\xA4", "xay"},
           Row{"^.$", "\xF0\x9F\x98\x80", "ab"},
           Row{"^[\\u00e4-\\u00f6]$", "\xC3\xA5", "\xC3\xBC"},
           Row{"^\\u{1F600}$", "\xF0\x9F\x98\x80", "x"},
           Row{"^\\ud83d\\ude00$", "\xF0\x9F\x98\x80", "x"},
           Row{"^\\S+\\s\\W$", "ab -", "ab c"},
           Row{"^[\\w.+-]+@[\\w-]+\\.[a-z]{2,}$", "a.b+c@x-y.org", "a@b"},
           Row{"^(?:a|b)*?c$", "ababc", "abab"},
           Row{"^(?<year>\\d+)$", "12", "x"},
           Row{"^[]$|^x$", "x", "y"},
           Row{"^[^]$", "\n", ""},
           Row{"a{,3}", "a{,3}", "aaa"},
           Row{"^[a\\]-]+$", "a]-", "b"},
           Row{"^[a-\\d]+$", "a-1", "b"},
           Row{"^/[^/]*$", "/x", "x/"},
           Row{"\\.\\/\\-", "./-", "./"},
           Row{"^$", "", "x"},
           Row{"x*", "", "\x01" /* also found: empty match */},
       }) {
    CAPTURE(row.pattern);
    CHECK(found(row.pattern, row.yes));
    if (row.no != "\x01") CHECK_FALSE(found(row.pattern, row.no));
  }
  CHECK(found("abC", "xABc", true));
  CHECK(found("[a-c]Q", "Bq", true));
}

TEST_CASE("the longest match at a place") {
  const auto end = [](std::string_view pattern, std::string_view text, std::size_t begin) {
    const auto compiled = Pattern::compile(pattern);
    REQUIRE(compiled.has_value());
    return compiled->match_at(text, begin);
  };
  CHECK(end("[a-z]{2,4}", "xabcdefg", 1) == 5);
  CHECK(end("a|ab|abc", "abcd", 0) == 3);
  CHECK_FALSE(end("b", "ab", 0).has_value());
  CHECK(end("", "ab", 1) == 1);
  CHECK(end("ghp_[0-9A-Za-z]{36}", "ghp_" + std::string(40, 'a'), 0) == 40);
}

TEST_CASE("what needs backtracking or passes a limit is refused, with the kind of refusal") {
  for (const std::string_view pattern :
       {"(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(a)\\1", "\\p{L}", "(?i)a"})
    CHECK(refusal(pattern) == base::Code::unsupported);
  for (const std::string_view pattern : {"(", ")", "a)", "[a", "*a", "a**", "a{3,2}", "[z-a]", "\\",
                                         "\\y", "\\x1", "\\u12", "(?<n", "a|*"})
    CHECK(refusal(pattern) == base::Code::malformed);
  for (const std::string_view pattern :
       {"a{5000}", "(a{100}){100}", "((a{9}){9}){99}", "a{0,99999}"})
    CHECK(refusal(pattern) == base::Code::too_large);
  CHECK(refusal(std::string(100, '(') + std::string(100, ')')) == base::Code::too_large);
  CHECK(refusal(std::string(20'000, 'a')) == base::Code::too_large);
}

TEST_CASE("patterns that ruin backtracking engines cost linear time here") {
  const std::string text(20'000, 'a');
  CHECK_FALSE(found("^(a+)+$", text + "!"));
  CHECK_FALSE(found("^(a|aa)+$", text + "!"));
  CHECK_FALSE(found("^(a*)*b$", text));
  CHECK(found("^((a?)*)*$", text));
}

TEST_CASE("rows of classes and the general way agree") {
  // The second pattern of each pair says the same inside a group, which keeps it from the short
  // way.
  struct Pair {
    std::string_view row, general;
  };
  for (const Pair& pair :
       {Pair{"ab{2,3}c?", "(?:ab{2,3}c?)"}, Pair{"^[a-c]+x$", "(?:^[a-c]+x$)"},
        Pair{"a*b*c", "(?:a*b*c)"}, Pair{"[^:]{0,4}:", "(?:[^:]{0,4}:)"},
        Pair{"a{2}[ab]{1,2}", "(?:a{2}[ab]{1,2})"}, Pair{"a?a", "(?:a?a)"},
        Pair{"a{2,3x", "(?:a{2,3x)"}, Pair{"b+$", "(?:b+$)"}, Pair{"^a", "(?:^a)"}}) {
    const auto row = Pattern::compile(pair.row), general = Pattern::compile(pair.general);
    REQUIRE(row.has_value());
    REQUIRE(general.has_value());
    constexpr std::string_view letters = "abcx:";
    for (int number = 0; number < 3125; ++number) {
      std::string text;
      for (int rest = number; rest > 0; rest /= 5)
        text += letters[static_cast<std::size_t>(rest % 5)];
      for (std::size_t begin = 0; begin <= text.size() && begin < 2; ++begin)
        CHECK(row->match_at(text, begin) == general->match_at(text, begin));
      CHECK(row->found_in(text) == general->found_in(text));
    }
  }
}

TEST_CASE("a byte that no match begins with is known") {
  struct Case {
    std::string_view pattern, yes, no;
  };
  for (const Case& c : {Case{"abc", "a", "bcd"}, Case{"(?:x|yz)+", "xy", "z"},
                        Case{"a?b", "ab", "c"}, Case{"a*", "abc", ""}, Case{"\\ba", "a", "b"},
                        Case{"[^a]", "b\xC3", "a"}, Case{"^a|b", "ab", "c"}, Case{"$", "ab", ""}}) {
    const auto pattern = Pattern::compile(c.pattern);
    REQUIRE(pattern.has_value());
    for (const char byte : c.yes) CHECK_MESSAGE(pattern->may_begin(byte), c.pattern);
    for (const char byte : c.no) CHECK_MESSAGE(!pattern->may_begin(byte), c.pattern);
  }
  const auto either = Pattern::compile("Ab", {.ignore_case = true});
  CHECK(either->may_begin('a'));
  CHECK(either->may_begin('A'));
  CHECK(Pattern().may_begin('x'));
}

TEST_CASE("a pattern of as many steps as there may be") {
  for (const std::size_t count : {31U, 63U, 64U, 65U, 127U, 128U, 1000U, 2047U}) {
    const auto pattern = Pattern::compile("(?:a|b){0," + std::to_string(count / 5) + "}c?");
    const auto plain = Pattern::compile("(?:ab|ac){" + std::to_string(count / 6) + "}");
    REQUIRE(pattern.has_value());
    REQUIRE(plain.has_value());
    const std::string text(count / 5, 'b');
    CHECK(pattern->match_at(text + "c", 0) == text.size() + 1);
    CHECK(pattern->match_at(text + "bc", 0) == text.size());
    std::string pairs;
    for (std::size_t i = 0; i < count / 6; ++i) pairs += i % 2 == 0 ? "ab" : "ac";
    CHECK(plain->match_at(pairs, 0) == pairs.size());
    pairs.back() = 'd';
    CHECK_FALSE(plain->match_at(pairs, 0).has_value());
  }
  const auto most = Pattern::compile("(?:ab){2048}");
  REQUIRE(most.has_value());
  CHECK(most->steps() == Pattern::most_steps + 1);
  std::string text;
  for (int i = 0; i < 2048; ++i) text += "ab";
  CHECK(most->match_at(text, 0) == text.size());
}
