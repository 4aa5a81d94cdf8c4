// The volume of a day: what an agent reads with a tool, added up, against what its days usually
// bring. Many calls of a usual size are no jump, and still a scrape (and see surplus.h, which sees
// them sooner).
//
// A day is one of UTC with any volume. The usual day is a mean that halves in about five days, one
// for weekdays and one for weekends, and how far days stray from it (of the logarithms). Today, and
// what earlier days had too much (a cumulative sum), may be twice the mean, or as far above it as
// one day of some thousands strays; from there on it is an alarm, and again with each further usual
// day. A day teaches at most one and a half times the mean, an alarmed day nothing; and a mean that
// has grown to 2.5 times its own slow mean (about two months) is a signal itself, because who is
// patient raises the mean first.
//
// A plain value of about 100 bytes; O(1). The owner locks.
#pragma once
#include <array>
#include <cstdint>

#include "base/clock.h"
#include "base/result.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::behaviour {

class Days {
 public:
  // How far today is above what is usual.
  struct Excess {
    std::uint64_t today = 0;
    std::uint64_t usual = 0;  // the mean of such days
    double days = 0;          // usual days above what is allowed, and 1
    bool alarm = false;       // it passed 1, 2, ... : told once each
    bool drift = false;       // the mean itself has grown; told once a day
  };
  // Adds an amount and tells today's excess; nothing while there were less than five days.
  Excess add(std::uint64_t amount, base::Time at);
  // Today teaches nothing.
  void spoil() { spoiled_ = true; }
  std::uint64_t usual() const { return static_cast<std::uint64_t>(mean()); }
  // Usual days that today may have besides, after weekdays without any.
  double left_over() const { return credit_; }
  // By which factor more is let pass than usual: weekends stray more, and few of them are known.
  double doubt() const;
  std::uint32_t closed() const { return closed_; }

  void save(json::Writer& out) const;
  [[nodiscard]] static base::Result<Days> load(json::Value saved);

 private:
  void close();
  bool weekend() const;
  double mean() const;
  double allowed() const;  // usual days that a day may have
  std::int64_t day_ = 0;   // since 1970
  std::uint64_t today_ = 0;
  std::array<double, 2> means_{};  // of weekdays, of weekends
  std::array<std::uint32_t, 2> closed_of_{};
  double slow_ = 0;     // the mean of about two months
  double stray_ = 0;    // mean of |day / mean - 1|
  double carried_ = 0;  // of earlier days, in usual days
  std::uint32_t closed_ = 0;
  double told_ = 0;    // of today
  double credit_ = 0;  // after weekdays without any
  bool spoiled_ = false;
  bool drift_told_ = false;
};

}  // namespace latticegate::behaviour
