#include "store/pace.h"

#include <doctest/doctest.h>

using latticegate::store::Pace;

TEST_CASE("a lone caller never waits") {
  Pace pace;
  for (int i = 0; i < 100; ++i) {
    CHECK(pace.target() == 1);
    pace.committed(i % 3 == 0 ? 1 : 0);  // sometimes a second one comes by
  }
}

TEST_CASE("many callers are gathered, up to a limit, and as far as commits leave records behind") {
  Pace pace;
  for (int i = 0; i < 100; ++i) pace.committed(10);
  CHECK(pace.target() == Pace::most);
  Pace modest;
  for (int i = 0; i < 100; ++i) modest.committed(2);
  CHECK(modest.target() == 27);
}

TEST_CASE("the target falls at once when callers leave or rest") {
  Pace pace;
  for (int i = 0; i < 100; ++i) pace.committed(10);
  pace.fell_short(3);
  CHECK(pace.target() == 3);
  pace.fell_short(0);
  CHECK(pace.target() == 1);
  for (int i = 0; i < 3; ++i) pace.committed(10);
  pace.rested();
  CHECK(pace.target() == 1);
}
