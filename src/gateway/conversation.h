// Conversations: our own notion of who talks, because the newest protocol has none.
//
// A principal is (tenant, agent, user), whichever credential it uses; kills and open calls hang on
// it, never on anything that the client chooses. A kill may also name an agent, a user or
// everybody: then it holds for every such principal, present and to come. A conversation is a
// principal together with its legacy session, if it has one; totals and taint hang on it, so that a
// long-lived agent does not run into yesterday's sums. A principal without a session has one
// conversation that begins anew after an hour of silence.
//
// Both tables, principals here and sessions in session.h, hold at most limits.conversations. When
// one is full, what was idle longest makes room; what is in use, and whoever is killed, stays.
//
// Safe from any thread: the table has a mutex (a connection asks it once per credential, not once
// per call), each principal has its own; both are held for well under a microsecond.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "behaviour/conversation.h"
#include "behaviour/throttle.h"
#include "gateway/open_calls.h"
#include "gateway/tracing.h"
#include "identity/caller.h"

namespace latticegate::gateway {

// Why and since when a principal is killed.
struct Kill {
  base::Time at{};
  std::string agent;  // whose it is
  std::string user;
  std::string by;                     // "policy latticegate-risk", "operator"
  std::string reason;                 // one sentence
  std::optional<base::Time> until{};  // then it ends by itself
};

struct Conversation {
  std::mutex mutex;
  behaviour::Totals totals;
  behaviour::Lessons lessons;
};

class Principal {
 public:
  Principal(std::string id, std::string ref, std::string agent, std::string user)
      : id_(std::move(id)),
        ref_(std::move(ref)),
        agent_(std::move(agent)),
        user_(std::move(user)) {}

  // "c-1f0a93b24c5d": stable over restarts; what `latticegate kill` takes.
  const std::string& id() const { return id_; }
  // Who it is in records: the person's pseudonym, or the agent's (identity/pseudonym.h).
  const std::string& ref() const { return ref_; }
  const std::string& agent() const { return agent_; }
  const std::string& user() const { return user_; }

  std::optional<Kill> killed() const;
  bool is_killed() const { return killed_flag_.load(std::memory_order_acquire); }

  // The conversation without a session, begun anew after an hour of silence.
  std::shared_ptr<Conversation> conversation(base::Time now);

  // Where it read what; made at the first use, of what was kept before a restart if there is such.
  std::shared_ptr<Tracing> tracing(const provenance::Limits& limits, provenance::Key key);
  // Whether anybody ever said what it is for: only then the tracing has to be asked.
  bool says_purpose() const { return says_purpose_.load(std::memory_order_relaxed); }
  void note_purpose() { says_purpose_.store(true, std::memory_order_relaxed); }
  // What of it is to be kept, if it changed.
  std::optional<std::string> trail_changes(base::Time now);

  // See behaviour::Throttle.
  std::optional<behaviour::Throttle::Empty> throttle(std::span<const behaviour::Rate> rates,
                                                     base::Instant now);

  // What is open for it: ends when it is killed or the gateway stops.
  OpenCalls& open() { return open_; }
  const OpenCalls& open() const { return open_; }

 private:
  friend class Principals;
  std::string id_;
  std::string ref_;
  std::string agent_;
  std::string user_;
  mutable std::mutex mutex_;
  std::atomic<bool> killed_flag_{false};
  std::atomic<bool> says_purpose_{false};
  std::optional<Kill> killed_;
  std::shared_ptr<Conversation> conversation_;
  std::shared_ptr<Tracing> tracing_;
  std::string kept_trail_;  // until it is asked for
  behaviour::Throttle throttle_;
  base::Instant seen_{};  // when find() last gave it out; under the table's mutex
  OpenCalls open_;
};

class Principals {
 public:
  // `remember` makes a kill (or its end: nullopt) durable before it counts; a failure is reported
  // and the kill counts all the same, because stopping comes first.
  using Remember =
      std::function<base::Result<void>(const std::string& id, const std::optional<Kill>& kill)>;
  // The keys are those of the pseudonyms in records, and of the ids of principals.
  Principals(Remember remember, std::string key, std::string id_key)
      : remember_(std::move(remember)), key_(std::move(key)), id_key_(std::move(id_key)) {}

  // The principal of a caller, new or known. Null when `limit` of them are known and each is killed
  // or held by somebody (a connection, a session); otherwise those that were not asked for longest
  // are forgotten for a new one.
  std::shared_ptr<Principal> find(const identity::Caller& caller, std::size_t limit,
                                  base::Instant now);
  std::shared_ptr<Principal> find_by_id(std::string_view id) const;
  std::vector<std::shared_ptr<Principal>> all() const;
  // The gateway stops: whatever is still open ends.
  void end_everything();

  // Ends everything that is open for it and refuses what comes, until released. False when it was
  // killed already.
  bool kill(const Principal& principal, Kill kill);
  // The same for every principal that the id names: agent_id(), user_id() or everybody. False when
  // that kill is in force already.
  bool kill_all_of(const std::string& id, Kill kill);
  // By the id of a principal or of many: ends that kill. False when there was none.
  bool release(const std::string& id);
  std::vector<std::pair<std::string, Kill>> kills() const;
  // Those whose time is over.
  std::vector<std::string> over(base::Time now) const;
  // Whom an id names.
  std::vector<std::shared_ptr<Principal>> named(std::string_view id) const;
  // The ids of kills of many: "agent:<name>", "user:<name>", "all".
  static std::string agent_id(std::string_view agent);
  static std::string user_id(std::string_view user);
  static constexpr std::string_view everybody = "all";
  // Trails that were kept before a restart, by id; before any call.
  void restore_trails(std::unordered_map<std::string, std::string> trails) {
    kept_trails_ = std::move(trails);
  }
  // What was remembered before a restart; before any call.
  void restore(std::vector<std::pair<std::string, Kill>> kills);

 private:
  static void mark(Principal& principal, const Kill& kill);
  static bool names(std::string_view id, const Principal& principal);
  const Kill* holding(const Principal& principal) const;  // with the mutex held
  bool make_room(std::size_t limit);                      // with the mutex held
  Remember remember_;
  std::string key_;
  std::string id_key_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Principal>> by_id_;
  std::unordered_map<std::string, std::string> kept_trails_;
  std::unordered_map<std::string, Kill> kills_;  // also of principals not seen since the restart
};

// For clients: that it is stopped, and until when; not why.
std::string stop_sentence(const Principal& principal);

// How many leave a full table at once, so that a flood of newcomers does not search it for each.
constexpr std::size_t leaving_at_once(std::size_t limit) { return 1 + limit / 64; }

}  // namespace latticegate::gateway
