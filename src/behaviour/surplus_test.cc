#include "behaviour/surplus.h"

#include <doctest/doctest.h>

#include <string>

#include "behaviour/course.h"

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

const base::Time monday = base::Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 5));

// Ten calls each hour from nine to five on weekdays.
Course office() {
  Course course;
  for (int day = 0; day < 14; ++day) {
    if (day % 7 < 5)
      for (int hour = 9; hour < 17; ++hour)
        for (int call = 0; call < 10; ++call)
          course.add(monday + std::chrono::days(day) + std::chrono::hours(hour));
    course.close(0.97F);
  }
  return course;
}

}  // namespace

TEST_CASE("the course of a day: shares of hours, weekends like weekdays while they are unknown") {
  const Course course = office();
  const base::Time day = monday + std::chrono::days(14);
  CHECK(course.between(day, day + 24h) == doctest::Approx(1).epsilon(0.01));
  CHECK(course.between(day + 11h, day + 12h) == doctest::Approx(0.125).epsilon(0.01));
  CHECK(course.between(day + 11h, day + 11h + 30min) == doctest::Approx(0.0625).epsilon(0.01));
  CHECK(course.between(day, day + 7h) == doctest::Approx(0));
  CHECK(course.between(day + 19h, day + 23h) == doctest::Approx(0));
  CHECK(course.between(day + 12h, day + 11h) == 0);
  const base::Time saturday = monday + std::chrono::days(19);
  CHECK(course.between(saturday, saturday + 24h) == doctest::Approx(1).epsilon(0.01));
  // No more than a day is looked at.
  CHECK(course.between(monday, day) == doctest::Approx(1).epsilon(0.01));
  CHECK(Course().between(monday, day) == 0);
}

TEST_CASE("today teaches when it is over, and not at all when it was told of") {
  Course course;
  course.add(monday + 9h);
  CHECK(course.calls(9) == 1);
  CHECK(course.learnt()[9] == 0);
  course.spoil();
  course.close(1);
  CHECK(course.calls(9) == 0);
  course.add(monday + 9h);
  course.close(1);
  CHECK(course.learnt()[9] == 1);
}

TEST_CASE("work in its hours adds nothing up, work after them does") {
  const Course course = office();
  Surplus surplus;
  base::Time at = monday + std::chrono::days(14);
  base::Time last = at;
  const auto work = [&](base::Time when, double share) {
    const Surplus::Excess excess = surplus.add(share, course.between(last, when), 1, 0);
    last = when;
    return excess;
  };
  for (int day = 0; day < 10; ++day, at += 24h) {
    for (int quarter = 0; quarter < 32; ++quarter)
      CHECK_FALSE(work(at + 9h + quarter * 15min, 1.0 / 32).alarm);
    surplus.close();
  }
  // The same pace from seven in the evening on.
  double taken = 0;
  bool alarm = false;
  for (int quarter = 0; quarter < 200 && !alarm; ++quarter) {
    taken += 1.0 / 32;
    alarm = work(at + 19h + quarter * 1min, 1.0 / 32).alarm;
  }
  CHECK(alarm);
  CHECK(taken < 1.2);
  SUBCASE("it is told again with each further half of a day") {
    double more = 0;
    for (alarm = false; more < 2 && !alarm; more += 1.0 / 32)
      alarm = work(at + 23h, 1.0 / 32).alarm;
    CHECK(alarm);
    CHECK(more == doctest::Approx(0.5).epsilon(0.1));
  }
  SUBCASE("a day that was told of teaches nothing and is not held against the next") {
    surplus.spoil();
    surplus.close();
    CHECK(surplus.add(0.1, 0, 1, 0).days == doctest::Approx(0.1));
  }
}

TEST_CASE("who works in one burst a day is held against its own bursts, within bounds") {
  Surplus surplus;
  for (int day = 0; day < 20; ++day) {
    (void)surplus.add(0.7, 1, 1, 0);
    surplus.close();
  }
  CHECK_FALSE(surplus.add(1.1, 1, 1, 0).alarm);
  Surplus patient;  // raises its peaks bit by bit
  double share = 0.5;
  bool alarm = false;
  for (int day = 0; day < 60 && !alarm; ++day, share *= 1.05) {
    alarm = patient.add(share, 1, 1, 0).alarm;
    patient.close();
  }
  CHECK(alarm);
  CHECK(share < 2);
}

TEST_CASE("it comes back as it was, and never as nonsense") {
  Surplus surplus;
  (void)surplus.add(0.6, 0, 1, 0);
  surplus.close();
  (void)surplus.add(0.3, 0, 1, 0);
  std::string text;
  json::Writer writer(text);
  surplus.save(writer);
  auto loaded = Surplus::load(json::Document::parse(text)->root());
  REQUIRE(loaded.has_value());
  CHECK(loaded->add(0, 0, 1, 0).days == doctest::Approx(0.9));
  CHECK(loaded->add(0, 0, 1, 0).usual == doctest::Approx(0.6).epsilon(0.05));
  CHECK(Surplus::load(json::Value()).has_value());
  CHECK_FALSE(Surplus::load(json::Document::parse("[]")->root()).has_value());
  text.replace(text.find("\"sum\":") + 6, text.find(',') - text.find("\"sum\":") - 6, "-1e300");
  loaded = Surplus::load(json::Document::parse(text)->root());
  REQUIRE(loaded.has_value());
  CHECK(loaded->add(0, 0, 1, 0).days == 0);
}
