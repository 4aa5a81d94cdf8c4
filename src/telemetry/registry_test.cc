#include "telemetry/registry.h"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <format>
#include <string>
#include <thread>
#include <vector>

using namespace latticegate::telemetry;
using namespace std::chrono_literals;

namespace {

constexpr std::array<std::chrono::nanoseconds, 3> bounds{10us, 100us, 1ms};

}  // namespace

TEST_CASE("families are written in the order in which they were made, series by their values") {
  Registry registry;
  Counters& calls = registry.counters({.name = "calls_total",
                                       .kind = Kind::counter,
                                       .help = "Calls.",
                                       .labels = {"server", "outcome"}});
  registry.ask({.name = "open", .kind = Kind::gauge, .help = "Open.", .labels = {}},
               [](const Registry::Give& give) { give({}, 4); });
  calls.with({"crm", "ok"}).add();
  calls.with({"crm", "denied"}).add(2);
  calls.with({"crm", "ok"}).add();
  CHECK(registry.text() ==
        "# HELP calls_total Calls.\n# TYPE calls_total counter\n"
        "calls_total{server=\"crm\",outcome=\"denied\"} 2\n"
        "calls_total{server=\"crm\",outcome=\"ok\"} 2\n"
        "# HELP open Open.\n# TYPE open gauge\nopen 4\n");
  CHECK(registry.reference() ==
        "| metric | kind | labels | what it is |\n|---|---|---|---|\n"
        "| `calls_total` | counter | `server`, `outcome` | Calls. |\n"
        "| `open` | gauge |  | Open. |\n");
}

TEST_CASE("a histogram's buckets add up, its last one has no bound") {
  Registry registry;
  Histograms& took = registry.histograms(
      {.name = "took_seconds", .kind = Kind::histogram, .help = "Time.", .labels = {"server"}},
      bounds);
  Histogram& crm = took.with({"crm"});
  for (const std::chrono::nanoseconds one : {-5ns, 10us + 0ns, 10'001ns, 500us + 0ns, 2s + 0ns})
    crm.observe(one);
  CHECK(registry.text() ==
        "# HELP took_seconds Time.\n# TYPE took_seconds histogram\n"
        "took_seconds_bucket{server=\"crm\",le=\"1e-05\"} 2\n"
        "took_seconds_bucket{server=\"crm\",le=\"0.0001\"} 3\n"
        "took_seconds_bucket{server=\"crm\",le=\"0.001\"} 4\n"
        "took_seconds_bucket{server=\"crm\",le=\"+Inf\"} 5\n"
        "took_seconds_sum{server=\"crm\"} 2.000520001\n"
        "took_seconds_count{server=\"crm\"} 5\n");
}

TEST_CASE("names from outside cannot make more series than the bound") {
  Registry registry;
  Counters& agents = registry.counters(
      {.name = "agents_total", .kind = Kind::counter, .help = "Agents.", .labels = {"agent"}});
  for (std::size_t i = 0; i < 3 * most_series; ++i) agents.with({std::format("agent-{}", i)}).add();
  CHECK(agents.size() == most_series + 1);
  CHECK(agents.with({"other"}).value() == 2 * most_series);
  CHECK(agents.with({"agent-0"}).value() == 1);  // who was there keeps its own

  registry.ask({.name = "many", .kind = Kind::gauge, .help = "Many.", .labels = {"n"}},
               [](const Registry::Give& give) {
                 for (std::size_t i = 0; i < 2 * most_series; ++i) give({std::format("{}", i)}, 1);
               });
  const std::string text = registry.text();
  CHECK(text.contains(std::format("many{{n=\"{}\"}} 1\n", most_series - 1)));
  CHECK(!text.contains(std::format("many{{n=\"{}\"}} 1\n", most_series)));
}

TEST_CASE("threads count together") {
  Registry registry;
  Counters& calls = registry.counters(
      {.name = "calls_total", .kind = Kind::counter, .help = "Calls.", .labels = {"server"}});
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int n = 0; n < 1'000; ++n) {
          calls.with({n % 2 == 0 ? "even" : "odd"}).add();
          if (n % 100 == 0) (void)registry.text();
        }
      });
  }
  CHECK(calls.with({"even"}).value() == 2'000);
  CHECK(calls.with({"odd"}).value() == 2'000);
}
