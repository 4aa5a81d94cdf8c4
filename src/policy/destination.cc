#include "policy/destination.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "cedar/extension.h"

namespace latticegate::policy {
namespace {

using cedar::IpRange;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_blank(char c) { return static_cast<unsigned char>(c) <= 0x20; }
bool is_ignored(char c) { return c == '\t' || c == '\n' || c == '\r'; }  // by browsers, anywhere

struct Scheme {
  bool url = false;
  bool plain = true;    // nothing in it that some program skips
  std::size_t end = 0;  // after the colon
};

Scheme scheme_of(std::string_view text) {
  constexpr auto special = std::to_array<std::string_view>({"ftp", "http", "https", "ws", "wss"});
  Scheme scheme;
  std::size_t at = 0;
  while (at < text.size() && is_blank(text[at])) ++at;
  scheme.plain = at == 0;
  std::array<char, 16> word{};
  std::size_t length = 0;
  for (; at < text.size() && text[at] != ':'; ++at) {
    const char c = text[at];
    if (is_ignored(c)) {
      scheme.plain = false;
      continue;
    }
    const bool fits =
        is_letter(c) || (length > 0 && (is_digit(c) || c == '+' || c == '-' || c == '.'));
    if (!fits || length == word.size()) return scheme;
    word[length++] = lower(c);
  }
  if (at >= text.size() || length == 0) return scheme;
  scheme.end = at + 1;
  scheme.url = std::ranges::find(special, std::string_view(word.data(), length)) != special.end() ||
               text.substr(scheme.end).starts_with("//");
  return scheme;
}

// One part of an IPv4 address as browsers read them: decimal or 0x...; octal is not certain.
std::optional<std::uint64_t> number_in(std::string_view part) {
  int base = 10;
  if (part.size() > 2 && part[0] == '0' && lower(part[1]) == 'x') {
    part.remove_prefix(2);
    base = 16;
  } else if (part.size() > 1 && part[0] == '0') {
    return {};
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number, base);
  if (part.empty() || error != std::errc() || end != part.data() + part.size()) return {};
  return number;
}

IpRange v4(std::uint32_t bits) {
  IpRange range;
  for (unsigned i = 0; i < 4; ++i)
    range.address[i] = static_cast<std::uint8_t>(bits >> (24U - 8U * i));
  return range;
}

// a, a.b, a.b.c or a.b.c.d; the last part fills the bytes that are left.
std::optional<IpRange> loose_v4(std::string_view host) {
  std::array<std::uint64_t, 4> parts{};
  std::size_t count = 0;
  while (true) {
    const auto dot = host.find('.');
    const auto number = number_in(host.substr(0, dot));
    if (!number || count == parts.size()) return {};
    parts[count++] = *number;
    if (dot == std::string_view::npos) break;
    host.remove_prefix(dot + 1);
  }
  std::uint64_t bits = parts[count - 1];
  if (bits >= std::uint64_t{1} << (8U * (5U - count))) return {};
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (parts[i] > 255) return {};
    bits |= parts[i] << (24U - 8U * i);
  }
  return v4(static_cast<std::uint32_t>(bits));
}

bool is_number_like(std::string_view host) {
  const auto dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.empty()) return false;
  if (std::ranges::all_of(last, is_digit)) return true;
  return last.size() >= 2 && last[0] == '0' && lower(last[1]) == 'x';
}

std::string_view lowered(std::string_view text, cedar::Arena& arena) {
  const auto copy = arena.array<char>(text.size());
  std::ranges::transform(text, copy.begin(), lower);
  return {copy.data(), copy.size()};
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::ranges::all_of(text, is_digit);
}

}  // namespace

std::optional<IpRange> address_in(std::string_view text) {
  if (text.size() > 45 || text.find('/') != std::string_view::npos) return {};
  std::array<char, 48> spelled{};
  // An embedded IPv4 part is written as two groups for Cedar, which has no such form.
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find('.', colon) != std::string_view::npos) {
    const auto tail = cedar::parse_ip(text.substr(colon + 1));
    if (!tail || tail->v6) return {};
    auto* out = std::ranges::copy(text.substr(0, colon + 1), spelled.data()).out;
    const auto group = [&](std::size_t i) {
      const unsigned value = static_cast<unsigned>(tail->address[i]) << 8U | tail->address[i + 1];
      return std::to_chars(out, spelled.data() + spelled.size(), value, 16).ptr;
    };
    out = group(0);
    *out++ = ':';
    out = group(2);
    text = {spelled.data(), static_cast<std::size_t>(out - spelled.data())};
  }
  auto range = cedar::parse_ip(text);
  if (!range || !range->v6) return range;
  const auto& a = range->address;
  const bool mapped = std::ranges::all_of(std::span(a).first(10), [](auto b) { return b == 0; }) &&
                      a[10] == 0xFF && a[11] == 0xFF;
  if (!mapped) return range;
  return v4(std::uint32_t{a[12]} << 24U | std::uint32_t{a[13]} << 16U | std::uint32_t{a[14]} << 8U |
            std::uint32_t{a[15]});
}

bool looks_like_url(std::string_view text) {
  return text.find(':') != std::string_view::npos && scheme_of(text).url;
}

Destination destination_of(std::string_view url, cedar::Arena& arena) {
  const Scheme scheme = scheme_of(url);
  if (!scheme.url || !scheme.plain) return {};
  std::string_view rest = url.substr(scheme.end);
  if (!rest.starts_with("//") || rest.starts_with("///")) return {};
  rest.remove_prefix(2);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const auto at = authority.find('@');
  const bool odd = std::ranges::any_of(authority, [](char c) {
    return is_blank(c) || static_cast<unsigned char>(c) >= 0x7F || c == '\\' || c == '%';
  });
  if (odd || at != authority.rfind('@')) return {};
  if (at != std::string_view::npos) authority.remove_prefix(at + 1);

  Destination destination;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view port = authority.substr(end + 1);
    destination.ip = address_in(authority.substr(1, end - 1));
    if (!destination.ip || (!port.empty() && (port[0] != ':' || !is_port(port.substr(1)))))
      return {};
    destination.host = lowered(authority.substr(1, end - 1), arena);
    destination.certain = destination.host.find(':') != std::string_view::npos;
    return destination.certain ? destination : Destination{};
  }
  const auto colon = authority.find(':');
  if (colon != std::string_view::npos && !is_port(authority.substr(colon + 1))) return {};
  std::string_view host = authority.substr(0, colon);
  if (host.ends_with('.')) host.remove_suffix(1);
  const bool plain = std::ranges::all_of(
      host, [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; });
  if (host.empty() || host.size() > 253 || !plain || host.starts_with('.') ||
      host.find("..") != std::string_view::npos)
    return {};
  if (is_number_like(host)) {
    destination.ip = loose_v4(host);
    if (!destination.ip) return {};
  }
  destination.host = lowered(host, arena);
  destination.certain = true;
  return destination;
}

}  // namespace latticegate::policy
