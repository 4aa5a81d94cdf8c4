// The secret rules: data files (src/inspect/rules/*.yaml) compiled into one pattern database per
// surface.
//
// A rule names literal anchors that every match contains ("ghp_"), a pattern that confirms the
// whole token, and checks (entropy, checksum, structure). Only the anchors go into the Vectorscan
// database, so a scan of clean text costs about 0.5 ns a byte whatever the number of rules; the
// confirmation looks at the small window around a hit. The format of the files is described in
// src/inspect/rules/README.md.
//
// A RuleSet is immutable and shared by all threads; compile it off the serving threads
// (milliseconds) and swap the pointer. Posture: rule files come from the operator; they are read
// strictly, with limits, and each error names file, line and column.
#pragma once
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inspect/finding.h"
#include "inspect/pattern.h"

namespace latticegate::inspect {

// What confirms a token beyond its pattern.
enum class TokenCheck : std::uint8_t {
  none,
  crc32_base62,  // the last 6 characters are the CRC-32 of the part behind the prefix, in base 62
                 // (GitHub, npm)
  jwt,           // the first segment decodes to a JSON object with "alg"
  pem,           // BEGIN and END labels agree and base64 stands between them
  basic,         // base64 of a name, a colon and a password
  mixed,         // letters and digits both
};

struct Rule {
  std::string id;
  std::string description;
  Severity severity = Severity::high;
  std::uint8_t surface_mask = 0xFF;  // bit per Surface
  std::vector<std::string> anchors;
  bool ignore_case = false;       // of anchors and patterns
  std::uint32_t lead = 0;         // how many bytes before the anchor a match may begin
  std::optional<Pattern> before;  // what stands before the secret; contains the anchor
  Pattern pattern;                // the secret; contains the anchor unless `before` does
  std::uint32_t trim = 0;         // bytes at the end of the match that are not the secret
  std::bitset<256> not_after;     // bytes that may not stand right before a match
  std::bitset<256> not_before;    // bytes that may not stand right behind it
  double entropy = 0;             // least Shannon entropy, bits per character, behind the anchor
  TokenCheck check = TokenCheck::none;
  bool check_decides =
      false;           // a failed check means no finding; else it only lowers the confidence
  bool field = false;  // an anchor may also end a member's name; the secret is its value
};

struct RuleFile {
  std::string name;  // for messages
  std::string text;
};

class RuleSet {
 public:
  // The rules that are part of the program.
  [[nodiscard]] static base::Result<std::shared_ptr<const RuleSet>> built_in();
  [[nodiscard]] static base::Result<std::shared_ptr<const RuleSet>> compile(
      std::span<const RuleFile> files);
  RuleSet(const RuleSet&) = delete;
  RuleSet& operator=(const RuleSet&) = delete;
  ~RuleSet();

  std::span<const Rule> rules() const;
  // SHA-256 over the files, hexadecimal: which rules judged, for records.
  const std::string& digest() const;

 private:
  friend class Scanner;
  struct Compiled;
  explicit RuleSet(std::unique_ptr<const Compiled> compiled);
  std::unique_ptr<const Compiled> compiled_;
};

// The rule files that are part of the program.
std::vector<RuleFile> built_in_files();

// Runs the examples of the files against the rules compiled from them; one sentence per example
// that behaves otherwise than its file says. For tests and for the linter of operators' own rules.
[[nodiscard]] base::Result<std::vector<std::string>> failing_examples(
    std::span<const RuleFile> files);

}  // namespace latticegate::inspect
