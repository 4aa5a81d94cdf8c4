#include <format>
#include <mutex>

#include "gateway/one_stream.h"
#include "net/child.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::size_t longest_error_line = 2048;

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
    stream_ = std::make_shared<OneStream>(
        [weak = weak_from_this()](std::string text) {
          if (const auto self = weak.lock()) (void)self->send(text + "\n");
        },
        "the server's process has ended");
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
      if (stream_->ended()) return false;
      lines_.push_back(std::move(line));
    }
    home_.post([self = shared_from_this()] { self->to_write_.set(); });
    return true;
  }
  OneStream& stream() { return *stream_; }

  // On the home loop: ends the child, then this object when its tasks are over.
  void stop() {
    if (stopping_) return;
    stopping_ = true;
    tasks_.spawn(stop_child(shared_from_this()));
  }

 private:
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

  void route(std::string_view line) {
    auto message = mcp::Message::parse(
        line, {.size = target_.answer_limit, .depth = 64, .nodes = 4'000'000, .allow_nul = true});
    if (message)
      stream_->route(*std::move(message));
    else
      target_.errors(std::format("wrote a line on standard output that is no message: {}",
                                 message.error().error.detail));
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
        ended = self->stream_->ended();
      }
      for (const std::string& line : lines)
        if (!co_await self->child_->input().write_one(line)) ended = true;
      if (ended) co_return;
      if (lines.empty()) co_await self->to_write_.wait();
    }
  }

  // No call gets anything any more.
  void finish() {
    stream_->finish();
    to_write_.set();
  }

  net::Loop& home_;
  net::TaskGroup& tasks_;
  ChildTarget target_;
  std::unique_ptr<net::Child> child_;
  net::Event to_write_;
  bool stopping_ = false;
  std::mutex mutex_;
  std::vector<std::string> lines_;
  std::shared_ptr<OneStream> stream_;
};

class ChildLink final : public Link {
 public:
  explicit ChildLink(std::shared_ptr<Process> process) : process_(std::move(process)) {}
  ~ChildLink() override {
    process_->home().post([process = process_] { process->stop(); });
  }

  Task<Result<std::unique_ptr<Reply>>> request(net::Loop& loop, const Outgoing& message,
                                               net::Abort&) override {
    CO_TRY(auto reply, process_->stream().reply(
                           loop, message.id, process_->target().request_timeout, message.stream));
    if (!process_->send(message.text + "\n"))
      co_return fail(Code::unavailable, "the server's process has ended");
    co_return reply;
  }
  Task<Result<void>> notify(net::Loop&, const Outgoing& message) override {
    if (!process_->send(message.text + "\n"))
      co_return fail(Code::unavailable, "the server's process has ended");
    co_return Result<void>();
  }
  Task<Result<std::unique_ptr<Reply>>> listen(net::Loop& loop) override {
    co_return process_->stream().reply(loop, {}, {}, true);
  }
  void opened(std::string_view, std::string_view) override {}
  bool alive() const override { return !process_->stream().ended(); }
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
