// ns per message of each part of inspection, best of several rounds: `bench.inspect`.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <format>
#include <print>
#include <string>

#include "inspect/hidden_text.h"
#include "inspect/pin.h"
#include "inspect/redact.h"
#include "inspect/rules.h"
#include "inspect/scan.h"
#include "inspect/schema.h"
#include "json/value.h"

using namespace latticegate;

namespace {

std::uint64_t sink = 0;

template <class F>
void measure(std::string_view name, F&& run) {
  using Clock = std::chrono::steady_clock;
  double best = 1e18;
  int rounds = 1000;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const auto start = Clock::now();
    for (int i = 0; i < rounds; ++i) sink += run();
    const double ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    best = std::min(best, ns / rounds);
    rounds = std::clamp(static_cast<int>(2e7 / std::max(best, 1.0)), 10, 200'000);
  }
  std::println("{:44} {:10.0f} ns", name, best);
}

std::string words(std::size_t size) {
  constexpr std::string_view text =
      "The quarterly report lists open invoices by customer, region and due date; see "
      "https://docs.test/a?b=c for "
      "the columns. Payment of order 48213 (EUR 1,290.50) is expected on 2026-12-01, contact "
      "finance team. ";
  std::string out;
  while (out.size() < size) out += text;
  out.resize(size);
  return out;
}

std::string call(std::size_t size) {
  std::string text =
      R"({"query":"SELECT id, name, total FROM invoices WHERE customer_id = 4711 ORDER BY due LIMIT 50",)"
      R"("limit":50,"format":"json","tags":["finance","monthly"],"options":{"timezone":"Europe/Berlin","dry_run":false},"note":")";
  text += words(size > text.size() + 2 ? size - text.size() - 2 : 10);
  return text + "\"}";
}

std::string answer(std::size_t size) {
  std::string text = R"({"content":[{"type":"text","text":")" + words(size / 3) +
                     R"("}],"structuredContent":{"rows":[)";
  for (int row = 0; text.size() < size - 80; ++row)
    text += std::format(
        "{}{{\"id\":{},\"name\":\"Customer {}\",\"total\":{}.50,\"due\":\"2026-12-{:02}\"}}",
        row == 0 ? "" : ",", row + 1000, row, row * 17, row % 28 + 1);
  return text + "]},\"isError\":false}";
}

}  // namespace

int main() {
  using inspect::Surface;
  const auto start = std::chrono::steady_clock::now();
  const auto rules = inspect::RuleSet::built_in();
  if (!rules) {
    std::println("{}", rules.error().detail);
    return 1;
  }
  std::println(
      "{:44} {:10.1f} ms", std::format("compile {} rules", (*rules)->rules().size()),
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  auto scanner = inspect::Scanner::create(*rules);
  if (!scanner) return 1;

  for (const std::size_t size : {std::size_t{600}, std::size_t{4096}, std::size_t{65536}}) {
    const auto document = json::Document::parse(call(size));
    if (!document) return 1;
    measure(std::format("scan arguments, {} bytes", size), [&] {
      return inspect::scan(*scanner, Surface::arguments, document->root()).items.size();
    });
  }
  for (const std::size_t size : {std::size_t{1024}, std::size_t{65536}}) {
    const auto document = json::Document::parse(answer(size));
    if (!document) return 1;
    measure(std::format("scan result, {} bytes", size), [&] {
      return inspect::scan(*scanner, Surface::result, document->root()).items.size();
    });
  }
  {
    std::string text = answer(1024);
    text.replace(text.find("quarterly"), 9,
                 "AKIA"
                 "Q3EGRJZ7WM5YNT2K");
    const auto document = json::Document::parse(text);
    if (!document) return 1;
    measure("scan result with a secret, 1024 bytes", [&] {
      return inspect::scan(*scanner, Surface::result, document->root()).items.size();
    });
    const auto findings = inspect::scan(*scanner, Surface::result, document->root());
    measure("redact it", [&] {
      return inspect::redact(document->root(), findings, {.key = "0123456789abcdef"}).size();
    });
  }
  {
    const std::string plain = words(4096);
    measure("plain ASCII, 4096 bytes",
            [&] { return std::uint64_t{inspect::is_plain_ascii(plain)}; });
    std::string mixed;
    while (mixed.size() < 4096)
      mixed +=
          "Gr\xC3\xBC\xC3\x9F"
          "e aus K\xC3\xB6ln, \xE4\xBD\xA0\xE5\xA5\xBD. ";
    measure("find hidden, 4096 bytes of mixed text",
            [&] { return inspect::find_hidden(mixed).size(); });
  }
  {
    const auto schema_text = json::Document::parse(
        R"({"type":"object","properties":{"query":{"type":"string","maxLength":1000},"limit":{"type":"integer","minimum":1,"maximum":100},)"
        R"("format":{"enum":["json","csv"]},"tags":{"type":"array","items":{"type":"string"}},"options":{"type":"object","properties":{)"
        R"("timezone":{"type":"string","pattern":"^[A-Za-z_]+/[A-Za-z_]+$"},"dry_run":{"type":"boolean"}},"additionalProperties":false},)"
        R"("note":{"type":"string"}},"required":["query"],"additionalProperties":false})");
    if (!schema_text) return 1;
    const auto schema = inspect::Schema::compile(schema_text->root());
    const auto document = json::Document::parse(call(600));
    if (!schema || !document) return 1;
    if (!schema->validate(document->root()).valid())
      std::println("{}", schema->validate(document->root()).text());
    measure("validate arguments, 600 bytes",
            [&] { return schema->validate(document->root()).violations.size(); });
    measure("compile that schema",
            [&] { return inspect::Schema::compile(schema_text->root()).has_value() ? 1U : 0U; });
    measure("fingerprint a descriptor",
            [&] { return inspect::fingerprint(schema_text->root()).bytes.size(); });
  }
  return sink == 0 ? 1 : 0;
}
