#include "policy/sarif.h"

#include <algorithm>
#include <format>
#include <string_view>
#include <vector>

namespace latticegate::policy {
namespace {

std::string uri_of(std::string_view path) {
  std::string uri = path.starts_with('/') ? "file://" : "";
  if (path.starts_with("./")) path.remove_prefix(2);
  constexpr std::string_view plain = "-._~/";
  for (const char c : path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || plain.contains(c))
      uri += c;
    else
      uri += std::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

// The column in code points of one in bytes.
std::int64_t character_column(std::string_view line, std::uint32_t column) {
  const auto before = line.substr(0, column - 1);
  const auto starts = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  // Behind the end of the line bytes and characters count alike.
  return std::ranges::count_if(before, starts) + 1 +
         static_cast<std::int64_t>(column - 1 - before.size());
}

void write_location(const Diagnostic& diagnostic, std::span<const PolicyText> texts,
                    json::Writer& writer) {
  writer.begin_object().key("physicalLocation").begin_object();
  writer.key("artifactLocation").begin_object().member("uri", uri_of(diagnostic.file)).end_object();
  if (diagnostic.begin.line != 0) {
    const std::string_view line = source_line(diagnostic, texts);
    writer.key("region").begin_object();
    writer.member("startLine", static_cast<std::int64_t>(diagnostic.begin.line));
    writer.member("startColumn", character_column(line, diagnostic.begin.column));
    if (diagnostic.end != diagnostic.begin) {
      Diagnostic last = diagnostic;
      last.begin = diagnostic.end;
      writer.member("endLine", static_cast<std::int64_t>(diagnostic.end.line));
      writer.member("endColumn", character_column(source_line(last, texts), diagnostic.end.column));
    }
    writer.end_object();
  }
  writer.end_object().end_object();
}

}  // namespace

std::string to_sarif(std::span<const Diagnostic> diagnostics, std::span<const PolicyText> texts,
                     std::string_view version) {
  // Only the rules that occur, in the order of the table.
  std::vector<const DiagnosticRule*> used;
  for (const DiagnosticRule& rule : diagnostic_rules())
    if (std::ranges::contains(diagnostics, rule.name, &Diagnostic::rule)) used.push_back(&rule);
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("$schema", "https://json.schemastore.org/sarif-2.1.0.json")
      .member("version", "2.1.0");
  writer.key("runs").begin_array().begin_object();
  writer.key("tool").begin_object().key("driver").begin_object();
  writer.member("name", "latticegate").member("version", std::string(version));
  writer.key("rules").begin_array();
  for (const DiagnosticRule* const rule : used) {
    writer.begin_object().member("id", std::string(rule->name));
    writer.key("shortDescription").begin_object();
    writer.member("text", std::string(rule->words)).end_object();
    writer.key("defaultConfiguration").begin_object();
    writer.member("level", std::string(name(rule->severity))).end_object();
    writer.end_object();
  }
  writer.end_array().end_object().end_object();
  writer.member("columnKind", "unicodeCodePoints");
  writer.key("results").begin_array();
  for (const Diagnostic& diagnostic : diagnostics) {
    const auto rule = std::ranges::find(used, diagnostic.rule, &DiagnosticRule::name);
    writer.begin_object().member("ruleId", diagnostic.rule);
    if (rule != used.end()) writer.member("ruleIndex", rule - used.begin());
    writer.member("level", std::string(name(diagnostic.severity)));
    Diagnostic words = diagnostic;
    words.file.clear();
    words.begin = {};
    writer.key("message").begin_object().member("text", describe(words)).end_object();
    if (!diagnostic.file.empty()) {
      writer.key("locations").begin_array();
      write_location(diagnostic, texts, writer);
      writer.end_array();
    }
    writer.end_object();
  }
  writer.end_array().end_object().end_array().end_object();
  return out;
}

}  // namespace latticegate::policy
