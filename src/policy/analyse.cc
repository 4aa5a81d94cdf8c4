#include "policy/analyse.h"

#include <algorithm>
#include <format>
#include <set>
#include <utility>

#include "json/value.h"
#include "policy/check.h"
#include "policy/detail/load.h"
#include "policy/detail/model.h"

namespace latticegate::policy {
namespace {

using cedar::Claim;
using cedar::Verdict;

constexpr std::string_view unknown_server = "any-server";
constexpr std::string_view unknown_tool = "any-tool";

// A tool of which nothing is known, as a pattern for those that are not given.
base::Result<std::shared_ptr<const Tool>> pattern_tool() {
  const auto descriptor = json::Document::parse(std::format(R"({{"name":"{}"}})", unknown_tool));
  if (!descriptor) return std::unexpected(descriptor.error());
  return make_tool({.name = std::string(unknown_server)}, descriptor->root(), {});
}

void collect(const cedar::Expression& expression, std::set<cedar::EntityUid>& out) {
  if (expression.op == cedar::Op::literal && expression.value.is(cedar::Kind::entity))
    out.insert(expression.value.uid());
  for (const cedar::Expression* const operand : expression.operands) collect(*operand, out);
}

// The tools that policies name and the schema does not have.
std::vector<cedar::EntityUid> undeclared(const cedar::PolicySet& policies,
                                         const cedar::Schema& schema) {
  std::set<cedar::EntityUid> named;
  for (const cedar::Policy& policy : policies.policies()) {
    named.insert(policy.action.uids.begin(), policy.action.uids.end());
    for (const cedar::Condition& condition : policy.conditions)
      collect(*condition.expression, named);
  }
  std::vector<cedar::EntityUid> out;
  for (const cedar::EntityUid& uid : named)
    if (uid.type() == model::action && uid.id().contains('/') && schema.action(uid) == nullptr)
      out.push_back(uid);
  return out;
}

// Which requests there may be.
struct Requests {
  cedar::Schema schema;
  std::vector<cedar::OpenAction> open;
};
base::Result<Requests> requests_of(std::span<const cedar::PolicySet> sets,
                                   const AnalyseSettings& settings) {
  const auto pattern = pattern_tool();
  if (!pattern) return std::unexpected(pattern.error());
  std::vector<std::shared_ptr<const Tool>> tools(settings.tools.begin(), settings.tools.end());
  if (settings.schema.empty()) tools.push_back(*pattern);
  auto schema = read_schema(settings.schema, settings.schema_name, tools);
  if (!schema) return std::unexpected(std::move(schema).error());
  Requests requests{.schema = *std::move(schema), .open = {}};
  if (!settings.schema.empty()) return requests;
  const std::string pattern_id((*pattern)->id());
  const cedar::SchemaAction* const like = requests.schema.action({model::action, pattern_id});
  std::set<cedar::EntityUid> uids{like->uid};
  for (const cedar::PolicySet& set : sets) {
    const std::vector<cedar::EntityUid> named = undeclared(set, requests.schema);
    uids.insert(named.begin(), named.end());
  }
  for (const cedar::EntityUid& uid : uids)
    requests.open.push_back(
        {.uid = uid, .like = like, .in = {model::call_tool, model::mcp}, .open = "input"});
  return requests;
}

std::string words_of(const cedar::Conclusion& one, const cedar::PolicySet& policies) {
  const cedar::Policy& policy = policies[one.policy];
  const std::string_view effect = cedar::name(policy.effect);
  std::string other;
  if (one.other) {
    const cedar::Location at = policies[*one.other].locate(policies[*one.other].span);
    other = std::format("`{}` ({}:{}:{})", policies[*one.other].id, at.file, at.line, at.column);
  }
  switch (one.claim) {
    case Claim::impossible: return "never holds, whatever the request";
    case Claim::shadowed: return std::format("whenever it holds, {} holds, too", other);
    case Claim::redundant: return std::format("holds exactly when {} holds", other);
    case Claim::overridden:
      return std::format("permits nothing: whenever it holds, the forbid {} holds", other);
    case Claim::shadowed_together:
      return std::format("whenever it holds, some other {} holds, too", effect);
    case Claim::never_permits: return "permits nothing: whenever it holds, some forbid holds";
    case Claim::idle: return "forbids nothing that any policy permits";
    case Claim::unreachable: return "evaluation never comes here";
    case Claim::never_true: return "is never true here";
    case Claim::always_true: return "is always true here";
  }
  return {};
}

std::string_view rule_of(Claim claim) {
  switch (claim) {
    case Claim::impossible: return "impossible";
    case Claim::shadowed:
    case Claim::redundant:
    case Claim::shadowed_together: return "redundant";
    case Claim::overridden:
    case Claim::never_permits: return "overridden";
    case Claim::idle: return "idle_forbid";
    case Claim::always_true: return "constant_clause";
    default: return "unreachable_clause";
  }
}

}  // namespace

std::size_t AnalyseReport::count(Verdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(findings, verdict, &AnalyseFinding::verdict));
}

std::vector<Diagnostic> AnalyseReport::diagnostics() const {
  std::vector<Diagnostic> out;
  for (const AnalyseFinding& finding : findings)
    if (finding.verdict == Verdict::proved) out.push_back(finding.diagnostic);
  return out;
}

base::Result<AnalyseReport> analyse_policies(std::span<const PolicyText> texts,
                                             const AnalyseSettings& settings) {
  auto read = read_policies(texts, settings.built_in);
  if (!read) return std::unexpected(std::move(read).error());
  const auto requests = requests_of({&read->set, 1}, settings);
  if (!requests) return std::unexpected(requests.error());
  cedar::Analysis analysis(
      read->set, {.schema = &requests->schema, .open = requests->open, .prover = settings.prover});
  AnalyseReport report;
  for (const cedar::Conclusion& one : analysis.conclude()) {
    const cedar::Policy& policy = read->set[one.policy];
    if (policy.id.starts_with("latticegate-")) continue;
    AnalyseFinding finding{.claim = one.claim,
                           .verdict = one.verdict,
                           .diagnostic = diagnostic_at(policy, one.span, rule_of(one.claim),
                                                       words_of(one, read->set))};
    if (one.other) finding.other = read->set[*one.other].id;
    if (one.example != nullptr) finding.example = cedar::to_json(*one.example);
    // What it obliges to is due although the decision is the same without it.
    if (rule_of(one.claim) == "redundant" && policy.annotation("obligation")) {
      finding.diagnostic.severity = Diagnostic::Severity::note;
      finding.diagnostic.message += "; its obligations count all the same";
    }
    report.findings.push_back(std::move(finding));
  }
  for (const cedar::Policy& policy : read->set.policies())
    report.policies += std::size_t{!policy.id.starts_with("latticegate-")};
  return report;
}

std::size_t CompareReport::count(Verdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(findings, verdict, &CompareFinding::verdict));
}

base::Result<CompareReport> compare_policies(std::span<const PolicyText> old_texts,
                                             std::span<const PolicyText> new_texts,
                                             const AnalyseSettings& settings) {
  std::vector<cedar::PolicySet> sets;
  for (const auto texts : {old_texts, new_texts}) {
    auto read = read_policies(texts, settings.built_in);
    if (!read) return std::unexpected(std::move(read).error());
    sets.push_back(std::move(read->set));
  }
  const auto requests = requests_of(sets, settings);
  if (!requests) return std::unexpected(requests.error());
  cedar::Comparison comparison(
      sets[0], sets[1],
      {.schema = &requests->schema, .open = requests->open, .prover = settings.prover});
  CompareReport report;
  for (const cedar::Difference& one : comparison.conclude()) {
    const cedar::PolicySet& mine = sets[one.gained ? 1 : 0];
    const cedar::PolicySet& others = sets[one.gained ? 0 : 1];
    const cedar::Policy& permit = mine[one.permit];
    CompareFinding finding{.gained = one.gained, .verdict = one.verdict};
    std::string words = one.gained ? "allows what was not allowed" : "allowed what no longer is";
    if (one.forbid) {
      const cedar::Policy& forbid = others[*one.forbid];
      const cedar::Location at = forbid.locate(forbid.span);
      finding.forbid = forbid.id;
      words += std::format(": {} forbidden by `{}` ({}:{}:{})", one.gained ? "it was" : "it is",
                           forbid.id, at.file, at.line, at.column);
    }
    finding.diagnostic =
        diagnostic_at(permit, permit.span, one.gained ? "gained" : "lost", std::move(words));
    if (one.example != nullptr) finding.example = cedar::to_json(*one.example);
    report.findings.push_back(std::move(finding));
  }
  return report;
}

}  // namespace latticegate::policy
