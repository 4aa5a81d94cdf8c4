// Where what a call says came from, and what the stated purpose of its conversation explains.
#include "gateway/exchange.h"
#include "gateway/learnt.h"
#include "gateway/stated.h"

namespace latticegate::gateway {

Labels Exchange::labels() const {
  return labels_of(*route_.config, tool_ ? std::string_view(tool_->name) : std::string_view(),
                   snapshot_->config->provenance.private_from);
}

// Before its arguments are looked at: what is said of the call may be said in the call.
void Exchange::hear_purpose() {
  explained_ = {};
  if (task_call_) return;
  const std::string& of_operator = admitted_->caller->purpose;
  const json::Value said = message_->meta()[purpose_key];
  const bool prompt = message_->method() == mcp::Method::prompts_get;
  if (!said.is_string() && !prompt && !admitted_->principal->says_purpose() && of_operator.empty())
    return;
  admitted_->principal->note_purpose();
  const auto tracing = admitted_->principal->tracing(snapshot_->config->provenance.limits,
                                                     worker_.shared().trail_key);
  bool untrusted = false;
  {
    const std::scoped_lock lock(conversation_->mutex);
    untrusted = !conversation_->totals.taint.all().empty();
  }
  tracing->purpose_of_operator(of_operator, at_);
  if (said.is_string()) tracing->say(provenance::Said::client, *said.string(), untrusted, at_);
  if (prompt) tracing->say(provenance::Said::prompt, prompt_words(*message_), untrusted, at_);
  tracing->purpose(at_, [&](const provenance::Purpose& purpose) {
    explained_ =
        explain_call(purpose, {.server = route_.config->name,
                               .tool = tool_ ? std::string_view(tool_->name) : std::string_view(),
                               .touched = acting_.act().touched,
                               .arguments = arguments()});
  });
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

}  // namespace latticegate::gateway
