// The part of an exchange in which the client's own user is asked for an approval, in the protocol:
// elicitation/create of the legacy era, input_required of the modern one.
//
// A convenience, and weak: a client can answer its own question, and a model may be what answers.
// So only policies with @obligation ask_client let it, for level 1; whatever else holds when the
// call is decided again is not lifted by it (judge()), and `context.approval.approver` says
// "client:...".
#include <algorithm>
#include <format>

#include "gateway/ask_client.h"
#include "gateway/exchange.h"
#include "gateway/meters.h"
#include "gateway/operators.h"
#include "gateway/ready.h"
#include "gateway/request_state.h"
#include "json/write.h"
#include "mcp/translate.h"

namespace latticegate::gateway {
namespace {

using State = ApprovalRequest::State;
using Kind = policy::Obligation::Kind;

constexpr std::string_view question_key = "latticegate_approval";
constexpr std::size_t longest_arguments = 1'000;

std::string cut(std::string_view text) {
  if (text.size() <= longest_arguments) return std::string(text);
  std::size_t end = longest_arguments;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::format("{}...", text.substr(0, end));
}

// The params of elicitation/create, by form, good for 2025-06-18 and later.
std::string params_of(const ApprovalRequest& request) {
  const std::string arguments =
      request.arguments.empty() ? std::string() : " with " + cut(request.arguments);
  const std::string words = std::format("Latticegate asks: may {} of {} be called{}? ({})",
                                        request.subject, request.server, arguments, request.why);
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("message", base::printable(words))
      .key("requestedSchema")
      .raw(R"({"type":"object","properties":{"approve":{"type":"boolean","title":"Approve this )"
           R"(one call","default":false}},"required":["approve"]})")
      .end_object();
  return out;
}

bool may_be_asked(json::Value declared) {
  return mcp::may_be_asked(declared, mcp::Method::elicitation_create, json::Value());
}

}  // namespace

// Each of the policies that hold has to let it.
bool Exchange::asks_client(const policy::Challenge& challenge) {
  const auto lets = [&](const std::string& policy) {
    return std::ranges::any_of(challenge.denial.obligations, [&](const auto& obligation) {
      return obligation.kind == Kind::ask_client && obligation.policy == policy;
    });
  };
  return challenge.level <= 1 && !challenge.denial.policies.empty() &&
         std::ranges::all_of(challenge.denial.policies, lets);
}

net::Task<std::optional<std::string>> Exchange::put_question() {
  if (!client_may_answer_ || modern() || !session_) co_return std::nullopt;
  // At a door the client's own session is the door's; what waits for the client is one list.
  const Session& client = door_ ? *door_ : *session_;
  const auto declared = json::Document::parse(client.capabilities);
  if (!declared || !may_be_asked(declared->root())) co_return std::nullopt;
  auto id = session_->server_requests->add({.upstream_id = {},
                                            .method = "elicitation/create",
                                            .link = nullptr,
                                            .version = client.version,
                                            .approval = approval_->id});
  if (!id) co_return std::nullopt;
  std::string text;
  json::Writer(text)
      .begin_object()
      .member("jsonrpc", "2.0")
      .key("id")
      .raw(*id)
      .member("method", "elicitation/create")
      .key("params")
      .raw(params_of(*approval_))
      .end_object();
  if ((!streaming_ && !co_await begin_events()) || !co_await event(text)) {
    (void)session_->server_requests->take(*id);
    co_return std::nullopt;
  }
  co_return id;
}

std::optional<std::string> Exchange::question_as_result() {
  if (!client_may_answer_ || !modern() || !approval_ || approval_->state != State::open)
    return std::nullopt;
  // Who waits for a server's own question goes on there.
  if (message_->params()["requestState"].exists()) return std::nullopt;
  if (!may_be_asked(mcp::reserved_meta(message_->meta(), "clientCapabilities")))
    return std::nullopt;
  const std::string state = seal_state(
      {.key = worker_.shared().state_key,
       .principal = admitted_->principal->id(),
       .server = route_.config->name,
       .request = "approval " + digest_},
      {.replica = worker_.shared().replica, .handle = approval_->id, .until = approval_->until},
      worker_.random());
  std::string result;
  json::Writer(result)
      .begin_object()
      .member("resultType", "input_required")
      .key("inputRequests")
      .begin_object()
      .key(question_key)
      .begin_object()
      .member("method", "elicitation/create")
      .key("params")
      .raw(params_of(*approval_))
      .end_object()
      .end_object()
      .member("requestState", state)
      .end_object();
  return mcp::result_response(client_id_, result);
}

// A state of ours goes no further; one that is not is the server's.
void Exchange::take_client_answer() {
  const json::Value given = message_->params()["requestState"];
  if (!modern() || task_call_ || !given.is_string()) return;
  ask_digest();
  const auto opened = open_state({.key = worker_.shared().state_key,
                                  .principal = admitted_->principal->id(),
                                  .server = route_.config->name,
                                  .request = "approval " + digest_},
                                 given.text_or({}), at_);
  if (!opened && opened.error().code != base::Code::timeout) return;
  const json::Value answers = message_->params()["inputResponses"];
  if (opened)
    answer_as_client(worker_, *snapshot_, *admitted_->principal, opened->handle,
                     answers[question_key]);
  std::vector<json::Edit> edits{{given, ""}};
  if (answers.exists()) edits.push_back({answers, ""});
  json::in_document_order(edits);
  mcp::Message without = own_message(message_->text(edits));
  message_ = std::move(without);
  subject_ = mcp::subject_of(*message_);
}

void answer_as_client(Worker& worker, const Snapshot& snapshot, const Principal& principal,
                      std::string_view request, json::Value result) {
  const std::string_view action = result["action"].text_or({});
  if (action != "accept" && action != "decline") return;
  const bool yes = action == "accept" && result["content"]["approve"].boolean() == true;
  const auto answered = worker.shared().approvals.answer(
      request, yes,
      std::format("{}{}", client_answers,
                  principal.user().empty() ? principal.agent() : principal.user()),
      "asked in the client", snapshot.config->approvals.valid, worker.shared().clock.now());
  if (answered) tell_approval(worker, *answered, principal.ref());
}

void Exchange::take_trace() {
  const std::string_view said = message_->meta()["traceparent"].text_or(
      request_.head().find("traceparent").value_or(std::string_view()));
  if (said.empty()) return;
  trace_ = mcp::parse_traceparent(said);
  // The random end of the call's own id.
  std::string digits = call_text_;
  std::erase(digits, '-');
  span_ = digits.substr(digits.size() - 16);
}

void tell_approval(Worker& worker, const ApprovalRequest& answered, std::string_view person) {
  const bool yes = answered.state == State::approved;
  Shared& shared = worker.shared();
  audit::Record record;
  record.type = audit::Type::approval_answered;
  record.time = shared.clock.now();
  record.uid = crypto::uuid_v7(record.time, worker.random());
  record.session = answered.conversation;
  record.agent.ref = answered.agent;
  record.server.id = answered.server;
  record.decision = yes ? audit::Decision::allow : audit::Decision::deny;
  record.principal.ref = person;
  const std::string why =
      std::format("request {} for {} of {}, level {}, answered{}{}", answered.id, answered.subject,
                  answered.server, answered.level, answered.reason.empty() ? "" : ": ",
                  without_secrets(worker, answered.reason));
  record.why = why;
  shared.recorder.post(worker.record_writer().write(record));
  shared.meters->approval(yes ? "approved" : "refused");
  shared.log.info(yes ? "call approved" : "approval refused",
                  {{"request", answered.id}, {"by", answered.by}});
}

}  // namespace latticegate::gateway
