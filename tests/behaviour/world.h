// Who there is in the simulation, what they do, and how they turn; and dice that always fall alike.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace simulated {

using namespace latticegate;

// xoshiro-like quality is not needed; repeatability is.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 1) {}
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
  }
  double real() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  bool chance(double p) { return real() < p; }
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += real();
    return sum;
  }
  // With that median.
  std::uint64_t lognormal(double median, double sigma) {
    return static_cast<std::uint64_t>(
        std::max(0.0, std::round(median * std::exp(sigma * normal()))));
  }

 private:
  std::uint64_t state_;
};

struct Tool {
  std::string name;
  double records = 5;
  bool sql = false;
};

enum class Rhythm : std::uint8_t { office, batch, always };

struct Role {
  std::string group, segment, schema;
  std::vector<std::string> servers;
  std::vector<Tool> tools;  // in the order of their work
  std::vector<std::string> tables;
  Rhythm rhythm{};
};

struct Agent {
  std::string name;
  const Role* role = nullptr;
  std::vector<std::string> tables;
  double calls = 80;  // a day
  double zeal = 1;
};

struct Call {
  base::Time at{};
  std::string server, tool, segment, schema, table;
  std::uint64_t records = 5;
  std::uint64_t arguments = 0;
  std::optional<std::int64_t> number;
  double limit = 10;
  std::string_view status = "open";
  bool denied = false, failed = false;
};

enum class Turn : std::uint8_t {
  volume_jump,
  slow_scrape,
  new_schema,
  other_segment,
  off_hours,
  out_of_order,
  enumeration,
  loop,
  probing,
  poisoning,
  odd_argument,
  breadth,
  newcomer,
  puppet,
  pieces,
  approval_replay,
  none
};
inline constexpr std::array turn_names{
    "volume jump",        "slow scrape",  "new schema",
    "other segment",      "off hours",    "tools out of order",
    "enumeration",        "loop",         "probing",
    "baseline poisoning", "odd argument", "one thing after the other",
    "newcomer's jump",    "puppet",       "exfiltration in pieces",
    "approval replay"};
inline constexpr std::size_t turns = turn_names.size();

}  // namespace simulated
