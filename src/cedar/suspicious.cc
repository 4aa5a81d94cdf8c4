#include "cedar/suspicious.h"

#include <algorithm>
#include <array>
#include <format>

#include "cedar/detail/script_table.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t longest = 100;

// Embeddings, overrides and isolates, and what ends them.
constexpr std::array<std::uint32_t, 9> turning{0x202A, 0x202B, 0x202C, 0x202D, 0x202E,
                                               0x2066, 0x2067, 0x2068, 0x2069};

// Takes one character off the front of valid UTF-8.
std::uint32_t take(std::string_view& text) {
  const auto byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])) : 0;
  };
  const std::uint32_t lead = byte(0);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t code = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) code = (code << 6U) | (byte(i) & 0x3FU);
  text.remove_prefix(std::min(length, text.size()));
  return code;
}

template <class Range>
const Range* find(std::span<const Range> ranges, std::uint32_t code) {
  const auto after = std::ranges::upper_bound(ranges, code, {}, &Range::first);
  if (after == ranges.begin()) return nullptr;
  const Range& range = *std::prev(after);
  return code <= range.last ? &range : nullptr;
}

// Whether there is a script that all characters can belong to.
bool one_script(std::string_view text) {
  ScriptSet common{{~0ULL, ~0ULL, ~0ULL}};
  while (!text.empty()) {
    const ScriptRange* const range = find(script_ranges(), take(text));
    if (range == nullptr) continue;
    const ScriptSet& set = script_sets()[range->set];
    bool any = false;
    for (std::size_t i = 0; i < common.bits.size(); ++i) {
      common.bits[i] &= set.bits[i];
      any = any || common.bits[i] != 0;
    }
    if (!any) return false;
  }
  return true;
}

template <class F>
bool any_character(std::string_view text, F&& test) {
  while (!text.empty())
    if (test(take(text))) return true;
  return false;
}

bool is_plain(std::uint32_t code) { return code >= 0x20 && code < 0x7F; }

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

Suspicion suspicious_text(std::string_view text) {
  if (is_ascii(text)) return Suspicion::none;
  if (any_character(text, [](std::uint32_t code) { return std::ranges::contains(turning, code); }))
    return Suspicion::bidirectional;
  return one_script(text) ? Suspicion::none : Suspicion::mixed_scripts;
}

Suspicion suspicious_name(std::string_view name) {
  if (std::ranges::all_of(name, [](char c) { return is_plain(static_cast<unsigned char>(c)); }))
    return Suspicion::none;
  const Suspicion found = suspicious_text(name);
  if (found == Suspicion::bidirectional) return found;
  const bool unusual = any_character(name, [](std::uint32_t code) {
    return !is_plain(code) && find(allowed_in_names(), code) == nullptr;
  });
  return unusual ? Suspicion::unusual : found;
}

std::string escaped(std::string_view text) {
  std::string out = "\"";
  while (!text.empty() && out.size() < longest) {
    const std::uint32_t code = take(text);
    if (code == '"' || code == '\\') out += '\\';
    if (is_plain(code))
      out += static_cast<char>(code);
    else
      out += std::format("\\u{{{:x}}}", code);
  }
  out += text.empty() ? "\"" : "...\"";
  return out;
}

}  // namespace latticegate::cedar
