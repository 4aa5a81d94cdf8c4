#include "behaviour/watch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

const base::Time start(std::chrono::seconds(1'795'359'731));
const Settings settings;

Risk call(Watch& watch, const Pair& pair, std::uint64_t records, Lessons& lessons) {
  Risk risk = watch.before(pair, {.at = start}, settings);
  risk.join(watch.after(pair, {.at = start, .records = records, .bytes = 100}, settings, lessons));
  return risk;
}

using Rows = std::vector<std::pair<std::string, std::optional<std::string>>>;
// What changed since it was asked last.
Rows changed(Watch& watch) {
  Rows rows;
  watch.save([&](std::string key, std::optional<std::string> text) {
    rows.emplace_back(std::move(key), std::move(text));
  });
  return rows;
}

}  // namespace

TEST_CASE("each agent has its own normal with each tool") {
  Watch watch;
  Lessons lessons;
  const Pair query{"finance-bot", "db", "query"};
  const Pair other_agent{"support-bot", "db", "query"};
  const Pair other_tool{"finance-bot", "db", "export"};
  for (int i = 0; i < 20; ++i) {
    call(watch, query, 5, lessons);
    call(watch, other_agent, 4000, lessons);
  }
  CHECK(watch.size() == 2);
  CHECK(call(watch, query, 5000, lessons).score >= 90);
  CHECK(call(watch, other_agent, 5000, lessons).score == 0);
  CHECK(call(watch, other_tool, 5000, lessons).learning);
  CHECK(watch.usual(query, start, settings)->records == 5);
  CHECK(watch.usual(query, start, settings)->mature);
  CHECK_FALSE(watch.usual({"nobody", "db", "query"}, start, settings).has_value());
  CHECK(watch.relearn(query));
  CHECK(call(watch, query, 5000, lessons).learning);
  CHECK(watch.ratify(query));
  CHECK_FALSE(watch.ratify({"nobody", "db", "query"}));
}

TEST_CASE("names do not run into each other") {
  Watch watch;
  Lessons lessons;
  call(watch, {"a", "b", "c"}, 1, lessons);
  call(watch, {"ab", "", "c"}, 1, lessons);
  call(watch, {"b", "a", "c"}, 1, lessons);
  CHECK(watch.size() == 3);
}

TEST_CASE("a killed conversation takes its latest lessons back") {
  Watch watch;
  Lessons good;
  Lessons turned;
  const Pair pair{"finance-bot", "db", "query"};
  for (int i = 0; i < 30; ++i) call(watch, pair, 5, good);
  for (int i = 0; i < 10; ++i) call(watch, pair, 90, turned);
  CHECK(watch.usual(pair, start, settings)->records > 5);
  watch.unlearn(turned);
  CHECK(watch.usual(pair, start, settings)->records == 5);
  CHECK(watch.usual(pair, start, settings)->samples == 30);
  watch.unlearn(turned);  // nothing is taken back twice
  CHECK(watch.usual(pair, start, settings)->samples == 30);
}

TEST_CASE("the table is bounded: what was quiet for longest is forgotten") {
  Watch watch(64 * 4);
  Lessons lessons;
  const Pair kept{"busy-bot", "db", "query"};
  for (int i = 0; i < 5000; ++i) {
    const std::string tool = std::format("tool-{}", i);
    call(watch, {"scanner", "db", tool}, 1, lessons);
    call(watch, kept, 5, lessons);
  }
  CHECK(watch.size() <= 64 * 4);
  CHECK(watch.usual(kept, start, settings)->samples == 5000);
}

TEST_CASE("what was learnt survives a restart") {
  Watch before;
  Lessons lessons;
  for (int agent = 0; agent < 300; ++agent) {
    const std::string name = std::format("agent \"{}\"", agent);
    for (int i = 0; i < 20; ++i) call(before, {name, "db", "query"}, 5, lessons);
  }
  const Rows saved = changed(before);
  CHECK(saved.size() == 300);
  CHECK(changed(before).empty());  // nothing changed since
  Watch after;
  for (const auto& [key, text] : saved) CHECK(after.load(key, *text).value());
  CHECK(after.size() == 300);
  CHECK(changed(after).empty());
  CHECK(call(after, {"agent \"7\"", "db", "query"}, 5000, lessons).score >= 90);
  CHECK(changed(after).size() == 1);
  // As versions before kept them, under one key: they move.
  Watch older;
  for (const auto& [key, text] : saved) CHECK_FALSE(older.load("all", *text).value());
  CHECK(changed(older).size() == 300);
  // A table that is too small lets rows go.
  Watch small(64);
  for (const auto& [key, text] : saved) CHECK(small.load(key, *text).value());
  CHECK(small.size() <= 64);
  CHECK(std::ranges::count_if(changed(small), [](const auto& row) { return !row.second; }) >= 236);
}

TEST_CASE("a damaged row is refused") {
  for (const std::string_view bad : {"", "{", "[]", "{\"agent\":\"a\"}", "nonsense"}) {
    Watch watch;
    CHECK_FALSE(watch.load("k", bad).has_value());
    CHECK(watch.size() == 0);
  }
}

TEST_CASE("many threads at once") {
  Watch watch;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&watch, t] {
      Lessons lessons;
      for (int i = 0; i < 2000; ++i) {
        const std::string tool = std::format("tool-{}", i % 50);
        call(watch, {t % 2 == 0 ? "even" : "odd", "db", tool}, 5, lessons);
        if (i % 500 == 0) (void)changed(watch);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(watch.size() == 100);
}

TEST_CASE("labels are a bounded set that says when it is not complete") {
  Labels labels;
  labels.add("web");
  labels.add("email");
  labels.add("web");
  CHECK(labels.all().size() == 2);
  CHECK(labels.contains("email"));
  CHECK_FALSE(labels.contains("mail"));
  CHECK(labels.complete());
  for (int i = 0; i < 100; ++i) labels.add(std::format("label-{}", i));
  CHECK(labels.all().size() == Labels::limit);
  CHECK_FALSE(labels.complete());
}

TEST_CASE("who is new is no blank cheque where others of its group are known") {
  Watch watch;
  Lessons lessons;
  for (int i = 0; i < 40; ++i)
    for (const std::string_view agent : {"a", "b", "c"})
      call(watch, {agent, "db", "query", "bots"}, 5, lessons);
  const Pair stranger{"new", "db", "query", "bots"};
  CHECK(call(watch, stranger, 6, lessons).score == 0);
  const Risk risk = call(watch, stranger, 5000, lessons);
  CHECK(risk.learning);
  CHECK(risk.score >= 90);
  REQUIRE(risk.signals.size() == 1);
  CHECK(risk.signals[0].sentence.contains("5000 records answered, usually at most 5"));
  CHECK(risk.signals[0].sentence.ends_with(", by others of its group"));
  const Risk asked = watch.before(stranger, {.at = start, .asked = 5000}, settings);
  CHECK(asked.score >= 70);
  // Not of another group, and not of a group that one agent made.
  CHECK(call(watch, {"other", "db", "query", "others"}, 5000, lessons).score == 0);
  for (int i = 0; i < 200; ++i) call(watch, {"alone", "db", "query", "one"}, 5, lessons);
  CHECK(call(watch, {"second", "db", "query", "one"}, 5000, lessons).score == 0);
  // The table knows it after a restart, and nobody sees a group among agents.
  Watch again;
  for (const auto& [key, text] : changed(watch)) CHECK(again.load(key, *text).value());
  CHECK(call(again, {"newer", "db", "query", "bots"}, 5000, lessons).score >= 90);
  CHECK(again.usual_of("bots", start, settings).empty());
}

TEST_CASE("of more lessons than are kept the oldest go, also after all were taken back") {
  Lessons lessons;
  const auto teach = [&lessons](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t pair = from; pair < to; ++pair) lessons.add({.pair = pair, .lesson = {}});
  };
  const auto holds = [&lessons](std::uint64_t pair) {
    return std::ranges::contains(lessons.all(), pair, &Lessons::Entry::pair);
  };
  teach(0, Lessons::kept + 5);
  CHECK(lessons.all().size() == Lessons::kept);
  CHECK_FALSE(holds(4));
  CHECK(holds(5));
  CHECK(holds(Lessons::kept + 4));
  lessons.clear();
  CHECK(lessons.all().empty());
  teach(100, 100 + Lessons::kept + 1);
  CHECK(lessons.all().size() == Lessons::kept);
  CHECK_FALSE(holds(100));
  CHECK(holds(101));
}
