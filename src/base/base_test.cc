#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/percent.h"
#include "base/result.h"
#include "base/storage.h"
#include "base/suggest.h"

using namespace latticegate::base;

TEST_CASE("hex and base64 go round and refuse what is not theirs") {
  for (const std::string_view text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    CHECK(from_hex(to_hex(bytes_of(text))) == text);
    CHECK(from_base64(to_base64(bytes_of(text))) == text);
  }
  CHECK(to_base64(bytes_of("fooba")) == "Zm9vYmE=");
  for (const std::string_view bad : {"Zg=", "Zg", "Z===", "Zh==", "Zg==Zg==", "Zm9v\n"})
    CHECK_FALSE(from_base64(bad).has_value());
  CHECK_FALSE(from_hex("abc").has_value());
  CHECK_FALSE(from_hex("zz").has_value());
}

TEST_CASE("is_utf8 refuses overlong forms, surrogates and cut sequences") {
  CHECK(is_utf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
  for (const std::string_view bad :
       {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFF"})
    CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("nearest finds a typing error and nothing far away") {
  constexpr auto known = std::to_array<std::string_view>({"listen", "servers", "policy", "audit"});
  CHECK(nearest("sevrers", known) == "servers");
  CHECK(nearest("polcy", known) == "policy");
  CHECK_FALSE(nearest("zzz", known).has_value());
}

TEST_CASE("printable lets nothing reach a terminal") {
  CHECK(printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n");
  CHECK(printable("x\xE2\x80\xAEy") == "x\\xe2\\x80\\xaey");
  CHECK(printable("\xC3\xA4") == "\xC3\xA4");
  CHECK(printable("a\xF0\x80\x80\xAFz") == "a\\xf0\\x80\\x80\\xafz");
  CHECK(printable("cut \xE2\x82") == "cut \\xe2\\x82");
}

TEST_CASE("errors carry their context outermost first") {
  const auto inner = fail(Code::malformed, "line 3");
  const Result<int> outer = within("policies", inner.error());
  CHECK(describe(outer.error()) == "policies: line 3");
}

TEST_CASE("times print as RFC 3339 in UTC") {
  CHECK(to_rfc3339(Time(std::chrono::milliseconds(1'795'359'731'000))) ==
        "2026-11-22T15:02:11.000Z");
}

TEST_CASE("percent-encoding goes there and back, and half of it is none") {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  CHECK(percent_decoded(percent_encoded(bytes)) == bytes);
  CHECK(percent_encoded("ana o'neil~-._") == "ana%20o%27neil~-._");
  CHECK(percent_decoded("a+b%2Bc%2b") == "a b+c+");
  for (const std::string_view text : {"%", "%4", "a%4", "%zz", "%4g"})
    CHECK_FALSE(percent_decoded(text).has_value());
}

TEST_CASE("what is base64 is what was written so, and nothing else") {
  constexpr std::string_view letters = "AQgw/+=-";
  for (const std::string_view front : {"", "QUJD", "QUI=", "QQ=="}) {
    std::string text(front);
    text.append(4, 'A');
    const std::size_t at = front.size();
    for (std::size_t code = 0; code < 4096; ++code) {
      for (std::size_t i = 0; i < 4; ++i) text[at + i] = letters[code >> (3 * i) & 7];
      const auto bytes = from_base64(text);
      const bool padded = front.contains('=');
      CHECK((bytes.has_value() && to_base64(bytes_of(*bytes)) == text) == bytes.has_value());
      const std::size_t end = text.find('=');
      const bool shaped = end >= text.size() - 2 &&
                          text.find_first_not_of('=', end) == std::string::npos &&
                          !text.contains('-');
      if (padded || !shaped) CHECK_FALSE(bytes.has_value());
    }
  }
  CHECK(from_base64("") == "");
  CHECK(from_base64("QUJDREVGRw==") == "ABCDEFG");
}

TEST_CASE("free_storage leaves nothing reserved") {
  std::string text(5000, 'x');
  free_storage(text);
  CHECK(text.empty());
  CHECK(text.capacity() < 100);
  std::vector<int> numbers(5000);
  free_storage(numbers);
  CHECK(numbers.capacity() == 0);
}
