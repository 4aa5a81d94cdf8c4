// The rules: data files (src/inspect/rules/*.yaml) for secrets, personal data, instructions and
// injections, compiled into one pattern database per surface.
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
  // Numbers of persons and accounts; separators do not count.
  luhn,         // payment cards: ISO/IEC 7812 with a known issuer range
  iban,         // ISO 13616: length of the country, mod 97
  us_ssn,       // area, group and serial that can be given
  uk_nhs,       // mod 11
  nl_bsn,       // "elfproef"
  pl_pesel,     // mod 10 with a date
  br_cpf,       // two mod 11 digits
  es_nif,       // DNI and NIE: letter of mod 23
  it_cf,        // codice fiscale: check letter
  fr_nir,       // mod 97
  de_tax,       // ISO 7064 mod 11, 10
  se_personal,  // Luhn with a date; also Finland's neighbours' form
  ch_ahv,       // EAN-13 with 756
  in_aadhaar,   // Verhoeff
  au_tfn,       // mod 11, weights 1 4 3 7 5 8 6 9 10
  ca_sin,       // Luhn, nine digits
  be_national,  // mod 97
};

struct Rule {
  std::string id;
  std::string description;
  FindingKind kind = FindingKind::secret;
  float rarity = 0;  // -log10 of the share of benign texts that match; counts into Scores::rules
  std::vector<std::string> labels;
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
  bool operator==(const RuleFile&) const = default;
};

class RuleSet {
 public:
  // The rules that are part of the program.
  [[nodiscard]] static base::Result<std::shared_ptr<const RuleSet>> built_in();
  // `databases`: what databases() of a set with the same anchors gave before, which saves most of
  // the time. Bytes of other anchors, another version of Vectorscan or another kind of processor
  // are passed over. They become a machine that runs over texts: they must come from where only
  // this user writes.
  [[nodiscard]] static base::Result<std::shared_ptr<const RuleSet>> compile(
      std::span<const RuleFile> files, std::string_view databases = {});
  RuleSet(const RuleSet&) = delete;
  RuleSet& operator=(const RuleSet&) = delete;
  ~RuleSet();

  std::span<const Rule> rules() const;
  // SHA-256 over the files, hexadecimal: which rules judged, for records.
  const std::string& digest() const;
  // Empty when Vectorscan has no memory for it.
  std::string databases() const;
  // Whether the bytes that compile() got were of use.
  bool databases_were_kept() const;

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
