#include "behaviour/throttle.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <string>

using namespace latticegate;
using namespace latticegate::behaviour;
using namespace std::chrono_literals;

namespace {

// Zero: taken.
std::chrono::nanoseconds wait(Throttle& throttle, std::span<const Rate> rates, base::Instant now) {
  const auto empty = throttle.take(rates, now);
  return empty ? empty->wait : std::chrono::nanoseconds();
}

constexpr base::Instant at(std::chrono::nanoseconds since) { return base::Instant(since); }

}  // namespace

TEST_CASE("so many at once, then one at a time") {
  Throttle throttle;
  const std::array rate{Rate{"a", 3, 60s}};
  for (int i = 0; i < 3; ++i) CHECK(wait(throttle, rate, at(100s)) == 0s);
  CHECK(wait(throttle, rate, at(100s)) == 20s);
  CHECK(wait(throttle, rate, at(119s)) == 1s);
  CHECK(wait(throttle, rate, at(120s)) == 0s);
  CHECK(wait(throttle, rate, at(120s)) == 20s);
  CHECK(wait(throttle, rate, at(500s)) == 0s);
}

TEST_CASE("all rates or none") {
  Throttle throttle;
  const std::array both{Rate{"narrow", 1, 60s}, Rate{"wide", 2, 60s}};
  const std::array wide{Rate{"wide", 2, 60s}};
  CHECK(wait(throttle, both, at(1s)) == 0s);
  CHECK(wait(throttle, both, at(1s)) == 60s);
  CHECK(throttle.take(both, at(1s))->rate == 0);
  CHECK(wait(throttle, wide, at(1s)) == 0s);  // the refused one took nothing
  CHECK(wait(throttle, wide, at(1s)) == 30s);
}

TEST_CASE("what is full again is forgotten") {
  Throttle throttle;
  for (int i = 0; i < 1'000; ++i) {
    const std::string name = std::to_string(i);
    const std::array rate{Rate{name, 5, 1s}};
    CHECK(wait(throttle, rate, at(std::chrono::seconds(i))) == 0s);
  }
  CHECK(throttle.names() <= 2);
}

TEST_CASE("as a bucket that is counted in tokens") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    const std::int64_t number = 1 + static_cast<std::int64_t>(random() % 20);
    const std::array rate{Rate{"a", number, std::chrono::nanoseconds(number * 1'000)}};
    Throttle throttle;
    double tokens = static_cast<double>(number);
    std::int64_t last = 0;
    for (int i = 0; i < 500; ++i) {
      const std::int64_t now = last + static_cast<std::int64_t>(random() % 2'000);
      tokens =
          std::min(static_cast<double>(number), tokens + static_cast<double>(now - last) / 1'000.0);
      last = now;
      const bool expected = tokens >= 1.0 - 1e-9;
      if (expected) tokens -= 1.0;
      CHECK((wait(throttle, rate, at(std::chrono::nanoseconds(now))) == 0ns) == expected);
    }
  }
}
