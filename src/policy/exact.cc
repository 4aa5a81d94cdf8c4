#include "policy/exact.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>

namespace latticegate::policy {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes exactly `count` digits off the front.
std::optional<int> digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return {};
  int number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return {};
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool skip(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> date(std::string_view& text) {
  const auto year = digits(text, 4);
  if (!year || !skip(text, '-')) return {};
  const auto month = digits(text, 2);
  if (!month || !skip(text, '-')) return {};
  const auto day = digits(text, 2);
  if (!day) return {};
  const std::chrono::year_month_day ymd(std::chrono::year(*year),
                                        std::chrono::month(static_cast<unsigned>(*month)),
                                        std::chrono::day(static_cast<unsigned>(*day)));
  if (!ymd.ok()) return {};
  return std::int64_t{std::chrono::sys_days(ymd).time_since_epoch().count()} * 86'400'000;
}

// ".678": milliseconds.
std::optional<int> fraction(std::string_view& text) {
  if (!skip(text, '.')) return 0;
  if (text.empty() || !is_digit(text.front())) return {};
  int number = 0;
  int weight = 100;
  while (!text.empty() && is_digit(text.front())) {
    const int digit = text.front() - '0';
    if (weight == 0 && digit != 0) return {};
    number += digit * weight;
    weight /= 10;
    text.remove_prefix(1);
  }
  return number;
}

// "Z" or "+01:30", as minutes.
std::optional<int> zone(std::string_view& text) {
  if (skip(text, 'Z') || skip(text, 'z')) return 0;
  const bool west = text.starts_with('-');
  if (!west && !text.starts_with('+')) return {};
  text.remove_prefix(1);
  const auto hours = digits(text, 2);
  if (!hours || *hours > 23 || !skip(text, ':')) return {};
  const auto minutes = digits(text, 2);
  if (!minutes || *minutes > 59) return {};
  const int total = *hours * 60 + *minutes;
  return west ? -total : total;
}

}  // namespace

std::optional<std::int64_t> exact_decimal(std::string_view text) {
  const bool negative = skip(text, '-');
  std::int64_t exponent = 4;
  const auto e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    skip(power, '+');
    int given = 0;
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), given);
    if (power.empty() || error != std::errc() || end != power.data() + power.size() ||
        given > 1'000 || given < -1'000)
      return {};
    exponent += given;
    text = text.substr(0, e);
  }
  // The digits without leading zeros; trailing zeros wait until another digit follows them.
  std::int64_t number = 0;
  std::int64_t zeros = 0;
  bool after_point = false;
  bool any = false;
  for (const char c : text) {
    if (c == '.' && !after_point) {
      after_point = true;
      continue;
    }
    if (!is_digit(c)) return {};
    any = true;
    if (after_point) --exponent;
    ++zeros;
    if (c == '0') continue;
    if (number == 0) zeros = 1;
    for (; zeros > 0; --zeros)
      if (__builtin_mul_overflow(number, std::int64_t{10}, &number)) return {};
    if (__builtin_add_overflow(number, std::int64_t{c - '0'}, &number)) return {};
  }
  if (!any) return {};
  if (number == 0) return 0;
  exponent += zeros;
  if (exponent < 0) return {};
  for (; exponent > 0; --exponent)
    if (__builtin_mul_overflow(number, std::int64_t{10}, &number)) return {};
  return negative ? -number : number;
}

std::optional<std::int64_t> exact_date(std::string_view text) {
  const auto days = date(text);
  return text.empty() ? days : std::nullopt;
}

std::optional<std::int64_t> exact_time(std::string_view text) {
  const auto days = date(text);
  if (!days || text.empty() || (text.front() != 'T' && text.front() != 't' && text.front() != ' '))
    return {};
  text.remove_prefix(1);
  const auto hours = digits(text, 2);
  if (!hours || *hours > 23 || !skip(text, ':')) return {};
  const auto minutes = digits(text, 2);
  if (!minutes || *minutes > 59 || !skip(text, ':')) return {};
  const auto seconds = digits(text, 2);
  if (!seconds || *seconds > 59) return {};
  const auto milliseconds = fraction(text);
  if (!milliseconds) return {};
  const auto offset = zone(text);
  if (!offset || !text.empty()) return {};
  return *days + ((std::int64_t{*hours} * 60 + *minutes - *offset) * 60 + *seconds) * 1'000 +
         *milliseconds;
}

std::optional<std::int64_t> exact_duration(std::string_view text) {
  struct Unit {
    char letter;
    bool time;
    std::int64_t milliseconds;
  };
  constexpr auto units = std::to_array<Unit>({{'W', false, 604'800'000},
                                              {'D', false, 86'400'000},
                                              {'H', true, 3'600'000},
                                              {'M', true, 60'000},
                                              {'S', true, 1'000}});
  const bool negative = skip(text, '-');
  if (!skip(text, 'P')) return {};
  std::int64_t total = 0;
  std::size_t unit = 0;
  bool time = false;
  bool any = false;
  bool after_t = false;
  while (!text.empty()) {
    if (!time && skip(text, 'T')) {
      time = after_t = true;
      continue;
    }
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end == text.data() || number < 0 || text.front() == '-') return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const bool fractional = text.starts_with('.');
    const auto milliseconds = fraction(text);
    if (!milliseconds || text.empty()) return {};
    while (unit < units.size() && (units[unit].letter != text.front() || units[unit].time != time))
      ++unit;
    if (unit == units.size() || (fractional && text.front() != 'S')) return {};
    std::int64_t part = 0;
    if (__builtin_mul_overflow(number, units[unit].milliseconds, &part) ||
        __builtin_add_overflow(total, part, &total) ||
        __builtin_add_overflow(total, std::int64_t{*milliseconds}, &total))
      return {};
    text.remove_prefix(1);
    ++unit;
    any = true;
    after_t = false;
  }
  if (!any || after_t) return {};
  return negative ? -total : total;
}

}  // namespace latticegate::policy
