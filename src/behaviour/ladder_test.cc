#include "behaviour/ladder.h"

#include <doctest/doctest.h>

#include <chrono>
#include <format>
#include <string>
#include <vector>

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

constexpr base::Time start{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23}};

Risk risk_of(std::uint32_t score, Kind kind = Kind::new_host) {
  Risk risk;
  risk.score = score;
  risk.signals.push_back({.kind = kind, .score = score, .sentence = "a new host"});
  return risk;
}

// Each call unusual in another way.
Rung after(Ladders& ladders, int calls, std::uint32_t score, base::Time at) {
  for (int i = 0; i < calls; ++i)
    (void)ladders.note("bot", risk_of(score, static_cast<Kind>(i % 20)), at + i * 1s, {});
  return ladders.rung("bot");
}

}  // namespace

TEST_CASE("how far unusual calls take an agent") {
  struct Row {
    int calls;
    std::uint32_t score;
    Rung rung;
  };
  for (const auto& [calls, score, rung] : std::vector<Row>{
           {1, 19, Rung::none},
           {20, 19, Rung::none},
           {1, 29, Rung::none},
           {1, 30, Rung::observe},
           {1, 100, Rung::observe},
           {2, 60, Rung::throttle},
           {2, 100, Rung::throttle},
           {3, 80, Rung::read_only},
           {4, 89, Rung::step_up},
           {6, 89, Rung::quarantine},
           {50, 89, Rung::quarantine},
       }) {
    Ladders ladders;
    CHECK_MESSAGE(after(ladders, calls, score, start) == rung,
                  std::format("{} x {}", calls, score));
  }
}

TEST_CASE("one call takes one rung at most, and each is told with its reason") {
  Ladders ladders;
  std::vector<Rung> told;
  for (int i = 0; i < 8; ++i)
    if (const auto change =
            ladders.note("bot", risk_of(100, static_cast<Kind>(i)), start + i * 1s, {})) {
      CHECK(static_cast<int>(change->to) == static_cast<int>(change->from) + 1);
      CHECK(change->sentence.contains("a new host"));
      told.push_back(change->to);
    }
  CHECK(told == std::vector{Rung::observe, Rung::throttle, Rung::read_only, Rung::step_up,
                            Rung::quarantine});
  CHECK(ladders.rung("other") == Rung::none);
}

TEST_CASE("one cause that shows in many calls is not many causes") {
  Ladders ladders;
  for (int i = 0; i < 12; ++i) (void)ladders.note("bot", risk_of(55), start + i * 1s, {});
  CHECK(ladders.rung("bot") == Rung::throttle);
  Ladders newcomer;
  for (int i = 0; i < 9; ++i) {
    Risk risk = risk_of(55);
    risk.learning = true;
    (void)newcomer.note("bot", risk, start + i * 1s, {});
  }
  CHECK(newcomer.rung("bot") == Rung::observe);
}

TEST_CASE("what is unusual once an hour never adds up") {
  Ladders ladders;
  for (int i = 0; i < 500; ++i) {
    (void)ladders.note("bot", risk_of(60), start + i * 1h, {});
    (void)ladders.relax(start + i * 1h + 30min, {});
  }
  CHECK(ladders.rung("bot") <= Rung::observe);
}

TEST_CASE("an agent that is normal again comes down by itself, one rung at a time") {
  Ladders ladders;
  REQUIRE(after(ladders, 6, 100, start) == Rung::quarantine);
  std::vector<std::pair<std::string, std::int64_t>> told;
  for (auto now = start; now < start + 10h; now += 10s)
    for (const auto& change : ladders.relax(now, {}))
      told.emplace_back(name(change.to),
                        std::chrono::duration_cast<std::chrono::minutes>(now - start).count());
  REQUIRE(told.size() == 5);
  CHECK(told[0].first == "step_up");
  CHECK(told[0].second >= 60);  // from quarantine after six times the calm
  CHECK(told[4].first == "none");
  CHECK(told[4].second < 180);
  for (std::size_t i = 1; i < told.size(); ++i) CHECK(told[i].second >= told[i - 1].second + 10);
  CHECK(!ladders.show("bot", start + 10h));  // and is forgotten
}

TEST_CASE("who goes on stays where it is") {
  Ladders ladders;
  REQUIRE(after(ladders, 2, 89, start) == Rung::throttle);
  for (auto now = start; now < start + 5h; now += 10min) {
    (void)ladders.note("bot", risk_of(60, static_cast<Kind>((now - start) / 10min % 20)), now, {});
    (void)ladders.relax(now + 1s, {});
    CHECK(ladders.rung("bot") >= Rung::throttle);
  }
}

TEST_CASE("off: nobody climbs, and who stands on a rung comes down at once") {
  Ladders ladders;
  REQUIRE(after(ladders, 3, 89, start) == Rung::read_only);
  Settings off;
  off.ladder = false;
  CHECK(!ladders.note("bot", risk_of(100), start + 1min, off));
  const auto changes = ladders.relax(start + 1min, off);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].to == Rung::none);
}

TEST_CASE("an operator resets; nothing to reset is told") {
  Ladders ladders;
  CHECK(!ladders.reset("bot"));
  REQUIRE(after(ladders, 3, 89, start) == Rung::read_only);
  const auto change = ladders.reset("bot");
  REQUIRE(change);
  CHECK(change->from == Rung::read_only);
  CHECK(ladders.rung("bot") == Rung::none);
}

TEST_CASE("a restart changes nothing") {
  Ladders before;
  REQUIRE(after(before, 4, 89, start) == Rung::step_up);
  Ladders ladders;
  REQUIRE(ladders.load(before.save()));
  CHECK(ladders.rung("bot") == Rung::step_up);
  CHECK(ladders.save() == before.save());
  CHECK(ladders.relax(start + 9min, {}).empty());
  std::size_t changes = 0;
  for (auto now = start; now < start + 5h; now += 1min) changes += ladders.relax(now, {}).size();
  CHECK(changes == 4);
  for (const std::string bad :
       {"x\n", "{}\n", R"({"agent":"a","rung":6,"pressure":1})", R"({"agent":"a","rung":1})",
        R"({"agent":1,"rung":1,"pressure":1})"}) {
    Ladders other;
    CHECK_MESSAGE(!other.load(bad), bad);
  }
}

TEST_CASE("names fill no memory, and those on rungs stay") {
  Ladders ladders;
  REQUIRE(after(ladders, 4, 89, start) == Rung::step_up);
  for (int i = 0; i < 10'000; ++i)
    (void)ladders.note(std::format("flood-{}", i), risk_of(25), start + 5s, {});
  CHECK(ladders.rung("bot") == Rung::step_up);
  std::uint64_t all = 0;
  for (const std::uint64_t count : ladders.standing()) all += count;
  CHECK(all == 4'096);
}

TEST_CASE("a clock that goes back does not make pressure") {
  Ladders ladders;
  REQUIRE(after(ladders, 2, 60, start) == Rung::throttle);
  (void)ladders.note("bot", risk_of(20), start - 100h, {});
  CHECK(ladders.rung("bot") == Rung::throttle);
}
