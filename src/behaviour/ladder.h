// The tightening ladder: what an agent may still do while it behaves unusually, and its way back.
//
//   observe     it is watched; nothing is refused
//   throttle    so many calls a minute
//   read_only   what writes, sends or destroys is refused
//   step_up     every call needs a person's yes
//   quarantine  nothing
//
// Each call adds pressure by its risk, beginning at a score of 20; pressure halves in ten minutes.
// A call that is unusual only in ways in which others of the last ten minutes were adds a tenth of
// it, because one cause shows in many calls; while the agent is learnt, half of it.
// An agent climbs one rung a call at most, when its pressure passes the rung's bound, and comes
// down one rung when it was calm (half of the bound and below) for `ladder_calm`, from quarantine
// after six times that. Nobody has to lift it; every change is told, to be recorded. What only the
// ladder refused adds nothing, or there would be no way back.
//
// Which calls a rung refuses says the policy (context.risk.rung); this only keeps the number.
//
// Safe from any thread: one mutex. While nobody is on a rung and no call is unusual, no call takes
// it. At most 4,096 agents have any pressure; above that the calmest is forgotten. Time comes in as
// an argument. Saved and restored as JSON lines.
#pragma once
#include <array>
#include <atomic>
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
#include "behaviour/risk.h"
#include "behaviour/settings.h"

namespace latticegate::behaviour {

enum class Rung : std::uint8_t { none, observe, throttle, read_only, step_up, quarantine };
std::string_view name(Rung rung);

class Ladders {
 public:
  struct Change {
    std::string agent;
    Rung from{};
    Rung to{};
    std::string sentence;
  };
  struct Standing {
    Rung rung{};
    double pressure = 0;
    base::Time since{};  // of the rung
  };

  // A call was judged.
  std::optional<Change> note(std::string_view agent, const Risk& risk, base::Time at,
                             const Settings& settings);
  // Where it stands; none for nearly everybody.
  Rung rung(std::string_view agent) const;
  std::optional<Standing> show(std::string_view agent, base::Time now) const;
  // Who may come down by now. To be called now and then.
  std::vector<Change> relax(base::Time now, const Settings& settings);
  // A person says that it is fine.
  std::optional<Change> reset(std::string_view agent);
  // How many stand on each rung; by its number.
  std::array<std::uint64_t, 6> standing() const;

  std::string save() const;
  [[nodiscard]] base::Result<void> load(std::string_view saved);

 private:
  struct State {
    Rung rung{};
    double pressure = 0;
    base::Time at{};                     // of the pressure
    base::Time since{};                  // of the rung
    base::Time calm{};                   // since when the pressure is low; the epoch: it is not
    std::map<Kind, base::Time> kinds{};  // of signals, when they came last
  };
  static double weight(State& state, const Risk& risk, base::Time at);
  static double faded(const State& state, base::Time at);
  static void settle(State& state, base::Time at);
  void make_room();
  mutable std::mutex mutex_;
  std::map<std::string, State, std::less<>> agents_;
  std::atomic<std::size_t> size_{0};
};

}  // namespace latticegate::behaviour
