#include "policy/replay.h"

#include <doctest/doctest.h>

#include <chrono>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "json/write.h"

using namespace latticegate;
using namespace latticegate::policy;
using namespace std::chrono_literals;

namespace {

const ServerFacts crm{.name = "crm"};
constexpr base::Time noon{std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 12h};

std::shared_ptr<const Engine> engine_of(std::string text) {
  const PolicyText file{"policies.cedar", std::move(text)};
  auto loaded = Engine::load({.servers = {crm}}, {&file, 1}, {});
  REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().detail));
  return *std::move(loaded);
}

// A log of one agent: calls that are recorded under some policies, as they are decided.
class Log {
 public:
  explicit Log(std::string text) : engine_(engine_of(std::move(text))) {}

  struct Entry {
    std::uint64_t seq;
    std::string call;
    std::string tool;
    base::Time at;
    Judgement::Kind decided;
    std::vector<std::string> rules;
    std::unique_ptr<json::Document> asked;
    std::optional<PastOutput> answer;
  };

  void call(std::string_view name, std::string_view arguments, std::chrono::seconds after,
            std::optional<PastOutput> answer = PastOutput{}, bool context = true) {
    at_ += after;
    const auto descriptor = json::Document::parse(std::format(
        R"({{"name":"{}","annotations":{{"readOnlyHint":true}},"inputSchema":{{"type":"object"}}}})",
        name));
    const auto tool = make_tool(crm, descriptor->root(), {});
    REQUIRE(tool.has_value());
    const auto document = json::Document::parse(arguments);
    REQUIRE(document.has_value());
    Facts facts;
    facts.caller = &caller_;
    facts.target = ToolTarget{.tool = tool->get()};
    const std::string id = std::format("call-{}", entries.size());
    facts.call = id;
    facts.arguments = document->root();
    facts.conversation = "c-1";
    facts.now = at_;
    Judgement judgement;
    engine_->judge(facts, scratch_, judgement);
    std::string text;
    engine_->write_asked(facts, {.context = context}, scratch_, text);
    auto parsed = json::Document::parse(text);
    REQUIRE(parsed.has_value());
    entries.push_back({.seq = entries.size(),
                       .call = id,
                       .tool = std::format("crm/{}", name),
                       .at = at_,
                       .decided = judgement.kind,
                       .rules = {judgement.policies.begin(), judgement.policies.end()},
                       .asked = std::make_unique<json::Document>(*std::move(parsed)),
                       .answer = answer});
  }

  static void feed(Replay& replay, const Entry& entry, bool counts = true) {
    RecordedCall call{.seq = entry.seq,
                      .at = entry.at,
                      .call = entry.call,
                      .agent = "bot",
                      .tenant = {},
                      .conversation = "c-1",
                      .target = entry.tool,
                      .decided = entry.decided,
                      .rules = {entry.rules.begin(), entry.rules.end()},
                      .why = {},
                      .asked = entry.asked->root()};
    replay.take(call, counts);
    if (entry.answer)
      replay.take(RecordedAnswer{
          .call = entry.call, .at = entry.at + 1s, .failed = false, .output = *entry.answer});
  }
  ReplayReport under(std::string text) const {
    Replay replay(engine_of(std::move(text)), {.servers = {crm}}, {});
    for (const Entry& entry : entries) feed(replay, entry);
    return std::move(replay.report());
  }

  std::vector<Entry> entries;

 private:
  std::shared_ptr<const Engine> engine_;
  identity::Caller caller_{std::make_shared<const identity::CallerProfile>(
      identity::CallerProfile{.agent = identity::AgentId("bot")})};
  Scratch scratch_;
  base::Time at_ = noon;
};

constexpr std::string_view all = "@id(\"all\") permit (principal, action, resource);";

}  // namespace

TEST_CASE("the policies of then change nothing, others what they decide otherwise") {
  Log log(
      "@id(\"all\") permit (principal, action, resource);"
      "@id(\"red\") forbid (principal, action, resource) when { context.input.text == \"red\" };");
  for (const std::string_view text : {"red", "blue", "white", "blue"})
    log.call(text == "white" ? "list" : "read", std::format(R"({{"text":"{}"}})", text), 1s);

  const ReplayReport same = log.under(
      "@id(\"all\") permit (principal, action, resource);"
      "@id(\"red\") forbid (principal, action, resource) when { context.input.text == \"red\" };");
  CHECK(same.calls == 4);
  CHECK(same.same == 4);
  CHECK(same.changed() == 0);

  const ReplayReport other = log.under(
      "@id(\"all\") permit (principal, action, resource);"
      "@id(\"blue\") forbid (principal, action, resource) when { context.input.text == \"blue\" "
      "};");
  CHECK(other.same == 1);
  CHECK(other.changed() == 3);
  const auto& blue = other.groups.at({Change::refused, "blue"});
  CHECK(blue.count == 2);
  CHECK(blue.targets == ReplayReport::Counts{{"crm/read", 2}});
  CHECK(blue.examples.front().seq == 1);
  CHECK(blue.examples.front().why.contains("context.input.text = \"blue\""));
  const auto& red = other.groups.at({Change::allowed, "all"});
  CHECK(red.count == 1);
  CHECK(red.examples.front().rules_before == std::vector<std::string>{"red"});

  const ReplayReport none = log.under("");
  CHECK(none.groups.at({Change::refused, ""}).count == 3);
  CHECK(none.same == 1);

  const ReplayReport asks =
      log.under("@id(\"ask\") @obligation(\"step_up:2\") forbid (principal, action, resource);");
  CHECK(asks.groups.at({Change::refused, "ask"}).count == 3);
  CHECK(asks.groups.at({Change::other, "ask"}).count == 1);
}

TEST_CASE("what cannot be compared is counted and nothing else") {
  Log log{std::string(all)};
  log.call("read", R"({"text":"a"})", 1s, {}, false);
  log.call("read", std::format(R"({{"text":"{}"}})", std::string(9000, 'x')), 1s);
  log.call("read", "{}", 1s);
  Replay replay(engine_of(""), {.servers = {crm}}, {});
  for (const Log::Entry& entry : log.entries) Log::feed(replay, entry);
  replay.take(RecordedCall{.decided = Judgement::Kind::allow}, true);
  const auto odd = json::Document::parse(R"({"action":5})");
  replay.take(RecordedCall{.decided = Judgement::Kind::allow, .asked = odd->root()}, true);
  replay.take(RecordedCall{.asked = log.entries[2].asked->root()}, true);
  const ReplayReport& report = replay.report();
  CHECK(report.calls == 6);
  CHECK(report.compared() == 1);
  CHECK(report.missing ==
        ReplayReport::Counts{{"off", 1}, {"question", 2}, {"size", 1}, {"unreadable", 1}});
}

TEST_CASE("conditions on the past see the past of the log") {
  constexpr std::string_view policies =
      "@id(\"reads\") permit (principal, action == Mcp::Action::\"crm/read\", resource);"
      "@id(\"writes\") permit (principal, action == Mcp::Action::\"crm/write\", resource) when "
      "temporal { formerly within 10m Mcp::Action::\"crm/read\"::response{ input.id: "
      "context.input.id } };"
      "@id(\"bulk\") forbid (principal, action, resource) when temporal { exists (total: Long). "
      "((sum n for (n: Long), (t: Timepoint). where (formerly within 1h (Mcp::Action::\"read\"::"
      "response{ output.records: n } && tp(t)))) == total && total > 100) };";
  Log log{std::string(all)};
  log.call("write", R"({"id":1})", 1s);  // nothing was read
  log.call("read", R"({"id":1})", 1s, PastOutput{60, 100});
  log.call("write", R"({"id":1})", 1s);  // fine
  log.call("write", R"({"id":2})", 1s);  // another one
  log.call("read", R"({"id":2})", 1s, PastOutput{60, 100});
  log.call("read", R"({"id":3})", 1s);  // after 120 records
  const ReplayReport report = log.under(std::string(policies));
  CHECK(report.unsure == 0);
  CHECK(report.same == 3);
  CHECK(report.groups.at({Change::refused, ""}).count == 2);
  CHECK(report.groups.at({Change::refused, "bulk"}).count == 1);

  // Where the log begins late or has a gap, nobody knows; an hour later it does not matter.
  Replay late(engine_of(std::string(policies)), {.servers = {crm}}, {});
  late.lost(log.entries[1].at);
  for (const Log::Entry& entry : log.entries) Log::feed(late, entry);
  CHECK(late.report().unsure == 6);
  Log after{std::string(all)};
  after.call("read", R"({"id":1})", 2h);
  late.take(RecordedCall{.at = after.entries[0].at,
                         .call = "x",
                         .agent = "bot",
                         .conversation = "c-1",
                         .decided = Judgement::Kind::allow,
                         .asked = after.entries[0].asked->root()},
            true);
  CHECK(late.report().unsure == 6);
  CHECK(late.report().same == 1);

  // A call that was not recorded whole may have been anything, also the one that matters.
  Log gaps{std::string(all)};
  gaps.call("read", R"({"id":1})", 1s, PastOutput{1, 1}, false);
  gaps.call("write", R"({"id":1})", 1s);
  const ReplayReport unsure = gaps.under(
      "permit (principal, action == Mcp::Action::\"crm/read\", resource);"
      "@id(\"writes\") permit (principal, action == Mcp::Action::\"crm/write\", resource) when "
      "temporal { formerly within 10m Mcp::Action::\"crm/read\"::response{ input.id: "
      "context.input.id } };");
  CHECK(unsure.missing == ReplayReport::Counts{{"off", 1}});
  CHECK(unsure.unsure == 1);
  CHECK(unsure.compared() == 0);
}

TEST_CASE("reports of several threads are one") {
  Log log{std::string(all)};
  for (int i = 0; i < 10; ++i) log.call("read", "{}", 1s);
  const auto engine = engine_of("@id(\"no\") forbid (principal, action, resource);");
  Replay first(engine, {.servers = {crm}}, {.examples = 2});
  Replay second(engine, {.servers = {crm}}, {.examples = 2});
  for (const Log::Entry& entry : log.entries) Log::feed(entry.seq % 3 == 0 ? second : first, entry);
  first.report().merge(std::move(second.report()), 2);
  const auto& group = first.report().groups.at({Change::refused, "no"});
  CHECK(group.count == 10);
  CHECK(group.agents == ReplayReport::Counts{{"bot", 10}});
  REQUIRE(group.examples.size() == 2);
  CHECK(group.examples[0].seq == 0);
  CHECK(group.examples[1].seq == 1);
  CHECK(first.report().calls == 10);
}

TEST_CASE("answers are judged again by what is recorded of them") {
  Log log{std::string(all)};
  for (const std::uint64_t records : {5U, 500U, 50U})
    log.call("read", "{}", 1s, PastOutput{records, 10 * records});
  const auto risky = json::Document::parse(R"({"score":95,"signals":["records"]})");
  struct Answer {
    bool let_out = true;
    std::size_t findings = 0;
    json::Value risk{};
  };
  // 500 records were withheld then.
  const auto report = [&](std::string_view text, const Answer& last = {}) {
    Replay replay(engine_of(std::string(text)), {.servers = {crm}}, {.answers = true});
    for (const Log::Entry& entry : log.entries) {
      Log::Entry question = {entry.seq,     entry.call,  entry.tool, entry.at,
                             entry.decided, entry.rules, nullptr,    std::nullopt};
      question.asked = std::make_unique<json::Document>(
          *json::Document::parse(json::to_string(entry.asked->root())));
      Log::feed(replay, question);
      const bool is_last = entry.seq == 2;
      replay.take(RecordedAnswer{.call = entry.call,
                                 .at = entry.at + 1s,
                                 .output = *entry.answer,
                                 .let_out = entry.seq == 1 ? false
                                            : is_last      ? last.let_out
                                                           : true,
                                 .findings = is_last ? last.findings : 0,
                                 .risk = is_last ? last.risk : json::Value()});
    }
    return std::move(replay.report());
  };
  constexpr std::string_view more_than =
      "permit (principal, action, resource); @id(\"big\") forbid (principal, action, resource) "
      "when { context has output && context.output.records > 20 };";

  ReplayReport big = report(more_than);
  CHECK(big.same == 3);
  CHECK(big.answers == 3);
  CHECK(big.answers_same == 2);
  CHECK(big.groups.at({Change::withheld, "big"}).count == 1);
  CHECK(big.groups.at({Change::withheld, "big"}).examples.at(0).seq == 2);
  CHECK(big.groups.at({Change::withheld, "big"})
            .examples.at(0)
            .why.contains("context.output.records = 50"));
  CHECK(big.changed() == 1);
  CHECK(big.compared() == 3);
  CHECK(report(more_than, {.let_out = false}).changed() == 0);

  ReplayReport none = report(all);
  CHECK(none.answers_same == 2);
  CHECK(none.groups.at({Change::released, ""}).count == 1);

  // What only redacts lets the answer out.
  CHECK(report("permit (principal, action, resource); @obligation(\"redact:secret\") forbid "
               "(principal, action, resource) when { context has output };")
            .flips.at(static_cast<std::size_t>(Change::released)) == 1);
  // Its records count in the conversation, its risk is that of the answer.
  CHECK(report("permit (principal, action, resource); forbid (principal, action, resource) when { "
               "context has output && context.session.recordsRead >= 50 };")
            .flips.at(static_cast<std::size_t>(Change::withheld)) == 1);
  CHECK(report(all, {.risk = risky->root()})
            .groups.at({Change::withheld, "latticegate-risk-cutoff"})
            .count == 1);
  // What is not recorded is not guessed.
  CHECK(report("permit (principal, action, resource); forbid (principal, action, resource) when { "
               "context has output && context.output has structured };")
            .answers_unsure == 3);
  constexpr std::string_view found =
      "permit (principal, action, resource); forbid (principal, action, resource) when { "
      "context has output && context.output.findings.contains(\"secret\") };";
  CHECK(report(found).answers_unsure == 0);
  CHECK(report(found, {.findings = 1}).answers_unsure == 1);
  // A call that would be refused has no answer; one that policies said nothing of is not compared.
  CHECK(report("").answers == 0);
}
