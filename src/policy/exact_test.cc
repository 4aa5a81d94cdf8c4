#include "policy/exact.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string_view>

using namespace latticegate::policy;

namespace {

constexpr std::int64_t none = INT64_MIN;  // no case below has this value

struct Row {
  std::string_view text;
  std::int64_t value = none;
};

template <std::size_t n>
void all(const Row (&rows)[n], std::optional<std::int64_t> (*read)(std::string_view)) {
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(read(row.text).value_or(none) == row.value);
  }
}

}  // namespace

TEST_CASE("numbers are decimals exactly or not at all") {
  constexpr Row rows[] = {
      {"0", 0},
      {"-0", 0},
      {"5", 50'000},
      {"5.25", 52'500},
      {"-5.25", -52'500},
      {"0.0001", 1},
      {"0.00010", 1},
      {"0.00001", none},
      {"2.00004", none},
      {"5e3", 50'000'000},
      {"5E-4", 5},
      {"5e-5", none},
      {"50e-5", 5},
      {"500000000e-12", 5},
      {"0e999", 0},
      {"0.000e-900", 0},
      {"1e1001", none},
      {"100000", 1'000'000'000},
      {"922337203685477.5807", 9'223'372'036'854'775'807},
      {"922337203685477.5808", none},
      {"1e15", none},
      {"123456789012345678901234567890", none},
      {"10000000000000000000000000000000000000e-37", 10'000},
      {"1.20", 12'000},
      {"1020.5060", 10'205'060},
      {"", none},
      {"-", none},
      {"1.2.3", none},
      {"0x5", none},
  };
  all(rows, exact_decimal);
}

TEST_CASE("dates and times") {
  constexpr Row dates[] = {
      {"1970-01-01", 0},     {"1970-01-02", 86'400'000},    {"2024-02-29", 1'709'164'800'000},
      {"2023-02-29", none},  {"2024-13-01", none},          {"2024-1-1", none},
      {"2024-01-01 ", none}, {"2024-01-01T00:00:00Z", none}};
  all(dates, exact_date);
  constexpr Row times[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"1970-01-01t00:00:01z", 1'000},
      {"1970-01-01 00:00:01Z", 1'000},
      {"1970-01-01T01:00:00+01:00", 0},
      {"1969-12-31T23:30:00-00:30", 0},
      {"1970-01-01T00:00:00.5Z", 500},
      {"1970-01-01T00:00:00.123Z", 123},
      {"1970-01-01T00:00:00.123000Z", 123},
      {"1970-01-01T00:00:00.123456Z", none},
      {"1970-01-01T00:00:00.Z", none},
      {"1970-01-01T00:00:00", none},
      {"1970-01-01", none},
      {"1970-01-01T24:00:00Z", none},
      {"1970-01-01T23:59:60Z", none},
      {"1970-01-01T00:00:00+0100", none},
      {"1970-01-01T00:00:00Zx", none},
      {"", none},
  };
  all(times, exact_time);
}

TEST_CASE("durations") {
  constexpr Row rows[] = {
      {"PT1S", 1'000},
      {"P1D", 86'400'000},
      {"P1DT2H30M", 95'400'000},
      {"P2W", 1'209'600'000},
      {"PT0.5S", 500},
      {"-PT1M", -60'000},
      {"P1M", none},
      {"P1Y", none},
      {"PT", none},
      {"P", none},
      {"P1DT", none},
      {"PT1H1H", none},
      {"PT1M1H", none},
      {"PT1.5H", none},
      {"P-1D", none},
      {"1h", none},
      {"P99999999999999999999D", none},
      {"P9999999999999D", none},
      {"", none},
      {"PT1S ", none},
      {"P1H", none},
  };
  all(rows, exact_duration);
}
