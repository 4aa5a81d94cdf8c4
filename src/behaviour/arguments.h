// Arguments: what values an agent usually gives to the arguments of one tool.
//
// A number has a range: the second smallest and the second largest that were given, so that one
// outlier moves nothing. Ten times as far from zero, or negative where nothing ever was, is
// unusual. A text is one of a category while no more than 16 different ones were seen and new ones
// are rare; then a new one is unusual. A text that keeps changing is free: no value of it is
// unusual, but how many different ones there are within an hour is, against the usual hour: that is
// how somebody who reads one thing after the other looks, in whatever order.
//
// Texts are remembered as 32 bits of a hash, and only short ones (24 bytes); sentences name
// arguments and no texts, and numbers with two digits, because a value may be private.
//
// Bounds: the first 12 arguments of a tool. About 600 bytes for three arguments; O(1) a value. A
// plain value; the owner locks. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "behaviour/risk.h"
#include "behaviour/sketch.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::behaviour {

// One value of a call. Views.
struct Given {
  std::string_view name;  // "limit", "filter.status"; members of a list have the list's
  std::string_view text;  // of a number its digits
  std::optional<double> number{};
};

// What a call's arguments taught that a kill has to take back: new texts of categories.
struct ArgumentLesson {
  std::array<std::uint32_t, 2> texts{};  // 0: none
};

class Arguments {
 public:
  static constexpr std::size_t most = 12;

  // Counts and judges. `since` is when the baseline began; nothing is judged while it learns.
  void before(std::span<const Given> given, base::Time at, bool judges, base::Time since,
              Risk& risk);
  // Learns from what was let through.
  ArgumentLesson learn(std::span<const Given> given, bool mature);
  void unlearn(const ArgumentLesson& lesson);

  // In words, for people: "limit 1 to 50", "status one of 4".
  std::vector<std::string> sentences() const;
  std::uint64_t usual_things() const { return things_ ? things_->usual.usual() : 0; }

  void save(json::Writer& out) const;
  [[nodiscard]] static base::Result<Arguments> load(json::Value saved);

 private:
  struct Text {
    std::uint32_t hash = 0;
    std::uint32_t times = 0;
  };
  struct One {
    std::string name;
    std::uint32_t numbers = 0;  // taught
    std::uint32_t texts = 0;
    // Smallest, second smallest, second largest, largest.
    std::array<double, 4> range{};
    std::vector<Text> known;
    bool free = false;
  };
  // Different free values within an hour, by linear counting (Whang, Vander-Zanden, Taylor 1990).
  struct Things {
    std::array<std::uint64_t, 8> seen{};
    std::int64_t hour = 0;
    bool spoiled = false;  // this hour teaches nothing
    Sketch usual;          // of hours with any
  };
  One* find(std::string_view name);
  void judge_number(const One& one, double value, base::Time since, Risk& risk) const;
  void judge_text(const One& one, std::uint32_t hash, base::Time since, Risk& risk) const;
  void judge_things(base::Time since, Risk& risk);
  static void learn_number(One& one, double value, bool mature);
  void turn(base::Time at);
  double different() const;  // things of this hour

  std::vector<One> all_;
  std::unique_ptr<Things> things_;
};

}  // namespace latticegate::behaviour
