// What is recorded of a call, and which bodies are kept.
#include "gateway/exchange.h"

#include <algorithm>
#include <format>

#include "gateway/alerts.h"
#include "gateway/operators.h"
#include "gateway/recording.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using net::Task;

std::string_view effect_of(const policy::Effects& effects) {
  if (effects.destructive) return "delete";
  if (effects.egress) return "send";
  if (effects.write || effects.actuate) return "write";
  return effects.read ? "read" : "";
}

audit::Decision decision_of(policy::Judgement::Kind kind) {
  switch (kind) {
    case policy::Judgement::Kind::allow: return audit::Decision::allow;
    case policy::Judgement::Kind::deny: return audit::Decision::deny;
    case policy::Judgement::Kind::step_up: return audit::Decision::step_up;
  }
  std::unreachable();
}

}  // namespace

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

void Exchange::record_denial(const policy::Denial& denial, std::int64_t level) {
  worker_.shared().counters.denied.fetch_add(1, std::memory_order_relaxed);
  std::string why = explain(denial) + approval_words_;
  if (decoy_) why += std::format(" (answered with a decoy, {} planted values)", decoy_->marks);
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

std::string Exchange::without_secrets(std::string_view words) const {
  return gateway::without_secrets(worker_, words);
}

}  // namespace latticegate::gateway
