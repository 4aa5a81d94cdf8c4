// Worker: one event loop's share of the gateway: its connections, its pools, its scratch memory.
// Requests come in here, are authenticated and given to an Exchange.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "audit/record.h"
#include "behaviour/habits.h"
#include "behaviour/ladder.h"
#include "behaviour/watch.h"
#include "gateway/approvals.h"
#include "gateway/bridge.h"
#include "gateway/conversation.h"
#include "gateway/eras.h"
#include "gateway/histories.h"
#include "gateway/inspection.h"
#include "gateway/memory.h"
#include "gateway/outages.h"
#include "gateway/recorder.h"
#include "gateway/session.h"
#include "gateway/snapshot.h"
#include "net/http_server.h"
#include "net/loop.h"

namespace latticegate::gateway {

class Worker;
class Meters;
struct ServerMeters;
class Alerts;
class Halts;
class Learnt;

// Counted by all loops, read by the control socket.
struct Counters {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> allowed{0};
  std::atomic<std::uint64_t> denied{0};
  std::atomic<std::uint64_t> refused{0};  // no credential, bad message, wrong host
  std::atomic<std::uint64_t> withheld{0};
  std::atomic<std::uint64_t> redactions{0};
  std::atomic<std::uint64_t> kills{0};
  std::atomic<std::uint64_t> upstream_errors{0};
  std::atomic<std::uint64_t> handed_over{0};  // to another replica
  std::atomic<std::uint64_t> taken_over{0};   // from one
  std::atomic<std::uint64_t> shadow_judged{0};
  std::atomic<std::uint64_t> shadow_would_allow{0};   // what was refused
  std::atomic<std::uint64_t> shadow_would_refuse{0};  // what was allowed
  std::atomic<std::uint64_t> shadow_differs{0};       // refused otherwise: step-up or not
};

// What all workers share. Everything in it is safe from any thread.
struct Shared {
  Shared(const base::Clock& the_clock, const base::Log& the_log, Principals& the_principals,
         Sessions& the_sessions, Pins& the_pins, behaviour::Watch& the_watch,
         behaviour::Habits& the_habits, Histories& the_histories, Histories& the_shadow_histories,
         Approvals& the_approvals, Recorder& the_recorder)
      : clock(the_clock),
        log(the_log),
        principals(the_principals),
        sessions(the_sessions),
        pins(the_pins),
        watch(the_watch),
        habits(the_habits),
        histories(the_histories),
        shadow_histories(the_shadow_histories),
        approvals(the_approvals),
        recorder(the_recorder) {}

  const base::Clock& clock;
  const base::Log& log;
  Principals& principals;
  Sessions& sessions;
  Pins& pins;
  behaviour::Watch& watch;
  behaviour::Habits& habits;
  Histories& histories;
  Histories& shadow_histories;  // what the shadow's temporal conditions ask
  Approvals& approvals;
  Recorder& recorder;
  std::string redaction_key;
  std::string person_key;  // of the pseudonyms in records
  std::string cursor_key;
  std::string state_key;      // of requestState (gateway/request_state.h)
  std::string replica;        // names this process in it
  provenance::Key trail_key;  // of this process
  behaviour::Ladders ladders;
  // Set before the workers run; they outlive them.
  Meters* meters = nullptr;
  Alerts* alerts = nullptr;
  Halts* halts = nullptr;
  Learnt* learnt = nullptr;
  std::vector<Worker*> workers;  // by loop index
  std::atomic<std::uint64_t> generation{
      0};  // of the snapshot; a worker that has an older one takes the new one
  std::atomic<std::shared_ptr<const Snapshot>> snapshot;
  std::atomic<std::uint64_t> next_id{1};  // of requests that we send upstream
  Eras eras;
  Outages outages;
  Outages away;  // replicas
  Counters counters;
};

// Whether a call or stream of one of them is open.
bool is_any_open(const std::vector<std::shared_ptr<Principal>>& principals);

// Who is behind a request, as found out once per connection and credential.
struct Admitted {
  std::uint64_t generation = 0;
  std::string authorization;
  identity::Caller caller;
  std::shared_ptr<Principal> principal;
  std::vector<std::string_view> delegation;  // who acts for the person; views of `caller`
  // The latest tool that was asked for on this connection, and whether the caller may see it.
  struct Seen {
    std::shared_ptr<const ToolEntry> tool;
    std::uint64_t epoch = 0;
    bool visible = false;
  };
  Seen seen{};
  SharedHistories histories{};  // when policies look back
  SharedHistories shadow_histories{};
};

// What is stopped: a conversation, an agent, a user or everybody, by the id that
// Principals::kills() has; or a server or tool, by its name in Halts.
struct Stopped {
  bool halt = false;
  std::string id;
};
// Who hears of a stop: the other replicas (gateway/replica_stops.h), unless one of them told us.
enum class Tell : std::uint8_t { replicas, nobody };

// What a worker remembers of a connection.
struct Remembered {
  std::shared_ptr<Admitted> admitted;  // the latest; null before
};

class Worker final : public net::Handler {
 public:
  static base::Result<std::unique_ptr<Worker>> make(net::Loop& loop, Shared& shared,
                                                    std::string_view node);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  net::Task<void> handle(net::ServerRequest& request) override;

  net::Loop& loop() { return loop_; }
  Shared& shared() { return shared_; }
  net::TaskGroup& tasks() { return tasks_; }
  Inspection& inspection() { return *inspection_; }
  policy::Scratch& scratch() { return scratch_; }
  policy::Scratch& shadow_scratch() { return shadow_scratch_; }
  audit::RecordWriter& record_writer() { return record_writer_; }
  crypto::Random& random() { return random_; }
  // An Append that is not in use; give it back after the ticket was taken.
  std::unique_ptr<store::Append> take_append();
  void give_append(std::unique_ptr<store::Append> append);
  // The pool of a server on this loop.
  net::HttpPool& pool(const ServerRoute& route, const config::Limits& limits);
  net::HttpPool& pool(const Replica& replica, const config::Limits& limits);
  // What is counted of a server.
  const ServerMeters& meters_of(const ServerRoute& route);
  // Makes the link to a server: HTTP, or a new child process on this loop.
  base::Result<std::shared_ptr<Link>> make_link(const Snapshot& snapshot, const ServerRoute& route);
  // A link that speaks modern, to a server of either era, which is found out if need be.
  net::Task<base::Result<std::shared_ptr<Link>>> modern_link(
      std::shared_ptr<const Snapshot> snapshot, const ServerRoute& route,
      std::shared_ptr<Principal> principal);
  // The modern access of a principal to a server, known or made.
  net::Task<base::Result<std::shared_ptr<Session>>> modern_session(
      std::shared_ptr<const Snapshot> snapshot, const ServerRoute& route,
      std::shared_ptr<Principal> principal);
  // The server's answer to a legacy client's handshake, and the link on which it was given: in the
  // client's era, or through a bridge when the server speaks the other one only.
  struct Handshake {
    std::shared_ptr<Link> link;  // null when the server could not be started
    std::optional<mcp::Message> response;
    std::string session_id;
    std::string trouble;
    bool opened() const { return response && response->result().exists(); }
  };
  net::Task<Handshake> shake_hands(std::shared_ptr<const Snapshot> snapshot,
                                   const ServerRoute& route, const Outgoing& message,
                                   net::Abort& abort);
  // A door's session at one of its servers (session.h, Members), known or opened.
  net::Task<base::Result<std::shared_ptr<Session>>> member_session(
      std::shared_ptr<const Snapshot> snapshot, const ServerRoute& route,
      std::shared_ptr<Session> door);
  // How bridges of a server work; with a principal, calls can be parked.
  BridgeOptions bridging(const ServerRoute& route, std::shared_ptr<Principal> principal = nullptr);

  // Stops a principal: everything open ends, what comes is refused, what it taught lately is taken
  // back.
  void kill(Principal& principal, std::string by, std::string reason);
  // The same for many, by an id of Principals, whether they were seen yet or not; `type` is that of
  // the record. False when the same holds already.
  bool kill_all_of(const std::string& id, audit::Type type, Kill kill, Tell tell = Tell::replicas);
  // A step of an agent on the ladder: recorded, logged, told.
  void tell_ladder(const behaviour::Ladders::Change& change);
  // Ends sessions in the background.
  void end_sessions(std::vector<std::shared_ptr<Session>> sessions);
  // The token that the gateway has for that server, if it got one: forgotten, revoked where that
  // can be, recorded; in the background. `principal`: because of whom, if of one.
  void give_up_credential(std::string_view server, const Principal* principal = nullptr);
  // True when there may be one more session; the longest idle ones may be ended for it. Requests
  // that open sessions at the same time may pass limits.conversations by their number.
  bool room_for_session(const Principal& principal, const Snapshot& snapshot);

 private:
  Worker(net::Loop& loop, Shared& shared, std::unique_ptr<Inspection> inspection,
         std::string_view node);
  const std::shared_ptr<const Snapshot>& snapshot();
  void finish_kill(Principal& principal);
  void give_up_credentials(const std::vector<std::shared_ptr<Session>>& sessions,
                           const Principal& principal);
  net::Task<void> give_up(std::shared_ptr<Broker> broker, std::string server,
                          std::string conversation, std::string agent);
  net::Task<void> measure_stop(std::vector<std::shared_ptr<Principal>> stopped,
                               base::Instant begun);
  void record_given_up(std::string_view server, const Principal& principal);
  void record_kill(audit::Type type, std::string_view id, const Kill& kill);
  // `refused`: it answered with an error.
  net::Task<base::Result<bool>> speaks_modern(Link& link, bool pipe, bool& refused);
  net::Task<void> greet(Link& link, const Outgoing& message, Handshake& hands, net::Abort& abort);
  // `handed`: what another replica says of it; null when it came from its client.
  net::Task<void> serve(net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
                        const Handed* handed = nullptr);
  net::Task<void> take_over(net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot);
  net::Task<void> find_home(net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
                            std::string home, std::shared_ptr<Admitted> admitted);
  net::Task<void> enter(net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
                        std::shared_ptr<Admitted> admitted);
  std::shared_ptr<Principal> principal_of(const identity::Caller& caller, const Snapshot& snapshot);
  base::Result<std::shared_ptr<Admitted>> authenticate(net::ServerRequest& request,
                                                       const Snapshot& snapshot,
                                                       const Handed* handed);
  base::Result<std::shared_ptr<Admitted>> admit(identity::Caller caller, const Snapshot& snapshot);

  net::Loop& loop_;
  Shared& shared_;
  net::TaskGroup tasks_;
  std::unique_ptr<Inspection> inspection_;
  policy::Scratch scratch_;
  policy::Scratch shadow_scratch_;
  audit::RecordWriter record_writer_;
  crypto::SystemRandom random_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::unique_ptr<store::Append>> appends_;
  std::unordered_map<std::uint64_t, std::unique_ptr<net::HttpPool>> pools_;
  std::unordered_map<std::string, std::unique_ptr<net::HttpPool>> replica_pools_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const ServerMeters>> meters_;  // by route
  struct Backoff {
    std::uint32_t failures = 0;
    base::Instant until{};
  };
  std::unordered_map<std::string, Backoff> backoffs_;  // of child processes started here
};

}  // namespace latticegate::gateway
