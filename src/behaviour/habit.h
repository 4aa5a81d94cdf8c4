// What is usual for one agent as a whole: what it touches, when, in which order, and how often it
// is refused. The sizes of its calls are baseline.h's.
//
// Everything that it touches is remembered by kind and name with its first and last day: tools,
// servers, segments, data domains, schemas and tables of databases, hosts, the first folders of
// paths. Something new counts the more, the rarer news of that kind is for this agent, and a third
// where two others of its group know it. An agent that works with new hosts every day is never
// told; one that reaches another segment after weeks in its own is an alarm at the first call.
//
// Learning: 50 calls on three days; until then nothing is judged but repetition. Ratified: what was
// seen is normal, and everything else counts from now on. Locked: besides, nothing is learnt any
// more. What is refused or killed teaches nothing, and what came up in the hour before a kill is
// forgotten.
//
// Bounds: 256 things of at most 64 bytes, 64 tools in order; about 12 KiB, at most 40 KiB. A call
// costs well under a microsecond. A plain value; the owner locks. Time comes in as an argument.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "behaviour/course.h"
#include "behaviour/days.h"
#include "behaviour/risk.h"
#include "behaviour/settings.h"
#include "behaviour/sketch.h"
#include "behaviour/surplus.h"
#include "behaviour/ways.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::behaviour {

enum class Thing : std::uint8_t { tool, server, segment, domain, schema, table, host, path };
inline constexpr std::size_t thing_kinds = 8;
std::string_view name(Thing kind);

struct Touched {
  Thing kind{};
  std::string_view name;
};

// A call before it is made. Views.
struct Act {
  base::Time at{};
  std::span<const Touched> touched{};    // its tool among them
  std::uint64_t tool = 0;                // hashes: of server and tool
  std::uint64_t arguments = 0;           // of the arguments
  std::optional<std::int64_t> number{};  // the only number among them: what it may walk by
};
// What came of it.
struct Deed {
  bool denied = false;
  bool failed = false;
  bool teach = true;
  std::uint64_t records = 0;
};

enum class Phase : std::uint8_t { learning, mature, ratified, locked };
std::string_view name(Phase phase);

class Habit {
 public:
  // Whether two others of its group know a thing.
  using Peers = std::function<bool(const Touched&)>;

  Risk before(const Act& act, const Settings& settings, const Peers& peers);
  // With the same act; `risk` is what before() said.
  Risk after(const Act& act, const Deed& deed, const Settings& settings);
  // Its conversation was killed at that time.
  void unlearn(base::Time at);

  void ratify(base::Time at);
  void lock(bool locked, base::Time at);
  Phase phase() const;

  struct Known {
    Thing kind{};
    std::string name;
    std::uint64_t hash = 0;
    std::int64_t first = 0;  // seconds since 1970
    std::int64_t last = 0;
    std::uint32_t times = 0;
  };
  std::span<const Known> known() const { return known_; }
  struct Deviation {
    base::Time at{};
    Kind kind{};
    std::uint32_t score = 0;
    std::string sentence;
  };
  // The latest 16, oldest first.
  const std::deque<Deviation>& deviations() const { return deviations_; }
  void note(const Risk& risk, base::Time at);
  // What is normal, in sentences.
  std::vector<std::string> sentences() const;

  void save(json::Writer& out) const;
  [[nodiscard]] static base::Result<Habit> load(json::Value saved);

 private:
  enum class Order : std::uint8_t { none, ratified, locked };
  // Counts of ten minutes.
  struct Window {
    Sketch usual;
    std::uint32_t count = 0;
  };
  struct Walk {
    std::uint64_t tool = 0;
    std::int64_t last = 0;
    std::int64_t step = 0;
    std::uint32_t run = 0;
  };
  static auto usuals(auto& of);
  bool judges() const { return phase() != Phase::learning; }
  static constexpr std::size_t most_known = 256;
  static constexpr std::size_t longest_name = 64;
  static constexpr std::size_t most_deviations = 16;
  static std::uint64_t hash_of(const Touched& thing);
  const Known* find(std::uint64_t hash) const;
  void touch(const Touched& thing, base::Time at);
  void turn(base::Time at);
  void judge_things(const Act& act, const Peers& peers, Risk& risk) const;
  void judge_hour(base::Time at, Risk& risk);
  void judge_loop(const Act& act, Risk& risk);
  void judge_walk(const Act& act, Risk& risk);
  void judge_hour_volume(std::uint64_t records, base::Time at, const Settings& settings,
                         Risk& risk);
  void judge_surplus(std::uint64_t records, base::Time at, const Settings& settings, Risk& risk);
  void spoil();
  void judge_window(Window& window, Kind kind, std::uint64_t least, Risk& risk);
  void add(Kind kind, double points, std::uint64_t usual, std::uint64_t seen, std::string sentence,
           Risk& risk) const;

  std::vector<Known> known_;               // by hash
  std::array<float, thing_kinds> news_{};  // days on which something of the kind was new, fading
  std::array<std::int64_t, thing_kinds> news_day_{};
  float days_ = 0;  // with any call, fading alike
  std::int64_t day_ = 0;
  std::uint32_t all_days_ = 0;
  std::uint32_t acts_ = 0;
  base::Time since_{};
  Course course_;
  base::Time hour_told_{};
  Ways ways_;
  Days records_;
  Days calls_;
  Surplus more_;
  base::Time added_at_{};
  // Records lately: a sum that fades within an hour, and its peaks.
  double lately_ = 0;
  base::Time lately_at_{};
  double peak_ = 0;  // of this clock hour
  std::int64_t peak_hour_ = 0;
  Sketch peaks_;
  Window denials_;
  Window errors_;
  std::int64_t window_ = 0;
  std::array<std::uint64_t, 32> latest_{};  // calls, with their arguments
  std::size_t next_ = 0;
  Sketch repeats_;  // the most within ten minutes
  std::uint64_t repeated_ = 0;
  std::array<Walk, 8> walks_{};
  Sketch runs_;
  std::deque<Deviation> deviations_;
  Order order_ = Order::none;
  std::int64_t ratified_ =
      0;  // seconds since 1970; what was known then is never forgotten by a kill
};

}  // namespace latticegate::behaviour
