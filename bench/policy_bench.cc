// What one decision costs: 20 policies, a call of 600 bytes; conversion, context, decision, permit.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <vector>

#include "json/value.h"
#include "json/write.h"
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

void report(std::string_view name, std::vector<double>& samples) {
  std::ranges::sort(samples);
  std::println("{:<28} {:>8.0f} ns median  {:>8.0f} ns p99", name, samples[samples.size() / 2],
               samples[samples.size() * 99 / 100]);
}

// Of this thread: what neighbours do to the clock on the wall does not count.
double cpu_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Work>
void measure(std::string_view name, const Work& work) {
  constexpr int rounds = 200;
  constexpr int calls = 1'000;
  std::vector<double> samples;
  for (int round = 0; round < rounds; ++round) {
    const double start = cpu_nanoseconds();
    for (int i = 0; i < calls; ++i) work();
    samples.push_back((cpu_nanoseconds() - start) / calls);
  }
  report(name, samples);
}

}  // namespace

int main() {
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
  std::println("{} policies, {} bytes of arguments", (*engine)->policies(),
               json::to_string(arguments->root()).size());
  measure("decide, permitted", decide);
  facts.arguments = {};
  measure("decide, no arguments", decide);
  measure("may_see", [&] { permits += (*engine)->may_see(facts, scratch) ? 1U : 0U; });
  facts.arguments = arguments->root();
  facts.records = 5000;
  measure("decide, denied, explained", decide);
  return permits > 0 ? 0 : 1;
}
