// The part of an exchange about made-up answers (gateway/decoy.h), and about what was planted with
// them and comes back.
#include <algorithm>
#include <format>

#include "gateway/exchange.h"
#include "gateway/meters.h"
#include "gateway/ready.h"
#include "inspect/planted.h"
#include "mcp/translate.h"

namespace latticegate::gateway {

void Exchange::look_for_planted(json::Value part, const inspect::Findings& found,
                                std::string_view where) {
  if (!snapshot_->plants ||
      !inspect::has_planted(worker_.shared().redaction_key, part, found.revealed))
    return;
  risk_.add({.kind = behaviour::Kind::canary,
             .score = 100,
             .seen = 1,
             .sentence = std::format("a value of a made-up answer came back in {}", where)});
}

bool Exchange::answers_with_decoy(const policy::Denial& denial) {
  if (!tool_ || task_call_ ||
      !std::ranges::contains(denial.obligations, policy::Obligation::Kind::honeypot,
                             &policy::Obligation::kind))
    return false;
  const auto descriptor = json::Document::parse(tool_->form.bytes);
  decoy_ = make_decoy(descriptor ? descriptor->root()["outputSchema"] : json::Value(),
                      worker_.shared().redaction_key, worker_.random());
  worker_.shared().meters->decoy();
  return true;
}

net::Task<void> Exchange::answer_decoy() {
  std::string text = mcp::result_response(client_id_, decoy_->result);
  if (modern())
    text = mcp::response_to_modern(own_message(text), client_id_, message_->method(), {});
  bytes_out_ = static_cast<std::int64_t>(text.size());
  co_await final(text);
}

}  // namespace latticegate::gateway
