#include "inspect/finding.h"

#include <algorithm>
#include <utility>

namespace latticegate::inspect {

std::string_view name(Surface surface) {
  switch (surface) {
    case Surface::arguments: return "arguments";
    case Surface::result: return "result";
    case Surface::descriptor: return "descriptor";
    case Surface::instructions: return "instructions";
    case Surface::error: return "error";
    case Surface::user_text: return "user_text";
  }
  std::unreachable();
}

std::string_view name(FindingKind kind) {
  switch (kind) {
    case FindingKind::secret: return "secret";
    case FindingKind::hidden_text: return "hidden_text";
    case FindingKind::terminal_escape: return "terminal_escape";
    case FindingKind::instruction: return "instruction";
    case FindingKind::injection: return "injection";
    case FindingKind::exfiltration: return "exfiltration";
    case FindingKind::personal_data: return "personal_data";
    case FindingKind::canary: return "canary";
    case FindingKind::schema: return "schema";
  }
  std::unreachable();
}

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::low: return "low";
    case Severity::medium: return "medium";
    case Severity::high: return "high";
    case Severity::critical: return "critical";
  }
  std::unreachable();
}

std::string_view name(Confidence confidence) {
  switch (confidence) {
    case Confidence::possible: return "possible";
    case Confidence::likely: return "likely";
    case Confidence::verified: return "verified";
  }
  std::unreachable();
}

bool Findings::has(FindingKind kind) const {
  return std::ranges::any_of(items, [&](const Finding& item) { return item.kind == kind; });
}

bool Findings::has(FindingKind kind, Severity at_least) const {
  return std::ranges::any_of(
      items, [&](const Finding& item) { return item.kind == kind && item.severity >= at_least; });
}

Severity Findings::worst(FindingKind kind) const {
  Severity worst = Severity::info;
  for (const Finding& item : items)
    if (item.kind == kind) worst = std::max(worst, item.severity);
  return worst;
}

std::vector<std::string> Findings::rules() const {
  std::vector<std::string> ids;
  for (const Finding& item : items) ids.push_back(item.rule);
  std::ranges::sort(ids);
  const auto rest = std::ranges::unique(ids);
  ids.erase(rest.begin(), rest.end());
  return ids;
}

}  // namespace latticegate::inspect
