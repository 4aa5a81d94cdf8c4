#include "inspect/meaning.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "inspect/hidden_text.h"
#include "inspect/models.h"
#include "inspect/scan.h"

using namespace latticegate;
using namespace latticegate::inspect;

namespace {

std::vector<Meaning> all() {
  const auto rules = RuleSet::built_in();
  REQUIRE(rules.has_value());
  return meanings(**rules);
}

}  // namespace

TEST_CASE("every rule has one meaning, in order") {
  const std::vector<Meaning> list = all();
  CHECK(std::ranges::is_sorted(list, {}, &Meaning::rule));
  CHECK(std::ranges::adjacent_find(list, {}, &Meaning::rule) == list.end());
  for (const Meaning& meaning : list) {
    CHECK_FALSE(meaning.description.empty());
    CHECK_MESSAGE(meaning.description.back() != '.', meaning.rule);
  }
}

TEST_CASE("what is found without a file has a meaning, too") {
  const std::vector<Meaning> list = all();
  const auto has = [&](std::string_view rule, FindingKind kind) {
    const auto found = std::ranges::find(list, rule, &Meaning::rule);
    CHECK_MESSAGE(found != list.end(), rule);
    if (found != list.end()) CHECK(found->kind == kind);
  };
  const auto models = Models::built_in();
  REQUIRE(models.has_value());
  for (std::size_t surface = 0; surface < surfaces; ++surface) {
    const NamedModel& model = (*models)->of(static_cast<Surface>(surface));
    for (const std::string_view rule : model.rules) has(rule, model.kind);
  }
  for (const HiddenKind kind : {HiddenKind::tag_characters, HiddenKind::bidi_control,
                                HiddenKind::zero_width, HiddenKind::variation_selectors})
    has(rule_id(kind), FindingKind::hidden_text);
  has(rule_id(HiddenKind::control_character), FindingKind::terminal_escape);
  has(rule_id(HiddenKind::escape_sequence), FindingKind::terminal_escape);
  auto rules = RuleSet::built_in();
  REQUIRE(rules.has_value());
  auto scanner = Scanner::create(*std::move(rules));
  REQUIRE(scanner.has_value());
  for (const std::string_view text :
       {"card 4111 1111 1111 1111, mail ann@there.test, phone +49 30 901820, IBAN "
        "DE89 3704 0044 0532 0130 00, SSN 078-05-1120, PESEL 44051401359",
        "a\xE2\x80\x8B"
        "b\xE2\x80\x8B c",
        "a\xE2\x80\xAE b", "\x1B[2J", "\xF3\xA0\x81\x89\xF3\xA0\x81\xA7"})
    for (const Finding& finding : scan_text(*scanner, Surface::result, text).items)
      has(finding.rule, finding.kind);
}
