#include "behaviour/baseline.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

const base::Time start(std::chrono::seconds(1'795'359'731));

// One agent with one tool, a call every ten seconds.
struct Pupil {
  Baseline baseline{};
  Settings settings{};
  base::Time now = start;

  Risk ask(std::optional<std::uint64_t> asked) {
    now += 10s;
    return baseline.before({.at = now, .asked = asked}, settings);
  }
  Risk answer(std::uint64_t records, std::uint64_t bytes = 2000,
              std::optional<std::uint64_t> asked = {}) {
    std::optional<Lesson> lesson;
    return baseline.after({.at = now, .records = records, .bytes = bytes, .asked = asked}, settings,
                          lesson);
  }
  Risk call(std::uint64_t records, std::uint64_t bytes = 2000,
            std::optional<std::uint64_t> asked = {}) {
    Risk risk = ask(asked);
    risk.join(answer(records, bytes, asked));
    return risk;
  }
  void learn(int calls, std::uint64_t records, std::optional<std::uint64_t> asked = {}) {
    for (int i = 0; i < calls; ++i) REQUIRE(call(records, 2000, asked).score == 0);
  }
};

}  // namespace

TEST_CASE("sketch: small values are nearly exact, and the usual maximum ignores one outlier") {
  for (const std::uint64_t value : {0UL, 1UL, 2UL, 3UL, 5UL, 7UL, 11UL, 15UL})
    CHECK(Sketch::upper(Sketch::bucket_of(value)) == value);
  for (std::uint64_t value = 1; value < std::uint64_t{1} << 40; value = value * 3 / 2 + 1) {
    const std::size_t bucket = Sketch::bucket_of(value);
    CHECK(Sketch::upper(bucket) >= value);
    CHECK(Sketch::upper(bucket - 1) < value);
  }
  CHECK(Sketch::bucket_of(std::numeric_limits<std::uint64_t>::max()) == Sketch::buckets - 1);
  Sketch sketch;
  CHECK(sketch.usual() == 0);
  sketch.add(5000);
  CHECK(sketch.usual() == 5000);
  for (int i = 0; i < 5; ++i) sketch.add(5);
  CHECK(sketch.usual() == 5);
  sketch.add(5000);
  CHECK(sketch.usual() == 5000);
  sketch.remove(Sketch::bucket_of(5000));
  CHECK(sketch.usual() == 5);
  for (int i = 0; i < 3'000'000; ++i) sketch.add(5);  // counts stay where a float counts by ones
  CHECK(sketch.total() < 1'100'000);
}

TEST_CASE("5 -> 5,000 is as bad as it gets, and explained") {
  Pupil pupil;
  pupil.learn(20, 5);
  const Risk risk = pupil.call(5000, 400'000);
  CHECK(risk.score >= 90);
  REQUIRE(risk.signals.size() == 1);
  CHECK(risk.signals[0].kind == Kind::records);
  CHECK(name(risk.signals[0].kind) == "records");
  CHECK(risk.signals[0].usual == 5);
  CHECK(risk.signals[0].seen == 5000);
  CHECK(risk.signals[0].samples == 20);
  CHECK(risk.signals[0].sentence ==
        "5000 records answered, usually at most 5 (20 calls since 2026-11-22T15:02:21.000Z)");
}

TEST_CASE("how the score grows from 5 records") {
  struct Case {
    std::uint64_t records;
    std::uint32_t least;
    std::uint32_t most;
  };
  for (const Case& one : {Case{6, 0, 0},
                          {50, 0, 0},
                          {99, 0, 0},
                          {100, 70, 70},
                          {500, 80, 89},
                          {1000, 90, 90},
                          {5000, 100, 100},
                          {1'000'000'000'000, 100, 100}}) {
    Pupil pupil;
    pupil.learn(20, 5);
    const std::uint32_t score = pupil.call(one.records).score;
    CHECK_MESSAGE(score >= one.least, one.records);
    CHECK_MESSAGE(score <= one.most, one.records);
  }
  for (const auto& [records, score] : {std::pair{3999U, 0U}, {4000U, 70U}}) {
    Pupil large;
    large.learn(20, 400);
    CHECK(large.call(records).score == score);
  }
}

TEST_CASE("while it learns only the cap alarms") {
  Pupil pupil;
  pupil.learn(19, 5);
  Risk risk = pupil.call(5000);
  CHECK(risk.score == 0);
  CHECK(risk.learning);
  pupil.settings.max_records = 1000;
  risk = pupil.call(1001);
  CHECK(risk.score == 100);
  CHECK(risk.signals[0].sentence == "1001 records in one call, configured maximum 1000");
  CHECK(pupil.ask(1001).score == 100);
  CHECK(pupil.ask(1000).score < 100);
}

TEST_CASE("one outlier while learning does not become normal") {
  Pupil pupil;
  pupil.learn(10, 5);
  pupil.call(5000);
  pupil.learn(9, 5);
  CHECK(pupil.baseline.usual_records() == 5);
  CHECK(pupil.call(5000).score >= 90);
}

TEST_CASE("a learning period counts time too, and ratifying ends it") {
  Pupil pupil;
  pupil.settings.learn_time = 1h;
  pupil.learn(30, 5);
  CHECK(pupil.call(5000).learning);
  pupil.now += 1h;
  CHECK_FALSE(pupil.call(5).learning);
  Pupil ratified;
  ratified.learn(3, 5);
  ratified.baseline.ratify();
  CHECK(ratified.call(5000).score >= 90);
}

TEST_CASE("a limit in the arguments is judged before the call") {
  Pupil pupil;
  pupil.learn(20, 5, 10);
  CHECK(pupil.ask(20).score == 0);
  const Risk risk = pupil.ask(5000);
  CHECK(risk.score >= 90);
  CHECK(risk.signals[0].kind == Kind::records_asked);
  // An agent that never gave a limit: worth a question, not a kill; the answer is judged anyway.
  Pupil fresh;
  fresh.learn(20, 5);
  CHECK(fresh.ask(5000).score >= 50);
  CHECK(fresh.ask(1'000'000).score <= 75);
}

TEST_CASE("an alarm teaches nothing, however often it is tried") {
  Pupil pupil;
  pupil.learn(20, 5);
  for (int i = 0; i < 500; ++i) CHECK(pupil.call(5000).score >= 90);
  CHECK(pupil.baseline.usual_records() == 5);
  CHECK(pupil.baseline.samples() == 20);
}

TEST_CASE("growth below the alarm is learnt slowly") {
  Pupil pupil;
  pupil.learn(100, 50);
  pupil.learn(
      2,
      450);  // unusual, but no alarm: learnt as 100, and two in a hundred and two move the maximum
  CHECK(pupil.baseline.usual_records() <= 127);
}

TEST_CASE("bytes alone never look like the worst until they are") {
  Pupil pupil;
  pupil.learn(20, 1);
  CHECK(pupil.call(1, 900'000).score == 0);  // below the floor
  const Risk risk = pupil.call(1, 2'000'000);
  CHECK(risk.score >= 55);
  CHECK(risk.score < 80);
  CHECK(risk.signals[0].kind == Kind::bytes);
  CHECK(pupil.call(1, std::uint64_t{4} * 1024 * 1024 * 1024).score >= 90);
}

TEST_CASE("a flood of calls is seen within its minute and does not become normal") {
  Pupil pupil;
  pupil.learn(60, 5);  // ten minutes of six calls
  CHECK(pupil.baseline.usual_calls_per_minute() <= 7);
  std::uint32_t alarms = 0;
  pupil.now += 1min;
  for (int i = 0; i < 3000; ++i)
    if (pupil.baseline.before({.at = pupil.now}, pupil.settings).score > 0) ++alarms;
  CHECK(alarms > 2800);
  pupil.now += 1min;
  pupil.ask({});
  CHECK(pupil.baseline.usual_calls_per_minute() <= 7);
}

TEST_CASE("several signals together weigh more than one") {
  Pupil pupil;
  pupil.learn(20, 5, 5);
  const Risk records = pupil.answer(300);
  const Risk both = pupil.call(300, 2'000'000, 5);
  CHECK(both.signals.size() == 2);
  CHECK(both.score == records.score + 5);
}

TEST_CASE("what is taken back is as if it had never been learnt") {
  Pupil pupil;
  pupil.learn(40, 5);
  std::vector<Lesson> lessons;
  for (int i = 0; i < 3; ++i) {
    std::optional<Lesson> lesson;
    pupil.baseline.after({.at = pupil.now, .records = 40, .bytes = 2000}, pupil.settings, lesson);
    REQUIRE(lesson.has_value());
    lessons.push_back(*lesson);
  }
  CHECK(pupil.baseline.usual_records() == 11);  // tempered to 10, told by its bucket
  for (const Lesson& lesson : lessons) pupil.baseline.unlearn(lesson);
  CHECK(pupil.baseline.usual_records() == 5);
  CHECK(pupil.baseline.samples() == 40);
}

TEST_CASE("what was learnt fades, and a jumping clock does not make it forget") {
  Pupil pupil;
  pupil.learn(50, 500);
  pupil.now += 24h * 7 * 6;
  pupil.learn(100, 5);
  CHECK(pupil.baseline.usual_records() == 5);
  Pupil jumped;
  jumped.learn(50, 500);
  jumped.now += 24h * 365 * 50;
  CHECK(jumped.call(5000).score == 70);
  jumped.now = start;  // and back
  CHECK(jumped.call(5000).score == 70);
}

TEST_CASE("a baseline goes round through JSON, and a bad one is refused") {
  Pupil pupil;
  pupil.learn(50, 7, 20);
  pupil.baseline.ratify();
  std::string text;
  json::Writer writer(text);
  pupil.baseline.save(writer);
  const auto document = json::Document::parse(text).value();
  const Baseline restored = Baseline::load(document.root()).value();
  std::string again;
  json::Writer second(again);
  restored.save(second);
  CHECK(again == text);
  CHECK(restored.usual_records() == 7);
  CHECK(restored.usual_asked() == 20);
  CHECK(restored.samples() == 50);
  for (const std::string_view bad :
       {"{}", "[]", R"({"since":-1})",
        R"({"since":1,"aged":1,"asked":{"largest":1,"counts":[[64,1]]}})",
        R"({"since":1,"aged":1,"asked":{"largest":1,"counts":[[1]]}})",
        R"({"since":9223372036854775807})"}) {
    CHECK_MESSAGE(!Baseline::load(json::Document::parse(bad).value().root()), bad);
  }
}

TEST_CASE("what a kill takes back makes nobody a stranger again") {
  Pupil pupil;
  std::vector<Lesson> lessons;
  for (int i = 0; i < 25; ++i) {
    pupil.ask({});
    std::optional<Lesson> lesson;
    pupil.baseline.after({.at = pupil.now, .records = 5, .bytes = 2000}, pupil.settings, lesson);
    if (lesson) lessons.push_back(*lesson);
  }
  REQUIRE(pupil.call(5000).score >= 90);
  for (const Lesson& lesson : lessons) pupil.baseline.unlearn(lesson);
  const Risk again = pupil.call(5000);
  CHECK_FALSE(again.learning);
  CHECK(again.score >= 90);
  CHECK(pupil.call(6).score == 0);
}
