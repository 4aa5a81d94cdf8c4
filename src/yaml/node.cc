#include "yaml/node.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <format>
#include <limits>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace latticegate::yaml {
namespace {

// What stands there, for an error: never longer than a line.
std::string shown(const Node& node) {
  if (!node.is_scalar()) return std::string(name(node.kind()));
  constexpr std::size_t longest = 40;
  const bool cut = node.text().size() > longest;
  return std::format("\"{}{}\"", base::printable(std::string_view(node.text()).substr(0, longest)),
                     cut ? "..." : "");
}

std::unexpected<base::Error> expected(const Node& node, std::string_view what) {
  return node.error(std::format("expected {}, found {}", what, shown(node)));
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr auto time_units = std::to_array<Unit>({{"us", 1'000},
                                                 {"ms", 1'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"h", 3'600'000'000'000},
                                                 {"d", 86'400'000'000'000},
                                                 {"w", 604'800'000'000'000}});
constexpr auto size_units = std::to_array<Unit>({{"B", 1},
                                                 {"KiB", 1'024},
                                                 {"MiB", 1'048'576},
                                                 {"GiB", 1'073'741'824},
                                                 {"KB", 1'000},
                                                 {"MB", 1'000'000},
                                                 {"GB", 1'000'000'000}});

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes "12unit" off the front; false when there is none or the product does not fit.
template <std::size_t N>
bool take_quantity(std::string_view& text, const std::array<Unit, N>& units, std::uint64_t& total) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  const auto letters = std::ranges::find_if(text, is_digit);
  const std::string_view unit(text.begin(), letters);
  const auto known = std::ranges::find(units, unit, &Unit::name);
  if (known == units.end()) return false;
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (number > (most - total) / known->factor) return false;
  total += number * known->factor;
  text.remove_prefix(unit.size());
  return true;
}

}  // namespace

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::null: return "nothing";
    case Kind::scalar: return "a text";
    case Kind::list: return "a list";
    case Kind::map: return "a map";
  }
  std::unreachable();
}

const Node* Node::find(std::string_view key) const {
  const auto entry = std::ranges::find(entries_, key, &Entry::key);
  return entry == entries_.end() ? nullptr : &entry->value;
}

Node Node::scalar(std::string_view text, std::string_view source) {
  Node node;
  node.kind_ = Kind::scalar;
  node.line_ = 1;
  node.column_ = 1;
  node.text_ = text;
  node.file_ = std::make_shared<const std::string>(source);
  return node;
}

bool Node::put(std::span<const std::string_view> path, Node value) {
  if (path.empty()) {
    *this = std::move(value);
    return true;
  }
  if (is_null()) {
    kind_ = Kind::map;
    line_ = value.line_;
    column_ = value.column_;
    file_ = value.file_;
  }
  if (!is_map()) return false;
  auto entry = std::ranges::find(entries_, path.front(), &Entry::key);
  if (entry == entries_.end())
    entry = entries_.insert(entry, {std::string(path.front()), Node(), value.line_, value.column_});
  return entry->value.put(path.subspan(1), std::move(value));
}

std::string Node::place() const {
  return std::format("{}:{}:{}", file_ ? std::string_view(*file_) : std::string_view("yaml"), line_,
                     column_);
}

std::unexpected<base::Error> Node::error(std::string_view sentence, base::Code code,
                                         std::source_location where) const {
  return base::fail(code, std::format("{}: {}", place(), sentence), where);
}

base::Result<std::string> Node::as_string() const {
  if (!is_scalar()) return expected(*this, "a text");
  return text_;
}

base::Result<bool> Node::as_bool() const {
  if (is_scalar() && !quoted_) {
    if (text_ == "true") return true;
    if (text_ == "false") return false;
  }
  return expected(*this, "true or false");
}

base::Result<std::int64_t> Node::as_int() const {
  std::int64_t number = 0;
  if (is_scalar() && !quoted_) {
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), number);
    if (error == std::errc() && end == text_.data() + text_.size()) return number;
  }
  return expected(*this, "a whole number");
}

base::Result<double> Node::as_number() const {
  double number = 0;
  if (is_scalar() && !quoted_) {
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), number);
    if (error == std::errc() && end == text_.data() + text_.size() && std::isfinite(number))
      return number;
  }
  return expected(*this, "a number");
}

base::Result<std::chrono::nanoseconds> Node::as_duration() const {
  std::string_view rest = text_;
  if (is_scalar() && rest == "0") return std::chrono::nanoseconds(0);
  std::uint64_t total = 0;
  bool good = is_scalar() && !rest.empty();
  while (good && !rest.empty()) good = take_quantity(rest, time_units, total);
  if (!good) return expected(*this, "a duration such as 250ms, 5s, 10m or 1h30m");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

base::Result<base::Bytes> Node::as_size() const {
  std::string_view rest = text_;
  std::uint64_t total = 0;
  bool good = is_scalar() && !rest.empty();
  if (good && std::ranges::all_of(rest, is_digit)) {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), total);
    good = error == std::errc();
  } else {
    good = good && take_quantity(rest, size_units, total) && rest.empty();
  }
  if (!good) return expected(*this, "a size such as 512, 64KiB or 4MiB");
  return base::Bytes{total};
}

base::Result<std::vector<std::string>> Node::as_strings() const {
  if (!is_list()) return expected(*this, "a list of texts");
  std::vector<std::string> texts;
  texts.reserve(items_.size());
  for (const Node& item : items_) {
    if (!item.is_scalar()) return expected(item, "a text");
    texts.push_back(item.text_);
  }
  return texts;
}

}  // namespace latticegate::yaml
