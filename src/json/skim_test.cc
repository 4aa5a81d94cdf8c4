#include "json/skim.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "json/write.h"

using namespace latticegate;
using namespace std::string_view_literals;

namespace {

// "key=value" of the members; "odd" where it is no such text.
std::vector<std::string> members(std::string_view text) {
  std::vector<std::string> found;
  json::Skim skim(text);
  std::string_view key;
  for (skim.enter(); skim.member(key);) {
    found.push_back(std::string(key) + "=");
    found.back() += skim.value();
  }
  if (skim.odd() || !skim.rest().empty()) return {"odd"};
  return found;
}

// Some JSON, from a fixed sequence: strings full of brackets, quotes and backslashes.
class Some {
 public:
  std::string value(int depth) {
    switch (depth == 0 ? below(3) : below(6)) {
      case 0: return std::to_string(below(1000));
      case 1: return "null";
      case 2:
      case 3: return string();
      case 4: {
        std::string text = "[";
        for (std::size_t i = below(6); i != 0; --i) text += value(depth - 1) + (i > 1 ? "," : "");
        return text + "]";
      }
      default: return object(depth);
    }
  }
  std::string object(int depth) {
    std::string text = "{";
    const std::size_t count = below(7);
    for (std::size_t i = 0; i < count; ++i) {
      text += i == 0 ? "\"" : ",\"";
      text += std::string(1, static_cast<char>('a' + i)) + std::string(below(30), 'k') + "\":";
      text += value(depth - 1);
    }
    return text + "}";
  }

 private:
  std::size_t below(std::size_t most) {
    state_ = state_ * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    return (state_ >> 33U) % most;
  }
  std::string string() {
    static constexpr std::string_view rare[] = {"\\\"", "\\\\", "\\n"};
    std::string text = "\"";
    const bool escapes = below(4) == 0;
    for (std::size_t i = below(40); i != 0; --i)
      if (escapes && below(8) == 0)
        text += rare[below(3)];
      else
        text += "{}[],: aZ~"[below(10)];
    return text + "\"";
  }
  std::uint64_t state_ = 11;
};

}  // namespace

TEST_CASE("values end where a parser says that they end") {
  Some some;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = some.object(5);
    CAPTURE(text);
    const auto document = json::Document::parse(text);
    REQUIRE(document.has_value());
    std::vector<std::string> wanted;
    for (const json::Member member : document->root().members())
      wanted.push_back(std::string(member.key) + "=" + json::to_string(member.value));
    REQUIRE(members(text) == wanted);
    if (text.size() > 2)
      REQUIRE(members(text.substr(0, text.size() - 1)) == std::vector<std::string>{"odd"});
  }
}

TEST_CASE("members of canonical text") {
  using All = std::vector<std::string>;
  CHECK(members("{}") == All{});
  CHECK(members(R"({"a":1})") == All{"a=1"});
  CHECK(members(R"({"a":-1.5e3,"b":"x","c":null,"d":[],"e":{}})") ==
        All{"a=-1.5e3", "b=\"x\"", "c=null", "d=[]", "e={}"});
  CHECK(members(R"({"a":"\"}{\\","b":[{"c":"]"},["\\"]],"c":true})") ==
        All{R"(a="\"}{\\")", R"(b=[{"c":"]"},["\\"]])", "c=true"});
  // Ends of strings at each place of a word.
  for (std::size_t size = 0; size < 40; ++size) {
    CAPTURE(size);
    const std::string text(size, 'x');
    CHECK(members("{\"a\":\"" + text + "\",\"b\":2}") == All{"a=\"" + text + "\"", "b=2"});
    CHECK(members("{\"a\":\"" + text + R"(\"y\\",")" + text + "z\":2}").front() != "a=");
  }
}

TEST_CASE("what is not canonical is odd") {
  for (const std::string_view text : {""sv,
                                      "{"sv,
                                      "}"sv,
                                      "1"sv,
                                      "[]"sv,
                                      "\"a\""sv,
                                      R"({"a")"sv,
                                      R"({"a":)"sv,
                                      R"({"a":})"sv,
                                      R"({"a":1)"sv,
                                      R"({"a":1,)"sv,
                                      R"({"a":1,})"sv,
                                      R"({,"a":1})"sv,
                                      R"({"a":1 })"sv,
                                      R"( {"a":1})"sv,
                                      R"({ "a":1})"sv,
                                      R"({"a" :1})"sv,
                                      R"({"a":1}x)"sv,
                                      R"({"b":1,"a":2})"sv,
                                      R"({"a":1,"a":2})"sv,
                                      R"({"\u0061":1})"sv,
                                      R"({"a":"x)"sv,
                                      R"({"a":"x\)"sv,
                                      R"({"a":"x\")"sv,
                                      R"({"a":[1)"sv,
                                      R"({"a":[1},"b":2)"sv,
                                      R"({"a":1"b":2})"sv}) {
    CAPTURE(text);
    CHECK(members(text) == std::vector<std::string>{"odd"});
  }
}

TEST_CASE("going into objects and lists") {
  json::Skim skim(R"({"a":{"b":[1,"x",[2]],"c":{}},"d":5})");
  std::string_view key;
  std::string seen;
  for (skim.enter(); skim.member(key);) {
    if (key != "a") {
      seen += std::string(skim.value());
      continue;
    }
    std::string_view inner;
    for (skim.enter(); skim.member(inner);) {
      if (skim.peek() != '[') {
        skim.value();
        continue;
      }
      for (skim.enter_list(); skim.element();) seen += std::string(skim.value()) + ";";
    }
  }
  CHECK(!skim.odd());
  CHECK(skim.rest().empty());
  CHECK(seen == "1;\"x\";[2];5");
  for (const std::string_view text : {"[1"sv, "[1 2]"sv, "[,1]"sv, "[1,]"sv, "x"sv, ""sv}) {
    CAPTURE(text);
    json::Skim list(text);
    for (list.enter_list(); list.element();) list.value();
    CHECK(list.odd());
  }
}

TEST_CASE("strings that need no unescaping") {
  CHECK(json::plain_string(R"("abc")") == "abc");
  CHECK(json::plain_string(R"("")") == "");
  CHECK(!json::plain_string(R"("a\nb")"));
  CHECK(!json::plain_string("5"));
  CHECK(!json::plain_string("\""));
  CHECK(!json::plain_string(""));
}
