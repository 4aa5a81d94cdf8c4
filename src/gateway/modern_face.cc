#include <algorithm>
#include <deque>
#include <format>
#include <map>
#include <mutex>

#include "gateway/bridge.h"
#include "gateway/ready.h"
#include "mcp/server.h"
#include "mcp/translate.h"
#include "net/channel.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using mcp::Message;
using mcp::Method;
using net::Task;

constexpr std::size_t most_questions = 16;  // of one round
constexpr std::size_t most_waiting = 256;   // messages of one call that nobody takes
// A server that asks several things at once is given this time to send the rest.
constexpr auto gathering = std::chrono::milliseconds(50);

constexpr std::string_view handshake =
    R"({"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{},"url":{}},)"
    R"("sampling":{"tools":{}},"roots":{}},"clientInfo":{"name":"latticegate","version":"1"}})";

// What a request is about, so that a retry of another one cannot take its answers.
std::string about(const Message& message) {
  std::string text(message.method_name());
  for (const json::Member member : message.params().members())
    if (member.key != "_meta" && member.key != "inputResponses" && member.key != "requestState")
      text +=
          std::format("\n{}:{}={}", member.key.size(), member.key, json::canonical(member.value));
  return text;
}

struct Question {
  std::string key;  // for the client
  std::string id;   // at the server, JSON text
  std::string method;
  std::string params;
};

// One call at the server, from its sending to its answer. Outlives the client's request while it is
// parked.
struct Run {
  struct Item {
    std::optional<Message> message;
    std::optional<base::Error> error;  // with neither, the answer ended without a response
  };
  using Inbox = net::Channel<Item>;

  explicit Run(net::Loop& loop) : home(loop) {}
  net::Loop& home;
  Reply* reply = nullptr;  // used on the home loop; null when it is over
  Secured secured;
  std::string id;  // at the server, JSON text
  std::string about;
  std::vector<Question> questions;   // while parked
  std::size_t bytes = 0;             // that it counts for while parked
  std::vector<std::string> refused;  // ids of those that the client's request does not allow

  std::mutex mutex;
  std::shared_ptr<Inbox> inbox;  // of the request that waits; null while parked
  std::deque<Item> early;        // questions and the answer that came meanwhile

  void give(Item item) {
    const std::scoped_lock lock(mutex);
    if (inbox) {
      if (!inbox->push(std::move(item))) inbox->close();
    } else if (!item.message || item.message->is_response() ||
               (item.message->is_request() && early.size() < most_questions)) {
      early.push_back(std::move(item));
    }  // progress and log messages are for whoever waits, and nobody does
  }
  std::shared_ptr<Inbox> attach(net::Loop& loop) {
    const std::scoped_lock lock(mutex);
    inbox = std::make_shared<Inbox>(loop, 2 * most_waiting);
    for (Item& item : early) (void)inbox->push(std::move(item));
    early.clear();
    return inbox;
  }
};

class ModernFace final : public Link, public std::enable_shared_from_this<ModernFace> {
 public:
  ModernFace(std::shared_ptr<Link> inner, BridgeOptions options)
      : inner_(std::move(inner)), options_(std::move(options)) {}

  Task<Result<std::unique_ptr<Reply>>> request(net::Loop& loop, const Outgoing& outgoing,
                                               net::Abort& abort) override;
  Task<Result<void>> notify(net::Loop& loop, const Outgoing& outgoing) override;
  Task<Result<std::unique_ptr<Reply>>> listen(net::Loop&) override {
    co_return fail(Code::unsupported, "modern clients have no such stream");
  }
  void opened(std::string_view, std::string_view) override {}
  bool alive() const override { return inner_->alive(); }
  Task<void> end(net::Loop& loop) override;

 private:
  class CallReply;
  class ListenReply;
  enum class State : std::uint8_t { closed, opening, open };
  struct Listener {
    std::string id;  // of the subscription, JSON text
    Message request;
    std::shared_ptr<net::Channel<std::string>> out;
  };

  Task<Result<void>> ensure_open(net::Loop& loop);
  Task<Result<void>> open(net::Loop& loop);
  Task<Result<Message>> ask(net::Loop& loop, std::string_view method, std::string_view params);
  Task<void> say(net::Loop& loop, std::string text);
  Task<Result<std::unique_ptr<Reply>>> send(net::Loop& loop, const Outgoing& outgoing,
                                            const Message& message, net::Abort& abort);
  Task<Result<std::unique_ptr<Reply>>> resume(net::Loop& loop, const Outgoing& outgoing,
                                              Message message);
  Task<void> refuse(net::Loop& loop, Run& run);
  Task<void> want_messages(net::Loop& loop);
  std::unique_ptr<Reply> subscribe(net::Loop& loop, Message message);
  void unsubscribe(net::Loop& loop, const std::shared_ptr<net::Channel<std::string>>& out);
  static Task<void> pump(std::shared_ptr<Run> run, std::unique_ptr<Reply> reply);
  static Task<void> pump_changes(std::shared_ptr<ModernFace> self, net::Loop& loop);
  static Task<void> watch_resources(std::shared_ptr<ModernFace> self, net::Loop& loop,
                                    std::vector<std::string> uris, bool subscribe);
  std::string park(net::Loop& loop, const std::shared_ptr<Run>& run,
                   std::vector<Question> questions);
  static Task<void> expire(std::weak_ptr<ModernFace> weak, net::Loop& loop, std::string handle,
                           std::chrono::milliseconds time);
  void cancel(net::Loop& loop, const std::shared_ptr<Run>& run);
  void tell_cancelled(net::Loop& loop, std::string request);
  void point_at(Reply* changes) {
    const std::scoped_lock lock(mutex_);
    changes_ = changes;
  }
  bool heard() const {
    const std::scoped_lock lock(mutex_);
    return !listeners_.empty();
  }
  std::string answer(std::string_view id, const Message& response, Method of) const;

  std::shared_ptr<Link> inner_;
  BridgeOptions options_;
  mutable std::mutex mutex_;
  State state_ = State::closed;
  std::vector<std::shared_ptr<net::Channel<bool>>> openers_;
  std::optional<base::Error> trouble_;
  std::shared_ptr<const Message> hello_;  // the answer to initialize
  std::string server_;                    // its serverInfo, JSON text
  std::string version_;
  bool wants_messages_ = false;
  std::map<std::string, std::shared_ptr<Run>, std::less<>> parked_;  // by handle
  std::size_t parked_bytes_ = 0;
  std::map<std::string, std::shared_ptr<Run>, std::less<>> running_;  // by id
  std::vector<Listener> listeners_;
  std::map<std::string, std::size_t, std::less<>> watched_;
  bool listening_ = false;
  net::Loop* listening_on_ = nullptr;
  Reply* changes_ = nullptr;  // used on that loop
};

std::string input_required(std::string_view id, const std::vector<Question>& questions,
                           std::string_view handle) {
  std::string result;
  json::Writer writer(result);
  writer.begin_object().member("resultType", "input_required").key("inputRequests").begin_object();
  for (const Question& question : questions)
    writer.key(question.key)
        .begin_object()
        .member("method", question.method)
        .key("params")
        .raw(question.params)
        .end_object();
  writer.end_object().member("requestState", handle).end_object();
  return mcp::result_response(id, result);
}

std::string bad_state(std::string_view id, std::string_view sentence) {
  return mcp::error_response(id, -32602, sentence);
}

// The client's side of a call.
class ModernFace::CallReply final : public Reply {
 public:
  CallReply(net::Loop& loop, std::shared_ptr<ModernFace> face, std::shared_ptr<Run> run,
            Message request, std::string id)
      : loop_(loop),
        face_(std::move(face)),
        run_(std::move(run)),
        inbox_(run_->attach(loop)),
        request_(std::move(request)),
        id_(std::move(id)),
        level_(mcp::log_level(mcp::reserved_meta(request_.meta(), "logLevel").text_or({}))) {}
  ~CallReply() override {
    if (!over_) face_->cancel(loop_, run_);
    const std::scoped_lock lock(face_->mutex_);
    face_->running_.erase(id_);
  }

  Task<Result<std::optional<Message>>> next() override {
    while (!over_ && !cancelled_) {
      const bool asked = !questions_.empty() || !run_->refused.empty();
      const auto until = loop_.clock().instant() + (asked ? gathering : face_->options_.answer);
      Run::Inbox::Popped popped = co_await inbox_->pop(until);
      if (cancelled_) break;
      if (!popped.value) {
        if (!questions_.empty()) co_return co_await put_questions();
        if (asked) {
          co_await face_->refuse(loop_, *run_);
          continue;
        }
        if (popped.ended == Run::Inbox::Ended::timeout)
          co_return fail(Code::timeout, "the server did not answer in time");
        co_return fail(Code::overloaded, "the server sends more than is taken");
      }
      Run::Item item = *std::move(popped.value);
      if (item.error || !item.message) {
        over_ = true;
        if (item.error) co_return std::unexpected(*std::move(item.error));
        co_return std::nullopt;
      }
      Message& message = *item.message;
      if (message.is_response()) {
        over_ = true;
        if (!answers(message, run_->id))
          co_return fail(Code::malformed, "the server answered another request");
        const bool failed =
            message.error().exists() || message.result()["isError"].boolean() == true;
        if (failed && !refused_.empty()) co_return missing_capability();
        co_return own_message(face_->answer(id_, message, request_.method()));
      }
      if (message.is_request() && questions_.size() + run_->refused.size() >= most_questions)
        co_return fail(Code::unavailable, "the server asked too many things at once");
      if (message.is_request())
        co_await take_question(message);
      else if (auto passed = notification(message))
        co_return std::move(passed);
    }
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    co_return std::nullopt;
  }

  void cancel() override {
    cancelled_ = true;
    inbox_->close();
  }
  Secured secured() const override { return run_->secured; }

 private:
  // Only what this request asked for passes; tokens are those of this round.
  std::optional<Message> notification(Message& message) const {
    if (message.method() == Method::notifications_message) {
      const auto level = mcp::log_level(message.params()["level"].text_or({}));
      if (!level_ || !level || *level < *level_) return std::nullopt;
      return std::move(message);
    }
    if (message.method() != Method::notifications_progress) return std::nullopt;
    const json::Value wanted = request_.meta()["progressToken"];
    const json::Value token = message.params()["progressToken"];
    // The server has the token of the first round, which is the call's id.
    if (!wanted.exists() || !token.exists() || json::to_string(token) != run_->id)
      return std::nullopt;
    const std::vector<json::Edit> edits{{token, json::to_string(wanted)}};
    return own_message(message.text(edits));
  }

  Task<void> take_question(const Message& message) {
    if (message.method() == Method::ping) {
      co_await face_->say(loop_, mcp::result_response(message.id_text(), "{}"));
      co_return;
    }
    const json::Value declared = mcp::reserved_meta(request_.meta(), "clientCapabilities");
    if (!mcp::may_be_asked(declared, message.method(), message.params())) {
      run_->refused.push_back(message.id_text());
      if (refused_.empty()) refused_ = mcp::capability_for(message.method());
      co_return;
    }
    std::string key(message.id().string().value_or(std::string_view()));
    if (key.empty()) key = std::format("question-{}", message.id_text());
    // The server chose the id: two questions under one id are two keys, and too many end the call.
    for (int more = 2; std::ranges::contains(questions_, key, &Question::key); ++more)
      key = std::format("{}-{}", key, more);
    questions_.push_back(
        {std::move(key), message.id_text(), std::string(message.method_name()),
         message.params().exists() ? json::to_string(message.params()) : std::string("{}")});
  }

  // A server may do without what it was refused; a call that failed over it says what was missing.
  Message missing_capability() const {
    return own_message(
        mcp::error_response(id_, mcp::missing_capability_code,
                            std::format("the server needs the capability {} for this", refused_),
                            std::format(R"({{"requiredCapabilities":{{"{}":{{}}}}}})", refused_)));
  }

  Task<std::optional<Message>> put_questions() {
    over_ = true;
    {
      // What nobody took goes before what comes from now on.
      const std::scoped_lock lock(run_->mutex);
      run_->inbox.reset();
    }
    inbox_->close();
    std::deque<Run::Item> rest;
    for (;;) {
      Run::Inbox::Popped popped = co_await inbox_->pop();
      if (!popped.value) break;
      rest.push_back(*std::move(popped.value));
    }
    {
      const std::scoped_lock lock(run_->mutex);
      for (; !rest.empty(); rest.pop_back()) run_->early.push_front(std::move(rest.back()));
    }
    const std::string handle = face_->park(loop_, run_, questions_);
    if (handle.empty()) {
      face_->cancel(loop_, run_);
      co_return own_message(mcp::error_response(id_, mcp::unavailable_code,
                                                "too many calls wait for answers of the client"));
    }
    co_return own_message(input_required(id_, questions_, handle));
  }

  net::Loop& loop_;
  std::shared_ptr<ModernFace> face_;
  std::shared_ptr<Run> run_;
  std::shared_ptr<Run::Inbox> inbox_;
  Message request_;
  std::string id_;
  std::optional<std::size_t> level_;
  std::vector<Question> questions_;
  std::string refused_;  // a capability that the server needed and the request did not declare
  bool over_ = false;
  bool cancelled_ = false;
};

// The client's side of a subscription: the acknowledgement, then what the server tells.
class ModernFace::ListenReply final : public Reply {
 public:
  ListenReply(net::Loop& loop, std::shared_ptr<ModernFace> face, std::string acknowledgement,
              std::shared_ptr<net::Channel<std::string>> out)
      : loop_(loop),
        face_(std::move(face)),
        acknowledgement_(std::move(acknowledgement)),
        out_(std::move(out)) {}
  ~ListenReply() override { face_->unsubscribe(loop_, out_); }

  Task<Result<std::optional<Message>>> next() override {
    if (!acknowledgement_.empty()) co_return own_message(std::exchange(acknowledgement_, {}));
    auto popped = co_await out_->pop();
    if (!popped.value) co_return std::nullopt;
    co_return own_message(*popped.value);
  }
  void cancel() override { out_->close(); }

 private:
  net::Loop& loop_;
  std::shared_ptr<ModernFace> face_;
  std::string acknowledgement_;
  std::shared_ptr<net::Channel<std::string>> out_;
};

Task<Result<std::unique_ptr<Reply>>> ModernFace::request(net::Loop& loop, const Outgoing& outgoing,
                                                         net::Abort& abort) {
  Message message = own_message(outgoing.text);
  CO_CHECK(co_await ensure_open(loop));
  if (message.method() == Method::server_discover) {
    const std::scoped_lock lock(mutex_);
    co_return ready_reply(
        mcp::result_response(outgoing.id, mcp::discovered_from(hello_->result())));
  }
  if (message.method() == Method::subscriptions_listen)
    co_return subscribe(loop, std::move(message));
  if (message.params()["requestState"].exists())
    co_return co_await resume(loop, outgoing, std::move(message));
  if (mcp::reserved_meta(message.meta(), "logLevel").exists()) co_await want_messages(loop);

  auto sent = co_await send(loop, outgoing, message, abort);
  if (!sent) {  // before it began to answer: the end of the exchange says nothing to it
    if (abort.requested() || sent.error().code == Code::timeout) tell_cancelled(loop, outgoing.id);
    co_return std::unexpected(std::move(sent).error());
  }
  std::unique_ptr<Reply> reply = *std::move(sent);
  auto run = std::make_shared<Run>(loop);
  run->id = outgoing.id;
  run->about = about(message);
  run->reply = reply.get();
  run->secured = reply->secured();
  {
    const std::scoped_lock lock(mutex_);
    running_.emplace(outgoing.id, run);
  }
  auto answer =
      std::make_unique<CallReply>(loop, shared_from_this(), run, std::move(message), outgoing.id);
  options_.spawn(loop, pump(run, std::move(reply)));
  co_return answer;
}

// In the session, which is opened anew once when the server has forgotten it.
Task<Result<std::unique_ptr<Reply>>> ModernFace::send(net::Loop& loop, const Outgoing& outgoing,
                                                      const Message& message, net::Abort& abort) {
  Outgoing sent;
  sent.text = mcp::to_legacy(message);
  sent.id = outgoing.id;
  sent.idempotent = outgoing.idempotent;
  sent.stream = true;  // whoever waits for the answer has the clock, a parked call none
  for (int attempt = 0;; ++attempt) {
    {
      const std::scoped_lock lock(mutex_);
      sent.version = version_;
    }
    CO_TRY(auto reply, co_await inner_->request(loop, sent, abort));
    if (reply->status() != 404 || attempt > 0) co_return reply;
    reply.reset();
    {
      const std::scoped_lock lock(mutex_);
      if (state_ == State::open) state_ = State::closed;
    }
    CO_CHECK(co_await ensure_open(loop));
  }
}

// A round with answers: they go to the server, and the call goes on.
Task<Result<std::unique_ptr<Reply>>> ModernFace::resume(net::Loop& loop, const Outgoing& outgoing,
                                                        Message message) {
  const std::string asked_about = about(message);
  const auto handle = options_.open(asked_about, message.params()["requestState"].text_or({}));
  if (!handle)
    co_return ready_reply(
        handle.error().code == Code::unavailable
            ? mcp::error_response(outgoing.id, mcp::unavailable_code, handle.error().detail)
            : bad_state(outgoing.id, handle.error().detail));
  const json::Value answers = message.params()["inputResponses"];
  std::shared_ptr<Run> run;
  std::vector<Question> given;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = parked_.find(*handle);
    if (found == parked_.end() || found->second->about != asked_about)
      co_return ready_reply(bad_state(outgoing.id, "this requestState was used already"));
    if (!answers.is_object())
      co_return ready_reply(bad_state(outgoing.id, "inputResponses is no object"));
    for (const Question& question : found->second->questions) {
      const json::Value answer = answers[question.key];
      if (answer.exists() && !answer.is_object())
        co_return ready_reply(bad_state(outgoing.id, "an answer is no object"));
      if (answer.exists()) given.push_back(question);
    }
    run = std::move(found->second);
    parked_.erase(found);
    parked_bytes_ -= run->bytes;
    std::erase_if(run->questions, [&](const Question& question) {
      return std::ranges::any_of(given,
                                 [&](const Question& other) { return other.key == question.key; });
    });
  }
  for (const Question& question : given)
    co_await say(loop, mcp::result_response(question.id, json::to_string(answers[question.key])));
  if (!run->questions.empty()) {
    const std::string again = park(loop, run, run->questions);
    if (!again.empty()) co_return ready_reply(input_required(outgoing.id, run->questions, again));
    cancel(loop, run);
    co_return ready_reply(mcp::error_response(outgoing.id, mcp::unavailable_code,
                                              "too many calls wait for answers of the client"));
  }
  co_await refuse(loop, *run);
  {
    const std::scoped_lock lock(mutex_);
    running_.emplace(outgoing.id, run);
  }
  co_return std::make_unique<CallReply>(loop, shared_from_this(), run, std::move(message),
                                        outgoing.id);
}

// A server that hears of a refusal may give the call up: so the client's own answers go first.
Task<void> ModernFace::refuse(net::Loop& loop, Run& run) {
  for (const std::string& id : std::exchange(run.refused, {}))
    co_await say(loop, mcp::error_response(id, -32601, "the client cannot be asked this"));
}

std::string ModernFace::park(net::Loop& loop, const std::shared_ptr<Run>& run,
                             std::vector<Question> questions) {
  std::string handle = options_.next_id();
  std::size_t bytes = run->about.size();
  for (const Question& question : questions) bytes += question.key.size() + question.params.size();
  {
    const std::scoped_lock lock(mutex_);
    if (parked_.size() >= options_.most_parked ||
        parked_bytes_ + bytes > options_.most_parked_bytes)
      return {};
    run->questions = std::move(questions);
    run->bytes = bytes;
    parked_bytes_ += bytes;
    parked_.emplace(handle, run);
  }
  options_.spawn(loop, expire(weak_from_this(), loop, handle, options_.parked));
  return options_.seal(run->about, handle);
}

// Looks several times a second, so that nothing waits for a call that went on, or for a gateway
// that stops.
Task<void> ModernFace::expire(std::weak_ptr<ModernFace> weak, net::Loop& loop, std::string handle,
                              std::chrono::milliseconds time) {
  const base::Instant end = loop.clock().instant() + time;
  for (;;) {
    co_await loop.sleep(std::chrono::milliseconds(200));
    const auto self = weak.lock();
    if (!self) co_return;
    std::shared_ptr<Run> late;
    {
      const std::scoped_lock lock(self->mutex_);
      const auto found = self->parked_.find(handle);
      if (found == self->parked_.end()) co_return;
      if (loop.clock().instant() < end) continue;
      late = std::move(found->second);
      self->parked_bytes_ -= late->bytes;
      self->parked_.erase(found);
    }
    self->cancel(loop, late);
    if (self->options_.gave_up) self->options_.gave_up(loop);
    co_return;
  }
}

// The server hears that nobody waits any more.
void ModernFace::cancel(net::Loop& loop, const std::shared_ptr<Run>& run) {
  run->home.post([run] {
    if (run->reply != nullptr) run->reply->cancel();
  });
  tell_cancelled(loop, run->id);
}

void ModernFace::tell_cancelled(net::Loop& loop, std::string request) {
  options_.spawn(
      loop, [](std::shared_ptr<ModernFace> self, net::Loop& here, std::string id) -> Task<void> {
        co_await self->say(
            here,
            std::format(
                R"({{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}})",
                id));
      }(shared_from_this(), loop, std::move(request)));
}

Task<void> ModernFace::pump(std::shared_ptr<Run> run, std::unique_ptr<Reply> reply) {
  for (bool over = false; !over;) {
    auto next = co_await reply->next();
    Run::Item item;
    if (!next)
      item.error = std::move(next).error();
    else
      item.message = std::move(*next);
    over = !item.message || item.message->is_response();
    run->give(std::move(item));
  }
  run->reply = nullptr;
}

std::string ModernFace::answer(std::string_view id, const Message& response, Method of) const {
  const std::scoped_lock lock(mutex_);
  return mcp::response_to_modern(response, id, of, server_);
}

Task<Result<void>> ModernFace::ensure_open(net::Loop& loop) {
  for (;;) {
    std::shared_ptr<net::Channel<bool>> wait;
    {
      const std::scoped_lock lock(mutex_);
      if (state_ == State::open) co_return Result<void>();
      if (state_ == State::opening) {
        wait = std::make_shared<net::Channel<bool>>(loop, 1);
        openers_.push_back(wait);
      } else {
        state_ = State::opening;
      }
    }
    if (wait) {
      const auto opened = co_await wait->pop();
      if (opened.value == true) co_return Result<void>();
      const std::scoped_lock lock(mutex_);
      if (trouble_) co_return std::unexpected(*trouble_);
      continue;
    }
    Result<void> result = co_await open(loop);
    std::vector<std::shared_ptr<net::Channel<bool>>> waiting;
    {
      const std::scoped_lock lock(mutex_);
      state_ = result ? State::open : State::closed;
      trouble_ = result ? std::nullopt : std::optional(result.error());
      waiting.swap(openers_);
    }
    for (const auto& each : waiting) (void)each->push(result.has_value());
    co_return result;
  }
}

Task<Result<void>> ModernFace::open(net::Loop& loop) {
  Outgoing hello;
  hello.id = options_.next_id();
  hello.method = "initialize";
  hello.text = std::format(R"({{"jsonrpc":"2.0","id":{},"method":"initialize","params":{}}})",
                           hello.id, handshake);
  net::Abort abort;
  CO_TRY(auto reply, co_await inner_->request(loop, hello, abort));
  std::optional<Message> response;
  while (!response) {
    CO_TRY(auto next, co_await reply->next());
    if (!next) co_return fail(Code::unavailable, "the server ended without an answer");
    if (answers(*next, hello.id)) response = std::move(next);
  }
  if (!response->result().exists())
    co_return fail(Code::unavailable, "the server refused to open a session");
  const std::string version(response->result()["protocolVersion"].text_or({}));
  inner_->opened(reply->session_id(), version);
  reply.reset();
  {
    const std::scoped_lock lock(mutex_);
    version_ = version;
    hello_ = std::make_shared<const Message>(*std::move(response));
    const json::Value info = hello_->result()["serverInfo"];
    server_ = info.is_object() ? json::to_string(info) : std::string();
    wants_messages_ = false;
  }
  co_await say(loop, R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  co_return Result<void>();
}

Task<Result<Message>> ModernFace::ask(net::Loop& loop, std::string_view method,
                                      std::string_view params) {
  Outgoing message;
  message.id = options_.next_id();
  message.method = method;
  message.text = std::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", message.id,
                             method, params);
  {
    const std::scoped_lock lock(mutex_);
    message.version = version_;
  }
  net::Abort abort;
  CO_TRY(auto reply, co_await inner_->request(loop, message, abort));
  for (;;) {
    CO_TRY(auto next, co_await reply->next());
    if (!next) co_return fail(Code::unavailable, "the server ended without an answer");
    if (answers(*next, message.id)) co_return *std::move(next);
  }
}

Task<void> ModernFace::say(net::Loop& loop, std::string text) {
  Outgoing message;
  message.text = std::move(text);
  {
    const std::scoped_lock lock(mutex_);
    message.version = version_;
  }
  (void)co_await inner_->notify(loop, message);
}

// Once per session the server is told to send all of its messages; each request picks its own.
Task<void> ModernFace::want_messages(net::Loop& loop) {
  {
    const std::scoped_lock lock(mutex_);
    if (wants_messages_ || !hello_->result()["capabilities"]["logging"].exists()) co_return;
    wants_messages_ = true;
  }
  (void)co_await ask(loop, "logging/setLevel", R"({"level":"debug"})");
}

Task<Result<void>> ModernFace::notify(net::Loop& loop, const Outgoing& outgoing) {
  const Message message = own_message(outgoing.text);
  if (message.method() != Method::notifications_cancelled) co_return Result<void>();
  std::shared_ptr<Run> run;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = running_.find(json::to_string(message.params()["requestId"]));
    if (found != running_.end()) run = found->second;
  }
  if (run) cancel(loop, run);
  co_return Result<void>();
}

Task<void> ModernFace::end(net::Loop& loop) {
  std::vector<std::shared_ptr<Run>> left;
  {
    const std::scoped_lock lock(mutex_);
    for (auto& [handle, run] : parked_) left.push_back(std::move(run));
    parked_.clear();
    parked_bytes_ = 0;
    for (const Listener& listener : listeners_) listener.out->close();
  }
  for (const auto& run : left)
    run->home.post([run] {
      if (run->reply != nullptr) run->reply->cancel();
    });
  co_await inner_->end(loop);
}

std::unique_ptr<Reply> ModernFace::subscribe(net::Loop& loop, Message message) {
  const json::Value wanted = message.params()["notifications"];
  const std::string id = message.id_text();
  if (!wanted.is_object())
    return ready_reply(mcp::error_response(id, -32602, "notifications is no object"));
  auto out = std::make_shared<net::Channel<std::string>>(loop, most_waiting);
  std::vector<std::string> uris;
  std::string honoured;
  json::Writer writer(honoured);
  writer.begin_object();
  bool begin = false;
  {
    const std::scoped_lock lock(mutex_);
    const json::Value offered = hello_->result()["capabilities"];
    const auto change = [&](std::string_view kind, std::string_view of) {
      if (wanted[kind].boolean() == true && offered[of]["listChanged"].boolean() == true)
        writer.member(kind, true);
    };
    change("toolsListChanged", "tools");
    change("promptsListChanged", "prompts");
    change("resourcesListChanged", "resources");
    if (wanted["resourceSubscriptions"].is_array() &&
        offered["resources"]["subscribe"].boolean() == true) {
      writer.member("resourceSubscriptions", wanted["resourceSubscriptions"]);
      for (const json::Value uri : wanted["resourceSubscriptions"].elements())
        if (uri.is_string() && ++watched_[std::string(*uri.string())] == 1)
          uris.emplace_back(*uri.string());
    }
    listeners_.push_back({id, std::move(message), out});
    begin = !std::exchange(listening_, true);
    if (begin) listening_on_ = &loop;
  }
  writer.end_object();
  if (begin) options_.spawn(loop, pump_changes(shared_from_this(), loop));
  if (!uris.empty())
    options_.spawn(loop, watch_resources(shared_from_this(), loop, std::move(uris), true));
  const Message acknowledgement = own_message(std::format(
      R"({{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{}}}}})",
      honoured));
  return std::make_unique<ListenReply>(loop, shared_from_this(),
                                       mcp::with_subscription(acknowledgement, id), std::move(out));
}

void ModernFace::unsubscribe(net::Loop& loop,
                             const std::shared_ptr<net::Channel<std::string>>& out) {
  std::vector<std::string> uris;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(listeners_, out, &Listener::out);
    if (found == listeners_.end()) return;
    const json::Value wanted = found->request.params()["notifications"];
    for (const json::Value uri : wanted["resourceSubscriptions"].elements())
      if (const auto watched = watched_.find(uri.text_or({})); watched != watched_.end())
        if (--watched->second == 0) {
          uris.push_back(watched->first);
          watched_.erase(watched);
        }
    listeners_.erase(found);
    if (listeners_.empty() && listening_on_ != nullptr)
      listening_on_->post([self = shared_from_this(), on = listening_on_] {
        Reply* changes = nullptr;
        {
          // Somebody may listen again by now, to another stream on another loop.
          const std::scoped_lock again(self->mutex_);
          if (self->listeners_.empty() && self->listening_on_ == on) changes = self->changes_;
        }
        if (changes != nullptr) changes->cancel();
      });
  }
  if (!uris.empty())
    options_.spawn(loop, watch_resources(shared_from_this(), loop, std::move(uris), false));
}

Task<void> ModernFace::watch_resources(std::shared_ptr<ModernFace> self, net::Loop& loop,
                                       std::vector<std::string> uris, bool subscribe) {
  for (const std::string& uri : uris) {
    std::string params = R"({"uri":)";
    json::write_string(uri, params);
    params += '}';
    (void)co_await self->ask(loop, subscribe ? "resources/subscribe" : "resources/unsubscribe",
                             params);
  }
}

// The server's stream of what belongs to no request, to everybody who asked for it.
Task<void> ModernFace::pump_changes(std::shared_ptr<ModernFace> self, net::Loop& loop) {
  auto reply = co_await self->inner_->listen(loop);
  if (reply) {
    self->point_at(reply->get());
    while (self->heard()) {
      auto next = co_await (*reply)->next();
      if (!next || !*next) break;
      const Message& message = **next;
      if (message.is_request()) {  // belongs to no call: nobody can be asked
        co_await self->say(loop, message.method() == Method::ping
                                     ? mcp::result_response(message.id_text(), "{}")
                                     : mcp::error_response(message.id_text(), -32601,
                                                           "the client cannot be asked this"));
        continue;
      }
      const std::scoped_lock lock(self->mutex_);
      for (const Listener& listener : self->listeners_) {
        const json::Value wanted = listener.request.params()["notifications"];
        bool wants = false;
        if (message.method() == Method::notifications_tools_list_changed)
          wants = wanted["toolsListChanged"].boolean() == true;
        else if (message.method() == Method::notifications_prompts_list_changed)
          wants = wanted["promptsListChanged"].boolean() == true;
        else if (message.method() == Method::notifications_resources_list_changed)
          wants = wanted["resourcesListChanged"].boolean() == true;
        else if (message.method() == Method::notifications_resources_updated)
          for (const json::Value uri : wanted["resourceSubscriptions"].elements())
            wants = wants || uri.string() == message.params()["uri"].string();
        if (wants && !listener.out->push(mcp::with_subscription(message, listener.id)))
          listener.out->close();
      }
    }
  }
  const std::scoped_lock lock(self->mutex_);
  self->changes_ = nullptr;
  self->listening_ = false;
  self->listening_on_ = nullptr;
  // A stream that the server ended: whoever listens hears the end and may come again.
  if (reply)
    for (const Listener& listener : self->listeners_) listener.out->close();
}

}  // namespace

std::shared_ptr<Link> modern_face(std::shared_ptr<Link> inner, BridgeOptions options) {
  return std::make_shared<ModernFace>(std::move(inner), std::move(options));
}

}  // namespace latticegate::gateway
