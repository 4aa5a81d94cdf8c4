// Upstreams: what stands behind /mcp/<server>, over HTTP or over a child's pipes, as one interface.
//
// A Link is one client's way to one server: the upstream session of a legacy client session, or the
// sessionless access of a modern principal. Requests get answers as a Reply: messages one by one,
// notifications and server requests first, the response last. Everything here is transport; what
// may be sent is decided before (gateway/exchange.h).
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "mcp/message.h"
#include "mcp/revision.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/task.h"

namespace latticegate::gateway {

// One message on its way to a server, written from what was judged; always one line.
struct Outgoing {
  std::string text;
  std::string id;      // JSON text of its id; empty for notifications and responses
  std::string method;  // for the headers of the modern era
  std::string name;    // likewise; empty where the method has none
  std::vector<std::pair<std::string, std::string>>
      parameter_headers;  // Mcp-Param-*: name and encoded value
  mcp::Era era = mcp::Era::legacy;
  std::string version;  // protocol revision for the header; empty: none is sent
  bool idempotent = false;
  bool stream = false;  // a listen: no time limit between messages
};

// Whether a message is the response to the request of that id (JSON text); an error may come
// without one.
bool answers(const mcp::Message& message, std::string_view id);

// What protects a connection to a server: "TLSv1.3", "X25519MLKEM768". Empty without TLS.
struct Secured {
  std::string version;
  std::string group;
};

// The messages that answer one request, in order. Used on the loop of the request.
class Reply {
 public:
  virtual ~Reply() = default;
  // The next message; nothing when the answer has ended. Errors: timeout, unavailable, malformed
  // (the server speaks garbage), too_large, cancelled.
  virtual net::Task<base::Result<std::optional<mcp::Message>>> next() = 0;
  // Ends it now from the same loop; a pending next() returns Code::cancelled.
  virtual void cancel() = 0;
  // HTTP status of the answer; 200 for a child.
  virtual int status() const { return 200; }
  // The session id that the server assigned with this answer; empty if none.
  virtual std::string_view session_id() const { return {}; }
  // The connection that it comes over.
  virtual Secured secured() const { return {}; }
};

class Link {
 public:
  virtual ~Link() = default;
  // Sends a request. The loop is the caller's; the reply is used there.
  // `abort` ends it while the server has not begun to answer; the reply is cancelled by itself
  // afterwards.
  virtual net::Task<base::Result<std::unique_ptr<Reply>>> request(net::Loop& loop,
                                                                  const Outgoing& message,
                                                                  net::Abort& abort) = 0;
  // Sends a notification or a response; returns when the server has taken it.
  virtual net::Task<base::Result<void>> notify(net::Loop& loop, const Outgoing& message) = 0;
  // Opens the stream for messages that belong to no request. Code::unsupported: this server has
  // none.
  virtual net::Task<base::Result<std::unique_ptr<Reply>>> listen(net::Loop& loop) = 0;
  // Takes over what the answer to initialize brought.
  virtual void opened(std::string_view session_id, std::string_view version) = 0;
  // False when nothing can be sent any more, because the server's process has ended.
  virtual bool alive() const { return true; }
  // Ends the session at the server, politely, without waiting for long.
  virtual net::Task<void> end(net::Loop& loop) = 0;
};

class Broker;

// What an HTTP link needs to know about its server.
struct HttpTarget {
  net::Url url;
  std::string authorization;         // header value that we present; empty: none
  std::shared_ptr<Broker> broker{};  // or who gets it; null: nobody
  std::chrono::milliseconds request_timeout{120'000};
  // Runs what outlives a request; without it only the streamable transport is spoken.
  std::function<void(net::Loop&, net::Task<void>)> spawn{};
};
// `pool` gives the pool of the server on a loop.
std::shared_ptr<Link> http_link(HttpTarget target, std::function<net::HttpPool&(net::Loop&)> pool,
                                base::Bytes answer_limit);

// How a child is started and what becomes of what it writes to its standard error.
struct ChildTarget {
  std::string server;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string directory;
  std::chrono::milliseconds request_timeout{120'000};
  base::Bytes answer_limit{};
  std::function<void(std::string_view line)> errors;          // one bounded line
  std::function<void(std::string status, bool asked)> ended;  // asked: we told it to end
};
// Starts the child on the loop, which stays its home; its tasks run in the group, which outlives
// them.
base::Result<std::shared_ptr<Link>> child_link(net::Loop& home, net::TaskGroup& tasks,
                                               ChildTarget target);

}  // namespace latticegate::gateway
