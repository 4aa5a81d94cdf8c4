#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "inspect/detail/number.h"
#include "inspect/detail/token.h"
#include "json/value.h"

namespace latticegate::inspect {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}();

std::uint32_t crc32(std::string_view text) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : text)
    crc = crc_table[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '-', '+');
  std::ranges::replace(plain, '_', '/');
  plain.append((4 - plain.size() % 4) % 4, '=');
  return base::from_base64(plain);
}

bool is_jwt(std::string_view token) {
  const std::size_t start = token.find("eyJ");
  if (start == std::string_view::npos) return false;
  const std::string_view header = token.substr(start, token.find('.', start) - start);
  if (header.size() > 4096) return false;
  const auto bytes = from_base64url(header);
  if (!bytes) return false;
  const auto document = json::Document::parse(*bytes, {.depth = 8});
  return document && document->root()["alg"].is_string();
}

// "-----BEGIN X-----" ... "-----END X-----" with a line of base64 between.
bool is_pem(std::string_view token) {
  constexpr std::string_view begin = "-----BEGIN ", end = "-----END ", dashes = "-----";
  if (!token.starts_with(begin)) return false;
  const std::size_t label_end = token.find(dashes, begin.size());
  const std::size_t tail = token.rfind(end);
  if (label_end == std::string_view::npos || tail == std::string_view::npos || tail < label_end)
    return false;
  const std::string_view label = token.substr(begin.size(), label_end - begin.size());
  if (!token.substr(tail + end.size()).starts_with(label)) return false;
  const std::string_view body =
      token.substr(label_end + dashes.size(), tail - label_end - dashes.size());
  const auto letters = std::ranges::count_if(body, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' ||
           c == '/' || c == '=';
  });
  return letters >= 32;
}

bool is_basic(std::string_view token) {
  const auto bytes = token.size() <= 1024 ? base::from_base64(token) : std::nullopt;
  if (!bytes) return false;
  const std::size_t colon = bytes->find(':');
  return colon != std::string::npos && colon > 0 && colon + 3 < bytes->size() &&
         std::ranges::all_of(*bytes, [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool is_mixed(std::string_view token) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return std::ranges::any_of(token, digit) && std::ranges::any_of(token, letter);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

double entropy(std::string_view text) {
  if (text.empty()) return 0;
  std::array<std::uint32_t, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const std::uint32_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(text.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

std::string crc32_base62(std::string_view text) {
  constexpr std::string_view digits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string out(6, '0');
  std::uint32_t value = crc32(text);
  for (std::size_t i = out.size(); i-- > 0; value /= 62) out[i] = digits[value % 62];
  return out;
}

bool holds(TokenCheck check, std::string_view token, std::string_view body) {
  switch (check) {
    case TokenCheck::none: return true;
    case TokenCheck::crc32_base62:
      return body.size() > 6 &&
             crc32_base62(body.substr(0, body.size() - 6)) == body.substr(body.size() - 6);
    case TokenCheck::jwt: return is_jwt(token);
    case TokenCheck::pem: return is_pem(token);
    case TokenCheck::basic: return is_basic(token);
    case TokenCheck::mixed: return is_mixed(token);
    default: return number_holds(check, token);
  }
}

bool is_placeholder(std::string_view secret, std::span<const std::string> words,
                    std::span<const std::string> values) {
  for (const std::string_view marker : {"${", "$(", "{{", "<", "%(", "[["})
    if (secret.contains(marker)) return true;
  if (secret.starts_with('{') && secret.ends_with('}')) return true;
  std::string text(secret.substr(0, 512));
  std::ranges::transform(text, text.begin(), lower);
  return std::ranges::any_of(words, [&](const std::string& word) { return text.contains(word); }) ||
         std::ranges::find(values, text) != values.end();
}

bool is_monotonous(std::string_view body) {
  std::array<bool, 256> seen{};
  std::size_t different = 0, run = 0, longest = 0;
  char last = '\0';
  for (const char c : body) {
    if (!seen[static_cast<unsigned char>(c)]) ++different;
    seen[static_cast<unsigned char>(c)] = true;
    run = c == last ? run + 1 : 1;
    longest = std::max(longest, run);
    last = c;
  }
  return different <= 2 || different * 5 <= body.size() || longest * 2 > body.size();
}

}  // namespace latticegate::inspect
