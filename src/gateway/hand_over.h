// Handing a request over to the replica where its conversation is at home (gateway/replicas.h), and
// taking one over. The request goes as its client sent it, without the client's credential; the
// answer comes back as it is, an event stream unbuffered. When the client leaves, so does the
// request; what that means is for the home to say.
//
// A client has no say in where its conversation is at home: the session that a request names counts
// only where there is one, and requests of the newer era name none.
//
// On the worker's loop. Limits: those of the client's request and of answers (limits.body,
// limits.answer); 2 s to reach a replica, 30 minutes to the head of its answer, and four times
// limits.timeouts.keep_alive of silence on an event stream.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gateway/replicas.h"
#include "gateway/worker.h"
#include "net/http_server.h"

namespace latticegate::gateway {

// A request whose body was read, and which may have come through another replica.
class ReadRequest final : public net::ServerRequest {
 public:
  // `body` is a view of the request's own. Without `handed` the peer is the connection's.
  ReadRequest(net::ServerRequest& inner, std::string_view body, const Handed* handed = nullptr);

  const net::Head& head() const override { return inner_.head(); }
  const net::Peer& peer() const override { return handed_ ? peer_ : inner_.peer(); }
  net::Loop& loop() override { return inner_.loop(); }
  net::Task<base::Result<std::string_view>> body() override { co_return body_; }
  net::Task<base::Result<void>> respond(int status, std::string_view headers,
                                        std::string_view content_type,
                                        std::string_view body) override {
    return inner_.respond(status, headers, content_type, body);
  }
  net::Task<base::Result<void>> start_events(std::string_view headers) override {
    return inner_.start_events(headers);
  }
  net::Task<base::Result<void>> send_events(std::string_view text) override {
    return inner_.send_events(text);
  }
  net::Task<base::Result<void>> finish_events() override { return inner_.finish_events(); }
  void may_begin_events() override { inner_.may_begin_events(); }
  bool answered() const override { return inner_.answered(); }
  // What comes through another replica is somebody else's each time.
  std::shared_ptr<void>& slot() override { return handed_ ? slot_ : inner_.slot(); }
  void on_hangup(std::function<void()> callback) override { inner_.on_hangup(std::move(callback)); }

 private:
  net::ServerRequest& inner_;
  std::string_view body_;
  bool handed_;
  net::Peer peer_;
  std::shared_ptr<void> slot_;
};

// The replica whose session a request names; null when it names none.
const std::string* home_of_session(const Replicas& replicas, const net::Head& head);
// Whether it names a session of this replica that is not there, or another's.
bool names_no_session_here(Worker& worker, const Snapshot& snapshot, const net::Head& head,
                           const Principal& principal);
// Where a request of this principal belongs, but for those that were tried; empty: here.
std::string home_of(Worker& worker, const Snapshot& snapshot, const net::Head& head,
                    const Principal& principal, std::span<const std::string> tried = {});

// Passes a request on to the replica `to` and answers with what comes back. False when that one
// cannot be reached: nothing was sent or answered, and it is away for a while.
net::Task<bool> hand_over(Worker& worker, ReadRequest& request,
                          std::shared_ptr<const Snapshot> snapshot, const std::string& to,
                          std::shared_ptr<Admitted> admitted);

}  // namespace latticegate::gateway
