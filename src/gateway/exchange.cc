#include "gateway/exchange.h"

#include <algorithm>
#include <format>

#include "behaviour/records.h"
#include "gateway/canary.h"
#include "gateway/exceptions.h"
#include "gateway/learnt.h"
#include "gateway/meters.h"
#include "gateway/operators.h"
#include "gateway/ready.h"
#include "gateway/recording.h"
#include "gateway/stated.h"
#include "inspect/redact.h"
#include "json/write.h"
#include "mcp/trace.h"
#include "mcp/translate.h"

namespace latticegate::gateway {
namespace {

using net::Task;

bool is_about_task(mcp::Method method) {
  return method == mcp::Method::tasks_get || method == mcp::Method::tasks_result ||
         method == mcp::Method::tasks_update || method == mcp::Method::tasks_cancel;
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
  if (permit->mode() == policy::Mode::enforce && !permit->obligations().empty())
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
  facts.explained = explained_.stated ? &explained_ : nullptr;
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

void Exchange::ask_shadow(policy::Facts facts, policy::Judgement::Kind decided) {
  if (!snapshot_->shadow) return;
  for (std::size_t i = 0; i < facts.histories.size(); ++i)
    facts.histories.at(i) = admitted_->shadow_histories.at(i).get();
  snapshot_->shadow->judge(facts, worker_.shadow_scratch(), shadow_, &shadow_why_);
  worker_.shared().counters.shadow_judged.fetch_add(1, std::memory_order_relaxed);
  compare_shadow(decided);
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

behaviour::Who Exchange::who() const {
  const auto& groups = admitted_->caller->groups;
  return {admitted_->caller->agent.value(),
          groups.empty() ? std::string_view() : std::string_view(groups.front())};
}

void Exchange::leave_out(inspect::Findings& findings) const {
  gateway::leave_out(findings, snapshot_->config->inspect.exceptions, route_.config->name,
                     tool_ ? std::string_view(tool_->name) : std::string_view(), at_);
}

Task<std::optional<policy::Permit>> Exchange::decide() {
  std::string sentence;
  if (!arguments_fit(sentence)) {
    co_await refuse_call(sentence, "input-schema");
    co_return std::nullopt;
  }
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
  hear_purpose();
  trace_arguments();
  risk_ = worker_.shared().watch.before(
      {admitted_->caller->agent.value(), route_.config->name, subject, who().group},
      {.at = at_, .asked = asked_, .max_records = cap, .given = acting_.given()}, config.behaviour);
  behaviour::Habits& habits = worker_.shared().habits;
  if (habitual) {
    habits.note(who(), risk_, at_);
    risk_.join(habits.before(who(), acting_.act(), config.behaviour));
  }
  add_canary(risk_, findings_, "its arguments");
  look_for_planted(message_->params(), findings_, "its arguments");
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
  const bool limited = risk_.rung >= static_cast<std::uint8_t>(behaviour::Rung::throttle);
  if (rates.empty() && !limited) return std::nullopt;
  const policy::Obligation of_ladder{.kind = policy::Obligation::Kind::throttle,
                                     .number = snapshot_->config->behaviour.ladder_calls,
                                     .text = {},
                                     .per = std::chrono::minutes(1),
                                     .policy = std::format("{}throttle", ladder_policies)};
  if (limited) {
    rates.push_back({of_ladder.policy, of_ladder.number, of_ladder.per});
    whose.push_back(&of_ladder);
  }
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
  const bool decoy = level == 0 && answers_with_decoy(denial);
  record_denial(denial, level);
  carry_out(denial.obligations, explain(denial));
  if (admitted_->principal->is_killed())
    co_await killed_answer();
  else if (decoy)
    co_await answer_decoy();
  else
    co_await answer_denial(
        denial, level > 0 ? std::format(" (an approval of level {} would allow it)", level) : "");
}

Task<void> Exchange::answer_denial(const policy::Denial& denial, std::string_view more) {
  const std::string sentence =
      std::format("Latticegate: {}{}", without_secrets(denial.sentence), more);
  if (tool_)
    co_await final(mcp::tool_error_response(client_id_, sentence, modern()));
  else
    co_await final(mcp::error_response(client_id_, mcp::denied_code, sentence));
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
  if (const json::Value said = message_->meta()[purpose_key]; said.exists()) {
    std::erase_if(edits, [&](const json::Edit& edit) { return edit.at.node() == said.node(); });
    edits.push_back({said, ""});  // between the client and us
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
