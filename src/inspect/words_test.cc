#include "inspect/words.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace latticegate::inspect;

namespace {

// The words with a bar in front of each sentence but the first.
std::string read(std::string_view text, Reading reading = Reading::prose) {
  std::vector<Word> words;
  read_words(text, words, reading);
  std::string out;
  for (const Word& word : words) {
    if (!out.empty()) out += word.first ? " | " : " ";
    out += text.substr(word.begin, word.end - word.begin);
  }
  return out;
}

}  // namespace

TEST_CASE("words, sentences and what separates them") {
  struct Case {
    std::string_view text, words;
  };
  for (const Case& c : {
           Case{"Stop. Go on!", "Stop . | Go on !"},
           Case{"It goes\non. Next\nLine", "It goes on . | Next | Line"},
           Case{R"({"a_b": "One two.", "n": 5})", "a_b | One two . | n | 5"},
           Case{R"(first\nSecond \"quoted\" \\\\nThird)", "first | Second quoted | Third"},
           Case{"mail a.b@c.test now, or https://x.test/a?b=c now",
                "mail a.b@c.test now , or https://x.test/a?b=c now"},
           Case{"1,290.50 on 2026-12-01", "1,290.50 on 2026-12-01"},
           Case{"don't do... this", "don't do ... | this"},
           Case{"", ""},
           Case{"\"", ""},
           Case{"\\", ""},
           Case{"\\u", ""},
           Case{"\xC3", "\xC3"},
       })
    CHECK(read(c.text) == c.words);
  CHECK(read("' OR \"1\"='1", Reading::code) == "' OR \" 1 \" = ' 1");
}

TEST_CASE("case and digits do not count, grammar keeps its shape") {
  std::vector<Word> words;
  read_words("Ignore IGNORE item17 item99 Berlin XQZ", words);
  REQUIRE(words.size() == 6);
  CHECK(words[0].hash == words[1].hash);
  CHECK(words[0].shape == words[1].shape);
  CHECK(words[2].hash == words[3].hash);
  CHECK(words[4].shape != words[4].hash);
  CHECK(words[4].shape != words[5].shape);
}

TEST_CASE("an escaped letter is the letter") {
  std::vector<Word> plain, escaped;
  read_words("\xD0\xB0", plain);
  read_words("\\u0430", escaped);
  REQUIRE(plain.size() == 1);
  REQUIRE(escaped.size() == 1);
  CHECK(plain[0].hash == escaped[0].hash);
}

TEST_CASE("a sentence without an end is cut") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "word ";
  std::vector<Word> words;
  read_words(text, words);
  REQUIRE(words.size() == 1000);
  std::uint32_t in_sentence = 0;
  for (const Word& word : words) {
    in_sentence = word.first ? 1 : in_sentence + 1;
    CHECK(in_sentence <= longest_sentence);
  }
}

TEST_CASE("a word is the same in the middle of a text and at its end, where it is read otherwise") {
  for (const std::string_view text : {"I",
                                      "A",
                                      "the",
                                      "The",
                                      "THE",
                                      "customers",
                                      "Customers",
                                      "internationalisation",
                                      "don't",
                                      "order_id",
                                      "orderId",
                                      "b2b",
                                      "2b",
                                      "12",
                                      "1,290.50",
                                      "2026-12-01",
                                      "12@",
                                      "12@x.test",
                                      "ann@x.test",
                                      "Ann.Lee@x.test",
                                      "end.",
                                      "docs://a",
                                      "a:b",
                                      "caf\xC3\xA9",
                                      "abcdefgh",
                                      "abcdefgh1",
                                      "Abcdefghijklmnop"}) {
    for (const Reading reading : {Reading::prose, Reading::code}) {
      std::vector<Word> end, middle;
      read_words(text, end, reading);
      read_words(std::string(text) + std::string(16, ' '), middle, reading);
      REQUIRE_MESSAGE(end.size() == middle.size(), text);
      for (std::size_t i = 0; i < end.size(); ++i) {
        CHECK_MESSAGE(end[i].hash == middle[i].hash, text);
        CHECK_MESSAGE(end[i].shape == middle[i].shape, text);
        CHECK_MESSAGE(end[i].end == middle[i].end, text);
        CHECK_MESSAGE(end[i].data == middle[i].data, text);
      }
    }
  }
}
