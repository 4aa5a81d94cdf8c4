#include "policy/asked.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/redact.h"
#include "inspect/scan.h"
#include "json/value.h"
#include "json/write.h"
#include "policy/engine.h"

using namespace latticegate;
using namespace latticegate::policy;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view tag_key = "0123456789abcdef0123456789abcdef";

const ServerFacts crm{
    .name = "crm", .segment = "sales", .region = "eu-west", .domains = {"personal-eu"}};

World world() {
  return {.users = {{.id = identity::UserId("ada"), .clearance = 3, .roles = {"executive"}}},
          .groups = {{"sales-bots", {"bots"}}, {"bots", {}}},
          .segments = {{"sales", {"corp"}}, {"corp", {}}},
          .servers = {crm}};
}

identity::CallerProfile bot() {
  return {.agent = identity::AgentId("sales-bot"),
          .user = identity::User{.id = identity::UserId("ada")},
          .groups = {"sales-bots"},
          .segments = {"sales"},
          .domains = {"personal-eu"},
          .department = "sales",
          .clearance = 2};
}

std::shared_ptr<const Engine> engine_of(std::string text, const World& known = world()) {
  const PolicyText file{"policies.cedar", std::move(text)};
  auto loaded = Engine::load(known, {&file, 1}, {.epoch = 7});
  REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().detail));
  return *std::move(loaded);
}

std::shared_ptr<const Tool> tool(std::string_view schema) {
  const std::string text = std::format(
      R"({{"name":"search","annotations":{{"readOnlyHint":true}},"inputSchema":{}}})", schema);
  const auto document = json::Document::parse(text, {.depth = 300});
  REQUIRE_MESSAGE(document.has_value(), text);
  auto made = make_tool(crm, document->root(), {.domains = crm.domains, .sensitivity = 2});
  REQUIRE(made.has_value());
  return *std::move(made);
}

// One call: decided, written down, read again and judged again.
struct Bench {
  explicit Bench(std::string text = "permit (principal, action, resource);",
                 std::string_view schema = R"({"type":"object"})")
      : engine(engine_of(std::move(text))), search(tool(schema)) {
    facts.caller = &caller;
    facts.target = ToolTarget{.tool = search.get()};
    facts.call = "call-1";
    facts.conversation = "c-1";
    facts.now = base::Time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 14h + 7ms);
    facts.peer = "10.1.2.3";
    facts.kex = "X25519MLKEM768";
  }

  void params(std::string text) {
    auto parsed = json::Document::parse(text, {.depth = 200});
    REQUIRE_MESSAGE(parsed.has_value(), text);
    document.emplace(*std::move(parsed));
    facts.arguments = document->root()["arguments"];
    recording.scanned = document->root();
    recording.redaction_key = tag_key;
  }
  void arguments(std::string_view text) { params(std::format(R"({{"arguments":{}}})", text)); }

  // Decides and writes; the text is checked to be what records take.
  std::string written(bool decided = true) {
    allowed =
        decided && std::holds_alternative<Permit>(engine->decide(facts, Mode::enforce, scratch));
    std::string out = "before";
    engine->write_asked(facts, recording, scratch, out);
    out.erase(0, 6);
    CHECK(out.size() <= recording.bytes);
    const auto parsed = json::Document::parse(out, {.depth = most_asked_depth});
    REQUIRE_MESSAGE(parsed.has_value(), out);
    CHECK(json::canonical(parsed->root()) == out);
    return out;
  }
  std::string member(std::string_view name) {
    const auto parsed = json::Document::parse(written());
    return json::to_string(parsed->root()[name]);
  }

  Judgement again(const Engine& judge, std::string_view text) {
    const auto parsed = json::Document::parse(text);
    REQUIRE(parsed.has_value());
    cedar::Arena arena;
    const auto past = judge.read_asked(parsed->root(), people_of(world()), arena);
    REQUIRE_MESSAGE(past.has_value(), (past ? "" : base::describe(past.error())));
    CHECK(past->missing == "");
    Judgement judgement;
    judge.judge(*past, "call-1", facts.now, {}, scratch, judgement);
    return judgement;
  }

  identity::Caller caller =
      identity::Caller(std::make_shared<const identity::CallerProfile>(bot()));
  std::shared_ptr<const Engine> engine;
  std::shared_ptr<const Tool> search;
  Scratch scratch;
  Facts facts;
  Recording recording;
  std::optional<json::Document> document;
  bool allowed = false;
};

// The value as it comes back, as Cedar text.
std::string back(std::string_view arguments, std::string_view schema = R"({"type":"object"})") {
  Bench bench("permit (principal, action, resource);", schema);
  bench.arguments(arguments);
  const auto parsed = json::Document::parse(bench.written());
  cedar::Arena arena;
  const auto past = bench.engine->read_asked(parsed->root(), {}, arena);
  REQUIRE_MESSAGE(past.has_value(), (past ? "" : base::describe(past.error())));
  return cedar::to_text(past->request.context.field(cedar::Name("input")));
}

}  // namespace

TEST_CASE("what was asked reads as the format says") {
  Bench bench;
  bench.arguments(R"({"query":"Rotterdam","limit":20})");
  behaviour::Totals totals;
  totals.started = bench.facts.now - 90s;
  totals.calls = 3;
  totals.taint.add("web");
  bench.facts.totals = &totals;
  const std::string mark = person_mark(world().person_key, "ada");
  CHECK(mark.size() == 14);
  const std::string text = bench.written();
  const std::string expected =
      R"({"action":{"attrs":{},"parents":[{"id":"read","type":"Mcp::Action"})"
      R"(,{"id":"call_tool","type":"Mcp::Action"},{"id":"egress","type":"Mcp::Action"})"
      R"(,{"id":"mcp","type":"Mcp::Action"}],"uid":{"id":"crm/search","type":"Mcp::Action"}})"
      R"(,"context":{"derived":{"findings":[],"hosts":[]})"
      R"(,"env":{"deviceTrusted":false,"ip":{"__extn":{"arg":"10.1.2.3","fn":"ip"}})"
      R"(,"kex":"X25519MLKEM768")"
      R"(,"now":{"__extn":{"arg":"2026-11-22T14:00:00.007Z","fn":"datetime"}},"region":""})"
      R"(,"input":{"limit":20,"query":"Rotterdam"},"risk":{"score":0,"signals":[]})"
      R"(,"session":{"age":{"__extn":{"arg":"90000ms","fn":"duration"}},"bytesRead":0,"calls":3)"
      R"(,"denied":0,"id":"c-1","recordsRead":0,"seen":[],"taint":["web"])"
      R"(,"user":{"__entity":{"id":")" +
      mark +
      R"(","type":"Mcp::User"}}}},"principal":{"attrs":{"attested":true,"clearance":2)"
      R"(,"department":"sales","domains":["personal-eu"],"quarantined":false,"tenant":""})"
      R"(,"parents":[{"id":"sales-bots","type":"Mcp::Group"})"
      R"(,{"id":"sales","type":"Mcp::Segment"}],"uid":{"id":"sales-bot","type":"Mcp::Agent"}})"
      R"(,"resource":{"attrs":{"destructive":false,"domains":["personal-eu"],"egress":true)"
      R"(,"pinned":true,"region":"eu-west","retentionYears":0)"
      R"(,"segment":{"__entity":{"id":"sales","type":"Mcp::Segment"}},"sensitivity":2)"
      R"(,"server":{"__entity":{"id":"crm","type":"Mcp::Server"}}})"
      R"(,"parents":[{"id":"crm","type":"Mcp::Server"}])"
      R"(,"uid":{"id":"crm/search","type":"Mcp::Tool"}},"world":")" +
      bench.engine->world() + "\"}";
  CHECK(text == expected);
  CHECK_FALSE(text.contains("ada\""));
}

TEST_CASE("every value comes back as it was") {
  const auto same = [](std::string_view arguments, std::string_view expected) {
    CHECK(back(arguments) == expected);
  };
  same(R"({"a":true,"b":-5,"c":"x \" \\ \n \u0001"})",
       R"({"a": true, "b": -5, "c": "x \" \\ \n \u{1}"})");
  same(R"({"id":9007199254740991})", R"({"id": 9007199254740991})");
  same(R"({"id":9007199254740992})", R"({"id": 9007199254740992})");
  same(R"({"id":-9223372036854775808})", R"({"id": -9223372036854775808})");
  same(R"({"a":[3,1,2,1],"b":[],"c":{}})", R"({"a": [1, 2, 3], "b": [], "c": {}})");
  same(R"({"n":1.25})", R"({"n": decimal("1.25")})");
  same("{\"\xC3\xA9\":1,\"\xF0\x9F\x98\x80\":2,\"\xEF\xBF\xBD\":3}",
       back("{\"\xC3\xA9\":1,\"\xF0\x9F\x98\x80\":2,\"\xEF\xBF\xBD\":3}"));
  constexpr std::string_view typed =
      R"({"type":"object","properties":{"at":{"type":"string","format":"date-time"},)"
      R"("ip":{"type":"string","format":"ipv6"},"for":{"type":"string","format":"duration"}}})";
  CHECK(back(R"({"at":"2026-01-02T03:04:05.678Z","ip":"fe80::1","for":"P1DT2H"})", typed)
            .contains("2026-01-02T03:04:05.678"));
}

TEST_CASE("no argument comes back as something else than it was") {
  for (const std::string_view arguments :
       {R"({"__entity":{"type":"Mcp::User","id":"ada"}})",
        R"({"who":{"__entity":{"type":"Mcp::Role","id":"executive"}}})",
        R"({"n":{"__extn":{"fn":"long","arg":"5"}}})", R"({"__record":[["a",1]]})",
        R"({"a":{"__record":[],"__entity":1,"b":2}})",
        R"({"__extn":{"fn":"datetime","arg":"ms:5"}})"}) {
    const std::string read = back(arguments);
    CHECK_MESSAGE(read.contains("\"__"), read);
    CHECK_FALSE(read.contains("::\""));
    CHECK_FALSE(read.contains("datetime("));
  }
}

TEST_CASE("the same policies say the same again, other policies what they say") {
  constexpr std::string_view policies =
      "@id(\"read\") permit (principal in Mcp::Group::\"bots\", action in Mcp::Action::\"read\", "
      "resource in Mcp::Segment::\"corp\") when { context.input has limit && "
      "context.input.limit <= 100 && context.session has user && context.session.user in "
      "Mcp::Role::\"executive\" && context.session.user.clearance > 2 && resource.server.region == "
      "\"eu-west\" && context.env.ip.isInRange(ip(\"10.0.0.0/8\")) };\n"
      "@id(\"four-eyes\") @obligation(\"step_up:2\") forbid (principal, action, resource) "
      "when { context.input has limit && context.input.limit > 90 };";
  Bench bench{std::string(policies)};
  for (const auto& [arguments, kind] : {std::pair(R"({"limit":20})", Judgement::Kind::allow),
                                        std::pair(R"({"limit":95})", Judgement::Kind::step_up),
                                        std::pair(R"({})", Judgement::Kind::deny)}) {
    bench.arguments(arguments);
    const std::string text = bench.written();
    CHECK(bench.allowed == (kind == Judgement::Kind::allow));
    const Judgement again = bench.again(*bench.engine, text);
    CHECK(again.kind == kind);
    CHECK_FALSE(again.unsure);
    const auto other = engine_of("@id(\"none\") forbid (principal, action, resource);");
    const Judgement denied = bench.again(*other, text);
    CHECK(denied.kind == Judgement::Kind::deny);
    CHECK(denied.policies == std::vector<std::string_view>{"none"});
  }
  // In another World the same call is another question.
  World smaller = world();
  smaller.groups.clear();
  const auto elsewhere = engine_of(std::string(policies), smaller);
  bench.arguments(R"({"limit":20})");
  CHECK(bench.again(*elsewhere, bench.written()).kind == Judgement::Kind::deny);
  CHECK(elsewhere->world() != bench.engine->world());
  CHECK(engine_of("")->world() == bench.engine->world());
}

TEST_CASE("a number that nobody could judge is not taken for one that is not there") {
  Bench bench("permit (principal, action, resource);",
              R"({"type":"object","properties":{"lat":{"type":"number"}}})");
  bench.arguments(R"({"lat":52.379189,"at":{"lon":4.899431}})");
  CHECK(bench.member("left_out") == R"([["lat"],["at","lon"]])");
  const std::string text = bench.written();
  CHECK(bench.allowed);
  CHECK(bench.again(*bench.engine, text).kind == Judgement::Kind::allow);
  const auto reads =
      engine_of("permit (principal, action, resource) when { !(context.input has lat) };");
  const Judgement refused = bench.again(*reads, text);
  CHECK(refused.kind == Judgement::Kind::deny);
  CHECK(refused.reason == Reason::arguments);
}

TEST_CASE("what cannot be there is named") {
  Bench bench;
  bench.arguments(std::format(R"({{"text":"{}"}})", std::string(20'000, 'x')));
  CHECK(bench.member("missing") == "\"size\"");
  CHECK(bench.member("context").empty() == false);  // "null": it is absent
  CHECK(bench.written().contains(R"("uid":{"id":"crm/search","type":"Mcp::Tool"})"));
  std::string many = "{";
  for (int i = 0; i < 10'000; ++i) many += std::format("{}\"k{}\":{}", i == 0 ? "" : ",", i, i);
  bench.arguments(many + "}");
  CHECK(bench.member("missing") == "\"size\"");
  bench.arguments("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}");
  CHECK(bench.member("missing") == "\"depth\"");
  std::string records = "1";
  for (int i = 0; i < 12; ++i) records = "{\"__a\":" + records + "}";
  bench.arguments(records);
  CHECK(bench.member("missing") == "\"depth\"");
  bench.arguments("{\"limit\":5}");
  bench.recording.context = false;
  CHECK(bench.written().contains(R"("missing":"off")"));
  CHECK_FALSE(bench.written().contains("limit"));
  bench.recording = {.bytes = 300};
  CHECK(bench.written() == R"({"missing":"size"})");
  bench.recording = {};
  Bench strict("permit (principal, action, resource);",
               R"({"type":"object","properties":{"limit":{"type":"integer"}}})");
  strict.arguments(R"({"limit":"many"})");
  CHECK(strict.member("missing") == "\"arguments\"");
  // Also without a decision before it, and whatever was asked before.
  bench.arguments("{\"limit\":5}");
  const std::string decided = bench.written();
  bench.facts.call = "call-2";
  CHECK(bench.written(false) == decided);
  identity::CallerProfile odd = bot();
  odd.groups.assign(400, "a-group-with-a-long-name");
  bench.caller = identity::Caller(std::make_shared<const identity::CallerProfile>(odd));
  CHECK(bench.written() == R"({"missing":"size"})");
}

TEST_CASE("a resource and a prompt are there, too") {
  Bench bench;
  bench.params(R"({"uri":"https://crm.example/customers/5"})");
  const std::string uri = "https://crm.example/customers/5";
  bench.facts.target = ResourceTarget{&crm, uri};
  CHECK(bench.again(*bench.engine, bench.written()).kind == Judgement::Kind::allow);
  CHECK(bench.written().contains(R"("uid":{"id":"https://crm.example/customers/5")"));
  bench.params(R"({"name":"greet","arguments":{"who":"you"}})");
  bench.facts.target = PromptTarget{&crm, "greet"};
  CHECK(bench.again(*bench.engine, bench.written()).kind == Judgement::Kind::allow);
  bench.recording.context = false;
  CHECK(bench.written() == R"({"missing":"off"})");
}

namespace {

std::optional<std::string> corpus(std::string_view split) {
  const char* const named = std::getenv("LATTICEGATE_SHARED_DATA");
  const char* const source = std::getenv("LATTICEGATE_SOURCE");
  std::filesystem::path path;
  if (named != nullptr && *named != '\0')
    path = named;
  else
    path = std::filesystem::path(source != nullptr ? source : ".") / "../shared/data";
  path = path / "detection" / std::format("secrets.{}.jsonl.xz", split);
  if (!std::filesystem::exists(path)) return std::nullopt;
  struct Close {
    void operator()(std::FILE* file) const { pclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> pipe(
      popen(std::format("xz -dc '{}'", path.string()).c_str(), "r"));
  std::string out;
  std::array<char, 65536> block{};
  while (const std::size_t n = std::fread(block.data(), 1, block.size(), pipe.get()))
    out.append(block.data(), n);
  return out;
}

// Scans and writes; then nothing that was found may be there, nor anything that is found now.
void check_clean(Bench& bench, inspect::Scanner& scanner, std::string params) {
  bench.params(std::move(params));
  const inspect::Findings findings =
      inspect::scan(scanner, inspect::Surface::arguments, bench.document->root());
  bench.facts.findings = &findings;
  bench.recording.findings = &findings;
  const std::string text = bench.written();
  const auto parsed = json::Document::parse(text);
  for (const inspect::Finding& finding : findings.items) {
    if (finding.kind != inspect::FindingKind::secret || finding.in_key) continue;
    const std::string secret(
        finding.at.string()->substr(finding.begin, finding.end - finding.begin));
    if (secret.size() < 8 || finding.rule.contains(secret)) continue;  // a word of our own
    std::string quoted;
    json::write_string(secret, quoted);
    CHECK_FALSE_MESSAGE(text.contains(quoted.substr(1, quoted.size() - 2)), text);
  }
  for (const auto surface : {inspect::Surface::arguments, inspect::Surface::result})
    for (const inspect::Finding& finding : inspect::scan(scanner, surface, parsed->root()).items) {
      const bool mark = finding.at.text_or("").starts_with("<redacted:");
      CHECK_MESSAGE((finding.kind != inspect::FindingKind::secret || mark),
                    finding.rule << " " << finding.pointer << " in " << text);
    }
  bench.facts.findings = bench.recording.findings = nullptr;
}

}  // namespace

TEST_CASE("no secret that our rules find is written down") {
  auto scanner = inspect::Scanner::create(*inspect::RuleSet::built_in());
  REQUIRE(scanner.has_value());
  Bench bench;
  const std::string token = "ghp_" + std::string("16C7e42F292c6912E7710c838347Ae178B4a");
  for (const std::string& params :
       {std::format(R"({{"arguments":{{"note":"use {} please"}}}})", token),
        std::format(R"({{"arguments":{{"{}":1,"b":{{"c":["{}"]}}}}}})", token, token),
        std::format(R"({{"arguments":{{"url":"https://{}.example/x"}}}})", token),
        std::format(R"({{"arguments":{{"url":"https://x.example/?t={}"}}}})", token),
        std::format(R"({{"arguments":{{"sql":"select * from {}"}}}})", token),
        std::format(R"({{"arguments":{{"a":1}},"{}":2}})", token),
        std::string(
            R"({"arguments":{"password":"hunter2hunter2hunter2","api_key":"q8Zr5TnW2yLkP0x7"}})")})
    check_clean(bench, *scanner, params);
  const std::string uri = "https://crm.example/?token=" + token;
  bench.facts.target = ResourceTarget{&crm, uri};
  check_clean(bench, *scanner, std::format(R"({{"uri":"{}"}})", uri));
  bench.facts.target = ToolTarget{.tool = bench.search.get()};
  // What was not looked at as a whole could hold one.
  inspect::Findings cut;
  cut.skipped = 1;
  bench.arguments(R"({"a":1})");
  bench.recording.findings = &cut;
  CHECK(bench.member("missing") == "\"inspection\"");
  bench.recording.findings = nullptr;

  std::size_t rows = 0;
  for (const std::string_view split : {"dev", "train"}) {
    const auto lines = corpus(split);
    if (!lines || lines->empty()) {
      MESSAGE("SKIPPED: no detection data beside the project (LATTICEGATE_SHARED_DATA), or no xz");
      return;
    }
    for (std::string_view left = *lines; !left.empty();) {
      const std::string_view line = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(line.size() + 1, left.size()));
      const auto row = json::Document::parse(line);
      if (!row || row->root()["label"].text_or("") != "attack") continue;
      std::string text;
      json::write_string(row->root()["text"].text_or(""), text);
      if (text.size() > 4'000) continue;
      ++rows;
      check_clean(bench, *scanner, std::format(R"({{"arguments":{{"text":{}}}}})", text));
      check_clean(bench, *scanner, std::format(R"({{"arguments":{{"a":{{{}:1}}}}}})", text));
    }
  }
  MESSAGE(rows, " rows of the corpus");
  CHECK(rows > 40);
}

TEST_CASE("a secret that decided shows as replaced") {
  auto scanner = inspect::Scanner::create(*inspect::RuleSet::built_in());
  Bench bench(
      "permit (principal, action, resource); @id(\"no-secrets\") forbid (principal, action, "
      "resource) when { context.derived.findings.contains(\"secret\") };");
  bench.arguments(R"({"note":"ghp_16C7e42F292c6912E7710c838347Ae178B4a"})");
  const inspect::Findings findings =
      inspect::scan(*scanner, inspect::Surface::arguments, bench.document->root());
  bench.facts.findings = bench.recording.findings = &findings;
  const std::string text = bench.written();
  CHECK_FALSE(bench.allowed);
  CHECK(text.contains(R"("redacted":1,)"));
  CHECK(text.contains("<redacted:github-pat:"));
  const Judgement again = bench.again(*bench.engine, text);
  CHECK(again.kind == Judgement::Kind::deny);
  CHECK(again.policies == std::vector<std::string_view>{"no-secrets"});
}

TEST_CASE("what nobody wrote is an error, not a question") {
  const auto engine = engine_of("permit (principal, action, resource);");
  for (
      const std::string_view text :
      {"5", "{}", "[]", R"({"action":{}})", R"({"action":5,"principal":[],"resource":{}})",
       R"({"action":{"uid":{"id":"a","type":"b"}},"principal":{"attrs":5,"uid":{"id":"a","type":"b"}}})",
       R"({"action":{"uid":{"id":"a","type":"b"}},"principal":{"attrs":{},"uid":{"id":"a","type":"b"}},"resource":{"attrs":{},"uid":{"id":"a","type":"b"}},"context":null})",
       R"({"action":{"uid":{"id":"a","type":"b"}},"principal":{"attrs":{},"uid":{"id":"a","type":"b"}},"resource":{"attrs":{},"uid":{"id":"a","type":"b"}},"context":{"a":1.5}})",
       R"({"action":{"uid":{"id":"a","type":"b"}},"principal":{"attrs":{},"uid":{"id":"a","type":"b"}},"resource":{"attrs":{},"uid":{"id":"a","type":"b"}},"context":{"a":{"__extn":{"fn":"offset","arg":"1"}}}})",
       R"({"action":{"uid":{"id":"a","type":"b"}},"principal":{"attrs":{},"uid":{"id":"a","type":"b"}},"resource":{"attrs":{},"uid":{"id":"a","type":"b"}},"context":{"a":{"__record":[["a"]]}}})"}) {
    const auto document = json::Document::parse(text);
    REQUIRE_MESSAGE(document.has_value(), text);
    cedar::Arena arena;
    CHECK_FALSE_MESSAGE(engine->read_asked(document->root(), {}, arena).has_value(), text);
  }
  const auto document = json::Document::parse(R"({"missing":"size"})");
  cedar::Arena arena;
  CHECK(engine->read_asked(document->root(), {}, arena)->missing == "size");
}
