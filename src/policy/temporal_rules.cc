#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/suggest.h"
#include "cedar/temporal.h"
#include "policy/detail/model.h"
#include "policy/detail/temporal_rules.h"
#include "policy/exact.h"

namespace latticegate::policy {
namespace {

using Formula = cedar::TemporalFormula;
using Term = cedar::TemporalTerm;
using cedar::Value;

constexpr std::array<std::string_view, whose_count> whose_names{"conversation", "agent",
                                                                "everyone"};
constexpr std::array<std::string_view, 9> actions{"mcp",    "call_tool",     "read",
                                                  "write",  "destructive",   "actuate",
                                                  "egress", "read_resource", "get_prompt"};
constexpr std::array<std::string_view, 3> kinds{"request", "response", "error"};
constexpr std::array<std::string_view, 7> fields{
    "input", "output", "derived", "callerPrincipal", "callerResource", "callerUser", "requestId"};
constexpr std::array<std::string_view, 7> context_fields{"input",   "session",  "risk",  "env",
                                                         "derived", "approval", "output"};
constexpr std::array<std::string_view, 6> agent_fields{"tenant",  "department", "clearance",
                                                       "domains", "attested",   "quarantined"};

std::string meant(std::string_view word, std::span<const std::string_view> known) {
  const auto near = base::nearest(word, known);
  if (near) return std::format(" (did you mean `{}`?)", *near);
  std::string list;
  for (const std::string_view one : known)
    list += (list.empty() ? " (known are " : ", ") + std::string(one);
  return list + ")";
}

// Walks over a condition and complains about what the model does not have.
class Names {
 public:
  Names(const World* world, std::vector<temporal::Complaint>& complaints)
      : world_(world), complaints_(complaints) {}

  void walk(const Formula& formula) {
    if (formula.op == Formula::Op::event) event(formula);
    for (const Formula* const part : formula.operands) walk(*part);
    for (const Term* const term : {&formula.left, &formula.right}) walk(*term);
  }

 private:
  void complain(cedar::Span span, std::string message) {
    complaints_.push_back({span, std::move(message)});
  }

  void walk(const Term& term) {
    if (term.body != nullptr) walk(*term.body);
    if (term.kind == Term::Kind::context &&
        !std::ranges::contains(context_fields, term.path.front().text()))
      complain(term.span, std::format("there is no `context.{}`{}", term.path.front().text(),
                                      meant(term.path.front().text(), context_fields)));
    if (term.kind == Term::Kind::principal && !term.path.empty() &&
        !std::ranges::contains(agent_fields, term.path.front().text()))
      complain(term.span, std::format("an agent has no attribute `{}`{}", term.path.front().text(),
                                      meant(term.path.front().text(), agent_fields)));
  }

  void event(const Formula& formula) {
    if (const std::string wrong = wrong_action(formula.action); !wrong.empty())
      complain(formula.span, wrong);
    if (!std::ranges::contains(kinds, formula.kind))
      complain(formula.span, std::format("there is no kind of event `{}`{}", formula.kind,
                                         meant(formula.kind, kinds)));
    for (const cedar::FieldPattern& field : formula.fields) {
      if (const std::string wrong = wrong_field(formula, field); !wrong.empty())
        complain(field.span, wrong);
      walk(field.term);
    }
  }

  std::string wrong_action(const cedar::EntityUid& action) const {
    if (action.type() != model::action)
      return std::format("there is no action {}: actions are Mcp::Action::\"...\"",
                         cedar::to_text(action));
    const std::string_view id = action.id();
    const std::size_t slash = id.find('/');
    if (slash == std::string_view::npos) {
      if (std::ranges::contains(actions, id)) return {};
      return std::format("there is no action {}: a tool is \"server/tool\"{}",
                         cedar::to_text(action), meant(id, actions));
    }
    if (world_ == nullptr || world_->servers.empty()) return {};
    std::vector<std::string_view> servers;
    for (const ServerFacts& server : world_->servers) servers.push_back(server.name);
    if (std::ranges::contains(servers, id.substr(0, slash))) return {};
    return std::format("there is no server `{}` for the action {}{}", id.substr(0, slash),
                       cedar::to_text(action), meant(id.substr(0, slash), servers));
  }

  static std::string wrong_field(const Formula& formula, const cedar::FieldPattern& field) {
    const std::string_view first = field.path.front().text();
    if (!std::ranges::contains(fields, first))
      return std::format("an event has no field `{}`{}", first, meant(first, fields));
    const bool record = first == "input" || first == "output" || first == "derived";
    if (record && field.path.size() == 1)
      return std::format("`{0}` is a record: name a field of it, for example {0}.name", first);
    if (!record && field.path.size() > 1) return std::format("the field `{}` has no parts", first);
    if (first == "output" && formula.kind != "response") return "only a response has an output";
    if (first == "derived" &&
        (field.path.size() != 2 || field.path[1].text() != "estimatedRecords"))
      return "of `derived` an event keeps estimatedRecords only";
    return {};
  }

  const World* world_;
  std::vector<temporal::Complaint>& complaints_;
};

Whose whose_of(const cedar::Policy& policy, std::vector<Diagnostic>& errors) {
  const auto said = policy.annotation("history");
  if (!said) return Whose::conversation;
  const auto* const known = std::ranges::find(whose_names, *said);
  const auto complain = [&](std::string message) {
    errors.push_back(diagnostic_at(policy, policy.span, "temporal", std::move(message)));
  };
  if (known == whose_names.end())
    complain(std::format("unknown history \"{}\"{}", *said, meant(*said, whose_names)));
  else if (policy.temporal.empty())
    complain("@history without a temporal condition: it says nothing");
  return known == whose_names.end() ? Whose::conversation
                                    : static_cast<Whose>(known - whose_names.begin());
}

// A value of the JSON of an answer; unknown where history has no value for it.
Value value_of(json::Value json) {
  if (!json || json.is_null()) return {};
  if (const auto text = json.string()) return Value::string(*text);
  if (const auto truth = json.boolean()) return Value::boolean(*truth);
  if (const auto number = json.integral()) return Value::integer(*number);
  if (const auto number = exact_decimal(json.digits()); json.is_number() && number)
    return Value::decimal(*number);
  return Value::unknown();
}

}  // namespace

std::string_view name(Whose whose) { return whose_names.at(static_cast<std::size_t>(whose)); }

TemporalRules temporal_rules(const cedar::PolicySet& set, const World* world,
                             std::vector<Diagnostic>& errors) {
  TemporalRules made;
  std::array<std::vector<std::shared_ptr<const temporal::Condition>>, whose_count> conditions;
  const auto add = [&](const cedar::Policy& policy) {
    const Whose whose = whose_of(policy, errors);
    for (const cedar::TemporalBlock& block : policy.temporal) {
      std::vector<temporal::Complaint> complaints;
      Names(world, complaints).walk(*block.formula);
      auto condition = temporal::Condition::compile(*block.formula);
      if (!condition) complaints.push_back(condition.error());
      for (const temporal::Complaint& complaint : complaints)
        errors.push_back(diagnostic_at(policy, complaint.span, "temporal", complaint.message));
      if (!condition) continue;
      auto& list = conditions.at(static_cast<std::size_t>(whose));
      made.rules.push_back({&policy, *block.attribute, whose, list.size()});
      list.push_back(*std::move(condition));
    }
  };
  for (const cedar::Policy& policy : set.templates()) add(policy);
  for (const cedar::Policy& policy : set.policies())
    if (policy.template_id.empty()) add(policy);
  for (std::size_t i = 0; i < whose_count; ++i)
    if (!conditions.at(i).empty())
      made.monitors.at(i) = std::make_shared<const temporal::Monitor>(std::move(conditions.at(i)));
  return made;
}

Value with_recalled(const Value& context, std::span<const Recalled> recalled, cedar::Arena& arena) {
  std::vector<cedar::Field> all(context.fields().begin(), context.fields().end());
  for (const Recalled& one : recalled) all.push_back({one.attribute, one.truth});
  return Value::record(all, arena);
}

bool admits(const cedar::Policy& policy, const cedar::EntityUid& action,
            std::span<const cedar::EntityUid> groups) {
  using Kind = cedar::ScopeConstraint::Kind;
  const cedar::ScopeConstraint& scope = policy.action;
  if (scope.kind == Kind::any) return true;
  return std::ranges::any_of(scope.uids, [&](const cedar::EntityUid& uid) {
    return uid == action || (scope.kind != Kind::equal && std::ranges::contains(groups, uid));
  });
}

Value RecordFields::find(std::span<const cedar::Name> path) const {
  Value value = record_;
  for (const cedar::Name& name : path)
    value = value.is(cedar::Kind::record) ? value.field(name) : Value();
  if (value || path.front().text() != "output") return value;
  json::Value json = structured_;
  for (const cedar::Name& name : path.subspan(1)) json = json[name.text()];
  return value_of(json);
}

void recall(const TemporalRules& rules, Whose whose, temporal::State& state,
            const temporal::Event& event, const cedar::Request& request,
            const cedar::EntityView& entities, std::vector<Recalled>& recalled) {
  state.observe(event);
  for (const TemporalRules::Rule& rule : rules.rules) {
    if (rule.whose != whose || !admits(*rule.policy, event.action, event.groups)) continue;
    if (const auto truth = state.holds(rule.place, request, entities))
      recalled.push_back({rule.attribute, Value::boolean(*truth)});
  }
}

}  // namespace latticegate::policy
