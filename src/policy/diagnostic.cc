#include "policy/diagnostic.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <optional>
#include <utility>

#include "cedar/suspicious.h"

namespace latticegate::policy {
namespace {

using Severity = Diagnostic::Severity;

constexpr std::size_t widest_excerpt = 160;  // characters

constexpr std::array<DiagnosticRule, 35> rules{{
    {"syntax", Severity::error, "The text is not Cedar."},
    {"duplicate_id", Severity::error, "Two policies have one id."},
    {"reserved_id", Severity::error, "The id is one of the built-in policies'."},
    {"obligation", Severity::error, "The obligation does not exist."},
    {"temporal", Severity::error, "The temporal condition cannot be watched."},
    {"world", Severity::error, "The names of the configuration contradict each other."},
    {"unknown_entity_type", Severity::error, "The entity type is not declared."},
    {"unknown_action", Severity::error, "The action is not declared."},
    {"unknown_id", Severity::error, "The id is not one of its enumerated type."},
    {"unexpected_type", Severity::error, "The value has another type than is needed here."},
    {"incompatible_types", Severity::error, "Two values need one type and have two."},
    {"no_attribute", Severity::error, "The attribute does not exist."},
    {"optional_attribute", Severity::error, "The attribute is read without `has`."},
    {"unsafe_tag", Severity::error, "The tag is read without `hasTag`."},
    {"no_tags", Severity::error, "Entities of the type have no tags."},
    {"empty_set", Severity::error, "An empty set has no type."},
    {"computed_constructor", Severity::error, "The constructor's argument is not a literal."},
    {"bad_literal", Severity::error, "The constructor's argument is not well-formed."},
    {"arity", Severity::error, "The number of arguments is wrong."},
    {"level", Severity::error, "More entities in a row are read than allowed."},
    {"too_complex", Severity::error, "The policy is beyond the limits of the checker."},
    {"no_applicable_action", Severity::warning, "No action applies to what the scope admits."},
    {"impossible", Severity::warning, "The policy is false for every request."},
    {"mixed_scripts", Severity::warning, "A name or text mixes letters of several scripts."},
    {"bidirectional", Severity::warning, "Characters turn the direction of writing."},
    {"unusual_identifier", Severity::warning, "A name has an unusual character."},
    {"unknown_name", Severity::warning, "The configuration does not know the name."},
    {"unlinked_template", Severity::warning,
     "A template decides nothing until something links it."},
    {"redundant", Severity::warning, "Another policy says the same or more."},
    {"overridden", Severity::warning, "A forbid always wins over the permit."},
    {"unreachable_clause", Severity::warning, "A clause never counts."},
    {"constant_clause", Severity::note, "A clause is always true."},
    {"gained", Severity::warning, "The new policies allow what the old ones did not."},
    {"lost", Severity::warning, "The old policies allowed what the new ones do not."},
    {"idle_forbid", Severity::note, "The forbid forbids nothing that is permitted."},
}};

// One character of UTF-8, which the text need not be; takes at least one byte.
std::string_view take_character(std::string_view& text) {
  const auto follows = [&](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  std::size_t size = 1;
  if (static_cast<unsigned char>(text[0]) >= 0xC0U)
    while (size < 4 && follows(size)) ++size;
  const std::string_view one = text.substr(0, size);
  text.remove_prefix(size);
  return one;
}

std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != ':') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return number;
}

// How a character is shown: itself, or escaped.
std::string shown(std::string_view character, bool escape) {
  if (character == "\t") return " ";
  const bool control = static_cast<unsigned char>(character[0]) < 0x20 || character[0] == 0x7F;
  if (!control && (character.size() == 1 || !escape)) return std::string(character);
  const std::string quoted = cedar::escaped(character);
  return quoted.substr(1, quoted.size() - 2);
}

std::size_t characters_in(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) take_character(text);
  return count;
}

}  // namespace

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::error: return "error";
    case Severity::warning: return "warning";
    case Severity::note: return "note";
  }
  return "";
}

std::span<const DiagnosticRule> diagnostic_rules() { return rules; }

Diagnostic diagnostic_at(const cedar::Policy& policy, cedar::Span span, std::string_view rule,
                         std::string message) {
  const cedar::Location begin = policy.locate(span);
  const cedar::Location end = policy.locate({span.end, span.end});
  const auto known = std::ranges::find(rules, rule, &DiagnosticRule::name);
  return {.severity = known == rules.end() ? Severity::error : known->severity,
          .rule = std::string(rule),
          .policy = std::string(policy.id),
          .file = std::string(begin.file),
          .begin = {begin.line, begin.column},
          .end = {end.line, end.column},
          .message = std::move(message)};
}

Diagnostic diagnostic_of(const base::Error& error, std::string_view file, std::string_view rule) {
  Diagnostic diagnostic{.rule = std::string(rule), .file = std::string(file)};
  std::string_view rest = error.detail;
  if (rest.starts_with(file) && rest.substr(file.size()).starts_with(':')) {
    rest.remove_prefix(file.size() + 1);
    if (const auto line = take_number(rest)) {
      if (const auto column = take_number(rest)) {
        diagnostic.begin = {*line, *column};
        diagnostic.end = diagnostic.begin;
      }
    }
    if (rest.starts_with(' ')) rest.remove_prefix(1);
  }
  diagnostic.message = rest;
  return diagnostic;
}

std::string describe(const Diagnostic& diagnostic) {
  std::string text;
  if (!diagnostic.file.empty()) text = diagnostic.file + ':';
  if (diagnostic.begin.line != 0)
    text += std::format("{}:{}:", diagnostic.begin.line, diagnostic.begin.column);
  if (!text.empty()) text += ' ';
  if (!diagnostic.policy.empty()) text += std::format("policy `{}`: ", diagnostic.policy);
  text += diagnostic.message;
  if (!diagnostic.environment.empty()) text += std::format(" (for {})", diagnostic.environment);
  return text;
}

std::string_view source_line(const Diagnostic& diagnostic, std::span<const PolicyText> texts) {
  const auto found = std::ranges::find(texts, diagnostic.file, &PolicyText::file);
  if (diagnostic.begin.line == 0 || found == texts.end()) return {};
  std::string_view text = found->text;
  for (std::uint32_t line = 1; line < diagnostic.begin.line; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string excerpt(const Diagnostic& diagnostic, std::span<const PolicyText> texts) {
  std::string_view line = source_line(diagnostic, texts);
  if (line.empty()) return {};
  const std::size_t begin = diagnostic.begin.column - 1;
  const std::size_t end = diagnostic.end.line > diagnostic.begin.line
                              ? line.size()
                              : std::max<std::size_t>(diagnostic.end.column - 1, begin + 1);
  const bool escape = cedar::suspicious_text(line) != cedar::Suspicion::none;
  const std::size_t whole = line.size();
  std::string text = "    ";
  std::string marks = text;
  // Of a very long line, the part around the place.
  if (whole > widest_excerpt && begin > widest_excerpt / 2) {
    while (whole - line.size() < begin - widest_excerpt / 2) take_character(line);
    text += "... ";
    marks += "    ";
  }
  for (std::size_t count = 0; !line.empty() && count < widest_excerpt; ++count) {
    const std::size_t at = whole - line.size();
    const std::string one = shown(take_character(line), escape);
    text += one;
    if (at >= end) continue;
    const bool marked = at >= begin;
    for (std::size_t i = characters_in(one); i > 0; --i)
      marks += !marked ? ' ' : marks.contains('^') ? '~' : '^';
  }
  if (!line.empty()) text += " ...";
  if (!marks.contains('^')) marks += '^';  // behind the end of the line
  return text + '\n' + marks + '\n';
}

void write(const Diagnostic& diagnostic, std::span<const PolicyText> texts, json::Writer& writer) {
  const auto number = [](std::uint32_t of) { return static_cast<std::int64_t>(of); };
  writer.begin_object()
      .member("severity", std::string(name(diagnostic.severity)))
      .member("rule", diagnostic.rule)
      .member("policy", diagnostic.policy)
      .member("file", diagnostic.file)
      .member("line", number(diagnostic.begin.line))
      .member("column", number(diagnostic.begin.column))
      .member("endLine", number(diagnostic.end.line))
      .member("endColumn", number(diagnostic.end.column))
      .member("message", diagnostic.message)
      .member("environment", diagnostic.environment);
  const std::string_view line = source_line(diagnostic, texts);
  writer.member("excerpt", std::string(line.substr(0, 1'000)));
  writer.end_object();
}

std::size_t count(std::span<const Diagnostic> diagnostics, Severity severity) {
  return static_cast<std::size_t>(std::ranges::count(diagnostics, severity, &Diagnostic::severity));
}

}  // namespace latticegate::policy
