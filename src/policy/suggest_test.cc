#include "policy/suggest.h"

#include <doctest/doctest.h>

#include <chrono>
#include <format>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/scan.h"
#include "json/value.h"
#include "json/write.h"
#include "policy/check.h"

using namespace latticegate;
using namespace latticegate::policy;
using namespace std::chrono_literals;

namespace {

const ServerFacts crm{.name = "crm"};
constexpr base::Time noon{std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 12h};

World world() {
  return {.users = {{.id = identity::UserId("ada")}},
          .groups = {{"bots", {}}, {"readers", {}}},
          .servers = {crm}};
}

std::shared_ptr<const Engine> engine_of(std::string text) {
  const PolicyText file{"policies.cedar", std::move(text)};
  auto loaded = Engine::load(world(), {&file, 1}, {});
  REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().detail));
  return *std::move(loaded);
}

// Calls that are decided, recorded, taken as evidence and decided again by what comes of it.
class Log {
 public:
  explicit Log(std::string policies = "@id(\"all\") permit (principal, action, resource);",
               Suggest::Settings settings = {})
      : engine_(engine_of(std::move(policies))), suggest(engine_, world(), settings) {}

  void call(std::string_view agent, std::string_view name, const std::string& arguments,
            std::vector<std::string> groups = {}, std::string_view schema = "{}") {
    const identity::Caller caller(
        std::make_shared<const identity::CallerProfile>(identity::CallerProfile{
            .agent = identity::AgentId(std::string(agent)), .groups = std::move(groups)}));
    std::string text;
    json::Writer writer(text);
    writer.begin_object().member("name", name);
    writer.key("inputSchema").raw(schema == "{}" ? R"({"type":"object"})" : schema);
    writer.end_object();
    const auto tool = make_tool(crm, json::Document::parse(text)->root(), {});
    REQUIRE(tool.has_value());
    tools.push_back(*tool);
    add(caller, ToolTarget{.tool = tool->get()}, std::format("crm/{}", name),
        std::format(R"({{"arguments":{}}})", arguments));
  }
  void read(std::string_view agent, const std::string& uri) {
    const identity::Caller caller(std::make_shared<const identity::CallerProfile>(
        identity::CallerProfile{.agent = identity::AgentId(std::string(agent))}));
    add(caller, ResourceTarget{&crm, uri}, uri, "{}");
  }

  // The text, after the proof that it is valid and refuses nothing.
  std::string proved(bool typed = false) {
    const std::string text = suggest.text({});
    const PolicyText file{"suggested.cedar", text};
    const World known = world();
    const auto checked = check_policies(
        {&file, 1},
        {.world = &known, .tools = typed ? std::span(tools).first(1) : std::span(tools).first(0)});
    REQUIRE(checked.has_value());
    for (const Diagnostic& one : checked->diagnostics)
      CHECK_MESSAGE(one.severity != Diagnostic::Severity::error, describe(one) << "\n" << text);
    Replay replay(engine_of(text), world(), {});
    for (const auto& [call, document] : calls) {
      RecordedCall one = call;
      one.asked = document->root();
      replay.take(one, one.decided == Judgement::Kind::allow);
    }
    CHECK_MESSAGE(replay.report().changed() == 0, text);
    CHECK(replay.report().same == suggest.counts().allowed);
    return text;
  }

 private:
  std::shared_ptr<const Engine> engine_;

 public:
  Suggest suggest;
  std::vector<std::pair<RecordedCall, std::unique_ptr<json::Document>>> calls;
  std::vector<std::shared_ptr<const Tool>> tools;

 private:
  void add(const identity::Caller& caller, const Target& target, std::string_view named,
           const std::string& params) {
    const auto document = json::Document::parse(params);
    REQUIRE_MESSAGE(document.has_value(), params);
    const inspect::Findings findings =
        inspect::scan(scanner_, inspect::Surface::arguments, document->root());
    Facts facts;
    facts.caller = &caller;
    facts.target = target;
    facts.call = "call";
    facts.arguments = document->root()["arguments"];
    facts.findings = &findings;
    facts.now = noon + std::chrono::hours(calls.size());
    Judgement judgement;
    engine_->judge(facts, scratch_, judgement);
    std::string text;
    engine_->write_asked(facts, {.scanned = document->root(), .findings = &findings}, scratch_,
                         text);
    names_.push_back(std::make_unique<std::string>(named));
    auto asked = std::make_unique<json::Document>(*json::Document::parse(text));
    RecordedCall call{.seq = calls.size(),
                      .at = facts.now,
                      .call = "call",
                      .agent = "agent",
                      .conversation = "c",
                      .target = *names_.back(),
                      .decided = judgement.kind,
                      .asked = asked->root()};
    suggest.take(call);
    calls.emplace_back(call, std::move(asked));
  }
  Scratch scratch_;
  inspect::Scanner scanner_ = *inspect::Scanner::create(*inspect::RuleSet::built_in());
  std::vector<std::unique_ptr<std::string>> names_;
};

}  // namespace

TEST_CASE("each agent gets the tools that it called, with the arguments that were seen") {
  Log log(
      "@id(\"all\") permit (principal, action, resource); @id(\"never\") permit (principal, "
      "action == Mcp::Action::\"crm/drop\", resource);"
      "@id(\"no-blue\") forbid (principal, action, resource) when { context.input has region "
      "&& context.input.region == \"blue\" };");
  for (int i = 0; i < 24; ++i)
    log.call("sales", "search",
             std::format(R"({{"limit":{},"region":"{}","query":"q{}","dry":false,"id":{}{}}})",
                         10 * (i % 3 + 1), i % 4 == 0 ? "us" : "eu", i, 1000 + i,
                         i % 2 == 0 ? R"(,"path":"/srv/data/a/x.csv")"
                                    : std::format(R"(,"path":"/srv/data/b{}.csv")", i)));
  log.call("sales", "search", R"({"limit":99999,"region":"blue"})");  // refused: no evidence
  log.call("ops", "list", R"({"tags":["a"]})");
  const std::string text = log.proved();
  CHECK(text ==
        R"(// Suggested from 25 recorded calls that were allowed: the least that allows them.
// For review: what was not called is not allowed here, and who called decided what is
// evidence. Forbids are not repeated; keep those that are in force.

// 1 call by "ops", 2026-11-23 to 2026-11-23
//   "tags": lists, free
@id("suggested-ops-crm-list")
permit (
  principal == Mcp::Agent::"ops",
  action == Mcp::Action::"crm/list",
  resource == Mcp::Tool::"crm/list"
);

// 24 calls by "sales", 2026-11-22 to 2026-11-23
//   "dry": always false
//   "id": 1000 to 1023, hardly any twice, free
//   "limit": 10 to 30
//   "path": below "/srv/data/"
//   "query": many texts, free
//   "region": "eu" 18, "us" 6
@id("suggested-sales-crm-search")
permit (
  principal == Mcp::Agent::"sales",
  action == Mcp::Action::"crm/search",
  resource == Mcp::Tool::"crm/search"
)
when {
  context.input has dry &&
  !context.input.dry &&
  context.input has limit &&
  context.input.limit >= 0 &&
  context.input.limit <= 30 &&
  context.input has path &&
  context.input.path like "/srv/data/*" &&
  !(context.input.path like "*..*") &&
  context.input has region &&
  ["eu", "us"].contains(context.input.region)
};
)");
  CHECK(log.suggest.counts().refused == 1);
  const PolicyText current{"policies.cedar",
                           "@id(\"all\") permit (principal, action, resource);\n"
                           "@id(\"never\") permit (principal, action == "
                           "Mcp::Action::\"crm/drop\", resource);\n@id(\"f\") forbid (principal, "
                           "action, resource);"};
  const auto unused = unused_grants({&current, 1}, log.suggest.used());
  REQUIRE(unused.has_value());
  REQUIRE(unused->size() == 1);
  CHECK(unused->front().policy == "never");
  CHECK(unused->front().place == "policies.cedar:2:1");
}

TEST_CASE("what few calls say is not taken for a rule") {
  Log log;
  for (int i = 0; i < 4; ++i)
    log.call("sales", "search", R"({"limit":5,"region":"eu","flag":true,"path":"/srv/x/a"})");
  const std::string text = log.proved();
  CHECK(text.contains("\"region\": too few calls to say, free"));
  CHECK(text.contains("\"limit\": 5, too few calls to say, free"));
  CHECK_FALSE(text.contains("when"));
}

TEST_CASE("arguments that are not always there, and groups") {
  Log log("@id(\"all\") permit (principal, action, resource);", {.by_group = true, .enough = 6});
  for (int i = 0; i < 12; ++i)
    log.call(i % 2 == 0 ? "one" : "two", "search",
             i % 3 == 0 ? "{}" : R"({"region":"eu","tags":["a","b"]})", {"readers", "bots"});
  const std::string text = log.proved();
  CHECK(text.contains("12 calls by \"one\", \"two\""));
  CHECK(text.contains("principal in Mcp::Group::\"bots\""));
  CHECK(text.contains("\"region\" (8 of 12): \"eu\" 8"));
  CHECK(text.contains("!(context.input has region) ||"));
  CHECK(text.contains(R"(["a", "b"].containsAll(context.input.tags))"));
  CHECK(log.suggest.counts().grants == 1);
}

TEST_CASE("resources are those below the folder that was read") {
  Log log;
  for (int i = 0; i < 6; ++i) log.read("sales", std::format("crm://notes/public/{}", i));
  // "//" is no folder: what follows could be anywhere.
  CHECK_FALSE(log.proved().contains("when"));
  Log paths;
  for (int i = 0; i < 30; ++i) paths.read("sales", i % 2 == 0 ? "notes/a*b/1" : "notes/a*b/2");
  CHECK(paths.proved().contains(R"(["notes/a*b/1", "notes/a*b/2"].contains(resource.uri))"));
  Log many;
  for (int i = 0; i < 30; ++i) many.read("sales", std::format("notes/a*b/{}", i));
  CHECK(many.proved().contains(R"(resource.uri like "notes/a\*b/*")"));
}

TEST_CASE("no argument, name or agent writes policy text") {
  const std::string evil =
      "x\\n@id(\\\"evil\\\") permit (principal, action, resource);\\r//\\u2028";
  Log log("@id(\"all\") permit (principal, action, resource);", {.enough = 5});
  for (int i = 0; i < 6; ++i) {
    log.call("sales", "search",
             std::format(R"({{"region":"{0}","{0}":1,"if":"a","a b":true}})", evil));
    log.call("sales\n@id(\"evil\") permit (principal, action, resource);", "list",
             R"({"path":"/srv/data/\u202e*/x"})");
    log.call("sales", "a\"b\nc", "{}");
    log.read("sales", "x/\n@id(\"evil\")permit(principal,action,resource);/a");
  }
  const std::string text = log.proved();
  cedar::PolicySet::Builder builder;
  REQUIRE(builder.add(text, "suggested.cedar").has_value());
  const cedar::PolicySet set = builder.build();
  CHECK(set.size() == log.suggest.counts().grants);
  for (const cedar::Policy& policy : set.policies()) {
    CHECK(policy.principal.kind == cedar::ScopeConstraint::Kind::equal);
    CHECK(policy.action.kind == cedar::ScopeConstraint::Kind::equal);
  }
  CHECK(text.contains("context.input[\"if\"]"));
  CHECK(text.contains("context.input has \"a b\" &&\n  context.input[\"a b\"]"));
  CHECK(text.contains("\\u{202e}"));
  CHECK_FALSE(text.contains("\xE2\x80\xAE"));  // nothing that reorders what one reads
}

TEST_CASE("a secret is nobody's rule") {
  Log log("@id(\"all\") permit (principal, action, resource);", {.enough = 5});
  for (int i = 0; i < 10; ++i)
    log.call("sales", "search", R"({"token":"ghp_16C7e42F292c6912E7710c838347Ae178B4a","n":1})");
  const std::string text = log.proved();
  CHECK(text.contains("\"token\": held secrets, free"));
  CHECK_FALSE(text.contains("ghp_"));
  CHECK_FALSE(text.contains("redacted:"));
}

TEST_CASE("what holds by its types, and what they do not say") {
  Log log("@id(\"all\") permit (principal, action, resource);", {.enough = 5});
  constexpr std::string_view schema =
      R"({"type":"object","properties":{"limit":{"type":"integer"},"region":{"type":"string"}},"required":["region"]})";
  for (int i = 0; i < 10; ++i)
    log.call("sales", "search", R"({"limit":5,"region":"eu"})", {}, schema);
  const std::string text = log.proved(true);
  CHECK(text.contains("context.input.limit <= 5"));
  // Not in the schema: the text is right, and no policy can say it with types.
  Log free("@id(\"all\") permit (principal, action, resource);", {.enough = 5});
  for (int i = 0; i < 10; ++i) free.call("sales", "search", R"({"more":"eu"})", {}, schema);
  CHECK(free.suggest.text({}).contains("context.input.more"));
  const std::string plain = free.suggest.text({"suggested-sales-crm-search"});
  CHECK_FALSE(plain.contains("context.input.more"));
  CHECK(plain.contains("not constrained"));
  CHECK(free.suggest.ids_about("crm/search") ==
        std::vector<std::string>{"suggested-sales-crm-search"});
}
