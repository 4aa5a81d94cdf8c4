// A decided call from the server's side: how it may end before its answer, and what becomes of the
// answer.
#include "gateway/exchange.h"

#include <algorithm>
#include <format>

#include "behaviour/records.h"
#include "gateway/alerts.h"
#include "gateway/canary.h"
#include "gateway/learnt.h"
#include "gateway/operators.h"
#include "gateway/ready.h"
#include "gateway/recording.h"
#include "inspect/question.h"
#include "inspect/redact.h"
#include "json/write.h"
#include "mcp/translate.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using net::Task;

}  // namespace

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
      hold_to_promise(answer.result(), found);
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

// Structured content has to be what the tool's outputSchema says (MCP 2025-06-18 and later, tools):
// a finding where it is not, or where there is none. An error promises nothing, nor does what says
// that the answer comes later, where the client's era and its call know such a thing: to others it
// would be a way around. Of what is asked about a task only its result counts.
void Exchange::hold_to_promise(json::Value answer, inspect::Findings& found) const {
  if (!tool_ || !tool_->promise) return;
  const mcp::Method method = message_->method();
  const bool whole = method == mcp::Method::tools_call || method == mcp::Method::tasks_result;
  const json::Value result = whole ? answer : answer["result"];  // tasks/get of one that is done
  const std::string_view type = result["resultType"].text_or({});
  const bool comes_later = modern()
                               ? type == "task" || type == "input_required"
                               : message_->params()["task"].exists() && result["task"].is_object();
  if (!result.is_object() || result["isError"].boolean() == true || comes_later) return;
  const json::Value content = result["structuredContent"];
  const inspect::Validation held = tool_->promise->validate(content);
  if (content.exists() && held.valid()) return;
  inspect::Finding finding;
  finding.rule = "output-schema";
  finding.kind = inspect::FindingKind::schema;
  finding.severity = inspect::Severity::medium;
  finding.confidence = inspect::Confidence::verified;
  finding.pointer = whole ? "/structuredContent" : "/result/structuredContent";
  finding.at = content;
  // The sentences quote the answer.
  finding.excerpt = content.exists() ? std::format("{} of what was promised does not hold",
                                                   held.violations.size())
                                     : "there is none";
  found.items.push_back(std::move(finding));
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
    look_for_planted(content, found, "an answer");
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
    const bool decoy = answers_with_decoy(withheld->denial);
    std::string why = explain(withheld->denial);
    if (decoy) why += std::format(" (answered with a decoy, {} planted values)", decoy_->marks);
    std::string reason =
        risk_.signals.empty() ? why : without_secrets(risk_.signals.front().sentence);
    finish_record(audit::Outcome::withheld, mcp::denied_code, why);
    carry_out(withheld->denial.obligations, reason);
    if (admitted_->principal->is_killed()) {
      co_await killed_answer();
      co_return;
    }
    if (decoy) {
      co_await answer_decoy();
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
  if (!obligations.empty()) carry_out(obligations, std::format("the answer of {}", named()));
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

void Exchange::ask_shadow_again(const policy::Facts& after, bool conspicuous, bool lets_out) {
  using Kind = policy::Judgement::Kind;
  if (!snapshot_->shadow || shadow_differs_ || shadow_.kind != Kind::allow) return;
  if (!conspicuous && !snapshot_->shadow->judges_answer(after, worker_.shadow_scratch())) return;
  snapshot_->shadow->judge_answer(after, worker_.shadow_scratch(), shadow_, &shadow_why_);
  compare_shadow(lets_out ? Kind::allow : Kind::deny);
  shadow_of_answer_ = shadow_differs_;
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

}  // namespace latticegate::gateway
