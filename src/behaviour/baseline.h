// What is usual for one agent with one tool, and how far a call is from it.
//
// Four distributions (records asked for, records answered, bytes answered, calls per minute),
// learnt while calls are normal. A value is an alarm when it is above `factor` times the usual
// maximum and at least the floor; the score grows with the logarithm of the ratio, so that 5 ->
// 5,000 is 100 and 5 -> 60 is nothing.
//
// Against slow poisoning: an alarm teaches nothing, a value above twice the usual teaches only
// twice the usual, and one outlier while learning does not raise the usual maximum at all.
//
// Days add the records up (days.h); what the arguments usually say is arguments.h's.
//
// A plain value of about 1.2 KiB and what its arguments take; the owner locks. Time comes in as an
// argument.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "behaviour/arguments.h"
#include "behaviour/days.h"
#include "behaviour/risk.h"
#include "behaviour/settings.h"
#include "behaviour/sketch.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::behaviour {

// What is known of a call before it is made.
struct Intent {
  base::Time at{};
  std::optional<std::uint64_t> asked{};        // records, from asked_records()
  std::optional<std::uint64_t> max_records{};  // the tool's own cap instead of the settings'
  std::span<const Given> given{};              // views
};

// What came back.
struct Observation {
  base::Time at{};
  std::uint64_t records = 0;  // from count_records()
  std::uint64_t bytes = 0;    // of the answer
  std::optional<std::uint64_t> asked{};
  std::optional<std::uint64_t> max_records{};
  std::span<const Given> given{};
  bool failed = false;  // an error brings no records
  bool teach = true;    // false: killed conversation, denied or failed call; judged but not learnt
};

// What an observation taught, so that it can be taken back.
struct Lesson {
  std::uint8_t records = 0;  // buckets
  std::uint8_t bytes = 0;
  std::uint8_t asked = 0xff;  // 0xff: nothing was asked
  ArgumentLesson arguments{};
};

class Baseline {
 public:
  // Counts the call and judges what it asks for.
  Risk before(const Intent& intent, const Settings& settings);
  // Judges the answer and, unless it alarms, learns from it; `lesson` is set when it did.
  Risk after(const Observation& seen, const Settings& settings, std::optional<Lesson>& lesson);
  void unlearn(const Lesson& lesson);

  // As the baseline of a whole group with a tool, for those who are still learning: what all of the
  // group usually ask for and get. Nothing until it has taught three times as many calls.
  Risk before_of_peer(const Intent& intent, const Settings& settings) const;
  Risk after_of_peer(const Observation& seen, const Settings& settings) const;
  Lesson learn_of_peer(const Observation& seen, const Settings& settings);

  bool mature(base::Time now, const Settings& settings) const;
  // An operator says: what was seen so far is normal. Ends the learning period.
  void ratify() { ratified_ = true; }

  std::uint32_t samples() const { return samples_; }
  base::Time since() const { return since_; }
  std::uint64_t usual_records() const { return records_.usual(); }
  std::uint64_t usual_bytes() const { return bytes_.usual(); }
  std::uint64_t usual_asked() const { return asked_.usual(); }
  std::uint64_t usual_day() const { return days_.usual(); }
  std::uint64_t usual_calls_per_minute() const { return calls_.usual(); }
  const Arguments& arguments() const [[clang::lifetimebound]] { return arguments_; }

  // One JSON object; counts that are zero are left out.
  void save(json::Writer& out) const;
  [[nodiscard]] static base::Result<Baseline> load(json::Value saved);

 private:
  void age(base::Time now, const Settings& settings);
  void judge(Kind kind, std::uint64_t seen, std::uint64_t usual, std::uint32_t points,
             Risk& risk) const;
  void judge_asked(std::uint64_t asked, const Settings& settings, Risk& risk) const;
  void judge_sizes(const Observation& seen, const Settings& settings, Risk& risk) const;
  bool knows_peers(const Settings& settings) const;
  void judge_day(const Observation& seen, const Settings& settings, Risk& risk);
  Lesson learn(const Observation& seen, const Settings& settings, bool mature);
  std::uint32_t count_call(base::Time now);

  Sketch asked_;
  Sketch records_;
  Sketch bytes_;
  Sketch calls_;  // per minute that had any
  Days days_;     // records
  Arguments arguments_;
  base::Time since_{};
  base::Time aged_{};
  std::int64_t minute_ = 0;  // of the window that is counted, since 1970
  std::uint32_t calls_in_minute_ = 0;
  std::uint32_t samples_ = 0;
  std::uint32_t minutes_ = 0;  // windows that taught
  bool minute_alarmed_ = false;
  bool ratified_ = false;
  bool matured_ = false;  // once; what a kill takes back makes nobody a stranger again
};

}  // namespace latticegate::behaviour
