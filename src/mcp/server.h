// Server: the server's side of the protocol in both eras, as a machine without I/O.
//
// A Server is what is offered: tools, resources, prompts, each a descriptor and a Handler. An
// Endpoint is what must be remembered of one client between messages: a legacy session, a process's
// standard input, or a single modern request. Whoever owns the transport puts messages and the time
// in and gets messages for numbered streams out.
//
// A Handler is a plain function that may be asked more than once for the same call: when it needs
// an answer of the client it returns Ask, and is called again with everything that was answered
// (2026-07-28, basic/patterns/mrtr). In the legacy era the Endpoint sends the same questions as
// requests of the server, so that a handler is written once for both.
//
// Threads: a Server is read only once it is made; an Endpoint belongs to one thread.
// Limits: 64 calls of an endpoint at a time, 16 rounds of questions in one call.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mcp/message.h"
#include "mcp/revision.h"

namespace latticegate::mcp {

class Call;
class Endpoint;
struct Outcome;

// The call is over: JSON text of the result object, without resultType and _meta.
struct Complete {
  std::string result;
};
// The call is over: a JSON-RPC error. `data` is JSON text or empty.
struct Failure {
  int code = -32603;
  std::string sentence;
  std::string data;
};
// Questions to the client; `state` comes back with the answers, unseen and unchanged by the client.
struct Input {
  std::string key;
  std::string method;  // elicitation/create, sampling/createMessage or roots/list
  std::string params;  // JSON text
};
struct Ask {
  std::vector<Input> inputs;
  std::string state;
};
// Goes on after some time.
struct Wait {
  std::chrono::milliseconds time{};
  std::move_only_function<Outcome(Call&)> then;
};
struct Outcome;
using Handler = std::function<Outcome(Call&)>;
// Goes on as a task where the client knows the extension (mcp/tasks.h): it is answered now, and
// `run` is asked, like a handler, until the task is over. Without the extension `run` is asked at
// once, unless the call is `required` to be a task: then the client hears what it lacks.
struct Begin {
  Handler run;
  bool required = false;
  std::chrono::milliseconds keep{300'000};  // from its beginning; never gone earlier
  std::chrono::milliseconds poll{500};
};
struct Outcome : std::variant<Complete, Failure, Ask, Wait, Begin> {
  using variant::variant;
};
// The questions as a modern client gets them: an object, by key.
void write_inputs(const std::vector<Input>& inputs, json::Writer& writer);

// The rank of a level of log messages, debug lowest; nothing for an unknown name.
std::optional<std::size_t> log_level(std::string_view name);

class Server {
 public:
  struct Options {
    std::string name;
    std::string version;
    std::string instructions;
    // Makes state unforgeable and unreadable for clients, and back; nothing when it was tampered
    // with. Without them state travels as it is: only where nothing depends on it.
    std::function<std::string(std::string_view)> seal;
    std::function<std::optional<std::string>(std::string_view)> open;
  };
  explicit Server(Options options) : options_(std::move(options)) {}

  // `descriptor` is JSON text with the member that names it; it is listed as it is. Aborts on a
  // descriptor that is no JSON or has no name: they are the program's own.
  void add_tool(std::string descriptor, Handler handler);
  void add_resource(std::string descriptor, Handler handler);
  // `uriTemplate` with one {variable}.
  void add_template(std::string descriptor, Handler handler);
  void add_prompt(std::string descriptor, Handler handler);
  void on_complete(Handler handler) { completion_ = std::move(handler); }

  const Options& options() const { return options_; }

 private:
  friend class Endpoint;
  struct Item {
    std::string name;
    std::string descriptor;
    Handler handler;
  };
  static const Item* find(const std::vector<Item>& items, std::string_view name);
  const Item* find_resource(std::string_view uri) const;
  std::string capabilities(Era era, bool tasks) const;

  Options options_;
  std::vector<Item> tools_;
  std::vector<Item> resources_;
  std::vector<Item> templates_;
  std::vector<Item> prompts_;
  Handler completion_;
};

// One request on its way through a handler.
class Call {
 public:
  const Message& message() const { return message_; }
  json::Value params() const { return message_.params(); }
  json::Value arguments() const { return message_.params()["arguments"]; }
  Era era() const { return era_; }
  // Whether the client declared "sampling", "elicitation" or "roots", and with it may be asked.
  bool can(std::string_view capability) const;
  // The client's answer to the question of that key; absent when it was not asked or not answered.
  json::Value answer(std::string_view key) const;
  bool answered() const { return answered_; }
  const std::string& state() const { return state_; }

  // Notifications beside the answer. Progress without a token of the client says nothing, and so
  // does a message below the level that the client asked for. `data` is JSON text.
  void progress(std::int64_t done, std::int64_t total);
  void log(std::string_view level, std::string_view data);
  // The tools (prompts, resources) are not what they were: told to everybody who listens.
  void announce(Method change);
  // Closes the stream of a legacy call before its answer: the client comes back for it
  // (2025-11-25, basic/transports).
  void let_go();

 private:
  friend class Endpoint;
  friend class TaskTable;
  Call(Endpoint& endpoint, Message message, Era era, std::uint64_t stream)
      : endpoint_(&endpoint), message_(std::move(message)), era_(era), stream_(stream) {}

  Endpoint* endpoint_;  // null for a task: nobody listens beside its answer
  Message message_;
  Era era_;
  std::uint64_t stream_;
  const Handler* handler_ = nullptr;
  std::string about_;  // method and subject: what a sealed state belongs to
  bool answered_ = false;
  std::string state_;
  std::map<std::string, json::Document, std::less<>>
      answers_;           // legacy, and of tasks; else in the message
  std::size_t open_ = 0;  // questions without an answer
  int rounds_ = 0;
};

}  // namespace latticegate::mcp
