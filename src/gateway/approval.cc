// The part of an exchange in which a person is asked (gateway/approvals.h).
#include <format>

#include "gateway/alerts.h"
#include "gateway/exchange.h"
#include "gateway/meters.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using State = ApprovalRequest::State;
using std::chrono::milliseconds;

constexpr milliseconds glance(100);
constexpr milliseconds client_patience(300'000);  // with who is asked in the client
constexpr milliseconds between_signs(5'000);      // of life, for a client that asked for progress

std::string progress(std::string_view token, std::int64_t number, std::string_view words) {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("jsonrpc", "2.0")
      .member("method", "notifications/progress")
      .key("params")
      .begin_object()
      .key("progressToken")
      .raw(token)
      .member("progress", number)
      .member("message", words)
      .end_object()
      .end_object();
  return out;
}

std::unique_ptr<const ApprovalRequest> kept(std::optional<ApprovalRequest> request) {
  return request ? std::make_unique<const ApprovalRequest>(*std::move(request)) : nullptr;
}

}  // namespace

void Exchange::look_for_approval() {
  if (task_call_ || !worker_.shared().approvals.any()) return;
  ask_digest();
  approval_ = kept(worker_.shared().approvals.find(digest_, at_));
}

void Exchange::ask_digest() {
  if (!digest_.empty()) return;
  digest_ =
      approval_digest(admitted_->principal->id(), route_.config->name,
                      std::format("{} {}", message_->method_name(), subject_),
                      tool_ ? std::string_view(tool_->form.hash) : std::string_view(), arguments());
}

void Exchange::ask_for_approval(const policy::Challenge& challenge) {
  Approvals& approvals = worker_.shared().approvals;
  const base::Time until = at_ + snapshot_->config->approvals.pending;
  ask_digest();
  if (approval_ && approval_->state == State::approved) {  // but not for these policies
    approvals.reopen(approval_->id, challenge.level, until);
    approval_ = kept(approvals.find(digest_, at_));
  }
  if (!approval_) {
    ApprovalRequest request;
    request.digest = digest_;
    request.conversation = admitted_->principal->id();
    request.agent = admitted_->principal->agent();
    request.user = admitted_->principal->user();
    request.server = route_.config->name;
    request.subject = named();
    if (arguments().exists()) request.arguments = without_secrets(json::to_string(arguments()));
    request.why = without_secrets(challenge.denial.sentence);
    request.level = challenge.level;
    request.until = until;
    auto opened = approvals.open(std::move(request), at_, worker_.random());
    if (!opened) {
      approval_words_ = std::format(" (an approval of level {} would allow it, but {})",
                                    challenge.level, opened.error().detail);
      return;
    }
    approval_ = kept(*std::move(opened));
    worker_.shared().meters->approval("asked");
    worker_.shared().alerts->tell(
        {.event = config::Event::approval,
         .sentence =
             std::format("request {} waits until {} for an approval of level {}: {}", approval_->id,
                         base::to_rfc3339(approval_->until), approval_->level, approval_->why),
         .agent = approval_->agent,
         .conversation = approval_->conversation,
         .server = approval_->server,
         .tool = approval_->subject,
         .topic = approval_->id,
         .until = approval_->until});
  }
  client_may_answer_ = approval_->state == State::open && asks_client(challenge);
  if (approval_->state == State::refused)
    approval_words_ = std::format(" (an approval was refused: request {})", approval_->id);
  else
    approval_words_ = std::format(
        " (an approval of level {} would allow it: request {} is open until {}; after the "
        "approval, make the same call again)",
        challenge.level, approval_->id, base::to_rfc3339(approval_->until));
}

net::Task<bool> Exchange::approval_comes() {
  if (!approval_ || approval_->state != State::open) co_return false;
  milliseconds patience = snapshot_->config->approvals.wait;
  const std::optional<std::string> question = co_await put_question();
  if (question)
    patience = std::max(patience, std::min(client_patience, snapshot_->config->approvals.pending));
  if (patience == milliseconds(0)) co_return false;
  net::Loop& loop = worker_.loop();
  const base::Instant begun = loop.clock().instant();
  base::Instant sign = begun + between_signs;
  std::string token;
  if (const json::Value given = message_->meta()["progressToken"]; given.exists())
    token = json::to_string(given);
  const std::string words = std::format("waits for an approval: request {}", approval_->id);
  watch_for_end();
  while (!must_end() && loop.clock().instant() - begun < patience) {
    co_await loop.sleep(glance);
    approval_ = kept(worker_.shared().approvals.find(digest_, now()));
    if (!approval_ || approval_->state != State::open) break;
    if (token.empty() || loop.clock().instant() < sign) continue;
    sign += between_signs;
    const auto waited =
        std::chrono::duration_cast<std::chrono::seconds>(loop.clock().instant() - begun);
    if (!streaming_ && !co_await begin_events()) break;
    if (!co_await event(progress(token, waited.count(), words))) break;
  }
  if (question) (void)session_->server_requests->take(*question);
  outside_ += loop.clock().instant() - begun;
  stop_watching();
  const bool approved = approval_ && approval_->state == State::approved;
  if (!approval_)
    approval_words_ = " (nobody answered the request for an approval)";
  else if (approval_->state == State::refused)
    approval_words_ = std::format(" (an approval was refused: request {})", approval_->id);
  co_return approved && !must_end();
}

void Exchange::begin_again() {
  at_ = now();
  call_uid_ = crypto::uuid_v7(at_, worker_.random());
  call_text_ = crypto::to_string(call_uid_);
  approval_words_.clear();
  by_ladder_ = false;
}

}  // namespace latticegate::gateway
