#include "policy/test_run.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace latticegate;
using namespace latticegate::policy;

namespace {

std::string read_file(const std::string& name) {
  const char* const root = std::getenv("LATTICEGATE_SOURCE");
  const std::filesystem::path path =
      std::filesystem::path(root != nullptr ? root : ".") / "tests/data/mcp-model" / name;
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<PolicyText> model() {
  return {{"policies.cedar", read_file("policies.cedar")},
          {"templates.cedar", read_file("templates.cedar")}};
}

}  // namespace

TEST_CASE("the tests of the model pass, and cover every policy") {
  const std::string tests = read_file("tests.json");
  const std::string entities = read_file("entities.json");
  const std::string schema = read_file("mcp.cedarschema");
  const auto report = run_tests(model(), {.tests = tests, .entities = entities, .schema = schema});
  REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().detail));
  CHECK(report->outcomes.size() == 40);
  for (const TestOutcome& outcome : report->outcomes) {
    CAPTURE(outcome.name);
    CHECK(outcome.words == "");
  }
  CHECK(report->good());
  CHECK(report->silent == std::vector<std::string>{});
  // Every policy was true and false; some clauses were not tried both ways.
  CHECK(report->coverage.size() == 19);
  for (const cedar::PolicyCoverage& one : report->coverage) {
    CAPTURE(one.id);
    CHECK(one.outcomes.yes > 0);
    CHECK(one.outcomes.no > 0);
    CHECK(one.outcomes.failed == 0);
  }
}

TEST_CASE("a test that fails says what differs") {
  const PolicyText policy{"a.cedar",
                          "@id(\"all\") permit (principal, action, resource);\n"
                          "@id(\"never\") forbid (principal, action, resource)\n"
                          "when { context.x == 1 };"};
  const std::string_view tests = R"([
    {"name": "denied", "request": {"principal": "Mcp::Agent::\"a\"", "action": "Mcp::Action::\"x\"",
      "resource": "Mcp::Tool::\"t\"", "context": {"x": 2}}, "decision": "deny", "reason": ["never"]},
    {"name": "fails", "request": {"principal": "Mcp::Agent::\"a\"", "action": "Mcp::Action::\"x\"",
      "resource": "Mcp::Tool::\"t\"", "context": {}}, "decision": "allow", "num_errors": 0},
    {"name": "odd", "request": {"principal": 5, "action": "x", "resource": "y"}},
    {"name": "own", "entities": [{"uid": {"type": "Mcp::Agent"}}], "request": {}}
  ])";
  const auto report = run_tests({&policy, 1}, {.tests = tests});
  REQUIRE(report.has_value());
  REQUIRE(report->outcomes.size() == 4);
  CHECK(report->outcomes[0].words ==
        "decision: expected deny, got allow by all; reason: expected never, got all");
  CHECK(report->outcomes[1].words.starts_with("errors: expected 0, got 1; never: "));
  CHECK(report->outcomes[1].denied_on_error);
  CHECK(report->outcomes[2].words.starts_with("request.principal: "));
  CHECK(report->outcomes[3].words.starts_with("entities: "));
  CHECK(report->passed == 0);
  CHECK(report->silent == std::vector<std::string>{"never"});
  CHECK_FALSE(run_tests({&policy, 1}, {.tests = "{}"}).has_value());
  CHECK_FALSE(run_tests({&policy, 1}, {.tests = "[", .entities = "[]"}).has_value());
}
