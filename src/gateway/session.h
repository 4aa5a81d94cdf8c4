// Client sessions of the legacy era, and the sessionless access of modern principals: which client
// talks to which server through which link, and what is open between them.
//
// A session id names; it never authenticates: every request is checked against the principal that
// opened it. Safe from any thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <list>
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
#include "gateway/events.h"
#include "gateway/upstream.h"

namespace latticegate::gateway {

// Requests that a server sent to the client, by the id under which the client sees them.
class ServerRequests {
 public:
  struct Origin {
    std::string upstream_id;
    std::string method;
    std::shared_ptr<Link> link;  // to the server that asked
    std::string version;         // of the session there
    std::string approval{};      // ours, and no server's: the request that it is about
  };
  // Gives the id for the client (JSON text). At most 64 wait per session: above, nothing.
  std::optional<std::string> add(Origin origin);
  std::optional<Origin> take(std::string_view client_id);

 private:
  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::map<std::string, Origin, std::less<>> waiting_;
};

// Ids of requests on their way upstream, by the client's id; for cancellation.
class RequestIds {
 public:
  struct Way {
    std::string upstream_id;
    std::shared_ptr<Link> link;
    std::string version;
  };
  void add(std::string client_id, Way way);
  void remove(std::string_view client_id);
  std::optional<Way> find(std::string_view client_id) const;
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Way, std::less<>> ways_;
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
  std::list<std::pair<std::string, std::shared_ptr<const mcp::Message>>> calls_;
};

// Of a door (gateway/door.h), a legacy session holds one session for each server behind it. They
// are opened together, some perhaps later or anew, and share their conversation and what waits for
// the client. Whatever server's turn it is, calls are made in the member's session.
struct Session;
class Members {
 public:
  std::shared_ptr<Session> find(std::string_view server) const;
  // False when the whole session has ended meanwhile: then the member is not taken.
  bool put(std::shared_ptr<Session> member);
  // Takes out this one, if it is still the server's.
  void drop(const Session& member);
  // Takes out all, and no further one is taken.
  std::vector<std::shared_ptr<Session>> end();
  std::vector<std::shared_ptr<Session>> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Session>, std::less<>> by_server_;
  bool ended_ = false;
};

struct Session {
  std::string id;  // ours, for the client; empty for modern access and for members
  std::string server;
  std::string version;              // negotiated revision
  std::string capabilities = "{}";  // of a legacy client, JSON text
  // Legacy: the client's name for itself, without secrets; not of members.
  std::string client;
  std::string client_version;
  std::shared_ptr<Principal> principal;
  std::shared_ptr<Conversation> conversation;  // legacy; null for modern: the principal's own
  std::shared_ptr<Link> link;                  // null for a door
  // A door's members share these with it.
  std::shared_ptr<ServerRequests> server_requests = std::make_shared<ServerRequests>();
  std::shared_ptr<RequestIds> requests = std::make_shared<RequestIds>();
  std::shared_ptr<Events> events = std::make_shared<Events>();
  // By the client's request id; of a legacy session.
  std::shared_ptr<OpenCalls> open = std::make_shared<OpenCalls>();
  Tasks tasks;
  // What the server answered to the handshake of a member.
  std::shared_ptr<const mcp::Message> hello;
  Members members;    // of a door
  std::string opens;  // of a door: the params of the client's initialize, JSON text
  std::atomic<bool> initialized{false};  // of a door: its client said so
  std::atomic<std::uint32_t> streams{0};
  std::atomic<std::int64_t> last_used_ns{0};  // steady clock; for expiry
};

// Ends the session at its server, or at all of a door.
net::Task<void> end_links(net::Loop& loop, std::shared_ptr<Session> session);

class Sessions {
 public:
  // Registers under a new id: `prefix` and what is random.
  std::shared_ptr<Session> add(std::shared_ptr<Session> session, crypto::Random& random,
                               std::string_view prefix = {});
  // The session if it exists and belongs to that principal and server.
  std::shared_ptr<Session> find(std::string_view id, const Principal& principal,
                                std::string_view server) const;
  // Whether there is such a session of that principal, at whatever server.
  bool has(std::string_view id, const Principal& principal) const;
  void remove(std::string_view id);

  // The modern access of a principal to a server; made by `make` when there is none yet.
  std::shared_ptr<Session> modern(const Principal& principal, std::string_view server) const;
  void put_modern(const Principal& principal, std::shared_ptr<Session> session);
  // Takes out this one, if it is still the principal's access to its server.
  void remove_modern(const Session& session);

  // Takes all sessions of a principal out, for a kill.
  std::vector<std::shared_ptr<Session>> take_all(const Principal& principal);
  // Takes all sessions at a server out, members of doors' sessions among them.
  std::vector<std::shared_ptr<Session>> take_all_at(std::string_view server);
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
