#include "json/skim.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <cstdint>

namespace latticegate::json {
namespace {

#if defined(__SSE2__)
constexpr std::ptrdiff_t block = 64;

__m128i at(const char* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(static_cast<const void*>(from)));
}
std::uint32_t equal(__m128i bytes, char wanted) {
  return static_cast<std::uint32_t>(
      _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted))));
}

// One bit for each byte of a block.
struct Marks {
  std::uint64_t quotes = 0;
  std::uint64_t backslashes = 0;
  std::uint64_t opening = 0;  // '{' and '['
  std::uint64_t closing = 0;
};
Marks marks_of(const char* from) {
  Marks marks;
  const __m128i one_case =
      _mm_set1_epi8(0x20);  // '[' and ']' become '{' and '}', nothing else does
  for (unsigned i = 0; i < 4; ++i) {
    const __m128i bytes = at(from + std::ptrdiff_t{16} * i);
    const __m128i folded = _mm_or_si128(bytes, one_case);
    marks.quotes |= std::uint64_t{equal(bytes, '"')} << (16 * i);
    marks.backslashes |= std::uint64_t{equal(bytes, '\\')} << (16 * i);
    marks.opening |= std::uint64_t{equal(folded, '{')} << (16 * i);
    marks.closing |= std::uint64_t{equal(folded, '}')} << (16 * i);
  }
  return marks;
}

// Of each bit, whether an odd number of bits is set up to it.
std::uint64_t inside(std::uint64_t quotes) {
  for (const unsigned by : {1U, 2U, 4U, 8U, 16U, 32U}) quotes ^= quotes << by;
  return quotes;
}
#endif

// What numbers and the three words are made of.
bool in_scalar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
         c == 'E';
}

bool after(std::string_view name, std::string_view before) {
  if (!name.empty() && !before.empty() && name[0] != before[0])
    return static_cast<unsigned char>(name[0]) > static_cast<unsigned char>(before[0]);
  return name > before;
}

}  // namespace

// To the next quote or backslash.
void Skim::find_mark() {
#if defined(__SSE2__)
  for (; end_ - at_ >= 16; at_ += 16) {
    const __m128i bytes = at(at_);
    const std::uint32_t found = equal(bytes, '"') | equal(bytes, '\\');
    if (found == 0) continue;
    at_ += std::countr_zero(found);
    return;
  }
#endif
  while (at_ != end_ && *at_ != '"' && *at_ != '\\') ++at_;
}

// Behind the closing quote; the opening one is behind us.
void Skim::pass_string() {
  for (;;) {
    find_mark();
    if (at_ == end_) return fail();
    if (*at_++ == '"') return;
    if (at_ == end_) return fail();
    ++at_;  // what is escaped
  }
}

// Behind the bracket that closes; the opening one is behind us.
void Skim::pass_nested() {
  std::uint64_t open = 1;
#if defined(__SSE2__)
  std::uint64_t in_string = 0;  // all bits, or none
  for (; end_ - at_ >= block; at_ += block) {
    const Marks marks = marks_of(at_);
    if (marks.backslashes != 0) break;  // rare: what is left goes the plain way
    const std::uint64_t strings = inside(marks.quotes) ^ in_string;
    const std::uint64_t closing = marks.closing & ~strings;
    const std::uint64_t opening = marks.opening & ~strings;
    if (static_cast<std::uint64_t>(std::popcount(closing)) >= open) {
      for (std::uint64_t both = closing | opening; both != 0; both &= both - 1) {
        const std::uint64_t lowest = both & (0 - both);
        if ((opening & lowest) != 0) {
          ++open;
        } else if (--open == 0) {
          at_ += std::countr_zero(lowest) + 1;
          return;
        }
      }
    } else {
      open += static_cast<std::uint64_t>(std::popcount(opening)) -
              static_cast<std::uint64_t>(std::popcount(closing));
    }
    in_string = 0 - (strings >> 63U);
  }
  if (in_string != 0) pass_string();
#endif
  while (at_ != end_) switch (*at_++) {
      case '"': pass_string(); break;
      case '{':
      case '[': ++open; break;
      case '}':
      case ']':
        if (--open == 0) return;
        break;
      default: break;
    }
  fail();
}

void Skim::pass_value() {
  switch (peek()) {
    case '"': ++at_; return pass_string();
    case '{':
    case '[': ++at_; return pass_nested();
    default: break;
  }
  const char* const begin = at_;
  while (at_ != end_ && in_scalar(*at_)) ++at_;
  if (at_ == begin) fail();
}

bool Skim::member(std::string_view& key) {
  if (odd_) return false;
  if (take('}')) {
    fresh_ = false;
    return false;
  }
  const bool first = fresh_;
  if ((!first && !take(',')) || !take('"')) {
    fail();
    return false;
  }
  fresh_ = false;
  const char* const begin = at_;
  find_mark();
  const std::string_view name(begin, static_cast<std::size_t>(at_ - begin));
  if (!take('"') || !take(':') || (!first && !after(name, key))) {
    fail();
    return false;
  }
  key = name;
  return true;
}

bool Skim::element() {
  if (odd_) return false;
  if (take(']')) {
    fresh_ = false;
    return false;
  }
  if (!fresh_ && !take(',')) {
    fail();
    return false;
  }
  fresh_ = false;
  return true;
}

std::string_view Skim::value() {
  if (odd_) return {};
  const char* const begin = at_;
  pass_value();
  fresh_ = false;
  return odd_ ? std::string_view() : std::string_view(begin, static_cast<std::size_t>(at_ - begin));
}

}  // namespace latticegate::json
