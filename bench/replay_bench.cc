// Makes an audit log to replay, for bench/replay.py:
//   bench.replay make FOLDER CALLS
//   bench.replay pack FOLDER         its complete segments
//
// Every call is another one: agents, people, tools, arguments, the state of the conversation, the
// risk and the time are drawn from a fixed sequence, decided by an Engine, and recorded as the
// gateway records them, each with its call.finished. Beside the log it puts the configuration and
// two sets of policies: `then`, that decided, and `next`, that decide a few per cent otherwise.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <memory>
#include <print>
#include <string>
#include <vector>

#include "audit/record.h"
#include "base/clock.h"
#include "config/files.h"
#include "crypto/random.h"
#include "gateway/snapshot.h"
#include "json/value.h"
#include "policy/engine.h"
#include "store/awaited.h"
#include "store/journal.h"
#include "store/packer.h"
#include "store/pseudonym_key.h"
#include "store/query_reader.h"

using namespace latticegate;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view configuration = R"yaml(listen: { address: 127.0.0.1:0 }
identity:
  tokens:
    - { agent: desk, sha256: d7d3787e70ddec77a26755df7a4b7e00851f6df6172ecdc8bcdf5790a1ea5177 }
users:
)yaml";
constexpr std::string_view servers = R"yaml(servers:
  crm: { url: "http://127.0.0.1:9001/mcp", segment: sales, region: eu-west, domains: [personal-eu] }
  files: { url: "http://127.0.0.1:9002/mcp", segment: office, region: eu-west }
  billing: { url: "http://127.0.0.1:9003/mcp", segment: finance, region: eu-west, sensitivity: 3 }
  warehouse: { url: "http://127.0.0.1:9004/mcp", segment: finance, region: us-east }
  mail: { url: "http://127.0.0.1:9005/mcp", segment: office, region: eu-west }
policy: { directory: ./then }
audit: { directory: ./audit, origin: example/bench/replay }
)yaml";

std::string policies(int most_records, int most_risk) {
  return std::format(R"cedar(
@id("own-segment") permit (principal is Mcp::Agent, action in Mcp::Action::"call_tool", resource is Mcp::Tool)
when {{ principal in resource.segment }};
@id("readers") permit (principal in Mcp::Group::"readers", action in Mcp::Action::"read", resource);
@id("domains") forbid (principal, action, resource)
unless {{ principal.domains.containsAll(resource.domains) }};
@id("bulk") @obligation("kill_session") forbid (principal, action in Mcp::Action::"call_tool", resource)
when {{ (context.input has limit && context.input.limit > {0}) ||
        (context.derived has estimatedRecords && context.derived.estimatedRecords > {0}) ||
        context.session.recordsRead >= 20000 }};
@id("risk") forbid (principal, action in Mcp::Action::"write", resource) when {{ context.risk.score > {1} }};
@id("residency") forbid (principal, action, resource)
when {{ resource.domains.contains("personal-eu") && !(resource.region like "eu-*") }};
@id("amounts") @obligation("step_up:2") forbid (principal, action == Mcp::Action::"billing/refund", resource)
when {{ context.input.amount > 900 }} unless {{ context has approval && context.approval.level >= 2 }};
@id("outside") forbid (principal, action == Mcp::Action::"mail/send", resource)
when {{ context.input has to && !(context.input.to like "*@example.com") }};
@id("people") forbid (principal, action in Mcp::Action::"destructive", resource)
unless {{ context.session has user && context.session.user in Mcp::Role::"operator" }};
@id("lasting") forbid (principal, action, resource) when {{ context.session.age > duration("23h") }};
)cedar",
                     most_records, most_risk);
}

struct ToolText {
  std::string_view server;
  std::string_view descriptor;
};
constexpr std::array<ToolText, 8> tool_texts{{
    {"crm",
     R"({"name":"search","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer"},"fields":{"type":"array","items":{"type":"string"}}}}})"},
    {"crm",
     R"({"name":"update","annotations":{"readOnlyHint":false,"destructiveHint":false},"inputSchema":{"type":"object","properties":{"id":{"type":"integer"},"note":{"type":"string"}}}})"},
    {"files",
     R"({"name":"read_file","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}})"},
    {"files",
     R"({"name":"write_file","annotations":{"readOnlyHint":false,"destructiveHint":true},"inputSchema":{"type":"object","properties":{"path":{"type":"string"},"content":{"type":"string"}}}})"},
    {"billing",
     R"({"name":"invoices","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object","properties":{"customer":{"type":"integer"},"limit":{"type":"integer"},"since":{"type":"string","format":"date-time"}}}})"},
    {"billing",
     R"({"name":"refund","annotations":{"readOnlyHint":false,"destructiveHint":true},"inputSchema":{"type":"object","properties":{"invoice":{"type":"integer"},"amount":{"type":"integer"}}}})"},
    {"warehouse",
     R"({"name":"query","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object","properties":{"sql":{"type":"string"},"limit":{"type":"integer"}}}})"},
    {"mail",
     R"({"name":"send","annotations":{"openWorldHint":true},"inputSchema":{"type":"object","properties":{"to":{"type":"string"},"subject":{"type":"string"},"body":{"type":"string"}}}})"},
}};

template <class T>
T must(base::Result<T> result, std::string_view what) {
  if (result) return *std::move(result);
  std::println(stderr, "bench.replay: {}: {}", what, base::describe(result.error()));
  std::exit(1);
}

void write_file(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

class Draw {
 public:
  std::uint64_t below(std::uint64_t most) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return (z ^ (z >> 31U)) % most;
  }
  bool once_in(std::uint64_t many) { return below(many) == 0; }
  std::string words(std::uint64_t count) {
    static constexpr std::array<std::string_view, 16> all{
        "customers", "open",    "north", "invoice", "march", "who",   "answered",  "late",
        "contract",  "renewal", "team",  "status",  "price", "order", "complaint", "first"};
    std::string text;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (i != 0) text += ' ';
      text += all.at(below(all.size()));
    }
    return text;
  }

 private:
  std::uint64_t state_ = 7;
};

std::string arguments_of(std::size_t tool, Draw& draw) {
  const std::uint64_t limit = draw.once_in(40) ? draw.below(900) : 1 + draw.below(100);
  switch (tool) {
    case 0:
      return std::format(R"({{"fields":["id","name","{}"],"limit":{},"query":"{}"}})",
                         draw.words(1), limit, draw.words(2 + draw.below(9)));
    case 1: return std::format(R"({{"id":{},"note":"{}"}})", draw.below(100'000), draw.words(20));
    case 2: return std::format(R"({{"path":"/data/{}/{}.md"}})", draw.words(1), draw.below(5'000));
    case 3:
      return std::format(R"({{"content":"{}","path":"/data/{}.md"}})", draw.words(40),
                         draw.below(5'000));
    case 4:
      return std::format(R"({{"customer":{},"limit":{},"since":"2026-{:02}-{:02}T00:00:00Z"}})",
                         draw.below(20'000), limit, 1 + draw.below(12), 1 + draw.below(28));
    case 5:
      return std::format(R"({{"amount":{},"invoice":{}}})", 1 + draw.below(1'000),
                         draw.below(1'000'000));
    case 6:
      return std::format(
          R"({{"limit":{0},"sql":"select id, total from orders where region = {1}"}})", limit,
          draw.below(60));
    default:
      return std::format(R"({{"body":"{}","subject":"{}","to":"{}{}@{}"}})", draw.words(30),
                         draw.words(5), draw.words(1), draw.below(300),
                         draw.once_in(20) ? "elsewhere.example" : "example.com");
  }
}

struct Made {
  std::uint64_t allowed = 0;
  std::uint64_t refused = 0;
};

// Writes the calls; two records each.
class Calls {
 public:
  Calls(const config::Config& config, const fs::path& folder)
      : world_(gateway::world_of(
            config, must(store::open_pseudonym_key(config.audit.keys, true), "keys").reveal())),
        texts_(must(gateway::read_policies(folder / "then"), "policies")),
        engine_(must(policy::Engine::load(world_, texts_, {}), "engine")),
        writer_("bench") {
    for (const ToolText& text : tool_texts) {
      const auto document = must(json::Document::parse(text.descriptor), "descriptor");
      const auto server =
          std::ranges::find(world_.servers, text.server, &policy::ServerFacts::name);
      tools_.push_back(must(policy::make_tool(*server, document.root(), {}), "tool"));
    }
    static constexpr std::array<std::string_view, 3> segments{"sales", "office", "finance"};
    for (int i = 0; i < 24; ++i) {
      identity::CallerProfile profile{.agent = identity::AgentId(std::format("agent-{}", i))};
      profile.segments = {std::string(segments.at(static_cast<std::size_t>(i) % 3)),
                          std::string(segments.at(static_cast<std::size_t>(i + 1) % 3))};
      if (i % 4 == 0) profile.groups = {"readers"};
      if (i % 6 != 5) profile.domains = {"personal-eu"};
      if (i % 2 == 0) profile.user = world_.users[static_cast<std::size_t>(i / 2)];
      callers_.emplace_back(std::make_shared<const identity::CallerProfile>(std::move(profile)));
    }
  }

  // The next call: its two leaves, of which the second is there when it was allowed.
  void next(std::string& decided, std::uint32_t& decided_seq, std::string& finished,
            std::uint32_t& finished_seq, Made& made) {
    at_ += std::chrono::milliseconds(20 + draw_.below(400));
    const std::size_t which = draw_.below(callers_.size());
    const identity::Caller& caller = callers_[which];
    const std::size_t tool_at = draw_.below(tools_.size());
    const policy::Tool& tool = *tools_[tool_at];
    const auto arguments = must(json::Document::parse(arguments_of(tool_at, draw_)), "arguments");
    const crypto::Uuid uid = crypto::uuid_v7(at_, random_);
    behaviour::Totals totals;
    totals.started = at_ - std::chrono::seconds(draw_.below(80'000));
    totals.calls = draw_.below(400);
    totals.records = draw_.below(draw_.once_in(50) ? 30'000 : 5'000);
    totals.bytes = totals.records * 120;
    if (draw_.once_in(8)) totals.taint.add("web");
    if (draw_.once_in(5)) totals.domains.add("personal-eu");
    behaviour::Risk risk;
    risk.score = static_cast<std::uint32_t>(draw_.once_in(20) ? draw_.below(100) : draw_.below(30));
    const inspect::Findings findings;
    policy::Facts facts{.caller = &caller, .target = policy::ToolTarget{.tool = &tool}};
    const std::string id = crypto::to_string(uid);
    facts.call = id;
    facts.arguments = arguments.root();
    const std::string conversation = std::format("c-{:012x}", which * 1000 + draw_.below(1000));
    facts.conversation = conversation;
    facts.totals = &totals;
    facts.risk = &risk;
    facts.findings = &findings;
    facts.now = at_;
    facts.peer = "10.1.2.3";
    facts.region = "eu-west";
    facts.kex = "X25519MLKEM768";
    if (const auto limit = arguments.root()["limit"].integer())
      facts.records = static_cast<std::uint64_t>(*limit);
    policy::Judgement judgement;
    std::string why;
    engine_->judge(facts, scratch_, judgement, &why);
    question_.clear();
    engine_->write_asked(facts, {.bytes = audit::asked_limit, .findings = &findings}, scratch_,
                         question_);
    const bool allowed = judgement.kind == policy::Judgement::Kind::allow;
    audit::Record record{.type = audit::Type::call_decided,
                         .time = at_,
                         .agent = {.name = caller->agent.value(), .ref = caller->agent.value()},
                         .asked = question_,
                         .bytes_in = 600,
                         .call_uid = uid,
                         .client = {.addr = "10.1.2.3", .name = "bench", .port = 40'000},
                         .decision = allowed ? audit::Decision::allow
                                     : judgement.kind == policy::Judgement::Kind::deny
                                         ? audit::Decision::deny
                                         : audit::Decision::step_up,
                         .method = "tools/call",
                         .mode = "enforce",
                         .outcome = allowed ? audit::Outcome::none : audit::Outcome::denied,
                         .policy_hash = engine_->hash(),
                         .policy_ver = 1,
                         .principal = {.auth = "bearer", .kind = "agent", .ref = "p:k3jq7bench"},
                         .proto = "2025-06-18",
                         .rules = judgement.policies,
                         .server = {.id = tool.server()},
                         .session = conversation,
                         .tool = tool.name(),
                         .transport = "http",
                         .uid = crypto::uuid_v7(at_, random_),
                         .why = why};
    audit::Leaf leaf = writer_.write(record);
    decided.assign(leaf.text);
    decided_seq = leaf.seq_at;
    finished.clear();
    ++(allowed ? made.allowed : made.refused);
    if (!allowed) return;
    record.type = audit::Type::call_finished;
    record.asked = {};
    record.outcome = audit::Outcome::ok;
    record.dur_ns = 3'000'000;
    record.res.len = 1'000;
    record.rows_out = static_cast<std::int64_t>(draw_.below(50));
    leaf = writer_.write(record);
    finished.assign(leaf.text);
    finished_seq = leaf.seq_at;
  }

 private:
  policy::World world_;
  std::vector<policy::PolicyText> texts_;
  std::shared_ptr<const policy::Engine> engine_;
  audit::RecordWriter writer_;
  std::vector<std::shared_ptr<const policy::Tool>> tools_;
  std::vector<identity::Caller> callers_;
  policy::Scratch scratch_;
  crypto::SeededRandom random_{1};
  Draw draw_;
  std::string question_;
  base::Time at_{std::chrono::seconds(1'790'000'000)};
};

}  // namespace

namespace {

int make(const fs::path& folder, std::uint64_t calls) {
  std::string users;
  for (int i = 0; i < 12; ++i)
    users += std::format("  - {{ name: person-{}, roles: [{}] }}\n", i,
                         i % 3 == 0 ? "operator" : "clerk");
  write_file(folder / "latticegate.yaml", std::format("{}{}{}", configuration, users, servers));
  write_file(folder / "then" / "policies.cedar", policies(500, 60));
  write_file(folder / "next" / "policies.cedar", policies(200, 40));
  const auto loaded = must(config::load(folder / "latticegate.yaml"), "configuration");
  Calls source(*loaded.config, folder);
  const base::SystemClock clock;
  store::SystemFiles files;
  store::Awaited window;
  Made made;
  {
    const auto journal =
        must(store::Journal::open(
                 {.directory = folder / "audit", .origin = "example/bench/replay", .pack = false},
                 clock, files, window.notifier()),
             "log");
    struct Two {
      std::string decided, finished;
      std::uint32_t decided_seq = 0, finished_seq = 0;
    };
    std::vector<Two> texts(512);
    std::vector<store::Append> appends(2 * texts.size());
    for (std::uint64_t written = 0; written < calls;) {
      std::size_t count = 0;
      const auto submit = [&](const std::string& text, std::uint32_t seq_at) {
        appends[count].set({.text = text, .seq_at = seq_at}, {}, 0, nullptr);
        if (auto queued = journal->submit(appends[count]); !queued) std::exit(1);
        ++count;
      };
      for (Two& two : texts) {
        if (written++ == calls) break;
        source.next(two.decided, two.decided_seq, two.finished, two.finished_seq, made);
        submit(two.decided, two.decided_seq);
        if (!two.finished.empty()) submit(two.finished, two.finished_seq);
      }
      window.wait_for(count);
      for (std::size_t i = 0; i < count; ++i)
        if (auto ticket = appends[i].take_ticket(); !ticket) std::exit(1);
    }
  }
  std::println(stderr, "{} calls allowed, {} refused", made.allowed, made.refused);
  return 0;
}

int pack(const fs::path& folder) {
  store::SystemFiles files;
  const auto segments = must(store::list_segments(folder / "audit"), "segments");
  for (const store::SegmentName& segment : segments)
    if (segment.number != segments.back().number)
      if (auto packed = store::pack_segment(folder / "audit", segment.number, files); !packed)
        std::exit(1);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[1] : "";
  if (what == "make" && argc == 4)
    return make(fs::absolute(argv[2]), static_cast<std::uint64_t>(std::atoll(argv[3])));
  if (what == "pack" && argc == 3) return pack(fs::absolute(argv[2]));
  std::println(stderr, "usage: bench.replay make FOLDER CALLS | pack FOLDER");
  return 2;
}
