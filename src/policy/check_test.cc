// What keeps policies from being loaded; names; types against the model and a schema of the
// operator.
#include "policy/check.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/validate.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

CheckReport report_of(std::string_view text, const CheckSettings& settings = {}) {
  const std::vector<PolicyText> texts{{.file = "p", .text = std::string(text)}};
  const auto report = check_policies(texts, settings);
  REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().detail));
  return *report;
}

std::size_t errors_in(const CheckReport& report) {
  return count(report.diagnostics, Diagnostic::Severity::error);
}

// The rules of what is found, in the order of the report.
std::string rules_of(std::string_view text, const CheckSettings& settings = {}) {
  std::string all;
  for (const Diagnostic& one : report_of(text, settings).diagnostics)
    all += (all.empty() ? "" : " ") + one.rule;
  return all;
}

std::string words_of(std::string_view text) {
  std::string all;
  for (const Diagnostic& one : report_of(text).diagnostics) all += describe(one) + "\n";
  return all;
}

std::shared_ptr<const Tool> tool_of(std::string_view server, std::string_view descriptor) {
  const auto document = json::Document::parse(descriptor);
  REQUIRE(document.has_value());
  const auto tool = make_tool({.name = std::string(server)}, document->root(), {});
  REQUIRE(tool.has_value());
  return *tool;
}

}  // namespace

TEST_CASE("the built-in policies are valid under the model, with any tool") {
  const auto descriptor = json::Document::parse(R"({"name":"t"})");
  REQUIRE(descriptor.has_value());
  const auto tool = make_tool({.name = "s"}, descriptor->root(), {});
  REQUIRE(tool.has_value());
  const auto schema = cedar::parse_schema(schema_text({&*tool, 1}));
  const auto policies = cedar::parse_policies(built_in_policies());
  REQUIRE((schema && policies));
  CHECK(policies->size() == 8);
  for (const cedar::Finding& finding : cedar::validate(*policies, *schema).findings)
    FAIL_CHECK(cedar::describe(finding));
}

TEST_CASE("the arguments of a tool have the types of its inputSchema") {
  const auto descriptor = json::Document::parse(
      R"({"name":"search","inputSchema":{"type":"object","properties":{"limit":{"type":"integer"},
          "query":{"type":"string"}},"required":["query"]}})");
  REQUIRE(descriptor.has_value());
  const auto tool = make_tool({.name = "crm"}, descriptor->root(), {});
  REQUIRE(tool.has_value());
  const CheckSettings files{.tools = {&*tool, 1}};
  const std::string_view scope =
      "forbid (principal, action == Mcp::Action::\"crm/search\", resource)";
  const auto with = [&](std::string_view condition) {
    return report_of(std::string(scope) + " when { " + std::string(condition) + " };", files);
  };
  CHECK(with("context.input.query like \"*drop*\"").good());
  CHECK(with("context.input has limit && context.input.limit > 500").good());
  CHECK(errors_in(with("context.input.limit > 500")) == 1);
  CHECK(errors_in(with("context.input.query > 500")) == 1);
  const CheckReport missing = with("context.input.querry == \"x\"");
  REQUIRE(missing.diagnostics.size() == 1);
  CHECK(describe(missing.diagnostics[0]).starts_with("p:1:"));
  CHECK(missing.diagnostics[0].message.contains("there is no attribute `querry`"));
  CHECK(missing.diagnostics[0].policy == "policy0");
  const CheckReport unknown =
      report_of("permit (principal, action == Mcp::Action::\"crm/serch\", resource);", files);
  CHECK(errors_in(unknown) == 1);
  CHECK(unknown.diagnostics.size() == 2);
  CHECK(unknown.policies == 1);
}

TEST_CASE("a schema of the operator's, as text and as JSON") {
  const std::string_view text =
      "entity U; action a appliesTo { principal: U, resource: U, context: { n: Long } };";
  const std::string_view json =
      R"( {"":{"entityTypes":{"U":{}},"actions":{"a":{"appliesTo":{"principalTypes":["U"],
          "resourceTypes":["U"],"context":{"type":"Record","attributes":{"n":{"type":"Long"}}}}}}}})";
  for (const std::string_view schema : {text, json}) {
    const CheckSettings files{.schema = schema};
    CHECK(report_of("permit (principal, action, resource) when { context.n > 1 };", files).good());
    CHECK_FALSE(
        report_of("permit (principal, action, resource) when { context.n };", files).good());
    CHECK(report_of("permit (principal, action, resource);", files).policies == 1);
  }
  const std::vector<PolicyText> none;
  CHECK_FALSE(check_policies(none, {.schema = "entity"}).has_value());
  CHECK_FALSE(check_policies(none, {.schema = "{"}).has_value());
}

TEST_CASE("levels") {
  const std::string_view schema =
      "entity U { boss: U }; action a appliesTo { principal: U, resource: U };";
  const std::string_view text =
      "permit (principal, action, resource) when { principal.boss.boss == resource };";
  CHECK(report_of(text, {.schema = schema, .level = 2}).good());
  CHECK_FALSE(report_of(text, {.schema = schema, .level = 1}).good());
}

TEST_CASE("what keeps policies from being loaded, with all files looked at") {
  CHECK(words_of("permit (principal, action, resource);") == "");
  CHECK(words_of("permit (principal, action, resource) when { a };").starts_with("p:1:45: "));
  CHECK(words_of("\n@id(\"x\") @obligation(\"kil_session\")\npermit (principal, action, "
                 "resource);") ==
        "p:2:1: policy `x`: unknown obligation \"kil_session\" (did you mean kill_session?)\n");
  CHECK(words_of("@id(\"latticegate-x\") permit (principal, action, resource);") ==
        "p:1:1: policy `latticegate-x`: ids that begin with \"latticegate-\" are those of "
        "built-in policies\n");
  CHECK(rules_of("@id(\"latticegate-risk-cutoff\") permit (principal, action, resource);") ==
        "duplicate_id");
  CHECK(rules_of("@id(\"a\") permit (principal, action, resource);\n"
                 "@id(\"a\") forbid (principal, action, resource);") == "duplicate_id");
  const PolicyText several[] = {{"a.cedar", "permit"},
                                {"b.cedar", "forbid (principal"},
                                {"c.cedar", "permit (principal is Mcp::Agnt, action, resource);"}};
  const auto report = check_policies(several, {});
  REQUIRE(report.has_value());
  REQUIRE(report->diagnostics.size() == 3);
  CHECK(describe(report->diagnostics[0]).starts_with("a.cedar:1:"));
  CHECK(describe(report->diagnostics[1]).starts_with("b.cedar:1:"));
  CHECK(report->diagnostics[2].rule == "unknown_entity_type");
  CHECK(report->policies == 1);
}

TEST_CASE("a name that nothing knows is a warning") {
  World world;
  world.groups = {{"finance-bots", {}}};
  world.segments = {{"healthcare", {}}};
  const CheckReport report = report_of(
      "@id(\"x\")\nforbid (principal in Mcp::Group::\"finanse-bots\", action, "
      "resource in Mcp::Segment::\"healthcare\")\n"
      "when { context.session has user && context.session.user in Mcp::Role::\"executive\" };",
      {.world = &world});
  CHECK(report.good());
  CHECK(report.policies == 1);
  REQUIRE(report.diagnostics.size() == 2);
  CHECK(describe(report.diagnostics[0]) ==
        "p:2:9: policy `x`: names Mcp::Group::\"finanse-bots\", which nothing else knows (did "
        "you mean \"finance-bots\"?)");
  CHECK(report.diagnostics[1].message.contains("Mcp::Role::\"executive\""));
}

TEST_CASE("a template in a policy file decides nothing, and that is said") {
  const CheckReport report = report_of(
      "@id(\"t\")\npermit (principal == ?principal, action, resource);\n"
      "@id(\"p\") permit (principal, action, resource);",
      {});
  CHECK(report.good());
  REQUIRE(report.diagnostics.size() == 1);
  CHECK(report.diagnostics[0].severity == Diagnostic::Severity::warning);
  CHECK(report.diagnostics[0].rule == "unlinked_template");
  CHECK(describe(report.diagnostics[0]).starts_with("p:1:1: policy `t`: is a template"));
}

TEST_CASE("tools that are not given may exist") {
  const std::string_view one =
      "permit (principal, action == Mcp::Action::\"crm/search\", resource) "
      "when { context.input.query == 1 && context.nothing };";
  CHECK(rules_of(one) == "");
  CHECK(report_of(one).untyped == 1);
  const auto crm = tool_of("crm", R"({"name":"search","inputSchema":{"type":"object",
      "properties":{"query":{"type":"string"}},"required":["query"]}})");
  const auto files = tool_of("files", R"({"name":"read"})");
  CHECK(rules_of(one, {.tools = {&files, 1}}) == "");
  CHECK(rules_of(one, {.tools = {&crm, 1}}) == "incompatible_types no_attribute");
  // Of a server that the configuration does not have, nothing will ever be known.
  World world;
  world.servers = {{.name = "files"}};
  CHECK(rules_of(one, {.world = &world}) == "unknown_action");
  world.servers = {{.name = "crm"}};
  CHECK(rules_of(one, {.world = &world}) == "");
  // What is wrong with any tool is found without them.
  CHECK(rules_of("permit (principal, action, resource) when { context.risk.scor > 1 };") ==
        "no_attribute");
  CHECK(rules_of("permit (principal, action in Mcp::Action::\"raed\", resource);") ==
        "unknown_action");
  CHECK(rules_of("permit (principal, action in Mcp::Action::\"read\", resource) "
                 "when { context.input has x };") == "");
  CHECK(rules_of("permit (principal == Mcp::Agent::\"\xD0\xB0gent\", action, resource);") ==
        "mixed_scripts");
  // That nothing can be true is said where the tools are known.
  CHECK(rules_of("permit (principal, action in Mcp::Action::\"read\", resource is Mcp::Tool) "
                 "when { false };") == "");
  CHECK(rules_of("permit (principal, action == Mcp::Action::\"crm/search\", resource) "
                 "when { context.input.query == \"a\" && false };",
                 {.tools = {&crm, 1}}) == "impossible");
}

TEST_CASE("every policy of a text that is wrong is named, not only the first") {
  CHECK(words_of("permit (principal, action, resource) when { context.a = 1 };\n"
                 "permit (principal, action, resource);\n"
                 "allow (principal, action, resource);\n"
                 "@id(3) forbid (principal, action, resource);\n"
                 "permit (principal, action, resource) when { 1 +  }\n"
                 "forbid (principal action, resource);") ==
        "p:1:55: expected an operator or `}`, found `=` (comparison is written `==`)\n"
        "p:3:1: expected `permit` or `forbid`, found the word `allow` (write `permit`)\n"
        "p:4:5: expected the annotation's value as a string, found the number `3`\n"
        "p:5:50: expected an expression, found `}`\n"
        "p:6:19: expected `==`, `in`, `is`, `,` or `)`, found the word `action` (other "
        "comparisons go into a `when { }`)\n");
  // What a policy had before its error is not counted as the next one's.
  std::string temporal = "permit (principal, action, resource)";
  for (int i = 0; i < 64; ++i)
    temporal += " when temporal { formerly within 1h Mcp::Action::\"s/t\"::request{} }";
  CHECK(errors_in(report_of(temporal + " otherwise;\n" + temporal + ";")) == 1);
  // Nothing is read behind what is no token, and no more errors than can be read.
  CHECK(errors_in(report_of("permit (principal, action, resource) when { # };\nallow ();")) == 1);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "allow ();\n";
  CHECK(errors_in(report_of(many)) == 50);
}
