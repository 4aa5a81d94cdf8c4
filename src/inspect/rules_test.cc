#include "inspect/rules.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

#include "inspect/detail/token.h"

using namespace latticegate;
using namespace latticegate::inspect;

namespace {
std::string refusal(std::string_view text) {
  const std::array files{RuleFile{"f.yaml", std::string(text)}};
  const auto rules = RuleSet::compile(files);
  return rules ? "accepted" : rules.error().detail;
}
}  // namespace

TEST_CASE("every example of the built-in rules behaves as its file says") {
  const auto failures = failing_examples(built_in_files());
  REQUIRE_MESSAGE(failures.has_value(), failures.error().detail);
  for (const std::string& failure : *failures) FAIL_CHECK(failure);
}

TEST_CASE("the built-in rules are many, and each has examples of both kinds") {
  const auto rules = RuleSet::built_in();
  REQUIRE_MESSAGE(rules.has_value(), rules.error().detail);
  // docs/guide/inspection.md says so.
  CHECK(std::ranges::count((*rules)->rules(), FindingKind::secret, &Rule::kind) > 200);
  CHECK((*rules)->digest().size() == 64);
}

TEST_CASE("rule files are read strictly") {
  CHECK(refusal("rules: [{id: a-b, description: x, anchors: [abc], pattern: 'abc\\d+', match: "
                "[abc1]}]") == "accepted");
  struct Row {
    std::string_view text, words;
  };
  for (const Row& row : {
           Row{"rules: [{id: a, description: x, anchor: [abc], pattern: a, match: [a]}]",
               "did you mean \"anchors\"?"},
           Row{"rules: [{id: A_b, description: x, anchors: [abc], pattern: a, match: [a]}]",
               "lower-case"},
           Row{"rules: [{id: a, description: x, anchors: [ab], pattern: a, match: [a]}]",
               "shorter than 3 bytes"},
           Row{"rules: [{id: a, description: x, anchors: [abc], pattern: '(', match: [a]}]",
               "f.yaml:1:58: "},
           Row{"rules: [{id: a, description: x, anchors: [abc], pattern: '(?=a)', match: [a]}]",
               "look-ahead"},
           Row{"rules: [{id: a, description: x, anchors: [abc], pattern: a}]", "needs an example"},
           Row{"rules: [{id: a, description: x, anchors: [abc], pattern: a, match: [a], severity: "
               "hihg}]",
               "did you mean \"high\"?"},
           Row{"rules: [{id: a, description: x, anchors: [abc], pattern: a, match: [a], surfaces: "
               "[reslt]}]",
               "did you mean \"result\"?"},
           Row{"rules: [{id: a, description: x, anchors: [abc], pattern: a, match: [a]},\n {id: a, "
               "description: x, "
               "anchors: [abc], pattern: a, match: [a]}]",
               "exists already"},
           Row{"rules: {}", "expected a list of rules"},
           Row{"ruels: []", "did you mean \"rules\"?"},
       }) {
    CAPTURE(row.text);
    const std::string words = refusal(row.text);
    CAPTURE(words);
    CHECK(words.contains(row.words));
  }
}

TEST_CASE("an example that behaves otherwise is named with its place") {
  const std::array files{
      RuleFile{"f.yaml",
               "rules:\n- id: a\n  description: x\n  anchors: [abc]\n  pattern: 'abc\\d'\n"
               "  match: [abc1, xyz]\n  no_match: [abc2, q]\n"}};
  const auto failures = failing_examples(files);
  REQUIRE(failures.has_value());
  CHECK(*failures == std::vector<std::string>{"f.yaml:6:17: a does not match \"xyz\"",
                                              "f.yaml:7:14: a matches \"abc2\""});
}

TEST_CASE("token checks") {
  CHECK(crc32_base62("wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO") ==
        "0pINUx");  // a published sample of the format
  CHECK(entropy("") == 0);
  CHECK(entropy("aaaa") == 0);
  CHECK(entropy("abcd") == doctest::Approx(2));
  CHECK(holds(TokenCheck::jwt, "eyJhbGciOiJub25lIn0.e30.x", ""));
  CHECK_FALSE(holds(TokenCheck::jwt, "eyJhIjoxfQ.e30.x", ""));
  CHECK(holds(TokenCheck::basic, "dXNlcjpwYXNz", ""));
  CHECK_FALSE(holds(TokenCheck::basic, "understanding", ""));
  CHECK(is_monotonous("AAAAAAAAAAAA-BBBBBBBBBBBB"));
  CHECK_FALSE(is_monotonous("k4f9s0dlq2"));
  const std::vector<std::string> words{"example"}, values{"password"};
  CHECK(is_placeholder("AKIAIOSFODNN7EXAMPLE", words, values));
  CHECK(is_placeholder("Password", words, values));
  CHECK(is_placeholder("${TOKEN}", words, values));
  CHECK_FALSE(is_placeholder("Password1", words, values));
}
