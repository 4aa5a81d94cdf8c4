#include "behaviour/arguments.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <limits>
#include <string>

#include "behaviour/baseline.h"

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

const base::Time start(std::chrono::seconds(1'795'359'600));  // at a full hour

struct Agent {
  Arguments arguments{};
  base::Time now = start;

  Risk judge(std::span<const Given> given) {
    Risk risk;
    arguments.before(given, now, true, start, risk);
    return risk;
  }
  Risk call(std::span<const Given> given) {
    Risk risk = judge(given);
    if (risk.signals.empty()) arguments.learn(given, true);
    return risk;
  }
  Risk number(std::string_view name, double value) {
    const std::string text = std::format("{}", value);
    const Given given[] = {{name, text, value}};
    return call(given);
  }
  Risk text(std::string_view name, std::string_view value) {
    const Given given[] = {{name, value}};
    return call(given);
  }
};

std::uint32_t score(const Risk& risk, Kind kind) {
  const auto found = std::ranges::find(risk.signals, kind, &Signal::kind);
  return found == risk.signals.end() ? 0 : found->score;
}

}  // namespace

TEST_CASE("a number far outside of its range is unusual, and explained") {
  Agent agent;
  for (int i = 0; i < 40; ++i) CHECK(agent.number("amount", 100 + i * 10).score == 0);
  struct Row {
    double value;
    std::uint32_t score;
  };
  for (const Row& row : {Row{500, 0}, Row{4'000, 0}, Row{4'900, 45}, Row{48'000, 55},
                         Row{4.8e9, 70}, Row{1e300, 70}, Row{-5, 40}, Row{-0.5, 0}, Row{0, 0}})
    CHECK_MESSAGE(score(agent.judge(std::array{Given{"amount", "x", row.value}}), Kind::argument) ==
                      row.score,
                  row.value);
  const Risk risk = agent.number("amount", 48'123);
  REQUIRE(risk.signals.size() == 1);
  CHECK(risk.signals[0].sentence ==
        "argument amount is about 48000, usually 110 to 480 (40 values since 2026-11-22)");
  CHECK(risk.signals[0].usual == 480);
  CHECK(risk.signals[0].seen == 48'000);
  // No number at all.
  CHECK(agent.number("amount", std::numeric_limits<double>::quiet_NaN()).score == 0);
  CHECK(agent.number("amount", std::numeric_limits<double>::infinity()).score == 0);
}

TEST_CASE("patience moves a range slowly, and one outlier not at all") {
  Agent agent;
  for (int i = 0; i < 40; ++i) agent.number("limit", 50);
  const Given once[] = {{"limit", "400", 400}};
  agent.arguments.learn(once, true);
  CHECK(agent.number("limit", 900).score > 0);  // still 50
  int steps = 0;
  for (double value = 50; value < 1'000'000; value *= 2, ++steps) {
    agent.number("limit", value);
    agent.number("limit", value);
  }
  CHECK(steps == 15);
}

TEST_CASE("a value that is none of the few usual ones is unusual; of many none is") {
  Agent agent;
  constexpr std::array words{"open", "closed", "waiting"};
  for (int i = 0; i < 60; ++i) {
    CHECK(agent.text("status", words.at(static_cast<std::size_t>(i) % 3)).score == 0);
    CHECK(agent.text("query", std::format("where is order {}", i)).score == 0);
  }
  const Risk risk = agent.text("status", "deleted");
  CHECK(score(risk, Kind::argument) == 35);
  CHECK(risk.signals[0].sentence ==
        "argument status has a value that it never had; 3 are known (60 values since 2026-11-22)");
  CHECK(!risk.signals[0].sentence.contains("deleted"));  // it may be private
  CHECK(agent.text("status", "open").score == 0);
  CHECK(agent.text("other", "anything").score == 0);
}

TEST_CASE("what grows by itself is no news") {
  Agent agent;
  for (int i = 0; i < 12; ++i) agent.text("project", std::format("p-{}", i));
  for (int i = 0; i < 30; ++i) agent.text("project", "p-0");
  // 11 of 42 came once: the next new one is to be expected.
  CHECK(agent.text("project", "p-new").score == 0);
}

TEST_CASE("a kill takes new texts back") {
  Agent agent;
  for (int i = 0; i < 40; ++i) agent.text("status", "open");
  const Given taught[] = {{"status", "deleted"}};
  const ArgumentLesson lesson = agent.arguments.learn(taught, true);
  CHECK(agent.judge(taught).score == 0);
  agent.arguments.unlearn(lesson);
  CHECK(agent.judge(taught).score == 35);
  agent.arguments.unlearn({});
}

TEST_CASE("reading one thing after the other shows in whatever order") {
  Agent agent;
  std::uint64_t id = 88'172'645'463'325'252;
  const auto next = [&] {
    id ^= id << 13;
    id ^= id >> 7;
    id ^= id << 17;
    return std::format("C-{}", id % 1'000'000);
  };
  for (int hour = 0; hour < 8; ++hour, agent.now += 1h)
    for (int i = 0; i < 20; ++i) CHECK(agent.text("customer", next()).score == 0);
  CHECK(agent.arguments.usual_things() >= 15);
  int calls = 0;
  std::uint32_t seen = 0;
  while (calls < 400 && seen == 0) {
    seen = score(agent.text("customer", next()), Kind::entities);
    ++calls;
  }
  CHECK(seen >= 60);
  CHECK(calls > 150);
  CHECK(calls < 330);
  // It goes on as long as the hour does, and teaches nothing.
  CHECK(score(agent.text("customer", next()), Kind::entities) > 0);
  agent.now += 1h;
  CHECK(agent.text("customer", next()).score == 0);
  CHECK(agent.arguments.usual_things() < 40);
  // The same things again and again are few.
  for (int i = 0; i < 1'000; ++i) CHECK(agent.text("customer", "C-1").score == 0);
}

TEST_CASE("hostile arguments stay within bounds") {
  Agent agent;
  for (int i = 0; i < 200; ++i) agent.text(std::format("{}{}", std::string(500, 'n'), i), "x");
  for (int i = 0; i < 200; ++i) agent.text(std::format("n{}", i), std::string(10'000, 'v'));
  std::string text;
  json::Writer out(text);
  agent.arguments.save(out);
  CHECK(text.size() < 4'000);
}

TEST_CASE("what is saved is what is loaded") {
  Agent agent;
  for (int hour = 0; hour < 6; ++hour, agent.now += 1h)
    for (int i = 0; i < 20; ++i) {
      const std::string query = std::format("q{}{}", hour, i);
      const Given given[] = {
          {"limit", "5", i + 1.5}, {"status", i % 2 == 0 ? "open" : "closed"}, {"query", query}};
      agent.call(given);
    }
  std::string first;
  json::Writer one(first);
  agent.arguments.save(one);
  const json::Document document = json::Document::parse(first).value();
  const Arguments again = Arguments::load(document.root()).value();
  std::string second;
  json::Writer two(second);
  again.save(two);
  CHECK(first == second);
  CHECK(again.sentences() == agent.arguments.sentences());
  REQUIRE(again.sentences().size() == 3);
  CHECK(again.sentences()[0] == "limit 2 to 21");
  CHECK(again.sentences()[1] == "status one of 2");
  for (const std::string_view bad :
       {R"({"each":[{}]})", R"({"each":[{"name":1}]})", R"({"each":[],"things":{"largest":-1}})"})
    CHECK_FALSE(Arguments::load(json::Document::parse(bad).value().root()).has_value());
  CHECK(Arguments::load(json::Value()).has_value());  // of an older version
  CHECK(Arguments::load(json::Document::parse(
                            R"({"each":[{"name":"a","range":[1e999,"x",{}],"known":[1,[2]]}]})")
                            .value_or(json::Document::parse("{}").value())
                            .root())
            .has_value());
}
