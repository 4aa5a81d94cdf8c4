#include "policy/test_run.h"

#include <algorithm>
#include <format>
#include <set>
#include <utility>

#include "cedar/authorize.h"
#include "cedar/from_json.h"
#include "cedar/schema.h"
#include "policy/check.h"
#include "policy/detail/load.h"
#include "policy/detail/told_history.h"

namespace latticegate::policy {
namespace {

using base::Code;

std::string joined(const std::set<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : ", ") + id;
  return text.empty() ? "nothing" : text;
}

// What one test says, and what came out of it.
class Test {
 public:
  Test(json::Value tree, const ReadPolicies& read, std::set<std::string_view>& decisive,
       cedar::Coverage& coverage)
      : tree_(tree),
        policies_(read.set),
        temporal_(read.temporal),
        decisive_(decisive),
        coverage_(coverage) {}

  TestOutcome run(const cedar::Entities& entities) {
    outcome_.name = tree_["name"].text_or("(unnamed)");
    cedar::Arena arena;
    cedar::Request request;
    if (auto read = read_request(arena, request); !read) {
      outcome_.words = std::move(read).error().detail;
      return std::move(outcome_);
    }
    auto context = context_after(temporal_, tree_["history"], request, entities, arena);
    if (!context) {
      outcome_.words = std::move(context).error().detail;
      return std::move(outcome_);
    }
    request.context = *context;
    cedar::Answer answer;
    cedar::authorize(policies_, request, entities, arena, answer);
    coverage_.add(request, entities, arena);
    compare(answer);
    return std::move(outcome_);
  }

 private:
  base::Result<cedar::EntityUid> uid(std::string_view part, cedar::Arena& arena) const {
    const json::Value given = tree_["request"][part];
    auto read =
        given.is_string() ? cedar::parse_uid(*given.string(), arena) : cedar::uid_from_json(given);
    if (!read) return base::within(std::format("request.{}", part), std::move(read).error());
    return read;
  }

  base::Result<void> read_request(cedar::Arena& arena, cedar::Request& request) const {
    const std::pair<std::string_view, cedar::EntityUid*> parts[] = {
        {"principal", &request.principal},
        {"action", &request.action},
        {"resource", &request.resource}};
    for (const auto& [part, target] : parts) {
      auto read = uid(part, arena);
      if (!read) return std::unexpected(std::move(read).error());
      *target = *read;
    }
    const json::Value context = tree_["request"]["context"];
    if (!context) return {};
    auto value = cedar::value_from_json(context, cedar::Escapes::honoured, arena);
    if (!value) return base::within("request.context", std::move(value).error());
    if (!value->is(cedar::Kind::record))
      return base::fail(Code::invalid, "request.context: not an object");
    request.context = *value;
    return {};
  }

  void differ(std::string words) {
    outcome_.words += (outcome_.words.empty() ? "" : "; ") + std::move(words);
  }

  void compare(const cedar::Answer& answer) {
    std::set<std::string> reasons;
    for (const cedar::PolicyIndex index : answer.reasons) {
      reasons.emplace(policies_[index].id);
      decisive_.insert(policies_[index].id);
    }
    const std::string_view expected = tree_["decision"].text_or("");
    if (expected != "allow" && expected != "deny")
      differ("decision: must be \"allow\" or \"deny\"");
    else if (expected != cedar::name(answer.decision))
      differ(std::format("decision: expected {}, got {} by {}", expected,
                         cedar::name(answer.decision), joined(reasons)));
    if (tree_["reason"].is_array()) {
      std::set<std::string> wanted;
      for (const json::Value id : tree_["reason"].elements()) wanted.emplace(id.text_or(""));
      if (wanted != reasons)
        differ(std::format("reason: expected {}, got {}", joined(wanted), joined(reasons)));
    }
    const auto errors = static_cast<std::int64_t>(answer.errors.size());
    const auto expected_errors = tree_["num_errors"].integer();
    if (expected_errors && *expected_errors != errors) {
      differ(std::format("errors: expected {}, got {}", *expected_errors, errors));
      for (const cedar::PolicyFailure& failure : answer.errors)
        differ(std::format("{}: {}", policies_[failure.policy].id, failure.error.message));
    }
    outcome_.denied_on_error = answer.decision == cedar::Decision::allow && answer.forbid_failed;
    outcome_.passed = outcome_.words.empty();
  }

  json::Value tree_;
  const cedar::PolicySet& policies_;
  const TemporalRules& temporal_;
  std::set<std::string_view>& decisive_;
  cedar::Coverage& coverage_;
  TestOutcome outcome_;
};

// The entities of a test: those of all tests or its own, and the actions of the schema.
base::Result<cedar::Entities> entities_from(json::Value array, const cedar::Schema& schema) {
  cedar::Entities::Builder builder;
  if (array)
    if (auto added = cedar::add_entities(array, builder); !added)
      return base::within("entities", std::move(added).error());
  schema.add_action_entities(builder);
  return builder.build();
}

}  // namespace

base::Result<TestReport> run_tests(std::span<const PolicyText> texts, const TestFiles& files) {
  auto policies = read_policies(texts, files.built_in);
  if (!policies) return std::unexpected(std::move(policies).error());
  const auto tests = json::Document::parse(files.tests);
  if (!tests) return base::within("tests", tests.error());
  if (!tests->root().is_array()) return base::fail(Code::invalid, "tests: not an array");
  const auto entities = json::Document::parse(files.entities.empty() ? "[]" : files.entities);
  if (!entities) return base::within("entities", entities.error());
  const auto schema = read_schema(files.schema, "schema.cedarschema", {});
  if (!schema) return base::within("schema", schema.error());
  auto shared = entities_from(entities->root(), *schema);
  if (!shared) return base::within("entities", std::move(shared).error());

  TestReport report;
  std::set<std::string_view> decisive;
  cedar::Coverage coverage(policies->set);
  for (const json::Value tree : tests->root().elements()) {
    Test test(tree, *policies, decisive, coverage);
    if (!tree["entities"].exists()) {
      report.outcomes.push_back(test.run(*shared));
    } else if (auto own = entities_from(tree["entities"], *schema)) {
      report.outcomes.push_back(test.run(*own));
    } else {
      report.outcomes.push_back({.name = std::string(tree["name"].text_or("(unnamed)")),
                                 .words = std::move(own).error().detail});
    }
  }
  report.passed =
      static_cast<std::size_t>(std::ranges::count(report.outcomes, true, &TestOutcome::passed));
  for (const cedar::Policy& policy : policies->set.policies())
    if (!decisive.contains(policy.id)) report.silent.emplace_back(policy.id);
  report.coverage = coverage.policies();
  return report;
}

}  // namespace latticegate::policy
