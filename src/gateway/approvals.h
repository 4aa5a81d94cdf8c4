// Approvals: what waits for a person's yes, and what has it.
//
// A request is made when a policy would let a call through with an approval (@obligation step_up).
// It is bound to the principal, the server, the tool with its pinned form and the canonical
// arguments, by a digest over all of them: other arguments are another request. It is answered
// outside of the client's channel, by whoever may open the management socket, because a client can
// answer whatever it is asked itself. An approval is good for one call, for a while; the policy
// sees who gave it and decides again.
//
// The same call again finds its request, whatever came of it: a refusal stands until the request
// expires. Bounds: 16 open requests of a principal and 1,024 of all, 4 KiB of arguments shown.
//
// Safe from any thread: one mutex, held for microseconds; calls that need no approval never come
// here. Survives a restart. An approval is used up in memory before its call leaves, and on disk a
// few milliseconds later.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/random.h"
#include "json/value.h"

namespace latticegate::gateway {

struct ApprovalRequest {
  enum class State : std::uint8_t { open, approved, refused, used };

  std::string id;  // "a-1f0a93b24c5d"
  State state = State::open;
  std::string digest;  // of what is asked for
  std::string conversation;
  std::string agent;
  std::string user;
  std::string server;
  std::string subject;    // tool, prompt or URI
  std::string arguments;  // JSON text, without the secrets that were found; for people
  std::string why;        // one sentence
  std::int64_t level = 0;
  base::Time at{};
  base::Time until{};  // open: to be answered; approved: to be used
  // Once answered.
  std::string by;
  std::string reason;
  base::Time answered{};
  std::string call;  // used: the call that used it

  std::string text() const;  // JSON
  static std::optional<ApprovalRequest> read(json::Value saved);
};
std::string_view name(ApprovalRequest::State state);

// Who answers in a client's own channel (@obligation ask_client): "client:" and its user or agent.
inline constexpr std::string_view client_answers = "client:";

// SHA-256, in hexadecimal, of whose call with which arguments it is.
std::string approval_digest(std::string_view conversation, std::string_view server,
                            std::string_view subject, std::string_view pin, json::Value arguments);

class Approvals {
 public:
  // `remember` keeps a request (or, with nullopt, forgets it).
  using Remember = std::function<void(const std::string& id, std::optional<std::string> text)>;
  explicit Approvals(Remember remember) : remember_(std::move(remember)) {}
  void restore(std::vector<ApprovalRequest> requests);

  // What came of the same call before, if that has not expired.
  std::optional<ApprovalRequest> find(std::string_view digest, base::Time now);
  // A new open request: `id` and `state` are set here, all else is given. Code::overloaded at a
  // bound.
  [[nodiscard]] base::Result<ApprovalRequest> open(ApprovalRequest request, base::Time now,
                                                   crypto::Random& random);
  // A person's answer to an open request. Code::not_found, or Code::conflict when it is answered.
  [[nodiscard]] base::Result<ApprovalRequest> answer(std::string_view id, bool yes, std::string by,
                                                     std::string reason,
                                                     std::chrono::nanoseconds valid,
                                                     base::Time now);
  // Uses it up for that call. False when it is no approval any more: only one of two calls gets it.
  bool use(std::string_view id, std::string_view call, base::Time now);
  // The policy was not content with who gave it: it is open again, for somebody else.
  void reopen(std::string_view id, std::int64_t level, base::Time until);

  // Whether there can be anything to find; costs nothing.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // All that has not expired, and what was used lately; oldest first.
  std::vector<ApprovalRequest> all(base::Time now);

 private:
  void sweep(base::Time now);  // with the mutex held
  ApprovalRequest* by_id(std::string_view id);
  void keep(const ApprovalRequest& request) { remember_(request.id, request.text()); }

  Remember remember_;
  std::mutex mutex_;
  std::atomic<bool> any_{false};
  std::map<std::string, ApprovalRequest, std::less<>> by_digest_;
};

}  // namespace latticegate::gateway
