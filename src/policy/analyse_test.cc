// What is said of policies under the gateway's model: tools that are given, tools that may exist,
// what is built in; examples are policy tests.
#include "policy/analyse.h"

#include <doctest/doctest.h>

#include <format>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "policy/test_run.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

AnalyseReport report_of(std::string_view text, const AnalyseSettings& settings = {}) {
  const PolicyText file{"a.cedar", std::string(text)};
  auto report = analyse_policies({&file, 1}, settings);
  REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().detail));
  return *std::move(report);
}

std::string proved(std::string_view text, const AnalyseSettings& settings = {}) {
  std::string out;
  for (const Diagnostic& one : report_of(text, settings).diagnostics())
    out += std::format("{}: {}\n", name(one.severity), describe(one));
  return out;
}

std::shared_ptr<const Tool> tool_of(std::string_view server, std::string_view descriptor) {
  const auto document = json::Document::parse(descriptor);
  REQUIRE(document.has_value());
  const auto tool = make_tool({.name = std::string(server)}, document->root(), {});
  REQUIRE(tool.has_value());
  return *tool;
}

}  // namespace

TEST_CASE("a policy that is built in already, a permit that a forbid takes back") {
  CHECK(proved("@id(\"mine\") forbid (principal is Mcp::Agent, action, resource)\n"
               "when { principal.quarantined };\n"
               "permit (principal, action, resource);") ==
        "warning: a.cedar:1:1: policy `mine`: holds exactly when `latticegate-quarantined-agent` "
        "(latticegate-defaults.cedar:15:1) holds\n");
  CHECK(proved("@id(\"p\") permit (principal, action in Mcp::Action::\"write\", resource)\n"
               "when { context.risk.score > 95 };") ==
        "warning: a.cedar:1:1: policy `p`: permits nothing: whenever it holds, the forbid "
        "`latticegate-risk-cutoff` (latticegate-defaults.cedar:4:1) holds\n");
  // Every principal is an agent here.
  CHECK(proved("@id(\"a\") permit (principal is Mcp::Agent, action, resource);\n"
               "@id(\"b\") permit (principal, action, resource);") ==
        "warning: a.cedar:2:1: policy `b`: holds exactly when `a` (a.cedar:1:1) holds\n");
}

TEST_CASE("what an obligation adds is not redundant") {
  CHECK(proved("@id(\"a\") permit (principal, action, resource);\n"
               "@id(\"b\") @obligation(\"alert:soc\")\n"
               "permit (principal, action, resource) when { context.risk.score > 5 };")
            .starts_with("note: a.cedar:2:1: policy `b`: whenever it holds, `a` (a.cedar:1:1) "
                         "holds, too; its obligations count"));
}

TEST_CASE("groups of effects: what is certain, and what may be") {
  // Whatever tool it is: it lies in call_tool.
  CHECK(proved("@id(\"a\") permit (principal, action == Mcp::Action::\"crm/search\", resource);\n"
               "@id(\"b\") permit (principal, action in Mcp::Action::\"call_tool\", resource);")
            .starts_with("warning: a.cedar:1:1: policy `a`: whenever it holds, `b`"));
  CHECK(proved("@id(\"a\") permit (principal, action in Mcp::Action::\"actuate\", resource);\n"
               "@id(\"b\") permit (principal, action in Mcp::Action::\"write\", resource);")
            .starts_with("warning: a.cedar:1:1: policy `a`: whenever it holds, `b`"));
  // An unknown tool may be in any of them; a known one is where it is.
  const std::string_view search =
      "@id(\"a\") permit (principal, action == Mcp::Action::\"crm/search\", resource);\n"
      "@id(\"b\") permit (principal, action in Mcp::Action::\"read\", resource);";
  CHECK(proved(search) == "");
  const auto reads = tool_of("crm", R"({"name":"search","annotations":{"readOnlyHint":true}})");
  CHECK(proved(search, {.tools = {&reads, 1}})
            .starts_with("warning: a.cedar:1:1: policy `a`: whenever it holds, `b`"));
  const auto writes = tool_of("crm", R"({"name":"search"})");
  CHECK(proved(search, {.tools = {&writes, 1}}) == "");
}

TEST_CASE("arguments of known tools have their types, those of others may be anything") {
  const std::string_view text =
      "@id(\"x\") permit (principal, action == Mcp::Action::\"crm/search\", resource)\n"
      "when { context.input has limit && context.input.limit < 5 };";
  CHECK(proved(text) == "");
  const auto without =
      tool_of("crm", R"({"name":"search","inputSchema":{"type":"object","properties":{}}})");
  CHECK(proved(text, {.tools = {&without, 1}}) ==
        "warning: a.cedar:1:1: policy `x`: never holds, whatever the request\n");
  const auto required = tool_of("crm", R"({"name":"search","inputSchema":{"type":"object",
      "properties":{"limit":{"type":"integer"}},"required":["limit"]}})");
  CHECK(proved(text, {.tools = {&required, 1}}) ==
        "note: a.cedar:2:8: policy `x`: is always true here\n");
}

TEST_CASE("an example is a policy test") {
  const std::string_view text =
      "@id(\"a\") permit (principal in Mcp::Group::\"staff\", action in Mcp::Action::\"read\", "
      "resource)\n"
      "when { context.input has limit && context.input.limit <= 100 && principal.attested };\n"
      "@id(\"b\") forbid (principal, action, resource)\n"
      "when { context.env.region like \"eu-*\" && context.risk.signals.contains(\"puppet\") };";
  const AnalyseReport report = report_of(text);
  const PolicyText file{"a.cedar", std::string(text)};
  std::size_t examples = 0;
  for (const AnalyseFinding& finding : report.findings) {
    if (finding.claim != cedar::Claim::impossible && finding.claim != cedar::Claim::overridden)
      continue;
    CAPTURE(finding.example);
    CAPTURE(describe(finding.diagnostic));
    REQUIRE(finding.verdict == cedar::Verdict::refuted);
    // `b` never holds where it is asked about `a` alone.
    const std::string_view members = std::string_view(finding.example).substr(1);
    const bool permits = finding.claim == cedar::Claim::overridden;
    const std::string tests =
        std::format(R"([{{"name":"x",{}{})",
                    permits ? R"("decision":"allow","reason":["a"],)" : R"("decision":"x",)",
                    members) +
        "]";
    const auto ran = run_tests({&file, 1}, {.tests = tests});
    REQUIRE_MESSAGE(ran.has_value(), (ran ? "" : ran.error().detail));
    const TestOutcome& outcome = ran->outcomes[0];
    CAPTURE(outcome.words);
    if (permits && finding.other == "b")
      CHECK(outcome.passed);
    else
      CHECK_FALSE(outcome.words.contains("entities"));
    ++examples;
  }
  CHECK(examples >= 3);
}

TEST_CASE("a schema of the operator's") {
  const std::string_view schema =
      "entity U; action a appliesTo { principal: U, resource: U, context: { n: Long } };";
  CHECK(proved("permit (principal, action, resource) when { context.n > 1 && context.n < 2 };",
               {.schema = schema, .built_in = false}) ==
        "warning: a.cedar:1:1: policy `policy0`: never holds, whatever the request\n");
  const PolicyText broken{"a.cedar", "permit"};
  CHECK_FALSE(analyse_policies({&broken, 1}, {}).has_value());
  CHECK_FALSE(analyse_policies({}, {.schema = "entity"}).has_value());
}
