#include "policy/check.h"

#include <algorithm>
#include <format>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "cedar/validate.h"
#include "json/value.h"
#include "policy/detail/load.h"
#include "policy/detail/model.h"

namespace latticegate::policy {
namespace {

using cedar::Problem;

// Which servers' tools the schema has.
class Known {
 public:
  explicit Known(const CheckSettings& settings) : all_(!settings.schema.empty()) {
    for (const auto& tool : settings.tools) servers_.insert(tool->server());
    if (settings.world == nullptr) return;
    for (const ServerFacts& server : settings.world->servers) configured_.insert(server.name);
  }

  bool all() const { return all_; }
  // Whether a policy that names the action cannot be judged.
  bool leaves_open(const cedar::EntityUid& action) const {
    if (all_ || action.type() != model::action) return false;
    const std::size_t slash = action.id().find('/');
    if (slash == std::string_view::npos) return false;
    const std::string_view server = action.id().substr(0, slash);
    // Of a server that the configuration does not have, nothing will ever be known.
    return !servers_.contains(server) && (configured_.empty() || configured_.contains(server));
  }

 private:
  bool all_;
  std::set<std::string_view> servers_;
  std::set<std::string_view> configured_;
};

bool names_open_action(const cedar::Expression& expression, const Known& known) {
  if (expression.op == cedar::Op::literal && expression.value.is(cedar::Kind::entity) &&
      known.leaves_open(expression.value.uid()))
    return true;
  return std::ranges::any_of(expression.operands, [&](const cedar::Expression* operand) {
    return names_open_action(*operand, known);
  });
}

bool is_open(const cedar::Policy& policy, const Known& known) {
  return std::ranges::any_of(policy.action.uids,
                             [&](const auto& uid) { return known.leaves_open(uid); }) ||
         std::ranges::any_of(policy.conditions, [&](const cedar::Condition& condition) {
           return names_open_action(*condition.expression, known);
         });
}

// What holds whatever other tools there are.
bool holds_of_texts(Problem problem) {
  return problem == Problem::mixed_scripts || problem == Problem::bidirectional ||
         problem == Problem::unusual_identifier || problem == Problem::unknown_entity_type;
}

void add_types(const cedar::PolicySet& policies, const cedar::Schema& schema, const Known& known,
               const CheckSettings& settings, CheckReport& report) {
  const cedar::Validation validation = cedar::validate(policies, schema, {.level = settings.level});
  std::set<const cedar::Policy*> open;
  for (const auto list : {policies.policies(), policies.templates()})
    for (const cedar::Policy& policy : list)
      if (is_open(policy, known)) open.insert(&policy);
  report.untyped = open.size();
  const auto unjudged = [&](const cedar::EntityUid& action) {
    return known.leaves_open(action) || (!known.all() && settings.tools.empty());
  };
  temporal_types(policies, schema, unjudged, report.diagnostics);
  const cedar::Policy* inapplicable = nullptr;
  // The same thing at the same place, said in other words for each kind of request, counts once.
  std::set<std::tuple<const cedar::Policy*, Problem, std::uint32_t, std::uint32_t>> seen;
  for (const cedar::Finding& finding : validation.findings) {
    // That no action applies says more than that the policy is never true, and comes first.
    if (finding.problem == Problem::no_applicable_action) inapplicable = finding.policy;
    if (finding.problem == Problem::impossible && inapplicable == finding.policy) continue;
    const bool of_tools =
        finding.problem == Problem::no_applicable_action || finding.problem == Problem::impossible;
    if (of_tools && !known.all() && settings.tools.empty()) continue;
    if (open.contains(finding.policy) && !holds_of_texts(finding.problem)) continue;
    if (!seen.emplace(finding.policy, finding.problem, finding.span.begin, finding.span.end).second)
      continue;
    Diagnostic one =
        diagnostic_at(*finding.policy, finding.span, cedar::name(finding.problem), finding.message);
    one.environment = finding.environment;
    report.diagnostics.push_back(std::move(one));
  }
}

}  // namespace

base::Result<cedar::Schema> read_schema(std::string_view text, std::string_view name,
                                        std::span<const std::shared_ptr<const Tool>> tools) {
  if (text.empty()) return cedar::parse_schema(schema_text(tools), "the model");
  // No schema text begins with a brace.
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return cedar::parse_schema(text, name);
  const auto document = json::Document::parse(text, {.depth = 300});
  if (!document) return base::within(name, document.error());
  return cedar::parse_schema(document->root(), name);
}

base::Result<CheckReport> check_policies(std::span<const PolicyText> texts,
                                         const CheckSettings& settings) {
  const auto schema = read_schema(settings.schema, settings.schema_name, settings.tools);
  if (!schema) return std::unexpected(schema.error());
  CheckReport report;
  // With the built-in policies, so that their ids are seen to be taken.
  const std::size_t built_in = cedar::parse_policies(built_in_policies(settings.world))
                                   .transform([](const auto& set) { return set.size(); })
                                   .value_or(0);
  const ReadPolicies all = read_policies(texts, true, report.diagnostics, settings.world);
  report.policies = all.set.size() + all.set.templates().size() - built_in;
  if (settings.world != nullptr) {
    if (auto store = entities_of(*settings.world); !store)
      report.diagnostics.push_back({.rule = "world", .message = store.error().detail});
    std::ranges::move(unknown_names(all.set, *settings.world),
                      std::back_inserter(report.diagnostics));
  }
  std::ranges::move(unlinked_templates(all.set), std::back_inserter(report.diagnostics));
  std::vector<Diagnostic> repeated;
  const ReadPolicies own = read_policies(texts, false, repeated);
  add_types(own.set, *schema, Known(settings), settings, report);
  const auto place = [](const Diagnostic& one) {
    return std::tuple(std::string_view(one.file), one.begin.line, one.begin.column);
  };
  std::ranges::stable_sort(report.diagnostics, {}, place);
  return report;
}

}  // namespace latticegate::policy
