#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "policy/check.h"
#include "policy/engine.h"
#include "policy/test_run.h"

using namespace latticegate;
using namespace latticegate::policy;
using namespace std::chrono_literals;

namespace {

const ServerFacts billing{.name = "billing"};
const ServerFacts crm{.name = "crm"};

World world() { return {.servers = {billing, crm}}; }

std::shared_ptr<const Tool> tool(const ServerFacts& server, std::string_view name,
                                 std::string_view properties, Effects effects) {
  const std::string text = "{\"name\":\"" + std::string(name) +
                           "\",\"inputSchema\":{\"type\":\"object\",\"properties\":{" +
                           std::string(properties) + "}}}";
  const auto document = json::Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  auto made = make_tool(server, document->root(), {.effects = effects});
  REQUIRE(made.has_value());
  return *std::move(made);
}

identity::Caller caller(std::string_view agent) {
  return identity::Caller(std::make_shared<const identity::CallerProfile>(
      identity::CallerProfile{.agent = identity::AgentId(std::string(agent))}));
}

base::Result<std::shared_ptr<const Engine>> load(std::string text, std::uint64_t epoch = 1) {
  const PolicyText file{"p.cedar", std::move(text)};
  return Engine::load(world(), {&file, 1}, {.epoch = epoch, .built_in = false});
}

// One agent in one conversation, over time.
class Talk {
 public:
  explicit Talk(std::string text, std::string_view agent = "bot") : caller_(caller(agent)) {
    use(std::move(text), 1);
  }
  void use(std::string text, std::uint64_t epoch) {
    auto loaded = load(std::move(text), epoch);
    REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().detail));
    engine = *std::move(loaded);
  }

  // "permit", or the reason and the policies of the denial.
  std::string call(const std::shared_ptr<const Tool>& what, std::string_view arguments) {
    permit.reset();
    prepare(what, arguments);
    Decision decision = engine->decide(facts_, Mode::enforce, scratch);
    if (auto* const allowed = std::get_if<Permit>(&decision)) {
      permit.emplace(std::move(*allowed));
      return "permit";
    }
    const Denial& denial = std::get<Denial>(decision);
    last = denial;
    std::string text(name(denial.reason));
    for (const std::string& id : denial.policies) text += " " + id;
    return text;
  }
  // The server's answer to the latest call.
  void answer(std::uint64_t records, std::string_view structured = "{}") {
    auto parsed = json::Document::parse(structured);
    REQUIRE(parsed.has_value());
    Facts after = facts_;
    after.output = Output{.records = records, .structured = parsed->root()};
    engine->remember(after, scratch);
  }
  void fail() { engine->remember(facts_, scratch); }
  std::string release() {
    Facts after = facts_;
    after.output = Output{.records = 1};
    return std::holds_alternative<Released>(engine->release(*permit, after, scratch)) ? "released"
                                                                                      : "withheld";
  }
  bool sees(const std::shared_ptr<const Tool>& what) {
    prepare(what, "{}");
    return engine->may_see(facts_, scratch);
  }

  std::shared_ptr<const Engine> engine;
  Scratch scratch;
  base::Time now{std::chrono::hours(100'000)};
  std::optional<Permit> permit;
  Denial last;
  History own{temporal::Limits{}};
  History agents{temporal::Limits{}};
  Histories histories{&own, &agents, nullptr};

 private:
  void prepare(const std::shared_ptr<const Tool>& what, std::string_view arguments) {
    auto parsed = json::Document::parse(arguments);
    REQUIRE(parsed.has_value());
    document_.emplace(*std::move(parsed));
    facts_ = {};
    facts_.caller = &caller_;
    facts_.target = ToolTarget{.tool = what.get()};
    call_ = "call-" + std::to_string(++calls_);
    facts_.call = call_;
    facts_.arguments = document_->root();
    facts_.now = now;
    facts_.histories = histories;
  }
  identity::Caller caller_;
  Facts facts_;
  std::string call_;
  int calls_ = 0;
  std::optional<json::Document> document_;
};

struct Tools {
  std::shared_ptr<const Tool> check =
      tool(billing, "check", R"("order":{"type":"string"})", {.read = true});
  std::shared_ptr<const Tool> refund =
      tool(billing, "refund", R"("order":{"type":"string"},"amount":{"type":"integer"})",
           {.write = true});
  std::shared_ptr<const Tool> revoke =
      tool(billing, "revoke", R"("order":{"type":"string"})", {.write = true});
  std::shared_ptr<const Tool> search =
      tool(crm, "search", R"("query":{"type":"string"})", {.read = true});
};

constexpr std::string_view all = "@id(\"all\") permit (principal, action, resource);\n";

std::string with_all(std::string_view text) { return std::string(all) + std::string(text); }

// The lines of a load that fails.
std::string refused(std::string_view text) {
  const auto loaded = load(std::string(text));
  return loaded ? "loaded" : loaded.error().detail;
}

}  // namespace

TEST_CASE("approval before action") {
  const Tools tools;
  Talk talk(R"(@id("read") permit (principal, action in Mcp::Action::"read", resource);
@id("refund-after-check")
permit (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 15m Mcp::Action::"billing/check"::response{ input.order: context.input.order, output.ok: true } };)");
  CHECK(talk.call(tools.refund, R"({"order":"o1"})") == "not_permitted");
  CHECK(talk.call(tools.check, R"({"order":"o1"})") == "permit");
  CHECK(talk.call(tools.refund, R"({"order":"o1"})") == "not_permitted");  // not answered yet
  CHECK(talk.call(tools.check, R"({"order":"o1"})") == "permit");
  talk.answer(0, R"({"ok":false})");
  CHECK(talk.call(tools.refund, R"({"order":"o1"})") == "not_permitted");
  CHECK(talk.call(tools.check, R"({"order":"o1"})") == "permit");
  talk.fail();
  CHECK(talk.call(tools.refund, R"({"order":"o1"})") == "not_permitted");
  CHECK(talk.call(tools.check, R"({"order":"o1"})") == "permit");
  talk.answer(0, R"({"ok":true})");
  CHECK(talk.call(tools.refund, R"({"order":"o2"})") == "not_permitted");
  CHECK(talk.call(tools.refund, R"({"order":"o1"})") == "permit");
  talk.now += 15min;
  CHECK(talk.call(tools.refund, R"({"order":"o1"})") == "permit");
  talk.now += 1s;
  CHECK(talk.call(tools.refund, R"({"order":"o1"})") == "not_permitted");
  // Why, for the operator.
  CHECK(explanation(talk.last).contains("temporal { formerly within 15m"));
}

TEST_CASE("no more than so many records in an hour, over all tools that read") {
  const Tools tools;
  Talk talk(with_all(R"(@id("records") forbid (principal, action in Mcp::Action::"read", resource)
when temporal { (sum n for (n: Long), (t: Timepoint). where (formerly within 1h (
  Mcp::Action::"read"::response{ output.records: n } && tp(t)))) >= 2000 };)"));
  for (int i = 0; i < 4; ++i) {
    CHECK(talk.call(i % 2 == 0 ? tools.search : tools.check, "{}") == "permit");
    talk.answer(500);
    talk.now += 10min;
  }
  CHECK(talk.call(tools.search, "{}") == "forbidden records");
  CHECK(talk.last.sentence == "denied by policy records: what was done before does not allow it");
  CHECK(talk.call(tools.refund, "{}") == "permit");
  talk.now += 20min;
  CHECK(talk.call(tools.search, "{}") == "forbidden records");  // the first 500 at exactly 1 h
  talk.now += 1s;
  CHECK(talk.call(tools.search, "{}") == "permit");
}

TEST_CASE("no revoke since the grant") {
  const Tools tools;
  Talk talk(
      R"(@id("some") permit (principal, action in [Mcp::Action::"billing/check", Mcp::Action::"billing/revoke"], resource);
@id("granted")
permit (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { !Mcp::Action::"billing/revoke"::request{ input.order: context.input.order }
                since within 1h
                Mcp::Action::"billing/check"::response{ input.order: context.input.order } };)");
  CHECK(talk.call(tools.check, R"({"order":"a"})") == "permit");
  talk.answer(0);
  CHECK(talk.call(tools.check, R"({"order":"b"})") == "permit");
  talk.answer(0);
  CHECK(talk.call(tools.refund, R"({"order":"a"})") == "permit");
  CHECK(talk.call(tools.revoke, R"({"order":"a"})") == "permit");
  CHECK(talk.call(tools.refund, R"({"order":"a"})") == "not_permitted");
  CHECK(talk.call(tools.refund, R"({"order":"b"})") == "permit");
  CHECK(talk.call(tools.check, R"({"order":"a"})") == "permit");
  talk.answer(0);
  CHECK(talk.call(tools.refund, R"({"order":"a"})") == "permit");
}

TEST_CASE("calls under way count: a request is an event, allowed or not") {
  const Tools tools;
  Talk talk(
      with_all(R"(@id("three") forbid (principal, action == Mcp::Action::"crm/search", resource)
when temporal { (count for (t: Timepoint). where (formerly within 1m (Mcp::Action::"crm/search"::request{} && tp(t)))) > 3 };)"));
  for (int i = 0; i < 3; ++i) CHECK(talk.call(tools.search, "{}") == "permit");
  CHECK(talk.call(tools.search, "{}") == "forbidden three");
  talk.now += 59s;
  CHECK(talk.call(tools.search, "{}") == "forbidden three");
}

TEST_CASE("without a history there is no answer: a forbid denies, a permit does not permit") {
  const Tools tools;
  const std::string forbid =
      with_all(R"(@id("f") forbid (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 1h Mcp::Action::"billing/revoke"::request{} };)");
  Talk talk(forbid);
  CHECK(talk.call(tools.refund, "{}") == "permit");
  talk.histories = {};
  CHECK(talk.call(tools.refund, "{}") == "forbid_error f");
  CHECK(talk.call(tools.search, "{}") == "permit");  // the condition is not asked
  talk.use(R"(@id("p") permit (principal, action, resource)
unless temporal { formerly within 1h Mcp::Action::"billing/revoke"::request{} };)",
           2);
  CHECK(talk.call(tools.refund, "{}") == "not_permitted");
  // An argument that a condition reads and that is not there is no answer, either.
  talk.histories = {&talk.own, nullptr, nullptr};
  talk.use(
      with_all(R"(@id("f") forbid (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 1h Mcp::Action::"billing/check"::response{ input.order: context.input.order } };)"),
      3);
  CHECK(talk.call(tools.refund, "{}") == "forbid_error f");
  CHECK(talk.call(tools.refund, R"({"order":"x"})") == "permit");
}

TEST_CASE("an answer is released by what held when its call was decided") {
  const Tools tools;
  Talk talk(
      with_all(R"(@id("next") forbid (principal, action == Mcp::Action::"billing/refund", resource)
unless temporal { previous within 1h Mcp::Action::"billing/check"::response{} };)"));
  CHECK(talk.call(tools.check, "{}") == "permit");
  talk.answer(0);
  CHECK(talk.call(tools.refund, "{}") == "permit");
  talk.answer(0);  // the event before is another one now
  CHECK(talk.release() == "released");
  CHECK(talk.call(tools.refund, "{}") == "forbidden next");
}

TEST_CASE("an output that history has no value for leaves no answer") {
  const Tools tools;
  Talk talk(
      with_all(R"(@id("f") forbid (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 10m Mcp::Action::"billing/check"::response{ output.blocked: true } };)"));
  CHECK(talk.call(tools.check, "{}") == "permit");
  talk.answer(0, R"({"blocked":{"by":"somebody"}})");
  CHECK(talk.call(tools.refund, "{}") == "forbid_error f");
  talk.now += 11min;
  CHECK(talk.call(tools.refund, "{}") == "permit");
  // What a server says of records and bytes is not what we counted.
  talk.use(
      with_all(R"(@id("f") forbid (principal, action == Mcp::Action::"billing/refund", resource)
unless temporal { formerly within 10m Mcp::Action::"billing/check"::response{ output.records: 7 } };)"),
      2);
  CHECK(talk.call(tools.check, "{}") == "permit");
  talk.answer(7, R"({"records":1})");
  CHECK(talk.call(tools.refund, "{}") == "permit");
}

TEST_CASE("a tool stays listed when only the past forbids it") {
  const Tools tools;
  Talk talk(R"(@id("p") permit (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 1h Mcp::Action::"billing/check"::response{} };)");
  CHECK(talk.sees(tools.refund));
  CHECK_FALSE(talk.sees(tools.check));
}

TEST_CASE("whose history: of the agent for everybody, of everyone") {
  const Tools tools;
  const std::string text = with_all(R"(@id("agent") @history("agent")
forbid (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { (count for (t: Timepoint). where (formerly within 1h (Mcp::Action::"billing/refund"::request{} && tp(t)))) > 1 };)");
  Talk ada(text);
  Talk ben(text);
  ben.histories[1] = &ada.agents;
  CHECK(ada.call(tools.refund, "{}") == "permit");
  CHECK(ben.call(tools.refund, "{}") == "forbidden agent");

  // Somebody else has to have asked for the same.
  const std::string two = with_all(R"(@id("second") @history("everyone")
forbid (principal, action == Mcp::Action::"billing/refund", resource)
unless temporal { exists (who: Mcp::Agent). (
  formerly within 15m Mcp::Action::"billing/check"::response{ callerPrincipal: who, input.order: context.input.order } &&
  !(who == principal)) };)");
  History everyone{temporal::Limits{}};
  Talk first(two, "first");
  Talk second(two, "second");
  first.histories = second.histories = {nullptr, nullptr, &everyone};
  CHECK(first.call(tools.check, R"({"order":"o"})") == "permit");
  first.answer(0);
  CHECK(first.call(tools.refund, R"({"order":"o"})") == "forbidden second");
  CHECK(second.call(tools.refund, R"({"order":"o"})") == "permit");
}

TEST_CASE("a reload keeps what conditions that stay have seen; an older engine gets no answers") {
  const Tools tools;
  const std::string text =
      with_all(R"(@id("f") forbid (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 1h Mcp::Action::"billing/revoke"::request{} };)");
  Talk talk(text);
  CHECK(talk.call(tools.revoke, "{}") == "permit");
  const auto older = talk.engine;
  talk.use("@id(\"other\") forbid (principal, action == Mcp::Action::\"crm/search\", resource);\n" +
               text,
           2);
  CHECK(talk.call(tools.refund, "{}") == "forbidden f");
  talk.engine = older;
  CHECK(talk.call(tools.refund, "{}") == "forbid_error f");
}

TEST_CASE("a history survives a restart") {
  const Tools tools;
  const std::string text =
      with_all(R"(@id("f") forbid (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 1h Mcp::Action::"billing/revoke"::request{} };)");
  Talk before(text);
  CHECK(before.call(tools.revoke, "{}") == "permit");
  const auto saved = before.own.save_changes();
  REQUIRE(saved.has_value());
  CHECK_FALSE(before.own.save_changes().has_value());
  Talk after(text);
  CHECK(after.call(tools.refund, "{}") == "permit");
  Talk restored(text);
  REQUIRE(restored.own.load(*saved, restored.now).has_value());
  CHECK(restored.call(tools.refund, "{}") == "forbidden f");
  Talk damaged(text);
  CHECK_FALSE(damaged.own.load("{", damaged.now).has_value());
  CHECK(damaged.call(tools.refund, "{}") == "forbid_error f");
}

TEST_CASE("what does not exist is refused when policies are loaded") {
  const auto with = [](std::string_view body) {
    return refused("permit (principal, action, resource) when temporal {\n" + std::string(body) +
                   "\n};");
  };
  CHECK(with(R"(formerly within 1h Mcp::Action::"biling/check"::response{})") ==
        "p.cedar:2:20: policy `policy0`: there is no server `biling` for the action "
        "Mcp::Action::\"biling/check\" (did you mean `billing`?)");
  CHECK(with(R"(formerly within 1h Mcp::Action::"reads"::response{})") ==
        "p.cedar:2:20: policy `policy0`: there is no action Mcp::Action::\"reads\": a tool is "
        "\"server/tool\" (did you mean `read`?)");
  CHECK(with(R"(formerly within 1h Action::"read"::response{})") ==
        "p.cedar:2:20: policy `policy0`: there is no action Action::\"read\": actions are "
        "Mcp::Action::\"...\"");
  CHECK(with(R"(formerly within 1h Mcp::Action::"read"::responses{})") ==
        "p.cedar:2:20: policy `policy0`: there is no kind of event `responses` (did you mean "
        "`response`?)");
  CHECK(with(R"(formerly within 1h Mcp::Action::"read"::request{ inputs.a: 1 })") ==
        "p.cedar:2:50: policy `policy0`: an event has no field `inputs` (did you mean `input`?)");
  CHECK(with(R"(formerly within 1h Mcp::Action::"read"::request{ input: 1 })") ==
        "p.cedar:2:50: policy `policy0`: `input` is a record: name a field of it, for example "
        "input.name");
  CHECK(with(R"(formerly within 1h Mcp::Action::"read"::request{ output.a: 1 })") ==
        "p.cedar:2:50: policy `policy0`: only a response has an output");
  CHECK(with(R"(formerly within 1h Mcp::Action::"read"::request{ input.a: context.inputs.a })") ==
        "p.cedar:2:59: policy `policy0`: there is no `context.inputs` (did you mean `input`?)");
  CHECK(with(R"(formerly within 1h Mcp::Action::"read"::request{ input.a: principal.dept })") ==
        "p.cedar:2:59: policy `policy0`: an agent has no attribute `dept` (known are tenant, "
        "department, clearance, domains, attested, quarantined)");
  CHECK(with("formerly within 25h Mcp::Action::\"read\"::request{}")
            .contains("p.cedar:2:1: policy `policy0`: the window is longer than 24 hours"));
  CHECK(refused("@history(\"user\") permit (principal, action, resource) when temporal { "
                "Mcp::Action::\"read\"::request{} };") ==
        "p.cedar:1:1: policy `policy0`: unknown history \"user\" (known are conversation, agent, "
        "everyone)");
  CHECK(refused("@history(\"agent\") permit (principal, action, resource);") ==
        "p.cedar:1:1: policy `policy0`: @history without a temporal condition: it says nothing");
}

TEST_CASE("tools that are known give their arguments a meaning") {
  const Tools tools;
  const std::vector<std::shared_ptr<const Tool>> list{tools.check, tools.refund};
  const PolicyText file{"p.cedar",
                        R"(permit (principal, action == Mcp::Action::"billing/refund", resource)
when temporal {
  formerly within 1h Mcp::Action::"billing/check"::response{ input.ordre: context.input.oder, output.any: 1 } &&
  formerly within 1h Mcp::Action::"billing/chek"::response{} &&
  formerly within 1h Mcp::Action::"crm/anything"::response{ input.x: 1 } &&
  formerly within 1h Mcp::Action::"read"::response{ input.y: 1 }
};)"};
  const World known = world();
  const auto report = check_policies({&file, 1}, {.world = &known, .tools = list});
  REQUIRE(report.has_value());
  std::vector<std::string> lines;
  for (const Diagnostic& one : report->diagnostics) lines.push_back(describe(one));
  CHECK(lines ==
        std::vector<std::string>{
            "p.cedar:3:62: policy `policy0`: there is no `ordre` in the arguments of "
            "Mcp::Action::\"billing/check\" (did you mean `order`?)",
            "p.cedar:3:75: policy `policy0`: there is no `oder` in the context of "
            "Mcp::Action::\"billing/refund\" (did you mean `order`?)",
            "p.cedar:4:22: policy `policy0`: there is no action Mcp::Action::\"billing/chek\""});
}

TEST_CASE("a test file tells the history") {
  const PolicyText file{"p.cedar", R"(@id("after")
permit (principal, action == Mcp::Action::"billing/refund", resource)
when temporal { formerly within 15m Mcp::Action::"billing/check"::response{ input.order: context.input.order, output.ok: true } };)"};
  const auto outcome = [&](std::string_view history) {
    const std::string tests =
        R"([{"name": "one", "request": {"principal": "Mcp::Agent::\"a\"", "action": "Mcp::Action::\"billing/refund\"", "resource": "Mcp::Tool::\"billing/refund\"", "context": {"input": {"order": "o1"}}}, "decision": "allow")" +
        std::string(history) + "}]";
    const auto report = run_tests({&file, 1}, {.tests = tests});
    REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().detail));
    return report->outcomes[0].words;
  };
  const std::string_view check =
      R"("action": "Mcp::Action::\"billing/check\"", "kind": "response", "input": {"order": "o1"}, "output": {"ok": true})";
  CHECK(outcome("") == "decision: expected allow, got deny by nothing");
  CHECK(outcome(R"(, "history": [{"ago": "10m", )" + std::string(check) + "}]") == "");
  CHECK(outcome(R"(, "history": [{"ago": "16m", )" + std::string(check) + "}]") ==
        "decision: expected allow, got deny by nothing");
  CHECK(outcome(R"(, "history": [{"ago": "10m", "principal": "Mcp::Agent::\"b\"", )" +
                std::string(check) + "}]") == "decision: expected allow, got deny by nothing");
  CHECK(outcome(R"(, "history": [{"ago": "soon", )" + std::string(check) + "}]") ==
        "history[0]: ago: how long before the request, 30s, 10m, 2h or 1d");
  CHECK(outcome(R"(, "history": [{"ago": "1m", "acton": 1}])") ==
        "history[0]: unknown key \"acton\" (did you mean \"action\"?)");
  CHECK(outcome(R"(, "history": 5)") == "history: not an array");
}
