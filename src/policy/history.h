// History: what callers have done, as far as the temporal conditions of policies can ask about it.
//
// A condition `temporal { ... }` (module temporal) is asked about one of three histories, by the
// annotation @history of its policy:
//   "conversation"  what the agent did for this user, over all its sessions; the default
//   "agent"         what the agent did, for whomever
//   "everyone"      what all agents did
// Whoever asks an Engine gives it the histories that belong to the caller.
//
// Events, of each tool, of read_resource and of get_prompt:
//   request   decided, allowed or not; also the one that is decided now
//   response  the server answered
//   error     the server answered with an error
// Their fields: input.NAME, derived.estimatedRecords, callerPrincipal, callerResource, callerUser,
// requestId; of a response also output.records, output.bytes and, as the JSON of its structured
// content is, output.NAME. An event may be named by its action or by a group of actions.
//
// Threads: an Engine locks the History for some microseconds. After another Engine took over, one
// with a lower epoch still adds what happens and gets no answers.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "temporal/monitor.h"

namespace latticegate::policy {

enum class Whose : std::uint8_t { conversation, agent, everyone };
inline constexpr std::size_t whose_count = 3;
std::string_view name(Whose whose);

class History {
 public:
  explicit History(const temporal::Limits& limits) : state_(limits) {}
  History(const History&) = delete;
  History& operator=(const History&) = delete;
  ~History() = default;

  // What was saved; nothing when nothing happened since the last save.
  std::optional<std::string> save_changes();
  // Before it is used. What cannot be read counts as lost: no condition has an answer for its
  // window.
  [[nodiscard]] base::Result<void> load(std::string text, base::Time now);
  // What happened before `now` is not known: no condition has an answer for its window.
  void lost(base::Time now);
  // Whether no condition could ask about anything that is in it.
  bool idle(base::Time now);

 private:
  friend class Engine;
  std::mutex mutex_;
  temporal::State state_;
  std::uint64_t epoch_ = 0;  // of the Engine that used it last
  bool changed_ = false;
};

// By Whose; null: conditions on it have no answer.
using Histories = std::array<History*, whose_count>;

}  // namespace latticegate::policy
