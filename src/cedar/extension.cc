#include "cedar/extension.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <limits>

namespace latticegate::cedar {
namespace {

constexpr std::int64_t ms_per_day = 86'400'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Consumes exactly `count` digits.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// hh, mm or ss below a bound.
std::optional<int> take_below(std::string_view& text, int bound) {
  const auto number = take_digits(text, 2);
  return number && *number < bound ? number : std::nullopt;
}

bool parse_v4(std::string_view text, IpRange& range) {
  for (std::size_t part = 0; part < 4; ++part) {
    if (part > 0 && !take(text, '.')) return false;
    std::size_t digits = 0;
    unsigned number = 0;
    while (digits < text.size() && digits < 3 && is_digit(text[digits]))
      number = number * 10 + static_cast<unsigned>(text[digits++] - '0');
    if (digits == 0 || number > 255 || (digits > 1 && text[0] == '0')) return false;
    range.address[part] = static_cast<std::uint8_t>(number);
    text.remove_prefix(digits);
  }
  range.v6 = false;
  return text.empty();
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads up to `most` groups of one to four hexadecimal digits, separated by ':'. Stops before "::"
// or the end.
std::size_t take_groups(std::string_view& text, std::array<std::uint16_t, 8>& groups,
                        std::size_t most) {
  std::size_t count = 0;
  while (count < most) {
    std::string_view rest = text;
    if (count > 0 && !take(rest, ':')) break;
    std::size_t digits = 0;
    unsigned number = 0;
    while (digits < rest.size() && digits < 4 && hex_digit(rest[digits]) >= 0)
      number = number * 16 + static_cast<unsigned>(hex_digit(rest[digits++]));
    if (digits == 0) break;
    groups[count++] = static_cast<std::uint16_t>(number);
    rest.remove_prefix(digits);
    text = rest;
  }
  return count;
}

bool parse_v6(std::string_view text, IpRange& range) {
  std::array<std::uint16_t, 8> head{};
  const std::size_t before = take_groups(text, head, 8);
  if (before < 8) {
    if (!text.starts_with("::")) return false;
    text.remove_prefix(2);
    std::array<std::uint16_t, 8> tail{};
    const std::size_t after = take_groups(text, tail, 7 - before);
    std::copy_n(tail.begin(), after, head.end() - static_cast<std::ptrdiff_t>(after));
  }
  for (std::size_t i = 0; i < 8; ++i) {
    range.address[2 * i] = static_cast<std::uint8_t>(head[i] >> 8U);
    range.address[2 * i + 1] = static_cast<std::uint8_t>(head[i] & 0xFFU);
  }
  range.v6 = true;
  return text.empty();
}

// The bits of the address after the prefix are ignored.
bool same_prefix(const IpRange& a, const IpRange& b, std::uint8_t bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.address.begin(), a.address.begin() + static_cast<std::ptrdiff_t>(whole),
                  b.address.begin()))
    return false;
  const unsigned rest = bits % 8U;
  if (rest == 0) return true;
  const unsigned shift = 8U - rest;
  return (unsigned{a.address[whole]} >> shift) == (unsigned{b.address[whole]} >> shift);
}

}  // namespace

std::optional<std::int64_t> parse_decimal(std::string_view text) {
  const bool negative = take(text, '-');
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos || point == 0) return std::nullopt;
  const std::string_view fraction = text.substr(point + 1);
  if (fraction.empty() || fraction.size() > 4) return std::nullopt;
  const std::uint64_t limit = (std::uint64_t{1} << 63U) - (negative ? 0 : 1);
  std::uint64_t number = 0;
  const auto push = [&](unsigned digit) {
    if (number > (limit - digit) / 10) return false;
    number = number * 10 + digit;
    return true;
  };
  for (const char c : text.substr(0, point))
    if (!is_digit(c) || !push(static_cast<unsigned>(c - '0'))) return std::nullopt;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i < fraction.size() && !is_digit(fraction[i])) return std::nullopt;
    if (!push(i < fraction.size() ? static_cast<unsigned>(fraction[i] - '0') : 0))
      return std::nullopt;
  }
  return negative ? static_cast<std::int64_t>(~number + 1) : static_cast<std::int64_t>(number);
}

std::optional<IpRange> parse_ip(std::string_view text) {
  if (text.size() > 43) return std::nullopt;
  IpRange range;
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  if (!parse_v4(address, range) && !parse_v6(address, range)) return std::nullopt;
  const unsigned most = range.v6 ? 128 : 32;
  range.prefix = static_cast<std::uint8_t>(most);
  if (slash == std::string_view::npos) return range;
  const std::string_view digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  unsigned prefix = 0;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    prefix = prefix * 10 + static_cast<unsigned>(c - '0');
  }
  if (prefix > most) return std::nullopt;
  range.prefix = static_cast<std::uint8_t>(prefix);
  return range;
}

std::optional<std::int64_t> parse_datetime(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  std::int64_t time =
      std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * ms_per_day;
  if (text.empty()) return time;

  if (!take(text, 'T')) return std::nullopt;
  const auto hour = take_below(text, 24);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_below(text, 60);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_below(text, 60);
  if (!second) return std::nullopt;
  time += ((std::int64_t{*hour} * 60 + *minute) * 60 + *second) * 1000;
  if (take(text, '.')) {
    const auto fraction = take_digits(text, 3);
    if (!fraction) return std::nullopt;
    time += *fraction;
  }
  if (text == "Z") return time;
  const bool west = text.starts_with('-');
  if (!west && !text.starts_with('+')) return std::nullopt;
  text.remove_prefix(1);
  const auto offset_hours = take_below(text, 24);
  if (!offset_hours) return std::nullopt;
  const auto offset_minutes = take_below(text, 60);
  if (!offset_minutes || !text.empty()) return std::nullopt;
  const std::int64_t offset = (std::int64_t{*offset_hours} * 60 + *offset_minutes) * 60'000;
  return west ? time + offset : time - offset;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    std::int64_t milliseconds;
  };
  static constexpr std::array<Unit, 5> units{
      {{"d", ms_per_day}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
  const bool negative = take(text, '-');
  if (text.empty()) return std::nullopt;
  std::int64_t sum = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    std::int64_t number = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && is_digit(text[digits]); ++digits) {
      const int digit = text[digits] - '0';
      if (__builtin_mul_overflow(number, std::int64_t{10}, &number) ||
          __builtin_add_overflow(number, std::int64_t{negative ? -digit : digit}, &number))
        return std::nullopt;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    std::size_t letters = 0;
    while (letters < text.size() && !is_digit(text[letters])) ++letters;
    const std::string_view suffix = text.substr(0, letters);
    while (next_unit < units.size() && units[next_unit].suffix != suffix) ++next_unit;
    if (next_unit == units.size()) return std::nullopt;
    std::int64_t term = 0;
    if (__builtin_mul_overflow(number, units[next_unit].milliseconds, &term) ||
        __builtin_add_overflow(sum, term, &sum))
      return std::nullopt;
    ++next_unit;
    text.remove_prefix(letters);
  }
  return sum;
}

std::string decimal_text(std::int64_t ten_thousandths) {
  const bool negative = ten_thousandths < 0;
  const std::uint64_t magnitude = negative ? ~static_cast<std::uint64_t>(ten_thousandths) + 1
                                           : static_cast<std::uint64_t>(ten_thousandths);
  std::string text =
      std::format("{}{}.{:04}", negative ? "-" : "", magnitude / 10'000, magnitude % 10'000);
  while (text.ends_with('0') && text[text.size() - 2] != '.') text.pop_back();
  return text;
}

std::string ip_text(const IpRange& range) {
  std::string text;
  if (range.v6) {
    for (std::size_t i = 0; i < 16; i += 2)
      text += std::format("{}{:x}", i > 0 ? ":" : "",
                          (unsigned{range.address[i]} << 8U) | range.address[i + 1]);
  } else {
    for (std::size_t i = 0; i < 4; ++i) {
      if (i > 0) text += '.';
      text += std::to_string(range.address[i]);
    }
  }
  if (range.prefix != (range.v6 ? 128 : 32)) text += std::format("/{}", range.prefix);
  return text;
}

std::string datetime_text(std::int64_t milliseconds) {
  using namespace std::chrono;
  const std::int64_t days_since =
      milliseconds / ms_per_day - (milliseconds % ms_per_day < 0 ? 1 : 0);
  if (days_since < -719528 || days_since > 2932896)  // years 0000 to 9999
    return std::format("datetime(\"1970-01-01\").offset(duration(\"{}\"))",
                       duration_text(milliseconds));
  const year_month_day date{sys_days(days(days_since))};
  const std::int64_t rest = milliseconds - days_since * ms_per_day;
  return std::format("datetime(\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\")", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, rest / 3'600'000,
                     rest / 60'000 % 60, rest / 1'000 % 60, rest % 1'000);
}

std::string duration_text(std::int64_t milliseconds) { return std::to_string(milliseconds) + "ms"; }

bool in_range(const IpRange& range, const IpRange& outer) {
  return range.v6 == outer.v6 && range.prefix >= outer.prefix &&
         same_prefix(range, outer, outer.prefix);
}

bool is_loopback(const IpRange& range) {
  if (!range.v6) return range.address[0] == 127 && range.prefix >= 8;
  return range.prefix == 128 && range.address[15] == 1 &&
         std::all_of(range.address.begin(), range.address.end() - 1,
                     [](std::uint8_t b) { return b == 0; });
}

bool is_multicast(const IpRange& range) {
  if (!range.v6) return (range.address[0] >> 4U) == 14 && range.prefix >= 4;
  return range.address[0] == 0xFF && range.prefix >= 8;
}

}  // namespace latticegate::cedar
