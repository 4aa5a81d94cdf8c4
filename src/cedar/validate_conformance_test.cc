// The public answers about schemas, validation and conformance: the validator answers and JSON
// schemas for the corpus of the Cedar project, the hand-made cases beside them, and our probes.
//
// All of it lies outside the project (see CONTRIBUTING); where it is absent the cases say so and
// pass.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/conform.h"
#include "cedar/detail/public_data.h"
#include "cedar/evaluate.h"
#include "cedar/from_json.h"
#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/validate.h"
#include "json/write.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

using Files = std::map<std::string, std::string>;

// What differs, and how much was compared.
struct Tally {
  int tests = 0;
  int policies = 0;
  int entities = 0;
  int requests = 0;
  std::vector<std::string> wrong;

  void expect(bool right, const std::string& what) {
    if (!right) wrong.push_back(what);
  }
  void report(std::string_view what) const {
    for (std::size_t i = 0; i < std::min<std::size_t>(wrong.size(), 20); ++i) MESSAGE(wrong[i]);
    MESSAGE(std::format("{}: {} tests, {} policies, {} entities, {} requests, {} differences", what,
                        tests, policies, entities, requests, wrong.size()));
    CHECK(wrong.empty());
  }
};

// The Rust validator's messages by what they mean; the first part that a message contains counts.
Problem problem_of(std::string_view message) {
  static constexpr std::array<std::pair<std::string_view, Problem>, 16> parts{{
      {"empty set literals", Problem::empty_set},
      {"error during extension function argument validation", Problem::bad_literal},
      {"unable to guarantee safety of access to tag", Problem::unsafe_tag},
      {"unable to guarantee safety of access to optional attribute", Problem::optional_attribute},
      {"non-literal expressions", Problem::computed_constructor},
      {"wrong number of arguments", Problem::arity},
      {"unexpected type", Problem::unexpected_type},
      {"are not compatible", Problem::incompatible_types},
      {"unrecognized entity type", Problem::unknown_entity_type},
      {"unrecognized action", Problem::unknown_action},
      {"unable to find an applicable action", Problem::no_applicable_action},
      {"policy is impossible", Problem::impossible},
      {"enumerated entity type", Problem::unknown_id},
      {"no tags", Problem::no_tags},
      {"attribute ", Problem::no_attribute},
      {"", Problem::too_complex},
  }};
  return std::ranges::find_if(parts, [&](const auto& part) { return message.contains(part.first); })
      ->second;
}

std::set<Problem> problems_of(json::Value messages) {
  std::set<Problem> all;
  for (const json::Value message : messages.elements()) all.insert(problem_of(message.text_or("")));
  return all;
}

std::string words(const std::set<Problem>& problems) {
  std::string text;
  for (const Problem problem : problems) text += std::format(" {}", name(problem));
  return text;
}

// One test of the corpus or of the hand-made cases, with its answers.
class AnsweredTest {
 public:
  AnsweredTest(std::string name, const Files& files, const std::string& manifest,
               const std::string& answers, std::string folder, Tally& tally)
      : name_(std::move(name)), files_(files), folder_(std::move(folder)), tally_(tally) {
    manifest_ = json_of(manifest);
    answers_ = json_of(answers);
  }

  void run() {
    ++tally_.tests;
    const auto schema = parse_schema(text_of("schema", false));
    if (!schema) return tally_.wrong.push_back(name_ + ": " + base::describe(schema.error()));
    const auto policies =
        parse_policies(text_of("policies", false), "policy.cedar", Naming::by_order);
    if (!policies) return tally_.wrong.push_back(name_ + ": " + base::describe(policies.error()));
    check_policies(*policies, *schema);
    check_entities(*schema);
    check_requests(*schema);
  }

 private:
  json::Document json_of(const std::string& path) const {
    auto document = json::Document::parse(without_nul(files_.at(path), true), generous);
    REQUIRE_MESSAGE(document.has_value(), path);
    return *std::move(document);
  }
  std::string path_of(std::string_view key) const {
    return folder_ + std::string(manifest_->root()[key].text_or(""));
  }
  std::string text_of(std::string_view key, bool is_json) const {
    return without_nul(files_.at(path_of(key)), is_json);
  }

  // The answers predate 4.13: there, that no action applies was an error, not a warning.
  static bool was_error(const Finding& finding) {
    return is_error(finding.problem) || finding.problem == Problem::no_applicable_action;
  }

  void check_policies(const PolicySet& policies, const Schema& schema) {
    const json::Value expected = answers_->root()["policyValidation"];
    for (const bool strict : {true, false}) {
      const ValidationSettings settings{
          .mode = strict ? Strictness::strict : Strictness::permissive, .level = {}};
      const std::string_view mode = strict ? "strict" : "permissive";
      const Validation found = validate(policies, schema, settings);
      std::map<std::string_view, std::set<Problem>> problems;
      for (const Finding& finding : found.findings)
        if (was_error(finding)) problems[finding.policy->id].insert(finding.problem);
      tally_.expect(problems.empty() == expected[mode].boolean(),
                    std::format("{} {}: the verdict", name_, mode));
      for (const json::Member policy : expected["perPolicy"].members()) {
        tally_.policies += strict ? 1 : 0;
        const std::set<Problem> wanted =
            problems_of(policy.value[strict ? "strictErrors" : "permissiveErrors"]);
        const std::set<Problem>& got = problems[policy.key];
        tally_.expect(got.empty() == policy.value[mode].boolean() && got == wanted,
                      std::format("{} {} {}: got{}, expected{}", name_, mode, policy.key,
                                  words(got), words(wanted)));
      }
    }
  }

  void check_entities(const Schema& schema) {
    const auto document = json::Document::parse(text_of("entities", true), generous);
    REQUIRE_MESSAGE(document.has_value(), name_);
    const json::Value expected = answers_->root()["entityValidation"]["perEntity"];
    for (const json::Value entity : document->root().elements()) {
      ++tally_.entities;
      const auto uid = uid_from_json(entity["uid"]);
      REQUIRE_MESSAGE(uid.has_value(), name_);
      const json::Value answer = expected[std::format("{}::{}", uid->type(), uid->id())];
      REQUIRE_MESSAGE(answer.exists(), name_);
      const auto alone =
          json::Document::parse(std::format("[{}]", json::to_string(entity)), generous);
      Entities::Builder builder;
      const auto added = add_entities(alone->root(), builder, &schema);
      tally_.expect(added.has_value() == !answer["errors"].exists(),
                    std::format("{} {}: {}", name_, to_text(*uid),
                                added ? "accepted" : added.error().detail));
    }
  }

  void check_requests(const Schema& schema) {
    const json::Value expected = answers_->root()["requestValidation"];
    std::size_t position = 0;
    for (const json::Value ask : manifest_->root()["requests"].elements()) {
      ++tally_.requests;
      const json::Value answer = expected.at(position++);
      const auto fits = request_fits(ask, schema);
      tally_.expect(fits.has_value() == answer["strict"].boolean() &&
                        fits.has_value() == answer["permissive"].boolean(),
                    std::format("{} {}: {}", name_, ask["description"].text_or(""),
                                fits ? "accepted" : fits.error().detail));
    }
  }

  static base::Result<void> request_fits(json::Value ask, const Schema& schema) {
    Arena arena;
    const auto principal = uid_from_json(ask["principal"]);
    const auto action = uid_from_json(ask["action"]);
    const auto resource = uid_from_json(ask["resource"]);
    REQUIRE((principal && action && resource));
    const SchemaAction* const declared = schema.action(*action);
    const auto context =
        declared != nullptr
            ? value_from_json(ask["context"], Escapes::honoured, *declared->context, arena)
            : value_from_json(ask["context"], Escapes::honoured, arena);
    if (!context) return std::unexpected(context.error());
    return conforms(Request{*principal, *action, *resource, *context}, schema);
  }

  std::string name_;
  const Files& files_;
  std::string folder_;
  Tally& tally_;
  std::optional<json::Document> manifest_;
  std::optional<json::Document> answers_;
};

// `context: {}` says nothing, and the JSON forms that we compare with leave it out.
json::Document canonical_json(std::string_view text) {
  auto document = json::Document::parse(text, {.depth = 300, .allow_nul = true});
  REQUIRE(document.has_value());
  return *std::move(document);
}

}  // namespace

TEST_CASE("the validator's answers for 7,750 tests of the corpus") {
  const auto corpus = shared("cedar-corpus-2026-03-13.tar.xz");
  const auto answers = shared("cedar-go-corpus-validation.tar.xz");
  if (!corpus || !answers) return;
  Files files = unpack(*corpus);
  files.merge(unpack(*answers));
  Tally tally;
  for (const auto& [path, text] : files) {
    if (!path.starts_with("corpus-tests-validation/")) continue;
    const std::string id = path.substr(24, path.find('.') - 24);
    AnsweredTest(id, files, std::format("corpus-tests/{}.json", id), path, "", tally).run();
  }
  tally.report("corpus validation");
  CHECK(tally.tests == 7750);
  CHECK(tally.policies == 7750);
  CHECK(tally.requests == 62000);
}

TEST_CASE("what should validate in the corpus does, by the rules of Cedar 4.13") {
  const auto corpus = shared("cedar-corpus-2026-03-13.tar.xz");
  const auto differences = shared("corpus-4.13-validation-differences.txt");
  if (!corpus || !differences) return;
  const Files files = unpack(*corpus);
  const std::string changed = read_file(*differences);
  Tally tally;
  int valid = 0;
  for (const auto& [path, text] : files) {
    if (!path.ends_with(".json") || path.ends_with(".entities.json")) continue;
    const auto test = json::Document::parse(without_nul(text, true), generous);
    REQUIRE_MESSAGE(test.has_value(), path);
    ++tally.tests;
    const auto text_of = [&](std::string_view key) {
      return without_nul(files.at(std::string(test->root()[key].text_or(""))), false);
    };
    const auto schema = parse_schema(text_of("schema"));
    const auto policies = parse_policies(text_of("policies"));
    REQUIRE_MESSAGE((schema && policies), path);
    const bool got = validate(*policies, *schema).valid();
    const std::string id = path.substr(13, path.find('.') - 13);
    const bool wanted = *test->root()["shouldValidate"].boolean() || changed.contains(id);
    tally.policies += static_cast<int>(policies->size());
    valid += got ? 1 : 0;
    tally.expect(got == wanted, std::format("{}: {}", id, got ? "valid" : "not valid"));
  }
  tally.report("shouldValidate");
  CHECK(tally.tests == 7809);
  CHECK(valid == 6225);
}

TEST_CASE("what a valid policy can still fail by: missing entities, overflow, nothing else") {
  const auto corpus = shared("cedar-corpus-2026-03-13.tar.xz");
  if (!corpus) return;
  const Files files = unpack(*corpus);
  Tally tally;
  Arena arena;
  int failures = 0;
  for (const auto& [path, text] : files) {
    if (!path.ends_with(".json") || path.ends_with(".entities.json")) continue;
    const auto test = json::Document::parse(without_nul(text, true), generous);
    REQUIRE_MESSAGE(test.has_value(), path);
    const auto text_of = [&](std::string_view key, bool is_json) {
      return without_nul(files.at(std::string(test->root()[key].text_or(""))), is_json);
    };
    const auto schema = parse_schema(text_of("schema", false));
    const auto policies = parse_policies(text_of("policies", false));
    REQUIRE_MESSAGE((schema && policies), path);
    const Validation validation = validate(*policies, *schema);
    if (!validation.valid()) continue;
    const bool impossible =
        std::ranges::contains(validation.findings, Problem::impossible, &Finding::problem);
    ++tally.tests;
    const auto document = json::Document::parse(text_of("entities", true), generous);
    Entities::Builder builder;
    REQUIRE(add_entities(document->root(), builder, &*schema).has_value());
    schema->add_action_entities(builder);
    const auto entities = builder.build();
    REQUIRE(entities.has_value());
    tally.entities += static_cast<int>(entities->size());
    if (const auto all = conforms(*entities, *schema); !all)
      tally.wrong.push_back(std::format("{}: {}", path, all.error().detail));
    for (const json::Value ask : test->root()["requests"].elements()) {
      arena.reset();
      const auto principal = uid_from_json(ask["principal"]);
      const auto action = uid_from_json(ask["action"]);
      const auto resource = uid_from_json(ask["resource"]);
      REQUIRE((principal && action && resource));
      const auto context = value_from_json(ask["context"], Escapes::honoured,
                                           *schema->action(*action)->context, arena);
      REQUIRE(context.has_value());
      const Request request{*principal, *action, *resource, *context};
      const EntityView view(*entities);
      Evaluator evaluator(request, view, arena);
      ++tally.requests;
      for (const Policy& policy : policies->policies()) {
        ++tally.policies;
        if (!evaluator.matches(policy)) continue;
        const Possible result = evaluator.conditions(policy);
        tally.expect(!(impossible && result.yes), path + ": an impossible policy holds");
        if (!result.error) continue;
        ++failures;
        const ErrorClass error = evaluator.error().error;
        tally.expect(error == ErrorClass::entity || error == ErrorClass::arithmetic ||
                         error == ErrorClass::extension,
                     std::format("{}: {}", path, evaluator.error().message));
      }
    }
  }
  tally.report(std::format("valid policies, {} of which fail at run time", failures));
  CHECK(tally.tests == 6225);
}

TEST_CASE("the MCP model validates without a word") {
  const fs::path folder = project() / "tests/data/mcp-model";
  const auto schema = parse_schema(read_file(folder / "mcp.cedarschema"), "mcp.cedarschema");
  REQUIRE_MESSAGE(schema.has_value(), (schema ? "" : schema.error().detail));
  for (const std::string_view file : {"policies.cedar", "templates.cedar"}) {
    const auto policies = parse_policies(read_file(folder / file), file);
    REQUIRE(policies.has_value());
    for (const Finding& finding : validate(*policies, *schema).findings) FAIL(describe(finding));
  }
}

TEST_CASE("110 hand-made validator cases") {
  const auto archive = shared("cedar-go-testdata.tar.xz");
  if (!archive) return;
  const Files files = unpack(*archive);
  Tally tally;
  const std::string folder = "x/exp/schema/validate/";
  for (const auto& [path, text] : files) {
    if (!path.starts_with(folder) || !path.ends_with(".validation.json")) continue;
    const std::string stem = path.substr(0, path.size() - 16);
    AnsweredTest(stem.substr(folder.size() + 9), files, stem + ".json", path, folder, tally).run();
  }
  tally.report("hand-made validation");
  CHECK(tally.tests == 110);
}

TEST_CASE("22 hand-made cases of entities in JSON") {
  const auto archive = shared("cedar-go-testdata.tar.xz");
  if (!archive) return;
  const Files files = unpack(*archive);
  Tally tally;
  const std::string folder = "x/exp/types/testdata/";
  for (const auto& [path, text] : files) {
    if (!path.starts_with(folder) || !path.ends_with(".parsing.json")) continue;
    ++tally.tests;
    const auto answers = json::Document::parse(text, generous);
    const auto manifest =
        json::Document::parse(files.at(path.substr(0, path.size() - 13) + ".json"), generous);
    REQUIRE((answers && manifest));
    const auto part = [&](std::string_view key) {
      return folder + std::string(manifest->root()[key].text_or(""));
    };
    const auto schema = parse_schema(files.at(part("schema")));
    REQUIRE_MESSAGE(schema.has_value(), path);
    const bool wanted = answers->root()["allEntities"]["success"].boolean().value_or(false);
    const auto document = json::Document::parse(files.at(part("entities")), generous);
    if (!document) {
      tally.expect(!wanted, path + ": no JSON");
      continue;
    }
    Entities::Builder builder;
    const auto all = add_entities(document->root(), builder, &*schema);
    tally.expect(all.has_value() == wanted,
                 std::format("{}: {}", path, all ? "accepted" : all.error().detail));
    for (const json::Value entity : document->root().elements()) {
      const auto uid = uid_from_json(entity["uid"]);
      if (!uid) continue;
      ++tally.entities;
      const json::Value answer =
          answers->root()["perEntity"][std::format("{}::{}", uid->type(), uid->id())];
      const auto alone =
          json::Document::parse(std::format("[{}]", json::to_string(entity)), generous);
      Entities::Builder one;
      const auto added = add_entities(alone->root(), one, &*schema);
      tally.expect(
          added.has_value() == answer["success"].boolean(),
          std::format("{} {}: {}", path, to_text(*uid), added ? "accepted" : added.error().detail));
    }
  }
  tally.report("entity parsing");
  CHECK(tally.tests == 22);
}

TEST_CASE("the JSON form of 7,750 schemas of the corpus") {
  const auto corpus = shared("cedar-corpus-2026-03-13.tar.xz");
  const auto schemas = shared("cedar-go-corpus-json-schemas.tar.xz");
  if (!corpus || !schemas) return;
  Files files = unpack(*corpus);
  files.merge(unpack(*schemas));
  Tally tally;
  for (const auto& [path, text] : files) {
    if (!path.starts_with("corpus-tests-json-schemas/")) continue;
    ++tally.tests;
    const std::string id = path.substr(26, path.find('.') - 26);
    const auto source = read_schema_text(
        without_nul(files.at(std::format("corpus-tests/{}.cedarschema", id)), false));
    REQUIRE_MESSAGE(source.has_value(), id);
    const json::Document theirs = canonical_json(without_nul(text, true));
    const std::string ours = to_schema_json(*source);
    const json::Document our_tree = canonical_json(ours);
    tally.expect(json::canonical(our_tree.root()) == json::canonical(theirs.root()),
                 id + ": the JSON form differs");
    // Back again, from their JSON by way of text.
    const auto back = read_schema_json(theirs.root());
    if (!back) {
      tally.wrong.push_back(id + ": " + base::describe(back.error()));
      continue;
    }
    const auto printed = to_schema_text(*back);
    const auto again = printed ? read_schema_text(*printed) : base::Result<SchemaSource>(*back);
    const bool same = printed && again &&
                      json::canonical(canonical_json(to_schema_json(*again)).root()) ==
                          json::canonical(theirs.root());
    tally.expect(same, id + ": the way back differs");
    tally.expect(resolve(*back).has_value(), id + ": their JSON does not resolve");
  }
  tally.report("JSON schemas");
  CHECK(tally.tests == 7750);
}

TEST_CASE("41 schema probes and 37 validation probes") {
  const auto path = shared("cedar_schema_probes.json");
  if (!path) return;
  const auto document = json::Document::parse(read_file(*path), generous);
  REQUIRE(document.has_value());
  Tally schemas;
  for (const json::Value probe : document->root()["schemas"].elements()) {
    ++schemas.tests;
    const std::string text(probe["schema"].text_or(""));
    const auto source = read_schema_text(text);
    const auto schema =
        source ? resolve(*source) : base::Result<Schema>(std::unexpected(source.error()));
    schemas.expect(schema.has_value() == probe["ok"].boolean(),
                   std::format("{}: {}", text, schema ? "accepted" : schema.error().detail));
    if (!schema || !probe["json"]) continue;
    const json::Document ours = canonical_json(to_schema_json(*source));
    schemas.expect(json::canonical(ours.root()) == json::canonical(probe["json"]),
                   std::format("{}: {}", text, json::canonical(ours.root())));
  }
  schemas.report("schema probes");
  CHECK(schemas.tests == 41);

  const json::Value validation = document->root()["validation"];
  const auto schema = parse_schema(validation["schema"].text_or(""));
  REQUIRE_MESSAGE(schema.has_value(), (schema ? "" : schema.error().detail));
  Tally policies;
  for (const json::Value probe : validation["policies"].elements()) {
    ++policies.tests;
    const auto set = parse_policies(probe["policy"].text_or(""), "probe", Naming::by_order);
    REQUIRE(set.has_value());
    std::set<Problem> errors;
    std::set<Problem> warnings;
    for (const Finding& finding : validate(*set, *schema).findings)
      (is_error(finding.problem) ? errors : warnings).insert(finding.problem);
    policies.expect(
        errors == problems_of(probe["errors"]) && warnings == problems_of(probe["warnings"]),
        std::format("{}: errors{}, warnings{}", probe["policy"].text_or(""), words(errors),
                    words(warnings)));
  }
  policies.report("validation probes");
  CHECK(policies.tests == 37);
}
