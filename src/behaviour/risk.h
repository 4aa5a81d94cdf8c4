// What is unusual about one call, as data: no verdict. The policy decides what follows from it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace latticegate::behaviour {

// The kinds of deviation. Their names are what policies match in `context.risk.signals`.
enum class Kind : std::uint8_t {
  records,        // "records": more records in the answer than usual
  records_asked,  // "records_asked": the arguments ask for more than usual
  records_cap,    // "records_cap": above the configured maximum, asked for or answered
  bytes,          // "bytes": a larger answer than usual
  call_rate,      // "call_rate": more calls in this minute than usual
  day_volume,     // "day_volume": more records in this day, and the days before, than usual
  drift,          // "drift": what is usual has grown slowly, and far
  // Of the agent as a whole (habit.h):
  new_tool,     // "new_tool": used for the first time, and so on
  new_server,   // "new_server"
  new_segment,  // "new_segment"
  new_domain,   // "new_domain": data domain
  new_schema,   // "new_schema": of a database
  new_table,    // "new_table"
  new_host,     // "new_host"
  new_path,     // "new_path": the first two folders
  hour,         // "hour": an hour of the week without any traffic until now
  order,        // "order": tools in an order that is unlike it
  denials,      // "denials": more calls refused within ten minutes than usual
  errors,       // "errors": more calls failed within ten minutes than usual
  loop,         // "loop": the same call again and again
  enumeration,  // "enumeration": one number after the other
  // Of an agent with a tool (arguments.h):
  argument,  // "argument": far outside of its range, or none of its few values
  entities,  // "entities": more different things within an hour than usual
  // Of the agent as a whole again:
  hour_volume,  // "hour_volume": as many records within an hour as on a usual day
  // Not learnt:
  canary,  // "canary": a planted value that nobody has a use for came back
  // Of the agent as a whole once more; at the end, because saved deviations hold the numbers:
  surplus,  // "surplus": more records or calls than these hours bring, added up
};
inline constexpr Kind last_kind = Kind::surplus;
std::string_view name(Kind kind);

// One deviation, with everything that explains it.
struct Signal {
  Kind kind{};
  std::uint32_t score = 0;  // 1..100
  std::uint64_t usual = 0;  // the usual maximum, or the cap
  std::uint64_t seen = 0;
  base::Time since{};         // when the baseline began; the epoch for a cap
  std::uint32_t samples = 0;  // observations that taught the baseline
  std::string sentence{};     // for people
};

struct Risk {
  std::uint32_t score =
      0;                  // 0 nothing .. 100; the highest signal and a little for each further one
  bool learning = false;  // the baseline is not mature: silence means little
  std::uint8_t rung = 0;  // of the ladder, on which the agent stands (ladder.h)
  std::vector<Signal> signals;  // empty for nearly every call, then nothing was allocated

  void add(Signal signal);
  // Joins what another look at the same call found.
  void join(Risk other);
};

}  // namespace latticegate::behaviour
