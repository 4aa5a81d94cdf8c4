#include "gateway/outages.h"

#include <doctest/doctest.h>

using namespace latticegate;
using gateway::Outages;

TEST_CASE("a server that fails rests twice as long each time, up to a minute") {
  Outages outages;
  base::Instant now{};
  CHECK_FALSE(outages.rests("crm", now));
  CHECK(outages.failed("crm", now));
  CHECK(outages.rests("crm", now));
  CHECK_FALSE(outages.rests("files", now));
  CHECK_FALSE(outages.failed("crm", now));  // the same outage, found out twice
  std::chrono::milliseconds rest{500};
  for (int i = 0; i < 12; ++i) {
    now += rest - std::chrono::milliseconds(1);
    CHECK(outages.rests("crm", now));
    now += std::chrono::milliseconds(1);
    CHECK_FALSE(outages.rests("crm", now));
    CHECK_FALSE(outages.failed("crm", now));
    rest = std::min(rest * 2, std::chrono::milliseconds(60'000));
  }
  CHECK(outages.all() == std::vector<std::string>{"crm"});
  CHECK(outages.answered("crm"));
  CHECK_FALSE(outages.answered("crm"));
  CHECK_FALSE(outages.rests("crm", now));
  CHECK(outages.failed("crm", now));
}
