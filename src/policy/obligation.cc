#include "policy/obligation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <format>
#include <optional>
#include <utility>

#include "base/suggest.h"

namespace latticegate::policy {
namespace {

using base::Code;
using Kind = Obligation::Kind;

// What follows the colon.
enum class Argument : std::uint8_t { none, level, rate, channel, label };

struct Row {
  std::string_view name;
  Kind kind;
  Argument argument;
  std::string_view form = {};  // how it is written, when there is an argument
};

constexpr auto rows = std::to_array<Row>({
    {"kill_session", Kind::kill_session, Argument::none},
    {"kill", Kind::kill_session, Argument::none},
    {"step_up", Kind::step_up, Argument::level, "step_up:N with N from 1 to 9"},
    {"redact", Kind::redact, Argument::label, "redact, redact:secret or redact:hidden_text"},
    {"alert", Kind::alert, Argument::channel, "alert:NAME with a NAME of a-z, 0-9, _ and -"},
    {"quarantine", Kind::quarantine, Argument::none},
    {"ask_client", Kind::ask_client, Argument::none},
    {"honeypot", Kind::honeypot, Argument::none},
    {"log_full", Kind::log_full, Argument::none},
    {"throttle", Kind::throttle, Argument::rate,
     "throttle:N/s, throttle:N/m or throttle:N/h with N from 1 to 10000"},
});

struct Unit {
  char letter;
  std::chrono::seconds length;
};
constexpr auto units = std::to_array<Unit>(
    {{'s', std::chrono::seconds(1)}, {'m', std::chrono::minutes(1)}, {'h', std::chrono::hours(1)}});

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

// What stands behind the colon, into the obligation. False when it is not of that form.
bool read_argument(const Row& row, std::optional<std::string_view> given, Obligation& into) {
  switch (row.argument) {
    case Argument::none: return !given;
    case Argument::label:
      into.text = given.value_or("");
      return !given || *given == "secret" || *given == "hidden_text";
    case Argument::channel: into.text = given.value_or(""); return is_channel(into.text);
    case Argument::level:
      into.number = number_in(given.value_or(""), 9).value_or(0);
      return into.number != 0;
    case Argument::rate: {
      const std::string_view text = given.value_or("");
      const auto slash = text.find('/');
      const std::string_view letter =
          slash == std::string_view::npos ? std::string_view("m") : text.substr(slash + 1);
      const auto unit =
          std::ranges::find(units, letter.size() == 1 ? letter.front() : '\0', &Unit::letter);
      if (unit == units.end()) return false;
      into.per = unit->length;
      into.number = number_in(text.substr(0, slash), 10'000).value_or(0);
      return into.number != 0;
    }
  }
  std::unreachable();
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
  Obligation obligation{.kind = row->kind};
  const auto rest =
      colon == std::string_view::npos ? std::nullopt : std::optional(word.substr(colon + 1));
  if (read_argument(*row, rest, obligation)) return obligation;
  return base::fail(
      Code::invalid,
      row->form.empty()
          ? std::format("obligation {} takes nothing after it, found \"{}\"", known, word)
          : std::format("obligation {} is written {}, found \"{}\"", known, row->form, word));
}

}  // namespace

std::string_view name(Obligation::Kind kind) {
  return std::ranges::find(rows, kind, &Row::kind)->name;
}

std::string to_text(const Obligation& obligation) {
  std::string text(name(obligation.kind));
  if (!obligation.text.empty()) text += std::format(":{}", obligation.text);
  if (obligation.number != 0) text += std::format(":{}", obligation.number);
  if (const auto unit = std::ranges::find(units, obligation.per, &Unit::length);
      unit != units.end())
    text += std::format("/{}", unit->letter);
  return text;
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
