// What one decision costs.
//   cedar    the language alone: a request that is there already, decided by the tree walker and by
//            the compiled form, for growing sets
//   engine   conversion, context, decision, permit: 20 policies, a call of 600 bytes
//
//   bench.policy engine            that alone; without a word both
// For bench/cedar.py, which asks cedar-wasm the same in turns:
//   bench.policy text KIND COUNT   the policies
//   bench.policy row KIND COUNT    one JSON object: ns per decision, ms to load
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <format>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <vector>

#include "cedar/authorize.h"
#include "cedar/from_json.h"
#include "cedar/program.h"
#include "cedar/schema.h"
#include "cedar/validate.h"
#include "json/value.h"
#include "json/write.h"
#include "policy/argument.h"
#include "policy/engine.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

// In the manner of a real deployment: a few broad rules, most about one server, group or tool.
constexpr std::string_view broad = R"cedar(
@id("baseline") permit (principal is Mcp::Agent, action in Mcp::Action::"call_tool", resource is Mcp::Tool)
when { principal.attested && principal in resource.segment };
@id("domains") forbid (principal, action, resource)
when { resource has domains && !principal.domains.containsAll(resource.domains) };
@id("bulk") @obligation("kill_session") forbid (principal, action in Mcp::Action::"call_tool", resource)
when { (context.input has limit && context.input.limit > 500) ||
       (context.derived has estimatedRecords && context.derived.estimatedRecords > 500) ||
       context.session.recordsRead >= 2000 };
@id("residency") forbid (principal, action, resource)
when { resource.domains.contains("personal-eu") && !(resource.region like "eu-*") };
@id("taint") forbid (principal, action in Mcp::Action::"egress", resource)
when { context.session.taint.containsAny(["web", "email"]) };
@id("pq") forbid (principal, action in Mcp::Action::"call_tool", resource is Mcp::Tool)
when { resource.retentionYears >= 10 && !["X25519MLKEM768"].contains(context.env.kex) };
)cedar";

std::string policies() {
  std::string text(broad);
  for (int i = 0; i < 11; ++i)
    text += std::format(
        "@id(\"rule-{0}\") forbid (principal in Mcp::Group::\"group-{0}\", action, "
        "resource in Mcp::Server::\"server-{0}\");\n",
        i);
  return text;
}

// Nanoseconds per call, sorted.
using Samples = std::vector<double>;
double median(const Samples& samples) { return samples[samples.size() / 2]; }

// Of this thread: what neighbours do to the clock on the wall does not count.
double cpu_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Work>
Samples sample(int rounds, int calls, const Work& work) {
  Samples samples;
  for (int round = 0; round < rounds; ++round) {
    const double start = cpu_nanoseconds();
    for (int i = 0; i < calls; ++i) work();
    samples.push_back((cpu_nanoseconds() - start) / calls);
  }
  std::ranges::sort(samples);
  return samples;
}

template <class Work>
void measure(std::string_view name, const Work& work) {
  const Samples samples = sample(200, 1'000, work);
  std::println("{:<28} {:>8.0f} ns median  {:>8.0f} ns p99", name, median(samples),
               samples[samples.size() * 99 / 100]);
}

// ---- cedar

std::string text_of(std::string_view name) {
  std::ifstream file(std::format("tests/data/mcp-model/{}", name), std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!text.empty()) return text;
  std::println("run it in the project's root: tests/data/mcp-model/{} is not here", name);
  std::exit(1);
}

// Policies of an installation that grew: a quarter permits one agent one tool, a quarter a group a
// server, a quarter forbids values of one tool, a quarter looks at attributes.
std::string grown(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) switch (i % 4) {
      case 0:
        text += std::format(
            "permit(principal == Mcp::Agent::\"agent-{0}\", action == Mcp::Action::\"tool-{0}\", "
            "resource) when {{ context.input.limit < {0} }};\n",
            i);
        break;
      case 1:
        text += std::format(
            "permit(principal in Mcp::Group::\"group-{0}\", action in Mcp::Action::\"call_tool\", "
            "resource in Mcp::Server::\"server-{0}\") when {{ context.risk.score < 50 }};\n",
            i);
        break;
      case 2:
        text += std::format(
            "forbid(principal, action == Mcp::Action::\"tool-{0}\", resource) when {{ "
            "context.input.query like \"*secret-{0}*\" }};\n",
            i);
        break;
      default:
        text += std::format(
            "permit(principal is Mcp::Agent, action in Mcp::Action::\"read\", resource in "
            "Mcp::Segment::\"segment-{0}\") when {{ principal.clearance >= 2 }};\n",
            i);
    }
  return text;
}

// Policies that every request has to evaluate: forbids over three of some dozens of conditions.
std::string broad_forbids(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += std::format(
        "forbid(principal, action, resource) when {{ context.risk.score < {} && "
        "context.session.calls < {} && principal.clearance > {} }};\n",
        50 + i % 40, 1'000 + i % 30, 5 + i % 20);
  return text;
}

struct Model {
  cedar::Arena arena;
  cedar::Entities entities;
  std::vector<json::Document> documents;
  std::vector<cedar::Request> requests;
};

// The requests of the MCP model that come through its own policies.
bool read_model(Model& model) {
  auto schema = cedar::parse_schema(text_of("mcp.cedarschema"));
  auto entities = json::Document::parse(text_of("entities.json"));
  auto tests = json::Document::parse(text_of("tests.json"));
  if (!schema || !entities || !tests) return false;
  cedar::Entities::Builder builder;
  if (!cedar::add_entities(entities->root(), builder)) return false;
  schema->add_action_entities(builder);
  auto built = builder.build();
  if (!built) return false;
  model.entities = *std::move(built);
  for (const json::Value test : tests->root().elements()) {
    const json::Value ask = test["request"];
    const auto uid = [&](std::string_view part) {
      return cedar::parse_uid(ask[part].text_or(""), model.arena);
    };
    const auto principal = uid("principal");
    const auto action = uid("action");
    const auto resource = uid("resource");
    const auto context =
        cedar::value_from_json(ask["context"], cedar::Escapes::honoured, model.arena);
    if (!principal || !action || !resource || !context) return false;
    model.requests.push_back({*principal, *action, *resource, *context});
  }
  model.documents.push_back(*std::move(tests));
  return true;
}

struct Row {
  std::size_t policies = 0;
  double tree = 0;  // ns per decision, median
  double compiled = 0;
  double slowest = 0;  // 99th percentile of the samples
  double parse = 0;    // ms
  double compile = 0;
  double validate = 0;
};

// Every request of the model in turn.
std::optional<Row> measure_row(const std::string& text, Model& model) {
  const auto schema = cedar::parse_schema(text_of("mcp.cedarschema"));
  const double start = cpu_nanoseconds();
  const auto set = cedar::parse_policies(text, "bench", cedar::Naming::by_order);
  if (!set || !schema) {
    std::println("cannot prepare: {}", set ? schema.error().detail : set.error().detail);
    return std::nullopt;
  }
  const double parsed = cpu_nanoseconds();
  const auto program = cedar::Program::compile(*set);
  const double compiled = cpu_nanoseconds();
  for (const cedar::Policy& policy : set->policies()) (void)cedar::validate(policy, *schema);
  Row row{.policies = set->size(),
          .parse = (parsed - start) / 1e6,
          .compile = (compiled - parsed) / 1e6,
          .validate = (cpu_nanoseconds() - compiled) / 1e6};

  const cedar::EntityView view(model.entities);
  cedar::Arena scratch;
  cedar::Slate slate;
  cedar::Answer answer;
  const auto count = static_cast<double>(model.requests.size());
  const int calls = set->size() > 500 ? 4 : 40;
  const Samples tree = sample(50, calls, [&] {
    for (const cedar::Request& request : model.requests) {
      scratch.reset();
      cedar::authorize(*set, request, view, scratch, answer);
    }
  });
  const Samples samples = sample(50, calls, [&] {
    for (const cedar::Request& request : model.requests) {
      scratch.reset();
      cedar::decide(program, request, view, scratch, slate, answer);
    }
  });
  row.tree = median(tree) / count;
  row.compiled = median(samples) / count;
  row.slowest = samples[samples.size() * 99 / 100] / count;
  return row;
}

std::optional<std::string> text_of_kind(std::string_view kind, int count) {
  if (kind == "mcp-model") return text_of("policies.cedar");
  if (kind == "selective") return grown(count);
  if (kind == "both") return text_of("policies.cedar") + grown(count);
  if (kind == "broad") return broad_forbids(count);
  return std::nullopt;
}

bool row(std::string_view kind, int policies, Model& model) {
  const auto text = text_of_kind(kind, policies);
  const auto measured = text ? measure_row(*text, model) : std::nullopt;
  if (!measured) return false;
  std::println("{:<10} {:>8} {:>12.0f} {:>12.0f} {:>12.0f} {:>12.2f} {:>12.2f} {:>12.2f}", kind,
               measured->policies, measured->tree, measured->compiled, measured->slowest,
               measured->parse, measured->compile, measured->validate);
  return true;
}

bool compare() {
  Model model;
  if (!read_model(model)) return false;
  std::println("{} requests of the MCP model; ns per decision, ms to load", model.requests.size());
  std::println("{:<10} {:>8} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}", "set", "policies", "tree",
               "compiled", "p99", "parse", "compile", "validate");
  bool good = row("mcp-model", 0, model);
  for (const int count : {20, 200, 2'000, 20'000}) good = good && row("selective", count, model);
  for (const int count : {200, 2'000}) good = good && row("both", count, model);
  for (const int count : {20, 200, 2'000, 10'000}) good = good && row("broad", count, model);
  std::println("");
  return good;
}

// A question as the record has it: read, and judged again in memory.
bool replayed(const Engine& engine, const std::string& asked) {
  std::println("asked: {} bytes", asked.size());
  measure("parse and read asked", [&] {
    const auto document = json::Document::parse(asked);
    cedar::Arena arena;
    (void)engine.read_asked(document->root(), {}, arena);
  });
  const auto document = json::Document::parse(asked);
  cedar::Arena arena;
  const auto past = engine.read_asked(document->root(), {}, arena);
  if (!past) {
    std::println("cannot be read again: {}", base::describe(past.error()));
    return false;
  }
  Scratch scratch;
  Judgement judgement;
  measure("judge again", [&] { engine.judge(*past, "1", {}, {}, scratch, judgement); });
  return judgement.kind == Judgement::Kind::allow;
}

// What bench/cedar.py asks for.
int one(std::string_view what, std::string_view kind, int count) {
  const auto text = text_of_kind(kind, count);
  if (!text || (what != "text" && what != "row")) {
    std::println(stderr, "usage: bench.policy [text|row KIND COUNT]");
    return 2;
  }
  if (what == "text") {
    std::print("{}", *text);
    return 0;
  }
  Model model;
  if (!read_model(model)) return 1;
  const auto row = measure_row(*text, model);
  if (!row) return 1;
  std::println(R"({{"policies":{},"tree":{},"compiled":{},"load":{}}})", row->policies, row->tree,
               row->compiled, row->parse + row->compile + row->validate);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4) return one(argv[1], argv[2], std::atoi(argv[3]));
  if ((argc != 2 || std::string_view(argv[1]) != "engine") && !compare()) return 1;
  const ServerFacts server{.name = "crm", .segment = "support", .region = "eu-central-1"};
  const World world{.groups = {{"bots", {}}},
                    .segments = {{"support", {"corp"}}, {"corp", {}}},
                    .servers = {server}};
  const PolicyText file{"bench.cedar", policies()};
  const auto engine = Engine::load(world, {&file, 1}, {});
  const auto descriptor = json::Document::parse(R"({"name":"search","inputSchema":{
    "type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer"},
    "filters":{"type":"array","items":{"type":"object","properties":{"field":{"type":"string"},
    "op":{"type":"string"},"value":{"type":"string"}}}},"fields":{"type":"array",
    "items":{"type":"string"}},"since":{"type":"string","format":"date-time"},
    "exact":{"type":"boolean"},"threshold":{"type":"number"}}}})");
  const auto arguments = json::Document::parse(
      R"({"query":"customers in the north who did not answer the last mailing","limit":20,
    "filters":[{"field":"country","op":"in","value":"DE,NL,BE,DK"},
               {"field":"status","op":"eq","value":"active"},
               {"field":"contract_end","op":"before","value":"2026-12-31"}],
    "fields":["id","name","company","email_domain","contract_end","account_manager"],
    "since":"2026-01-02T03:04:05Z","exact":false,"threshold":0.75,
    "note":"prepared for the weekly review of the support team; only aggregate figures are kept"})");
  if (!engine || !descriptor || !arguments) {
    std::println("cannot prepare: {}", engine ? "" : engine.error().detail);
    return 1;
  }
  const auto tool = make_tool(server, descriptor->root(), {.effects = {.read = true}});
  if (!tool) return 1;
  const identity::Caller caller(std::make_shared<const identity::CallerProfile>(
      identity::CallerProfile{.agent = identity::AgentId("support-bot"),
                              .groups = {"bots"},
                              .segments = {"support"},
                              .domains = {"personal-eu"}}));
  behaviour::Totals totals;
  totals.calls = 12;
  totals.taint.add("web");
  behaviour::Risk risk;
  inspect::Findings findings;
  Facts facts{.caller = &caller, .target = ToolTarget{.tool = tool->get()}, .call = "01J0000000"};
  facts.arguments = arguments->root();
  facts.conversation = "s-0123456789abcdef";
  facts.totals = &totals;
  facts.risk = &risk;
  facts.findings = &findings;
  facts.records = 20;
  facts.now = base::Time(std::chrono::seconds(1'795'000'000));
  facts.peer = "10.1.2.3";
  facts.region = "eu-central-1";
  facts.kex = "X25519MLKEM768";

  Scratch scratch;
  std::uint64_t permits = 0;
  const auto decide = [&] {
    const Decision decision = (*engine)->decide(facts, Mode::enforce, scratch);
    if (std::holds_alternative<Permit>(decision)) ++permits;
  };
  decide();
  if (permits != 1) {
    const Decision decision = (*engine)->decide(facts, Mode::enforce, scratch);
    if (const auto* const denial = std::get_if<Denial>(&decision))
      std::println("the call of the bench is denied: {}", explanation(*denial));
    return 1;
  }
  std::println("engine: {} policies, {} bytes of arguments", (*engine)->policies(),
               json::to_string(arguments->root()).size());
  {
    const std::string schema =
        R"({"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer"},
            "since":{"type":"string","format":"date-time"},"text":{"type":"string"},
            "fields":{"type":"array","items":{"type":"string"}},"exact":{"type":"boolean"}}})";
    const std::string call = std::format(
        R"({{"query":"customers in the north","limit":20,"since":"2026-01-02T03:04:05Z",
            "text":"{}","fields":["id","name","company"],"exact":false}})",
        std::string(850, 'x'));
    const auto typed = json::Document::parse(schema);
    const auto given = json::Document::parse(call);
    const auto program = ArgumentProgram::compile(typed->root());
    cedar::Arena arena;
    Sightings seen;
    Refusal refusal;
    measure(std::format("convert {} bytes", call.size()), [&] {
      arena.reset();
      seen.clear();
      permits += program->convert(given->root(), arena, seen, refusal) ? 1U : 0U;
    });
  }
  measure("decide, permitted", decide);
  std::string asked;
  const auto recorded = [&] {
    decide();
    asked.clear();
    (*engine)->write_asked(facts, {}, scratch, asked);
  };
  measure("decide, and write asked", recorded);
  if (!replayed(**engine, asked)) return 1;
  facts.arguments = {};
  measure("decide, no arguments", decide);
  measure("may_see", [&] { permits += (*engine)->may_see(facts, scratch) ? 1U : 0U; });
  facts.arguments = arguments->root();
  facts.records = 5000;
  measure("decide, denied, explained", decide);
  return permits > 0 ? 0 : 1;
}
