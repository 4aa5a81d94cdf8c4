// Objectives: what share of an agent population's calls has to be normal, and how fast the share
// that need not be is used up.
//
// As for a service's availability: a target of 99 % leaves a budget of 1 % bad calls. The burn rate
// is the share of bad calls in a window over that budget: 1 uses exactly the budget, 14.4 uses a
// month's in two days. An alarm needs a short and a long window above the bound, so that it comes
// soon, is not set off by one bad minute, and is over soon after the cause is:
//
//   fast   5 minutes and 1 hour    both from 14.4 on
//   slow   30 minutes and 6 hours  both from 6 on
//
// Counts are kept by minute for six hours: 4.4 KiB an objective, O(1) a call. A clock that goes
// back counts into the minute in which it is. Safe from any thread: a mutex, held for nanoseconds.
// Time comes in as an argument. Memory only: a restart begins anew.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace latticegate::behaviour {

// What the operator wants.
struct Objective {
  enum class Of : std::uint8_t {
    denials,  // a call that is refused is bad
    risk,     // a call whose risk reaches `above` is bad
    novelty,  // a call that is new for its agent (tool, server, segment, domain, ...) is bad
    records,  // a call that brings more records than `above` is bad
  };
  std::string name;
  Of of{};
  std::uint64_t above = 50;
  double target = 99;               // percent of calls that have to be good
  std::vector<std::string> groups{};  // of whose agents; empty: all
  std::uint64_t least = 20;         // calls in the short window, below which nothing is said
  bool operator==(const Objective&) const = default;
};
std::string_view name(Objective::Of of);

// What is known of a call that is over.
struct Judged {
  bool denied = false;
  bool novel = false;
  std::uint32_t score = 0;
  std::uint64_t records = 0;
};

class Budget {
 public:
  explicit Budget(Objective objective) : objective_(std::move(objective)) {}
  const Objective& objective() const { return objective_; }

  void count(const Judged& call, base::Time at);

  enum class Pace : std::uint8_t { fast, slow };
  struct Window {
    std::uint64_t calls = 0;
    std::uint64_t bad = 0;
    double burn = 0;  // 0 without calls
  };
  Window window(std::chrono::minutes length, base::Time now) const;
  std::uint64_t calls() const;  // since the start
  std::uint64_t bad() const;

  struct Change {
    Pace pace{};
    bool burning = false;
    Window shorter;
    Window longer;
  };
  // What began or ceased to burn since it was asked last.
  std::vector<Change> look(base::Time now);

 private:
  static constexpr std::int64_t minutes = 360;
  struct Minute {
    std::int64_t at = -1;
    std::uint32_t calls = 0;
    std::uint32_t bad = 0;
  };
  bool is_bad(const Judged& call) const;
  Window sum(std::chrono::minutes length, std::int64_t now) const;  // with the mutex held
  Objective objective_;
  mutable std::mutex mutex_;
  std::array<Minute, minutes> ring_{};
  std::uint64_t calls_ = 0;
  std::uint64_t bad_ = 0;
  std::array<bool, 2> burning_{};
};
std::string_view name(Budget::Pace pace);

}  // namespace latticegate::behaviour
