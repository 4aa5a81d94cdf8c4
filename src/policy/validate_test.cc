// Policies against the model's own schema and against one of the operator's.
#include "policy/validate.h"

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

CheckReport report_of(std::string_view text, const ValidateFiles& files = {}) {
  const std::vector<PolicyText> texts{{.file = "p", .text = std::string(text)}};
  const auto report = validate_policies(texts, files);
  REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().detail));
  return *report;
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
  CHECK(policies->size() == 3);
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
  const ValidateFiles files{.tools = {&*tool, 1}};
  const std::string_view scope =
      "forbid (principal, action == Mcp::Action::\"crm/search\", resource)";
  const auto with = [&](std::string_view condition) {
    return report_of(std::string(scope) + " when { " + std::string(condition) + " };", files);
  };
  CHECK(with("context.input.query like \"*drop*\"").good());
  CHECK(with("context.input has limit && context.input.limit > 500").good());
  CHECK(with("context.input.limit > 500").errors.size() == 1);
  CHECK(with("context.input.query > 500").errors.size() == 1);
  const CheckReport missing = with("context.input.querry == \"x\"");
  REQUIRE(missing.errors.size() == 1);
  CHECK(missing.errors[0].starts_with("p:1:"));
  CHECK(missing.errors[0].contains("there is no attribute `querry`"));
  const CheckReport unknown =
      report_of("permit (principal, action == Mcp::Action::\"crm/serch\", resource);", files);
  CHECK(unknown.errors.size() == 1);
  CHECK(unknown.warnings.size() == 1);
  CHECK(unknown.policies == 1);
}

TEST_CASE("a schema of the operator's, as text and as JSON") {
  const std::string_view text =
      "entity U; action a appliesTo { principal: U, resource: U, context: { n: Long } };";
  const std::string_view json =
      R"( {"":{"entityTypes":{"U":{}},"actions":{"a":{"appliesTo":{"principalTypes":["U"],
          "resourceTypes":["U"],"context":{"type":"Record","attributes":{"n":{"type":"Long"}}}}}}}})";
  for (const std::string_view schema : {text, json}) {
    const ValidateFiles files{.schema = schema};
    CHECK(report_of("permit (principal, action, resource) when { context.n > 1 };", files).good());
    CHECK_FALSE(
        report_of("permit (principal, action, resource) when { context.n };", files).good());
    CHECK(report_of("permit (principal, action, resource);", files).policies == 1);
  }
  const std::vector<PolicyText> none;
  CHECK_FALSE(validate_policies(none, {.schema = "entity"}).has_value());
  CHECK_FALSE(validate_policies(none, {.schema = "{"}).has_value());
  const std::vector<PolicyText> broken{{.file = "p", .text = "permit"}};
  CHECK_FALSE(validate_policies(broken, {}).has_value());
}

TEST_CASE("levels") {
  const std::string_view schema =
      "entity U { boss: U }; action a appliesTo { principal: U, resource: U };";
  const std::string_view text =
      "permit (principal, action, resource) when { principal.boss.boss == resource };";
  CHECK(report_of(text, {.schema = schema, .level = 2}).good());
  CHECK_FALSE(report_of(text, {.schema = schema, .level = 1}).good());
}
