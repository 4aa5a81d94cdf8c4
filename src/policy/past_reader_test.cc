// The quick way to read a recorded question against the whole one: the same judgement of every
// question, whatever the policies look at, and the same report over a log of them.
#include "policy/past_reader.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "policy/replay.h"

using namespace latticegate;
using namespace latticegate::policy;
using namespace std::chrono_literals;

namespace {

const std::array<ServerFacts, 2> servers{
    {{.name = "crm", .segment = "sales", .region = "eu-west", .domains = {"personal-eu"}},
     {.name = "web", .region = "us-east"}}};

World world() {
  return {.users = {{.id = identity::UserId("ada"), .clearance = 3, .roles = {"operator"}},
                    {.id = identity::UserId("bo"), .clearance = 1}},
          .groups = {{"sales-bots", {"bots"}}, {"bots", {}}},
          .segments = {{"sales", {"corp"}}, {"corp", {}}},
          .servers = {servers.begin(), servers.end()},
          .person_key = "key"};
}

std::shared_ptr<const Engine> engine_of(std::string_view text, const World& known = world()) {
  const PolicyText file{"policies.cedar", std::string(text)};
  auto loaded = Engine::load(known, {&file, 1}, {});
  REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().detail));
  return *std::move(loaded);
}

class Draw {
 public:
  std::size_t below(std::size_t most) {
    state_ = state_ * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    return (state_ >> 33U) % most;
  }
  bool once_in(std::size_t many) { return below(many) == 0; }

 private:
  std::uint64_t state_ = 3;
};

// Questions as the gateway records them: every kind of target, of argument and of state.
std::vector<std::string> questions(std::size_t count) {
  static constexpr std::array<std::string_view, 14> arguments{
      R"({})",
      R"({"limit":5,"query":"north"})",
      R"({"limit":900})",
      R"({"limit":"900"})",
      R"({"limit":9007199254740993,"query":"say \"hi\"\n"})",
      R"({"a":{"b":{"c":true}},"limit":-3})",
      R"({"a":{"b":[1,2,{"c":"x"}]}})",
      R"({"a":["__entity"],"tags":["x","y","x"],"limit":0})",
      R"({"a":{"__entity":{"id":"ada","type":"Mcp::User"}}})",
      R"({"since":"2026-01-02T03:04:05Z","ratio":0.125})",
      R"({"lat":52.123456,"limit":7})",
      R"({"quote\"d":1,"limit":8})",
      R"({"\u00fcn\u00ef":"\u00f6","url":"https://example.org/x","limit":20})",
      R"({"sql":"select * from people","limit":20,"empty":[],"none":{}})"};
  const auto recorder = engine_of("permit (principal, action, resource);");
  std::vector<std::shared_ptr<const Tool>> tools;
  for (
      const std::string_view text :
      {R"({"name":"search","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object"}})",
       R"({"name":"fetch","inputSchema":{"type":"object"}})",
       R"({"name":"typed","inputSchema":{"type":"object","properties":{"since":{"type":"string","format":"date-time"},"ratio":{"type":"number"},"sql":{"type":"string"}}}})"}) {
    const auto document = json::Document::parse(text);
    auto made = make_tool(servers.at(tools.size() % 2), document->root(), {});
    REQUIRE(made.has_value());
    tools.push_back(*std::move(made));
  }
  Draw draw;
  std::vector<identity::Caller> callers;
  for (int i = 0; i < 6; ++i) {
    identity::CallerProfile profile{.agent = identity::AgentId(std::format("bot-{}", i))};
    if (i % 2 == 0) profile.groups = {"sales-bots"};
    if (i % 3 != 0) profile.segments = {"sales"};
    if (i == 1 || i == 4) profile.user = world().users[0];
    if (i == 2) profile.user = world().users[1];
    if (i == 3) profile.user = identity::User{.id = identity::UserId("gone")};
    callers.emplace_back(std::make_shared<const identity::CallerProfile>(std::move(profile)));
  }
  Scratch scratch;
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) {
    const auto given = json::Document::parse(arguments.at(draw.below(arguments.size())));
    REQUIRE(given.has_value());
    Facts facts;
    facts.caller = &callers[draw.below(callers.size())];
    facts.quarantined = draw.once_in(15);
    switch (draw.below(8)) {
      case 0: facts.target = ResourceTarget{servers.data(), "file:///a/\"b\""}; break;
      case 1: facts.target = PromptTarget{&servers.at(1), "hello"}; break;
      default:
        facts.target =
            ToolTarget{.tool = tools[draw.below(tools.size())].get(), .pinned = !draw.once_in(15)};
    }
    const std::string id = std::format("call-{}", i);
    facts.call = id;
    facts.arguments = given->root();
    facts.conversation = draw.once_in(9) ? "c-\"1\"" : "c-2";
    behaviour::Totals totals;
    totals.started = base::Time{} + std::chrono::hours(draw.below(50));
    totals.calls = draw.below(60);
    totals.records = draw.below(4000);
    if (draw.once_in(3)) totals.taint.add("web");
    if (draw.once_in(3)) totals.domains.add("personal-eu");
    facts.totals = &totals;
    behaviour::Risk risk;
    risk.score = static_cast<std::uint32_t>(draw.below(100));
    facts.risk = &risk;
    facts.now = base::Time{} + std::chrono::hours(60 + draw.below(500)) + 7ms;
    if (draw.once_in(5)) facts.records = draw.below(1000);
    if (draw.once_in(5))
      facts.approval = Approval{draw.once_in(2) ? "ada" : "nobody",
                                static_cast<std::int64_t>(draw.below(3)), facts.now + 1h};
    facts.peer = draw.once_in(3) ? "no address" : "10.1.2.3";
    facts.region = "eu-west";
    facts.kex = draw.once_in(2) ? "X25519MLKEM768" : "";
    std::string text;
    recorder->write_asked(facts, {.context = !draw.once_in(20)}, scratch, text);
    all.push_back(std::move(text));
  }
  return all;
}

constexpr std::string_view policy_sets[] = {
    "",
    "permit (principal, action, resource);",
    R"(permit (principal, action, resource);
       forbid (principal, action, resource) when { context.input.limit > 500 };)",
    R"(permit (principal, action, resource) when { context has input && context.input has limit };
       forbid (principal, action, resource) when { context.input has a.b.c && context.input.a.b.c };)",
    R"(permit (principal, action, resource) when { context.input.a.b.contains(1) };
       permit (principal, action, resource) when { context.input has "quote\"d" };)",
    R"(permit (principal, action, resource) when { context.session.user in Mcp::Role::"operator" };
       permit (principal, action, resource) when { context.session.user.clearance >= 1 };)",
    R"(permit (principal, action, resource) when { context == {} || context.env.now > datetime("1970-01-10") };)",
    R"(permit (principal, action, resource)
       when { (if context.risk.score > 50 then context.session else context.session).calls < 30 };)",
    R"(permit (principal, action, resource) when { context.session.age < duration("3h") };
       permit (principal in Mcp::Group::"bots", action, resource in Mcp::Segment::"corp");
       forbid (principal, action, resource) unless { context.session.taint.isEmpty() };)",
    R"(permit (principal, action, resource)
       when { context has approval && context.approval.approver == Mcp::User::"ada" &&
              context.approval.level >= 1 && context.env.now < context.approval.expiresAt };)",
    R"(permit (principal, action, resource) when { context.derived.sql.verb == "select" };
       permit (principal, action, resource) when { context.derived has destHost };
       permit (principal, action, resource) when { context.derived.hosts.contains("example.org") };)",
    R"(permit (principal, action, resource) when { context.input.since > datetime("2025-01-01") };
       permit (principal, action, resource) when { context.input.ratio.lessThan(decimal("0.5")) };
       permit (principal, action, resource) when { context.env.ip.isInRange(ip("10.0.0.0/8")) };)",
    R"(permit (principal, action, resource) when { context.input.limit.foo == 1 };
       permit (principal, action, resource) when { context.input.a has "__entity" };
       permit (principal, action, resource) when { context.input.tags == ["y", "x"] };)",
    R"(permit (principal, action, resource) when { context.session == context.session };
       forbid (principal, action, resource) when { {"x": context}.x.risk.score > 30 };)",
};

const PastCall* quickly(PastReader& reader, std::string_view text) {
  json::Skim skim(text);
  const PastCall* const past = reader.read(skim);
  return past != nullptr && skim.rest().empty() ? past : nullptr;
}

}  // namespace

TEST_CASE("quickly and whole: every question gets the same judgement") {
  const std::vector<std::string> all = questions(600);
  const People people = people_of(world());
  std::size_t quick = 0;
  for (const std::string_view text : policy_sets) {
    CAPTURE(text);
    const auto engine = engine_of(text);
    PastReader reader(engine, people);
    Scratch scratch;
    for (const std::string& question : all) {
      CAPTURE(question);
      const auto document = json::Document::parse(question);
      REQUIRE(document.has_value());
      cedar::Arena arena;
      const auto whole = engine->read_asked(document->root(), people, arena);
      REQUIRE(whole.has_value());
      const PastCall* const past = quickly(reader, question);
      if (past == nullptr) continue;
      ++quick;
      Judgement wanted;
      Judgement judgement;
      engine->judge(*whole, {}, {}, {}, scratch, wanted);
      engine->judge(*past, {}, {}, {}, scratch, judgement);
      REQUIRE(judgement.kind == wanted.kind);
      REQUIRE(judgement.policies == wanted.policies);
      REQUIRE(judgement.reason == wanted.reason);
      REQUIRE(past->unknown_person == whole->unknown_person);
      REQUIRE(past->world == whole->world);
      REQUIRE(whole->missing.empty());
      REQUIRE(whole->left_out.empty());
    }
  }
  // Most of them: else the test says little.
  CHECK(quick > all.size() * std::size(policy_sets) * 3 / 4);
}

TEST_CASE("quickly and whole: the same report") {
  const std::vector<std::string> all = questions(500);
  const People people = people_of(world());
  const auto then = engine_of(policy_sets[2]);
  for (const std::string_view text : policy_sets) {
    CAPTURE(text);
    const auto engine = engine_of(text);
    for (const std::size_t examples : {0U, 2U}) {
      Replay whole(engine, world(), {.examples = examples});
      Replay quick(engine, world(), {.examples = examples});
      PastReader reader(engine, people);
      PastReader reader_then(then, people);
      Scratch scratch;
      std::uint64_t seq = 0;
      for (const std::string& question : all) {
        const auto document = json::Document::parse(question);
        cedar::Arena arena;
        const auto past_then = then->read_asked(document->root(), people, arena);
        Judgement decided;
        if (past_then->missing.empty()) then->judge(*past_then, {}, {}, {}, scratch, decided);
        const std::string agent = std::format("bot-{}", seq % 3);
        const RecordedCall call{.seq = seq++,
                                .call = "call",
                                .agent = agent,
                                .target = "crm/search",
                                .decided = decided.kind,
                                .asked = document->root()};
        whole.take(call, true);
        const PastCall* const past = quickly(reader, question);
        if (past == nullptr || (!quick.take_same(*past, decided.kind) &&
                                !quick.take_changed(*past, decided.kind, agent, "crm/search")))
          quick.take(call, true);
      }
      const ReplayReport& a = whole.report();
      const ReplayReport& b = quick.report();
      CHECK(a.calls == b.calls);
      CHECK(a.same == b.same);
      CHECK(a.flips == b.flips);
      CHECK(a.missing == b.missing);
      CHECK(a.strangers == b.strangers);
      CHECK(a.other_world == b.other_world);
      REQUIRE(a.groups.size() == b.groups.size());
      for (const auto& [key, group] : a.groups) {
        const auto& other = b.groups.at(key);
        CHECK(group.count == other.count);
        CHECK(group.agents == other.agents);
        CHECK(group.targets == other.targets);
        REQUIRE(group.examples.size() == other.examples.size());
        for (std::size_t i = 0; i < group.examples.size(); ++i) {
          CHECK(group.examples[i].seq == other.examples[i].seq);
          CHECK(group.examples[i].why == other.examples[i].why);
          CHECK(group.examples[i].rules_after == other.examples[i].rules_after);
        }
      }
    }
  }
}

TEST_CASE("what is not as the gateway writes it is left to be read whole") {
  const auto engine =
      engine_of("permit (principal, action, resource) when { context.risk.score < 5 };");
  const People people = people_of(world());
  PastReader reader(engine, people);
  const std::string good =
      R"({"action":{"attrs":{},"parents":[],"uid":{"id":"read","type":"Mcp::Action"}},)"
      R"("context":{"risk":{"score":3}},)"
      R"("principal":{"attrs":{},"parents":[],"uid":{"id":"a","type":"Mcp::Agent"}},)"
      R"("resource":{"attrs":{},"parents":[],"uid":{"id":"t","type":"Mcp::Tool"}},"world":"w"})";
  CHECK(quickly(reader, good) != nullptr);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string(R"({"missing":"off"})"),
        good.substr(0, good.size() - 1), changed(R"("world")", R"("missing":"size","world")"),
        changed(R"("principal")", R"("left_out":[["a"]],"principal")"),
        changed(R"("resource")", R"("redacted":1,"resource")"),
        changed(R"("action")", R"("zaction")"), changed(R"("score":3)", R"("score":3.5)"),
        changed(R"("score":3)", R"("score":null)"),
        changed(R"("score":3)", R"("score":3,"score":4)"), changed(R"("score":3)", R"("score": 3)"),
        changed(R"("score":3)", R"("score":"\ud800")"), changed(R"({"score":3})", "[3"),
        changed(R"("context":{"risk":{"score":3}})", R"("context":5)"),
        changed(R"("uid":{"id":"a","type":"Mcp::Agent"})", R"("uid":{"id":"a"})"),
        changed(R"("attrs":{})", R"("attrs":{]")")}) {
    CAPTURE(text);
    CHECK(quickly(reader, text) == nullptr);
  }
  // And the reader goes on.
  CHECK(quickly(reader, good) != nullptr);
}
