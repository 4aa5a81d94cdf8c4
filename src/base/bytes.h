// Bytes: sizes that carry their unit, views, and the two text encodings that the formats around us
// use.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace latticegate::base {

// A size in bytes. Written with literals: 16_KiB, 4_MiB.
struct Bytes {
  std::uint64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

inline namespace literals {
consteval Bytes operator""_B(unsigned long long n) { return {n}; }
consteval Bytes operator""_KiB(unsigned long long n) { return {n * 1024}; }
consteval Bytes operator""_MiB(unsigned long long n) { return {n * 1024 * 1024}; }
}  // namespace literals

using ByteView = std::span<const std::byte>;

// The bytes of a text, and the text of bytes; both are views into the argument.
ByteView bytes_of(std::string_view text);
std::string_view text_of(ByteView bytes);

// Lower-case hexadecimal.
std::string to_hex(ByteView bytes);
// Nothing unless the text is an even number of hexadecimal digits of either case.
std::optional<std::string> from_hex(std::string_view text);

// RFC 4648 base64 with padding; the decoder is strict (alphabet, padding, zero trailing bits).
std::string to_base64(ByteView bytes);
std::optional<std::string> from_base64(std::string_view text);
// RFC 4648, section 5, without padding: what may stand in a URL.
std::string to_base64url(ByteView bytes);

// True when the text is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view text);

// Compares in time that depends on the lengths only; for secrets and digests.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace latticegate::base
