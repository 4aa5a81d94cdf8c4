// JSON of a record, written at a pointer without asking for room: whoever calls has proved that
// there is enough (audit/record.cc). Belongs to record.cc alone.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/random.h"

namespace latticegate::audit::detail {

inline constexpr std::int64_t exact = 9'007'199'254'740'991;  // the largest integer of RFC 8785

inline constexpr std::array<char, 16> hex{'0', '1', '2', '3', '4', '5', '6', '7',
                                          '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

// Whether the text can stand between quotes as it is: printable ASCII without quote and backslash.
inline bool plain(std::string_view text) {
  if (text.empty()) return true;
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t highs = 0x8080808080808080U;
  const auto zero_in = [](std::uint64_t x) { return (x - ones) & ~x & highs; };
  const auto special = [&](std::uint64_t x) {
    return (x & highs) | ((x - ones * 0x20) & ~x & highs) | zero_in(x ^ ones * '"') |
           zero_in(x ^ ones * '\\');
  };
  std::size_t i = 0;
  for (; text.size() - i >= 8; i += 8) {
    std::uint64_t x = 0;
    std::memcpy(&x, text.data() + i, 8);
    if (special(x) != 0) return false;
  }
  if (i == text.size()) return true;
  std::uint64_t x = ones * ' ';
  std::memcpy(&x, text.data() + i, text.size() - i);
  return special(x) == 0;
}

// The length of the well-formed UTF-8 character at the beginning, or 0.
inline std::size_t character(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length)
    if (base::is_utf8(text.substr(0, length))) return length;
  return 0;
}

// Writes JSON at a pointer, without asking for room: the limits above prove that there is enough.
// Every member begins with a comma; the object's first comma becomes its brace.
class Emit {
 public:
  explicit Emit(char* at) : at_(at) {}
  char* at() const { return at_; }

  template <std::size_t N>
  void text(const char (&literal)[N]) {
    std::memcpy(at_, literal, N - 1);
    at_ += N - 1;
  }

  template <std::size_t N>
  void string(const char (&key)[N], std::string_view value, std::size_t limit) {
    if (value.empty()) return;
    text(key);
    string(value, limit);
  }

  void string(std::string_view value, std::size_t limit) {
    *at_++ = '"';
    if (value.size() <= limit && plain(value)) [[likely]] {
      at_ = std::ranges::copy(value, at_).out;
    } else {
      escaped(value, limit);
    }
    *at_++ = '"';
  }

  void digits(std::int64_t value) {
    if (value < 0) *at_++ = '-';
    auto rest =
        static_cast<std::uint64_t>(std::min(value < 0 ? -std::max(value, -exact) : value, exact));
    std::array<char, 20> reversed{};
    std::size_t count = 0;
    do {
      reversed[count++] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    } while (rest != 0);
    while (count != 0) *at_++ = reversed[--count];
  }

  template <std::size_t N>
  void number(const char (&key)[N], std::int64_t value) {
    if (value < 0) return;
    text(key);
    digits(value);
  }

  // Nanoseconds as milliseconds. 15 digits at most, so that this is the shortest form of the double
  // that it means.
  template <std::size_t N>
  void milliseconds(const char (&key)[N], std::int64_t ns) {
    if (ns < 0) return;
    text(key);
    ns = std::min<std::int64_t>(ns, 999'999'999'999'999);
    digits(ns / 1'000'000);
    std::int64_t fraction = ns % 1'000'000;
    if (fraction == 0) return;
    *at_++ = '.';
    for (std::int64_t place = 100'000; fraction != 0; place /= 10) {
      *at_++ = static_cast<char>('0' + fraction / place);
      fraction %= place;
    }
  }

  template <std::size_t N>
  void uuid(const char (&key)[N], const crypto::Uuid& value) {
    if (value.is_nil()) return;
    text(key);
    *at_++ = '"';
    at_ = crypto::write_to(at_, value);
    *at_++ = '"';
  }

  void as_it_is(std::string_view text) { at_ = std::ranges::copy(text, at_).out; }
  void zeros(std::size_t count) {
    std::memset(at_, '0', count);
    at_ += count;
  }

  template <std::size_t N>
  void raw(const char (&key)[N], std::string_view json) {
    if (json.empty()) return;
    text(key);
    at_ = std::ranges::copy(json, at_).out;
  }

  // An object of the members that `members` writes; nothing at all if it writes none.
  template <std::size_t N>
  void object(const char (&key)[N], std::invocable auto members) {
    char* const before = at_;
    text(key);
    char* const open = at_;
    members();
    if (at_ == open) {
      at_ = before;
      return;
    }
    *open = '{';
    *at_++ = '}';
  }

  // A list of whatever `element` writes, within a budget of bytes.
  template <std::size_t N, class T>
  void list(const char (&key)[N], std::span<const T> values, std::size_t budget,
            std::invocable<const T&> auto element) {
    if (values.empty()) return;
    text(key);
    *at_++ = '[';
    char* const begin = at_;
    for (std::size_t i = 0; i < values.size(); ++i) {
      char* const before = at_;
      if (i != 0) *at_++ = ',';
      element(values[i]);
      if (static_cast<std::size_t>(at_ - begin) <= budget) continue;
      at_ = before;
      if (i != 0) *at_++ = ',';
      *at_++ = '"';
      cut(values.size() - i);
      *at_++ = '"';
      break;
    }
    *at_++ = ']';
  }

  template <std::size_t N>
  void list(const char (&key)[N], std::span<const std::string_view> values, std::size_t budget,
            std::size_t name) {
    list(key, values, budget, [&](const std::string_view& value) { string(value, name); });
  }

 private:
  void cut(std::size_t missing) {
    text("[cut ");
    digits(static_cast<std::int64_t>(missing));
    *at_++ = ']';
  }

  void escaped(std::string_view value, std::size_t limit) {
    const char* const end = at_ + limit;
    for (std::size_t i = 0; i < value.size();) {
      const auto c = static_cast<unsigned char>(value[i]);
      if (end - at_ < 6) {  // the longest that one character can become
        // What is left may still fit: then there is no reason to cut.
        const std::string_view rest = value.substr(i);
        if (!plain(rest) || rest.size() > static_cast<std::size_t>(end - at_)) {
          cut(rest.size());
          return;
        }
      }
      if (c >= 0x80 || c == 0) {
        const std::size_t length = c == 0 ? 0 : character(value.substr(i));
        if (length == 0) {
          text("\xEF\xBF\xBD");
          ++i;
        } else {
          std::memcpy(at_, value.data() + i, length);
          at_ += length;
          i += length;
        }
        continue;
      }
      ++i;
      if (c >= 0x20 && c != '"' && c != '\\') {
        *at_++ = static_cast<char>(c);
        continue;
      }
      *at_++ = '\\';
      switch (c) {
        case '"':
        case '\\': *at_++ = static_cast<char>(c); break;
        case '\b': *at_++ = 'b'; break;
        case '\f': *at_++ = 'f'; break;
        case '\n': *at_++ = 'n'; break;
        case '\r': *at_++ = 'r'; break;
        case '\t': *at_++ = 't'; break;
        default:
          text("u00");
          *at_++ = hex[c >> 4];
          *at_++ = hex[c & 15];
      }
    }
  }

  char* at_;
};

}  // namespace latticegate::audit::detail
