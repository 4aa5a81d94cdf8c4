#include "gateway/shim.h"

#include <algorithm>
#include <format>

#include "mcp/revision.h"

namespace latticegate::gateway {
namespace {

using mcp::Message;
using mcp::Method;
using net::Task;

constexpr std::size_t most_running = 256;

mcp::Era era_of(const Message& message) {
  const json::Value claim = mcp::reserved_meta(message.meta(), "protocolVersion");
  return mcp::claims_modern(claim.text_or({})) ? mcp::Era::modern : mcp::Era::legacy;
}

}  // namespace

Shim::Shim(net::Loop& loop, std::shared_ptr<Link> link, std::string where,
           std::function<void(std::string_view)> out)
    : loop_(loop),
      link_(std::move(link)),
      where_(std::move(where)),
      out_(std::move(out)),
      tasks_([](const std::exception_ptr&) {}) {}

Task<void> Shim::run(Lines& lines, std::chrono::milliseconds patience) {
  for (;;) {
    auto popped = co_await lines.pop();
    if (!popped.value) break;
    co_await take(*popped.value);
  }
  const auto waited_for = [this] {
    return std::ranges::any_of(running_, [](const auto& each) { return !each->stream; });
  };
  const base::Instant end = loop_.clock().instant() + patience;
  while (waited_for() && loop_.clock().instant() < end)
    co_await loop_.sleep(std::chrono::milliseconds(10));
  for (const auto& each : running_)
    if (each->reply != nullptr) each->reply->cancel();
  if (listening_ != nullptr) listening_->cancel();
  co_await link_->end(loop_);
  co_await tasks_.empty();
}

Task<void> Shim::take(std::string_view line) {
  auto parsed = Message::parse(line, {.size = {longest_line}, .depth = 256, .allow_nul = true});
  if (!parsed) {
    out_(mcp::error_response(parsed.error().id.value_or(""), parsed.error().rpc_code,
                             parsed.error().error.detail));
    co_return;
  }
  Message message = *std::move(parsed);
  if (message.method() == Method::initialize && message.is_request()) {
    co_await request(std::move(message));
  } else if (message.is_request()) {
    if (running_.size() >= most_running)
      out_(mcp::error_response(message.id_text(), mcp::unavailable_code,
                               "too many requests are under way"));
    else
      tasks_.spawn(request(std::move(message)));
  } else {
    co_await pass_on(std::move(message));
  }
}

Outgoing Shim::outgoing(const Message& message) const {
  Outgoing sent;
  sent.text = message.text();
  sent.id = message.id_text();
  sent.method = message.method_name();
  sent.name = mcp::subject_of(message);
  sent.era = era_of(message);
  sent.version = sent.era == mcp::Era::modern
                     ? mcp::reserved_meta(message.meta(), "protocolVersion").text_or({})
                     : std::string_view(version_);
  sent.stream = message.method() == Method::subscriptions_listen;
  if (message.method() == Method::tools_call)
    if (const auto found = mirrors_.find(sent.name); found != mirrors_.end())
      sent.parameter_headers = mcp::mirrored_headers(found->second, message.params()["arguments"]);
  return sent;
}

Task<void> Shim::request(Message message) {
  const Outgoing sent = outgoing(message);
  auto running = std::make_shared<Running>(Running{sent.id, nullptr, sent.stream});
  running_.push_back(running);
  net::Abort abort;
  auto reply = co_await link_->request(loop_, sent, abort);
  if (!reply) {
    fail(sent.id, reply.error(), 0);
  } else {
    running->reply = reply->get();
    for (bool over = false; !over;) {
      auto next = co_await (*reply)->next();
      if (!next) {
        if (next.error().code != base::Code::cancelled)
          fail(sent.id, next.error(), (*reply)->status());
        break;
      }
      if (!*next) {
        if (!sent.stream)
          fail(sent.id, {base::Code::unavailable, "the answer ended without a result"},
               (*reply)->status());
        break;
      }
      over = (*next)->is_response();
      if (over && message.method() == Method::initialize && (*next)->result().exists()) {
        version_ = (*next)->result()["protocolVersion"].text_or({});
        link_->opened((*reply)->session_id(), version_);
      }
      if (over && message.method() == Method::tools_list) learn(**next);
      out_((*next)->text());
    }
    running->reply = nullptr;
  }
  std::erase(running_, running);
}

void Shim::learn(const Message& response) {
  for (const json::Value tool : response.result()["tools"].elements())
    if (auto mirrors = mcp::mirrors_of(tool["inputSchema"]); mirrors && !mirrors->empty())
      mirrors_.insert_or_assign(std::string(tool["name"].text_or({})), *std::move(mirrors));
}

Task<void> Shim::pass_on(Message message) {
  // On a pipe a notification cancels; over HTTP a modern call ends with its stream.
  if (message.method() == Method::notifications_cancelled && version_.empty()) {
    (void)cancel(json::to_string(message.params()["requestId"]));
    co_return;
  }
  Outgoing sent = outgoing(message);
  if (sent.era == mcp::Era::legacy && version_.empty()) co_return;  // before any session
  (void)co_await link_->notify(loop_, sent);
  if (message.method() == Method::notifications_initialized) tasks_.spawn(listen());
}

bool Shim::cancel(std::string_view id) {
  for (const auto& each : running_)
    if (each->id == id && each->reply != nullptr) {
      each->reply->cancel();
      return true;
    }
  return false;
}

// What belongs to no request; many endpoints have nothing of the kind.
Task<void> Shim::listen() {
  auto reply = co_await link_->listen(loop_);
  if (!reply) co_return;
  listening_ = reply->get();
  for (;;) {
    auto next = co_await (*reply)->next();
    if (!next || !*next) break;
    if (!(*next)->is_response()) out_((*next)->text());
  }
  listening_ = nullptr;
}

void Shim::fail(std::string_view id, const base::Error& error, int status) {
  const std::string why = status == 401   ? "the credential was refused (401)"
                          : status == 403 ? "access was refused (403)"
                          : status == 404 ? "there is no such endpoint (404)"
                                          : base::describe(error);
  out_(mcp::error_response(id, mcp::unavailable_code, std::format("{}: {}", where_, why)));
}

}  // namespace latticegate::gateway
