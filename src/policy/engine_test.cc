#include "policy/engine.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"

using namespace latticegate;
using namespace latticegate::policy;
using namespace std::chrono_literals;

namespace {

std::string model_policies() {
  const char* const root = std::getenv("LATTICEGATE_SOURCE");
  const std::filesystem::path path =
      std::filesystem::path(root != nullptr ? root : ".") / "tests/data/mcp-model/policies.cedar";
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

const ServerFacts crm{
    .name = "crm", .segment = "support", .region = "eu-central-1", .domains = {"personal-eu"}};
const ServerFacts db{.name = "db", .segment = "support", .region = "eu-central-1"};
const ServerFacts web{.name = "web", .segment = "support", .region = "eu-central-1"};
const ServerFacts grid{.name = "grid", .segment = "grid-prod", .region = "eu-central-1"};
const ServerFacts loose{.name = "loose"};

World world() {
  return {.users = {{.id = identity::UserId("ceo"), .clearance = 4, .roles = {"executive"}},
                    {.id = identity::UserId("junior"), .clearance = 1}},
          .groups = {{"support-bots", {"bots"}}, {"bots", {}}},
          .segments = {{"support", {"corp"}}, {"grid-prod", {"corp"}}, {"corp", {}}},
          .servers = {crm, db, web, grid, loose}};
}

identity::Caller caller(identity::CallerProfile profile) {
  return identity::Caller(std::make_shared<const identity::CallerProfile>(std::move(profile)));
}
identity::CallerProfile support_bot() {
  return {.agent = identity::AgentId("support-bot"),
          .groups = {"support-bots"},
          .segments = {"support", "grid-prod"},
          .domains = {"personal-eu", "pci"}};
}

std::shared_ptr<const Tool> tool(const ServerFacts& server, std::string_view name,
                                 std::string_view properties, ToolFacts facts) {
  const std::string text = "{\"name\":\"" + std::string(name) +
                           "\",\"inputSchema\":{\"type\":\"object\",\"properties\":{" +
                           std::string(properties) + "}}}";
  const auto document = json::Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  if (facts.domains.empty()) facts.domains = server.domains;
  auto made = make_tool(server, document->root(), facts);
  REQUIRE(made.has_value());
  return *std::move(made);
}

// An engine and the facts of one call, to be changed by a test.
class Bench {
 public:
  explicit Bench(std::string text, bool built_in = true) {
    const PolicyText file{"policies.cedar", std::move(text)};
    auto loaded = Engine::load(world(), {&file, 1}, {.epoch = 7, .built_in = built_in});
    REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().detail));
    engine = *std::move(loaded);
    facts.caller = &agent;
    facts.target = ToolTarget{.tool = search.get()};
    facts.call = "call-1";
    facts.conversation = "s1";
    facts.now = base::Time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 14h);
    facts.peer = "10.1.2.3";
    facts.region = "eu-central-1";
    facts.kex = "X25519MLKEM768";
  }

  void arguments(std::string_view text) {
    auto parsed = json::Document::parse(text);
    REQUIRE_MESSAGE(parsed.has_value(), text);
    document.emplace(std::move(parsed).value());
    facts.arguments = document->root();
  }
  Decision decide(Mode mode = Mode::enforce) { return engine->decide(facts, mode, scratch); }
  // "permit", "deny REASON: SENTENCE", "challenge LEVEL: SENTENCE".
  std::string outcome() {
    const Decision decision = decide();
    if (const auto* const denial = std::get_if<Denial>(&decision))
      return "deny " + std::string(name(denial->reason)) + ": " + denial->sentence;
    if (const auto* const challenge = std::get_if<Challenge>(&decision))
      return "challenge " + std::to_string(challenge->level) + ": " + challenge->denial.sentence;
    return "permit";
  }
  std::string with(std::string_view text) {
    arguments(text);
    return outcome();
  }

  identity::Caller agent = caller(support_bot());
  std::shared_ptr<const Tool> search =
      tool(crm, "search_customers", R"("query":{"type":"string"},"limit":{"type":"integer"})",
           {.effects = {.read = true}, .sensitivity = 2});
  std::shared_ptr<const Engine> engine;
  Scratch scratch;
  Facts facts;
  std::optional<json::Document> document;
};

void add_secret(inspect::Findings& findings) {
  inspect::Finding& finding = findings.items.emplace_back();
  finding.rule = "github-pat";
  finding.kind = inspect::FindingKind::secret;
}

constexpr std::string_view allow_all = "@id(\"all\") permit (principal, action, resource);\n";

}  // namespace

TEST_CASE("the model's policies decide a call by its arguments") {
  Bench bench(model_policies());
  CHECK(bench.with(R"({"query":"x","limit":20})") == "permit");
  CHECK(bench.with(R"({"query":"x","limit":5000})") ==
        "deny forbidden: denied by policy bulk-read-limit: the argument limit is not allowed to be "
        "5000");
  CHECK(bench.with(R"({"query":"x","limit":5e3})") ==
        "deny forbidden: denied by policy bulk-read-limit: the argument limit is not allowed to be "
        "5000");
  CHECK(bench.with(R"({"query":"x","limit":"20"})") ==
        "deny arguments: denied: the argument limit must be an integer of 64 bits, is string");
  bench.arguments(R"({"query":"x"})");
  bench.facts.records = 5000;
  CHECK(bench.outcome() ==
        "deny forbidden: denied by policy bulk-read-limit: it asks for too many records");
  bench.facts.records = 20;
  CHECK(bench.outcome() == "permit");
  behaviour::Totals totals;
  totals.records = 2'000;
  bench.facts.totals = &totals;
  CHECK(bench.outcome() ==
        "deny forbidden: denied by policy bulk-read-limit: this conversation has read too much");
  bench.facts.totals = nullptr;
  bench.facts.target = ToolTarget{.tool = bench.search.get(), .pinned = false};
  CHECK(bench.outcome().starts_with("deny forbidden: denied by policy "));
}

TEST_CASE("a permit names the call, the policies and the epoch") {
  Bench bench(std::string(allow_all) +
              "@id(\"more\") @obligation(\"redact, alert:soc\")\n"
              "permit (principal, action in Mcp::Action::\"read\", resource);");
  auto decision = bench.decide();
  REQUIRE(std::holds_alternative<Permit>(decision));
  const Permit permit = std::get<Permit>(std::move(decision));
  CHECK(permit.call() == "call-1");
  CHECK(permit.server() == "crm");
  CHECK(permit.target() == "search_customers");
  CHECK(permit.epoch() == 7);
  CHECK(permit.mode() == Mode::enforce);
  CHECK(permit.would_deny() == nullptr);
  REQUIRE(permit.obligations().size() == 2);
  CHECK(to_text(permit.obligations()[0]) == "redact");
  CHECK(to_text(permit.obligations()[1]) == "alert:soc");
  CHECK(permit.obligations()[1].policy == "more");
  bench.engine.reset();
  bench.scratch = Scratch();
  // The ids live as long as the permit, whatever happened to the engine.
  CHECK(permit.policies() == std::vector<std::string_view>{"all", "more"});
}

TEST_CASE("a denial explains itself to the operator") {
  Bench bench(model_policies());
  bench.arguments(R"({"query":"x","limit":5000})");
  const auto decision = bench.decide();
  REQUIRE(std::holds_alternative<Denial>(decision));
  const Denial& denial = std::get<Denial>(decision);
  CHECK(denial.policies == std::vector<std::string>{"bulk-read-limit"});
  REQUIRE(denial.obligations.size() == 1);
  CHECK(to_text(denial.obligations[0]) == "kill_session");
  REQUIRE_FALSE(denial.causes.empty());
  CHECK(denial.causes[0].policy == "bulk-read-limit");
  CHECK(denial.causes[0].clause == "context.input.limit > 500");
  CHECK(denial.causes[0].place.starts_with("policies.cedar:"));
  REQUIRE_FALSE(denial.causes[0].reads.empty());
  CHECK(denial.causes[0].reads[0] ==
        std::pair<std::string, std::string>("context.input.limit", "5000"));
  CHECK(explanation(denial).starts_with(
      "forbidden: bulk-read-limit: context.input.limit > 500 at policies.cedar:"));
  CHECK_FALSE(denial.cedar_allows);
}

TEST_CASE("without a permit the answer is no, and says nothing of other policies") {
  Bench bench(
      "@id(\"secret-rule\") permit (principal, action, resource) when { "
      "context.input.query == \"sesame\" };");
  CHECK(bench.with(R"({"query":"x"})") == "deny not_permitted: denied: no policy allows this call");
  const auto decision = bench.decide();
  CHECK(explanation(std::get<Denial>(decision)).find("secret-rule") != std::string::npos);
  CHECK(bench.with(R"({"query":"sesame"})") == "permit");
  Bench empty("");
  CHECK(empty.outcome() == "deny not_permitted: denied: no policy allows this call");
}

TEST_CASE("a forbid that fails denies, although the language alone would allow") {
  Bench bench(model_policies());
  bench.arguments(R"({"query":"x"})");
  identity::CallerProfile profile = support_bot();
  profile.user = identity::User{.id = identity::UserId("ceo")};
  bench.agent = caller(profile);
  CHECK(bench.outcome() == "permit");
  profile.user = identity::User{.id = identity::UserId("junior")};
  bench.agent = caller(profile);
  CHECK(bench.outcome() ==
        "deny forbidden: denied by policy user-clearance-bound: the person behind this agent may "
        "not do this");
  profile.user = identity::User{.id = identity::UserId("stranger"), .clearance = 4};
  bench.agent = caller(profile);
  const auto decision = bench.decide();
  REQUIRE(std::holds_alternative<Denial>(decision));
  const Denial& denial = std::get<Denial>(decision);
  CHECK(denial.reason == Reason::forbid_error);
  CHECK(denial.cedar_allows);
  CHECK(denial.policies == std::vector<std::string>{"user-clearance-bound"});
  REQUIRE_FALSE(denial.causes.empty());
  CHECK(denial.causes[0].error != "");
  CHECK(denial.sentence.find("stranger") == std::string::npos);
  // A permit that fails does not permit and does no harm.
  Bench permits(std::string(allow_all) +
                "permit (principal, action, resource) when { context.nothing };");
  CHECK(permits.outcome() == "permit");
}

TEST_CASE("a forged entity in an argument is only data") {
  Bench bench(std::string(allow_all) +
              "@id(\"admins\") forbid (principal, action, resource)\n"
              "unless { context.input.who in Mcp::Role::\"executive\" };");
  const std::string forged = R"({"who":{"__entity":{"type":"Mcp::User","id":"ceo"}}})";
  CHECK(bench.with(forged).starts_with("deny forbid_error"));
  Bench equal(
      "@id(\"a\") permit (principal, action, resource) when { context.input.who == "
      "Mcp::User::\"ceo\" };");
  CHECK(equal.with(forged).starts_with("deny not_permitted"));
}

TEST_CASE("built-in policies hold unless they are switched off") {
  for (const bool built_in : {true, false}) {
    CAPTURE(built_in);
    const auto expect = [&](std::string_view refused, const std::string& found) {
      CHECK(found == (built_in ? std::string(refused) : "permit"));
    };
    Bench bench{std::string(allow_all), built_in};
    CHECK(bench.engine->policies() == (built_in ? 9 : 1));
    CHECK(bench.outcome() == "permit");
    behaviour::Risk risk;
    risk.score = 89;
    bench.facts.risk = &risk;
    CHECK(bench.outcome() == "permit");
    risk.score = 90;
    expect(
        "deny forbidden: denied by policy latticegate-risk-cutoff: this conversation behaves "
        "unusually",
        bench.outcome());
    if (built_in) {
      const auto decision = bench.decide();
      CHECK(to_text(std::get<Denial>(decision).obligations.at(0)) == "kill_session");
    }
    bench.facts.risk = nullptr;
    bench.facts.quarantined = true;
    expect(
        "deny forbidden: denied by policy latticegate-quarantined-agent: this agent is "
        "quarantined",
        bench.outcome());
    bench.facts.quarantined = false;
    bench.facts.target = ToolTarget{.tool = bench.search.get(), .pinned = false};
    expect(
        "deny forbidden: denied by policy latticegate-unpinned-tool: its definition has changed "
        "and waits for approval",
        bench.outcome());
  }
}

TEST_CASE("step_up challenges, and an approval by somebody else lifts it") {
  Bench bench(model_policies());
  const auto breaker = tool(grid, "open_breaker", R"("breaker_id":{"type":"string"})",
                            {.effects = {.actuate = true}});
  bench.facts.target = ToolTarget{.tool = breaker.get()};
  bench.arguments(R"({"breaker_id":"b1"})");
  CHECK(bench.outcome() == "challenge 2: denied by policy grid-step-up: an approval is needed");
  bench.facts.approval = Approval{.approver = "ceo", .level = 2, .expires = bench.facts.now + 1min};
  CHECK(bench.outcome() == "permit");
  bench.facts.approval->level = 1;
  CHECK(bench.outcome().starts_with("challenge 2"));
  bench.facts.approval->level = 2;
  bench.facts.approval->expires = bench.facts.now;
  CHECK(bench.outcome().starts_with("challenge 2"));
  // Together with a forbid that no approval lifts there is nothing to ask for.
  bench.facts.quarantined = true;
  CHECK(bench.outcome().starts_with("deny forbidden"));
}

TEST_CASE("observe mode lets everything pass and says what would have been") {
  Bench bench(model_policies());
  bench.arguments(R"({"query":"x","limit":5000})");
  auto decision = bench.decide(Mode::observe);
  REQUIRE(std::holds_alternative<Permit>(decision));
  const Permit& permit = std::get<Permit>(decision);
  CHECK(permit.mode() == Mode::observe);
  REQUIRE(permit.would_deny() != nullptr);
  CHECK(permit.would_deny()->policies == std::vector<std::string>{"bulk-read-limit"});
  CHECK(permit.would_challenge() == 0);
  CHECK(permit.obligations().empty());
  CHECK(permit.policies().empty());
  bench.arguments(R"({"limit":"x"})");
  decision = bench.decide(Mode::observe);
  REQUIRE(std::holds_alternative<Permit>(decision));
  REQUIRE(std::get<Permit>(decision).would_deny() != nullptr);
  CHECK(std::get<Permit>(decision).would_deny()->reason == Reason::arguments);
  bench.arguments(R"({"limit":5})");
  decision = bench.decide(Mode::observe);
  CHECK(std::get<Permit>(decision).would_deny() == nullptr);
  CHECK(std::get<Permit>(decision).policies() == std::vector<std::string_view>{"seg-baseline"});
}

TEST_CASE("what is derived from arguments") {
  Bench bench(model_policies());
  const auto query = tool(db, "query", R"("sql":{"type":"string"})", {.effects = {.read = true}});
  bench.facts.target = ToolTarget{.tool = query.get()};
  CHECK(bench.with(R"({"sql":"select * from orders"})") == "permit");
  for (const std::string_view sql :
       {"select * from salary", "select 1; drop table x", "drop table x", "", "select 'a\\\\' --'",
        "select * from hr.\\\"Payroll\\\""}) {
    CAPTURE(sql);
    CHECK(bench.with("{\"sql\":\"" + std::string(sql) + "\"}")
              .starts_with("deny forbidden: denied by policy sql-read-only"));
  }
  CHECK(bench.with("{}").starts_with("deny forbidden: denied by policy sql-read-only"));

  const auto fetch =
      tool(web, "fetch", R"("url":{"type":"string"})", {.effects = {.read = true, .egress = true}});
  bench.facts.target = ToolTarget{.tool = fetch.get()};
  CHECK(bench.with(R"({"url":"http://93.184.216.34/"})") == "permit");
  for (const std::string_view url :
       {"http://10.0.0.1/", "http://0x7f.1/", "http://[::ffff:169.254.169.254]/",
        "http://localhost/", "http://8.8.8.8\\\\@10.0.0.1/"}) {
    CAPTURE(url);
    CHECK(bench.with("{\"url\":\"" + std::string(url) + "\"}")
              .starts_with("deny forbidden: denied by policy ssrf-guard"));
  }
  // A second address cannot stand in for the first.
  CHECK(bench.with(R"({"url":"http://10.0.0.1/","also":"http://93.184.216.34/"})")
            .starts_with("deny forbidden: denied by policy ssrf-guard"));
}

TEST_CASE("what an agent may do on each rung of the ladder") {
  for (const bool reads : {true, false}) {
    Bench bench{std::string(allow_all), true};
    const auto remove =
        tool(crm, "remove_customers", "", {.effects = {.write = true, .destructive = true}});
    if (!reads) bench.facts.target = ToolTarget{.tool = remove.get()};
    behaviour::Risk risk;
    bench.facts.risk = &risk;
    for (std::uint8_t rung = 0; rung <= 5; ++rung) {
      CAPTURE(int{rung});
      CAPTURE(reads);
      risk.rung = rung;
      const std::string outcome = bench.outcome();
      if (rung == 3)
        CHECK((outcome == "permit") == reads);
      else
        CHECK((outcome == "permit") == (rung < 3));
      if (rung < 4) continue;
      CHECK(std::holds_alternative<Challenge>(bench.decide()));
      bench.facts.approval = Approval{"ana", 1, bench.facts.now + std::chrono::minutes(5)};
      CHECK(bench.outcome() == "permit");
      bench.facts.approval.reset();
    }
  }
  // The rung is there for the operator's own policies, and only when there is one.
  Bench own(
      "@id(\"a\") permit (principal, action, resource)\n"
      "when { context.risk has rung && context.risk.rung >= 2 };");
  behaviour::Risk risk;
  own.facts.risk = &risk;
  CHECK(own.outcome().starts_with("deny not_permitted"));
  risk.rung = 2;
  CHECK(own.outcome() == "permit");
}

TEST_CASE("findings, totals and surroundings are what policies read") {
  Bench bench(
      "@id(\"a\") permit (principal, action, resource) when {\n"
      "  context.derived.findings.containsAll([\"github-pat\", \"secret\"]) &&\n"
      "  context.session.taint == [\"web\"] && context.session.seen == [\"phi\"] &&\n"
      "  context.session.calls == 3 && context.session.denied == 1 &&\n"
      "  context.session.bytesRead == 4096 && context.session.age == duration(\"5m\") &&\n"
      "  context.session.id == \"s1\" && !(context.session has user) &&\n"
      "  context.risk.signals == [\"records_asked\"] && context.risk.score == 12 &&\n"
      "  context.env.now == datetime(\"2026-11-22T14:00:00Z\") &&\n"
      "  context.env.ip == ip(\"10.1.2.3\") && context.env.region like \"eu-*\" &&\n"
      "  context.env.kex == \"X25519MLKEM768\" && !context.env.deviceTrusted &&\n"
      "  principal in Mcp::Group::\"bots\" && principal in Mcp::Segment::\"corp\" &&\n"
      "  principal.attested && resource in Mcp::Server::\"crm\" &&\n"
      "  resource in Mcp::Segment::\"corp\" && resource.server.verified == false &&\n"
      "  action in Mcp::Action::\"read\" && !(action in Mcp::Action::\"write\") };");
  inspect::Findings findings;
  add_secret(findings);
  behaviour::Totals totals;
  totals.started = bench.facts.now - 5min;
  totals.calls = 3;
  totals.denied = 1;
  totals.bytes = 4096;
  totals.taint.add("web");
  totals.domains.add("phi");
  behaviour::Risk risk;
  behaviour::Signal signal;
  signal.kind = behaviour::Kind::records_asked;
  signal.score = 12;
  risk.add(signal);
  bench.facts.findings = &findings;
  bench.facts.totals = &totals;
  bench.facts.risk = &risk;
  const auto decision = bench.decide();
  CHECK_MESSAGE(
      std::holds_alternative<Permit>(decision),
      (std::holds_alternative<Denial>(decision) ? explanation(std::get<Denial>(decision)) : ""));
  bench.facts.peer = "::ffff:10.1.2.3";
  CHECK(bench.outcome() == "permit");
  // What is not complete says so.
  Bench more(
      "permit (principal, action, resource) when { "
      "context.derived.findings.contains(\"incomplete\") };");
  findings.skipped = 1;
  more.facts.findings = &findings;
  CHECK(more.outcome() == "permit");
}

TEST_CASE("the anonymous caller is not attested, a server without segment is in none") {
  Bench bench(model_policies());
  identity::CallerProfile profile = support_bot();
  profile.method = identity::Method::loopback_anonymous;
  bench.agent = caller(profile);
  CHECK(bench.outcome().starts_with("deny not_permitted"));
  bench.agent = caller(support_bot());
  CHECK(bench.outcome() == "permit");
  const auto other = tool(loose, "t", "", {.effects = {.read = true}});
  bench.facts.target = ToolTarget{.tool = other.get()};
  CHECK(bench.outcome().starts_with("deny not_permitted"));
  // Agents of two tenants are two, whatever their names.
  Bench tenants("permit (principal == Mcp::Agent::\"support-bot\", action, resource);");
  CHECK(tenants.outcome() == "permit");
  profile = support_bot();
  profile.tenant = identity::TenantId("acme");
  tenants.agent = caller(profile);
  CHECK(tenants.outcome().starts_with("deny not_permitted"));
}

TEST_CASE("resources and prompts") {
  Bench bench(
      "@id(\"r\") permit (principal, action == Mcp::Action::\"read_resource\", resource in "
      "Mcp::Server::\"crm\") when { resource.uri like \"file:///public/*\" && resource.domains "
      "== [\"personal-eu\"] };\n"
      "@id(\"p\") permit (principal, action == Mcp::Action::\"get_prompt\", resource == "
      "Mcp::Prompt::\"crm/hello\") when { context.input.name == \"x\" };");
  bench.facts.target = ResourceTarget{.server = &crm, .uri = "file:///public/a"};
  CHECK(bench.outcome() == "permit");
  CHECK(bench.engine->may_see(bench.facts, bench.scratch));
  bench.facts.target = ResourceTarget{.server = &crm, .uri = "file:///private/a"};
  CHECK(bench.outcome().starts_with("deny not_permitted"));
  CHECK_FALSE(bench.engine->may_see(bench.facts, bench.scratch));
  bench.facts.target = ResourceTarget{.server = &db, .uri = "file:///public/a"};
  CHECK(bench.outcome().starts_with("deny not_permitted"));
  bench.facts.target = PromptTarget{.server = &crm, .name = "hello"};
  CHECK(bench.with(R"({"name":"x"})") == "permit");
  CHECK(bench.with(R"({"name":"y"})").starts_with("deny not_permitted"));
  CHECK(bench.engine->may_see(bench.facts, bench.scratch));
  auto decision = bench.engine->decide(bench.facts, Mode::observe, bench.scratch);
  CHECK(std::get<Permit>(decision).target() == "hello");
}

TEST_CASE("what can never be allowed is not seen, what can be is") {
  Bench bench(model_policies());
  CHECK(bench.engine->may_see(bench.facts, bench.scratch));
  // Too much now, but with a smaller limit and in a new conversation allowed.
  behaviour::Totals totals;
  totals.records = 1'000'000;
  bench.facts.totals = &totals;
  CHECK(bench.engine->may_see(bench.facts, bench.scratch));
  bench.facts.quarantined = true;
  CHECK_FALSE(bench.engine->may_see(bench.facts, bench.scratch));
  bench.facts.quarantined = false;
  bench.facts.target = ToolTarget{.tool = bench.search.get(), .pinned = false};
  CHECK_FALSE(bench.engine->may_see(bench.facts, bench.scratch));
  const auto breaker = tool(grid, "open_breaker", "", {.effects = {.actuate = true}});
  bench.facts.target = ToolTarget{.tool = breaker.get()};
  CHECK(bench.engine->may_see(bench.facts, bench.scratch));  // an approval may come
  bench.facts.target = ToolTarget{.tool = bench.search.get()};
  identity::CallerProfile profile = support_bot();
  profile.user = identity::User{.id = identity::UserId("junior")};
  bench.agent = caller(profile);
  CHECK_FALSE(bench.engine->may_see(bench.facts, bench.scratch));
  profile = support_bot();
  profile.segments = {};
  bench.agent = caller(profile);
  CHECK_FALSE(bench.engine->may_see(bench.facts, bench.scratch));
}

TEST_CASE("the second decision releases, redacts or withholds the answer") {
  Bench bench(std::string(allow_all) +
              "@id(\"no-secrets\") @obligation(\"redact\") forbid (principal, action, resource)\n"
              "when { context has output && context.output.findings.contains(\"secret\") };\n"
              "@id(\"answer-limit\") @obligation(\"kill_session, alert:soc\")\n"
              "forbid (principal, action, resource)\n"
              "when { context has output && context.output.records > 500 };");
  auto decision = bench.decide();
  REQUIRE(std::holds_alternative<Permit>(decision));
  const Permit permit = std::get<Permit>(std::move(decision));
  const auto release = [&](Output output) {
    bench.facts.output = output;
    return bench.engine->release(permit, bench.facts, bench.scratch);
  };
  Release answer = release({.records = 5});
  REQUIRE(std::holds_alternative<Released>(answer));
  CHECK_FALSE(std::get<Released>(answer).redact_secrets);
  CHECK(std::get<Released>(answer).obligations.empty());

  inspect::Findings findings;
  add_secret(findings);
  answer = release({.records = 5, .findings = &findings});
  REQUIRE(std::holds_alternative<Released>(answer));
  CHECK(std::get<Released>(answer).redact_secrets);
  CHECK(std::get<Released>(answer).redact_hidden_text);

  answer = release({.records = 5000, .findings = &findings});
  REQUIRE(std::holds_alternative<Withheld>(answer));
  const Denial& denial = std::get<Withheld>(answer).denial;
  CHECK(denial.policies == std::vector<std::string>{"no-secrets", "answer-limit"});
  CHECK(denial.obligations.size() == 3);
  CHECK(denial.sentence.find("the answer holds more or other data than is allowed") !=
        std::string::npos);

  behaviour::Risk risk;
  risk.score = 100;
  bench.facts.risk = &risk;
  answer = release({.records = 5});
  REQUIRE(std::holds_alternative<Withheld>(answer));
  CHECK(std::get<Withheld>(answer).denial.policies ==
        std::vector<std::string>{"latticegate-risk-cutoff"});
  bench.facts.risk = nullptr;
  bench.facts.output.reset();

  decision = bench.decide(Mode::observe);
  const Permit observed = std::get<Permit>(std::move(decision));
  bench.facts.output = Output{.records = 5000};
  answer = bench.engine->release(observed, bench.facts, bench.scratch);
  REQUIRE(std::holds_alternative<Released>(answer));
  REQUIRE(std::get<Released>(answer).would_deny != nullptr);
  CHECK(std::get<Released>(answer).would_deny->policies ==
        std::vector<std::string>{"answer-limit"});
}

TEST_CASE("an answer is judged by its structured content, as its outputSchema types it") {
  Bench bench(std::string(allow_all) +
              "@id(\"eu-only\") forbid (principal, action == "
              "Mcp::Action::\"crm/search_customers\", resource)\n"
              "when { context has output && context.output has structured &&\n"
              "       context.output.structured has total && "
              "context.output.structured.total > 100 };");
  const auto listed = json::Document::parse(
      R"({"name":"search_customers","inputSchema":{"type":"object"},"outputSchema":{"type":"object",
          "properties":{"total":{"type":"integer"},"mean":{"type":"number"}}}})");
  REQUIRE(listed.has_value());
  const auto typed = make_tool(crm, listed->root(), {.effects = {.read = true}});
  REQUIRE(typed.has_value());
  CHECK((*typed)->schema().find("structured?: { \"mean\"?: decimal, \"total\"?: Long") !=
        std::string_view::npos);
  CHECK_FALSE((*typed)->schema().contains("Output }"));
  CHECK(bench.search->schema().contains("output?: Output }"));
  CHECK_FALSE(bench.engine->misfit(**typed).has_value());
  bench.facts.target = ToolTarget{.tool = typed->get()};
  CHECK(bench.engine->judges_answer(bench.facts, bench.scratch));
  auto decision = bench.decide();
  REQUIRE(std::holds_alternative<Permit>(decision));
  const Permit permit = std::get<Permit>(std::move(decision));
  const auto released = [&](std::string_view content) -> std::string {
    const auto document = json::Document::parse(content);
    REQUIRE(document.has_value());
    bench.facts.output = Output{.structured = document->root()};
    const Release answer = bench.engine->release(permit, bench.facts, bench.scratch);
    bench.facts.output.reset();
    if (std::holds_alternative<Released>(answer)) return "released";
    return explanation(std::get<Withheld>(answer).denial);
  };
  CHECK(released(R"({"total":100})") == "released");
  CHECK(released(R"({"rows":[1,2]})") == "released");
  CHECK(released(R"({"total":101})").starts_with("forbidden: eu-only: "));
  // What no policy names may be as inexact as it likes; what cannot be judged is withheld.
  CHECK(released(R"({"total":1,"mean":0.123456})") == "released");
  CHECK(released(R"({"total":"101"})") ==
        "answer: denied: of the structured content, total must be an integer of 64 bits, is "
        "string");
  CHECK(released("[1]") == "answer: denied: the structured content must be an object, is array");

  // Another tool's answers are nobody's business.
  const auto other =
      tool(crm, "other", R"("query":{"type":"string"})", {.effects = {.read = true}});
  bench.facts.target = ToolTarget{.tool = other.get()};
  CHECK_FALSE(bench.engine->judges_answer(bench.facts, bench.scratch));
  bench.facts.target = ResourceTarget{.server = &crm, .uri = "crm://x"};
  CHECK_FALSE(bench.engine->judges_answer(bench.facts, bench.scratch));
}

TEST_CASE("whether answers are judged") {
  const auto judged = [](std::string_view condition) {
    Bench bench(
        std::format("{}forbid (principal, action, resource) when {{ {} }};", allow_all, condition));
    return bench.engine->judges_answer(bench.facts, bench.scratch);
  };
  CHECK_FALSE(judged("context.input has limit && context.input.limit > 5"));
  CHECK(judged("context has output"));
  CHECK(judged("context has output && context.output.records > 500"));
  CHECK(judged("if context has output then {\"a\": context.output}.a == {} else false"));
  CHECK(judged("[context].isEmpty()"));
}

TEST_CASE("what does not load leaves nothing behind but words") {
  const auto error = [](std::string text, const World& known) {
    const PolicyText file{"a.cedar", std::move(text)};
    const auto loaded = Engine::load(known, {&file, 1}, {});
    return loaded ? std::string() : loaded.error().detail;
  };
  CHECK(error("permit (principal, action, resource)", world()).starts_with("a.cedar:1:"));
  CHECK(error("@id(\"p\") @obligation(\"x\") permit (principal, action, resource);", world())
            .starts_with("a.cedar:1:1: policy `p`: unknown obligation \"x\""));
  CHECK(error("@id(\"p\") @obligation(\"step_up:1\") permit (principal, action, resource);",
              world()) ==
        "a.cedar:1:1: policy `p`: step_up lifts a forbid, and this is a permit: forbid what needs "
        "an approval");
  CHECK(error("@id(\"p\") @obligation(\"throttle:5/s\") forbid (principal, action, resource);",
              world()) ==
        "a.cedar:1:1: policy `p`: throttle bounds what a permit allows, and this is a forbid");
  for (const std::string_view alone : {"ask_client", "step_up:2,ask_client"})
    CHECK(error(std::format("@id(\"p\") @obligation(\"{}\") forbid (principal, action, resource);",
                            alone),
                world()) ==
          "a.cedar:1:1: policy `p`: ask_client goes with step_up:1, and with no higher level");
  CHECK(
      error("@id(\"p\") @obligation(\"ask_client\") permit (principal, action, resource);", world())
          .contains("ask_client is a way to get an approval, and this is a permit"));
  CHECK(error("@id(\"p\") @obligation(\"honeypot\") permit (principal, action, resource);", world())
            .contains("honeypot answers in place of a refusal, and this is a permit"));
  for (const std::string_view beside : {"step_up:1", "kill", "quarantine"})
    CHECK(
        error(std::format(
                  "@id(\"p\") @obligation(\"honeypot, {}\") forbid (principal, action, resource);",
                  beside),
              world())
            .contains("honeypot hides that the call was refused"));
  World cycle;
  cycle.groups = {{"a", {"b"}}, {"b", {"a"}}};
  CHECK(error("", cycle) != "");
  World twice;
  twice.segments = {{"a", {}}, {"a", {"b"}}};
  CHECK(error("", twice) != "");
  const PolicyText file{"a.cedar", std::string(allow_all)};
  const auto one = Engine::load(world(), {&file, 1}, {.epoch = 1});
  const auto two = Engine::load({}, {&file, 1}, {.epoch = 2});
  const auto bare = Engine::load({}, {&file, 1}, {.built_in = false});
  REQUIRE((one && two && bare));
  CHECK((*one)->hash().size() == 64);
  CHECK((*one)->hash() == (*two)->hash());
  CHECK((*one)->hash() != (*bare)->hash());
}

TEST_CASE("one scratch serves engines, callers and tools in turn") {
  Bench bench{std::string(allow_all)};
  Bench other{""};
  for (int i = 0; i < 3; ++i) {
    CHECK(bench.outcome() == "permit");
    const auto decision = other.engine->decide(bench.facts, Mode::enforce, bench.scratch);
    CHECK(std::holds_alternative<Denial>(decision));
    // Memory of the last round may be used again for another caller and another tool.
    bench.agent = caller(support_bot());
    bench.search = tool(crm, "t" + std::to_string(i), "", {.effects = {.read = true}});
    bench.facts.target = ToolTarget{.tool = bench.search.get()};
  }
}

TEST_CASE("sentences for clients are safe to show") {
  Bench bench(std::string(allow_all) +
              "@id(\"x\") forbid (principal, action, resource) when { context.input.query like "
              "\"*e*\" };");
  const std::string sentence = bench.with(R"({"query":"e\u001b[31m\u202e\n"})");
  CHECK(sentence.find('\x1b') == std::string::npos);
  CHECK(sentence.find('\n') == std::string::npos);
  CHECK(bench.with("{\"query\":\"e" + std::string(5'000, 'x') + "\"}").size() < 300);
  CHECK(bench.with("{\"limit\":{\"" + std::string(5'000, 'x') + "\":1}}").size() < 300);
}

TEST_CASE("a tool that a policy cannot judge does not fit, and only for that reason") {
  const Bench bench(
      std::string(allow_all) +
      "@id(\"small\") forbid (principal, action in Mcp::Action::\"call_tool\", resource)\n"
      "when { context.input has limit && context.input.limit > 50 };\n"
      "@id(\"other\") forbid (principal, action == Mcp::Action::\"crm/gone\", resource)\n"
      "when { context.input.nothing };\n");
  CHECK(bench.engine->misfit(*bench.search) == std::nullopt);
  const auto texts =
      tool(crm, "texts", R"("limit":{"type":"string"})", {.effects = {.read = true}});
  const auto words = bench.engine->misfit(*texts);
  REQUIRE(words.has_value());
  CHECK(words->starts_with("policies.cedar:3:35: policy `small`: "));
  CHECK(words->contains("crm/texts"));
  const auto none = tool(crm, "none", R"("name":{"type":"string"})", {.effects = {.read = true}});
  CHECK(bench.engine->misfit(*none) == std::nullopt);
}

TEST_CASE("a bait hides no tool, and says that values are planted") {
  const std::string text =
      std::string(allow_all) +
      R"(@id("bait") @obligation("honeypot") forbid (principal, action, resource);)";
  Bench bench(text);
  CHECK(bench.engine->plants());
  CHECK(bench.engine->may_see(bench.facts, bench.scratch));
  const Decision decision = bench.decide();
  const auto* const denial = std::get_if<Denial>(&decision);
  REQUIRE(denial != nullptr);
  REQUIRE(denial->obligations.size() == 1);
  CHECK(denial->obligations.front().kind == Obligation::Kind::honeypot);
  Bench other(text + R"(@id("no") forbid (principal, action, resource);)");
  CHECK_FALSE(other.engine->may_see(other.facts, other.scratch));
  CHECK_FALSE(Bench(std::string(allow_all)).engine->plants());
}

TEST_CASE("what a conversation is for, and what of the call that names") {
  Bench bench(std::string(allow_all) + R"(
    @id("named") forbid (principal, action, resource)
    unless { context.derived has explained && context.derived.explained.contains("input.to") };
    @id("late") forbid (principal, action, resource)
    when { context.session has purpose && context.session.purpose.late &&
           !context.session.purpose.by.contains("configuration") };)");
  CHECK(bench.engine->may_see(bench.facts, bench.scratch));
  CHECK(bench.outcome().starts_with("deny forbidden"));
  provenance::Explained explained{
      .stated = true, .late = false, .by = {"client"}, .things = {"input.to", "tool"}};
  bench.facts.explained = &explained;
  CHECK(bench.outcome() == "permit");
  explained.late = true;
  CHECK(bench.outcome().starts_with("deny forbidden"));
  explained.by = {"client", "configuration"};
  CHECK(bench.outcome() == "permit");
  explained.things = {"tool"};
  CHECK(bench.outcome().starts_with("deny forbidden"));
  explained.stated = false;
  CHECK(bench.outcome().starts_with("deny forbidden"));
}
