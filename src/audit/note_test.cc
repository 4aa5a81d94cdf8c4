#include <doctest/doctest.h>

#include <array>
#include <string>

#include "audit/note.h"

using namespace latticegate;
using audit::NoteSignature;
using base::Code;

namespace {

// A name, and base64 of five bytes: id 01020304 and one byte of signature.
const std::string line = "\xE2\x80\x94 a.example/log AQIDBAU=\n";

}  // namespace

TEST_CASE("a note gives its text and its signatures, and is written the same") {
  for (const std::string& text :
       {std::string("one\n"), std::string("one\n\ntwo\n\n\nthree\n"), std::string("\n"),
        std::string("\xE2\x80\x94 looks like a line AQIDBAU=\n"),
        std::string("Gr\xC3\xBC\xC3\x9F\n")}) {
    const std::string bytes = text + "\n" + line + line;
    const auto note = audit::read_note(bytes);
    REQUIRE(note.has_value());
    CHECK(note->text == text);
    REQUIRE(note->signatures.size() == 2);
    CHECK(note->signatures[0] ==
          NoteSignature{.name = "a.example/log", .key_id = 0x01020304, .bytes = "\x05"});
    CHECK(audit::write_note(note->text, note->signatures) == bytes);
  }
}

TEST_CASE("what is no note is refused") {
  const std::string start = "text\n\n";
  const std::array<std::string, 27> bad{"",
                                        "\n",
                                        "\n\n",
                                        "text",
                                        "text\n",
                                        start,
                                        "text\n" + line,
                                        start + line + "\n",
                                        start + line.substr(0, line.size() - 1),
                                        start + line + "more\n",
                                        start + "- a AQIDBAU=\n",
                                        start + "\xE2\x80\x93 a AQIDBAU=\n",
                                        start +
                                            "\xE2\x80\x94"
                                            "a AQIDBAU=\n",
                                        start + "\xE2\x80\x94  AQIDBAU=\n",
                                        start + "\xE2\x80\x94 a\n",
                                        start + "\xE2\x80\x94 a \n",
                                        start + "\xE2\x80\x94 a  AQIDBAU=\n",
                                        start + "\xE2\x80\x94 a AQIDBA==\n",
                                        start + "\xE2\x80\x94 a AQIDBAV=\n",
                                        start + "\xE2\x80\x94 a AQIDBAU\n",
                                        start + "\xE2\x80\x94 a AQIDBAU= \n",
                                        start + "\xE2\x80\x94 a+b AQIDBAU=\n",
                                        start +
                                            "\xE2\x80\x94 a\xC2\xA0"
                                            "b AQIDBAU=\n",
                                        "te\rxt\n\n" + line,
                                        "te\txt\n\n" + line,
                                        "te\x7Fxt\n\n" + line,
                                        "te\xFFxt\n\n" + line};
  for (const std::string& bytes : bad) {
    CAPTURE(bytes);
    const auto note = audit::read_note(bytes);
    REQUIRE_FALSE(note.has_value());
    CHECK(note.error().code == Code::malformed);
  }
}

TEST_CASE("a note has limits") {
  std::string bytes = "text\n\n";
  for (std::size_t i = 0; i < audit::note_signatures_limit; ++i) bytes += line;
  CHECK(audit::read_note(bytes)->signatures.size() == audit::note_signatures_limit);
  CHECK(audit::read_note(bytes + line).error().code == Code::too_large);
  const std::string after = "\n\n" + line;
  const std::string text(audit::note_limit.count - after.size(), 'x');
  CHECK(audit::read_note(text + after).has_value());
  CHECK(audit::read_note("x" + text + after).error().code == Code::too_large);
}

TEST_CASE("names of keys") {
  for (const std::string& good : {std::string("a"), std::string("gw1.example/audit"),
                                  std::string("\xC3\xA4/b"), std::string(255, 'x')}) {
    CAPTURE(good);
    CHECK(audit::is_key_name(good));
  }
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a+b"),
                                 std::string("a\nb"), std::string("a\0b", 3), std::string("a\x7F"),
                                 std::string("\xC2\x85"), std::string("a\xE2\x80\x89"),
                                 std::string("\xE3\x80\x80"
                                             "a"),
                                 std::string("\xFF"), std::string(256, 'x')}) {
    CAPTURE(bad);
    CHECK_FALSE(audit::is_key_name(bad));
  }
}
