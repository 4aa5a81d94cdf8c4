// Endpoint: what a Server remembers of one client between messages; see mcp/server.h.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "mcp/server.h"
#include "mcp/tasks.h"

namespace latticegate::mcp {

class Endpoint {
 public:
  // What leaves. Without text the stream ends without an answer: for good (last), or until the
  // client comes back for it.
  struct Output {
    std::uint64_t stream = 0;
    std::string text;
    bool last = false;  // nothing more comes on this stream
    int status = 200;   // for HTTP; of a last message
  };
  // Stream 0 is for what belongs to no request. `send` may be called within every call of a
  // method; `announce` gets what all endpoints of the server should hear.
  // With a table, which outlives it, calls may become tasks.
  Endpoint(const Server& server, std::function<void(Output)> send,
           std::function<void(Method, std::string_view uri)> announce, TaskTable* tasks = nullptr);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // A message that came on a stream of its own. A notification or response gets no output. The era
  // is what classify() said.
  void receive(Message message, Era era, std::uint64_t stream, base::Instant now);
  // The client left the stream: a modern call is cancelled by it.
  void leave(std::uint64_t stream);
  // Something changed: tells those who want to hear it. The uri of a task is its id.
  void changed(Method change, std::string_view uri);
  // When advance() has something to do.
  std::optional<base::Instant> due() const;
  void advance(base::Instant now);

 private:
  friend class Call;
  struct Waiting {
    std::shared_ptr<Call> call;
    base::Instant due;
    std::move_only_function<Outcome(Call&)> then;
  };
  struct Listen {
    std::uint64_t stream;
    std::string id;  // JSON text
    Message message;
  };
  struct Question {
    std::shared_ptr<Call> call;
    std::string key;
  };

  void request(Message message, Era era, std::uint64_t stream);
  void legacy_request(Message& message, std::uint64_t stream);
  void task_request(const Message& message, std::uint64_t stream);
  void listen(Message message, std::uint64_t stream);
  void act(const std::shared_ptr<Call>& call, Outcome outcome);
  void ask(const std::shared_ptr<Call>& call, const Ask& ask);
  void answered(const Message& response);
  void cancel(std::string_view id);
  void notify(const Call& call, std::string_view method, std::string_view params);
  void announce(Method change, std::string_view uri) const { announce_(change, uri); }
  void end_early(const Call& call);
  json::Value capabilities() const;  // of a legacy client
  std::size_t level() const { return level_; }
  void forget(const std::shared_ptr<Call>& call);
  static std::string list(std::string_view member, const std::vector<Server::Item>& items);
  void complete(const Message& message, Era era, std::uint64_t stream, std::string_view result,
                std::string_view type = "complete");
  void fail(std::string_view id, std::uint64_t stream, const Failure& failure, Era era);
  void send(std::uint64_t stream, std::string text, bool last, int status = 200);

  const Server& server_;
  std::function<void(Output)> send_;
  std::function<void(Method, std::string_view)> announce_;
  TaskTable* tasks_;
  base::Instant now_{};
  // of a legacy session
  std::optional<Message> hello_;  // its initialize
  std::size_t level_ = 0;
  std::set<std::string, std::less<>> watched_;
  // under way
  std::vector<std::shared_ptr<Call>> calls_;
  std::vector<Waiting> waiting_;
  std::vector<Listen> listens_;
  std::map<std::string, Question, std::less<>> questions_;  // by their id, JSON text
  std::uint64_t more_questions_ = 0;
};

}  // namespace latticegate::mcp
