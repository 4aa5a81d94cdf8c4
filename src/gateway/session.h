// Client sessions of the legacy era, and the sessionless access of modern principals: which client
// talks to which server through which link, and what is open between them.
//
// A session id names; it never authenticates: every request is checked against the principal that
// opened it. Safe from any thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crypto/random.h"
#include "gateway/conversation.h"
#include "gateway/upstream.h"

namespace latticegate::gateway {

// Requests that a server sent to the client, by the id under which the client sees them.
class ServerRequests {
 public:
  // Gives the id for the client (JSON text). At most 64 wait per session: above, nothing.
  std::optional<std::string> add(std::string upstream_id, std::string method);
  struct Origin {
    std::string upstream_id;
    std::string method;
  };
  std::optional<Origin> take(std::string_view client_id);

 private:
  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::map<std::string, Origin, std::less<>> waiting_;
};

// Ids of requests on their way upstream, by the client's id; for cancellation.
class RequestIds {
 public:
  void add(std::string client_id, std::string upstream_id);
  void remove(std::string_view client_id);
  std::optional<std::string> find(std::string_view client_id) const;
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> ids_;
};

// Calls whose result is fetched later, by the id that the server gave them. Whoever fetches is
// judged as for the call itself, so the call is kept. At most 256 a session; the oldest are
// forgotten, and then nobody can ask for them any more.
class Tasks {
 public:
  void add(std::string id, std::shared_ptr<const mcp::Message> call);
  std::shared_ptr<const mcp::Message> find(std::string_view id) const;

 private:
  mutable std::mutex mutex_;
  std::deque<std::pair<std::string, std::shared_ptr<const mcp::Message>>> calls_;
};

struct Session {
  std::string id;  // ours, for the client; empty for modern access
  std::string server;
  std::string version;  // negotiated revision
  std::shared_ptr<Principal> principal;
  std::shared_ptr<Conversation> conversation;  // legacy; null for modern: the principal's own
  std::shared_ptr<Link> link;
  ServerRequests server_requests;
  RequestIds requests;
  Tasks tasks;
  std::atomic<std::uint32_t> streams{0};
  std::atomic<std::int64_t> last_used_ns{0};  // steady clock; for expiry
};

class Sessions {
 public:
  // Registers under a new random id.
  std::shared_ptr<Session> add(std::shared_ptr<Session> session, crypto::Random& random);
  // The session if it exists and belongs to that principal and server.
  std::shared_ptr<Session> find(std::string_view id, const Principal& principal,
                                std::string_view server) const;
  void remove(std::string_view id);

  // The modern access of a principal to a server; made by `make` when there is none yet.
  std::shared_ptr<Session> modern(const Principal& principal, std::string_view server) const;
  void put_modern(const Principal& principal, std::shared_ptr<Session> session);
  void remove_modern(const Principal& principal, std::string_view server);

  // Takes all sessions of a principal out, for a kill.
  std::vector<std::shared_ptr<Session>> take_all(const Principal& principal);
  // Takes out those that were idle longest: of one principal, or of all (null). A session is in use
  // while a stream or a request of it is open.
  std::vector<std::shared_ptr<Session>> take_oldest(std::size_t most, const Principal* of);
  // Takes out those that were not used since.
  std::vector<std::shared_ptr<Session>> take_idle(std::int64_t before_ns);
  std::vector<std::shared_ptr<Session>> take_everything();
  std::size_t size() const;
  // Whether any session has a request under way.
  bool busy() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Session>> by_id_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Session>> modern_;
};

}  // namespace latticegate::gateway
