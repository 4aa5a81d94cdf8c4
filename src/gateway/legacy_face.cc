#include <algorithm>
#include <format>
#include <map>
#include <mutex>
#include <set>

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

constexpr int most_rounds = 10;
constexpr int most_sheds = 3;               // rounds in which the server only asks to come again
constexpr std::size_t most_questions = 16;  // of one round

struct Answer {
  std::string id;  // JSON text
  std::string result;
  bool failed = false;
};
using Answers = net::Channel<Answer>;

class LegacyFace final : public Link, public std::enable_shared_from_this<LegacyFace> {
 public:
  LegacyFace(std::shared_ptr<Link> inner, BridgeOptions options)
      : inner_(std::move(inner)), options_(std::move(options)) {}

  Task<Result<std::unique_ptr<Reply>>> request(net::Loop& loop, const Outgoing& outgoing,
                                               net::Abort& abort) override;
  Task<Result<void>> notify(net::Loop& loop, const Outgoing& outgoing) override;
  Task<Result<std::unique_ptr<Reply>>> listen(net::Loop& loop) override;
  void opened(std::string_view, std::string_view) override {}
  bool alive() const override { return inner_->alive(); }
  Task<void> end(net::Loop& loop) override { return inner_->end(loop); }

 private:
  class CallReply;
  class ListenReply;

  Task<Result<std::unique_ptr<Reply>>> open(net::Loop& loop, const Outgoing& outgoing,
                                            const Message& message, net::Abort& abort);
  mcp::Envelope envelope() const;
  void cancel(const std::string& id);
  Outgoing modern(const Outgoing& outgoing, const Message& message, std::string id,
                  std::string_view answers = {}, std::string_view state = {}) const;
  std::unique_ptr<Reply> watch(const Message& message, std::string_view id);
  std::optional<Outgoing> subscription(std::uint64_t& generation) const;

  struct Running {
    net::Loop* loop = nullptr;
    CallReply* reply = nullptr;  // used on that loop
  };

  std::shared_ptr<Link> inner_;
  BridgeOptions options_;
  mutable std::mutex mutex_;
  std::map<std::string, Running, std::less<>> running_;  // by the id of the first round
  mcp::Envelope envelope_;
  std::string discovered_;  // capabilities of the server, JSON text
  std::set<std::string, std::less<>> watched_;
  std::uint64_t generation_ = 0;  // of what the listening stream has to hear
  struct Ear {
    net::Loop* loop = nullptr;
    Reply* reply = nullptr;  // used on that loop; null while it asks anew
  };
  std::map<const void*, Ear> ears_;                                     // by listening stream
  std::map<std::string, std::shared_ptr<Answers>, std::less<>> asked_;  // by the question's id
};

mcp::Envelope LegacyFace::envelope() const {
  const std::scoped_lock lock(mutex_);
  return envelope_;
}

Outgoing LegacyFace::modern(const Outgoing& outgoing, const Message& message, std::string id,
                            std::string_view answers, std::string_view state) const {
  Outgoing sent = outgoing;
  sent.text = mcp::to_modern(message, envelope(), id, answers, state);
  sent.id = std::move(id);
  sent.era = mcp::Era::modern;
  sent.version = mcp::modern_revision;
  return sent;
}

// A call of the client; questions of the server go out as requests of the server, answers come in
// through notify().
class LegacyFace::CallReply final : public Reply {
 public:
  CallReply(net::Loop& loop, std::shared_ptr<LegacyFace> face, Outgoing outgoing, Message message,
            std::unique_ptr<Reply> inner)
      : loop_(loop),
        face_(std::move(face)),
        outgoing_(std::move(outgoing)),
        message_(std::move(message)),
        inner_(std::move(inner)),
        answers_(std::make_shared<Answers>(loop, most_questions)),
        id_(outgoing_.id) {
    const std::scoped_lock lock(face_->mutex_);
    face_->running_.insert_or_assign(outgoing_.id, Running{&loop_, this});
  }
  ~CallReply() override {
    const std::scoped_lock lock(face_->mutex_);
    face_->running_.erase(outgoing_.id);
    for (const auto& [id, key] : open_) face_->asked_.erase(id);
  }

  Task<Result<std::optional<Message>>> next() override {
    while (!over_) {
      if (cancelled_) co_return fail(Code::cancelled, "cancelled");
      if (!questions_.empty()) {
        Message question = own_message(questions_.front());
        questions_.erase(questions_.begin());
        co_return question;
      }
      if (!open_.empty()) {
        CO_CHECK(co_await take_answer());
        continue;
      }
      auto next = co_await inner_->next();
      if (!next || !*next) {
        over_ = true;
        co_return next;
      }
      if (!(*next)->is_response()) co_return next;
      if (!answers(**next, id_)) {
        over_ = true;
        co_return fail(Code::malformed, "the server answered another request");
      }
      const json::Value result = (*next)->result();
      if (result["resultType"].string() == "input_required") {
        CO_CHECK(take_questions(result));
        if (open_.empty()) CO_CHECK(co_await again());
        continue;
      }
      over_ = true;
      co_return own_message(mcp::response_to_legacy(**next, outgoing_.id));
    }
    co_return std::nullopt;
  }

  void cancel() override {
    cancelled_ = true;
    abort_.request();
    answers_->close();
    if (inner_) inner_->cancel();
  }
  Secured secured() const override { return inner_ ? inner_->secured() : Secured(); }
  // The end of the stream is the cancellation for a server over HTTP; one behind a pipe is told.
  const std::string& id() const { return id_; }

 private:
  Result<void> take_questions(json::Value result) {
    if (++rounds_ > most_rounds)
      return fail(Code::unavailable, "the server asked in too many rounds");
    state_ =
        result["requestState"].exists() ? json::to_string(result["requestState"]) : std::string();
    given_.clear();
    const json::Value asked = result["inputRequests"];
    if (asked.size() > most_questions)
      return fail(Code::unavailable, "the server asked too many things at once");
    if (asked.size() == 0 && (state_.empty() || ++sheds_ > most_sheds))
      return fail(Code::unavailable, "the server asked for nothing");
    const std::scoped_lock lock(face_->mutex_);
    const auto declared = json::Document::parse(face_->envelope_.capabilities);
    for (const json::Member member : asked.members()) {
      const mcp::MethodRow* const row = mcp::find_method(member.value["method"].text_or({}));
      if (row == nullptr || !declared ||
          !mcp::may_be_asked(declared->root(), row->method, member.value["params"]))
        return fail(Code::malformed, "the server asked for something that the client cannot do");
      const std::string id = face_->options_.next_id();
      std::string text;
      json::Writer writer(text);
      writer.begin_object().member("jsonrpc", "2.0").key("id").raw(id).member("method", row->name);
      if (member.value["params"].is_object()) writer.member("params", member.value["params"]);
      writer.end_object();
      questions_.push_back(std::move(text));
      open_.emplace(id, std::string(member.key));
      face_->asked_.emplace(id, answers_);
    }
    return {};
  }

  // People take their time; when the call is given up, the channel closes.
  Task<Result<void>> take_answer() {
    auto popped = co_await answers_->pop(loop_.clock().instant() + face_->options_.parked);
    if (!popped.value) {
      if (popped.ended == Answers::Ended::timeout)
        co_return fail(Code::timeout, "the client did not answer the server's question");
      co_return fail(Code::cancelled, "cancelled");
    }
    const auto found = open_.find(popped.value->id);
    if (found == open_.end()) co_return Result<void>();
    if (popped.value->failed)
      co_return fail(Code::unavailable, "the client refused to answer the server's question");
    given_.emplace(std::move(found->second), std::move(popped.value->result));
    open_.erase(found);
    if (open_.empty()) co_return co_await again();
    co_return Result<void>();
  }

  // The next round, under a new id.
  Task<Result<void>> again() {
    std::string answers;
    if (!given_.empty()) {
      json::Writer writer(answers);
      writer.begin_object();
      for (const auto& [key, result] : given_) writer.key(key).raw(result);
      writer.end_object();
    } else {
      co_await loop_.sleep(std::chrono::milliseconds(100 * sheds_));
    }
    if (cancelled_) co_return fail(Code::cancelled, "cancelled");
    inner_.reset();
    id_ = face_->options_.next_id();
    const Outgoing sent = face_->modern(outgoing_, message_, id_, answers, state_);
    CO_TRY(inner_, co_await face_->inner_->request(loop_, sent, abort_));
    co_return Result<void>();
  }

  net::Loop& loop_;
  std::shared_ptr<LegacyFace> face_;
  Outgoing outgoing_;
  Message message_;
  std::unique_ptr<Reply> inner_;
  std::shared_ptr<Answers> answers_;
  net::Abort abort_;
  std::vector<std::string> questions_;                    // to be put to the client
  std::map<std::string, std::string, std::less<>> open_;  // id to key, of those without an answer
  std::map<std::string, std::string> given_;              // key to result
  std::string state_;
  std::string id_;  // of the round at the server
  int rounds_ = 0;
  int sheds_ = 0;
  bool over_ = false;
  bool cancelled_ = false;
};

// The stream for what belongs to no request: a subscription that is made anew when the client
// wants to hear of other resources.
class LegacyFace::ListenReply final : public Reply {
 public:
  ListenReply(net::Loop& loop, std::shared_ptr<LegacyFace> face, std::unique_ptr<Reply> inner,
              std::uint64_t generation)
      : loop_(loop), face_(std::move(face)), inner_(std::move(inner)), generation_(generation) {
    point_at(inner_.get());
  }
  ~ListenReply() override {
    const std::scoped_lock lock(face_->mutex_);
    face_->ears_.erase(this);
  }

  Task<Result<std::optional<Message>>> next() override {
    while (!cancelled_) {
      auto next = co_await inner_->next();
      if (cancelled_) break;
      if (!next || !*next || (*next)->is_response()) {
        std::uint64_t generation = 0;
        const auto sent = face_->subscription(generation);
        if (!sent || generation == generation_) co_return std::nullopt;
        point_at(nullptr);
        CO_TRY(inner_, co_await face_->inner_->request(loop_, *sent, abort_));
        generation_ = generation;
        point_at(inner_.get());
        continue;
      }
      if ((*next)->method() == Method::notifications_subscriptions_acknowledged) continue;
      co_return own_message(mcp::without_subscription(**next));
    }
    co_return fail(Code::cancelled, "cancelled");
  }
  void cancel() override {
    cancelled_ = true;
    abort_.request();
    inner_->cancel();
  }

 private:
  void point_at(Reply* reply) {
    const std::scoped_lock lock(face_->mutex_);
    face_->ears_.insert_or_assign(this, Ear{&loop_, reply});
  }

  net::Loop& loop_;
  std::shared_ptr<LegacyFace> face_;
  std::unique_ptr<Reply> inner_;
  std::uint64_t generation_;
  net::Abort abort_;
  bool cancelled_ = false;
};

Task<Result<std::unique_ptr<Reply>>> LegacyFace::request(net::Loop& loop, const Outgoing& outgoing,
                                                         net::Abort& abort) {
  Message message = own_message(outgoing.text);
  switch (message.method()) {
    case Method::initialize: co_return co_await open(loop, outgoing, message, abort);
    case Method::logging_set_level: {
      const std::string_view level = message.params()["level"].text_or({});
      if (!mcp::log_level(level))
        co_return ready_reply(mcp::error_response(outgoing.id, -32602, "no level of this name"));
      const std::scoped_lock lock(mutex_);
      envelope_.log_level = level;
      co_return ready_reply(mcp::result_response(outgoing.id, "{}"));
    }
    case Method::resources_subscribe:
    case Method::resources_unsubscribe: co_return watch(message, outgoing.id);
    case Method::tasks_get:
    case Method::tasks_list:
    case Method::tasks_result:
    case Method::tasks_cancel:
      co_return ready_reply(mcp::error_response(outgoing.id, -32601, "this method is not known"));
    default: break;
  }
  CO_TRY(auto reply, co_await inner_->request(loop, modern(outgoing, message, outgoing.id), abort));
  co_return std::make_unique<CallReply>(loop, shared_from_this(), outgoing, std::move(message),
                                        std::move(reply));
}

// The handshake: what the client can do is kept for its requests, what the server can do is asked.
Task<Result<std::unique_ptr<Reply>>> LegacyFace::open(net::Loop& loop, const Outgoing& outgoing,
                                                      const Message& message, net::Abort& abort) {
  {
    std::string capabilities;
    json::Writer writer(capabilities);
    writer.begin_object();
    for (const json::Member member : message.params()["capabilities"].members())
      if (member.key != "tasks")  // of 2025-11-25: another thing than the extension
        writer.member(member.key, member.value);
    writer.end_object();
    const std::scoped_lock lock(mutex_);
    envelope_.capabilities = std::move(capabilities);
    if (const json::Value info = message.params()["clientInfo"]; info.is_object())
      envelope_.client = json::to_string(info);
  }
  Outgoing ask;
  ask.id = options_.next_id();
  ask.method = "server/discover";
  ask.era = mcp::Era::modern;
  ask.version = mcp::modern_revision;
  ask.idempotent = true;
  const Message discover = own_message(std::format(
      R"({{"jsonrpc":"2.0","id":{},"method":"server/discover","params":{{}}}})", ask.id));
  ask.text = mcp::to_modern(discover, envelope());
  CO_TRY(auto reply, co_await inner_->request(loop, ask, abort));
  for (;;) {
    CO_TRY(auto next, co_await reply->next());
    if (!next) co_return fail(Code::unavailable, "the server ended without an answer");
    if (!answers(*next, ask.id)) continue;
    const json::Value result = next->result();
    const bool speaks = std::ranges::any_of(
        result["supportedVersions"].elements(),
        [](json::Value version) { return version.string() == mcp::modern_revision; });
    if (!speaks)
      co_return fail(Code::unsupported, "the server does not speak the revision 2026-07-28");
    {
      const std::scoped_lock lock(mutex_);
      discovered_ = result["capabilities"].exists() ? json::to_string(result["capabilities"])
                                                    : std::string("{}");
    }
    co_return ready_reply(mcp::result_response(
        outgoing.id,
        mcp::initialized_from(result, message.params()["protocolVersion"].text_or({}))));
  }
}

std::unique_ptr<Reply> LegacyFace::watch(const Message& message, std::string_view id) {
  const std::string uri(message.params()["uri"].text_or({}));
  const std::scoped_lock lock(mutex_);
  if (message.method() == Method::resources_unsubscribe)
    watched_.erase(uri);
  else if (watched_.size() >= 256)
    return ready_reply(
        mcp::error_response(id, mcp::unavailable_code, "too many subscriptions of this session"));
  else
    watched_.insert(uri);
  ++generation_;
  for (const auto& [stream, ear] : ears_)
    ear.loop->post([self = shared_from_this(), stream] {
      Reply* reply = nullptr;
      {
        const std::scoped_lock again(self->mutex_);
        if (const auto found = self->ears_.find(stream); found != self->ears_.end())
          reply = found->second.reply;
      }
      if (reply != nullptr) reply->cancel();
    });
  return ready_reply(mcp::result_response(id, "{}"));
}

// What the listening stream asks for; nothing when the server has nothing to tell.
std::optional<Outgoing> LegacyFace::subscription(std::uint64_t& generation) const {
  std::string wanted;
  {
    const std::scoped_lock lock(mutex_);
    generation = generation_;
    const auto offered = json::Document::parse(discovered_.empty() ? "{}" : discovered_);
    if (!offered) return std::nullopt;
    json::Writer writer(wanted);
    writer.begin_object();
    const auto change = [&](std::string_view of, std::string_view kind) {
      if (offered->root()[of]["listChanged"].boolean() == true) writer.member(kind, true);
    };
    change("tools", "toolsListChanged");
    change("prompts", "promptsListChanged");
    change("resources", "resourcesListChanged");
    if (!watched_.empty()) {
      writer.key("resourceSubscriptions").begin_array();
      for (const std::string& uri : watched_) writer.string(uri);
      writer.end_array();
    }
    writer.end_object();
  }
  if (wanted == "{}") return std::nullopt;
  Outgoing sent;
  sent.id = options_.next_id();
  sent.method = "subscriptions/listen";
  sent.era = mcp::Era::modern;
  sent.version = mcp::modern_revision;
  sent.stream = true;
  const Message message = own_message(std::format(
      R"({{"jsonrpc":"2.0","id":{},"method":"subscriptions/listen","params":{{"notifications":{}}}}})",
      sent.id, wanted));
  sent.text = mcp::to_modern(message, envelope());
  return sent;
}

Task<Result<std::unique_ptr<Reply>>> LegacyFace::listen(net::Loop& loop) {
  std::uint64_t generation = 0;
  const auto sent = subscription(generation);
  if (!sent) co_return fail(Code::unsupported, "the server has nothing to tell");
  net::Abort abort;
  CO_TRY(auto reply, co_await inner_->request(loop, *sent, abort));
  if (reply->status() / 100 != 2)
    co_return fail(Code::unsupported, "the server takes no subscription");
  co_return std::make_unique<ListenReply>(loop, shared_from_this(), std::move(reply), generation);
}

// Answers of the client, and what a modern server needs to hear of a legacy client: nothing but the
// end of a call, which the end of its stream tells.
Task<Result<void>> LegacyFace::notify(net::Loop&, const Outgoing& outgoing) {
  const Message message = own_message(outgoing.text);
  if (message.is_response()) {
    std::shared_ptr<Answers> to;
    {
      const std::scoped_lock lock(mutex_);
      const auto found = asked_.find(message.id_text());
      if (found == asked_.end()) co_return fail(Code::not_found, "nobody asked this");
      to = std::move(found->second);
      asked_.erase(found);
    }
    (void)to->push({message.id_text(),
                    message.result().exists() ? json::to_string(message.result()) : std::string(),
                    message.error().exists()});
    co_return Result<void>();
  }
  if (message.method() != Method::notifications_cancelled) co_return Result<void>();
  const std::string id = json::to_string(message.params()["requestId"]);
  const std::scoped_lock lock(mutex_);
  if (const auto running = running_.find(id); running != running_.end())
    running->second.loop->post([self = shared_from_this(), id] { self->cancel(id); });
  co_return Result<void>();
}

// On the loop of the call.
void LegacyFace::cancel(const std::string& id) {
  Running running;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = running_.find(id);
    if (found == running_.end()) return;
    running = found->second;
  }
  options_.spawn(
      *running.loop,
      [](std::shared_ptr<LegacyFace> self, net::Loop& here, std::string round) -> Task<void> {
        Outgoing sent;
        sent.method = "notifications/cancelled";
        sent.era = mcp::Era::modern;
        sent.version = mcp::modern_revision;
        sent.text = std::format(
            R"({{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}})",
            round);
        (void)co_await self->inner_->notify(here, sent);
      }(shared_from_this(), *running.loop, running.reply->id()));
  running.reply->cancel();
}

}  // namespace

std::shared_ptr<Link> legacy_face(std::shared_ptr<Link> inner, BridgeOptions options) {
  return std::make_shared<LegacyFace>(std::move(inner), std::move(options));
}

}  // namespace latticegate::gateway
