#include "gateway/alert_filter.h"

#include <doctest/doctest.h>

#include <chrono>
#include <format>

using namespace latticegate;
using namespace std::chrono_literals;
using gateway::AlertFilter;
using Verdict = AlertFilter::Verdict;

namespace {

constexpr base::Instant start{1h};

}  // namespace

TEST_CASE("the same is told once in a while, then with how often it came") {
  AlertFilter filter;
  CHECK(filter.judge("kill bot", start, 5min, 30).verdict == Verdict::told);
  for (int i = 1; i < 5; ++i)
    CHECK(filter.judge("kill bot", start + i * 1min, 5min, 30).verdict == Verdict::repeated);
  CHECK(filter.judge("kill other", start + 4min, 5min, 30).verdict == Verdict::told);
  const auto again = filter.judge("kill bot", start + 5min, 5min, 30);
  CHECK(again.verdict == Verdict::told);
  CHECK(again.repeats == 4);
  CHECK(filter.judge("kill bot", start + 10min, 5min, 30).repeats == 0);
}

TEST_CASE("a storm is told as a number") {
  AlertFilter filter;
  int told = 0;
  for (int i = 0; i < 1'000; ++i)
    if (filter.judge(std::format("kill bot-{}", i), start + i * 1ms, 5min, 30).verdict ==
        Verdict::told)
      ++told;
  CHECK(told == 30);
  const auto next = filter.judge("hold crm", start + 2min, 5min, 30);
  CHECK(next.verdict == Verdict::told);
  CHECK(next.left_out == 970);
  CHECK(filter.judge("hold other", start + 2min, 5min, 30).left_out == 0);
  // What was left out was not told, so it is news when it comes again.
  CHECK(filter.judge("kill bot-999", start + 2min, 5min, 30).verdict == Verdict::told);
}

TEST_CASE("repeat 0 tells each") {
  AlertFilter filter;
  for (int i = 0; i < 10; ++i)
    CHECK(filter.judge("kill bot", start, 0ms, 30).verdict == Verdict::told);
}

TEST_CASE("names fill no memory") {
  AlertFilter filter;
  for (int i = 0; i < 5'000; ++i)
    (void)filter.judge(std::format("kill bot-{}", i), start + i * 10ms, 24h, 10'000);
  CHECK(filter.judge("kill bot-4999", start + 60s, 24h, 10'000).verdict == Verdict::repeated);
  CHECK(filter.judge("kill bot-0", start + 60s, 24h, 10'000).verdict == Verdict::told);
}
