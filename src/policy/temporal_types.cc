#include <algorithm>
#include <format>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/suggest.h"
#include "cedar/temporal.h"
#include "cedar/type.h"
#include "policy/detail/temporal_rules.h"

namespace latticegate::policy {
namespace {

using Formula = cedar::TemporalFormula;
using Term = cedar::TemporalTerm;

// Of a record type, what does not exist on the path; nothing when all of it does.
std::string missing(const cedar::Type* type, std::span<const cedar::Name> path,
                    std::string_view where) {
  for (const cedar::Name& name : path) {
    if (type == nullptr || !type->is(cedar::Type::Kind::record) || type->open) return {};
    const cedar::TypeAttribute* const found = type->attribute(name.text());
    if (found != nullptr) {
      type = found->type;
      continue;
    }
    std::vector<std::string_view> names;
    for (const cedar::TypeAttribute& attribute : type->attributes) names.push_back(attribute.name);
    const auto near = base::nearest(name.text(), names);
    return std::format("there is no `{}` in {}{}", name.text(), where,
                       near ? std::format(" (did you mean `{}`?)", *near) : std::string());
  }
  return {};
}

class Types {
 public:
  Types(const cedar::Policy& policy, const cedar::Schema& schema,
        const std::function<bool(const cedar::EntityUid&)>& open, std::vector<Diagnostic>& errors)
      : policy_(policy), schema_(schema), open_(open), errors_(errors) {}

  void walk(const Formula& formula) {
    if (formula.op == Formula::Op::event) event(formula);
    for (const Formula* const part : formula.operands) walk(*part);
    walk(formula.left);
    walk(formula.right);
  }

 private:
  void complain(cedar::Span span, std::string_view rule, std::string message) {
    errors_.push_back(diagnostic_at(policy_, span, rule, std::move(message)));
  }

  void walk(const Term& term) {
    if (term.body != nullptr) walk(*term.body);
    // Only one action is asked about: its context is known.
    if (term.kind != Term::Kind::context ||
        policy_.action.kind != cedar::ScopeConstraint::Kind::equal)
      return;
    const cedar::SchemaAction* const action = schema_.action(policy_.action.uids[0]);
    if (action == nullptr || action->principals.empty()) return;
    if (std::string words =
            missing(action->context, term.path, "the context of " + cedar::to_text(action->uid));
        !words.empty())
      complain(term.span, "no_attribute", std::move(words));
  }

  void event(const Formula& formula) {
    const cedar::SchemaAction* const action = schema_.action(formula.action);
    if (action == nullptr && !open_(formula.action))
      complain(formula.span, "unknown_action",
               std::format("there is no action {}", cedar::to_text(formula.action)));
    for (const cedar::FieldPattern& field : formula.fields) {
      walk(field.term);
      const bool argument = field.path.front().text() == "input";  // groups have no arguments
      if (!argument || action == nullptr || action->principals.empty()) continue;
      if (std::string words = missing(action->context, field.path,
                                      "the arguments of " + cedar::to_text(action->uid));
          !words.empty())
        complain(field.span, "no_attribute", std::move(words));
    }
  }

  const cedar::Policy& policy_;
  const cedar::Schema& schema_;
  const std::function<bool(const cedar::EntityUid&)>& open_;
  std::vector<Diagnostic>& errors_;
};

}  // namespace

void temporal_types(const cedar::PolicySet& set, const cedar::Schema& schema,
                    const std::function<bool(const cedar::EntityUid&)>& open,
                    std::vector<Diagnostic>& errors) {
  for (const auto list : {set.templates(), set.policies()})
    for (const cedar::Policy& policy : list) {
      if (!policy.template_id.empty()) continue;
      for (const cedar::TemporalBlock& block : policy.temporal)
        Types(policy, schema, open, errors).walk(*block.formula);
    }
}

}  // namespace latticegate::policy
