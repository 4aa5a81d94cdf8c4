#include "policy/destination.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "cedar/extension.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

// "example.com", "127.0.0.1 = 127.0.0.1/32", "?" when it is not certain.
std::string read(std::string_view url) {
  cedar::Arena arena;
  if (!looks_like_url(url)) return "no URL";
  const Destination there = destination_of(url, arena);
  if (!there.certain) return "?";
  std::string text(there.host);
  if (there.ip) text += " = " + cedar::ip_text(*there.ip);
  return text;
}

struct Row {
  std::string_view url;
  std::string_view destination;
};

}  // namespace

TEST_CASE("hosts of URLs") {
  const std::string v4 = "127.0.0.1 = " + cedar::ip_text(*cedar::parse_ip("127.0.0.1"));
  const std::string rest = v4.substr(9);
  CHECK(read("http://127.0.0.1/x") == v4);
  CHECK(read("http://2130706433") == "2130706433" + rest);
  CHECK(read("http://0x7f000001") == "0x7f000001" + rest);
  CHECK(read("http://0x7F.1") == "0x7f.1" + rest);
  CHECK(read("http://127.1:80/") == "127.1" + rest);
  CHECK(read("http://[::ffff:127.0.0.1]/") == "::ffff:127.0.0.1" + rest);
  CHECK(read("http://[::FFFF:7f00:1]:8080/") == "::ffff:7f00:1" + rest);
  CHECK(read("http://[::1]") == "::1 = " + cedar::ip_text(*cedar::parse_ip("::1")));
  constexpr Row rows[] = {
      {"http://example.com", "example.com"},
      {"HTTPS://EXAMPLE.com./a?b#c", "example.com"},
      {"https://example.com:8443/a", "example.com"},
      {"https://user:secret@example.com/", "example.com"},
      {"https://example.com?x@evil.com", "example.com"},
      {"demo://resource/static", "resource"},
      {"ws://a_b.example-1.com", "a_b.example-1.com"},
      // Not a URL.
      {"", "no URL"},
      {"example.com", "no URL"},
      {"mailto:a@example.com", "no URL"},
      {"C:\\x", "no URL"},
      {"note: see below", "no URL"},
      {"a very long text before any colon: x", "no URL"},
      // Not certain.
      {"http://good.com\\@evil.com/", "?"},
      {"http://good.com@a@evil.com/", "?"},
      {"http:/evil.com", "?"},
      {"http:evil.com", "?"},
      {"http:\\\\evil.com", "?"},
      {"http:///evil.com", "?"},
      {" http://evil.com", "?"},
      {"ht\ntp://evil.com", "?"},
      {"http://ev\til.com", "?"},
      {"http://%65vil.com", "?"},
      {"http://\xEF\xBC\x91.1.1.1", "?"},
      {"http://0177.0.0.1", "?"},
      {"http://010.0.0.1", "?"},
      {"http://256.0.0.1", "?"},
      {"http://1.2.3.4.5", "?"},
      {"http://a.1.2", "?"},
      {"http://[::1", "?"},
      {"http://[::1]x", "?"},
      {"http://[fe80::1%25eth0]", "?"},
      {"http://[127.0.0.1]", "?"},
      {"http://a:b:80/", "?"},
      {"http://a:x/", "?"},
      {"http://", "?"},
      {"http://.", "?"},
      {"http://a..b", "?"},
      {"file:///etc/passwd", "?"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.url);
    CHECK(read(row.url) == row.destination);
  }
}

TEST_CASE("addresses") {
  CHECK(address_in("10.1.2.3") == cedar::parse_ip("10.1.2.3"));
  CHECK(address_in("::ffff:10.1.2.3") == cedar::parse_ip("10.1.2.3"));
  CHECK(address_in("64:ff9b::10.1.2.3") == cedar::parse_ip("64:ff9b::a01:203"));
  CHECK(address_in("fe80::1") == cedar::parse_ip("fe80::1"));
  for (const std::string_view text : {"", "unix", "10.1.2", "10.1.2.3/8", "::1/64", "::10.1.2",
                                      "10.1.2.3:80", "::g", "1::2::3", "fe80::1%eth0"}) {
    CAPTURE(text);
    CHECK_FALSE(address_in(text).has_value());
  }
}
