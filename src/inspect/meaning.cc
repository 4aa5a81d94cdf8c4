#include "inspect/meaning.h"

#include <algorithm>
#include <span>

namespace latticegate::inspect {
namespace {

struct Known {
  std::string_view rule, description;
};

constexpr std::string_view by_characters = "its characters", by_form = "its form and check digits",
                           by_model = "a model", by_comparison = "comparing the servers' tools",
                           by_own = "a model of your own", by_schema = "the tool's outputSchema";

constexpr Known hidden[] = {
    {"hidden-bidi-control", "Controls of writing direction: people see another order of words"},
    {"hidden-tag-characters", "Tag characters, which no screen shows: a text inside of the text"},
    {"hidden-variation-selectors", "Many variation selectors, which can carry bytes"},
    {"hidden-zero-width", "Characters without width between or inside of words"},
};
constexpr Known personal[] = {
    {"au-tfn", "Tax file number of Australia"},
    {"be-national-number", "National number of Belgium"},
    {"br-cpf", "Taxpayer's number of Brazil"},
    {"ca-sin", "Social insurance number of Canada"},
    {"ch-ahv", "Insurance number of Switzerland"},
    {"de-tax-id", "Tax number of Germany"},
    {"email-address", "Mail address"},
    {"es-nif", "Identity number of Spain"},
    {"fr-nir", "Social security number of France"},
    {"iban", "Number of a bank account (ISO 13616)"},
    {"in-aadhaar", "Aadhaar number of India"},
    {"it-codice-fiscale", "Tax code of Italy"},
    {"nl-bsn", "Citizen service number of the Netherlands"},
    {"payment-card", "Number of a payment card (ISO/IEC 7812)"},
    {"phone-number", "Telephone number"},
    {"pl-pesel", "PESEL of Poland"},
    {"se-personnummer", "Personal number of Sweden"},
    {"uk-nhs-number", "Number of the National Health Service"},
    {"us-ssn", "Social security number of the United States"},
};
constexpr Known models[] = {
    {"model-metadata-instruction", "Reads like an order to the model, in a description"},
    {"model-metadata-other-tool", "Reads as if it steered the use of another tool"},
    {"model-metadata-parameter", "Reads as if a parameter took what is none of its business"},
    {"model-metadata-preference", "Reads as if the tool wanted to be chosen before others"},
    {"model-result-any", "Reads like an attack on the model that reads the answer"},
    {"model-result-override", "Reads as if it set the reader's orders aside"},
    {"model-result-request", "Reads like a request to act, planted in data"},
    {"model-result-task", "Reads like a task that has nothing to do with the data"},
    {"model-user-any", "Reads like an attack in what a person says"},
    {"model-user-disguise", "Reads like a role or a story that takes the model's rules away"},
    {"model-user-extraction", "Reads as if it wanted the model's own orders"},
    {"model-user-override", "Reads as if it set the model's orders aside"},
};
constexpr Known argument_models[] = {
    {"model-argument-any", "Looks like an attack on the server behind"},
    {"model-argument-command", "Looks like commands of a shell"},
    {"model-argument-markup", "Looks like markup, a path or a template that is no plain value"},
    {"model-argument-query", "Looks like a piece of a query"},
};
constexpr Known promises[] = {
    {"output-schema", "The answer is not what the tool's outputSchema promises"},
};
constexpr Known own[] = {
    {"own-classifier", "The classifier of inspect.classifier is sure of an attack"},
};
constexpr Known sets[] = {
    {"set-annotation", "Its words say that it changes or deletes, its annotations that it reads"},
    {"set-foreign-reference", "Names the tool of another server"},
    {"set-name-collision", "Has the name of another server's tool"},
    {"set-name-look-alike", "Has a name that is written to look like another one"},
    {"set-parameter", "Asks for a conversation, a context or orders in a parameter"},
};

}  // namespace

std::vector<Meaning> meanings(const RuleSet& rules) {
  std::vector<Meaning> all;
  for (const Rule& rule : rules.rules())
    all.push_back({.rule = rule.id,
                   .description = rule.description,
                   .kind = rule.kind,
                   .found_by = "a rule",
                   .severity = rule.severity,
                   .surface_mask = rule.surface_mask,
                   .rarity = rule.rarity,
                   .labels = rule.labels});
  const auto add = [&](std::span<const Known> known, FindingKind kind, std::string_view found_by) {
    for (const Known& one : known)
      all.push_back({.rule = std::string(one.rule),
                     .description = std::string(one.description),
                     .kind = kind,
                     .found_by = found_by,
                     .severity = {},
                     .labels = {}});
  };
  add(hidden, FindingKind::hidden_text, by_characters);
  constexpr Known terminal[] = {
      {"control-character", "Control characters that have no place in a text"},
      {"terminal-escape", "Bytes that drive a terminal"}};
  add(terminal, FindingKind::terminal_escape, by_characters);
  add(personal, FindingKind::personal_data, by_form);
  add(models, FindingKind::instruction, by_model);
  add(argument_models, FindingKind::injection, by_model);
  add(sets, FindingKind::instruction, by_comparison);
  add(promises, FindingKind::schema, by_schema);
  add(own, FindingKind::instruction, by_own);
  std::ranges::sort(all, {}, &Meaning::rule);
  return all;
}

}  // namespace latticegate::inspect
