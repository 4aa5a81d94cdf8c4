// The public answers: probes, handwritten tests and the corpus of the Cedar project, and our own
// MCP model; each asked of the plain and the compiled form.
//
// The first three lie outside the project (see CONTRIBUTING); where they are absent the cases say
// so and pass.
#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/authorize.h"
#include "cedar/detail/public_data.h"
#include "cedar/explain.h"
#include "cedar/from_json.h"
#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/twin.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

std::vector<std::string> ids(const PolicySet& policies, const std::vector<PolicyIndex>& indices) {
  std::vector<std::string> out;
  for (const PolicyIndex index : indices) out.emplace_back(policies[index].id);
  std::ranges::sort(out);
  return out;
}

std::vector<std::string> strings(json::Value array) {
  std::vector<std::string> out;
  for (const json::Value element : array.elements()) out.emplace_back(element.text_or("?"));
  std::ranges::sort(out);
  return out;
}

// One test in the corpus' format; appends what differs to `wrong`.
struct Counts {
  int requests = 0;
  std::vector<std::string> wrong;
};

void run_test(const std::string& name, const std::map<std::string, std::string>& originals,
              Arena& arena, Counts& counts) {
  std::map<std::string, std::string> files;
  const auto keep = [&](const std::string& path) {
    files[path] = without_nul(originals.at(path), path.ends_with(".json"));
  };
  keep(name);
  const auto test = json::Document::parse(files.at(name), generous);
  REQUIRE_MESSAGE(test.has_value(), name);
  const json::Value root = test->root();
  for (const std::string_view key : {"policies", "schema", "entities"})
    keep(std::string(root[key].text_or("")));
  const auto text_of = [&](std::string_view key) -> const std::string& {
    return files.at(std::string(root[key].text_or("")));
  };
  const auto policies = parse_policies(text_of("policies"), "policy.cedar", Naming::by_order);
  if (!policies) return counts.wrong.push_back(name + ": " + base::describe(policies.error()));
  const auto schema = parse_schema(text_of("schema"));
  if (!schema) return counts.wrong.push_back(name + ": " + base::describe(schema.error()));
  // What is printed parses to the same again.
  const auto again = parse_policies(print(*policies), "printed.cedar", Naming::by_order);
  if (!again) return counts.wrong.push_back(name + ": printed: " + base::describe(again.error()));
  if (!std::ranges::equal(policies->policies(), again->policies(),
                          [](const Policy& a, const Policy& b) { return same(a, b); }))
    return counts.wrong.push_back(name + ": printed policies differ");

  const auto entities_document = json::Document::parse(text_of("entities"), generous);
  REQUIRE_MESSAGE(entities_document.has_value(), name);
  Entities::Builder builder;
  if (const auto added = add_entities(entities_document->root(), builder, &*schema); !added)
    return counts.wrong.push_back(name + ": " + base::describe(added.error()));
  schema->add_action_entities(builder);
  const auto entities = builder.build();
  if (!entities) return counts.wrong.push_back(name + ": " + base::describe(entities.error()));

  Twin twin(*policies);
  const Answer& answer = twin.answer();
  for (const json::Value ask : root["requests"].elements()) {
    arena.reset();
    ++counts.requests;
    const auto principal = uid_from_json(ask["principal"]);
    const auto action = uid_from_json(ask["action"]);
    const SchemaAction* const declared = action ? schema->action(*action) : nullptr;
    const auto context =
        declared != nullptr
            ? value_from_json(ask["context"], Escapes::honoured, *declared->context, arena)
            : value_from_json(ask["context"], Escapes::honoured, arena);
    const auto resource = uid_from_json(ask["resource"]);
    if (!context || !principal || !action || !resource) {
      counts.wrong.push_back(name + ": the request is not read");
      continue;
    }
    const Request request{*principal, *action, *resource, *context};
    if (const auto difference = twin.difference(request, EntityView(*entities), arena);
        !difference.empty())
      counts.wrong.push_back(
          std::format("{} {}: {}", name, ask["description"].text_or(""), difference));
    std::vector<PolicyIndex> failed;
    for (const PolicyFailure& failure : answer.errors) failed.push_back(failure.policy);
    if (cedar::name(answer.decision) != ask["decision"].text_or("") ||
        ids(*policies, answer.reasons) != strings(ask["reason"]) ||
        ids(*policies, failed) != strings(ask["errors"]))
      counts.wrong.push_back(std::format("{} {}: got {}", name, ask["description"].text_or(""),
                                         cedar::name(answer.decision)));
    const Outlook outlook = foresee(*policies, request, EntityView(*entities), arena);
    if (outlook.may_allow(false) != (answer.decision == Decision::allow))
      counts.wrong.push_back(name + ": with nothing unknown the outlook is the decision");
    (void)explain(*policies, request, EntityView(*entities), arena, answer);
  }
}

void report(const Counts& counts) {
  for (std::size_t i = 0; i < std::min<std::size_t>(counts.wrong.size(), 20); ++i)
    MESSAGE(counts.wrong[i]);
  CHECK(counts.wrong.empty());
}

}  // namespace

TEST_CASE("all 218 probes give the class of the oracle's answer") {
  const auto path = shared("cedar_probes.json");
  if (!path) return;
  const auto document = json::Document::parse(read_file(*path), generous);
  REQUIRE(document.has_value());
  const json::Value root = document->root();
  Entities::Builder builder;
  REQUIRE(add_entities(root["entities"], builder).has_value());
  const auto entities = builder.build();
  REQUIRE(entities.has_value());
  Arena arena;
  Request request;
  request.principal = *parse_uid(root["request"]["principal"].text_or(""), arena);
  request.action = *parse_uid(root["request"]["action"].text_or(""), arena);
  request.resource = *parse_uid(root["request"]["resource"].text_or(""), arena);
  request.context = *value_from_json(root["context"], Escapes::honoured, arena);

  int count = 0;
  for (const json::Value probe : root["probes"].elements()) {
    ++count;
    const std::string text = probe["expr"]
                                 ? std::format("permit(principal,action,resource) when {{ {} }};",
                                               probe["expr"].text_or(""))
                                 : std::string(probe["policy"].text_or(""));
    CAPTURE(text);
    const std::string_view expected = probe["result"].text_or("");
    std::string got;
    PolicySet::Builder policies(Naming::by_order, {.templates = false});
    if (const auto added = policies.add(text, "probe"); !added) {
      got = "PARSE-ERROR: " + base::describe(added.error());
    } else {
      Twin twin(policies.build());
      CHECK(twin.difference(request, EntityView(*entities), arena).empty());
      const Answer& answer = twin.answer();
      got = answer.decision == Decision::allow ? "true" : "false";
      if (!answer.errors.empty()) got = "ERROR: " + answer.errors[0].error.message;
    }
    CAPTURE(got);
    CAPTURE(expected);
    CHECK(got.substr(0, got.find(':')) == expected.substr(0, expected.find(':')));
  }
  CHECK(count == 218);
}

TEST_CASE("the MCP model decides its 40 requests as written, with reasons and errors") {
  const fs::path folder = project() / "tests/data/mcp-model";
  PolicySet::Builder policy_builder;
  const auto policy_text = read_file(folder / "policies.cedar");
  const auto added = policy_builder.add(policy_text, "policies.cedar");
  REQUIRE_MESSAGE(added.has_value(), base::describe(added.error()));
  REQUIRE(policy_builder.add(read_file(folder / "templates.cedar"), "templates.cedar").has_value());
  const PolicySet policies = policy_builder.build();
  CHECK(policies.size() == 19);
  CHECK(policies.templates().size() == 1);

  const auto schema = parse_schema(read_file(folder / "mcp.cedarschema"), "mcp.cedarschema");
  REQUIRE_MESSAGE(schema.has_value(), base::describe(schema.error()));
  Entities::Builder builder;
  const auto entity_document = json::Document::parse(read_file(folder / "entities.json"), generous);
  REQUIRE(entity_document.has_value());
  REQUIRE(add_entities(entity_document->root(), builder).has_value());
  schema->add_action_entities(builder);
  const auto entities = builder.build();
  REQUIRE(entities.has_value());

  const auto tests = json::Document::parse(read_file(folder / "tests.json"), generous);
  REQUIRE(tests.has_value());
  Arena arena;
  Twin twin(policies);
  const Answer& answer = twin.answer();
  int count = 0;
  for (const json::Value test : tests->root().elements()) {
    CAPTURE(test["name"].text_or(""));
    arena.reset();
    const json::Value ask = test["request"];
    Request request;
    request.principal = *parse_uid(ask["principal"].text_or(""), arena);
    request.action = *parse_uid(ask["action"].text_or(""), arena);
    request.resource = *parse_uid(ask["resource"].text_or(""), arena);
    request.context = *value_from_json(ask["context"], Escapes::honoured, arena);
    CHECK(twin.difference(request, EntityView(*entities), arena).empty());
    CHECK(cedar::name(answer.decision) == test["decision"].text_or(""));
    CHECK(ids(policies, answer.reasons) == strings(test["reason"]));
    CHECK(static_cast<std::int64_t>(answer.errors.size()) == test["num_errors"].integer());
    // Every determining policy is explained by at least one clause.
    const Explanation explanation =
        explain(policies, request, EntityView(*entities), arena, answer);
    CHECK(explanation.determining.size() == answer.reasons.size());
    for (const PolicyExplanation& policy : explanation.determining)
      CHECK_FALSE(policy.clauses.empty());
    if (answer.reasons.empty()) CHECK_FALSE(explanation.near_misses.empty());
    ++count;
  }
  CHECK(count == 40);
}

TEST_CASE("the 74 handwritten requests of the Cedar project") {
  const auto path = shared("cedar-integration-handwritten.tar.xz");
  if (!path) return;
  const auto files = unpack(*path);
  Arena arena;
  Counts counts;
  int tests = 0;
  for (const auto& [name, text] : files) {
    if (!name.starts_with("tests/") || !name.ends_with(".json")) continue;
    run_test(name, files, arena, counts);
    ++tests;
  }
  report(counts);
  CHECK(tests == 22);
  CHECK(counts.requests == 74);
}

TEST_CASE("the corpus of the Cedar project: decisions, reasons and errors") {
  const auto path = shared("cedar-corpus-2026-03-13.tar.xz");
  if (!path) return;
  const auto files = unpack(*path);
  Arena arena;
  Counts counts;
  int tests = 0;
  for (const auto& [name, text] : files) {
    if (!name.ends_with(".json") || name.ends_with(".entities.json")) continue;
    ++tests;
    run_test(name, files, arena, counts);
  }
  report(counts);
  CHECK(tests == 7809);
  CHECK(counts.requests == 62472);
}
