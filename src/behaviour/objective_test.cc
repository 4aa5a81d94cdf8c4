#include "behaviour/objective.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>
#include <vector>

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

constexpr base::Time start{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23}};

Objective of_denials() {
  return {.name = "denials",
          .of = Objective::Of::denials,
          .above = 0,
          .target = 99,
          .groups = {},
          .least = 20};
}

// So many calls a minute, of which every n-th is refused (0: none).
void minutes_of(Budget& budget, base::Time from, int minutes, int calls, int every) {
  for (int m = 0; m < minutes; ++m)
    for (int c = 0; c < calls; ++c)
      budget.count({.denied = every > 0 && c % every == 0}, from + m * 1min);
}

}  // namespace

TEST_CASE("what is bad depends on the objective") {
  struct Row {
    Objective::Of of;
    Judged call;
    bool bad;
  };
  for (const auto& [of, call, bad] : std::vector<Row>{
           {Objective::Of::denials, {.denied = true}, true},
           {Objective::Of::denials, {.novel = true, .score = 100, .records = 9999}, false},
           {Objective::Of::risk, {.score = 50}, true},
           {Objective::Of::risk, {.denied = true, .score = 49}, false},
           {Objective::Of::novelty, {.novel = true}, true},
           {Objective::Of::novelty, {.score = 100}, false},
           {Objective::Of::records, {.records = 51}, true},
           {Objective::Of::records, {.records = 50}, false},
       }) {
    Budget budget({.name = "x", .of = of, .above = 50, .target = 99, .groups = {}, .least = 1});
    budget.count(call, start);
    CHECK(budget.calls() == 1);
    CHECK(budget.bad() == (bad ? 1 : 0));
  }
}

TEST_CASE("a fast burn is told once, and once when it is over") {
  Budget budget(of_denials());
  minutes_of(budget, start, 360, 10, 0);
  CHECK(budget.look(start + 359min).empty());
  // Every second call is refused: 50 times the budget; the hour has 14.4 after a while.
  base::Time now = start + 360min;
  int until_told = 0;
  std::vector<Budget::Change> told;
  for (; told.empty() && until_told < 60; ++until_told, now += 1min) {
    minutes_of(budget, now, 1, 10, 2);
    told = budget.look(now);
  }
  REQUIRE(told.size() == 1);
  CHECK(told[0].pace == Budget::Pace::fast);
  CHECK(told[0].burning);
  CHECK(told[0].shorter.burn == doctest::Approx(50));
  CHECK(told[0].longer.burn >= 14.4);
  CHECK(until_told <= 20);
  CHECK(until_told >= 15);
  CHECK(budget.look(now).empty());  // told already
  minutes_of(budget, now, 5, 10, 0);
  std::vector<Budget::Change> over;
  for (int m = 0; m < 6 && over.empty(); ++m) over = budget.look(now + m * 1min);
  REQUIRE(over.size() == 1);
  CHECK(!over[0].burning);
}

TEST_CASE("a slow burn is found by the longer windows") {
  Budget budget(of_denials());
  minutes_of(budget, start, 360, 10, 10);  // 10 %: ten times the budget, below 14.4
  const auto told = budget.look(start + 359min);
  REQUIRE(told.size() == 1);
  CHECK(told[0].pace == Budget::Pace::slow);
}

TEST_CASE("a few calls are no population") {
  Budget budget(of_denials());
  minutes_of(budget, start, 3, 6, 1);  // 18 calls, all refused
  CHECK(budget.look(start + 3min).empty());
  minutes_of(budget, start + 3min, 1, 2, 1);
  CHECK(budget.look(start + 3min).size() == 2);
}

TEST_CASE("windows forget, and a clock that jumps does no harm") {
  Budget budget(of_denials());
  minutes_of(budget, start, 1, 100, 1);
  CHECK(budget.window(5min, start).bad == 100);
  CHECK(budget.window(5min, start + 5min).bad == 0);
  CHECK(budget.window(360min, start + 359min).bad == 100);
  CHECK(budget.window(360min, start + 360min).bad == 0);
  budget.count({.denied = true}, start - 10h);
  budget.count({.denied = true}, base::Time(-5h));
  budget.count({.denied = true}, start + 24h * 400);
  CHECK(budget.bad() == 103);
  CHECK(budget.window(5min, start + 24h * 400).bad == 1);
}

TEST_CASE("threads count together") {
  Budget budget(of_denials());
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int n = 0; n < 1'000; ++n) budget.count({.denied = n % 2 == 0}, start + n * 1s);
      });
    (void)budget.look(start + 5min);
  }
  CHECK(budget.calls() == 4'000);
  CHECK(budget.bad() == 2'000);
}
