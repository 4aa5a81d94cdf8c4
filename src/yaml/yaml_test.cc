#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <string>

#include "yaml/fields.h"
#include "yaml/json_text.h"
#include "yaml/node.h"

using namespace latticegate;
using namespace std::chrono_literals;

namespace {
yaml::Node read(std::string_view text) {
  auto node = yaml::parse(text, "f.yaml");
  REQUIRE_MESSAGE(node.has_value(), text);
  return *std::move(node);
}
std::string refusal(std::string_view text, const yaml::Limits& limits = {}) {
  const auto node = yaml::parse(text, "f.yaml", limits);
  return node ? "accepted" : node.error().detail;
}
std::string json_of(std::string_view text) {
  const auto out = yaml::to_json(read(text));
  return out ? *out : out.error().detail;
}
}  // namespace

TEST_CASE("kinds, texts, order and places are kept") {
  const yaml::Node root = read("b: one\na:\n  - 'true'\n  - 2\n  - ~\nc: {x: t}\n");
  REQUIRE(root.is_map());
  REQUIRE(root.entries().size() == 3);
  CHECK(root.entries()[0].key == "b");
  CHECK(root.entries()[1].key == "a");
  CHECK(root.entries()[1].line == 2);
  CHECK(root.entries()[1].column == 1);
  const yaml::Node* const list = root.find("a");
  REQUIRE(list->is_list());
  CHECK(list->items()[0].quoted());
  CHECK(list->items()[0].line() == 3);
  CHECK(list->items()[0].column() == 5);
  CHECK_FALSE(list->items()[1].quoted());
  CHECK(list->items()[2].is_null());
  CHECK(root.find("nothing") == nullptr);
  CHECK(read("").is_null());
  CHECK(read("# only a comment\n").is_null());
  CHECK(read("a: |+\n  x\n\n").find("a")->text() == "x\n\n");
  CHECK(read("a: |\n  x").find("a")->text() == "x\n");
  CHECK(read("a: x # note").find("a")->text() == "x");
  CHECK(read("a: 1\n...\n...\n").is_map());
  CHECK(read("\xEF\xBB\xBF"
             "a: 1\r\nb: 2\r\n")
            .find("b")
            ->text() == "2");
  CHECK(read("%YAML 1.2\n---\na: 1\n...\n").is_map());
}

TEST_CASE("what a strict file may not contain is refused with its place") {
  struct Row {
    std::string_view text, expected;
  };
  for (const Row& row : {
           Row{"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key \"a\" appears twice"},
           Row{"x: {k: 1, \"k\": 2}", "f.yaml:1:11: the key \"k\" appears twice"},
           Row{"a: &x 1\n", "f.yaml:1:4: an anchor (&name); write the value out"},
           Row{"a: *x\n", "f.yaml:1:4: "},
           Row{"a: !!str 1\n", "f.yaml:1:4: a tag (\"tag:yaml.org,2002:str\")"},
           Row{"a: !mine {b: 1}\n", "f.yaml:1:4: a tag (\"!mine\")"},
           Row{"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document"},
           Row{"? {a: 1}\n: 2\n", "f.yaml:1:3: a key that is not a text"},
           Row{": 2\n", "f.yaml:1:1: a key that is not a text"},
           Row{"a:\n  <<: {b: 1}\n", "f.yaml:2:3: a merge key"},
           Row{"a: [1, 2\n", "f.yaml:"},
           Row{"a: b: c\n", "f.yaml:1:5: "},
           Row{"a: \x01\n", "f.yaml:1:4: a control character"},
           Row{"ok: 1\na: \xFF\n", "f.yaml:1:1: not valid UTF-8"},
           Row{"a: \"x\n", "f.yaml:"},
           Row{"a: 'x", "f.yaml:"},
           Row{"a: 1\n b: 2\n", "f.yaml:2:"},
           Row{"\ta: 1\n", "f.yaml:1:"},
           Row{"a: \"\\0\"\n", "f.yaml:1:4: an escape for a character"},
           Row{"\"\\ud800\": 1\n", "f.yaml:1:8: "},
           Row{"}\n", "f.yaml:1:1: "},
       }) {
    CAPTURE(row.text);
    const std::string words = refusal(row.text);
    CAPTURE(words);
    CHECK(words.starts_with(row.expected));
  }
}

TEST_CASE("limits hold exactly") {
  CHECK(refusal("[[[1]]]", {.depth = 3}) == "accepted");
  CHECK(refusal("[[[1]]]", {.depth = 2}).starts_with("f.yaml:1:3: nested deeper than 2"));
  CHECK(refusal("[1, 2]", {.nodes = 3}) == "accepted");
  CHECK(refusal("[1, 2]", {.nodes = 2}).find("more than 2 values") != std::string::npos);
  CHECK(refusal("a: 1", {.size = {4}}) == "accepted");
  CHECK(refusal("a: 12", {.size = {4}}).find("5 bytes; the limit is 4") != std::string::npos);
  CHECK(refusal(std::string(5000, '[')) != "accepted");
  CHECK(refusal(std::string(5000, '{')) != "accepted");
  std::string dashes;
  for (int i = 0; i < 3000; ++i) dashes += "- ";
  CHECK(refusal(dashes) != "accepted");
}

TEST_CASE("typed access converts or says what it wanted") {
  const yaml::Node root = read(
      "{t: true, n: no, i: -12, q: '12', big: 99999999999999999999, d: 2.5, dur: 1h30m, ms: 250ms, "
      "bare: 5,\n"
      " zero: 0, size: 4MiB, bytes: 512, mb: 2MB, far: 99999999w, list: [a, 1, true], mixed: "
      "[[a]]}");
  CHECK(root.find("t")->as_bool() == true);
  CHECK(root.find("n")->as_bool().error().detail ==
        "f.yaml:1:14: expected true or false, found \"no\"");
  CHECK(root.find("n")->as_string() == "no");
  CHECK(root.find("i")->as_int() == -12);
  CHECK_FALSE(root.find("q")->as_int().has_value());
  CHECK_FALSE(root.find("big")->as_int().has_value());
  CHECK_FALSE(root.find("d")->as_int().has_value());
  CHECK(root.find("d")->as_number() == 2.5);
  CHECK(root.find("dur")->as_duration() == 90min);
  CHECK(root.find("ms")->as_duration() == 250ms);
  CHECK(root.find("zero")->as_duration() == 0s);
  CHECK_FALSE(root.find("bare")->as_duration().has_value());
  CHECK_FALSE(root.find("far")->as_duration().has_value());
  CHECK(root.find("size")->as_size() == base::Bytes{4194304});
  CHECK(root.find("bytes")->as_size() == base::Bytes{512});
  CHECK(root.find("mb")->as_size() == base::Bytes{2000000});
  CHECK_FALSE(root.find("dur")->as_size().has_value());
  CHECK(root.find("list")->as_strings() == std::vector<std::string>{"a", "1", "true"});
  CHECK_FALSE(root.find("mixed")->as_strings().has_value());
  CHECK(root.find("list")->as_string().error().detail.ends_with("expected a text, found a list"));
}

TEST_CASE("fields: unknown keys get a suggestion, missing and bad ones are all reported") {
  const yaml::Node root = read("prot: 80\nsize: 70000\nlevel: hgih\nextra: {}\n");
  yaml::Fields fields(root, "a listener");
  std::uint16_t port = 7, size = 8;
  int level = 0;
  std::string needed;
  CHECK_FALSE(fields.read("port", port));
  CHECK_FALSE(fields.read("size", size));
  CHECK_FALSE(fields.need("address", needed));
  constexpr auto levels = std::to_array<yaml::Choice<int>>({{"low", 1}, {"high", 2}});
  CHECK_FALSE(fields.choose<int>("level", level, levels));
  const auto done = fields.finish();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().detail ==
        "f.yaml:2:7: size: 70000 is out of range (0 to 65535)\n"
        "f.yaml:1:1: a listener needs the key \"address\"\n"
        "f.yaml:3:8: level: expected one of low, high, found \"hgih\"; did you mean \"high\"?\n"
        "f.yaml:1:1: a listener has no key \"prot\"; did you mean \"port\"?\n"
        "f.yaml:4:1: a listener has no key \"extra\"");
  CHECK(port == 7);
}

TEST_CASE("fields: good maps are read whole, nested readers and optionals included") {
  const yaml::Node root =
      read("port: 80\nwait: 5s\nlimit: 1KiB\nname: x\nsub: {deep: true}\nempty:\n");
  yaml::Fields fields(root, "a thing");
  std::uint16_t port = 0;
  std::chrono::milliseconds wait{};
  base::Bytes limit;
  std::optional<std::string> name, absent;
  bool deep = false;
  int unset = 3;
  fields.need("port", port);
  fields.read("wait", wait);
  fields.read("limit", limit);
  fields.read("name", name);
  fields.read("absent", absent);
  fields.read("empty", unset);
  fields.need("sub", deep, [](const yaml::Node& node) -> base::Result<bool> {
    yaml::Fields inner(node, "a sub");
    bool value = false;
    inner.need("deep", value);
    if (auto done = inner.finish(); !done) return std::unexpected(done.error());
    return value;
  });
  REQUIRE(fields.finish().has_value());
  CHECK(port == 80);
  CHECK(wait == 5s);
  CHECK(limit == base::Bytes{1024});
  CHECK(name == "x");
  CHECK_FALSE(absent.has_value());
  CHECK(unset == 3);
  CHECK(deep);
  yaml::Fields wrong(*root.find("name"), "a thing");
  CHECK(wrong.finish().error().detail == "f.yaml:4:7: a thing is a map, found a text");
}

TEST_CASE("JSON text follows the core schema of YAML 1.2") {
  CHECK(json_of("{a: [1, -0, +7, 007, 0x1F, 0o17, 1.50, .5, 5., 1e3, -1.E-2]}") ==
        R"({"a":[1,-0,7,7,31,15,1.50,0.5,5,1e3,-1e-2]})");
  CHECK(
      json_of("[true, True, FALSE, ~, null, '', '1', \"true\", yes, no, 1.2.3, 0xZZ, 1_000, '']") ==
      R"([true,true,false,null,null,"","1","true","yes","no","1.2.3","0xZZ","1_000",""])");
  CHECK(json_of("12345678901234567890123") == "12345678901234567890123");
  CHECK(json_of("a:\nb: |\n  x\n  \"y\"\n") == "{\"a\":null,\"b\":\"x\\n\\\"y\\\"\\n\"}");
  CHECK(json_of("[.inf]") == "f.yaml:1:2: JSON has no such number");
  CHECK(json_of("[0xFFFFFFFFFFFFFFFFF]") == "f.yaml:1:2: an integer above 64 bits");
}
