// What a decision says: Permit, Denial or Challenge before the call; Released or Withheld after it.
//
// A Permit cannot be made outside of Engine (tests/refused/permit_made_outside.cc), so whoever
// holds one was allowed. Each of these owns what it tells.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cedar/value.h"
#include "policy/obligation.h"

namespace latticegate::policy {

enum class Mode : std::uint8_t {
  observe,  // nothing is refused; what would have been is recorded
  enforce,
};
std::string_view name(Mode mode);

enum class Reason : std::uint8_t {
  forbidden,      // at least one forbid is satisfied
  not_permitted,  // no permit is
  forbid_error,  // a permit is satisfied, but a forbid could not be evaluated: closed when in doubt
  arguments,     // the arguments cannot be converted, so no policy can judge them
  answer,        // the answer's structured content cannot be converted
  throttled,     // allowed, but not that often
};
std::string_view name(Reason reason);

// Why one policy mattered; for operators and the record, never for clients.
struct Cause {
  std::string policy;  // id
  std::string clause;  // source text: "context.input.limit > 500"; empty when the scope decided
  std::string place;   // "policies.cedar:31:6"
  std::vector<std::pair<std::string, std::string>> reads;  // {"context.input.limit", "5000"}
  std::string error;                                       // the clause failed with this
};

struct Denial {
  Reason reason{};
  // For the client: one sentence without a full stop, safe to show. Names the policy and the
  // argument if an argument decided; nothing of other policies, paths, hidden tools.
  std::string sentence{};
  std::vector<std::string>
      policies{};               // ids: the forbids that hold or failed; none: default denial
  std::vector<Cause> causes{};  // forbidden: clauses that held; not_permitted: near misses
  std::vector<Obligation> obligations{};
  bool cedar_allows = false;  // what the language alone would have said
};
// For operators: "forbidden: bulk-read-limit: context.input.limit > 500 at policies.cedar:31:6
// (context.input.limit = 5000)"; several causes are separated by "; ". `values`: false where what
// the call carries may hold a secret; then only the circumstances have values, and the rest stands
// as
// "<redacted>".
std::string explanation(const Denial& denial, bool values = true);

// For a call that an obligation to throttle allows again in `wait`.
Denial throttled(const Obligation& throttle, std::chrono::nanoseconds wait);

// Denied now, but an approval of that level would lift every forbid that holds.
struct Challenge {
  std::int64_t level = 1;
  Denial denial;
};

class Engine;

// Allowed. Moved, never copied; used up by the call that it names.
class Permit {
 public:
  Permit(Permit&&) noexcept = default;
  Permit& operator=(Permit&&) noexcept = default;
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;
  ~Permit() = default;

  const std::string& call() const [[clang::lifetimebound]] { return call_; }
  const std::string& server() const [[clang::lifetimebound]] { return server_; }
  // The tool or prompt name, or the resource's URI.
  const std::string& target() const [[clang::lifetimebound]] { return target_; }
  // Ids of the permits that hold; empty in observe mode when there was none.
  const std::vector<std::string_view>& policies() const [[clang::lifetimebound]] {
    return policies_;
  }
  // Of the permits that hold; in observe mode they are told and not carried out.
  const std::vector<Obligation>& obligations() const [[clang::lifetimebound]] {
    return obligations_;
  }
  std::uint64_t epoch() const { return epoch_; }
  Mode mode() const { return mode_; }
  // Observe mode: the denial (or, with `level` above 0, the challenge) that enforce mode would have
  // given; null otherwise. Its obligations are not to be carried out.
  const Denial* would_deny() const [[clang::lifetimebound]] {
    return would_ ? &would_->denial : nullptr;
  }
  std::int64_t would_challenge() const { return would_ ? would_->level : 0; }

 private:
  friend class Engine;
  Permit() = default;
  std::string call_;
  std::string server_;
  std::string target_;
  std::vector<std::string_view> policies_;  // views of what snapshot_ holds
  std::vector<Obligation> obligations_;
  std::uint64_t epoch_ = 0;
  Mode mode_ = Mode::enforce;
  std::unique_ptr<const Challenge> would_;
  // What temporal conditions said: they hold for the call as they did when it was decided.
  std::vector<std::pair<cedar::Name, cedar::Value>> recalled_;
  std::shared_ptr<const void> snapshot_;
};

using Decision = std::variant<Permit, Denial, Challenge>;

// The answer may go to the client.
struct Released {
  bool redact_secrets = false;  // but only with these taken out
  bool redact_hidden_text = false;
  std::vector<Obligation> obligations;       // of all policies that hold
  std::unique_ptr<const Denial> would_deny;  // observe mode: why it would have been withheld
};
// It may not.
struct Withheld {
  Denial denial;
};
using Release = std::variant<Released, Withheld>;

}  // namespace latticegate::policy
