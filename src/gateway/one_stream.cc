#include "gateway/one_stream.h"

#include <algorithm>

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::size_t waiting_messages = 1024;  // per call; a server that floods one loses it
constexpr std::size_t most_early = 64;          // messages kept until a client listens

}  // namespace

class OneStream::StreamReply final : public Reply {
 public:
  StreamReply(net::Loop& loop, std::shared_ptr<OneStream> from, std::string id,
              std::shared_ptr<Inbox> inbox, std::chrono::milliseconds time, bool stream)
      : loop_(loop),
        from_(std::move(from)),
        id_(std::move(id)),
        inbox_(std::move(inbox)),
        time_(time),
        stream_(stream) {}
  ~StreamReply() override { from_->forget(id_, inbox_); }

  Task<Result<std::optional<mcp::Message>>> next() override {
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    if (done_) co_return std::nullopt;
    std::optional<base::Instant> deadline;
    if (!stream_) deadline = loop_.clock().instant() + time_;
    Inbox::Popped popped = co_await inbox_->pop(deadline);
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    if (popped.value) {
      done_ = popped.value->is_response();
      co_return std::move(popped.value);
    }
    if (popped.ended == Inbox::Ended::timeout)
      co_return fail(Code::timeout, "the server did not answer in time");
    if (stream_) co_return std::nullopt;
    co_return fail(Code::unavailable, std::string(from_->ended_words_));
  }
  void cancel() override {
    cancelled_ = true;
    inbox_->close();
  }
  Secured secured() const override { return from_->secured_; }

 private:
  net::Loop& loop_;
  std::shared_ptr<OneStream> from_;
  std::string id_;
  std::shared_ptr<Inbox> inbox_;
  std::chrono::milliseconds time_;
  bool stream_;
  bool done_ = false;
  bool cancelled_ = false;
};

Result<std::unique_ptr<Reply>> OneStream::reply(net::Loop& loop, const std::string& id,
                                                std::chrono::milliseconds time, bool stream) {
  auto inbox = std::make_shared<Inbox>(loop, waiting_messages);
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return fail(Code::unavailable, std::string(ended_words_));
    if (!id.empty()) {
      calls_.push_back({id, inbox});
    } else {
      if (listener_) listener_->close();  // the newest stream gets the messages
      listener_ = inbox;
      for (mcp::Message& message : early_) listener_->push(std::move(message));
      early_.clear();
    }
  }
  return std::make_unique<StreamReply>(loop, shared_from_this(), id, std::move(inbox), time,
                                       stream);
}

// Messages that belong to no call go to the latest call under way, else to the listening stream:
// one stream does not say to what a server's own request relates.
void OneStream::route(mcp::Message message) {
  std::string refusal;
  {
    const std::scoped_lock lock(mutex_);
    std::shared_ptr<Inbox> to;
    if (message.is_response()) {
      to = inbox_of(message.id_text());
      if (!to) return;  // an answer to what was cancelled or timed out
    } else if (message.method() == mcp::Method::notifications_progress) {
      to = inbox_of(json::to_string(message.params()["progressToken"]));
      if (!to) return;
    } else if (const json::Value subscription =
                   mcp::reserved_meta(message.meta(), "subscriptionId")) {
      to = inbox_of(json::to_string(subscription));
    } else if (!calls_.empty() &&
               (message.is_request() || message.method() == mcp::Method::notifications_message)) {
      to = calls_.back().inbox;
    } else {
      to = listener_;
    }
    if (to) {
      if (!to->push(std::move(message))) to->close();
    } else if (early_.size() < most_early) {
      early_.push_back(std::move(message));  // servers ask for roots before a stream is open
    } else if (message.is_request()) {
      refusal = mcp::error_response(message.id_text(), -32603, "no client is listening");
    }
  }
  if (!refusal.empty()) refuse_(std::move(refusal));
}

std::shared_ptr<OneStream::Inbox> OneStream::inbox_of(std::string_view id) const {
  const auto call = std::ranges::find(calls_, id, &Call::id);
  return call == calls_.end() ? nullptr : call->inbox;
}

void OneStream::forget(std::string_view id, const std::shared_ptr<Inbox>& inbox) {
  const std::scoped_lock lock(mutex_);
  if (id.empty() && listener_ == inbox) listener_.reset();
  std::erase_if(calls_, [&](const Call& call) { return call.inbox == inbox; });
}

void OneStream::finish() {
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  for (const Call& call : calls_) call.inbox->close();
  calls_.clear();
  if (listener_) listener_->close();
  listener_.reset();
}

bool OneStream::ended() const {
  const std::scoped_lock lock(mutex_);
  return ended_;
}

}  // namespace latticegate::gateway
