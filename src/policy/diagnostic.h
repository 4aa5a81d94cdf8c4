// Diagnostic: one thing that is wrong, or looks wrong, in a policy file, with its place; for people
// (text), for programs (JSON) and for code scanning (policy/sarif.h).
//
// Lines and columns count from 1, columns in bytes as in cedar/policy_set.h. Excerpts come from the
// texts that were checked: what a terminal could take for a command, and letters that deceive, are
// written as \u{...}. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "json/write.h"
#include "policy/engine.h"

namespace latticegate::policy {

struct Diagnostic {
  enum class Severity : std::uint8_t { error, warning, note };
  struct Place {
    std::uint32_t line = 0;  // 0: no place
    std::uint32_t column = 0;
    bool operator==(const Place&) const = default;
  };
  Severity severity = Severity::error;
  std::string rule{};    // "syntax", "optional_attribute": one of diagnostic_rules()
  std::string policy{};  // its id; "" when it is not about one
  std::string file{};
  Place begin{};
  Place end{};  // behind the last character; begin itself when only a point is known
  std::string message{};
  std::string environment{};  // the kind of request that it holds for; "" for any
};

// "error", "warning", "note".
std::string_view name(Diagnostic::Severity severity);

struct DiagnosticRule {
  std::string_view name;
  Diagnostic::Severity severity{};
  std::string_view words;
};
std::span<const DiagnosticRule> diagnostic_rules();

// About a stretch of a policy. The severity is the rule's.
Diagnostic diagnostic_at(const cedar::Policy& policy, cedar::Span span, std::string_view rule,
                         std::string message);
// From an error whose detail begins with `file:line:column: `; without that, it has no place.
Diagnostic diagnostic_of(const base::Error& error, std::string_view file, std::string_view rule);

// "file:line:column: policy `id`: message (for ...)".
std::string describe(const Diagnostic& diagnostic);
// The source line and a line that marks the stretch, both ending in a line feed; "" without a
// place.
std::string excerpt(const Diagnostic& diagnostic, std::span<const PolicyText> texts);
// The whole source line, as it is; "" without a place.
std::string_view source_line(const Diagnostic& diagnostic, std::span<const PolicyText> texts);

// One object.
void write(const Diagnostic& diagnostic, std::span<const PolicyText> texts, json::Writer& writer);

std::size_t count(std::span<const Diagnostic> diagnostics, Diagnostic::Severity severity);

}  // namespace latticegate::policy
