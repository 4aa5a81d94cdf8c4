#include "yaml/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "json/write.h"

namespace latticegate::yaml {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "1", "-0.50", "+.5e3" -> the same number in JSON's spelling; nothing when it is no decimal number
// of the core schema.
std::optional<std::string> decimal(std::string_view text) {
  std::string out;
  if (text.starts_with('-')) out += '-';
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto take_digits = [&] {
    const auto end = std::ranges::find_if_not(text, is_digit);
    const std::string_view digits(text.begin(), end);
    text.remove_prefix(digits.size());
    return digits;
  };
  std::string_view whole = take_digits();
  const bool has_whole = !whole.empty();
  while (whole.size() > 1 && whole.front() == '0') whole.remove_prefix(1);
  out += has_whole ? whole : std::string_view("0");
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits();
    if (!fraction.empty()) {
      out += '.';
      out += fraction;
    }
  }
  if (!has_whole && fraction.empty()) return std::nullopt;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    out += 'e';
    if (text.starts_with('-') || text.starts_with('+')) {
      out += text.front();
      text.remove_prefix(1);
    }
    const std::string_view exponent = take_digits();
    if (exponent.empty()) return std::nullopt;
    out += exponent;
  }
  if (!text.empty()) return std::nullopt;
  return out;
}

bool one_of(std::string_view text, std::span<const std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

constexpr auto nulls = std::to_array<std::string_view>({"", "~", "null", "Null", "NULL"});
constexpr auto trues = std::to_array<std::string_view>({"true", "True", "TRUE"});
constexpr auto falses = std::to_array<std::string_view>({"false", "False", "FALSE"});
constexpr auto no_json =
    std::to_array<std::string_view>({".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                     "-.Inf", "-.INF", ".nan", ".NaN", ".NAN"});

base::Result<void> write_scalar(const Node& node, std::string& out) {
  const std::string_view text = node.text();
  if (node.quoted()) {
    json::write_string(text, out);
  } else if (one_of(text, nulls)) {
    out += "null";
  } else if (one_of(text, trues)) {
    out += "true";
  } else if (one_of(text, falses)) {
    out += "false";
  } else if (one_of(text, no_json)) {
    return node.error("JSON has no such number");
  } else if (const auto number = decimal(text)) {
    out += *number;
  } else if (text.starts_with("0x") || text.starts_with("0o")) {
    const std::string_view digits = text.substr(2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value,
                                              text[1] == 'x' ? 16 : 8);
    const bool all = end == digits.data() + digits.size();
    if (error == std::errc::result_out_of_range && all)
      return node.error("an integer above 64 bits");
    if (error == std::errc() && all)
      out += std::to_string(value);
    else
      json::write_string(text, out);
  } else {
    json::write_string(text, out);
  }
  return {};
}

// The depth is bounded by the limits of the parse.
base::Result<void> write_node(const Node& node, std::string& out) {
  switch (node.kind()) {
    case Kind::null: out += "null"; return {};
    case Kind::scalar: return write_scalar(node, out);
    case Kind::list: {
      out += '[';
      bool first = true;
      for (const Node& item : node.items()) {
        if (!first) out += ',';
        first = false;
        if (auto done = write_node(item, out); !done) return done;
      }
      out += ']';
      return {};
    }
    case Kind::map: {
      out += '{';
      bool first = true;
      for (const Entry& entry : node.entries()) {
        if (!first) out += ',';
        first = false;
        json::write_string(entry.key, out);
        out += ':';
        if (auto done = write_node(entry.value, out); !done) return done;
      }
      out += '}';
      return {};
    }
  }
  std::unreachable();
}

}  // namespace

base::Result<std::string> to_json(const Node& node) {
  std::string out;
  if (auto done = write_node(node, out); !done) return std::unexpected(std::move(done).error());
  return out;
}

}  // namespace latticegate::yaml
