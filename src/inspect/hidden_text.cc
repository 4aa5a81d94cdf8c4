#include "inspect/hidden_text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

namespace latticegate::inspect {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t length = 0;
};

// The text is UTF-8; a byte that is not counts as one character of its own.
Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> char32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const char32_t lead = byte(at);
  if (lead < 0x80) return {lead, 1};
  if (lead >= 0xF0 && at + 3 < text.size())
    return {(lead & 7) << 18 | (byte(at + 1) & 63) << 12 | (byte(at + 2) & 63) << 6 |
                (byte(at + 3) & 63),
            4};
  if (lead >= 0xE0 && lead < 0xF0 && at + 2 < text.size())
    return {(lead & 15) << 12 | (byte(at + 1) & 63) << 6 | (byte(at + 2) & 63), 3};
  if (lead >= 0xC2 && lead < 0xE0 && at + 1 < text.size())
    return {(lead & 31) << 6 | (byte(at + 1) & 63), 2};
  return {0xFFFD, 1};
}

constexpr bool between(char32_t c, char32_t first, char32_t last) {
  return c >= first && c <= last;
}

constexpr bool is_tag(char32_t c) { return between(c, 0xE0000, 0xE007F); }
constexpr bool is_selector(char32_t c) {
  return between(c, 0xFE00, 0xFE0F) || between(c, 0xE0100, 0xE01EF);
}
constexpr bool is_right_to_left(char32_t c) {
  return between(c, 0x0590, 0x08FF) || between(c, 0xFB1D, 0xFDFF) || between(c, 0xFE70, 0xFEFC) ||
         between(c, 0x200E, 0x200F);
}
// Scripts that need joiners inside words: Arabic and its neighbours, the Indic ones, Khmer,
// Mongolian.
constexpr bool uses_joiners(char32_t c) {
  return between(c, 0x0600, 0x0DFF) || between(c, 0x1000, 0x109F) || between(c, 0x1780, 0x18AF) ||
         between(c, 0xFB50, 0xFDFF) || between(c, 0xFE70, 0xFEFC);
}
constexpr bool is_pictograph(char32_t c) {
  return between(c, 0x1F000, 0x1FAFF) || between(c, 0x2190, 0x2BFF) || c == 0xFE0F ||
         between(c, 0x3030, 0x303D) || between(c, 0x3297, 0x3299) || c == 0x20E3;
}
constexpr bool is_ideograph(char32_t c) {
  return between(c, 0x3400, 0x9FFF) || between(c, 0xF900, 0xFAFF) || between(c, 0x20000, 0x3FFFF);
}

// Behind a black flag, the three flags that Unicode recommends for interchange.
std::size_t flag_length(std::string_view text, std::size_t at) {
  for (const std::string_view region : {"gbeng", "gbsct", "gbwls"}) {
    std::size_t end = at;
    bool same = true;
    for (const char letter : region) {
      const Character c = character_at(text, end);
      same = same && c.code == 0xE0000 + static_cast<char32_t>(letter);
      end += c.length;
    }
    if (same && character_at(text, end).code == 0xE007F) return end + 4 - at;
  }
  return 0;
}

// ECMA-48: the length of the sequence that begins with ESC or a C1 introducer at `at`.
std::size_t escape_length(std::string_view text, std::size_t at) {
  const Character first = character_at(text, at);
  char32_t introducer = first.code;
  std::size_t end = at + first.length;
  if (introducer == 0x1B) {
    if (end >= text.size()) return end - at;
    introducer = static_cast<unsigned char>(text[end]);
    if (introducer >= 0x80 || introducer < 0x20) return end - at;
    ++end;
    introducer = introducer >= 0x40 && introducer <= 0x5F ? introducer + 0x40 : 0;
    if (introducer == 0) {  // intermediate bytes, then one final byte
      const auto in = [&](std::size_t i, char32_t low, char32_t high) {
        return i < text.size() && between(static_cast<unsigned char>(text[i]), low, high);
      };
      while (in(end - 1, 0x20, 0x2F) && in(end, 0x20, 0x7E)) ++end;
      return end - at;
    }
  }
  if (introducer == 0x9B) {  // CSI: parameters, intermediates, final
    while (end < text.size() && between(static_cast<unsigned char>(text[end]), 0x20, 0x3F)) ++end;
    if (end < text.size() && between(static_cast<unsigned char>(text[end]), 0x40, 0x7E)) ++end;
    return end - at;
  }
  const bool is_string = introducer == 0x90 || introducer == 0x98 || introducer == 0x9D ||
                         introducer == 0x9E || introducer == 0x9F;
  if (!is_string) return end - at;
  // DCS, SOS, OSC, PM, APC run to the string terminator or, for xterm, to BEL; an unfinished one
  // hides the whole rest.
  for (; end < text.size(); ++end) {
    if (text[end] == '\a') return end + 1 - at;
    if (text[end] == '\x1B' && end + 1 < text.size() && text[end + 1] == '\\') return end + 2 - at;
    if (text.substr(end).starts_with("\xC2\x9C")) return end + 2 - at;
  }
  return end - at;
}

struct Step {
  std::optional<HiddenKind> kind;
  std::size_t length = 0;
};

// First bytes of characters that can be hidden ones; of all others only the length matters.
constexpr std::array<bool, 256> suspicious = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) table[c] = c < 0x20 || (c >= 0x7F && c < 0xC3) || c >= 0xF4;
  for (const std::size_t lead : {0xCDU, 0xD8U, 0xE1U, 0xE2U, 0xE3U, 0xEFU, 0xF3U})
    table[lead] = true;
  return table;
}();

// What stands at `at`; `previous` is where the character in front of it begins (`at` at the start).
Step classify(std::string_view text, std::size_t at, std::size_t previous) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (!suspicious[first]) {
    if (first < 0x80) return {std::nullopt, 1};
    const bool whole =
        at + 1 < text.size() && (static_cast<unsigned char>(text[at + 1]) & 0xC0) == 0x80;
    return {std::nullopt, !whole ? 1U : first < 0xE0 ? 2U : first < 0xF0 ? 3U : 4U};
  }
  const char32_t before = previous < at ? character_at(text, previous).code : 0;
  const auto [c, length] = character_at(text, at);
  const auto next = [&] {
    return at + length < text.size() ? character_at(text, at + length).code : 0;
  };
  if (c < 0x20 || between(c, 0x7F, 0x9F)) {
    if (c == '\t' || c == '\n' || c == '\r') return {std::nullopt, length};
    if (c == 0x1B || c == 0x90 || c == 0x98 || between(c, 0x9B, 0x9F))
      return {HiddenKind::escape_sequence, escape_length(text, at)};
    return {HiddenKind::control_character, length};
  }
  if (c < 0x80) return {std::nullopt, length};
  if (is_tag(c)) {
    if (before == 0x1F3F4)
      if (const std::size_t flag = flag_length(text, at)) return {std::nullopt, flag};
    return {HiddenKind::tag_characters, length};
  }
  if (between(c, 0x202A, 0x202E) || between(c, 0x2066, 0x2069))
    return {HiddenKind::bidi_control, length};
  if (is_selector(c)) {
    const bool supplement = c >= 0xE0100;
    const bool data =
        is_selector(before) || is_selector(next()) || (supplement && !is_ideograph(before));
    return {data ? std::optional(HiddenKind::variation_selectors) : std::nullopt, length};
  }
  bool hidden = false;
  switch (c) {
    case 0x200B:  // zero-width space
    case 0x2060:
    case 0x2061:
    case 0x2062:
    case 0x2063:
    case 0x2064:
    case 0x180E:
    case 0x034F:
    case 0x115F:
    case 0x1160:
    case 0x3164:
    case 0xFFA0: hidden = true; break;
    case 0xFEFF: hidden = at != 0; break;
    case 0x200C: hidden = !uses_joiners(before); break;
    case 0x200D:
      hidden = !uses_joiners(before) && !(is_pictograph(before) && is_pictograph(next()));
      break;
    case 0x200E:
    case 0x200F:
    case 0x061C: hidden = !is_right_to_left(before) && !is_right_to_left(next()); break;
    case 0x00AD: hidden = before == 0x00AD || next() == 0x00AD; break;
    default: break;
  }
  return {hidden ? std::optional(HiddenKind::zero_width) : std::nullopt, length};
}

// The bytes that tag characters and variation selectors carry.
void decode(char32_t c, std::string& out) {
  if (is_tag(c)) {
    if (between(c, 0xE0020, 0xE007E)) out += static_cast<char>(c - 0xE0000);
  } else if (between(c, 0xFE00, 0xFE0F)) {
    out += static_cast<char>(c - 0xFE00);
  } else if (between(c, 0xE0100, 0xE01EF)) {
    out += static_cast<char>(c - 0xE0100 + 16);
  }
}

}  // namespace

std::string_view rule_id(HiddenKind kind) {
  switch (kind) {
    case HiddenKind::tag_characters: return "hidden-tag-characters";
    case HiddenKind::bidi_control: return "hidden-bidi-control";
    case HiddenKind::zero_width: return "hidden-zero-width";
    case HiddenKind::variation_selectors: return "hidden-variation-selectors";
    case HiddenKind::control_character: return "control-character";
    case HiddenKind::escape_sequence: return "terminal-escape";
  }
  std::unreachable();
}

bool is_plain_ascii(std::string_view text) {
  using Bytes [[gnu::vector_size(16)]] = signed char;
  Bytes odd{};
  std::size_t at = 0;
  for (; text.size() - at >= sizeof odd; at += sizeof odd) {
    Bytes bytes;
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    const auto blank = (bytes == '\t') | (bytes == '\n') | (bytes == '\r');
    odd |= ((bytes < 0x20) & ~blank) | (bytes == 0x7F);  // what is not ASCII is below 0
  }
  const auto [low, high] = std::bit_cast<std::array<std::uint64_t, 2>>(odd);
  return (low | high) == 0 && std::ranges::all_of(text.substr(at), [](char c) {
           return (c >= 0x20 && c < 0x7F) || c == '\t' || c == '\n' || c == '\r';
         });
}

std::vector<HiddenRun> find_hidden(std::string_view text, std::size_t most) {
  std::vector<HiddenRun> runs;
  if (is_plain_ascii(text)) return runs;
  std::size_t previous = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Step step = classify(text, at, previous);
    if (step.kind) {
      const bool joins = !runs.empty() && runs.back().kind == *step.kind && runs.back().end == at;
      if (!joins) {
        if (runs.size() == most) return runs;
        runs.push_back({*step.kind, at, at, 0, {}});
      }
      runs.back().end = at + step.length;
      ++runs.back().count;
      decode(character_at(text, at).code, runs.back().decoded);
    }
    previous = at;
    at += step.length;
  }
  return runs;
}

Severity severity_of(HiddenKind kind, Surface surface) {
  const bool metadata = surface == Surface::descriptor || surface == Surface::instructions;
  switch (kind) {
    case HiddenKind::tag_characters: return Severity::critical;
    case HiddenKind::bidi_control: return metadata ? Severity::critical : Severity::medium;
    case HiddenKind::variation_selectors: return metadata ? Severity::critical : Severity::high;
    case HiddenKind::zero_width: return metadata ? Severity::high : Severity::low;
    case HiddenKind::control_character:
    case HiddenKind::escape_sequence:
      if (metadata) return Severity::critical;
      return surface == Surface::arguments ? Severity::medium : Severity::low;
  }
  std::unreachable();
}

std::string strip_hidden(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t previous = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Step step = classify(text, at, previous);
    if (!step.kind) out.append(text, at, step.length);
    previous = at;
    at += step.length;
  }
  return out;
}

}  // namespace latticegate::inspect
