// One stream on which everything comes that a server says in a session: a child's output, or the
// event stream of revision 2024-11-05. Answers go to whoever asked, by their id; the rest to the
// call or the listener that it most likely belongs to. Any thread.
// Limits: 1,024 messages wait per call, above that the call ends; 64 wait for the first listener.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/upstream.h"
#include "net/channel.h"

namespace latticegate::gateway {

class OneStream : public std::enable_shared_from_this<OneStream> {
 public:
  // `refuse` sends the text that answers a request of the server which nobody can hear. `ended` is
  // what callers are told when the stream has.
  OneStream(std::function<void(std::string text)> refuse, std::string_view ended,
            Secured secured = {})
      : refuse_(std::move(refuse)), ended_words_(ended), secured_(std::move(secured)) {}

  // What will answer the request of that id; of an empty id: what belongs to no request, and the
  // newest listener gets it. Used on the loop given. `time` is for each message; none for a stream.
  base::Result<std::unique_ptr<Reply>> reply(net::Loop& loop, const std::string& id,
                                             std::chrono::milliseconds time, bool stream);
  void route(mcp::Message message);
  // Nothing comes any more.
  void finish();
  bool ended() const;

 private:
  class StreamReply;
  using Inbox = net::Channel<mcp::Message>;
  struct Call {
    std::string id;
    std::shared_ptr<Inbox> inbox;
  };
  void forget(std::string_view id, const std::shared_ptr<Inbox>& inbox);
  std::shared_ptr<Inbox> inbox_of(std::string_view id) const;

  std::function<void(std::string)> refuse_;
  std::string_view ended_words_;
  const Secured secured_;
  mutable std::mutex mutex_;
  bool ended_ = false;
  std::vector<Call> calls_;
  std::shared_ptr<Inbox> listener_;
  std::vector<mcp::Message> early_;  // what came before there was a listener
};

}  // namespace latticegate::gateway
