#include "json/write.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace latticegate::json {
namespace {

constexpr std::string_view hex = "0123456789abcdef";

void write_scalar(const Node& node, std::string& out) {
  switch (node.kind) {
    case Kind::null: out += "null"; return;
    case Kind::boolean: out += node.truth ? "true" : "false"; return;
    case Kind::number: out.append(node.text, node.length); return;
    case Kind::string:
      out += '"';
      if (node.plain)
        out.append(node.text, node.length);
      else
        out.append(node.raw, node.count);
      out += '"';
      return;
    case Kind::array:
    case Kind::object: break;
  }
}

// Depth is bounded by the parse limit, so recursion is too.
const Edit* write_tree(const Node* node, const Edit* edit, const Edit* last, std::string& out) {
  if (node->kind != Kind::array && node->kind != Kind::object) {
    write_scalar(*node, out);
    return edit;
  }
  const bool object = node->kind == Kind::object;
  out += object ? '{' : '[';
  bool first = true;
  const Node* const end = node + node->span;
  for (const Node* child = node + 1; child != end;) {
    const Node* const value = object ? child + 1 : child;
    const bool edited = edit != last && edit->at.node() == value;
    if (edited && edit->text.empty()) {
      ++edit;
      child = value + value->span;
      continue;
    }
    if (!first) out += ',';
    first = false;
    if (object) {
      write_scalar(*child, out);
      out += ':';
    }
    if (edited) {
      out += edit->text;
      ++edit;
    } else {
      edit = write_tree(value, edit, last, out);
    }
    child = value + value->span;
  }
  out += object ? '}' : ']';
  return edit;
}

// Where a scalar stands in the text that was parsed; nothing for those whose place is not kept.
std::string_view place_of(const Node& node) {
  if (node.kind == Kind::number) return {node.text, node.length};
  if (node.kind != Kind::string) return {};
  return node.plain ? std::string_view(node.text - 1, node.length + 2)
                    : std::string_view(node.raw - 1, node.count + 2);
}

// A root that came as one line, with some scalars replaced: copied piece by piece instead of value
// by value. False, with nothing written, where that cannot be.
bool write_verbatim(const Node& root, std::span<const Edit> edits, std::string& out) {
  if (root.length == 0 || (root.kind != Kind::object && root.kind != Kind::array)) return false;
  std::size_t room = root.length;
  for (const Edit& edit : edits) {
    if (edit.text.empty() || place_of(*edit.at.node()).empty()) return false;
    room += edit.text.size();
  }
  out.reserve(out.size() + room);
  const char* at = root.text;
  for (const Edit& edit : edits) {
    const std::string_view old = place_of(*edit.at.node());
    out.append(at, old.data());
    out += edit.text;
    at = old.data() + old.size();
  }
  out.append(at, root.text + root.length);
  return true;
}

void canonical_number(const Node& node, std::string& out) {
  const std::string_view digits(node.text, node.length);
  const bool plain = digits.find_first_of(".eE") == std::string_view::npos;
  double number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  constexpr double exact = 9007199254740992.0;
  if (error != std::errc() || (plain && std::abs(number) > exact)) {
    out += digits;
    return;
  }
  if (number == 0) {
    out += '0';
    return;
  }
  // ECMAScript Number::toString: plain digits from 1e-6 up to below 1e21, else exponent form with a
  // sign.
  std::array<char, 400> buffer{};
  const double size = std::abs(number);
  const bool fixed = size >= 1e-6 && size < 1e21;
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                    fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer.data(), result.ptr);
  if (!fixed) {  // 1e+21 as ECMAScript has it: no leading zero in the exponent
    const std::size_t e = text.find('e');
    if (e != std::string::npos && e + 2 < text.size() && text[e + 2] == '0') text.erase(e + 2, 1);
  }
  out += text;
}

void canonical_tree(const Node* node, std::string& out) {
  if (node->kind == Kind::array) {
    out += '[';
    bool first = true;
    for (const Value element : Value(node).elements()) {
      if (!first) out += ',';
      first = false;
      canonical_tree(element.node(), out);
    }
    out += ']';
  } else if (node->kind == Kind::object) {
    std::vector<Member> members;
    members.reserve(node->count);
    for (const Member member : Value(node).members()) members.push_back(member);
    std::ranges::sort(members, canonical_less, &Member::key);
    out += '{';
    bool first = true;
    for (const Member& member : members) {
      if (!first) out += ',';
      first = false;
      write_string(member.key, out);
      out += ':';
      canonical_tree(member.value.node(), out);
    }
    out += '}';
  } else if (node->kind == Kind::number) {
    canonical_number(*node, out);
  } else if (node->kind == Kind::string && !node->plain) {
    write_string({node->text, node->length}, out);
  } else {
    write_scalar(*node, out);
  }
}

}  // namespace

namespace {

// What stands after the backslash for a byte that needs one; 'u' for \u00XX; 0 for a byte that
// stands for itself.
constexpr auto escapes = [] {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = 'u';
  table['"'] = '"';
  table['\\'] = '\\';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  return table;
}();

// Whether one of eight bytes needs an escape: below 0x20, a quote or a backslash (bit tricks on all
// eight at once).
bool any_escape(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t highs = 0x8080808080808080U;
  const auto zero_in = [](std::uint64_t w) { return (w - ones) & ~w & highs; };
  return (((word - ones * 0x20) & ~word & highs) | zero_in(word ^ ones * '"') |
          zero_in(word ^ ones * '\\')) != 0;
}

template <class Number>
std::uint64_t load(const char* bytes) {
  Number number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}
bool any_escape(const char* bytes) { return any_escape(load<std::uint64_t>(bytes)); }

// Whether a text stands for itself, whatever its length: the last bytes are looked at twice.
bool is_plain(std::string_view text) {
  const char* const from = text.data();
  const std::size_t size = text.size();
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8)
      if (any_escape(from + at)) return false;
    return !any_escape(from + size - 8);
  }
  if (size >= 4)
    return !any_escape(load<std::uint32_t>(from) | load<std::uint32_t>(from + size - 4) << 32);
  return std::ranges::all_of(text,
                             [](char c) { return escapes[static_cast<unsigned char>(c)] == 0; });
}

}  // namespace

void write_string(std::string_view text, std::string& out) {
  if (is_plain(text)) {
    const std::size_t old = out.size();
    out.resize_and_overwrite(old + text.size() + 2, [&](char* buffer, std::size_t size) {
      buffer[old] = '"';
      std::memcpy(buffer + old + 1, text.data(), text.size());
      buffer[size - 1] = '"';
      return size;
    });
    return;
  }
  constexpr std::size_t piece_size =
      4096;  // so that room for the longest escapes of a piece is little
  out += '"';
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_size);
    text.remove_prefix(piece.size());
    const std::size_t old = out.size();
    out.resize_and_overwrite(old + piece.size() * 6, [&](char* buffer, std::size_t) {
      char* to = buffer + old;
      const char* from = piece.data();
      const char* const end = from + piece.size();
      while (from != end) {
        if (end - from >= 8 && !any_escape(from)) {
          std::memcpy(to, from, 8);
          to += 8;
          from += 8;
          continue;
        }
        for (const char* const stop = end - from >= 8 ? from + 8 : end; from != stop; ++from) {
          const auto c = static_cast<unsigned char>(*from);
          const char escape = escapes[c];
          if (escape == 0) {
            *to++ = *from;
          } else if (escape != 'u') {
            *to++ = '\\';
            *to++ = escape;
          } else {
            const std::array<char, 6> code{'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            to = std::ranges::copy(code, to).out;
          }
        }
      }
      return static_cast<std::size_t>(to - buffer);
    });
  }
  out += '"';
}

void write(Value value, std::string& out) {
  if (!value.exists())
    out += "null";
  else if (!write_verbatim(*value.node(), {}, out))
    write_tree(value.node(), nullptr, nullptr, out);
}

std::string to_string(Value value) {
  std::string out;
  write(value, out);
  return out;
}

void in_document_order(std::vector<Edit>& edits) {
  std::ranges::sort(edits, {}, [](const Edit& edit) { return edit.at.node(); });
}

void write(Value value, std::span<const Edit> edits, std::string& out) {
  if (edits.empty()) {
    write(value, out);
    return;
  }
  if (edits.front().at.node() == value.node()) {
    out += edits.front().text;
    return;
  }
  if (!write_verbatim(*value.node(), edits, out))
    write_tree(value.node(), edits.data(), edits.data() + edits.size(), out);
}

// Orders UTF-8 texts as their UTF-16 code units would order (RFC 8785 section 3.2.3): differs from
// byte order only between U+E000..U+FFFF and the characters above U+FFFF.
bool canonical_less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::ranges::mismatch(a, b);
  if (x == a.end() || y == b.end()) return y != b.end();
  const auto lead = [](char c) { return static_cast<unsigned char>(c) >= 0xC0; };
  if (lead(*x) && lead(*y)) {
    const auto rank = [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte >= 0xF0 ? 0xEDU * 2 + 1
                          : byte * 2U;  // four-byte characters sort before U+E000 (lead 0xEE)
    };
    if (rank(*x) != rank(*y)) return rank(*x) < rank(*y);
  }
  return static_cast<unsigned char>(*x) < static_cast<unsigned char>(*y);
}

std::string canonical(Value value) {
  std::string out;
  if (value.exists()) canonical_tree(value.node(), out);
  return out;
}

}  // namespace latticegate::json
