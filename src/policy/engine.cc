#include "policy/engine.h"

#include <algorithm>
#include <format>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "cedar/authorize.h"
#include "cedar/explain.h"
#include "cedar/policy_set.h"
#include "cedar/program.h"
#include "cedar/schema.h"
#include "cedar/validate.h"
#include "crypto/hash.h"
#include "inspect/redact.h"
#include "json/write.h"
#include "policy/detail/asked_writer.h"
#include "policy/detail/denial.h"
#include "policy/detail/load.h"
#include "policy/detail/model.h"
#include "policy/detail/question.h"
#include "policy/detail/tool_content.h"
#include "policy/reads.h"

namespace latticegate::policy {

using base::Code;
using cedar::EntityUid;

struct Engine::Snapshot {
  cedar::Program program;
  cedar::PolicySet policies;                         // of the program
  std::vector<std::vector<Obligation>> obligations;  // by policy
  std::vector<cedar::PolicyIndex> baits;             // with honeypot: they hide no tool
  TemporalRules temporal;
  Reads reads;
  OutputReaders readers;
  cedar::Entities store;
  std::vector<std::string> warnings;
  std::string hash;
  std::string world;
  std::string person_key;
  std::uint64_t epoch = 0;

  Rules rules() const { return {policies, store, reads, readers}; }
  // Of several policies, without repetition.
  std::vector<Obligation> of(std::span<const cedar::PolicyIndex> indices) const {
    std::vector<Obligation> all;
    for (const cedar::PolicyIndex index : indices)
      for (const Obligation& obligation : obligations[index])
        if (std::ranges::find(all, obligation) == all.end()) all.push_back(obligation);
    return all;
  }
  bool has(cedar::PolicyIndex index, Obligation::Kind kind) const {
    return std::ranges::find(obligations[index], kind, &Obligation::kind) !=
           obligations[index].end();
  }
};

namespace {

bool allowed(const cedar::Answer& answer) {
  return answer.decision == cedar::Decision::allow && !answer.forbid_failed;
}

Reason reason_of(const cedar::Answer& answer) {
  if (answer.decision == cedar::Decision::allow) return Reason::forbid_error;
  if (!answer.reasons.empty()) return Reason::forbidden;
  return answer.forbid_failed ? Reason::forbid_error : Reason::not_permitted;
}

std::pair<std::string_view, std::string_view> server_and_target(const Target& target) {
  if (const auto* const tool = std::get_if<ToolTarget>(&target))
    return {tool->tool->server(), tool->tool->name()};
  if (const auto* const resource = std::get_if<ResourceTarget>(&target))
    return {resource->server->name, resource->uri};
  const auto& prompt = std::get<PromptTarget>(target);
  return {prompt.server->name, prompt.name};
}

// What decisions read of the World; lengths keep the parts apart.
std::string hash_of(const World& world) {
  crypto::Sha256 hash;
  const auto text = [&](std::string_view part) {
    hash.update(std::format("{}:", part.size())).update(part);
  };
  const auto list = [&](const std::vector<std::string>& parts) {
    hash.update(std::format("[{}]", parts.size()));
    for (const std::string& part : parts) text(part);
  };
  for (const identity::User& user : world.users) {
    text("user");
    text(user.id.value());
    text(user.department);
    text(user.residency);
    hash.update(std::format("{};", user.clearance));
    list(user.roles);
    list(user.groups);
  }
  for (const auto& [what, names] :
       {std::pair("group", &world.groups), std::pair("segment", &world.segments)})
    for (const Named& name : *names) {
      text(what);
      text(name.name);
      list(name.in);
    }
  for (const ServerFacts& server : world.servers) {
    text("server");
    text(server.name);
    text(server.segment);
    text(server.region);
    hash.update(std::format("{};{};", server.verified, server.sensitivity));
    list(server.domains);
  }
  for (const std::string& id : world.without) text(id);
  return crypto::to_hex(hash.finish()).substr(0, 16);
}

// What a call that is not allowed gets.
Challenge refusal_of(const cedar::PolicySet& policies, const Question& question,
                     const cedar::EntityView& entities, cedar::Arena& arena,
                     const cedar::Answer& answer) {
  return {.level = 0,
          .denial = denial_of(reason_of(answer),
                              cedar::explain(policies, question.request, entities, arena, answer))};
}

}  // namespace

Scratch::Scratch() : state_(std::make_unique<State>()) {}
Scratch::Scratch(Scratch&&) noexcept = default;
Scratch& Scratch::operator=(Scratch&&) noexcept = default;
Scratch::~Scratch() = default;

Engine::Engine(std::unique_ptr<const Snapshot> snapshot) : snapshot_(std::move(snapshot)) {}
Engine::~Engine() = default;
std::uint64_t Engine::epoch() const { return snapshot_->epoch; }
const std::string& Engine::hash() const { return snapshot_->hash; }
const std::string& Engine::world() const { return snapshot_->world; }
std::size_t Engine::policies() const { return snapshot_->policies.size(); }
const std::vector<std::string>& Engine::warnings() const { return snapshot_->warnings; }

base::Result<std::shared_ptr<const Engine>> Engine::load(const World& world,
                                                         std::span<const PolicyText> texts,
                                                         const Options& options) {
  auto snapshot = std::make_unique<Snapshot>();
  auto policies = read_policies(texts, options.built_in, &world);
  if (!policies) return std::unexpected(std::move(policies).error());
  auto store = entities_of(world);
  if (!store) return std::unexpected(std::move(store).error());
  for (const Diagnostic& warning : unknown_names(policies->set, world))
    snapshot->warnings.push_back(describe(warning));
  for (const Diagnostic& warning : unlinked_templates(policies->set))
    snapshot->warnings.push_back(describe(warning));
  snapshot->policies = std::move(policies->set);
  snapshot->program = cedar::Program::compile(snapshot->policies);
  snapshot->obligations = std::move(policies->obligations);
  for (cedar::PolicyIndex index = 0; index < snapshot->obligations.size(); ++index)
    if (snapshot->has(index, Obligation::Kind::honeypot)) snapshot->baits.push_back(index);
  snapshot->temporal = std::move(policies->temporal);
  // Temporal conditions look at events, and so at arguments, in words of their own.
  if (snapshot->temporal.empty()) snapshot->reads = Reads(snapshot->policies);
  snapshot->readers = OutputReaders(snapshot->policies);
  snapshot->store = *std::move(store);
  snapshot->epoch = options.epoch;
  crypto::Sha256 hash;
  if (options.built_in) hash.update(built_in_policies(&world));
  for (const PolicyText& text : texts)
    hash.update(std::format("{}:{}:{}:", text.file.size(), text.file, text.text.size()))
        .update(text.text);
  snapshot->hash = crypto::to_hex(hash.finish());
  snapshot->world = hash_of(world);
  snapshot->person_key = world.person_key;
  return std::shared_ptr<const Engine>(new Engine(std::move(snapshot)));
}

Decision Engine::decide(const Facts& facts, Mode mode, Scratch& scratch) const {
  const Snapshot& snapshot = *snapshot_;
  Scratch::State& state = scratch.state();
  state.begin(*this);
  Question question;
  Refusal refusal;
  std::optional<Challenge> refused;
  if (!ask(snapshot.rules(), facts, state, question, refusal)) {
    refused = Challenge{.level = 0, .denial = denial_of(refusal)};
  } else {
    note(facts, state, question);
    if (!snapshot.temporal.empty()) recall(facts.call, facts.now, facts.histories, state, question);
    const cedar::EntityView entities(snapshot.store, question.extra);
    cedar::decide(snapshot.program, question.request, entities, state.arena, state.slate,
                  state.answer);
    if (!allowed(state.answer)) {
      refused = refusal_of(snapshot.policies, question, entities, state.arena, state.answer);
      complete(state.answer, *refused);
    }
  }
  if (refused && mode == Mode::enforce) {
    if (refused->level > 0) return *std::move(refused);
    return std::move(refused->denial);
  }

  Permit permit;
  const auto [server, target] = server_and_target(facts.target);
  permit.call_ = facts.call;
  permit.server_ = server;
  permit.target_ = target;
  permit.epoch_ = snapshot.epoch;
  permit.mode_ = mode;
  permit.snapshot_ = shared_from_this();
  if (!snapshot.temporal.empty())
    for (const Recalled& one : state.recalled)
      permit.recalled_.emplace_back(one.attribute, one.truth);
  if (refused) {
    permit.would_ = std::make_unique<const Challenge>(*std::move(refused));
  } else {
    permit.policies_.reserve(state.answer.reasons.size());
    for (const cedar::PolicyIndex index : state.answer.reasons)
      permit.policies_.push_back(snapshot.policies[index].id);
    permit.obligations_ = snapshot.of(state.answer.reasons);
  }
  return permit;
}

namespace {

// What an event of the call says, as a record.
cedar::Value event_of(std::string_view call, const Question& question, cedar::Arena& arena) {
  constexpr cedar::Name input{"input"};
  constexpr cedar::Name derived{"derived"};
  constexpr cedar::Name output{"output"};
  constexpr cedar::Name session{"session"};
  constexpr cedar::Name user{"user"};
  const cedar::Value& context = question.request.context;
  cedar::RecordBuilder record(arena);
  for (const cedar::Name& part : {input, derived, output})
    if (const cedar::Value value = context.field(part)) record.add(part, value);
  record.add("callerPrincipal", cedar::Value::entity(&question.request.principal))
      .add("callerResource", cedar::Value::entity(&question.request.resource))
      .add("requestId", cedar::Value::string(call));
  if (const cedar::Value who = context.field(session).field(user)) record.add("callerUser", who);
  return record.finish();
}

}  // namespace

void Engine::recall(std::string_view call, base::Time now, const Histories& histories,
                    Scratch::State& state, Question& question) const {
  const TemporalRules& temporal = snapshot_->temporal;
  state.recalled.clear();
  const RecordFields fields(event_of(call, question, state.arena));
  const temporal::Event event{.action = question.request.action,
                              .groups = question.extra[2].ancestors,
                              .kind = "request",
                              .at = now,
                              .fields = &fields};
  const cedar::EntityView entities(snapshot_->store, question.extra);
  for (std::size_t i = 0; i < whose_count; ++i) {
    History* const history = histories.at(i);
    if (history == nullptr || temporal.monitors.at(i) == nullptr) continue;
    const std::scoped_lock lock(history->mutex_);
    history->changed_ = true;
    if (history->epoch_ > snapshot_->epoch) {
      history->state_.observe(event);
      continue;
    }
    history->epoch_ = snapshot_->epoch;
    history->state_.attend(temporal.monitors.at(i));
    policy::recall(temporal, static_cast<Whose>(i), history->state_, event, question.request,
                   entities, state.recalled);
  }
  question.request.context = with_recalled(question.request.context, state.recalled, state.arena);
}

std::optional<std::string> Engine::misfit(const Tool& tool) const {
  const std::shared_ptr<const Tool> listed = tool.shared_from_this();
  const auto schema = cedar::parse_schema(schema_text({&listed, 1}), "the model");
  if (!schema) return "its arguments cannot be described: " + schema.error().detail;
  const cedar::Entity& action = tool.content().action;
  const std::string environment = cedar::to_text(action.uid);
  for (const cedar::Policy& policy : snapshot_->policies.policies()) {
    if (!admits(policy, action.uid, action.ancestors)) continue;
    for (const cedar::Finding& finding : cedar::validate(policy, *schema).findings)
      if (cedar::is_error(finding.problem) && finding.environment.contains(environment))
        return cedar::describe(finding);
  }
  return std::nullopt;
}

bool Engine::judges_answer(const Facts& facts, Scratch& scratch) const {
  Scratch::State& state = scratch.state();
  state.begin(*this);
  return reading_of(snapshot_->rules(), facts, state).output;
}

bool Engine::plants() const { return !snapshot_->baits.empty(); }

bool Engine::looks_back() const { return !snapshot_->temporal.empty(); }

void Engine::remember(const Facts& after, Scratch& scratch) const {
  const TemporalRules& temporal = snapshot_->temporal;
  if (temporal.empty()) return;
  Scratch::State& state = scratch.state();
  state.begin(*this);
  Question question;
  Refusal refusal;
  // What the answer says is read as it is below: no policy is asked now, so nothing is converted.
  Facts asked = after;
  if (asked.output) asked.output->structured = {};
  if (!ask(snapshot_->rules(), asked, state, question, refusal))
    return;  // it was not decided either
  const RecordFields fields(event_of(after.call, question, state.arena),
                            after.output ? after.output->structured : json::Value());
  const temporal::Event event{.action = question.request.action,
                              .groups = question.extra[2].ancestors,
                              .kind = after.output ? "response" : "error",
                              .at = after.now,
                              .fields = &fields};
  for (std::size_t i = 0; i < whose_count; ++i) {
    History* const history = after.histories.at(i);
    if (history == nullptr || temporal.monitors.at(i) == nullptr) continue;
    const std::scoped_lock lock(history->mutex_);
    history->state_.observe(event);
    history->changed_ = true;
  }
}

void Engine::note(const Facts& facts, Scratch::State& state, const Question& question) const {
  state.asked = true;
  state.asked_call = facts.call;
  state.asked_question = question;
}

std::string_view name(Judgement::Kind kind) {
  switch (kind) {
    case Judgement::Kind::allow: return "allow";
    case Judgement::Kind::deny: return "deny";
    case Judgement::Kind::step_up: return "step_up";
  }
  std::unreachable();
}

// The judgement out of state.answer.
void Engine::conclude(Scratch::State& state, const Question& question, Judgement& judgement,
                      std::string* why, bool values) const {
  const cedar::Answer& answer = state.answer;
  for (const cedar::PolicyIndex index : answer.reasons)
    judgement.policies.push_back(snapshot_->policies[index].id);
  if (allowed(answer)) {
    judgement.kind = Judgement::Kind::allow;
    return;
  }
  judgement.reason = reason_of(answer);
  if (judgement.reason == Reason::forbid_error) judgement.policies.clear();
  for (const cedar::PolicyFailure& failure : answer.errors)
    if (snapshot_->policies[failure.policy].effect == cedar::Effect::forbid)
      judgement.policies.push_back(snapshot_->policies[failure.policy].id);
  judgement.level = lifting_level(answer);
  judgement.kind = judgement.level > 0 ? Judgement::Kind::step_up : Judgement::Kind::deny;
  if (why == nullptr) return;
  const cedar::EntityView entities(snapshot_->store, question.extra);
  *why = explanation(
      refusal_of(snapshot_->policies, question, entities, state.arena, answer).denial, values);
}

namespace {

bool shows_values(const Facts& facts) {
  return facts.findings == nullptr ||
         (facts.findings->complete() && !facts.findings->has(inspect::FindingKind::secret));
}

void start(Judgement& judgement, std::string* why) {
  judgement.kind = Judgement::Kind::deny;
  judgement.reason = Reason::not_permitted;
  judgement.level = 0;
  judgement.unsure = false;
  judgement.policies.clear();
  judgement.recalled.clear();
  if (why != nullptr) why->clear();
}

}  // namespace

void Engine::judge(const Facts& facts, Scratch& scratch, Judgement& judgement,
                   std::string* why) const {
  const Snapshot& snapshot = *snapshot_;
  Scratch::State& state = scratch.state();
  state.begin(*this);
  start(judgement, why);
  Question question;
  Refusal refusal;
  if (!ask(snapshot.rules(), facts, state, question, refusal)) {
    judgement.reason = Reason::arguments;
    if (why != nullptr) *why = explanation(denial_of(refusal), shows_values(facts));
    return;
  }
  if (!snapshot.temporal.empty()) {
    recall(facts.call, facts.now, facts.histories, state, question);
    for (const Recalled& one : state.recalled)
      judgement.recalled.emplace_back(one.attribute, one.truth);
  }
  const cedar::EntityView entities(snapshot.store, question.extra);
  cedar::decide(snapshot.program, question.request, entities, state.arena, state.slate,
                state.answer);
  conclude(state, question, judgement, why, shows_values(facts));
}

base::Result<PastCall> Engine::read_asked(json::Value asked, const People& people,
                                          cedar::Arena& arena) const {
  return policy::read_asked(asked, snapshot_->store, people, arena);
}

const cedar::Entities& Engine::known() const { return snapshot_->store; }

std::optional<ContextReads> Engine::context_reads() const {
  if (looks_back()) return std::nullopt;
  return ContextReads(snapshot_->policies);
}

namespace {

Question question_of(const PastCall& past) {
  return {.request = past.request, .extra = {past.principal, past.resource, past.action}};
}

// A past call as an event: what was not recorded may have been anything.
class PastFields final : public temporal::Fields {
 public:
  PastFields(const PastCall& past, const cedar::Value& record) : past_(past), record_(record) {}
  cedar::Value find(std::span<const cedar::Name> path) const override {
    cedar::Value value = record_;
    for (const cedar::Name& name : path)
      value = value.is(cedar::Kind::record) ? value.field(name) : cedar::Value();
    if (value) return value;
    const std::string_view first = path.front().text();
    const bool whole = past_.missing.empty() && past_.left_out.empty();
    const bool recorded =
        first != "output" && first != "input" && first != "derived" && first != "callerUser";
    if (recorded || (first != "output" && whole)) return {};
    return cedar::Value::unknown();
  }

 private:
  const PastCall& past_;
  cedar::Value record_;
};

}  // namespace

void Engine::judge(const PastCall& past, std::string_view call, base::Time now,
                   const Histories& histories, Scratch& scratch, Judgement& judgement,
                   std::string* why) const {
  const Snapshot& snapshot = *snapshot_;
  Scratch::State& state = scratch.state();
  state.begin(*this);
  start(judgement, why);
  for (const LeftOut& path : past.left_out)
    if (path.empty() || snapshot.reads.any_of(path)) {
      judgement.reason = Reason::arguments;
      if (why != nullptr) *why = "arguments: a number has no exact value";
      return;
    }
  Question question = question_of(past);
  if (!snapshot.temporal.empty()) {
    recall(call, now, histories, state, question);
    const auto asked =
        std::ranges::count_if(snapshot.temporal.rules, [&](const TemporalRules::Rule& rule) {
          return admits(*rule.policy, past.action.uid, past.action.ancestors);
        });
    judgement.unsure = state.recalled.size() < static_cast<std::size_t>(asked);
  }
  const cedar::EntityView entities(snapshot.store, question.extra);
  cedar::decide(snapshot.program, question.request, entities, state.arena, state.slate,
                state.answer);
  conclude(state, question, judgement, why);
}

void Engine::judge_answer(const PastCall& past, Scratch& scratch, Judgement& judgement,
                          std::string* why) const {
  base::check(!looks_back(), "what was recalled is not recorded");
  Scratch::State& state = scratch.state();
  state.begin(*this);
  start(judgement, why);
  const Question question = question_of(past);
  const cedar::EntityView entities(snapshot_->store, question.extra);
  cedar::decide(snapshot_->program, question.request, entities, state.arena, state.slate,
                state.answer);
  conclude(state, question, judgement, why);
  if (lets_out(state.answer)) judgement.kind = Judgement::Kind::allow;
}

bool Engine::judges_answer(const PastCall& past) const {
  return snapshot_->readers.of(snapshot_->policies, past.action.uid, past.action.ancestors).output;
}

void Engine::pass(const PastCall& past, std::string_view call, base::Time now,
                  const Histories& histories, Scratch& scratch) const {
  take(past, call, "request", {}, now, histories, scratch);
}

void Engine::remember(const PastCall& past, std::string_view call,
                      const std::optional<PastOutput>& output, base::Time at,
                      const Histories& histories, Scratch& scratch) const {
  take(past, call, output ? "response" : "error", output, at, histories, scratch);
}

void Engine::take(const PastCall& past, std::string_view call, std::string_view kind,
                  const std::optional<PastOutput>& output, base::Time at,
                  const Histories& histories, Scratch& scratch) const {
  const TemporalRules& temporal = snapshot_->temporal;
  if (temporal.empty()) return;
  Scratch::State& state = scratch.state();
  state.begin(*this);
  Question question = question_of(past);
  if (output) {
    const auto count = [](std::uint64_t number) {
      return cedar::Value::integer(static_cast<std::int64_t>(
          std::min(number, std::uint64_t{std::numeric_limits<std::int64_t>::max()})));
    };
    cedar::RecordBuilder record(state.arena);
    record.add("records", count(output->records)).add("bytes", count(output->bytes));
    const cedar::Value answer = record.finish();
    cedar::RecordBuilder context(state.arena);
    for (const cedar::Field& field : question.request.context.fields())
      context.add(field.name, field.value);
    context.add("output", answer);
    question.request.context = context.finish();
  }
  const PastFields fields(past, event_of(call, question, state.arena));
  const temporal::Event event{.action = question.request.action,
                              .groups = question.extra[2].ancestors,
                              .kind = kind,
                              .at = at,
                              .fields = &fields};
  for (std::size_t i = 0; i < whose_count; ++i) {
    History* const history = histories.at(i);
    if (history == nullptr || temporal.monitors.at(i) == nullptr) continue;
    const std::scoped_lock lock(history->mutex_);
    history->epoch_ = snapshot_->epoch;
    history->state_.attend(temporal.monitors.at(i));
    history->state_.observe(event);
    history->changed_ = true;
  }
}

// Obligations, and the level of an approval that would lift every forbid, if there is one.
void Engine::complete(const cedar::Answer& answer, Challenge& refused) const {
  std::vector<cedar::PolicyIndex> concerned;
  if (refused.denial.reason == Reason::forbidden) concerned = answer.reasons;
  for (const cedar::PolicyFailure& failure : answer.errors)
    if (snapshot_->policies[failure.policy].effect == cedar::Effect::forbid)
      concerned.push_back(failure.policy);
  refused.denial.obligations = snapshot_->of(concerned);
  refused.level = lifting_level(answer);
}

// The level of an approval that would lift every forbid that holds; 0 when none would.
std::int64_t Engine::lifting_level(const cedar::Answer& answer) const {
  const bool liftable = reason_of(answer) == Reason::forbidden && !answer.forbid_failed &&
                        std::ranges::all_of(answer.reasons, [&](cedar::PolicyIndex index) {
                          return snapshot_->has(index, Obligation::Kind::step_up);
                        });
  std::int64_t level = 0;
  if (liftable)
    for (const cedar::PolicyIndex index : answer.reasons)
      for (const Obligation& obligation : snapshot_->obligations[index])
        if (obligation.kind == Obligation::Kind::step_up)
          level = std::max(level, obligation.number);
  return level;
}

bool Engine::may_see(const Facts& facts, Scratch& scratch) const {
  Scratch::State& state = scratch.state();
  state.begin(*this);
  Question question;
  ask_ahead(snapshot_->rules(), facts, state, question);
  if (!snapshot_->temporal.empty()) {
    state.recalled.clear();
    for (const TemporalRules::Rule& rule : snapshot_->temporal.rules)
      state.recalled.push_back({rule.attribute, cedar::Value::unknown()});
    question.request.context = with_recalled(question.request.context, state.recalled, state.arena);
  }
  const cedar::EntityView entities(snapshot_->store, question.extra);
  return cedar::foresee(snapshot_->program, question.request, entities, state.arena, state.slate,
                        snapshot_->baits)
      .may_allow();
}

bool Engine::ask_again(const Facts& after, Remembered recalled, Scratch::State& state,
                       Question& question, Refusal& refusal) const {
  if (!ask(snapshot_->rules(), after, state, question, refusal)) return false;
  if (!recalled.empty()) {
    state.recalled.clear();
    for (const auto& [attribute, truth] : recalled) state.recalled.push_back({attribute, truth});
    question.request.context = with_recalled(question.request.context, state.recalled, state.arena);
  }
  const cedar::EntityView entities(snapshot_->store, question.extra);
  cedar::decide(snapshot_->program, question.request, entities, state.arena, state.slate,
                state.answer);
  return true;
}

bool Engine::lets_out(const cedar::Answer& answer) const {
  if (allowed(answer)) return true;
  return reason_of(answer) == Reason::forbidden && !answer.forbid_failed &&
         std::ranges::all_of(answer.reasons, [&](cedar::PolicyIndex index) {
           return snapshot_->has(index, Obligation::Kind::redact);
         });
}

void Engine::judge_answer(const Facts& after, Scratch& scratch, Judgement& judgement,
                          std::string* why) const {
  Scratch::State& state = scratch.state();
  state.begin(*this);
  const auto recalled = std::move(judgement.recalled);
  start(judgement, why);
  Question question;
  Refusal refusal;
  if (!ask_again(after, recalled, state, question, refusal)) {
    judgement.reason = Reason::answer;
    if (why != nullptr) *why = explanation(denial_of(refusal), shows_values(after));
    return;
  }
  conclude(state, question, judgement, why, shows_values(after));
  if (lets_out(state.answer)) judgement.kind = Judgement::Kind::allow;
}

Release Engine::release(const Permit& permit, const Facts& after, Scratch& scratch) const {
  base::check(permit.call() == after.call, "a permit releases the answer of its own call");
  base::check(after.output.has_value(), "there is an answer to release");
  const Snapshot& snapshot = *snapshot_;
  Scratch::State& state = scratch.state();
  state.begin(*this);
  Question question;
  Refusal refusal;
  Released released;
  std::optional<Challenge> refused;
  if (!ask_again(after, permit.recalled_, state, question, refusal)) {
    refused = Challenge{.level = 0, .denial = denial_of(refusal)};
  } else {
    const cedar::EntityView entities(snapshot.store, question.extra);
    const cedar::Answer& answer = state.answer;
    if (lets_out(answer)) {
      released.obligations = snapshot.of(answer.reasons);
      for (const Obligation& obligation : released.obligations) {
        if (obligation.kind != Obligation::Kind::redact) continue;
        released.redact_secrets |= obligation.text != "hidden_text";
        released.redact_hidden_text |= obligation.text != "secret";
      }
    } else {
      refused = refusal_of(snapshot.policies, question, entities, state.arena, answer);
      complete(answer, *refused);
    }
  }
  if (!refused) return released;
  if (permit.mode() == Mode::enforce) return Withheld{std::move(refused->denial)};
  released.would_deny = std::make_unique<const Denial>(std::move(refused->denial));
  return released;
}

namespace {

// Facts without the strings in which inspection found secrets. What is left of such a string could
// still be one, or look like one to those who scan the log, so it goes as a whole. There are none
// when a secret is a name.
class Redacted {
 public:
  Redacted(const Facts& facts, const Recording& recording) : facts_(facts) {
    std::vector<json::Edit> edits;
    for (const inspect::Finding& finding : recording.findings->items) {
      if (finding.kind != inspect::FindingKind::secret) continue;
      ++secrets_;
      if (finding.in_key) return;
      if (!edits.empty() && edits.back().at.node() == finding.at.node()) continue;
      json::Edit edit{finding.at, {}};
      // The mark of a digest: that of the text would show its end.
      const std::string digest =
          crypto::to_hex(crypto::hmac_sha256(recording.redaction_key, finding.at.text_or("")));
      json::write_string(
          inspect::redaction_mark(finding.rule, digest.substr(0, 16), recording.redaction_key),
          edit.text);
      edits.push_back(std::move(edit));
    }
    std::string text;
    json::in_document_order(edits);
    json::write(recording.scanned, edits, text);
    auto parsed =
        json::Document::parse(text, {.size = base::Bytes{2 * text.size() + 64}, .depth = 256});
    if (!parsed) return;
    document_ = *std::move(parsed);
    const json::Value root = document_->root();
    facts_.arguments = root["arguments"];
    if (auto* const resource = std::get_if<ResourceTarget>(&facts_.target))
      resource->uri = root["uri"].text_or("");
    if (auto* const prompt = std::get_if<PromptTarget>(&facts_.target))
      prompt->name = root["name"].text_or("");
    good_ = true;
  }
  explicit operator bool() const { return good_; }
  const Facts& facts() const { return facts_; }
  std::size_t secrets() const { return secrets_; }

 private:
  Facts facts_;
  std::optional<json::Document> document_;
  std::size_t secrets_ = 0;
  bool good_ = false;
};

// An entity, from what is known of it already if there is such a place.
void write_once(std::string* known, const cedar::Entity& entity, std::span<const EntityUid> parents,
                std::string_view person_key, std::string& out) {
  if (known == nullptr) {
    AskedWriter(out, SIZE_MAX, 1, person_key).entity(entity, parents);
    return;
  }
  if (known->empty()) AskedWriter(*known, SIZE_MAX, 1, person_key).entity(entity, parents);
  out += *known;
}

std::string_view word_for(AskedWriter::Trouble trouble) {
  return trouble == AskedWriter::Trouble::depth ? "depth" : "size";
}

// Bytes of a derived text may be cut anywhere; JSON may not.
bool readable(std::string_view text) {
  std::uint64_t bits = 0;
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) bits |= cedar::word_of(text.data() + at, 8);
  bits |= cedar::word_of(text.data() + at, text.size() - at);
  return (bits & 0x8080808080808080U) == 0 || base::is_utf8(text);
}

}  // namespace

void Engine::write_asked(const Facts& given, const Recording& recording, Scratch& scratch,
                         std::string& out) const {
  Scratch::State& state = scratch.state();
  const std::size_t begin = out.size();
  std::string_view missing;
  std::optional<Redacted> redacted;
  const Facts* facts = &given;
  if (!recording.context) {
    missing = recording.without;
  } else if (recording.findings != nullptr && !recording.findings->complete()) {
    missing = "inspection";
  } else if (recording.findings != nullptr &&
             recording.findings->has(inspect::FindingKind::secret)) {
    redacted.emplace(given, recording);
    if (*redacted)
      facts = &redacted->facts();
    else
      missing = "redaction";
  }
  Question question;
  bool asked = state.asked && state.engine.get() == this && state.asked_call == given.call;
  if (asked && !redacted) {
    question = state.asked_question;
  } else {
    state.begin(*this);
    if (missing.empty()) {
      Refusal refusal;
      asked = ask(snapshot_->rules(), *facts, state, question, refusal);
      if (!asked) missing = redacted ? "redaction" : "arguments";
    }
  }
  // Nothing of a target that could hold a secret, unless it was replaced.
  const auto* const target = std::get_if<ToolTarget>(&facts->target);
  const bool named = target != nullptr || missing.empty();
  const std::size_t end = begin + recording.bytes - std::min<std::size_t>(recording.bytes, 256);
  if (named && question.request.action.id().empty())
    ask_ahead(snapshot_->rules(), *facts, state, question);

  KnownCaller& caller = known_caller(snapshot_->store, *facts->caller, state);
  if (caller.user && caller.mark.empty())
    caller.mark = person_mark(snapshot_->person_key, caller.user.uid().id());
  AskedWriter writer(out, end, 1, snapshot_->person_key);
  if (caller.user) writer.know(&caller.user.uid(), caller.mark);
  KnownTool* const tool =
      target != nullptr ? &known_tool(snapshot_->rules(), *target->tool, state) : nullptr;
  if (named) {
    out += R"({"action":)";
    std::string* const known = tool != nullptr ? &tool->asked_action : nullptr;
    write_once(known, question.extra[2], question.extra[2].ancestors, snapshot_->person_key, out);
    if (missing.empty()) {
      const std::size_t before = out.size();
      out += R"(,"context":)";
      writer.value(question.request.context);
      if (writer.trouble() == AskedWriter::Trouble::none && !state.seen.left_out.empty()) {
        out += R"(,"left_out":)";
        writer.left_out(state.seen.left_out);
      }
      if (writer.trouble() != AskedWriter::Trouble::none) {
        missing = word_for(writer.trouble());
        out.resize(before);
      }
    }
    if (!missing.empty()) out += std::format(R"(,"missing":"{}")", missing);
    out += R"(,"principal":)";
    write_once(&caller.asked[given.quarantined ? 1 : 0], question.extra[0],
               question.extra[0].parents, snapshot_->person_key, out);
    if (redacted && missing.empty()) out += std::format(R"(,"redacted":{})", redacted->secrets());
    out += R"(,"resource":)";
    write_once(tool != nullptr ? &tool->asked[target->pinned ? 1 : 0] : nullptr, question.extra[1],
               question.extra[1].parents, snapshot_->person_key, out);
    out += R"(,"world":")";
    out += snapshot_->world;
    out += "\"}";
  }
  if (!named || out.size() - begin > recording.bytes ||
      !readable(std::string_view(out).substr(begin))) {
    out.resize(begin);
    out += std::format(R"({{"missing":"{}"}})", missing.empty() ? "size" : missing);
  }
}

}  // namespace latticegate::policy
