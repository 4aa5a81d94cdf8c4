#include <algorithm>
#include <format>
#include <limits>

#include "cedar/detail/smt_text.h"

namespace latticegate::cedar {
namespace {

constexpr std::uint32_t highest_character = 0x2FFFF;

// One character of UTF-8, which parsed texts are.
std::uint32_t take_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t size = lead < 0x80U ? 1 : lead < 0xE0U ? 2 : lead < 0xF0U ? 3 : 4;
  std::uint32_t character = size == 1 ? lead : lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size && i < text.size(); ++i)
    character = (character << 6U) | (byte(i) & 0x3FU);
  text.remove_prefix(std::min(size, text.size()));
  return character;
}

}  // namespace

bool is_number(Type::Kind kind) {
  return kind == Type::Kind::integer || kind == Type::Kind::decimal ||
         kind == Type::Kind::datetime || kind == Type::Kind::duration;
}

// Empty for what the script cannot speak of.
std::string sort_of(const Type& type) {
  if (type.is_boolean()) return "Bool";
  if (is_number(type.kind)) return "Int";
  if (type.is(Type::Kind::string)) return "String";
  // The names of one type as numbers: those of the policies from 0, then all others.
  if (type.is(Type::Kind::entity) && type.names.size() == 1) return "Int";
  if (!type.is(Type::Kind::set) || type.element == nullptr || type.element->is(Type::Kind::set))
    return {};
  const std::string element = sort_of(*type.element);
  return element.empty() ? element : std::format("(Set {})", element);
}

bool comparable(const Type& a, const Type& b) {
  return (a.is_boolean() && b.is_boolean()) || same(a, b);
}

std::string number(std::int64_t value) {
  if (value >= 0) return std::format("{}", value);
  return std::format("(- {})", std::format("{}", value).substr(1));
}

std::string both(const std::string& a, const std::string& b) {
  if (a == "true") return b;
  return b == "true" || a == b ? a : std::format("(and {} {})", a, b);
}

std::string negated(const std::string& a) { return std::format("(not {})", a); }

std::optional<std::string> string_literal(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::uint32_t character = take_character(text);
    if (character > highest_character) return std::nullopt;
    if (character == '"')
      out += "\"\"";
    else if (character < 0x20 || character > 0x7E || character == '\\')
      out += std::format("\\u{{{:x}}}", character);
    else
      out += static_cast<char>(character);
  }
  return out + '"';
}

std::string in_range(const std::string& text) {
  return std::format("(and (<= {} {}) (<= {} {}))",
                     number(std::numeric_limits<std::int64_t>::min()), text, text,
                     number(std::numeric_limits<std::int64_t>::max()));
}

}  // namespace latticegate::cedar
