#include <algorithm>
#include <array>
#include <format>
#include <string>
#include <utility>
#include <vector>

#include "cedar/policy_set.h"
#include "policy/detail/toolhive.h"

namespace latticegate::policy {
namespace {

using cedar::EntityUid;
using cedar::Expression;
using cedar::Op;

constexpr std::string_view argument_prefix = "arg_";
constexpr std::string_view claim_prefix = "claim_";

// The claim that an expression reads: principal.claim_roles.
std::string_view claim_in(const Expression& e) {
  if (e.op != Op::attribute || e.operands[0]->op != Op::principal) return {};
  const std::string_view name = e.path[0].text();
  return name.starts_with(claim_prefix) ? name.substr(claim_prefix.size()) : std::string_view();
}

bool is_argument(const Expression& e) {
  return e.op == Op::attribute && e.path[0].text().starts_with(argument_prefix) &&
         (e.operands[0]->op == Op::resource || e.operands[0]->op == Op::context);
}

bool is_text(const Expression& e) { return e.op == Op::literal && e.value.is(cedar::Kind::string); }

// Whether nothing in it speaks of another model than ours, once the arguments are renamed.
bool is_about_arguments(const Expression& e) {
  if (is_argument(e)) return true;
  switch (e.op) {
    case Op::principal:
    case Op::action:
    case Op::resource:
    case Op::context: return false;
    case Op::literal:
      if (e.value.is(cedar::Kind::entity)) return false;
      return !e.value.is(cedar::Kind::string) || !e.value.text().contains(argument_prefix);
    case Op::has:
    case Op::extension:  // numbers are decimals there and integers here
      return false;
    default:
      return std::ranges::all_of(
          e.operands, [](const Expression* operand) { return is_about_arguments(*operand); });
  }
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at))
    text.replace(at, from.size(), to);
}

class ToolHive {
 public:
  ToolHive(std::string_view server, RuleWriter& writer) : writer_(writer) {
    if (!server.empty()) servers_.emplace_back(server);
  }

  void add(const cedar::Policy& policy) {
    const bool permits = policy.effect == cedar::Effect::permit;
    const Rounding rounding{.permits = permits};
    writer_.begin(cedar::print(policy));
    Clause all = both(scope("principal", policy.principal, rounding),
                      both(scope("action", policy.action, rounding),
                           scope("resource", policy.resource, rounding)));
    for (const cedar::Condition& condition : policy.conditions) {
      const Expression& e = *condition.expression;
      all = both(all, condition.unless ? contrary(of(e, rounding.negated())) : of(e, rounding));
    }
    writer_.write(policy.effect, all);
  }

 private:
  Clause scope(std::string_view variable, const cedar::ScopeConstraint& constraint,
               const Rounding& rounding) {
    using Kind = cedar::ScopeConstraint::Kind;
    if (constraint.kind == Kind::any) return constant(true);
    if (constraint.slot || constraint.kind == Kind::is_in)
      return writer_.missing(cedar::print(variable, constraint), rounding);
    if (constraint.kind == Kind::is) return of_type(constraint.type, rounding);
    Clause out = constant(false);
    for (const EntityUid& uid : constraint.uids) out = either(out, entity(uid, rounding));
    return out;
  }

  Clause of_type(std::string_view type, const Rounding& rounding) {
    if (type == "Client") return constant(true);
    if (type == "Tool") return clause("resource is Mcp::Tool");
    if (type == "Prompt") return clause("resource is Mcp::Prompt");
    if (type == "Resource") return clause("resource is Mcp::Resource");
    return writer_.missing(std::format("is {}", type), rounding);
  }

  // That principal, action or resource is it, or in it.
  Clause entity(const EntityUid& uid, const Rounding& rounding) {
    if (uid.type() == "Client") return writer_.agent(uid.id());
    if (uid.type() == "THVGroup")
      return clause(std::format("principal in Mcp::Group::{}", cedar::quoted(uid.id())));
    if (uid.type() == "MCP") {
      const std::string name(uid.id());
      return RuleWriter::of_servers({&name, 1});
    }
    if (uid.type() == "Tool") {
      const std::string name(uid.id());
      return writer_.tools(servers_, {&name, 1}, rounding);
    }
    if (uid.type() == "Prompt" && !servers_.empty())
      return clause(std::format("resource == Mcp::Prompt::{}",
                                cedar::quoted(std::format("{}/{}", servers_[0], uid.id()))));
    if (uid.type() == "Resource")
      return clause(std::format("resource == Mcp::Resource::{}", cedar::quoted(uid.id())));
    if (uid.type() == "Action") {
      if (uid.id() == "call_tool") return clause("action in Mcp::Action::\"call_tool\"");
      if (uid.id() == "get_prompt" || uid.id() == "read_resource")
        return clause(std::format("action == Mcp::Action::{}", cedar::quoted(uid.id())));
      if (uid.id().starts_with("list_")) {
        writer_.note("lists show what may be called; rules about lists are not needed");
        return constant(false);
      }
    }
    return writer_.missing(cedar::to_text(uid), rounding);
  }

  Clause of(const Expression& e, const Rounding& rounding) {
    switch (e.op) {
      case Op::literal:
        if (e.value.is(cedar::Kind::boolean)) return constant(e.value.truth());
        break;
      case Op::conjunction:
      case Op::disjunction: {
        Clause out = constant(e.op == Op::conjunction);
        for (const Expression* const operand : e.operands)
          out = e.op == Op::conjunction ? both(out, of(*operand, rounding))
                                        : either(out, of(*operand, rounding));
        return out;
      }
      case Op::negation: return contrary(of(*e.operands[0], rounding.negated()));
      case Op::equal: return equality(e, rounding);
      case Op::unequal: return contrary(equality(e, rounding.negated()));
      case Op::contains:
        if (const std::string_view claim = claim_in(*e.operands[0]);
            !claim.empty() && is_text(*e.operands[1]))
          return writer_.known(writer_.group(claim, e.operands[1]->value.text()), cedar::print(e),
                               rounding);
        break;
      case Op::in:
        if (e.operands[1]->op == Op::literal && e.operands[1]->value.is(cedar::Kind::entity))
          return entity(e.operands[1]->value.uid(), rounding);
        break;
      case Op::has:
        if ((e.operands[0]->op == Op::context || e.operands[0]->op == Op::resource) &&
            e.path.size() == 1 && e.path[0].text().starts_with(argument_prefix))
          return RuleWriter::argument(
              std::format("context.input has {}",
                          cedar::quoted(e.path[0].text().substr(argument_prefix.size()))),
              rounding);
        break;
      default: break;
    }
    return arguments(e, rounding);
  }

  Clause equality(const Expression& e, const Rounding& rounding) {
    for (const bool turned : {false, true}) {
      const Expression& left = *e.operands[turned ? 1 : 0];
      const Expression& right = *e.operands[turned ? 0 : 1];
      if (const std::string_view claim = claim_in(left); !claim.empty() && is_text(right))
        return writer_.known(claim == "sub" ? writer_.agent(right.value.text())
                                            : writer_.group(claim, right.value.text()),
                             cedar::print(e), rounding);
      const bool variable =
          left.op == Op::principal || left.op == Op::resource || left.op == Op::action;
      if (variable && right.op == Op::literal && right.value.is(cedar::Kind::entity))
        return entity(right.value.uid(), rounding);
    }
    return arguments(e, rounding);
  }

  Clause arguments(const Expression& e, const Rounding& rounding) {
    if (!is_about_arguments(e)) return writer_.missing(cedar::print(e), rounding);
    std::string text = cedar::print(e);
    // Only arguments are left in it, with names that the parser took.
    for (const std::string_view variable : {"resource.", "context."})
      replace_all(text, std::format("{}{}", variable, argument_prefix), "context.input.\x01");
    std::erase(text, '\x01');
    if (text.contains("[\"arg_")) return writer_.missing(cedar::print(e), rounding);
    return RuleWriter::argument(std::move(text), rounding);
  }

  std::vector<std::string> servers_;
  RuleWriter& writer_;
};

}  // namespace

base::Result<void> translate_toolhive(json::Value root, std::string_view server, RuleWriter& writer,
                                      bool& found) {
  json::Value policies = root["cedar"]["policies"];
  if (!policies) policies = root["policies"];
  if (!policies.is_array()) return {};
  ToolHive toolhive(server, writer);
  for (const json::Value text : policies.elements()) {
    const auto set = cedar::parse_policies(text.text_or(""), "a policy");
    if (!set) return std::unexpected(set.error());
    found = true;
    for (const auto list : {set->policies(), set->templates()})
      for (const cedar::Policy& policy : list) toolhive.add(policy);
  }
  return {};
}

}  // namespace latticegate::policy
