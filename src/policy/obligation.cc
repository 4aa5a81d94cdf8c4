#include "policy/obligation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <optional>
#include <utility>

#include "base/suggest.h"

namespace latticegate::policy {
namespace {

using base::Code;
using Kind = Obligation::Kind;

// What follows the colon.
enum class Argument : std::uint8_t { none, number, word };

struct Row {
  std::string_view name;
  Kind kind;
  Argument argument;
  std::int64_t most = 0;
};

constexpr auto rows = std::to_array<Row>({
    {"kill_session", Kind::kill_session, Argument::none},
    {"step_up", Kind::step_up, Argument::number, 9},
    {"redact", Kind::redact, Argument::none},
    {"alert", Kind::alert, Argument::word},
    {"quarantine", Kind::quarantine, Argument::none},
    {"throttle", Kind::throttle, Argument::number, 10'000},
});

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool is_channel(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::optional<std::int64_t> number_in(std::string_view text, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > most)
    return {};
  return number;
}

base::Result<Obligation> parse_one(std::string_view word) {
  const auto colon = word.find(':');
  const std::string_view known = word.substr(0, colon);
  const auto row = std::ranges::find(rows, known, &Row::name);
  if (row == rows.end()) {
    std::array<std::string_view, rows.size()> names;
    std::ranges::transform(rows, names.begin(), &Row::name);
    const auto near = base::nearest(known, names);
    return base::fail(Code::invalid,
                      std::format("unknown obligation \"{}\"{}", word,
                                  near ? std::format(" (did you mean {}?)", *near) : ""));
  }
  const bool given = colon != std::string_view::npos;
  const std::string_view rest = given ? word.substr(colon + 1) : std::string_view();
  Obligation obligation{.kind = row->kind};
  switch (row->argument) {
    case Argument::none:
      if (given)
        return base::fail(Code::invalid, std::format("obligation {} takes nothing after it, found "
                                                     "\"{}\"",
                                                     known, word));
      return obligation;
    case Argument::number:
      if (const auto number = number_in(rest, row->most)) {
        obligation.number = *number;
        return obligation;
      }
      return base::fail(Code::invalid,
                        std::format("obligation {0} is written {0}:N with N from 1 to {1}, found "
                                    "\"{2}\"",
                                    known, row->most, word));
    case Argument::word:
      if (!is_channel(rest))
        return base::fail(Code::invalid,
                          std::format("obligation {0} is written {0}:NAME with a NAME of a-z, 0-9, "
                                      "_ and -, found \"{1}\"",
                                      known, word));
      obligation.text = rest;
      return obligation;
  }
  std::unreachable();
}

}  // namespace

std::string_view name(Obligation::Kind kind) {
  return std::ranges::find(rows, kind, &Row::kind)->name;
}

std::string to_text(const Obligation& obligation) {
  if (obligation.number != 0) return std::format("{}:{}", name(obligation.kind), obligation.number);
  if (!obligation.text.empty()) return std::format("{}:{}", name(obligation.kind), obligation.text);
  return std::string(name(obligation.kind));
}

base::Result<std::vector<Obligation>> parse_obligations(std::string_view text) {
  std::vector<Obligation> obligations;
  while (true) {
    const auto comma = text.find(',');
    auto obligation = parse_one(trimmed(text.substr(0, comma)));
    if (!obligation) return std::unexpected(std::move(obligation).error());
    if (std::ranges::find(obligations, *obligation) == obligations.end())
      obligations.push_back(*std::move(obligation));
    if (comma == std::string_view::npos) return obligations;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace latticegate::policy
