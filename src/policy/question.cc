#include "policy/detail/question.h"

#include <algorithm>
#include <format>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "cedar/value.h"
#include "policy/destination.h"
#include "policy/detail/model.h"
#include "policy/detail/tool_content.h"
#include "policy/sql_facts.h"

namespace latticegate::policy {
namespace {

using cedar::EntityUid;
using cedar::Name;
using cedar::RecordBuilder;
using cedar::RecordSlots;
using cedar::Value;

constexpr std::size_t most_kept = 4'096;  // callers and tools of one thread

// What the records of a question may hold, in the words of the schema (policy/schema.cc).
using cedar::RecordLayout;
constexpr RecordLayout context_layout({"approval", "derived", "env", "input", "output", "risk",
                                       "session"});
constexpr RecordLayout session_layout({"age", "bytesRead", "calls", "denied", "id", "purpose",
                                       "recordsRead", "seen", "taint", "user"});
constexpr RecordLayout purpose_layout({"by", "late"});
constexpr RecordLayout risk_layout({"rung", "score", "signals"});
constexpr RecordLayout env_layout({"deviceTrusted", "ip", "kex", "now", "region"});
constexpr RecordLayout derived_layout({"destHost", "destIp", "estimatedRecords", "explained",
                                       "findings", "hosts", "provenance", "sql"});
constexpr RecordLayout provenance_layout({"quoted", "sensitive", "sources", "steered"});
constexpr RecordLayout sql_layout({"multi", "tables", "verb"});
constexpr RecordLayout approval_layout({"approver", "expiresAt", "level"});
constexpr RecordLayout output_layout({"bytes", "findings", "records", "structured"});
constexpr RecordLayout resource_layout({"domains", "region", "segment", "sensitivity", "server",
                                        "uri"});

Value count_of(std::uint64_t count) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  return Value::integer(
      count > static_cast<std::uint64_t>(most) ? most : static_cast<std::int64_t>(count));
}

std::int64_t milliseconds(base::Time::duration duration) {
  return std::chrono::floor<std::chrono::milliseconds>(duration).count();
}

// A set of strings that live elsewhere.
Value strings(std::span<const std::string> texts, bool complete, cedar::Arena& arena) {
  if (texts.empty() && complete) return Value::empty_set();
  const auto values = arena.array<Value>(texts.size() + 1);
  std::size_t count = 0;
  for (const std::string& text : texts) values[count++] = Value::string(text);
  if (!complete) values[count++] = Value::string(model::incomplete);
  return Value::set(std::span<const Value>(values).first(count), arena);
}

Value strings_copied(std::span<const std::string> texts, cedar::Arena& arena) {
  const auto values = arena.array<Value>(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) values[i] = Value::string(arena.copy(texts[i]));
  return Value::set(values, arena);
}

// ---- who

cedar::Entity agent_of(const identity::CallerProfile& profile, bool quarantined,
                       const cedar::EntityView& known, cedar::Arena& arena) {
  std::vector<EntityUid> parents;
  for (const std::string& group : profile.groups)
    parents.emplace_back(model::group, arena.copy(group));
  for (const std::string& segment : profile.segments)
    parents.emplace_back(model::segment, arena.copy(segment));
  // Two tenants may have agents of one name.
  const std::string id = profile.tenant.value().empty()
                             ? profile.agent.value()
                             : profile.tenant.value() + "/" + profile.agent.value();
  RecordBuilder record(arena);
  record.add("tenant", Value::string(arena.copy(profile.tenant.value())))
      .add("department", Value::string(arena.copy(profile.department)))
      .add("clearance", Value::integer(profile.clearance))
      .add("domains", strings_copied(profile.domains, arena))
      .add("attested", Value::boolean(profile.method != identity::Method::loopback_anonymous))
      .add("quarantined", Value::boolean(quarantined));
  return cedar::make_entity({model::agent, arena.copy(std::string_view(id))}, record.finish(),
                            arena.copy(std::span<const EntityUid>(parents)), known, arena);
}

}  // namespace

KnownCaller& known_caller(const cedar::Entities& store, const identity::Caller& caller,
                          Scratch::State& state) {
  const auto found = state.callers.find(&caller.profile());
  if (found != state.callers.end()) return found->second;
  KnownCaller known{.profile = caller.shared(), .agent = {}, .user = {}};
  for (const bool quarantined : {false, true})
    known.agent[quarantined ? 1 : 0] = agent_of(caller.profile(), quarantined, store, state.kept);
  if (caller->user)
    known.user =
        Value::entity({model::user, state.kept.copy(caller->user->id.value())}, state.kept);
  return state.callers.emplace(&caller.profile(), std::move(known)).first->second;
}

KnownTool& known_tool(const Rules& rules, const Tool& tool, Scratch::State& state) {
  const auto found = state.tools.find(&tool);
  if (found != state.tools.end()) return found->second;
  const Tool::Content& content = tool.content();
  KnownTool known{
      .tool = tool.shared_from_this(),
      .entity = {},
      .reading = rules.readers.of(rules.policies, content.action.uid, content.action.ancestors)};
  for (std::size_t pinned = 0; pinned < known.entity.size(); ++pinned)
    known.entity[pinned] = cedar::make_entity(content.uid, content.attributes[pinned],
                                              content.parents, rules.store, state.kept);
  return state.tools.emplace(&tool, std::move(known)).first->second;
}

namespace {

// ---- what

// The attributes that a resource or prompt has from its server.
void add_server_facts(const ServerFacts& server, RecordSlots<resource_layout>& record,
                      cedar::Arena& arena) {
  const std::string_view segment = server.segment.empty() ? model::unassigned : server.segment;
  record.set("segment", Value::entity({model::segment, segment}, arena))
      .set("server", Value::entity({model::server, server.name}, arena))
      .set("region", Value::string(server.region))
      .set("sensitivity", Value::integer(server.sensitivity))
      .set("domains", strings(server.domains, true, arena));
}

void set_target(const Rules& rules, const Facts& facts, Scratch::State& state, Question& question) {
  cedar::Arena& arena = state.arena;
  cedar::Entity& resource = question.extra[1];
  cedar::Entity& action = question.extra[2];
  if (const auto* const target = std::get_if<ToolTarget>(&facts.target)) {
    base::check(target->tool != nullptr, "a tool is called");
    resource = known_tool(rules, *target->tool, state).entity[target->pinned ? 1 : 0];
    action = target->tool->content().action;
    return;
  }
  RecordSlots<resource_layout> record(arena);
  EntityUid uid;
  EntityUid server;
  if (const auto* const target = std::get_if<ResourceTarget>(&facts.target)) {
    base::check(target->server != nullptr, "a resource belongs to a server");
    add_server_facts(*target->server, record, arena);
    record.set("uri", Value::string(target->uri));
    uid = {model::resource, target->uri};
    server = {model::server, target->server->name};
    action.uid = model::read_resource;
  } else {
    const auto& prompt = std::get<PromptTarget>(facts.target);
    base::check(prompt.server != nullptr, "a prompt belongs to a server");
    add_server_facts(*prompt.server, record, arena);
    const std::string id = std::format("{}/{}", prompt.server->name, prompt.name);
    uid = {model::prompt, arena.copy(std::string_view(id))};
    server = {model::server, prompt.server->name};
    action.uid = model::get_prompt;
  }
  action.ancestors = action.parents = {&model::mcp, 1};
  resource = cedar::make_entity(
      uid, record.finish(), arena.copy(std::span<const EntityUid>(&server, 1)), rules.store, arena);
}

// ---- in which circumstances

Value session_of(const Facts& facts, const KnownCaller& caller, cedar::Arena& arena) {
  static const behaviour::Totals nothing;
  const behaviour::Totals& totals = facts.totals ? *facts.totals : nothing;
  const auto age = facts.totals ? facts.now - totals.started : base::Time::duration(0);
  RecordSlots<session_layout> record(arena);
  record.set("id", Value::string(facts.conversation))
      .set("calls", count_of(totals.calls))
      .set("denied", count_of(totals.denied))
      .set("recordsRead", count_of(totals.records))
      .set("bytesRead", count_of(totals.bytes))
      .set("taint", strings(totals.taint.all(), totals.taint.complete(), arena))
      .set("seen", strings(totals.domains.all(), totals.domains.complete(), arena))
      .set("age", Value::duration(milliseconds(age)));
  if (caller.user) record.set("user", caller.user);
  if (facts.explained && facts.explained->stated) {
    RecordSlots<purpose_layout> purpose(arena);
    purpose.set("by", strings(facts.explained->by, true, arena))
        .set("late", Value::boolean(facts.explained->late));
    record.set("purpose", purpose.finish());
  }
  return record.finish();
}

Value risk_of(const Facts& facts, cedar::Arena& arena) {
  Value signals = Value::empty_set();
  if (facts.risk && !facts.risk->signals.empty()) {
    const auto names = arena.array<Value>(facts.risk->signals.size());
    for (std::size_t i = 0; i < names.size(); ++i)
      names[i] = Value::string(behaviour::name(facts.risk->signals[i].kind));
    signals = Value::set(names, arena);
  }
  RecordSlots<risk_layout> record(arena);
  record.set("score", Value::integer(facts.risk ? facts.risk->score : 0)).set("signals", signals);
  if (facts.risk && facts.risk->rung > 0) record.set("rung", Value::integer(facts.risk->rung));
  return record.finish();
}

Value env_of(const Facts& facts, cedar::Arena& arena) {
  RecordSlots<env_layout> record(arena);
  record.set("now", Value::datetime(milliseconds(facts.now.time_since_epoch())))
      .set("region", Value::string(facts.region))
      .set("deviceTrusted", Value::boolean(facts.device_trusted))
      .set("kex", Value::string(facts.kex));
  if (const auto address = address_in(facts.peer)) record.set("ip", Value::ip(*address, arena));
  return record.finish();
}

Value findings_of(const inspect::Findings* findings, cedar::Arena& arena) {
  if (!findings || (findings->empty() && findings->complete())) return Value::empty_set();
  const auto values = arena.array<Value>(findings->items.size() * 2 + 1);
  std::size_t count = 0;
  for (const inspect::Finding& finding : findings->items) {
    values[count++] = Value::string(finding.rule);
    values[count++] = Value::string(inspect::name(finding.kind));
  }
  if (!findings->complete()) values[count++] = Value::string(model::incomplete);
  return Value::set(std::span<const Value>(values).first(count), arena);
}

// Several SQL texts count as one with all their tables that is certainly not a single statement.
Value sql_of(const Sightings& seen, cedar::Arena& arena) {
  SqlFacts all = sql_facts(seen.sql.front(), arena);
  std::vector<Value> tables;
  for (const std::string_view table : all.tables) tables.push_back(Value::string(table));
  for (std::size_t i = 1; i < seen.sql.size(); ++i) {
    const SqlFacts more = sql_facts(seen.sql[i], arena);
    if (more.verb != all.verb) all.verb = "unknown";
    all.multi = true;
    for (const std::string_view table : more.tables) tables.push_back(Value::string(table));
  }
  RecordSlots<sql_layout> record(arena);
  record.set("verb", Value::string(seen.too_many ? "unknown" : all.verb))
      .set("multi", Value::boolean(all.multi || seen.too_many))
      .set("tables", Value::set(tables, arena));
  return record.finish();
}

void add_destinations(const Sightings& seen, RecordSlots<derived_layout>& derived,
                      cedar::Arena& arena) {
  if (seen.urls.empty()) {
    derived.set("hosts", Value::empty_set());
    return;
  }
  const auto hosts = arena.array<Value>(seen.urls.size() + 1);
  std::size_t count = 0;
  Destination only;
  for (const std::string_view url : seen.urls) {
    const Destination here = destination_of(url, arena);
    hosts[count++] = Value::string(here.host);
    if (count == 1) only = here;
    if (here.host != only.host) only.certain = false;
  }
  if (seen.too_many) hosts[count++] = Value::string(model::incomplete);
  derived.set("hosts", Value::set(std::span<const Value>(hosts).first(count), arena));
  if (!only.certain || seen.too_many) return;
  derived.set("destHost", Value::string(only.host));
  if (only.ip) derived.set("destIp", Value::ip(*only.ip, arena));
}

Value provenance_of(const provenance::Origins& origins, cedar::Arena& arena) {
  const auto arguments = [&](provenance::What what) {
    const auto values = arena.array<Value>(origins.marks.size());
    std::size_t count = 0;
    for (const provenance::Mark& mark : origins.marks)
      if (mark.what == what) values[count++] = Value::string(mark.argument);
    return Value::set(std::span<const Value>(values).first(count), arena);
  };
  const auto sources = arena.array<Value>(origins.marks.size() + 1);
  std::size_t count = 0;
  for (const provenance::Mark& mark : origins.marks) sources[count++] = Value::string(mark.source);
  if (!origins.complete) sources[count++] = Value::string(model::incomplete);
  RecordSlots<provenance_layout> record(arena);
  record.set("steered", arguments(provenance::What::steered))
      .set("quoted", arguments(provenance::What::quoted))
      .set("sensitive", arguments(provenance::What::sensitive))
      .set("sources", Value::set(std::span<const Value>(sources).first(count), arena));
  return record.finish();
}

Value derived_of(const Facts& facts, const Sightings& seen, cedar::Arena& arena) {
  RecordSlots<derived_layout> record(arena);
  record.set("findings", findings_of(facts.findings, arena));
  if (facts.records) record.set("estimatedRecords", count_of(*facts.records));
  if (!seen.sql.empty()) record.set("sql", sql_of(seen, arena));
  add_destinations(seen, record, arena);
  if (facts.origins && !(facts.origins->marks.empty() && facts.origins->complete))
    record.set("provenance", provenance_of(*facts.origins, arena));
  if (facts.explained && facts.explained->stated)
    record.set("explained", strings(facts.explained->things, true, arena));
  return record.finish();
}

Value approval_of(const Approval& approval, cedar::Arena& arena) {
  RecordSlots<approval_layout> record(arena);
  record.set("approver", Value::entity({model::user, approval.approver}, arena))
      .set("level", Value::integer(approval.level))
      .set("expiresAt", Value::datetime(milliseconds(approval.expires.time_since_epoch())));
  return record.finish();
}

const ArgumentProgram& plain_arguments() {
  // Arguments of prompts are strings; whatever comes is converted as it is.
  static const ArgumentProgram program = *ArgumentProgram::compile({});
  return program;
}

// No value when the structured content cannot be converted.
Value output_of(const Rules& rules, const Facts& facts, Scratch::State& state, Refusal& refusal) {
  const Output& output = *facts.output;
  RecordSlots<output_layout> record(state.arena);
  record.set("records", count_of(output.records))
      .set("bytes", count_of(output.bytes))
      .set("findings", findings_of(output.findings, state.arena));
  const auto* const target = std::get_if<ToolTarget>(&facts.target);
  if (target != nullptr && output.structured.exists() &&
      known_tool(rules, *target->tool, state).reading.structured) {
    Sightings not_arguments;
    const Value structured = target->tool->content().output.convert(
        output.structured, state.arena, not_arguments, refusal, rules.reads);
    refusal.answer = true;
    if (!structured) return {};
    record.set("structured", structured);
  }
  return record.finish();
}

const KnownCaller& set_caller(const Rules& rules, const Facts& facts, Scratch::State& state,
                              Question& question) {
  base::check(facts.caller != nullptr, "somebody calls");
  const KnownCaller& caller = known_caller(rules.store, *facts.caller, state);
  question.extra[0] = caller.agent[facts.quarantined ? 1 : 0];
  return caller;
}

void finish(Question& question, const Value& context) {
  question.request = {.principal = question.extra[0].uid,
                      .action = question.extra[2].uid,
                      .resource = question.extra[1].uid,
                      .context = context};
}

}  // namespace

void Scratch::State::begin(const Engine& next) {
  arena.reset();
  seen.clear();
  recalled.clear();
  asked = false;
  if (engine.get() == &next && callers.size() < most_kept && tools.size() < most_kept) return;
  callers.clear();
  tools.clear();
  kept.reset();
  engine = next.shared_from_this();
}

OutputReaders::Reading reading_of(const Rules& rules, const Facts& facts, Scratch::State& state) {
  if (const auto* const target = std::get_if<ToolTarget>(&facts.target))
    return known_tool(rules, *target->tool, state).reading;
  const bool resource = std::holds_alternative<ResourceTarget>(facts.target);
  return rules.readers.of(rules.policies, resource ? model::read_resource : model::get_prompt,
                          {&model::mcp, 1});
}

bool ask(const Rules& rules, const Facts& facts, Scratch::State& state, Question& question,
         Refusal& refusal) {
  cedar::Arena& arena = state.arena;
  const KnownCaller& caller = set_caller(rules, facts, state, question);
  set_target(rules, facts, state, question);
  RecordSlots<context_layout> context(arena);
  if (!std::holds_alternative<ResourceTarget>(facts.target)) {
    const auto* const target = std::get_if<ToolTarget>(&facts.target);
    const ArgumentProgram& program = target ? target->tool->content().arguments : plain_arguments();
    const Value input = program.convert(facts.arguments, arena, state.seen, refusal, rules.reads);
    if (!input) {
      finish(question, Value::empty_record());
      return false;
    }
    context.set("input", input);
  } else if (looks_like_url(std::get<ResourceTarget>(facts.target).uri)) {
    state.seen.urls.push_back(std::get<ResourceTarget>(facts.target).uri);
  }
  context.set("session", session_of(facts, caller, arena))
      .set("risk", risk_of(facts, arena))
      .set("env", env_of(facts, arena))
      .set("derived", derived_of(facts, state.seen, arena));
  if (facts.approval) context.set("approval", approval_of(*facts.approval, arena));
  if (facts.output) {
    const Value output = output_of(rules, facts, state, refusal);
    if (!output) {
      finish(question, Value::empty_record());
      return false;
    }
    context.set("output", output);
  }
  finish(question, context.finish());
  return true;
}

void ask_ahead(const Rules& rules, const Facts& facts, Scratch::State& state, Question& question) {
  cedar::Arena& arena = state.arena;
  const KnownCaller& caller = set_caller(rules, facts, state, question);
  set_target(rules, facts, state, question);
  // Of the conversation only the person behind it is certain.
  RecordSlots<session_layout> session(arena);
  session.set("id", Value::unknown())
      .set("calls", Value::unknown())
      .set("denied", Value::unknown())
      .set("recordsRead", Value::unknown())
      .set("bytesRead", Value::unknown())
      .set("taint", Value::unknown())
      .set("seen", Value::unknown())
      .set("age", Value::unknown())
      .set("purpose", Value::unknown(true));
  if (caller.user) session.set("user", caller.user);
  RecordSlots<context_layout> context(arena);
  if (!std::holds_alternative<ResourceTarget>(facts.target)) context.set("input", Value::unknown());
  context.set("session", session.finish())
      .set("risk", Value::unknown())
      .set("env", Value::unknown())
      .set("derived", Value::unknown())
      .set("approval", Value::unknown(true));
  finish(question, context.finish());
}

}  // namespace latticegate::policy
