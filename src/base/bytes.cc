#include "base/bytes.h"

#include <array>

namespace latticegate::base {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr auto base64_values = [] {
  std::array<signed char, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < base64_digits.size(); ++i)
    table[static_cast<unsigned char>(base64_digits[i])] = static_cast<signed char>(i);
  return table;
}();

unsigned byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

}  // namespace

ByteView bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string_view text_of(ByteView bytes) {
  return {static_cast<const char*>(static_cast<const void*>(bytes.data())), bytes.size()};
}

std::string to_hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out += hex_digits[std::to_integer<unsigned>(b) >> 4];
    out += hex_digits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = bytes.size() - i < 3 ? bytes.size() - i : 3;
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? std::to_integer<unsigned>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j)
      out += j <= count ? base64_digits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::string to_base64url(ByteView bytes) {
  std::string out = to_base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return std::string();
  const std::size_t padding = !text.ends_with('=') ? 0U : text.ends_with("==") ? 2U : 1U;
  bool good = true;
  std::string out;
  out.resize_and_overwrite(text.size() / 4 * 3, [&](char* to, std::size_t size) {
    int all = 0;  // below 0 once a character was none
    for (std::size_t i = 0; i < text.size(); i += 4, to += 3) {
      const std::size_t digits = i + 4 == text.size() ? 4 - padding : 4;
      const auto value = [&](std::size_t j) {
        return j < digits ? int{base64_values[byte_at(text, i + j)]} : 0;
      };
      const int a = value(0), b = value(1), c = value(2), d = value(3);
      all |= a | b | c | d;
      const auto group = static_cast<unsigned>(a << 18 | b << 12 | c << 6 | d);
      to[0] = static_cast<char>(group >> 16 & 0xFF);
      to[1] = static_cast<char>(group >> 8 & 0xFF);
      to[2] = static_cast<char>(group & 0xFF);
    }
    good = all >= 0;
    return size;
  });
  // What the padding stands for has no bits.
  for (std::size_t i = 0; i < padding; ++i) {
    good = good && out.back() == 0;
    out.pop_back();
  }
  if (!good) return std::nullopt;
  return out;
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte_at(text, i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4U : lead >= 0xE0 ? 3U : 2U;
    if (lead < 0xC2 || lead > 0xF4 || i + length > text.size()) return false;
    const unsigned second = byte_at(text, i + 1);
    const unsigned low = lead == 0xE0 ? 0xA0U : lead == 0xF0 ? 0x90U : 0x80U;
    const unsigned high = lead == 0xED ? 0x9FU : lead == 0xF4 ? 0x8FU : 0xBFU;
    if (second < low || second > high) return false;
    for (std::size_t j = 2; j < length; ++j)
      if ((byte_at(text, i + j) & 0xC0U) != 0x80) return false;
    i += length;
  }
  return true;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= byte_at(a, i) ^ byte_at(b, i);
  return difference == 0;
}

}  // namespace latticegate::base
