#include "policy/engine.h"

#include <algorithm>
#include <format>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "cedar/authorize.h"
#include "cedar/explain.h"
#include "cedar/policy_set.h"
#include "cedar/program.h"
#include "cedar/schema.h"
#include "cedar/validate.h"
#include "crypto/hash.h"
#include "policy/detail/denial.h"
#include "policy/detail/load.h"
#include "policy/detail/model.h"
#include "policy/detail/question.h"
#include "policy/detail/tool_content.h"

namespace latticegate::policy {

using base::Code;
using cedar::EntityUid;

struct Engine::Snapshot {
  cedar::Program program;
  cedar::PolicySet policies;                         // of the program
  std::vector<std::vector<Obligation>> obligations;  // by policy
  TemporalRules temporal;
  Reads reads;
  OutputReaders readers;
  cedar::Entities store;
  std::vector<std::string> warnings;
  std::string hash;
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
  snapshot->policies = std::move(policies->set);
  snapshot->program = cedar::Program::compile(snapshot->policies);
  snapshot->obligations = std::move(policies->obligations);
  snapshot->temporal = std::move(policies->temporal);
  // Temporal conditions look at events, and so at arguments, in words of their own.
  if (snapshot->temporal.empty()) snapshot->reads = Reads(snapshot->policies);
  snapshot->readers = OutputReaders(snapshot->policies);
  snapshot->store = *std::move(store);
  snapshot->epoch = options.epoch;
  crypto::Sha256 hash;
  if (options.built_in) hash.update(built_in_policies());
  for (const PolicyText& text : texts)
    hash.update(std::format("{}:{}:{}:", text.file.size(), text.file, text.text.size()))
        .update(text.text);
  snapshot->hash = crypto::to_hex(hash.finish());
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
    if (!snapshot.temporal.empty()) recall(facts, state, question);
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
cedar::Value event_of(const Facts& facts, const Question& question, cedar::Arena& arena) {
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
      .add("requestId", cedar::Value::string(facts.call));
  if (const cedar::Value who = context.field(session).field(user)) record.add("callerUser", who);
  return record.finish();
}

}  // namespace

void Engine::recall(const Facts& facts, Scratch::State& state, Question& question) const {
  const TemporalRules& temporal = snapshot_->temporal;
  state.recalled.clear();
  const RecordFields fields(event_of(facts, question, state.arena));
  const temporal::Event event{.action = question.request.action,
                              .groups = question.extra[2].ancestors,
                              .kind = "request",
                              .at = facts.now,
                              .fields = &fields};
  const cedar::EntityView entities(snapshot_->store, question.extra);
  for (std::size_t i = 0; i < whose_count; ++i) {
    History* const history = facts.histories.at(i);
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

bool Engine::looks_back() const { return !snapshot_->temporal.empty(); }

void Engine::remember(const Facts& after, Scratch& scratch) const {
  const TemporalRules& temporal = snapshot_->temporal;
  if (temporal.empty()) return;
  Scratch::State& state = scratch.state();
  state.begin(*this);
  Question question;
  Refusal refusal;
  if (!ask(snapshot_->rules(), after, state, question, refusal))
    return;  // it was not decided either
  const RecordFields fields(event_of(after, question, state.arena),
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

// Obligations, and the level of an approval that would lift every forbid, if there is one.
void Engine::complete(const cedar::Answer& answer, Challenge& refused) const {
  std::vector<cedar::PolicyIndex> concerned;
  if (refused.denial.reason == Reason::forbidden) concerned = answer.reasons;
  for (const cedar::PolicyFailure& failure : answer.errors)
    if (snapshot_->policies[failure.policy].effect == cedar::Effect::forbid)
      concerned.push_back(failure.policy);
  refused.denial.obligations = snapshot_->of(concerned);
  const bool liftable = refused.denial.reason == Reason::forbidden && !answer.forbid_failed &&
                        std::ranges::all_of(answer.reasons, [&](cedar::PolicyIndex index) {
                          return snapshot_->has(index, Obligation::Kind::step_up);
                        });
  if (!liftable) return;
  for (const Obligation& obligation : refused.denial.obligations)
    if (obligation.kind == Obligation::Kind::step_up)
      refused.level = std::max(refused.level, obligation.number);
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
  return cedar::foresee(snapshot_->program, question.request, entities, state.arena, state.slate)
      .may_allow();
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
  if (!ask(snapshot.rules(), after, state, question, refusal)) {
    refused = Challenge{.level = 0, .denial = denial_of(refusal)};
  } else {
    if (!permit.recalled_.empty()) {
      state.recalled.clear();
      for (const auto& [attribute, truth] : permit.recalled_)
        state.recalled.push_back({attribute, truth});
      question.request.context =
          with_recalled(question.request.context, state.recalled, state.arena);
    }
    const cedar::EntityView entities(snapshot.store, question.extra);
    const cedar::Answer& answer = state.answer;
    cedar::decide(snapshot.program, question.request, entities, state.arena, state.slate,
                  state.answer);
    const auto redacts = [&](cedar::PolicyIndex index) {
      return snapshot.has(index, Obligation::Kind::redact);
    };
    const bool lifted = reason_of(answer) == Reason::forbidden && !answer.forbid_failed &&
                        std::ranges::all_of(answer.reasons, redacts);
    if (allowed(answer) || lifted) {
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

}  // namespace latticegate::policy
