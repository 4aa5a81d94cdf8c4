#include <algorithm>
#include <format>
#include <list>
#include <map>
#include <mutex>

#include "gateway/upstream.h"
#include "net/channel.h"
#include "net/child.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::size_t waiting_messages = 1024;  // per call; a server that floods one loses it
constexpr std::size_t longest_error_line = 2048;
constexpr std::size_t most_early = 64;  // messages kept until a client listens

using Inbox = net::Channel<mcp::Message>;

// The child and everything that runs on its home loop. Others reach it by the mutex-guarded table
// of calls and by posting to the loop.
class Process : public std::enable_shared_from_this<Process> {
 public:
  Process(net::Loop& home, net::TaskGroup& tasks, ChildTarget target,
          std::unique_ptr<net::Child> child)
      : home_(home),
        tasks_(tasks),
        target_(std::move(target)),
        child_(std::move(child)),
        to_write_(home) {}

  void run() {
    tasks_.spawn(read_messages(shared_from_this()));
    tasks_.spawn(read_errors(shared_from_this()));
    tasks_.spawn(write_messages(shared_from_this()));
  }

  net::Loop& home() { return home_; }
  const ChildTarget& target() const { return target_; }

  // Any thread. False when the process has ended.
  bool send(std::string line) {
    {
      const std::scoped_lock lock(mutex_);
      if (ended_) return false;
      lines_.push_back(std::move(line));
    }
    home_.post([self = shared_from_this()] { self->to_write_.set(); });
    return true;
  }
  bool has_ended() {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }
  bool expect(const std::string& id, std::shared_ptr<Inbox> inbox) {
    const std::scoped_lock lock(mutex_);
    if (ended_) return false;
    calls_.push_back({id, std::move(inbox)});
    return true;
  }
  void forget(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(calls_, [&](const Call& call) { return call.id == id; });
  }
  bool set_listener(std::shared_ptr<Inbox> inbox) {
    const std::scoped_lock lock(mutex_);
    if (ended_) return false;
    if (listener_) listener_->close();  // the newest stream gets the messages
    listener_ = std::move(inbox);
    for (mcp::Message& message : early_) listener_->push(std::move(message));
    early_.clear();
    return true;
  }
  void drop_listener(const std::shared_ptr<Inbox>& inbox) {
    const std::scoped_lock lock(mutex_);
    if (listener_ == inbox) listener_.reset();
  }

  // On the home loop: ends the child, then this object when its tasks are over.
  void stop() {
    if (stopping_) return;
    stopping_ = true;
    tasks_.spawn(stop_child(shared_from_this()));
  }

 private:
  struct Call {
    std::string id;
    std::shared_ptr<Inbox> inbox;
  };

  static Task<void> stop_child(std::shared_ptr<Process> self) {
    self->finish();
    co_await self->child_->stop(std::chrono::milliseconds(2000));
    self->child_->output().close();
    self->child_->errors().close();
  }

  static Task<void> read_messages(std::shared_ptr<Process> self) {
    std::string pending;
    std::string trouble;
    {
      std::unique_ptr<net::Buffer> buffer;
      for (;;) {
        self->home_.buffers().give(std::move(buffer));
        if (!co_await self->child_->output().wait_readable()) break;
        buffer = self->home_.buffers().take();
        const auto count = co_await self->child_->output().read({buffer->bytes, net::buffer_size});
        if (!count || *count == 0) break;
        pending.append(buffer->bytes, *count);
        std::size_t start = 0;
        for (std::size_t end = pending.find('\n', start); end != std::string::npos;
             end = pending.find('\n', start)) {
          std::string_view line = std::string_view(pending).substr(start, end - start);
          if (line.ends_with('\r')) line.remove_suffix(1);
          if (!line.empty()) self->route(line);
          start = end + 1;
        }
        pending.erase(0, start);
        if (pending.size() > self->target_.answer_limit.count) {
          trouble = "a message above the size limit";
          break;
        }
      }
      self->home_.buffers().give(std::move(buffer));
    }
    const bool asked = self->stopping_;
    self->finish();
    self->stop();
    const std::string status = co_await self->child_->wait();
    self->target_.ended(trouble.empty() ? status : trouble, asked);
  }

  // Messages that belong to no call go to the latest call under way, else to the listening stream:
  // a child's pipe does not say to what a server's own request relates.
  void route(std::string_view line) {
    auto message = mcp::Message::parse(
        line, {.size = target_.answer_limit, .depth = 64, .nodes = 4'000'000, .allow_nul = true});
    if (!message) {
      target_.errors(std::format("wrote a line on standard output that is no message: {}",
                                 message.error().error.detail));
      return;
    }
    const std::scoped_lock lock(mutex_);
    std::shared_ptr<Inbox> to;
    if (message->is_response()) {
      to = inbox_of(message->id_text());
      if (!to) return;  // an answer to what was cancelled or timed out
    } else if (message->method() == mcp::Method::notifications_progress) {
      to = inbox_of(json::to_string(message->params()["progressToken"]));
      if (!to) return;
    } else if (const json::Value subscription =
                   mcp::reserved_meta(message->meta(), "subscriptionId")) {
      to = inbox_of(json::to_string(subscription));
    } else if (!calls_.empty() &&
               (message->is_request() || message->method() == mcp::Method::notifications_message)) {
      to = calls_.back().inbox;
    } else {
      to = listener_;
    }
    if (to) {
      if (!to->push(*std::move(message))) to->close();
    } else if (early_.size() < most_early) {
      early_.push_back(
          *std::move(message));  // servers ask for roots before the client's stream is open
    } else if (message->is_request()) {
      lines_.push_back(mcp::error_response(message->id_text(), -32603, "no client is listening") +
                       "\n");
      to_write_.set();
    }
  }

  std::shared_ptr<Inbox> inbox_of(std::string_view id) const {
    const auto call = std::ranges::find(calls_, id, &Call::id);
    return call == calls_.end() ? nullptr : call->inbox;
  }

  static Task<void> read_errors(std::shared_ptr<Process> self) {
    std::string pending;
    char bytes[1024];
    for (;;) {
      const auto count = co_await self->child_->errors().read(bytes);
      if (!count || *count == 0) break;
      for (const char c : std::string_view(bytes, *count)) {
        if (c != '\n') {
          if (pending.size() < longest_error_line) pending += c;
          continue;
        }
        if (!pending.empty()) self->target_.errors(pending);
        pending.clear();
      }
    }
    if (!pending.empty()) self->target_.errors(pending);
  }

  static Task<void> write_messages(std::shared_ptr<Process> self) {
    for (;;) {
      std::vector<std::string> lines;
      bool ended = false;
      {
        const std::scoped_lock lock(self->mutex_);
        lines.swap(self->lines_);
        ended = self->ended_;
      }
      for (const std::string& line : lines)
        if (!co_await self->child_->input().write_one(line)) ended = true;
      if (ended) co_return;
      if (lines.empty()) co_await self->to_write_.wait();
    }
  }

  // No call gets anything any more.
  void finish() {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    for (const Call& call : calls_) call.inbox->close();
    calls_.clear();
    if (listener_) listener_->close();
    listener_.reset();
    to_write_.set();
  }

  net::Loop& home_;
  net::TaskGroup& tasks_;
  ChildTarget target_;
  std::unique_ptr<net::Child> child_;
  net::Event to_write_;
  bool stopping_ = false;
  std::mutex mutex_;
  bool ended_ = false;
  std::vector<std::string> lines_;
  std::vector<Call> calls_;
  std::shared_ptr<Inbox> listener_;
  std::vector<mcp::Message> early_;  // what came before there was a listener
};

class ChildReply final : public Reply {
 public:
  ChildReply(net::Loop& loop, std::shared_ptr<Process> process, std::string id,
             std::shared_ptr<Inbox> inbox, bool stream)
      : loop_(loop),
        process_(std::move(process)),
        id_(std::move(id)),
        inbox_(std::move(inbox)),
        stream_(stream) {}
  ~ChildReply() override {
    if (id_.empty())
      process_->drop_listener(inbox_);
    else
      process_->forget(id_);
  }

  Task<Result<std::optional<mcp::Message>>> next() override {
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    if (done_) co_return std::nullopt;
    std::optional<base::Instant> deadline;
    if (!stream_) deadline = loop_.clock().instant() + process_->target().request_timeout;
    Inbox::Popped popped = co_await inbox_->pop(deadline);
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    if (popped.value) {
      done_ = popped.value->is_response();
      co_return std::move(popped.value);
    }
    if (popped.ended == Inbox::Ended::timeout)
      co_return fail(Code::timeout, "the server did not answer in time");
    if (stream_) co_return std::nullopt;
    co_return fail(Code::unavailable, "the server's process ended");
  }
  void cancel() override {
    cancelled_ = true;
    inbox_->close();
  }

 private:
  net::Loop& loop_;
  std::shared_ptr<Process> process_;
  std::string id_;
  std::shared_ptr<Inbox> inbox_;
  bool stream_;
  bool done_ = false;
  bool cancelled_ = false;
};

class ChildLink final : public Link {
 public:
  explicit ChildLink(std::shared_ptr<Process> process) : process_(std::move(process)) {}
  ~ChildLink() override {
    process_->home().post([process = process_] { process->stop(); });
  }

  Task<Result<std::unique_ptr<Reply>>> request(net::Loop& loop, const Outgoing& message,
                                               net::Abort&) override {
    auto inbox = std::make_shared<Inbox>(loop, waiting_messages);
    if (!process_->expect(message.id, inbox) || !process_->send(message.text + "\n"))
      co_return fail(Code::unavailable, "the server's process has ended");
    std::unique_ptr<Reply> reply =
        std::make_unique<ChildReply>(loop, process_, message.id, std::move(inbox), message.stream);
    co_return reply;
  }
  Task<Result<void>> notify(net::Loop&, const Outgoing& message) override {
    if (!process_->send(message.text + "\n"))
      co_return fail(Code::unavailable, "the server's process has ended");
    co_return Result<void>();
  }
  Task<Result<std::unique_ptr<Reply>>> listen(net::Loop& loop) override {
    auto inbox = std::make_shared<Inbox>(loop, waiting_messages);
    if (!process_->set_listener(inbox))
      co_return fail(Code::unavailable, "the server's process has ended");
    std::unique_ptr<Reply> reply =
        std::make_unique<ChildReply>(loop, process_, std::string(), std::move(inbox), true);
    co_return reply;
  }
  void opened(std::string_view, std::string_view) override {}
  bool alive() const override { return !process_->has_ended(); }
  Task<void> end(net::Loop&) override {
    process_->home().post([process = process_] { process->stop(); });
    co_return;
  }

 private:
  std::shared_ptr<Process> process_;
};

}  // namespace

Result<std::shared_ptr<Link>> child_link(net::Loop& home, net::TaskGroup& tasks,
                                         ChildTarget target) {
  auto child = net::Child::start(home, {.arguments = target.arguments,
                                        .environment = target.environment,
                                        .directory = target.directory});
  if (!child) return std::unexpected(std::move(child).error());
  auto process = std::make_shared<Process>(home, tasks, std::move(target), *std::move(child));
  process->run();
  return std::make_shared<ChildLink>(std::move(process));
}

}  // namespace latticegate::gateway
