#include "cedar/validate.h"

#include <algorithm>
#include <array>
#include <format>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "base/suggest.h"
#include "cedar/detail/checker.h"
#include "cedar/detail/level.h"
#include "cedar/suspicious.h"

namespace latticegate::cedar {
namespace {

using ScopeKind = ScopeConstraint::Kind;

constexpr std::size_t most_findings = 1000;  // of one policy

struct ProblemName {
  Problem problem;
  std::string_view name;
};
constexpr std::array<ProblemName, 20> problem_names{{
    {Problem::unknown_entity_type, "unknown_entity_type"},
    {Problem::unknown_action, "unknown_action"},
    {Problem::unknown_id, "unknown_id"},
    {Problem::unexpected_type, "unexpected_type"},
    {Problem::incompatible_types, "incompatible_types"},
    {Problem::no_attribute, "no_attribute"},
    {Problem::optional_attribute, "optional_attribute"},
    {Problem::unsafe_tag, "unsafe_tag"},
    {Problem::no_tags, "no_tags"},
    {Problem::empty_set, "empty_set"},
    {Problem::computed_constructor, "computed_constructor"},
    {Problem::bad_literal, "bad_literal"},
    {Problem::arity, "arity"},
    {Problem::level, "level"},
    {Problem::too_complex, "too_complex"},
    {Problem::no_applicable_action, "no_applicable_action"},
    {Problem::impossible, "impossible"},
    {Problem::mixed_scripts, "mixed_scripts"},
    {Problem::bidirectional, "bidirectional"},
    {Problem::unusual_identifier, "unusual_identifier"},
}};

bool is_link(const Policy& policy) { return !policy.template_id.empty(); }

// Calls visit(expression) for a condition and all its parts, without recursion.
template <class F>
void for_each(const Expression& root, F&& visit) {
  std::vector<const Expression*> open{&root};
  while (!open.empty()) {
    const Expression& next = *open.back();
    open.pop_back();
    visit(next);
    open.insert(open.end(), next.operands.rbegin(), next.operands.rend());
  }
}

// Collects what is found about one policy; the same thing at the same place counts once.
class Findings {
 public:
  Findings(const Policy& policy, std::vector<Finding>& out) : policy_(policy), out_(out) {}

  void add(Problem problem, Span span, std::string message, std::string environment = {}) {
    if (seen_.size() >= most_findings) return;
    if (!seen_.emplace(problem, span.begin, span.end, message).second) return;
    out_.push_back({problem, &policy_, span, std::move(message), std::move(environment)});
  }

 private:
  const Policy& policy_;
  std::vector<Finding>& out_;
  std::set<std::tuple<Problem, std::uint32_t, std::uint32_t, std::string>> seen_;
};

// What can be said without types: names that are not declared, texts that deceive.
class NameCheck {
 public:
  NameCheck(const Policy& policy, const Schema& schema, Findings& findings, bool texts)
      : policy_(policy), schema_(schema), findings_(findings), texts_(texts) {}

  void run() {
    scope(policy_.principal);
    scope(policy_.action);
    scope(policy_.resource);
    if (is_link(policy_)) return;
    for (const Condition& condition : policy_.conditions)
      for_each(*condition.expression, [&](const Expression& one) { expression(one); });
  }
  // Whether the scope names only what is declared.
  bool scope_is_known() const { return scope_is_known_; }

 private:
  void scope(const ScopeConstraint& constraint) {
    const bool typed = constraint.kind == ScopeKind::is || constraint.kind == ScopeKind::is_in;
    bool known = !typed || type(constraint.type, constraint.span);
    for (const EntityUid& one : constraint.uids) known = uid(one, constraint.span) && known;
    scope_is_known_ = scope_is_known_ && known;
  }

  void expression(const Expression& one) {
    switch (one.op) {
      case Op::is:
      case Op::is_in: type(one.type, one.span); break;
      case Op::literal:
        if (one.value.is(Kind::entity))
          uid(one.value.uid(), one.span);
        else if (one.value.is(Kind::string))
          text(one.value.text(), one.span);
        break;
      case Op::like: {
        std::string whole;
        for (const PatternPart& part : one.pattern) whole += part.text;
        text(whole, one.span);
        break;
      }
      default:
        for (const Name& name : one.path) identifier(name.text(), one.span);
    }
  }

  bool type(std::string_view name, Span span) {
    if (is_action_type(name) || schema_.entity_type(name) != nullptr) return true;
    std::vector<std::string_view> known;
    for (const SchemaEntity& entity : schema_.entity_types()) known.push_back(entity.name);
    const auto near = base::nearest(name, known);
    findings_.add(Problem::unknown_entity_type, span,
                  std::format("there is no entity type `{}`{}", name,
                              near ? std::format(" (did you mean `{}`?)", *near) : ""));
    return false;
  }

  bool uid(const EntityUid& one, Span span) {
    identifier(one.id(), span);
    if (is_action_type(one.type())) return action(one, span);
    if (!type(one.type(), span)) return false;
    if (!schema_.entity_type(one.type())->has_id(one.id()))
      findings_.add(Problem::unknown_id, span,
                    std::format("{} is not one of the ids that `{}` is declared with",
                                quoted(one.id()), one.type()));
    return true;
  }

  bool action(const EntityUid& one, Span span) {
    if (schema_.action(one) != nullptr) return true;
    std::vector<std::string_view> known;
    for (const SchemaAction& declared : schema_.actions())
      if (declared.uid.type() == one.type()) known.push_back(declared.uid.id());
    const auto near = base::nearest(one.id(), known);
    findings_.add(Problem::unknown_action, span,
                  std::format("there is no action {}{}", to_text(one),
                              near ? std::format(" (did you mean {}?)", quoted(*near)) : ""));
    return false;
  }

  void text(std::string_view text, Span span) {
    if (texts_) suspicion(suspicious_text(text), "the text", text, span);
  }
  void identifier(std::string_view name, Span span) {
    if (texts_) suspicion(suspicious_name(name), "the name", name, span);
  }
  void suspicion(Suspicion found, std::string_view what, std::string_view text, Span span) {
    switch (found) {
      case Suspicion::none: return;
      case Suspicion::bidirectional:
        findings_.add(Problem::bidirectional, span,
                      std::format("{} {} has characters that turn the direction of writing", what,
                                  escaped(text)));
        return;
      case Suspicion::mixed_scripts:
        findings_.add(Problem::mixed_scripts, span,
                      std::format("{} {} mixes letters of several scripts", what, escaped(text)));
        return;
      case Suspicion::unusual:
        findings_.add(
            Problem::unusual_identifier, span,
            std::format("{} {} has a character that is not usual in names", what, escaped(text)));
    }
  }

  const Policy& policy_;
  const Schema& schema_;
  Findings& findings_;
  bool texts_;
  bool scope_is_known_ = true;
};

class PolicyCheck {
 public:
  PolicyCheck(const Policy& policy, const Schema& schema, const ValidationSettings& settings,
              std::vector<Finding>& out)
      : policy_(policy), schema_(schema), settings_(settings), findings_(policy, out) {}

  void run() {
    NameCheck names(policy_, schema_, findings_, settings_.texts);
    names.run();
    scope_is_known_ = names.scope_is_known();
    if (!applicable())
      findings_.add(Problem::no_applicable_action, policy_.span,
                    "no action applies to what the scope admits");
    if (is_link(policy_)) return;
    for (const SchemaAction& action : schema_.actions())
      if (!scope_is_known_ || in_scope(action)) environments(action);
    if (never_)
      findings_.add(Problem::impossible, policy_.span,
                    "is false for every request that the schema admits");
  }

 private:
  // ---- scopes by type

  bool in_scope(const SchemaAction& action) const {
    switch (policy_.action.kind) {
      case ScopeKind::any: return true;
      case ScopeKind::equal: return action.uid == policy_.action.uids[0];
      default:
        // `in []` is a finding of the type checker: let it look.
        return policy_.action.uids.empty() ||
               std::ranges::any_of(policy_.action.uids,
                                   [&](const EntityUid& uid) { return action.in(uid); });
    }
  }

  bool admits(const ScopeConstraint& constraint, std::string_view type) const {
    const bool of_type = constraint.type.empty() || constraint.type == type;
    switch (constraint.kind) {
      case ScopeKind::any: return true;
      case ScopeKind::is: return of_type;
      case ScopeKind::equal: return constraint.slot || constraint.uids[0].type() == type;
      default:
        return of_type &&
               (constraint.slot || schema_.entity_type(type)->may_be_in(constraint.uids[0].type()));
    }
  }

  bool applicable() const {
    const auto declared = [&](const EntityUid& uid) { return schema_.action(uid) != nullptr; };
    if (!std::ranges::all_of(policy_.action.uids, declared)) return false;
    const bool nothing = policy_.action.kind == ScopeKind::in_any && policy_.action.uids.empty();
    return !nothing && std::ranges::any_of(schema_.actions(), [&](const SchemaAction& action) {
      const auto any = [&](const ScopeConstraint& constraint,
                           std::span<const std::string_view> types) {
        return std::ranges::any_of(types,
                                   [&](std::string_view type) { return admits(constraint, type); });
      };
      return in_scope(action) && any(policy_.principal, action.principals) &&
             any(policy_.resource, action.resources);
    });
  }

  // ---- kinds of requests

  void environments(const SchemaAction& action) {
    for (const std::string_view principal : action.principals)
      for (const std::string_view resource : action.resources)
        for (const Type* const first : fillings(policy_.principal, principal))
          for (const Type* const second : fillings(policy_.resource, resource))
            check({&action, principal, resource, first, second});
  }

  // The types of what may fill a slot so that the scope can match; one null without a slot.
  std::vector<const Type*> fillings(const ScopeConstraint& constraint,
                                    std::string_view type) const {
    if (!constraint.slot) return {nullptr};
    const SchemaEntity& entity = *schema_.entity_type(type);
    std::vector<const Type*> types{entity.reference};
    if (constraint.kind == ScopeKind::equal) return types;
    for (const std::string_view above : entity.ancestors)
      if (above != type) types.push_back(schema_.entity_type(above)->reference);
    return types;
  }

  void check(const Environment& environment) {
    const Checker::Report report = [&](Problem problem, Span span, std::string message) {
      findings_.add(problem, span, std::move(message),
                    std::format("{}, {}, {}", environment.principal,
                                to_text(environment.action->uid), environment.resource));
    };
    arena_.reset();
    TypeMap types;
    Checker checker(schema_, environment, settings_.mode, arena_, report,
                    settings_.level ? &types : nullptr);
    const Checker::Outcome outcome = checker.check(policy_);
    never_ = never_ && outcome == Checker::Outcome::never;
    if (settings_.level && outcome == Checker::Outcome::possible)
      check_level(policy_, *settings_.level, types, checker, report);
  }

  const Policy& policy_;
  const Schema& schema_;
  const ValidationSettings& settings_;
  Findings findings_;
  Arena arena_;
  bool scope_is_known_ = true;
  bool never_ = true;
};

}  // namespace

std::string_view name(Problem problem) {
  return std::ranges::find(problem_names, problem, &ProblemName::problem)->name;
}

bool is_error(Problem problem) { return problem < Problem::no_applicable_action; }

std::string describe(const Finding& finding) {
  const Location at = finding.policy->locate(finding.span);
  return std::format(
      "{}:{}:{}: policy `{}`: {}{}", at.file, at.line, at.column, finding.policy->id,
      finding.message,
      finding.environment.empty() ? "" : std::format(" (for {})", finding.environment));
}

bool Validation::valid() const {
  return std::ranges::none_of(findings,
                              [](const Finding& finding) { return is_error(finding.problem); });
}

Validation validate(const Policy& policy, const Schema& schema,
                    const ValidationSettings& settings) {
  Validation validation;
  PolicyCheck(policy, schema, settings, validation.findings).run();
  return validation;
}

Validation validate(const PolicySet& policies, const Schema& schema,
                    const ValidationSettings& settings) {
  Validation validation;
  for (const Policy& policy : policies.policies())
    PolicyCheck(policy, schema, settings, validation.findings).run();
  for (const Policy& policy : policies.templates())
    PolicyCheck(policy, schema, settings, validation.findings).run();
  return validation;
}

}  // namespace latticegate::cedar
