#include "inspect/planted.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace latticegate::inspect {
namespace {

constexpr std::size_t half = 12;
constexpr std::size_t whole = 2 * half;
constexpr std::size_t of_uuid = 32;
constexpr std::uint32_t deepest = 64;

std::string proof(std::string_view key, std::string_view digits) {
  return crypto::to_hex(crypto::hmac_sha256(key, std::format("planted {}", digits)))
      .substr(0, half);
}

bool is_planted(std::string_view key, std::string_view digits) {
  if (digits.size() == whole) return proof(key, digits.substr(0, half)) == digits.substr(half);
  if (digits.size() == of_uuid)
    return proof(key, digits.substr(0, half)) == digits.substr(of_uuid - half);
  return false;
}

bool found(std::string_view key, json::Value value, std::uint32_t depth) {
  if (depth > deepest) return false;
  if (const auto text = value.string()) return has_planted(key, *text);
  if (value.is_array()) {
    for (const json::Value element : value.elements())
      if (found(key, element, depth + 1)) return true;
  }
  for (const json::Member member : value.members())
    if (has_planted(key, member.key) || found(key, member.value, depth + 1)) return true;
  return false;
}

}  // namespace

std::string plant(std::string_view key, crypto::Random& random) {
  std::array<std::byte, half / 2> bytes{};
  random.fill(bytes);
  std::string digits = base::to_hex(bytes);
  return digits + proof(key, digits);
}

std::string as_uuid(std::string_view mark) {
  base::check(mark.size() == whole, "a mark has 24 digits");
  return std::format("{}-{}-4{}-9{}-{}", mark.substr(0, 8), mark.substr(8, 4), mark.substr(2, 3),
                     mark.substr(5, 3), mark.substr(half));
}

bool has_planted(std::string_view key, std::string_view text) {
  if (text.size() < whole) return false;
  // Digits in a row, and those of a UUID with its dashes between them.
  struct Run {
    std::array<char, of_uuid> digits{};
    std::size_t length = 0;  // above the array: too long to be one
    void add(char digit) {
      if (length < digits.size()) digits.at(length) = digit;
      ++length;
    }
    std::string_view take() {
      const std::size_t size = std::exchange(length, 0);
      return {digits.data(), size <= digits.size() ? size : 0};
    }
  };
  Run row;
  Run uuid;
  for (const char c : text) {
    const char digit = c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c;
    if ((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f')) {
      row.add(digit);
      uuid.add(digit);
      continue;
    }
    if (is_planted(key, row.take())) return true;
    if (c != '-' && is_planted(key, uuid.take())) return true;
  }
  return is_planted(key, row.take()) || is_planted(key, uuid.take());
}

bool has_planted(std::string_view key, json::Value value, std::span<const std::string> revealed) {
  return found(key, value, 0) || std::ranges::any_of(revealed, [&](const std::string& text) {
           return has_planted(key, std::string_view(text));
         });
}

}  // namespace latticegate::inspect
