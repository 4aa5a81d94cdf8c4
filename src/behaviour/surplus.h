// What an agent does above what the hours since usually bring, added up: a cumulative sum against
// the course of its day.
//
// Calls of a usual size and at a usual pace are no jump, and after a day's work they have to reach
// the double of it before the day as a whole is unusual (days.h). Against the hours they stand out
// much sooner: an agent that is done at six, and reads on at seven, reads above what seven o'clock
// brings. All amounts are in usual days; every hour takes `reference` times its usual share off the
// sum, which never falls below nothing. How high the sum climbs on normal days differs (who works
// in one burst a day climbs to all of it), so its daily peaks are learnt, and the alarm is above
// them.
//
// A plain value of about 300 bytes; O(1). The owner locks.
#pragma once
#include "base/result.h"
#include "behaviour/sketch.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::behaviour {

class Surplus {
 public:
  struct Excess {
    double days = 0;   // usual days above what the hours bring
    double usual = 0;  // the usual peak of a day
    bool alarm = false;
  };
  // `share` of a usual day now, where `expected` of one was usual since the time before.
  // `doubt` times as much is let pass, and `more` besides: what was left over.
  Excess add(double share, double expected, double doubt, double more);
  // A new day.
  void close();
  // Today teaches nothing.
  void spoil() { spoiled_ = true; }

  void save(json::Writer& out) const;
  [[nodiscard]] static base::Result<Surplus> load(json::Value saved);

 private:
  double sum_ = 0;
  double peak_ = 0;  // of today
  Sketch peaks_;     // in hundredths
  double told_ = 0;
  bool spoiled_ = false;
};

}  // namespace latticegate::behaviour
