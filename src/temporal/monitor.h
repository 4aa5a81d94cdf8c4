// Monitor and State: conditions that are watched together, and what one stream of events (a
// conversation, an agent) has left behind for them.
//
// A State is told each event once, in order, and asked about conditions at the latest event. It
// keeps what the conditions can still ask about and no more: per condition and key a time, a row
// per event that is counted, or, for what is judged by the definition, the events of the window.
// Time never runs back: an event with an earlier time counts as of the latest one.
//
// Posture: closed when in doubt. A State has at most Limits::size bytes, all States together
// Budget::limit, and a question at most `most_steps` steps. What does not fit is not kept, and the
// condition then has no answer until that event has left its window; the same after a State was
// lost(). Whoever asks must take no answer for an error. So does a value of the request that is not
// there. A count or sum that a Long cannot hold is the nearest Long.
//
// Threads: a Monitor is immutable; a State belongs to whoever locks it; a Budget is shared.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "cedar/evaluate.h"
#include "temporal/condition.h"

namespace latticegate::temporal {

inline constexpr std::uint32_t most_steps = 50'000;

// What is known of an event, by path: {"input", "user"}.
class Fields {
 public:
  Fields() = default;
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;
  virtual ~Fields() = default;
  // No value: it is not there. Value::unknown(): it may be anything; conditions that read it have
  // no answer for as long as the event is in their window. The value is copied.
  virtual cedar::Value find(std::span<const cedar::Name> path) const = 0;
};

struct Event {
  cedar::EntityUid action{};
  std::span<const cedar::EntityUid> groups{};  // that the action lies in: all of them
  std::string_view kind{};                     // "request", "response", "error"
  base::Time at{};
  const Fields* fields = nullptr;
};

class Monitor {
 public:
  // Equal texts share one watch.
  explicit Monitor(std::vector<std::shared_ptr<const Condition>> conditions);
  // As they were given.
  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }
  // Whether an event of that kind can matter for anything but the order of events.
  bool hears(const cedar::EntityUid& action, std::span<const cedar::EntityUid> groups,
             std::string_view kind) const;

 private:
  friend class State;
  struct Interest {
    std::uint32_t condition;
    std::uint32_t pattern;
  };
  const std::vector<Interest>* interests(const cedar::EntityUid& action,
                                         std::string_view kind) const;
  std::vector<std::shared_ptr<const Condition>> conditions_;  // different ones
  std::vector<std::uint32_t> places_;                         // of what was given
  std::unordered_map<std::uint64_t, std::vector<Interest>> by_action_;
  bool keeps_events_ = false;
};

// What all States of a process may keep together.
struct Budget {
  std::int64_t limit = std::int64_t{64} * 1024 * 1024;
  std::atomic<std::int64_t> used{0};
};

struct Limits {
  base::Bytes size{256UL * 1024};  // of one State, roughly
  Budget* budget = nullptr;        // outlives the State
};

class State {
 public:
  explicit State(const Limits& limits);
  State(State&&) noexcept;
  State& operator=(State&&) noexcept;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  // From here on these conditions; what was watched before under the same text goes on.
  void attend(const std::shared_ptr<const Monitor>& monitor);
  const std::shared_ptr<const Monitor>& monitor() const [[clang::lifetimebound]];

  // Takes in what happened. Nothing without a monitor.
  void observe(const Event& event);
  // Whether a condition of the monitor holds at the latest event, for that request.
  std::optional<bool> holds(std::size_t condition, const cedar::Request& request,
                            const cedar::EntityView& entities);

  // What happened before `now` is not known.
  void lost(base::Time now);
  // Whether nothing is kept that a condition could still ask about.
  bool idle(base::Time now);
  std::size_t size() const;

  // JSON. What was loaded is read by the attend() that follows; what it does not watch is
  // forgotten. Code::malformed: the State is as it was.
  std::string save() const;
  [[nodiscard]] base::Result<void> load(std::string text);

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace latticegate::temporal
