#include "gateway/events.h"

#include <doctest/doctest.h>

#include <string>

using latticegate::gateway::Events;

TEST_CASE("a stream is told again behind an event, and only that stream") {
  Events events;
  const auto one = events.begin();
  const auto two = events.begin();
  const std::string first = events.add(one, "a");
  events.add(two, "x");
  events.add(one, "b");
  const auto rest = events.after(first);
  REQUIRE(rest.has_value());
  REQUIRE(rest->events.size() == 1);
  CHECK(rest->events.front().text == "b");
  CHECK_FALSE(rest->over);
  events.end(one);
  const auto last = events.after(rest->events.front().id);
  REQUIRE(last.has_value());
  CHECK(last->events.empty());
  CHECK(last->over);
}

TEST_CASE("a stream about changes goes on, whatever was lost of it") {
  Events events;
  const auto stream = events.begin(true);
  const std::string first = events.add(stream, "a");
  for (int i = 0; i < 2'000; ++i) events.add(events.begin(), "y");
  events.add(stream, "b");
  const auto rest = events.after(first);
  REQUIRE(rest.has_value());
  CHECK(rest->listening);
  REQUIRE(rest->events.size() == 1);
  CHECK(rest->events.front().text == "b");
}

TEST_CASE("ids that nobody gave, and holes, are refused") {
  Events events;
  const auto stream = events.begin();
  const std::string first = events.add(stream, "a");
  for (const char* odd : {"", "1", "1.", ".1", "1.2.3", "2.1", "1.99", "0.0", "-1.1", "1.1 ", "x.y",
                          "1.18446744073709551616"})
    CHECK_FALSE(events.after(odd).has_value());
  const std::string large(1024 * 1024 / 2, 'x');
  events.add(stream, large);
  CHECK(events.after(first)->events.size() == 1);
  events.add(stream, large);
  const std::string late = events.add(stream, large);
  CHECK_FALSE(events.after(first).has_value());
  CHECK(events.after(late)->events.empty());
  for (int i = 0; i < 2'000; ++i) events.add(stream, "y");
  CHECK_FALSE(events.after(late).has_value());
}
