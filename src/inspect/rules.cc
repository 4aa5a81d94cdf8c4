#include "inspect/rules.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <format>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "crypto/hash.h"
#include "inspect/detail/compiled.h"
#include "inspect/detail/example.h"
#include "inspect/scan.h"
#include "yaml/fields.h"
#include "yaml/node.h"

namespace latticegate::inspect {
namespace {

constexpr std::size_t most_rules = 4096;
constexpr std::size_t most_anchors = 64;  // of one rule
constexpr std::size_t shortest_anchor =
    3;  // bytes: shorter ones are hit by ordinary text all the time
constexpr std::uint32_t longest_lead = 128;

constexpr auto severities =
    std::to_array<yaml::Choice<Severity>>({{"info", Severity::info},
                                           {"low", Severity::low},
                                           {"medium", Severity::medium},
                                           {"high", Severity::high},
                                           {"critical", Severity::critical}});
constexpr auto checks =
    std::to_array<yaml::Choice<TokenCheck>>({{"none", TokenCheck::none},
                                             {"crc32-base62", TokenCheck::crc32_base62},
                                             {"jwt", TokenCheck::jwt},
                                             {"pem", TokenCheck::pem},
                                             {"basic", TokenCheck::basic},
                                             {"mixed", TokenCheck::mixed},
                                             {"luhn", TokenCheck::luhn},
                                             {"iban", TokenCheck::iban},
                                             {"us-ssn", TokenCheck::us_ssn},
                                             {"uk-nhs", TokenCheck::uk_nhs},
                                             {"nl-bsn", TokenCheck::nl_bsn},
                                             {"pl-pesel", TokenCheck::pl_pesel},
                                             {"br-cpf", TokenCheck::br_cpf},
                                             {"es-nif", TokenCheck::es_nif},
                                             {"it-cf", TokenCheck::it_cf},
                                             {"fr-nir", TokenCheck::fr_nir},
                                             {"de-tax", TokenCheck::de_tax},
                                             {"se-personal", TokenCheck::se_personal},
                                             {"ch-ahv", TokenCheck::ch_ahv},
                                             {"in-aadhaar", TokenCheck::in_aadhaar},
                                             {"au-tfn", TokenCheck::au_tfn},
                                             {"ca-sin", TokenCheck::ca_sin},
                                             {"be-national", TokenCheck::be_national}});
constexpr auto kinds =
    std::to_array<yaml::Choice<FindingKind>>({{"secret", FindingKind::secret},
                                              {"instruction", FindingKind::instruction},
                                              {"injection", FindingKind::injection},
                                              {"exfiltration", FindingKind::exfiltration},
                                              {"personal_data", FindingKind::personal_data},
                                              {"canary", FindingKind::canary}});
constexpr auto surface_names =
    std::to_array<Surface>({Surface::arguments, Surface::result, Surface::descriptor,
                            Surface::instructions, Surface::error, Surface::user_text});
static_assert(surface_names.size() == surfaces);

// "A-Za-z0-9_" as a set of bytes; "" is the empty set.
base::Result<std::bitset<256>> read_bytes(const yaml::Node& node) {
  const auto text = node.as_string();
  if (!text) return std::unexpected(text.error());
  std::bitset<256> set;
  for (std::size_t i = 0; i < text->size(); ++i) {
    const auto first = static_cast<unsigned char>((*text)[i]);
    unsigned last = first;
    if (i + 2 < text->size() && (*text)[i + 1] == '-') {
      last = static_cast<unsigned char>((*text)[i + 2]);
      i += 2;
    }
    if (last < first) return node.error("a range whose ends are swapped");
    for (unsigned c = first; c <= last; ++c) set.set(c);
  }
  return set;
}

std::bitset<256> letters_and(std::string_view more) {
  std::bitset<256> set;
  for (unsigned c = 'a'; c <= 'z'; ++c) {
    set.set(c);
    set.set(c & ~0x20U);
  }
  for (const char c : more) set.set(static_cast<unsigned char>(c));
  return set;
}

base::Result<std::uint8_t> read_surfaces(const yaml::Node& node) {
  const auto words = node.as_strings();
  if (!words) return std::unexpected(words.error());
  std::uint8_t mask = 0;
  for (std::size_t i = 0; i < words->size(); ++i) {
    const auto known =
        std::ranges::find(surface_names, (*words)[i], [](Surface s) { return name(s); });
    if (known == surface_names.end()) {
      std::array<std::string_view, surfaces> all{};
      std::ranges::transform(surface_names, all.begin(), [](Surface s) { return name(s); });
      return node.items()[i].error(yaml::unknown_word((*words)[i], all));
    }
    mask = static_cast<std::uint8_t>(mask | 1U << static_cast<unsigned>(*known));
  }
  return mask;
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

struct Examples {
  std::vector<yaml::Node> match;
  std::vector<yaml::Node> no_match;
};

struct Loaded {
  std::vector<Rule> rules;
  std::vector<Examples> examples;  // one per rule
  std::vector<std::string> placeholders;
  std::vector<std::string> values;
};

base::Result<Rule> read_rule(const yaml::Node& node, Examples& examples) {
  yaml::Fields fields(node, "a rule");
  Rule rule;
  fields.need("id", rule.id);
  fields.need("description", rule.description);
  fields.choose<FindingKind>("kind", rule.kind, kinds);
  double rarity = 0;
  fields.read("rarity", rarity);
  rule.rarity = static_cast<float>(rarity);
  fields.read("labels", rule.labels);
  fields.choose<Severity>("severity", rule.severity, severities);
  fields.read("surfaces", rule.surface_mask, read_surfaces);
  fields.need("anchors", rule.anchors);
  fields.read("ignore_case", rule.ignore_case);
  fields.read("lead", rule.lead);
  fields.read("trim", rule.trim);
  const auto read_pattern = [&](const yaml::Node& at) -> base::Result<Pattern> {
    const auto text = at.as_string();
    if (!text) return std::unexpected(text.error());
    auto pattern = Pattern::compile(*text, {.ignore_case = rule.ignore_case});
    if (!pattern) return at.error(pattern.error().detail, pattern.error().code);
    return pattern;
  };
  Pattern before;
  if (fields.read("before", before, read_pattern)) rule.before = std::move(before);
  fields.need("pattern", rule.pattern, read_pattern);
  rule.not_after = letters_and("");
  rule.not_before = letters_and("0123456789");
  fields.read("not_after", rule.not_after, read_bytes);
  fields.read("not_before", rule.not_before, read_bytes);
  fields.read("entropy", rule.entropy);
  fields.choose<TokenCheck>("check", rule.check, checks);
  fields.read("check_decides", rule.check_decides);
  fields.read("field", rule.field);
  for (const auto& [key, list] :
       {std::pair("match", &examples.match), std::pair("no_match", &examples.no_match)})
    if (const yaml::Node* const found = fields.find(key)) *list = found->items();
  if (!rule.id.empty() && !is_id(rule.id))
    fields.problem(
        node, std::format("the id \"{}\" is not of lower-case letters, digits and -", rule.id));
  if (rule.anchors.size() > most_anchors) fields.problem(node, "more than 64 anchors");
  if (rule.lead > longest_lead) fields.problem(node, "lead is at most 128");
  for (const std::string& anchor : rule.anchors)
    if (anchor.size() < shortest_anchor)
      fields.problem(node, std::format("the anchor \"{}\" is shorter than 3 bytes", anchor));
  if (examples.match.empty() && !rule.id.empty())
    fields.problem(node, "a rule needs an example that matches");
  if (auto done = fields.finish(); !done) return std::unexpected(std::move(done).error());
  return rule;
}

base::Result<void> load(const RuleFile& file, Loaded& into, std::set<std::string>& ids) {
  const auto root = yaml::parse(file.text, file.name, {.size = {1024 * 1024}});
  if (!root) return std::unexpected(root.error());
  yaml::Fields fields(*root, "a rule file");
  for (const auto& [key, list] :
       {std::pair("placeholders", &into.placeholders), std::pair("values", &into.values)}) {
    std::vector<std::string> words;
    fields.read(key, words);
    list->insert(list->end(), words.begin(), words.end());
  }
  if (const yaml::Node* const list = fields.find("rules")) {
    if (!list->is_list()) fields.problem(*list, "expected a list of rules");
    for (const yaml::Node& item : list->items()) {
      Examples examples;
      auto rule = read_rule(item, examples);
      if (!rule) {
        fields.problem(std::move(rule).error());
        continue;
      }
      if (!ids.insert(rule->id).second)
        fields.problem(item, std::format("the rule \"{}\" exists already", rule->id));
      if (into.rules.size() >= most_rules)
        return item.error("more than 4096 rules", base::Code::too_large);
      into.rules.push_back(*std::move(rule));
      into.examples.push_back(std::move(examples));
    }
  }
  return fields.finish();
}

base::Result<Loaded> load_all(std::span<const RuleFile> files) {
  Loaded loaded;
  std::set<std::string> ids;
  for (const RuleFile& file : files)
    if (auto done = load(file, loaded, ids); !done) return std::unexpected(std::move(done).error());
  return loaded;
}

// Only the literals go into the database: Vectorscan's literal matcher is the cheapest thing that
// it has.
base::Result<std::shared_ptr<hs_database_t>> compile_database(const std::vector<Anchor>& anchors,
                                                              const std::vector<unsigned>& ids) {
  std::vector<const char*> texts;
  std::vector<std::size_t> lengths;
  std::vector<unsigned> flags;
  for (const unsigned id : ids) {
    texts.push_back(anchors[id].text.data());
    lengths.push_back(anchors[id].text.size());
    flags.push_back(anchors[id].ignore_case ? HS_FLAG_CASELESS : 0U);
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* problem = nullptr;
  const hs_error_t code = hs_compile_lit_multi(texts.data(), flags.data(), ids.data(),
                                               lengths.data(), static_cast<unsigned>(ids.size()),
                                               HS_MODE_BLOCK, nullptr, &database, &problem);
  if (code != HS_SUCCESS) {
    std::string words = problem != nullptr ? problem->message : "no memory";
    hs_free_compile_error(problem);
    return base::fail(base::Code::invalid, std::format("compiling the secret rules: {}", words));
  }
  return std::shared_ptr<hs_database_t>(database, FreeDatabase());
}

// Which anchors each surface's database has; empty for a surface without rules.
using AnchorIds = std::vector<unsigned>;

std::array<AnchorIds, surfaces> anchors_by_surface(const std::vector<Anchor>& anchors,
                                                   const std::vector<Rule>& rules) {
  std::array<AnchorIds, surfaces> all;
  for (std::size_t surface = 0; surface < surfaces; ++surface)
    for (unsigned id = 0; id < anchors.size(); ++id)
      if (std::ranges::any_of(anchors[id].rules, [&](std::uint32_t rule) {
            return (rules[rule].surface_mask >> surface & 1) != 0;
          }))
        all[surface].push_back(id);
  return all;
}

// All that the databases are made of, hashed. Databases as bytes: this, then for each database that
// is different, in the order of the surfaces, its length in 8 bytes and itself.
std::string fingerprint(const std::vector<Anchor>& anchors,
                        const std::array<AnchorIds, surfaces>& wanted) {
  crypto::Sha256 hash;
  for (const Anchor& anchor : anchors)
    hash.update(std::format("{} {} {}\n", anchor.text.size(), anchor.ignore_case, anchor.text));
  for (const AnchorIds& ids : wanted) {
    for (const unsigned id : ids) hash.update(std::format("{} ", id));
    hash.update(std::string_view("\n"));
  }
  return crypto::to_hex(hash.finish());
}

std::optional<std::string_view> take(std::string_view& bytes, std::size_t count) {
  if (bytes.size() < count) return std::nullopt;
  const std::string_view out = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return out;
}

// The next one; null when it is none of this library for this processor.
std::shared_ptr<hs_database_t> next_database(std::string_view& bytes) {
  const auto head = take(bytes, sizeof(std::uint64_t));
  if (!head) return nullptr;
  std::uint64_t size = 0;
  std::memcpy(&size, head->data(), sizeof size);
  const auto body = take(bytes, std::min<std::uint64_t>(size, bytes.size() + 1));
  hs_database_t* database = nullptr;
  if (!body || hs_deserialize_database(body->data(), body->size(), &database) != HS_SUCCESS)
    return nullptr;
  return std::shared_ptr<hs_database_t>(database, FreeDatabase());
}

}  // namespace

RuleSet::RuleSet(std::unique_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
RuleSet::~RuleSet() = default;

std::span<const Rule> RuleSet::rules() const { return compiled_->rules; }
const std::string& RuleSet::digest() const { return compiled_->digest; }
bool RuleSet::databases_were_kept() const { return compiled_->kept; }

std::string RuleSet::databases() const {
  std::string out = compiled_->fingerprint;
  std::set<const hs_database_t*> written;
  for (const auto& database : compiled_->databases) {
    if (!database || !written.insert(database.get()).second) continue;
    char* bytes = nullptr;
    std::size_t size = 0;
    if (hs_serialize_database(database.get(), &bytes, &size) != HS_SUCCESS) return {};
    const std::uint64_t length = size;
    out.append(reinterpret_cast<const char*>(&length), sizeof length).append(bytes, size);
    std::free(bytes);  // hs_set_allocator() is not used: malloc's
  }
  return out;
}

base::Result<std::shared_ptr<const RuleSet>> RuleSet::built_in() {
  return compile(built_in_files());
}

base::Result<std::shared_ptr<const RuleSet>> RuleSet::compile(std::span<const RuleFile> files,
                                                              std::string_view databases) {
  auto loaded = load_all(files);
  if (!loaded) return std::unexpected(std::move(loaded).error());
  auto compiled = std::make_unique<Compiled>();
  compiled->rules = std::move(loaded->rules);
  compiled->placeholders = std::move(loaded->placeholders);
  compiled->values = std::move(loaded->values);

  std::map<std::pair<std::string, bool>, std::uint32_t> known;
  for (std::uint32_t index = 0; index < compiled->rules.size(); ++index) {
    const Rule& rule = compiled->rules[index];
    for (const std::string& text : rule.anchors) {
      const auto [at, is_new] = known.try_emplace(
          {text, rule.ignore_case}, static_cast<std::uint32_t>(compiled->anchors.size()));
      if (is_new) compiled->anchors.push_back({text, rule.ignore_case, {}});
      compiled->anchors[at->second].rules.push_back(index);
    }
  }

  crypto::Sha256 hash;
  for (const RuleFile& file : files) hash.update(file.text).update(std::string_view("\0", 1));
  compiled->digest = crypto::to_hex(hash.finish());

  std::map<AnchorIds, std::shared_ptr<hs_database_t>> made;
  const auto wanted = anchors_by_surface(compiled->anchors, compiled->rules);
  compiled->fingerprint = fingerprint(compiled->anchors, wanted);
  compiled->kept = databases.starts_with(compiled->fingerprint);
  if (compiled->kept) databases.remove_prefix(compiled->fingerprint.size());
  for (std::size_t surface = 0; surface < surfaces; ++surface) {
    if (wanted[surface].empty()) continue;
    auto& database = made[wanted[surface]];
    if (!database && compiled->kept) database = next_database(databases);
    if (!database) {
      compiled->kept = false;
      auto fresh = compile_database(compiled->anchors, wanted[surface]);
      if (!fresh) return std::unexpected(std::move(fresh).error());
      database = *std::move(fresh);
    }
    compiled->databases[surface] = database;
  }
  return std::shared_ptr<const RuleSet>(new RuleSet(std::move(compiled)));
}

base::Result<std::vector<std::string>> failing_examples(std::span<const RuleFile> files) {
  const auto loaded = load_all(files);
  if (!loaded) return std::unexpected(loaded.error());
  auto rules = RuleSet::compile(files);
  if (!rules) return std::unexpected(std::move(rules).error());
  auto scanner = Scanner::create(*std::move(rules));
  if (!scanner) return std::unexpected(std::move(scanner).error());
  std::vector<std::string> failures;
  for (std::size_t i = 0; i < loaded->rules.size(); ++i) {
    const Rule& rule = loaded->rules[i];
    const auto surface = static_cast<Surface>(std::countr_zero(rule.surface_mask));
    const auto run = [&](const yaml::Node& example, bool wanted) {
      const std::string text = expand_example(example.text(), rule.id);
      const Findings findings = scan_text(*scanner, surface, text);
      if (std::ranges::contains(findings.items, rule.id, &Finding::rule) == wanted) return;
      failures.push_back(std::format("{}: {} {} \"{}\"", example.place(), rule.id,
                                     wanted ? "does not match" : "matches", base::printable(text)));
    };
    for (const yaml::Node& example : loaded->examples[i].match) run(example, true);
    for (const yaml::Node& example : loaded->examples[i].no_match) run(example, false);
  }
  return failures;
}

}  // namespace latticegate::inspect
