// How well the rules do on rows that were not written by us: recall and precision with floors.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <string>

#include "inspect/scan.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::inspect;

namespace {

std::optional<std::filesystem::path> data() {
  const char* const named = std::getenv("LATTICEGATE_SHARED_DATA");
  const char* const source = std::getenv("LATTICEGATE_SOURCE");
  std::filesystem::path path;
  if (named != nullptr && *named != '\0')
    path = named;
  else
    path = std::filesystem::path(source != nullptr ? source : ".") / "../shared/data";
  if (std::filesystem::exists(path / "detection")) return path / "detection";
  return std::nullopt;
}

struct Close {
  void operator()(std::FILE* file) const { pclose(file); }
};

std::string unpacked(const std::filesystem::path& path) {
  const std::unique_ptr<std::FILE, Close> pipe(
      popen(std::format("xz -dc '{}'", path.string()).c_str(), "r"));
  std::string out;
  std::array<char, 65536> block{};
  while (pipe)
    if (const std::size_t n = std::fread(block.data(), 1, block.size(), pipe.get()))
      out.append(block.data(), n);
    else
      break;
  return out;
}

struct Count {
  std::size_t rows = 0, hit = 0;
  double share() const {
    return rows == 0 ? 0 : static_cast<double>(hit) / static_cast<double>(rows);
  }
};

// Rows with the label, and how many of them have a secret.
Count count(Scanner& scanner, std::string_view lines, std::string_view label, Confidence at_least) {
  Count total;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const auto row = json::Document::parse(line, {.allow_nul = true});
    if (!row || row->root()["label"].text_or("") != label) continue;
    ++total.rows;
    const Findings findings = scan_text(scanner, Surface::result, row->root()["text"].text_or(""));
    for (const Finding& finding : findings.items)
      if (finding.kind == FindingKind::secret && finding.confidence >= at_least) {
        ++total.hit;
        break;
      }
  }
  return total;
}

}  // namespace

TEST_CASE("recall and precision of the secret rules on shared rows") {
  const auto folder = data();
  if (!folder || unpacked(*folder / "secrets.train.jsonl.xz").empty()) {
    MESSAGE(
        "SKIPPED: no detection data beside the project (LATTICEGATE_SHARED_DATA), or no xz to "
        "unpack it");
    return;
  }
  auto scanner = Scanner::create(*RuleSet::built_in());
  REQUIRE(scanner.has_value());
  Count attack, benign;
  for (const std::string_view split : {"train", "dev"}) {
    const std::string rows = unpacked(*folder / std::format("secrets.{}.jsonl.xz", split));
    const Count hit = count(*scanner, rows, "attack", Confidence::possible);
    const Count wrong = count(*scanner, rows, "benign", Confidence::possible);
    MESSAGE("secrets.", split, ": ", hit.hit, " of ", hit.rows, " attack rows, ", wrong.hit, " of ",
            wrong.rows, " benign rows");
    attack.rows += hit.rows;
    attack.hit += hit.hit;
    benign.rows += wrong.rows;
    benign.hit += wrong.hit;
  }
  const double precision =
      static_cast<double>(attack.hit) / static_cast<double>(attack.hit + benign.hit);
  MESSAGE("recall ", attack.share(), ", precision ", precision);
  // Not found on purpose: home directories, user ids, custom words, documentation keys.
  CHECK(attack.share() >= 0.70);
  CHECK(precision >= 0.90);
}

TEST_CASE("ordinary arguments, results and descriptions hardly ever look like secrets") {
  const auto folder = data();
  if (!folder) {
    MESSAGE("SKIPPED: no detection data beside the project (LATTICEGATE_SHARED_DATA)");
    return;
  }
  auto scanner = Scanner::create(*RuleSet::built_in());
  REQUIRE(scanner.has_value());
  for (const std::string_view name : {"tool_result", "argument", "tool_metadata"}) {
    Count all;
    for (const std::string_view split : {"train", "dev"}) {
      const Count one =
          count(*scanner, unpacked(*folder / std::format("{}.{}.jsonl.xz", name, split)), "benign",
                Confidence::possible);
      all.rows += one.rows;
      all.hit += one.hit;
    }
    MESSAGE(name, ": ", all.hit, " of ", all.rows, " benign rows");
    // What is hit are the account passwords of simulated users: real findings in rows labelled for
    // another purpose.
    CHECK(all.share() <= 0.01);
  }
}
