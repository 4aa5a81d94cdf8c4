#include "policy/test_run.h"

#include <algorithm>
#include <format>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "behaviour/records.h"
#include "cedar/authorize.h"
#include "cedar/from_json.h"
#include "cedar/schema.h"
#include "policy/check.h"
#include "policy/detail/denial.h"
#include "policy/detail/load.h"
#include "policy/detail/model.h"
#include "policy/detail/question.h"
#include "policy/detail/told_history.h"

namespace latticegate::policy {
namespace {

using base::Code;

std::string joined(const std::set<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : ", ") + id;
  return text.empty() ? "nothing" : text;
}

// Who and what a configuration knows, so that tests need not say it.
class Setting {
 public:
  Setting(const TestFiles& files, const ReadPolicies& read)
      : world_(files.world), tools_(files.tools), policies_(read.set) {
    if (world_ == nullptr) return;
    for (const identity::CallerProfile& profile : world_->agents)
      callers_.emplace_back(std::make_shared<const identity::CallerProfile>(profile));
  }

  // The question as the gateway would ask it; nothing when the request names others. An error when
  // the arguments cannot be converted.
  base::Result<std::optional<Question>> question(const cedar::Request& request, json::Value context,
                                                 const cedar::Entities& entities,
                                                 Scratch::State& state) const {
    Facts facts;
    if (world_ == nullptr || !set_caller(request, context, facts) || !set_target(request, facts))
      return std::nullopt;
    facts.arguments = context["input"];
    facts.conversation = facts.call = "test";
    facts.now =
        base::Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1) + std::chrono::hours(12));
    facts.peer = "127.0.0.1";
    facts.kex = "X25519MLKEM768";
    facts.records = behaviour::asked_records(facts.arguments);
    Question question;
    Refusal refusal;
    if (!ask({policies_, entities, reads_, readers_}, facts, state, question, refusal))
      return base::fail(Code::invalid, denial_of(refusal).sentence);
    return question;
  }

 private:
  bool set_caller(const cedar::Request& request, json::Value context, Facts& facts) const {
    if (request.principal.type() != model::agent) return false;
    const std::string_view user = context["session"]["user"]["__entity"]["id"].text_or("");
    for (const identity::Caller& caller : callers_) {
      if (caller->agent.value() != request.principal.id()) continue;
      const std::string_view own = caller->user ? caller->user->id.value() : std::string_view();
      if (facts.caller == nullptr || own == user) facts.caller = &caller;
    }
    return facts.caller != nullptr;
  }
  bool set_target(const cedar::Request& request, Facts& facts) const {
    if (request.resource.type() != model::tool || request.action.id() != request.resource.id())
      return false;
    const auto tool =
        std::ranges::find(tools_, request.resource.id(), [](const auto& one) { return one->id(); });
    if (tool == tools_.end()) return false;
    facts.target = ToolTarget{.tool = tool->get()};
    return true;
  }

  const World* world_;
  std::span<const std::shared_ptr<const Tool>> tools_;
  const cedar::PolicySet& policies_;
  std::vector<identity::Caller> callers_;
  Reads reads_;
  OutputReaders readers_;
};

// What is given stands before what is usual; of a record that both have, member by member. The
// input is given as JSON, and as usual as its schema has it.
cedar::Value over(const cedar::Value& usual, const cedar::Value& given, std::uint32_t depth,
                  cedar::Arena& arena) {
  if (depth == 0 || !usual.is(cedar::Kind::record) || !given.is(cedar::Kind::record)) return given;
  std::vector<cedar::Field> fields;
  for (const cedar::Field& field : usual.fields()) {
    const bool input = depth == 2 && field.name.text() == "input";
    const cedar::Value other = input ? cedar::Value() : given.field(field.name);
    fields.push_back(
        {field.name, other ? over(field.value, other, depth - 1, arena) : field.value});
  }
  for (const cedar::Field& field : given.fields())
    if (!usual.field(field.name)) fields.push_back(field);
  return cedar::Value::record(fields, arena);
}

// What one test says, and what came out of it.
class Test {
 public:
  Test(json::Value tree, const ReadPolicies& read, const Setting& setting,
       std::set<std::string_view>& decisive, cedar::Coverage& coverage)
      : tree_(tree),
        setting_(setting),
        policies_(read.set),
        temporal_(read.temporal),
        decisive_(decisive),
        coverage_(coverage) {}

  TestOutcome run(const cedar::Entities& entities) {
    outcome_.name = tree_["name"].text_or("(unnamed)");
    Scratch::State state;
    cedar::Arena& arena = state.arena;
    cedar::Request request;
    if (auto read = read_request(arena, request); !read) {
      outcome_.words = std::move(read).error().detail;
      return std::move(outcome_);
    }
    auto asked = setting_.question(request, tree_["request"]["context"], entities, state);
    if (!asked) {
      outcome_.words = std::move(asked).error().detail;
      return std::move(outcome_);
    }
    if (*asked) {
      const cedar::Value given = request.context;
      request = (*asked)->request;
      request.context = over(request.context, given, 2, arena);
    }
    const cedar::EntityView seen(entities, *asked ? std::span<const cedar::Entity>((*asked)->extra)
                                                  : std::span<const cedar::Entity>());
    auto context = context_after(temporal_, tree_["history"], request, seen, arena);
    if (!context) {
      outcome_.words = std::move(context).error().detail;
      return std::move(outcome_);
    }
    request.context = *context;
    cedar::Answer answer;
    cedar::authorize(policies_, request, seen, arena, answer);
    coverage_.add(request, seen, arena);
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
  const Setting& setting_;
  const cedar::PolicySet& policies_;
  const TemporalRules& temporal_;
  std::set<std::string_view>& decisive_;
  cedar::Coverage& coverage_;
  TestOutcome outcome_;
};

// The entities of a test: those of all tests or its own, and the actions of the schema.
base::Result<cedar::Entities> entities_from(json::Value array, const cedar::Schema& schema,
                                            const World* world) {
  cedar::Entities::Builder builder;
  if (world != nullptr) add_entities(*world, builder);
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
  const auto schema = read_schema(files.schema, "schema.cedarschema", files.tools);
  if (!schema) return base::within("schema", schema.error());
  auto shared = entities_from(entities->root(), *schema, files.world);
  if (!shared) return base::within("entities", std::move(shared).error());

  TestReport report;
  std::set<std::string_view> decisive;
  cedar::Coverage coverage(policies->set);
  const Setting setting(files, *policies);
  for (const json::Value tree : tests->root().elements()) {
    Test test(tree, *policies, setting, decisive, coverage);
    if (!tree["entities"].exists()) {
      report.outcomes.push_back(test.run(*shared));
    } else if (auto own = entities_from(tree["entities"], *schema, files.world)) {
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
