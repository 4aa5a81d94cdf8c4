// How what is wrong with policies is shown: text, JSON, SARIF.
#include "policy/diagnostic.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/validate.h"
#include "json/value.h"
#include "policy/check.h"
#include "policy/sarif.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

std::vector<Diagnostic> found_in(std::span<const PolicyText> texts) {
  auto report = check_policies(texts, {});
  REQUIRE(report.has_value());
  return report->diagnostics;
}

}  // namespace

TEST_CASE("an excerpt marks the place") {
  struct Case {
    std::string_view line;
    Diagnostic::Place begin;
    Diagnostic::Place end;
    std::string_view expected;
  };
  const Case cases[] = {
      {"abc def", {1, 5}, {1, 8}, "    abc def\n        ^~~\n"},
      {"abc", {1, 2}, {1, 2}, "    abc\n     ^\n"},         // only a point is known
      {"abc", {1, 4}, {1, 4}, "    abc\n       ^\n"},       // the end of the line
      {"ab\nc", {1, 2}, {2, 1}, "    ab\n     ^\n"},        // over several lines
      {"a\nbcd\r\n", {2, 2}, {2, 3}, "    bcd\n     ^\n"},  // another line
      {"\tab", {1, 2}, {1, 3}, "     ab\n     ^\n"},        // a tab takes one place
      {"\xC3\xA4\xC3\xB6 x", {1, 6}, {1, 7}, "    \xC3\xA4\xC3\xB6 x\n       ^\n"},
      {"a\x1B[2Jb", {1, 6}, {1, 7}, "    a\\u{1b}[2Jb\n              ^\n"},
      {"\xE2\x80\xAE x", {1, 5}, {1, 6}, "    \\u{202e} x\n             ^\n"},  // turns the text
      {"\xFF\xC3", {1, 2}, {1, 3}, {}},  // no UTF-8: anything but a crash
      {"", {1, 1}, {1, 1}, ""},
      {"abc", {0, 0}, {0, 0}, ""},
      {"abc", {9, 1}, {9, 1}, ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.line);
    const PolicyText text{"p", std::string(one.line)};
    const Diagnostic diagnostic{.file = "p", .begin = one.begin, .end = one.end};
    const std::string shown = excerpt(diagnostic, {&text, 1});
    if (one.expected.data() != nullptr) CHECK(shown == one.expected);
  }
}

TEST_CASE("of a long line the part around the place") {
  const PolicyText text{"p", std::string(5'000, 'a') + "HERE" + std::string(5'000, 'b')};
  const Diagnostic diagnostic{.file = "p", .begin = {1, 5'001}, .end = {1, 5'005}};
  const std::string shown = excerpt(diagnostic, {&text, 1});
  CHECK(shown.size() < 400);
  const std::size_t marks = shown.find('\n') + 1;
  CHECK(shown.find('^') - marks == shown.find("HERE"));
}

TEST_CASE("places of errors are read from their details") {
  const auto place = [](std::string detail) {
    return describe(
        diagnostic_of({base::Code::malformed, std::move(detail)}, "a:1.cedar", "syntax"));
  };
  CHECK(place("a:1.cedar:7:8: expected x") == "a:1.cedar:7:8: expected x");
  CHECK(place("a:1.cedar: too large") == "a:1.cedar: too large");
  CHECK(place("something else") == "a:1.cedar: something else");
  CHECK(place("a:1.cedar:99999999999999:8: x") == "a:1.cedar: 99999999999999:8: x");
}

TEST_CASE("every problem of the validator has its rule") {
  std::set<std::string_view> names;
  for (const DiagnosticRule& rule : diagnostic_rules()) {
    CHECK(names.insert(rule.name).second);
    CHECK_FALSE(rule.words.empty());
  }
  for (int i = 0; i <= static_cast<int>(cedar::Problem::unusual_identifier); ++i) {
    const auto problem = static_cast<cedar::Problem>(i);
    CAPTURE(cedar::name(problem));
    REQUIRE(names.contains(cedar::name(problem)));
    for (const DiagnosticRule& rule : diagnostic_rules())
      if (rule.name == cedar::name(problem))
        CHECK(cedar::is_error(problem) == (rule.severity == Diagnostic::Severity::error));
  }
}

TEST_CASE("SARIF has the structure that 2.1.0 asks for") {
  const PolicyText texts[] = {
      {"a b/\xC3\xA4.cedar",
       "permit (principal, action, resource)\nwhen { \"\xC3\xA4\" like \"b\" || context.nothing "
       "};\n"
       "permit (principal == Mcp::Agent::\"\xD0\xB0gent\", action, resource);"},
      {"/b.cedar", "permit"}};
  const std::vector<Diagnostic> found = found_in(texts);
  REQUIRE(found.size() == 3);
  const auto document = json::Document::parse(to_sarif(found, texts, "1.2.3"));
  REQUIRE(document.has_value());
  const json::Value root = document->root();
  CHECK(root["version"].string() == "2.1.0");
  CHECK(root["$schema"].string()->contains("sarif"));
  REQUIRE(root["runs"].is_array());
  const json::Value run = *root["runs"].elements().begin();
  const json::Value driver = run["tool"]["driver"];
  CHECK(driver["name"].string() == "latticegate");
  CHECK(driver["version"].string() == "1.2.3");
  CHECK(run["columnKind"].string() == "unicodeCodePoints");
  std::vector<std::string> rules;
  for (const json::Value rule : driver["rules"].elements()) {
    rules.emplace_back(rule["id"].text_or(""));
    CHECK_FALSE(rule["shortDescription"]["text"].text_or("").empty());
  }
  std::size_t results = 0;
  std::vector<std::string> places;
  for (const json::Value result : run["results"].elements()) {
    ++results;
    const auto index = result["ruleIndex"].integer();
    REQUIRE(index.has_value());
    REQUIRE(static_cast<std::size_t>(*index) < rules.size());
    CHECK(rules[static_cast<std::size_t>(*index)] == result["ruleId"].text_or(""));
    const std::string_view level = result["level"].text_or("");
    CHECK((level == "error" || level == "warning"));
    CHECK_FALSE(result["message"]["text"].text_or("").empty());
    for (const json::Value location : result["locations"].elements()) {
      const json::Value physical = location["physicalLocation"];
      const json::Value region = physical["region"];
      const auto number = [&](std::string_view key) { return region[key].integer().value_or(0); };
      CHECK(number("startLine") >= 1);
      CHECK(number("startColumn") >= 1);
      places.push_back(std::format(
          "{} {}:{}-{}:{}", physical["artifactLocation"]["uri"].text_or(""), number("startLine"),
          number("startColumn"), number("endLine"), number("endColumn")));
    }
  }
  CHECK(results == found.size());
  CHECK(places == std::vector<std::string>{"file:///b.cedar 1:7-0:0",
                                           "a%20b/%C3%A4.cedar 2:24-2:39",
                                           "a%20b/%C3%A4.cedar 3:9-3:41"});
}

TEST_CASE("one finding as JSON") {
  const PolicyText text{"p", "permit (principal, action, resource)\nwhen { context.nothing };"};
  const std::vector<Diagnostic> found = found_in({&text, 1});
  REQUIRE(found.size() == 1);
  std::string out;
  json::Writer writer(out);
  write(found[0], {&text, 1}, writer);
  const auto document = json::Document::parse(out);
  REQUIRE(document.has_value());
  const json::Value root = document->root();
  CHECK(root["severity"].string() == "error");
  CHECK(root["rule"].string() == "no_attribute");
  CHECK(root["policy"].string() == "policy0");
  CHECK(root["line"].integer() == 2);
  CHECK(root["column"].integer() == 8);
  CHECK(root["endColumn"].integer() == 23);
  CHECK(root["excerpt"].string() == "when { context.nothing };");
}
