#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/scan.h"

using namespace latticegate::inspect;

namespace {

// Rules of the personal data in the text, as the program finds them in a result.
std::vector<std::string> found(std::string_view text) {
  static Scanner scanner = *Scanner::create(*RuleSet::built_in());
  std::vector<std::string> rules;
  for (const Finding& finding :
       scan_text(scanner, Surface::result, text, {.each_person = true}).items)
    if (finding.kind == FindingKind::personal_data) {
      CHECK(finding.excerpt.find_first_of("@") == std::string::npos);
      rules.push_back(finding.rule);
    }
  return rules;
}

}  // namespace

TEST_CASE("personal data by form, check digit and the words in front") {
  struct Case {
    std::string_view text, rule;  // "" for none
  };
  for (const Case& c : {
           Case{"card 4111 1111 1111 1111, thanks", "payment-card"},
           Case{"card 4111-1111-1111-1111", "payment-card"},
           Case{"amex 378282246310005", "payment-card"},
           Case{"order 4111111111111112", ""},
           Case{"sum 1234567812345678", ""},
           Case{"IBAN DE89 3704 0044 0532 0130 00", "iban"},
           Case{"to GB82WEST12345698765432 please", "iban"},
           Case{"to DE89370400440532013001", ""},
           Case{"to DE8937040044053201300", ""},
           Case{"SSN: 536-90-4399", "us-ssn"},
           Case{"536-90-4399", "us-ssn"},
           Case{"part 666-90-4399", ""},
           Case{"number 536904399", ""},
           Case{"social security number 536904399", "us-ssn"},
           Case{"NHS number 943 476 5919", "uk-nhs-number"},
           Case{"count 9434765919", ""},
           Case{"BSN 111222333", "nl-bsn"},
           Case{"BSN 111222334", ""},
           Case{"PESEL 44051401359", "pl-pesel"},
           Case{"CPF 529.982.247-25", "br-cpf"},
           Case{"DNI 12345678Z", "es-nif"},
           Case{"DNI 12345678A", ""},
           Case{"codice fiscale RSSMRA85T10A562S", "it-codice-fiscale"},
           Case{"Steuer-ID 86095742719", "de-tax-id"},
           Case{"aadhaar 2341 2341 2346", "in-aadhaar"},
           Case{"TFN 123 456 782", "au-tfn"},
           Case{"SIN 046 454 286", "ca-sin"},
           Case{"AHV 756.9217.0769.85", "ch-ahv"},
           Case{"write to a.b@mail.test now", "email-address"},
           Case{"an @mention and a@b", ""},
           Case{"call +49 30 1234567", "phone-number"},
           Case{"phone: (212) 555-0134", "phone-number"},
           Case{"2026-12-01 10:30:15", ""},
           Case{"10.0.0.1 and 192.168.100.200", ""},
           Case{"v1.2.3-4567890123", ""},
           Case{R"({"total": 12345678901, "id": 4111111111})", ""},
       }) {
    const std::vector<std::string> rules = found(c.text);
    CAPTURE(c.text);
    if (c.rule.empty())
      CHECK(rules.empty());
    else
      CHECK(rules == std::vector<std::string>{std::string(c.rule)});
  }
}

TEST_CASE("a list of people is one finding of each kind unless all are asked for") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "p" + std::to_string(i) + "@mail.test\n";
  Scanner scanner = *Scanner::create(*RuleSet::built_in());
  const Findings few = scan_text(scanner, Surface::result, text);
  CHECK(std::ranges::count(few.items, FindingKind::personal_data, &Finding::kind) == 1);
  const Findings all =
      scan_text(scanner, Surface::result, text, {.findings = 2000, .each_person = true});
  CHECK(std::ranges::count(all.items, FindingKind::personal_data, &Finding::kind) == 1000);
}
