#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "json/value.h"
#include "json/write.h"

using namespace latticegate;
using json::Document;

namespace {
std::string round(std::string_view text) {
  const auto document = Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  return json::to_string(document->root());
}
bool refused(std::string_view text, const json::Limits& limits = {}) {
  return !Document::parse(text, limits).has_value();
}
}  // namespace

TEST_CASE("what is parsed is written back, order, digits and unknown members included") {
  for (const std::string_view text :
       {R"({"b":1,"a":[1.0,1e5,-0,12345678901234567890123,true,false,null],"":{}})", R"([])",
        R"("x")", R"(12)", R"({"k\"ey":"a\\b\n\u0001"})", R"([[[[]]]])",
        R"({"a":{"a":{"a":"a"}}})"})
    CHECK(round(text) == text);
  CHECK(round(" { \"a\" : [ 1 , 2 ] } ") == R"({ "a" : [ 1 , 2 ] })");
  CHECK(round("{\n  \"a\": [\r\n1 , 2 ] }\n") == R"({"a":[1,2]})");          // one line, always
  CHECK(round(R"("\u00e4\/\ud83d\ude00")") == R"("\u00e4\/\ud83d\ude00")");  // as it came
  CHECK(json::canonical(json::Document::parse(R"("\u00e4\/\ud83d\ude00")")->root()) ==
        "\"\xC3\xA4/\xF0\x9F\x98\x80\"");
}

TEST_CASE("duplicate keys are refused at any depth, compared after unescaping") {
  CHECK(refused(R"({"a":1,"a":2})"));
  CHECK(refused(R"({"a":1,"\u0061":2})"));
  CHECK(refused(R"([{"x":[{"k":1,"k":1}]}])"));
  std::string wide = "{";
  for (int i = 0; i < 40; ++i) wide += "\"k" + std::to_string(i) + "\":1,";
  CHECK(refused(wide + R"("k7":1})"));
  CHECK_FALSE(refused(wide + R"("z":1})"));
}

TEST_CASE("hostile documents are refused") {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "{}x",
                                      "{} {}",
                                      "[1,]",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "nul",
                                      "[01]",
                                      "[1.]",
                                      "[.5]",
                                      "[+1]",
                                      "[1e]",
                                      "[--1]",
                                      "\"\\ud800\"",
                                      "\"\\x\"",
                                      "\"a\nb\"",
                                      "\"\xFF\"",
                                      "[\"\xC0\xAF\"]",
                                      "\"\\u0000\"",
                                      "1,2",
                                      "1 2",
                                      "[NaN]",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      " { \"a\" :  \"a\" : ] } ",
                                      "{\"a\":\"b\":\"c\"}",
                                      "[\"a\":1]",
                                      "[\"a\" \"b\"]",
                                      "[\"a\":\"b\"]",
                                      "{\"a\":\"b\" \"c\":1}",
                                      "{\"a\":\"b\",\"c\"}",
                                      "{\"a\":[\"b\":\"c\"]}",
                                      "]",
                                      "\"a",
                                      "[\"a]",
                                      "tru",
                                      "true false",
                                      "\xEF\xBB\xBF{}"}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
  CHECK_FALSE(refused("\"\\u0000\"", {.allow_nul = true}));
  CHECK(refused("{\"\\u0000\":1}", {.allow_nul = true}));
  CHECK_FALSE(refused("{\"\\u0000\":1}", {.allow_nul_keys = true}));
}

TEST_CASE("limits hold exactly") {
  CHECK_FALSE(refused("[[[1]]]", {.depth = 3}));
  CHECK(refused("[[[1]]]", {.depth = 2}));
  CHECK(refused("[1,2,3]", {.nodes = 3}));
  CHECK_FALSE(refused("[1,2,3]", {.nodes = 4}));
  CHECK(refused("[1,2,3]", {.size = {6}}));
  const auto large = Document::parse("[1,2,3]", {.size = {6}});
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error().code == base::Code::too_large);
}

TEST_CASE("numbers convert only without loss") {
  const auto document =
      Document::parse("[5,5.0,5e3,9223372036854775807,9223372036854775808,0.5,-1]");
  REQUIRE(document.has_value());
  const json::Value root = document->root();
  CHECK(root.at(0).integer() == 5);
  CHECK_FALSE(root.at(1).integer().has_value());
  CHECK(root.at(1).integral() == 5);
  CHECK(root.at(2).integral() == 5000);
  CHECK(root.at(3).integer() == 9223372036854775807);
  CHECK_FALSE(root.at(4).integral().has_value());
  CHECK_FALSE(root.at(5).integral().has_value());
  CHECK(root.at(5).number() == 0.5);
  CHECK(root.at(6).integer() == -1);
}

TEST_CASE("absent values answer no to everything") {
  const auto document = Document::parse(R"({"a":{"b":[10,20]}})");
  REQUIRE(document.has_value());
  CHECK(document->root()["a"]["b"].at(1).integer() == 20);
  CHECK_FALSE(document->root()["x"]["y"].exists());
  CHECK(document->root()["x"].size() == 0);
  CHECK_FALSE(document->root()["a"].string().has_value());
}

TEST_CASE("edits replace and drop while everything else stays") {
  const auto document =
      Document::parse(R"({"id":1,"r":{"tools":[{"n":"a"},{"n":"b"},{"n":"c"}],"x":true},"z":[0]})");
  REQUIRE(document.has_value());
  const json::Value root = document->root();
  std::string out;
  const std::vector<json::Edit> edits{{root["id"], "\"u7\""},
                                      {root["r"]["tools"].at(0), ""},
                                      {root["r"]["tools"].at(2)["n"], "\"C\""},
                                      {root["z"], ""}};
  json::write(root, edits, out);
  CHECK(out == R"({"id":"u7","r":{"tools":[{"n":"b"},{"n":"C"}],"x":true}})");
}

TEST_CASE("canonical form is RFC 8785") {
  const auto canonical = [](std::string_view text) {
    const auto document = Document::parse(text);
    REQUIRE(document.has_value());
    return json::canonical(document->root());
  };
  // RFC 8785 section 3.2.2 and 3.2.3
  CHECK(
      canonical(
          R"({"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"literals":[null,true,false]})") ==
      R"({"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]})");
  CHECK(canonical("{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":"
                  "6,\"\\u00f6\":7}") ==
        "{\"\\r\":2,\"1\":4,\"\xC2\x80\":6,\"\xC3\xB6\":7,\"\xE2\x82\xAC\":1,\"\xF0\x9F\x98\x80\":"
        "5,\"\xEF\xAC\xB3\":3}");
  CHECK(canonical("[-0,1e21,123456789012345678901,1e-7,100,5.0]") ==
        "[0,1e+21,123456789012345678901,1e-7,100,5]");
}

TEST_CASE("strings are escaped wherever the character stands, and nothing else is touched") {
  for (int c = 0; c < 256; ++c)
    for (std::size_t place = 0; place < 20; ++place) {
      std::string text(20, 'x');
      text[place] = static_cast<char>(c);
      std::string out;
      json::write_string(text, out);
      if (c >= 0x20 && c != '"' && c != '\\') {
        CHECK(out == "\"" + text + "\"");
      } else if (c != 0) {
        const auto again = Document::parse(out);
        REQUIRE(again.has_value());
        CHECK(again->root().string() == text);
      } else {
        CHECK(out.contains("\\u0000"));
      }
    }
}

TEST_CASE("the writer puts commas where they belong") {
  std::string out;
  json::Writer w(out);
  w.begin_object()
      .member("a", std::int64_t{1})
      .key("b")
      .begin_array()
      .string("x")
      .integer(2)
      .begin_object()
      .end_object()
      .end_array();
  w.member("c", true).key("d").null().end_object();
  CHECK(out == R"({"a":1,"b":["x",2,{}],"c":true,"d":null})");
}

TEST_CASE("documents survive a move and the reuse of their storage") {
  std::vector<Document> kept;
  for (int i = 0; i < 100; ++i) {
    auto document = Document::parse("{\"v\":\"text number " + std::to_string(i) + "\"}");
    REQUIRE(document.has_value());
    if (i % 2 == 0) kept.push_back(*std::move(document));
  }
  for (std::size_t i = 0; i < kept.size(); ++i)
    CHECK(kept[i].root()["v"].string() == "text number " + std::to_string(2 * i));
}

TEST_CASE("a string is written the same wherever in it something needs an escape") {
  const auto slow = [](std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\')
        out += std::string("\\") + c;
      else if (c == '\n')
        out += "\\n";
      else if (c == '\x1F')
        out += "\\u001f";
      else
        out += c;
    }
    return out + '"';
  };
  for (std::size_t size = 0; size < 40; ++size) {
    for (std::size_t at = 0; at <= size; ++at) {
      for (const char special : {'"', '\\', '\n', '\x1F', ' ', '\x7F', '\x80', '\xFF'}) {
        std::string text(size, 'a');
        if (at < size) text[at] = special;
        std::string out = "x";
        json::write_string(text, out);
        CHECK(out == "x" + slow(text));
      }
    }
  }
}
