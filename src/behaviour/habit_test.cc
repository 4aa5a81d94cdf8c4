#include "behaviour/habit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <map>
#include <optional>
#include <string>

#include "behaviour/habits.h"

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

// A Monday at nine.
const base::Time start = base::Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 5)) + 9h;
const Settings settings;

struct Agent {
  Habit habit;
  base::Time now = start;
  std::uint64_t calls = 0;

  Risk call(std::vector<Touched> touched, Deed deed = {}, std::uint64_t arguments = 0,
            std::optional<std::int64_t> number = {}, bool peers = false) {
    now += 30s;
    const Act act{.at = now,
                  .touched = touched,
                  .tool = std::hash<std::string_view>{}(touched.front().name),
                  .arguments = arguments != 0 ? arguments : ++calls,
                  .number = number};
    Risk risk = habit.before(act, settings, [&](const Touched&) { return peers; });
    risk.join(habit.after(act, deed, settings));
    return risk;
  }
  Risk query(std::string_view table, std::uint64_t records = 5) {
    return call({{Thing::tool, "db/query"},
                 {Thing::server, "db"},
                 {Thing::segment, "retail"},
                 {Thing::schema, "shop"},
                 {Thing::table, table}},
                {.records = records});
  }
  // Working days, from nine on.
  void work(int days, int calls_a_day = 30, std::uint64_t records = 5) {
    for (int day = 0; day < days; ++day) {
      for (int i = 0; i < calls_a_day; ++i) query(i % 2 == 0 ? "orders" : "items", records);
      now = std::chrono::floor<std::chrono::days>(now) + 24h + 9h;
    }
  }
};

std::string kinds(const Risk& risk) {
  std::string out;
  for (const Signal& signal : risk.signals)
    out += std::format("{} {}; ", name(signal.kind), signal.score);
  return out;
}

}  // namespace

TEST_CASE("another segment or schema is an alarm at the first call, a table is not") {
  Agent agent;
  agent.work(5);
  CHECK(agent.habit.phase() == Phase::mature);
  CHECK(kinds(agent.query("orders")).empty());
  CHECK(kinds(agent.query("returns")) == "new_table 30; ");
  CHECK(kinds(agent.query("returns")).empty());
  Agent turned = agent;
  const Risk schema = turned.call({{Thing::tool, "db/query"}, {Thing::schema, "hr"}});
  CHECK(schema.score >= 90);
  CHECK(schema.signals.front().sentence.starts_with(
      "first use of the schema hr; known are shop (since 2026-01-05, "));
  CHECK(agent.call({{Thing::tool, "crm/find"}, {Thing::server, "crm"}, {Thing::segment, "sales"}})
            .score >= 90);
  CHECK(agent.call({{Thing::tool, "db/query"}, {Thing::domain, "phi"}}).score >= 90);
}

TEST_CASE("what others of the group use counts a third") {
  Agent agent;
  agent.work(5);
  const Risk risk =
      agent.call({{Thing::tool, "db/query"}, {Thing::segment, "sales"}}, {}, 0, {}, true);
  CHECK(risk.score > 25);
  CHECK(risk.score < 35);
  CHECK(risk.signals.front().sentence.ends_with("others of its group use it"));
}

TEST_CASE("who always works with new hosts is not told") {
  Agent agent;
  int told = 0;
  for (int day = 0; day < 40; ++day) {
    for (int i = 0; i < 10; ++i) {
      const std::string host = std::format("h{}-{}.example", day, i);
      const Risk risk = agent.call({{Thing::tool, "web/fetch"}, {Thing::host, host}});
      if (day >= 30 && risk.score >= 20) ++told;
    }
    agent.now = std::chrono::floor<std::chrono::days>(agent.now) + 24h + 9h;
  }
  CHECK(told == 0);
}

TEST_CASE("learning, ratified, locked") {
  Agent agent;
  agent.work(1);
  CHECK(agent.habit.phase() == Phase::learning);
  CHECK(agent.call({{Thing::tool, "db/query"}, {Thing::segment, "hr"}}).score == 0);
  agent.habit.ratify(agent.now);
  CHECK(agent.call({{Thing::tool, "db/query"}, {Thing::segment, "sales"}}).score >= 90);
  agent.habit.lock(true, agent.now);
  CHECK(kinds(agent.query("returns")) == "new_table 50; ");
  CHECK(kinds(agent.query("returns")) == "new_table 50; ");  // nothing becomes normal
  agent.habit.lock(false, agent.now);
  CHECK(agent.habit.phase() == Phase::ratified);
}

TEST_CASE("what came up before a kill is forgotten, what was refused is not learnt") {
  Agent agent;
  agent.work(5);
  CHECK(agent.query("returns").score > 0);
  agent.habit.unlearn(agent.now);
  CHECK(agent.query("returns").score > 0);
  agent.habit.ratify(agent.now);  // what was known then stays
  agent.habit.unlearn(agent.now);
  CHECK(agent.query("returns").score == 0);
  const std::vector<Touched> other{{Thing::tool, "db/query"}, {Thing::segment, "hr"}};
  CHECK(agent.call(other, {.denied = true}).score >= 90);
  CHECK(agent.call(other, {.denied = true}).score >= 90);
}

TEST_CASE("loops, numbers in a row, refusals") {
  Agent agent;
  agent.work(5);
  std::uint32_t loop = 0;
  for (int i = 0; i < 30; ++i)
    loop = std::max(loop, agent.call({{Thing::tool, "db/query"}}, {}, 42).score);
  CHECK(loop >= 50);
  std::uint32_t walk = 0;
  for (int i = 0; i < 80; ++i)
    walk = std::max(walk, agent.call({{Thing::tool, "db/query"}}, {}, 0, 1'000 + i).score);
  CHECK(walk >= 85);
  std::uint32_t refusals = 0;
  for (int i = 0; i < 12; ++i)
    refusals = std::max(refusals, agent.call({{Thing::tool, "db/query"}}, {.denied = true}).score);
  CHECK(refusals >= 50);
}

TEST_CASE("a slow scrape is the sum of usual calls") {
  Agent agent;
  agent.work(10);
  std::uint64_t taken = 0;
  std::uint32_t score = 0;
  while (score < 90 && taken < 10'000) {
    score = agent.query("orders").score;
    taken += 5;
  }
  CHECK(taken <= 330);  // a little more than two usual days
}

TEST_CASE("an hour without any traffic until now") {
  Agent agent;
  agent.work(14);
  agent.now = std::chrono::floor<std::chrono::days>(agent.now) + 3h;
  CHECK(kinds(agent.query("orders")).contains("hour 50"));
}

TEST_CASE("it survives being saved, and explains itself") {
  Agent agent;
  agent.work(14);
  agent.query("returns");
  std::string saved;
  json::Writer writer(saved);
  agent.habit.save(writer);
  CHECK(saved.size() < 40'000);
  const auto document = json::Document::parse(saved);
  REQUIRE(document.has_value());
  auto loaded = Habit::load(document->root());
  REQUIRE(loaded.has_value());
  CHECK(loaded->sentences() == agent.habit.sentences());
  CHECK(loaded->deviations().size() == agent.habit.deviations().size());
  std::string again;
  json::Writer second(again);
  loaded->save(second);
  CHECK(again == saved);
  const auto sentences = agent.habit.sentences();
  CHECK(std::ranges::contains(sentences, std::string("Uses 1 segment: retail (421).")));
  CHECK(std::ranges::any_of(sentences, [](const std::string& sentence) {
    return sentence.starts_with("Works on weekdays at 09 o'clock UTC");
  }));
  for (const std::string_view bad : {"[]", R"({"known":[[99,"x",0,0,0]]})", R"({"known":[1]})"})
    CHECK(!Habit::load(json::Document::parse(bad)->root()).has_value());
}

TEST_CASE("groups know what two others use, also after being loaded") {
  Habits habits;
  const std::vector<Touched> touched{{Thing::tool, "crm/find"}, {Thing::segment, "sales"}};
  const Act act{.at = start, .touched = touched, .tool = 1, .arguments = 1, .number = {}};
  for (const std::string_view agent : {"a", "b"}) {
    habits.before({agent, "bots"}, act, settings);
    habits.after({agent, "bots"}, act, {}, settings);
  }
  Habits loaded;
  std::map<std::string, std::string> rows;
  const auto keep = [&](std::string key, std::optional<std::string> text) {
    if (text)
      rows[std::move(key)] = *std::move(text);
    else
      rows.erase(key);
  };
  habits.save(keep);
  CHECK(rows.size() == 2);
  for (const auto& [key, text] : rows) CHECK(loaded.load(key, text).value());
  // Only what changes is saved again; what lies under another key is, too.
  rows.clear();
  habits.save(keep);
  loaded.save(keep);
  CHECK(rows.empty());
  habits.before({"a", "bots"}, act, settings);
  habits.save(keep);
  REQUIRE(rows.size() == 1);
  Habits older;
  CHECK_FALSE(older.load("all", rows["a"]).value());
  rows.clear();
  older.save(keep);
  CHECK(rows.contains("a"));
  CHECK(loaded.size() == 2);
  const std::vector<Touched> own{{Thing::tool, "db/query"}, {Thing::segment, "retail"}};
  for (const std::string_view group : {"bots", "others"}) {
    const Who who{group, group};
    const Act first{.at = start, .touched = own, .tool = 2, .arguments = 1, .number = {}};
    loaded.before(who, first, settings);
    loaded.after(who, first, {}, settings);
    REQUIRE(loaded.order(group, Habits::Order::ratify, start));
    const Risk risk = loaded.before(who, act, settings);
    CHECK((risk.score >= 90) == (group == "others"));
  }
  CHECK(!loaded.order("nobody", Habits::Order::lock, start));
  CHECK(!loaded.load("x", "{}").has_value());
}

TEST_CASE("what was an alarm does not become usual by being repeated") {
  Agent agent;
  agent.work(5);
  const auto worst = [&](Kind kind, auto&& call, int times) {
    std::uint32_t score = 0;
    for (int i = 0; i < times; ++i) {
      const Risk risk = call();
      for (const Signal& signal : risk.signals)
        if (signal.kind == kind) score = std::max(score, signal.score);
    }
    return score;
  };
  for (int hour = 0; hour < 6; ++hour) {
    CHECK(worst(
              Kind::loop, [&] { return agent.call({{Thing::tool, "db/query"}}, {}, 42); }, 60) >=
          50);
    agent.now += 1h;
  }
  for (int hour = 0; hour < 2; ++hour) {
    CHECK(worst(
              Kind::denials,
              [&] { return agent.call({{Thing::tool, "db/query"}}, {.denied = true}); }, 20) >= 50);
    agent.now += 1h;
  }
  // What counts are held against survives being saved.
  std::string saved;
  json::Writer writer(saved);
  agent.habit.save(writer);
  const auto document = json::Document::parse(saved);
  for (const std::string_view key : {"denials", "errors", "repeats", "runs", "peaks"})
    CHECK_MESSAGE(document->root()[key]["largest"].exists(), key);
}

TEST_CASE("a day's records within an hour end the conversation, however small each call is") {
  Agent agent;  // that works all day long
  for (int day = 0; day < 12; ++day) {
    for (int i = 0; i < 60; ++i, agent.now += 6min) agent.query(i % 2 == 0 ? "orders" : "items");
    agent.now = std::chrono::floor<std::chrono::days>(agent.now) + 24h + 9h;
  }
  std::uint64_t taken = 0;
  bool told = false;
  while (!told && taken < 10'000) {
    agent.now -= 20s;  // a call each ten seconds
    const Risk risk = agent.query("orders");
    told = std::ranges::contains(risk.signals, Kind::hour_volume, &Signal::kind);
    taken += 5;
  }
  CHECK(taken <= 320);  // a usual day brings 300
  CHECK(taken >= 200);
}

TEST_CASE("usual calls after the day's work end the conversation long before the day is doubled") {
  const auto office = [](Agent& agent) {
    for (int day = 0; day < 14; ++day) {
      for (int i = 0; i < 60; ++i, agent.now += 6min) agent.query(i % 2 == 0 ? "orders" : "items");
      agent.now = std::chrono::floor<std::chrono::days>(agent.now) + 24h + 9h;
    }
  };
  Agent agent;
  office(agent);
  for (int i = 0; i < 60; ++i, agent.now += 6min) agent.query("orders");  // the day's own
  agent.now += 2h;
  std::uint64_t taken = 0;
  bool told = false;
  while (!told && taken < 10'000) {
    agent.now += 2min;  // slowly: 150 records an hour, where a usual hour brings 50
    const Risk risk = agent.query("orders");
    told = std::ranges::contains(risk.signals, Kind::surplus, &Signal::kind);
    CHECK((!told || risk.score >= 90));
    taken += 5;
  }
  CHECK(taken <= 450);  // a usual day brings 300, and today had them already
  SUBCASE("and what was added up is kept over a restart") {
    std::string saved;
    json::Writer writer(saved);
    agent.habit.save(writer);
    auto loaded = Habit::load(json::Document::parse(saved)->root());
    REQUIRE(loaded.has_value());
    agent.habit = *std::move(loaded);
    std::uint64_t more = 0;
    for (told = false; !told && more < 1'000; more += 5) {
      agent.now += 2min;
      const Risk risk = agent.query("orders");
      told = std::ranges::contains(risk.signals, Kind::surplus, &Signal::kind);
    }
    CHECK(more <= 450);
  }
}
