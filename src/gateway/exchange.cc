#include "gateway/exchange.h"

#include <algorithm>
#include <format>

#include "behaviour/records.h"
#include "gateway/alerts.h"
#include "gateway/exceptions.h"
#include "gateway/learnt.h"
#include "gateway/meters.h"
#include "gateway/operators.h"
#include "gateway/ready.h"
#include "gateway/recording.h"
#include "inspect/question.h"
#include "inspect/redact.h"
#include "json/write.h"
#include "mcp/trace.h"
#include "mcp/translate.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::Result;
using net::Task;

std::string_view effect_of(const policy::Effects& effects) {
  if (effects.destructive) return "delete";
  if (effects.egress) return "send";
  if (effects.write || effects.actuate) return "write";
  return effects.read ? "read" : "";
}

bool is_about_task(mcp::Method method) {
  return method == mcp::Method::tasks_get || method == mcp::Method::tasks_result ||
         method == mcp::Method::tasks_update || method == mcp::Method::tasks_cancel;
}

audit::Decision decision_of(policy::Judgement::Kind kind) {
  switch (kind) {
    case policy::Judgement::Kind::allow: return audit::Decision::allow;
    case policy::Judgement::Kind::deny: return audit::Decision::deny;
    case policy::Judgement::Kind::step_up: return audit::Decision::step_up;
  }
  std::unreachable();
}

policy::Judgement::Kind kind_of(const policy::Decision& decision) {
  using Kind = policy::Judgement::Kind;
  if (const auto* const permit = std::get_if<policy::Permit>(&decision)) {
    if (permit->would_deny() == nullptr) return Kind::allow;
    return permit->would_challenge() > 0 ? Kind::step_up : Kind::deny;
  }
  return std::holds_alternative<policy::Challenge>(decision) ? Kind::step_up : Kind::deny;
}

// Whether nothing but the ladder refuses: that says nothing new about the agent.
constexpr std::string_view ladder_policies = "latticegate-ladder-";
bool is_by_ladder(const policy::Denial& denial) {
  return !denial.policies.empty() && std::ranges::all_of(denial.policies, [](const auto& policy) {
    return policy.starts_with(ladder_policies) || policy == "latticegate-quarantined-agent";
  });
}

std::span<const policy::Obligation> obligations_of(const policy::Decision& decision) {
  if (const auto* const permit = std::get_if<policy::Permit>(&decision))
    return permit->obligations();
  if (const auto* const challenge = std::get_if<policy::Challenge>(&decision))
    return challenge->denial.obligations;
  return std::get<policy::Denial>(decision).obligations;
}

bool wants_all(std::span<const policy::Obligation> due) {
  return std::ranges::contains(due, policy::Obligation::Kind::log_full, &policy::Obligation::kind);
}

}  // namespace

Exchange::Exchange(Worker& worker, net::ServerRequest& request,
                   std::shared_ptr<const Snapshot> snapshot, const ServerRoute& route,
                   std::shared_ptr<Admitted> admitted)
    : worker_(worker),
      request_(request),
      snapshot_(std::move(snapshot)),
      route_(route),
      admitted_(std::move(admitted)) {}

// The life of a call. Each step answers the client itself when it ends the call.
Task<void> Exchange::call() {
  started_ = worker_.loop().clock().instant();
  at_ = now();
  worker_.shared().counters.calls.fetch_add(1, std::memory_order_relaxed);
  if (!co_await admit()) co_return;
  findings_ = co_await look(inspect::Surface::arguments, *message_, message_->params());
  leave_out(findings_);
  inspect_ns_ = (worker_.loop().clock().instant() - started_).count();
  if (const auto halt = halted()) {
    co_await refuse_call(*halt, "quarantine");
    co_return;
  }
  asked_ = behaviour::asked_records(arguments());

  std::optional<policy::Permit> permit = co_await decide();
  if (!permit) co_return;
  std::optional<store::Ticket> ticket = co_await record(*permit);
  if (!ticket) co_return;
  if (permit->mode() == policy::Mode::enforce)
    carry_out(permit->obligations(), std::format("it allows {}", named()));
  if (admitted_->principal->is_killed()) {  // by its policy, or while the disk was waited for
    finish_record(audit::Outcome::cancelled, mcp::killed_code, "killed before it was sent");
    co_await killed_answer();
    co_return;
  }
  if (const auto halt = halted()) {
    finish_record(audit::Outcome::cancelled, mcp::denied_code, "quarantined before it was sent");
    co_await final(mcp::error_response(client_id_, mcp::denied_code, *halt));
    co_return;
  }

  std::vector<json::Edit> edits;
  if (snapshot_->config->inspect.secrets_in_arguments == config::Treatment::redact ||
      snapshot_->config->inspect.hidden_text_in_arguments == config::Treatment::redact)
    edits = inspect::redact(
        message_->params(), findings_,
        {.secrets = snapshot_->config->inspect.secrets_in_arguments == config::Treatment::redact,
         .hidden = snapshot_->config->inspect.hidden_text_in_arguments == config::Treatment::redact,
         .key = worker_.shared().redaction_key});
  Outgoing message = outgoing(std::move(edits));
  session_->requests->add(client_id_, {upstream_id_, session_->link, session_->version});
  watch_for_end();
  left_ = worker_.loop().clock().instant();
  auto reply = co_await forward(*permit, *ticket, *session_->link, worker_.loop(), message, abort_);
  if (reply && session_is_lost(**reply) && co_await reopen(message))
    reply = co_await forward(*permit, *ticket, *session_->link, worker_.loop(), message, abort_);
  if (reply && session_is_lost(**reply)) {
    finish_record(audit::Outcome::upstream_error, std::nullopt,
                  "the server does not know the session any more");
    co_await lose_session();
  } else if (reply) {
    co_await deliver(*std::move(reply), *permit);
  } else if (killed_) {
    finish_record(audit::Outcome::withheld, mcp::killed_code, "killed while under way");
    co_await killed_answer();
  } else if (gone_) {
    finish_record(audit::Outcome::cancelled, std::nullopt, "the client went away");
  } else {
    const Trouble why = trouble(reply.error());
    finish_record(why.outcome, why.code,
                  why.outcome == audit::Outcome::cancelled ? std::string(why.sentence)
                                                           : base::describe(reply.error()));
    co_await final(mcp::error_response(client_id_, why.code, why.sentence));
  }
  request_.on_hangup(nullptr);
  session_->requests->remove(client_id_);
}

// Who, where, what: the tool as it was pinned. What the caller may not see does not exist.
Task<bool> Exchange::admit() {
  subject_ = mcp::subject_of(*message_);
  client_id_ = message_->id_text();
  conversation_ = conversation();
  call_uid_ = crypto::uuid_v7(at_, worker_.random());
  call_text_ = crypto::to_string(call_uid_);
  take_trace();
  if (is_about_task(message_->method())) {
    task_call_ = session_->tasks.find(subject_);
    if (!task_call_) {
      co_await reject(modern() ? 400 : 200, -32602, "no call of this conversation began this task");
      co_return false;
    }
  } else if (message_->method() != mcp::Method::tools_call) {
    co_return true;
  }
  if (subject_.empty()) {
    co_await reject(modern() ? 400 : 200, -32602, "tools/call needs a name");
    co_return false;
  }
  tool_ = route_.catalogue->find(tool_name());
  if (!tool_) {
    if (auto learned = co_await learn_tools(); !learned) {
      co_await reject(200, mcp::unavailable_code, "the server is not available");
      co_return false;
    }
    tool_ = route_.catalogue->find(tool_name());
  }
  const bool usable = tool_ && tool_->tool && !tool_->held;
  const bool visible = usable && (route_.mode == policy::Mode::observe || may_see());
  if (!visible) {
    worker_.shared().counters.denied.fetch_add(1, std::memory_order_relaxed);
    findings_ = co_await look(inspect::Surface::arguments, *message_, message_->params());
    leave_out(findings_);
    if (usable) {
      asked_ = behaviour::asked_records(arguments());
      const std::scoped_lock lock(conversation_->mutex);
      const policy::Facts asked = facts();
      note_asked(asked, {});
      ask_shadow(asked, policy::Judgement::Kind::deny);
    }
    audit::Record record = base_record(audit::Type::call_decided);
    add_question(record);
    record.decision = audit::Decision::deny;
    record.outcome = audit::Outcome::denied;
    record.why = !tool_    ? "the server does not list this tool"
                 : !usable ? std::string_view(tool_->why_held)
                           : "no policy lets this caller see the tool";
    auto body = with_question(nullptr);
    record.req.kept = body != nullptr;
    worker_.shared().recorder.post(worker_.record_writer().write(record), std::move(body));
    call_is_over(record.outcome);
    co_await answer_unknown();
    co_return false;
  }
  if (modern() && !mirrors_checked_ && !task_call_ && !tool_->mirrored.empty()) {
    const net::Head& head = request_.head();
    const auto wrong = mcp::mirror_mismatch(tool_->mirrored, message_->params()["arguments"],
                                            [&](std::string_view name) { return head.find(name); });
    if (wrong) {
      co_await reject(400, mcp::header_mismatch_code, *wrong);
      co_return false;
    }
  }
  leave_out_nulls();
  take_client_answer();
  co_return true;
}

// Many clients send null for an argument that they leave out, and the revision of 2026-07-28 counts
// it so (basic/transports: no header for null). Where the schema refuses it, and takes the call
// without it, the argument is left out: for the schema, for policies, and in what is sent.
void Exchange::leave_out_nulls() {
  if (!tool_->schema || task_call_ || route_.mode == policy::Mode::observe) return;
  std::vector<json::Edit> edits;
  for (const json::Member member : arguments().members())
    if (member.value.is_null()) edits.push_back({member.value, ""});
  if (edits.empty() || tool_->schema->validate(arguments()).valid()) return;
  mcp::Message without = own_message(message_->text(edits));
  if (!tool_->schema->validate(without.params()["arguments"]).valid()) return;
  message_ = std::move(without);
  subject_ = mcp::subject_of(*message_);
}

// The same question is asked for every call of a connection: the answer is kept as long as caller,
// tool and policies stay.
bool Exchange::may_see() {
  Admitted::Seen& seen = admitted_->seen;
  if (seen.tool != tool_ || seen.epoch != snapshot_->engine->epoch()) {
    seen = {tool_, snapshot_->engine->epoch(),
            snapshot_->engine->may_see(facts(), worker_.scratch())};
  }
  return seen.visible;
}

Task<void> Exchange::answer_unknown() {
  const std::string_view spoken = spoken_.empty() ? subject_ : spoken_;
  co_await reject(200, -32602,
                  std::format("Unknown tool: {}", base::printable(spoken.substr(0, 128))));
}

// Violations go back as a tool error, in words by which a model can correct its call.
bool Exchange::arguments_fit(std::string& sentence) const {
  if (!tool_ || !tool_->schema || route_.mode == policy::Mode::observe) return true;
  const inspect::Validation validation = tool_->schema->validate(arguments());
  if (validation.valid()) return true;
  sentence = "The arguments do not fit the tool's input schema:\n" + validation.text();
  return false;
}

policy::Facts Exchange::facts() const {
  policy::Facts facts;
  facts.caller = &admitted_->caller;
  facts.quarantined = risk_.rung == static_cast<std::uint8_t>(behaviour::Rung::quarantine);
  if (tool_)
    facts.target = policy::ToolTarget{tool_->tool.get(), !tool_->held};
  else if (message_->method() == mcp::Method::prompts_get ||
           (message_->method() == mcp::Method::completion_complete &&
            message_->params()["ref"]["name"].exists()))
    facts.target = policy::PromptTarget{&route_.catalogue->facts(), subject_};
  else
    facts.target = policy::ResourceTarget{&route_.catalogue->facts(), subject_};
  facts.call = call_text_;
  facts.arguments = arguments();
  facts.conversation = admitted_->principal->id();
  facts.totals = conversation_ ? &conversation_->totals : nullptr;
  facts.risk = &risk_;
  facts.findings = &findings_;
  facts.origins = &origins_;
  facts.records = asked_;
  if (approval_ && approval_->state == ApprovalRequest::State::approved &&
      (client_lifts_ || !approval_->by.starts_with(client_answers)))
    facts.approval = policy::Approval{approval_->by, approval_->level, approval_->until};
  for (std::size_t i = 0; i < facts.histories.size(); ++i)
    facts.histories.at(i) = admitted_->histories.at(i).get();
  facts.now = at_;
  facts.peer = request_.peer().address;
  facts.kex = request_.peer().tls_group;
  return facts;
}

// Also of what a bridged task asks about: its call was inspected when it was made.
bool Exchange::holds_secret() const {
  return task_call_ != nullptr || !findings_.complete() ||
         findings_.has(inspect::FindingKind::secret);
}

// What the call names, for the log and the record.
std::string_view Exchange::named() const {
  return subject_.empty() || tool_ || !holds_secret() ? subject_ : hidden;
}

std::string Exchange::explain(const policy::Denial& denial) const {
  std::string why = policy::explanation(denial, !holds_secret() && !seals_questions());
  // The numbers alone explain little; and what stands at the end may be cut off.
  if (why.contains("derived.provenance") && !origins_.marks.empty())
    why = std::format("{}; {}", provenance::sentence(origins_.marks.front()), why);
  if (why.contains("context.risk") && !risk_.signals.empty())
    why = std::format(
        "{}; {}", std::ranges::max_element(risk_.signals, {}, &behaviour::Signal::score)->sentence,
        why);
  return without_secrets(why);
}

void Exchange::note_asked(const policy::Facts& facts, std::span<const policy::Obligation> due) {
  log_full_ = log_full_ || wants_all(due);
  const bool recorded = snapshot_->config->audit.context != config::Context::none;
  policy::Recording recording{.context = recorded || log_full_,
                              .bytes = audit::asked_limit,
                              .scanned = message_->params(),
                              .findings = &findings_,
                              .redaction_key = worker_.shared().redaction_key};
  inspect::Findings of_task;
  if (task_call_) {
    recording.scanned = task_call_->params();
    of_task = inspect::scan(worker_.inspection().scanner(), inspect::Surface::arguments,
                            task_call_->params());
    recording.findings = &of_task;
  }
  if (facts.totals != nullptr)
    taint_.assign(facts.totals->taint.all().begin(), facts.totals->taint.all().end());
  sealed_question_.clear();
  std::string& whole = seals_questions() ? sealed_question_ : question_;
  whole.reserve(2048);
  snapshot_->engine->write_asked(facts, recording, worker_.scratch(), whole);
  if (!seals_questions()) return;
  recording.context = false;
  recording.without = "sealed";
  snapshot_->engine->write_asked(facts, recording, worker_.scratch(), question_);
}

void Exchange::ask_shadow(policy::Facts facts, policy::Judgement::Kind decided) {
  if (!snapshot_->shadow) return;
  for (std::size_t i = 0; i < facts.histories.size(); ++i)
    facts.histories.at(i) = admitted_->shadow_histories.at(i).get();
  snapshot_->shadow->judge(facts, worker_.shadow_scratch(), shadow_, &shadow_why_);
  worker_.shared().counters.shadow_judged.fetch_add(1, std::memory_order_relaxed);
  compare_shadow(decided);
}

void Exchange::ask_shadow_again(const policy::Facts& after, bool conspicuous, bool lets_out) {
  using Kind = policy::Judgement::Kind;
  if (!snapshot_->shadow || shadow_differs_ || shadow_.kind != Kind::allow) return;
  if (!conspicuous && !snapshot_->shadow->judges_answer(after, worker_.shadow_scratch())) return;
  snapshot_->shadow->judge_answer(after, worker_.shadow_scratch(), shadow_, &shadow_why_);
  compare_shadow(lets_out ? Kind::allow : Kind::deny);
  shadow_of_answer_ = shadow_differs_;
}

void Exchange::compare_shadow(policy::Judgement::Kind decided) {
  shadow_differs_ = shadow_.kind != decided;
  if (!shadow_differs_) return;
  Counters& counters = worker_.shared().counters;
  using Kind = policy::Judgement::Kind;
  auto& counter = shadow_.kind == Kind::allow ? counters.shadow_would_allow
                  : decided == Kind::allow    ? counters.shadow_would_refuse
                                              : counters.shadow_differs;
  counter.fetch_add(1, std::memory_order_relaxed);
}

void Exchange::add_question(audit::Record& record) {
  record.policy_ver = static_cast<std::int64_t>(snapshot_->engine->epoch());
  record.policy_hash = snapshot_->engine->hash();
  record.asked = question_;
  add_parts(record, findings_);
  if (shadow_differs_) add_shadow(record);
}

void Exchange::add_shadow(audit::Record& record) const {
  record.shadow = {.decision = decision_of(shadow_.kind),
                   .rules = shadow_.policies,
                   .why = seals_questions() ? std::string_view() : std::string_view(shadow_why_)};
}

namespace {

// A planted value came back: nothing else has to be known.
void add_canary(behaviour::Risk& risk, const inspect::Findings& found, std::string_view where) {
  const auto canary =
      std::ranges::find(found.items, inspect::FindingKind::canary, &inspect::Finding::kind);
  if (canary == found.items.end()) return;
  risk.add({.kind = behaviour::Kind::canary,
            .score = 100,
            .seen = 1,
            .sentence = std::format("a planted value came back in {} ({})", where, canary->rule)});
}

}  // namespace

behaviour::Who Exchange::who() const {
  const auto& groups = admitted_->caller->groups;
  return {admitted_->caller->agent.value(),
          groups.empty() ? std::string_view() : std::string_view(groups.front())};
}

Labels Exchange::labels() const {
  return labels_of(*route_.config, tool_ ? std::string_view(tool_->name) : std::string_view(),
                   snapshot_->config->provenance.private_from);
}

void Exchange::trace_arguments() {
  if (!snapshot_->traces || task_call_) return;
  const auto tracing = admitted_->principal->tracing(snapshot_->config->provenance.limits,
                                                     worker_.shared().trail_key);
  const json::Value given = arguments();
  origins_ = tracing->before(given.exists() ? given : message_->params(),
                             {.server = route_.config->name,
                              .subject = tool_ ? std::string_view(tool_->name) : std::string_view(),
                              .egress = tool_ && tool_->tool->effects().egress},
                             at_);
  const std::scoped_lock lock(conversation_->mutex);
  tracing->add_sources(conversation_->totals, at_);
}

void Exchange::leave_out(inspect::Findings& findings) const {
  gateway::leave_out(findings, snapshot_->config->inspect.exceptions, route_.config->name,
                     tool_ ? std::string_view(tool_->name) : std::string_view(), at_);
}

void Exchange::trace_answer(json::Value content, const inspect::Findings& found) {
  if (!snapshot_->traces) return;
  const Labels labels = this->labels();
  std::vector<std::string> taint(labels.taint.begin(), labels.taint.end());
  // Whoever writes orders into the answers of a trusted server is not that server.
  if (found.has(inspect::FindingKind::instruction, inspect::Severity::medium))
    taint.emplace_back("instruction");
  const auto tracing = admitted_->principal->tracing(snapshot_->config->provenance.limits,
                                                     worker_.shared().trail_key);
  if (tracing->after(content,
                     {.server = route_.config->name,
                      .subject = tool_ ? std::string_view(tool_->name) : std::string_view(),
                      .taint = taint,
                      .domains = labels.domains,
                      .sensitive = labels.sensitive},
                     now(), found.revealed))
    worker_.shared().learnt->keep_trail(*admitted_->principal, now());
}

Task<std::optional<policy::Permit>> Exchange::decide() {
  std::string sentence;
  if (!arguments_fit(sentence)) {
    co_await refuse_call(sentence, "input-schema");
    co_return std::nullopt;
  }
  trace_arguments();
  const config::Config& config = *snapshot_->config;
  const std::string_view subject = tool_ ? std::string_view(tool_->name) : message_->method_name();
  const auto configured = route_.config->tools.find(subject);
  const std::optional<std::uint64_t> cap = configured != route_.config->tools.end()
                                               ? configured->second.max_records
                                               : std::optional<std::uint64_t>();
  const bool habitual = config.behaviour.habits && !task_call_;
  if (habitual) {
    const std::string_view uri =
        message_->method() == mcp::Method::resources_read ? subject_ : std::string_view();
    acting_.look(*route_.config, tool_ ? std::string_view(tool_->name) : std::string_view(), uri,
                 arguments(), at_);
  }
  risk_ = worker_.shared().watch.before(
      {admitted_->caller->agent.value(), route_.config->name, subject, who().group},
      {.at = at_, .asked = asked_, .max_records = cap, .given = acting_.given()}, config.behaviour);
  behaviour::Habits& habits = worker_.shared().habits;
  if (habitual) {
    habits.note(who(), risk_, at_);
    risk_.join(habits.before(who(), acting_.act(), config.behaviour));
  }
  add_canary(risk_, findings_, "its arguments");
  if (risk_.score >= config.behaviour.kill_score) risk_.score = std::max(risk_.score, 90U);
  risk_known_ = true;
  if (config.behaviour.kill && config.behaviour.ladder)
    risk_.rung =
        static_cast<std::uint8_t>(worker_.shared().ladders.rung(admitted_->caller->agent.value()));
  {
    const std::scoped_lock lock(conversation_->mutex);
    ++conversation_->totals.calls;
    conversation_->totals.last = at_;
  }
  look_for_approval();
  for (;;) {
    policy::Decision decision = judge();
    if (auto* const permit = std::get_if<policy::Permit>(&decision)) {
      std::optional<policy::Denial> often = throttled(*permit);
      const bool approved = approval_ && approval_->state == ApprovalRequest::State::approved;
      if (!often && (!approved || worker_.shared().approvals.use(approval_->id, call_text_, at_))) {
        if (approved) worker_.shared().meters->approval("used");
        co_return std::move(*permit);
      }
      if (!often) {  // another call of the same moment used it
        approval_.reset();
        continue;
      }
      decision = *std::move(often);
    }
    {
      const std::scoped_lock lock(conversation_->mutex);
      ++conversation_->totals.denied;
    }
    const auto* const challenge = std::get_if<policy::Challenge>(&decision);
    by_ladder_ =
        is_by_ladder(challenge != nullptr ? challenge->denial : std::get<policy::Denial>(decision));
    if (!task_call_ && !by_ladder_)
      habits.after(who(), acting_.act(), {.denied = true}, config.behaviour);
    if (challenge == nullptr || task_call_) {
      co_await deny(challenge != nullptr ? challenge->denial : std::get<policy::Denial>(decision),
                    challenge != nullptr ? challenge->level : 0);
      co_return std::nullopt;
    }
    ask_for_approval(*challenge);
    record_denial(challenge->denial, challenge->level);
    carry_out(challenge->denial.obligations, explain(challenge->denial));
    if (co_await approval_comes()) {
      begin_again();
      continue;
    }
    if (admitted_->principal->is_killed())
      co_await killed_answer();
    else if (const auto question = question_as_result())
      co_await final(*question);
    else
      co_await answer_denial(challenge->denial, approval_words_);
    co_return std::nullopt;
  }
}

policy::Decision Exchange::judge() {
  const std::scoped_lock lock(conversation_->mutex);
  question_.clear();
  // What a client said for itself lifts nothing but policies that let it be asked.
  client_lifts_ = false;
  if (approval_ && approval_->state == ApprovalRequest::State::approved &&
      approval_->by.starts_with(client_answers)) {
    const policy::Decision without =
        snapshot_->engine->decide(facts(), route_.mode, worker_.scratch());
    const auto* const challenge = std::get_if<policy::Challenge>(&without);
    client_lifts_ = challenge != nullptr && asks_client(*challenge);
  }
  const policy::Facts asked = facts();
  policy::Decision made = snapshot_->engine->decide(asked, route_.mode, worker_.scratch());
  note_asked(asked, obligations_of(made));
  ask_shadow(asked, kind_of(made));
  return made;
}

// Asking after a task is no call of its own.
std::optional<policy::Denial> Exchange::throttled(const policy::Permit& permit) const {
  if (task_call_ || permit.mode() == policy::Mode::observe) return std::nullopt;
  std::vector<behaviour::Rate> rates;
  std::vector<const policy::Obligation*> whose;
  for (const policy::Obligation& obligation : permit.obligations()) {
    if (obligation.kind != policy::Obligation::Kind::throttle) continue;
    rates.push_back({obligation.policy, obligation.number, obligation.per});
    whose.push_back(&obligation);
  }
  const policy::Obligation of_ladder{.kind = policy::Obligation::Kind::throttle,
                                     .number = snapshot_->config->behaviour.ladder_calls,
                                     .text = {},
                                     .per = std::chrono::minutes(1),
                                     .policy = std::format("{}throttle", ladder_policies)};
  if (risk_.rung >= static_cast<std::uint8_t>(behaviour::Rung::throttle)) {
    rates.push_back({of_ladder.policy, of_ladder.number, of_ladder.per});
    whose.push_back(&of_ladder);
  }
  if (rates.empty()) return std::nullopt;
  const auto empty = admitted_->principal->throttle(rates, worker_.loop().clock().instant());
  if (!empty) return std::nullopt;
  return policy::throttled(*whose[empty->rate], empty->wait);
}

// A refusal that policy did not decide (schema): a tool error for tools, an error otherwise;
// recorded like a denial.
Task<void> Exchange::refuse_call(std::string_view sentence, std::string_view rule) {
  worker_.shared().counters.denied.fetch_add(1, std::memory_order_relaxed);
  audit::Record record = base_record(audit::Type::call_decided);
  record.decision = audit::Decision::deny;
  record.outcome = audit::Outcome::denied;
  const std::string_view rules[] = {rule};
  record.rules = rules;
  add_parts(record, findings_);
  worker_.shared().recorder.post(worker_.record_writer().write(record));
  call_is_over(record.outcome);
  if (tool_)
    co_await final(mcp::tool_error_response(client_id_, sentence, modern()));
  else
    co_await final(mcp::error_response(client_id_, mcp::denied_code, sentence));
}

Task<void> Exchange::deny(const policy::Denial& denial, std::int64_t level) {
  record_denial(denial, level);
  carry_out(denial.obligations, explain(denial));
  if (admitted_->principal->is_killed())
    co_await killed_answer();
  else
    co_await answer_denial(
        denial, level > 0 ? std::format(" (an approval of level {} would allow it)", level) : "");
}

void Exchange::record_denial(const policy::Denial& denial, std::int64_t level) {
  worker_.shared().counters.denied.fetch_add(1, std::memory_order_relaxed);
  const std::string why = explain(denial) + approval_words_;
  audit::Record record = base_record(audit::Type::call_decided);
  add_question(record);
  record.decision = level > 0 ? audit::Decision::step_up : audit::Decision::deny;
  if (denial.reason == policy::Reason::throttled) record.would = audit::Decision::allow;
  add_approval(record);
  record.outcome = audit::Outcome::denied;
  std::vector<std::string_view> rules(denial.policies.begin(), denial.policies.end());
  record.rules = rules;
  record.why = why;
  const RecordObligations obligations(denial.obligations);
  record.obligations = obligations.words();
  auto body = keep_request(record);
  worker_.shared().recorder.post(worker_.record_writer().write(record), std::move(body));
  call_is_over(record.outcome);
  worker_.shared().log.info("call denied", {{"agent", admitted_->caller->agent.value()},
                                            {"server", route_.config->name},
                                            {"subject", std::string(named())},
                                            {"why", why}});
}

Task<void> Exchange::answer_denial(const policy::Denial& denial, std::string_view more) {
  const std::string sentence =
      std::format("Latticegate: {}{}", without_secrets(denial.sentence), more);
  if (tool_)
    co_await final(mcp::tool_error_response(client_id_, sentence, modern()));
  else
    co_await final(mcp::error_response(client_id_, mcp::denied_code, sentence));
}

// Durable before anything leaves.
Task<std::optional<store::Ticket>> Exchange::record(const policy::Permit& permit) {
  audit::Record record = base_record(audit::Type::call_decided);
  record.decision = audit::Decision::allow;
  record.rules = permit.policies();
  add_question(record);
  add_approval(record);
  record.bytes_in = bytes_in_;
  record.inspect_ns = inspect_ns_;
  record.inspect_truncated = !findings_.complete();
  const RecordObligations obligations(permit.obligations());
  record.obligations = obligations.words();
  std::string would;
  if (permit.mode() == policy::Mode::observe) record.mode = "observe";
  if (permit.would_deny() != nullptr) {
    would = "would be refused: " + explain(*permit.would_deny());
    record.why = would;
    record.would = permit.would_challenge() > 0 ? audit::Decision::step_up : audit::Decision::deny;
  }
  auto body = keep_request(record);
  std::unique_ptr<store::Append> append = worker_.take_append();
  auto ticket = co_await worker_.shared().recorder.begin(
      worker_.loop(), *append, worker_.record_writer().write(record), call_uid_, std::move(body));
  worker_.give_append(std::move(append));
  if (ticket) {
    worker_.shared().counters.allowed.fetch_add(1, std::memory_order_relaxed);
    co_return *std::move(ticket);
  }
  worker_.shared().log.error("a call is refused because it cannot be recorded",
                             {{"reason", base::describe(ticket.error())}});
  co_await final(mcp::error_response(client_id_, mcp::unavailable_code,
                                     ticket.error().code == Code::overloaded
                                         ? "the gateway is overloaded, try again"
                                         : "the call cannot be recorded, so it is not made"));
  co_return std::nullopt;
}

void Exchange::end_now() {
  abort_.request();
  if (running_ != nullptr) running_->cancel();
  if (looking_ != nullptr) looking_->drop();
}

void Exchange::watch_for_end() {
  const auto end = [this](OpenCalls::End why) {
    switch (why) {
      case OpenCalls::End::killed: killed_ = true; break;
      case OpenCalls::End::stopping: stopping_ = true; break;
      case OpenCalls::End::cancelled: cancelled_ = true; break;
      case OpenCalls::End::session_over: over_ = true; break;
    }
    end_now();
  };
  open_ = admitted_->principal->open().open(worker_.loop(), end);
  if (!modern() && session_)
    open_in_session_ = session_->open->open(worker_.loop(), end, client_id_);
  // A legacy client that disconnects has not cancelled; a modern one has (2026-07-28,
  // basic/patterns/cancellation).
  if (modern())
    request_.on_hangup([this] {
      gone_ = true;
      end_now();
    });
}

void Exchange::stop_watching() {
  open_.release();
  open_in_session_.release();
  request_.on_hangup(nullptr);
}

bool Exchange::session_is_lost(const Reply& reply) const {
  return !modern() && reply.status() == 404;
}

// What was answered so was not done. Behind a door the server gets a new session, and the message
// once more; the client's own session goes on.
Task<bool> Exchange::reopen(Outgoing& message) {
  if (!door_ || abort_.requested()) co_return false;
  door_->members.drop(*session_);
  auto session = co_await worker_.member_session(snapshot_, route_, door_);
  if (!session || abort_.requested()) co_return false;
  session_ = *std::move(session);
  message.version = session_->version;
  session_->requests->add(client_id_, {upstream_id_, session_->link, session_->version});
  co_return true;
}

Task<void> Exchange::lose_session() {
  if (door_) {  // the client's own session goes on
    door_->members.drop(*session_);
    co_await final(mcp::error_response(client_id_, mcp::unavailable_code,
                                       "the server began anew; the next try will reach it"));
    co_return;
  }
  worker_.shared().sessions.remove(session_->id);
  co_await reject(404, -32600, "this session does not exist or has ended");
}

Exchange::Trouble Exchange::trouble(const std::optional<base::Error>& error) const {
  using enum audit::Outcome;
  if (cancelled_) return {cancelled, mcp::cancelled_code, "the client cancelled this request"};
  if (over_) return {cancelled, mcp::cancelled_code, "the session has ended"};
  worker_.shared().counters.upstream_errors.fetch_add(1, std::memory_order_relaxed);
  worker_.shared().log.warning(
      "no usable answer", {{"server", route_.config->name},
                           {"method", std::string(message_->method_name())},
                           {"subject", std::string(named())},
                           {"reason", error ? base::describe(*error)
                                            : "the server ended its answer without a result"}});
  if (stopping_) return {upstream_error, mcp::unavailable_code, "the gateway is stopping"};
  if (error && error->code == Code::timeout)
    return {timeout, mcp::timeout_code, "the server did not answer in time"};
  return {upstream_error, mcp::unavailable_code,
          error && error->code == Code::unavailable ? "the server is not available"
                                                    : "the server gave no usable answer"};
}

// Passes what comes before the answer on as it arrives, and judges the answer.
Task<void> Exchange::deliver(std::unique_ptr<Reply> reply, const policy::Permit& permit) {
  running_ = reply.get();
  upstream_ = reply->secured();
  for (;;) {
    auto next = co_await reply->next();
    if (next && *next && !(*next)->is_response()) {
      if (!co_await side_message(**next)) gone_ = true;
      continue;
    }
    running_ = nullptr;
    inspect::Findings found;
    bool looked = false;
    if (!killed_ && next && *next && answers(**next, upstream_id_)) {
      const base::Instant inspecting = worker_.loop().clock().instant();
      outside_ += inspecting - std::exchange(left_, base::Instant{});
      const mcp::Message& answer = **next;
      Inspection::Look look =
          this->look(answer.error().exists() ? inspect::Surface::error : inspect::Surface::result,
                     answer, answer.result().exists() ? answer.result() : answer.error());
      looking_ = &look;
      found = co_await look;
      leave_out(found);
      looking_ = nullptr;
      looked = look.looked();
      inspect_ns_ += (worker_.loop().clock().instant() - inspecting).count();
    }
    request_.on_hangup(nullptr);
    if (killed_ || admitted_->principal->is_killed()) {
      finish_record(audit::Outcome::withheld, mcp::killed_code, "killed while under way");
      co_await killed_answer();
    } else if (const auto halt = halted()) {
      finish_record(audit::Outcome::withheld, mcp::denied_code, "quarantined while under way");
      co_await final(mcp::error_response(client_id_, mcp::denied_code, *halt));
    } else if (looked) {
      co_await release(**next, permit, found);
    } else if (gone_) {
      finish_record(audit::Outcome::cancelled, std::nullopt, "the client went away");
    } else {
      const std::optional<base::Error> error = next ? std::nullopt : std::optional(next.error());
      const Trouble why = trouble(error);
      finish_record(why.outcome, why.code,
                    why.outcome == audit::Outcome::cancelled ? std::string(why.sentence)
                    : error                                  ? base::describe(*error)
                                                             : "no result");
      co_await final(mcp::error_response(client_id_, why.code, why.sentence));
    }
    co_return;
  }
}

// The answer, inspected: measured against what is usual, judged again if something is unusual,
// redacted, delivered.
Task<void> Exchange::release(const mcp::Message& response, const policy::Permit& permit,
                             const inspect::Findings& found) {
  const config::Config& config = *snapshot_->config;
  found_ = &found;
  const json::Value content = response.result().exists() ? response.result() : response.error();
  const bool failed = response.error().exists() || content["isError"].boolean() == true;
  at_ = now();
  rows_ = response.error().exists() ? 0 : behaviour::count_records(content);
  std::string out;
  const std::string_view subject = tool_ ? std::string_view(tool_->name) : message_->method_name();
  const auto configured = route_.config->tools.find(subject);
  const std::uint64_t bytes = content.exists() ? found.scanned + found.skipped : 0;
  bytes_read_ = static_cast<std::int64_t>(bytes);
  if (snapshot_->engine->looks_back()) {
    policy::Facts after = facts();
    if (!failed) after.output = policy::Output{rows_, bytes, &found, content["structuredContent"]};
    const std::scoped_lock lock(conversation_->mutex);
    snapshot_->engine->remember(after, worker_.scratch());
  }
  if (snapshot_->shadow && snapshot_->shadow->looks_back()) {
    policy::Facts after = facts();
    for (std::size_t i = 0; i < after.histories.size(); ++i)
      after.histories.at(i) = admitted_->shadow_histories.at(i).get();
    if (!failed) after.output = policy::Output{rows_, bytes, &found, content["structuredContent"]};
    const std::scoped_lock lock(conversation_->mutex);
    snapshot_->shadow->remember(after, worker_.shadow_scratch());
  }
  bool conspicuous = !found.empty();
  std::optional<policy::Withheld> withheld;
  bool redact = config.inspect.secrets_in_results == config::Treatment::redact;
  bool strip = config.inspect.hidden_text_in_results == config::Treatment::redact;
  const bool links = config.inspect.links_in_results == config::Treatment::redact;
  std::vector<policy::Obligation> obligations;  // that the answer brought about
  {
    const std::scoped_lock lock(conversation_->mutex);
    behaviour::Risk after = worker_.shared().watch.after(
        {admitted_->caller->agent.value(), route_.config->name, subject, who().group},
        {.at = at_,
         .records = rows_,
         .bytes = bytes,
         .asked = asked_,
         .max_records = configured != route_.config->tools.end() ? configured->second.max_records
                                                                 : std::optional<std::uint64_t>(),
         .given = acting_.given(),
         .teach = !failed && !admitted_->principal->is_killed()},
        config.behaviour, conversation_->lessons);
    if (!task_call_) {
      behaviour::Habits& habits = worker_.shared().habits;
      habits.note(who(), after, at_);
      after.join(habits.after(who(), acting_.act(),
                              {.failed = failed,
                               .teach = !failed && !admitted_->principal->is_killed(),
                               .records = rows_},
                              config.behaviour));
    }
    conspicuous = conspicuous || !after.signals.empty();
    risk_.join(std::move(after));
    add_canary(risk_, found, "an answer");
    if (risk_.score >= config.behaviour.kill_score) risk_.score = std::max(risk_.score, 90U);
    behaviour::Totals& totals = conversation_->totals;
    totals.records += rows_;
    totals.bytes += bytes;
    policy::Facts after_facts = facts();
    after_facts.output = policy::Output{rows_, bytes, &found, content["structuredContent"]};
    bool lets_out = true;  // enforced or not
    if (conspicuous || snapshot_->engine->judges_answer(after_facts, worker_.scratch())) {
      policy::Release released = snapshot_->engine->release(permit, after_facts, worker_.scratch());
      if (auto* const held = std::get_if<policy::Withheld>(&released)) {
        withheld = std::move(*held);
        lets_out = false;
      } else {
        auto& let = std::get<policy::Released>(released);
        redact = redact || let.redact_secrets;
        strip = strip || let.redact_hidden_text;
        lets_out = let.would_deny == nullptr;
        if (permit.mode() == policy::Mode::enforce) obligations = std::move(let.obligations);
      }
    }
    ask_shadow_again(after_facts, conspicuous, lets_out);
    // What is withheld was not read, and what is judged was not read yet.
    if (!withheld) {
      const Labels labels = this->labels();
      add_labels(totals, labels.taint, labels.domains, labels.sensitive);
      // Who reads an answer that gives orders may follow them: policies are told of it.
      if (found.has(inspect::FindingKind::instruction, inspect::Severity::medium))
        totals.taint.add("instruction");
    }
    taint_.assign(totals.taint.all().begin(), totals.taint.all().end());
  }
  log_full_ = log_full_ ||
              wants_all(withheld ? std::span<const policy::Obligation>(withheld->denial.obligations)
                                 : obligations);
  kept_answer_ = keep(BodyKind::answer, content, found);
  if (withheld) {
    worker_.shared().counters.withheld.fetch_add(1, std::memory_order_relaxed);
    const std::string why = explain(withheld->denial);
    std::string reason =
        risk_.signals.empty() ? why : without_secrets(risk_.signals.front().sentence);
    finish_record(audit::Outcome::withheld, mcp::denied_code, why);
    carry_out(withheld->denial.obligations, reason);
    if (admitted_->principal->is_killed()) {
      co_await killed_answer();
      co_return;
    }
    const std::string sentence = std::format("Latticegate withheld the answer: {}",
                                             without_secrets(withheld->denial.sentence));
    if (tool_)
      co_await final(mcp::tool_error_response(client_id_, sentence, modern()));
    else
      co_await final(mcp::error_response(client_id_, mcp::denied_code, sentence));
    co_return;
  }
  std::erase_if(obligations, [&](const policy::Obligation& obligation) {
    return std::ranges::contains(permit.obligations(), obligation);  // carried out before the call
  });
  carry_out(obligations, std::format("the answer of {}", named()));
  if (admitted_->principal->is_killed()) {
    finish_record(audit::Outcome::withheld, mcp::killed_code, "killed by its answer");
    co_await killed_answer();
    co_return;
  }
  if (const auto why = refused_question(content)) {
    worker_.shared().counters.withheld.fetch_add(1, std::memory_order_relaxed);
    finish_record(audit::Outcome::withheld, mcp::denied_code, *why);
    const std::string sentence =
        std::format("Latticegate refused a question of the server: {}", *why);
    if (tool_)
      co_await final(mcp::tool_error_response(client_id_, sentence, modern()));
    else
      co_await final(mcp::error_response(client_id_, mcp::denied_code, sentence));
    co_return;
  }
  trace_answer(content, found);
  if (message_->method() == mcp::Method::tools_call) {
    // Before the answer leaves: who reads it may ask for the task at once, on another loop.
    const json::Value begun = content["task"].is_object() ? content["task"] : content;
    if (begun["taskId"].is_string() && begun["status"].is_string())
      session_->tasks.add(std::string(*begun["taskId"].string()),
                          std::make_shared<const mcp::Message>(own_message(message_->text())));
  }
  std::vector<json::Edit> edits;
  if (!found.empty() && (redact || strip || links)) {
    edits = inspect::redact(content, found,
                            {.secrets = redact,
                             .hidden = strip,
                             .links = links,
                             .key = worker_.shared().redaction_key});
    redacted_ = edits.size();
    worker_.shared().counters.redactions.fetch_add(redacted_, std::memory_order_relaxed);
  }
  if (response.id().exists()) edits.push_back({response.id(), client_id_});
  if (outward_ != nullptr) outward_->answer_edits(message_->method(), response, edits);
  json::in_document_order(edits);
  json::write(response.root(), edits, out);
  out = with_result_type(std::move(out), response);
  bytes_out_ = static_cast<std::int64_t>(out.size());
  const json::Value code = response.error()["code"];
  audit::Outcome outcome = audit::Outcome::ok;
  if (response.error().exists())
    outcome = audit::Outcome::rpc_error;
  else if (failed)
    outcome = audit::Outcome::tool_error;
  finish_record(outcome, code.integer(), {});
  co_await final(out, mcp::http_status_of(era_, code.integer().value_or(0)));
}

std::optional<std::string> Exchange::refused_question(json::Value content) {
  for (const json::Member asked : content["inputRequests"].members()) {
    const std::string_view method = asked.value["method"].text_or({});
    const json::Value params = asked.value["params"];
    inspect::Findings found =
        inspect::scan(worker_.inspection().scanner(), inspect::Surface::user_text, params);
    leave_out(found);
    if (auto why = inspect::objection(method, params, found); why && refuses_question(method, *why))
      return why;
  }
  return std::nullopt;
}

std::string Exchange::without_secrets(std::string_view words) const {
  return gateway::without_secrets(worker_, words);
}

// step_up, redact and throttle are carried out where the call is decided and its answer released.
void Exchange::carry_out(std::span<const policy::Obligation> obligations, std::string_view reason) {
  using Kind = policy::Obligation::Kind;
  for (const policy::Obligation& obligation : obligations) {
    const std::string by = std::format("policy {}", obligation.policy);
    if (obligation.kind == Kind::alert)
      worker_.shared().log.warning("alert", {{"name", obligation.text},
                                             {"conversation", admitted_->principal->id()},
                                             {"policy", obligation.policy},
                                             {"reason", std::string(reason)}});
    if (obligation.kind == Kind::alert)
      worker_.shared().alerts->tell({.event = config::Event::policy,
                                     .sentence = std::format("{}: {}", by, reason),
                                     .agent = admitted_->caller->agent.value(),
                                     .conversation = admitted_->principal->id(),
                                     .server = route_.config->name,
                                     .tool = std::string(named()),
                                     .channel = obligation.text});
    if (!snapshot_->config->behaviour.kill) continue;
    if (obligation.kind == Kind::kill_session)
      worker_.kill(*admitted_->principal, by, std::string(reason));
    else if (obligation.kind == Kind::quarantine)
      worker_.kill_all_of(Principals::agent_id(admitted_->caller->agent.value()),
                          audit::Type::agent_quarantined,
                          {.at = now(),
                           .agent = admitted_->caller->agent.value(),
                           .user = {},
                           .by = by,
                           .reason = std::string(reason)});
  }
}

std::string Exchange::with_result_type(std::string text, const mcp::Message& response) const {
  if (!modern() || !response.result().exists() || response.result()["resultType"].exists())
    return text;
  return mcp::response_to_modern(own_message(text), client_id_, message_->method(), {});
}

void Exchange::finish_record(audit::Outcome outcome, std::optional<std::int64_t> code,
                             std::string_view error) {
  audit::Record record = base_record(audit::Type::call_finished);
  record.outcome = outcome;
  record.rpc_code = code;
  // A server's words may be in it.
  const std::string trouble = error.empty() ? std::string() : without_secrets(error);
  record.error = trouble;
  record.server.tls_group = upstream_.group;
  record.server.tls_version = upstream_.version;
  const inspect::Findings nothing;
  add_parts(record, found_ != nullptr ? std::as_const(*found_) : nothing);
  record.rows_out = static_cast<std::int64_t>(rows_);
  record.bytes_in = bytes_in_;
  record.bytes_out = bytes_out_;
  record.res.len = bytes_read_;
  const base::Instant over = worker_.loop().clock().instant();
  if (left_ != base::Instant{}) outside_ += over - std::exchange(left_, base::Instant{});
  record.dur_ns = (over - started_).count();
  record.added_ns = record.dur_ns - outside_.count();
  record.inspect_ns = inspect_ns_;
  if (shadow_of_answer_) add_shadow(record);
  std::vector<audit::Redaction> redactions;
  if (redacted_ > 0) {
    redactions.push_back({.kind = "text", .count = static_cast<std::int64_t>(redacted_)});
    record.redactions = redactions;
  }
  record.res.kept = kept_answer_ != nullptr;
  worker_.shared().recorder.post(worker_.record_writer().write(record), std::move(kept_answer_));
  call_is_over(outcome);
}

bool Exchange::seals_questions() const {
  return snapshot_->config->audit.context == config::Context::sealed;
}

std::string_view Exchange::domain() const {
  const auto configured =
      tool_ ? route_.config->tools.find(std::string_view(tool_->name)) : route_.config->tools.end();
  const auto& domains = configured != route_.config->tools.end() && configured->second.domains
                            ? *configured->second.domains
                            : route_.config->domains;
  return domains.empty() ? std::string_view() : std::string_view(domains.front());
}

std::unique_ptr<const store::KeptBody> Exchange::keep(BodyKind kind, json::Value body,
                                                      const inspect::Findings& findings) const {
  const config::Audit& audit = snapshot_->config->audit;
  if (!log_full_ && !keeps(audit.bodies, kind)) return nullptr;
  return kept_body(body, {.findings = &findings,
                          .redaction_key = worker_.shared().redaction_key,
                          .limit = audit.body_limit.count,
                          .subject = admitted_->principal->ref(),
                          .label = domain(),
                          .at = at_});
}

std::unique_ptr<const store::KeptBody> Exchange::with_question(
    std::unique_ptr<const store::KeptBody> params) const {
  if (sealed_question_.empty()) return params;
  store::KeptBody body{.text = std::format("{{\"asked\":{}", sealed_question_),
                       .purpose = body_purpose(admitted_->principal->ref(), domain(), at_)};
  if (params) body.text += std::format(",\"params\":{}", params->text);
  body.text += "}";
  return std::make_unique<const store::KeptBody>(std::move(body));
}

std::unique_ptr<const store::KeptBody> Exchange::keep_request(audit::Record& record) const {
  auto body = with_question(keep(BodyKind::request, message_->params(), findings_));
  record.req.kept = body != nullptr;
  if (body) record.req.len = static_cast<std::int64_t>(body->text.size());
  return body;
}

// What was found, what is unusual and what was read: of the question, then of the answer.
void Exchange::add_parts(audit::Record& record, const inspect::Findings& found) {
  const bool answered = record.type == audit::Type::call_finished;
  parts_.findings = answered ? counted_findings(found) : record_findings(found);
  parts_.labels.clear();
  if (answered && found_ != nullptr)
    for (const std::string& domain : labels().domains) parts_.labels.emplace_back(domain);
  if (!answered && origins_.has(provenance::What::sensitive)) parts_.labels.emplace_back("private");
  add_kinds_of_data(found, parts_.labels);
  parts_.signals.clear();
  for (const behaviour::Signal& signal : risk_.signals)
    parts_.signals.push_back(behaviour::name(signal.kind));
  parts_.taint.assign(taint_.begin(), taint_.end());
  record.findings = parts_.findings;
  (answered ? record.labels_out : record.labels_in) = parts_.labels;
  if (risk_known_)
    record.risk = {.rung = risk_.rung, .score = risk_.score, .signals = parts_.signals};
  record.taint = parts_.taint;
}

// What a person was asked, or said.
void Exchange::add_approval(audit::Record& record) {
  if (!approval_) return;
  // Whose client answered is who it acts for (gateway/ask_client.cc).
  parts_.approver = approval_->by.starts_with(client_answers)
                        ? admitted_->principal->ref()
                        : mark_of(worker_.shared(), approval_->by);
  record.approval = {.at = approval_->answered,
                     .by = parts_.approver,
                     .call_hash = approval_->digest,
                     .expires = approval_->until,
                     .level = approval_->level,
                     .request = approval_->id};
}

audit::Record Exchange::base_record(audit::Type type) {
  audit::Record record;
  record.type = type;
  record.time = now();
  record.uid = type == audit::Type::call_decided ? call_uid_
                                                 : crypto::uuid_v7(record.time, worker_.random());
  record.call_uid = call_uid_;
  record_caller(record, *admitted_, request_.peer());
  record_server(record, *route_.config);
  if (const Session* const session = door_ ? door_.get() : session_.get(); session != nullptr) {
    record.proto = session->version;
    record.client.name = session->client;
    record.client.version = session->client_version;
  }
  if (message_) {
    record.method = message_->method_name();
    const json::Value meta = message_->meta();
    if (const json::Value info = mcp::reserved_meta(meta, "clientInfo");
        modern() && info.exists()) {
      record.client.name = holds_secret() ? hidden : info["name"].text_or({});
      record.client.version = holds_secret() ? hidden : info["version"].text_or({});
    }
  }
  if (trace_) {
    record.trace_id = trace_->trace;
    record.parent_span_id = trace_->parent;
    record.span_id = span_;
  }
  if (recorded_id_.empty()) recorded_id_ = recorded_id(worker_, client_id_);
  record.rpc_id = recorded_id_;
  if (tool_) {
    record.tool = tool_->name;
    record.tool_pin = tool_->form.hash;
    if (tool_->tool) record.effect = effect_of(tool_->tool->effects());
  } else if (message_ && message_->method() == mcp::Method::tools_call) {
    record.tool = named();
  } else if (message_ && message_->method() == mcp::Method::prompts_get) {
    record.prompt = named();
  } else if (!subject_.empty()) {
    record.resource_uri = named();
  }
  return record;
}

std::shared_ptr<Conversation> Exchange::conversation() const {
  if (session_ && session_->conversation) return session_->conversation;
  return admitted_->principal->conversation(now());
}

// What was judged, written again: ids and progress tokens are ours, the rest is as it came.
Outgoing Exchange::outgoing(std::vector<json::Edit> edits) {
  Outgoing message;
  upstream_id_ = std::to_string(worker_.shared().next_id.fetch_add(1, std::memory_order_relaxed));
  edits.push_back({message_->id(), upstream_id_});
  if (const json::Value token = message_->meta()["progressToken"]; token.exists()) {
    client_token_ = json::to_string(token);
    edits.push_back({token, upstream_id_});
  }
  std::string traced;
  if (const json::Value parent = message_->meta()["traceparent"]; trace_ && parent.exists()) {
    json::write_string(mcp::to_text({trace_->trace, span_, trace_->flags}), traced);
    edits.push_back({parent, traced});
  }
  json::in_document_order(edits);
  message.text.reserve(1024);
  json::write(message_->root(), edits, message.text);
  message.id = upstream_id_;
  message.method = message_->method_name();
  message.name = mcp::subject_of(*message_);
  message.era = era_;
  message.version = modern() ? std::string(mcp::modern_revision) : session_->version;
  if (tool_ && !task_call_)  // a bridge may need them in either era
    message.parameter_headers =
        mcp::mirrored_headers(tool_->mirrored, message_->params()["arguments"]);
  return message;
}

}  // namespace latticegate::gateway
