#include "cedar/policy_json.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "cedar/detail/lexer.h"
#include "cedar/expression.h"
#include "cedar/from_json.h"
#include "json/write.h"

namespace latticegate::cedar {
namespace {

using base::Code;
using base::Result;

// How an operator is written in JSON, and how its operands are called there.
enum class Shape : std::uint8_t { binary, unary };
struct Form {
  Op op;
  std::string_view key;
  Shape shape;
  std::string_view before;  // in text: what stands before the first operand, between the two, after
  std::string_view between;
  std::string_view after;
};
constexpr auto forms = std::to_array<Form>({
    {Op::negation, "!", Shape::unary, "!", "", ""},
    {Op::minus, "neg", Shape::unary, "-", "", ""},
    {Op::is_empty, "isEmpty", Shape::unary, "", "", ".isEmpty()"},
    {Op::equal, "==", Shape::binary, "", " == ", ""},
    {Op::unequal, "!=", Shape::binary, "", " != ", ""},
    {Op::in, "in", Shape::binary, "", " in ", ""},
    {Op::less, "<", Shape::binary, "", " < ", ""},
    {Op::less_equal, "<=", Shape::binary, "", " <= ", ""},
    {Op::greater, ">", Shape::binary, "", " > ", ""},
    {Op::greater_equal, ">=", Shape::binary, "", " >= ", ""},
    {Op::conjunction, "&&", Shape::binary, "", " && ", ""},
    {Op::disjunction, "||", Shape::binary, "", " || ", ""},
    {Op::sum, "+", Shape::binary, "", " + ", ""},
    {Op::sum, "-", Shape::binary, "", " - ", ""},
    {Op::product, "*", Shape::binary, "", " * ", ""},
    {Op::contains, "contains", Shape::binary, "", ".contains", ""},
    {Op::contains_all, "containsAll", Shape::binary, "", ".containsAll", ""},
    {Op::contains_any, "containsAny", Shape::binary, "", ".containsAny", ""},
    {Op::has_tag, "hasTag", Shape::binary, "", ".hasTag", ""},
    {Op::get_tag, "getTag", Shape::binary, "", ".getTag", ""},
});
constexpr std::array<std::pair<Op, std::string_view>, 4> variables{{{Op::principal, "principal"},
                                                                    {Op::action, "action"},
                                                                    {Op::resource, "resource"},
                                                                    {Op::context, "context"}}};

bool is_chain(Op op) {
  return op == Op::conjunction || op == Op::disjunction || op == Op::sum || op == Op::product;
}

bool plain_name(std::string_view name) { return is_identifier(name) && !is_reserved(name); }

// ---- to JSON

class Writing {
 public:
  explicit Writing(std::string& out) : writer_(out) {}

  void policy(const Policy& policy) {
    writer_.begin_object().member("effect", name(policy.effect));
    scope("principal", policy.principal);
    scope("action", policy.action);
    scope("resource", policy.resource);
    writer_.key("conditions").begin_array();
    for (const Condition& condition : policy.conditions) {
      writer_.begin_object().member("kind", condition.unless ? "unless" : "when").key("body");
      expression(*condition.expression);
      writer_.end_object();
    }
    writer_.end_array();
    if (!policy.annotations.empty()) {
      writer_.key("annotations").begin_object();
      for (const Annotation& annotation : policy.annotations) {
        writer_.key(annotation.key);
        if (annotation.bare)
          writer_.null();
        else
          writer_.string(annotation.value);
      }
      writer_.end_object();
    }
    writer_.end_object();
  }

  void uid(const EntityUid& uid) {
    writer_.begin_object().member("type", uid.type()).member("id", uid.id()).end_object();
  }

  void expression(const Expression& e) {
    if (is_chain(e.op)) return chain(e);
    writer_.begin_object();
    switch (e.op) {
      case Op::literal:
        writer_.key("Value");
        value(e.value);
        break;
      case Op::principal:
      case Op::action:
      case Op::resource:
      case Op::context: {
        const auto* const found =
            std::ranges::find(variables, e.op, &std::pair<Op, std::string_view>::first);
        writer_.member("Var", found->second);
        break;
      }
      case Op::conditional:
        writer_.key("if-then-else").begin_object();
        operand("if", e, 0);
        operand("then", e, 1);
        operand("else", e, 2);
        writer_.end_object();
        break;
      case Op::has:
        writer_.key("has").begin_object();
        operand("left", e, 0);
        writer_.key("attr");
        names(e.path);
        writer_.end_object();
        break;
      case Op::attribute:
        writer_.key(".").begin_object();
        operand("left", e, 0);
        writer_.member("attr", e.path[0].text()).end_object();
        break;
      case Op::like:
        writer_.key("like").begin_object();
        operand("left", e, 0);
        writer_.key("pattern").begin_array();
        for (const PatternPart& part : e.pattern) {
          if (part.wildcard)
            writer_.string("Wildcard");
          else
            writer_.begin_object().member("Literal", part.text).end_object();
        }
        writer_.end_array().end_object();
        break;
      case Op::is:
      case Op::is_in:
        writer_.key("is").begin_object();
        operand("left", e, 0);
        writer_.member("entity_type", e.type);
        if (e.op == Op::is_in) operand("in", e, 1);
        writer_.end_object();
        break;
      case Op::set:
        writer_.key("Set");
        list(e);
        break;
      case Op::record:
        writer_.key("Record").begin_object();
        for (std::size_t i = 0; i < e.operands.size(); ++i) operand(e.path[i].text(), e, i);
        writer_.end_object();
        break;
      case Op::extension:
        writer_.key(name(e.function));
        list(e);
        break;
      default: {
        const Form& form = *std::ranges::find(forms, e.op, &Form::op);
        writer_.key(form.key).begin_object();
        operand(form.shape == Shape::unary ? "arg" : "left", e, 0);
        if (form.shape == Shape::binary) operand("right", e, 1);
        writer_.end_object();
      }
    }
    writer_.end_object();
  }

 private:
  void operand(std::string_view key, const Expression& e, std::size_t i) {
    writer_.key(key);
    expression(*e.operands[i]);
  }

  void list(const Expression& e) {
    writer_.begin_array();
    for (const Expression* const item : e.operands) expression(*item);
    writer_.end_array();
  }

  void names(std::span<const Name> path) {
    if (path.size() == 1) {
      writer_.string(path[0].text());
      return;
    }
    writer_.begin_array();
    for (const Name& name : path) writer_.string(name.text());
    writer_.end_array();
  }

  // a && b && c is {"&&": {"left": {"&&": {"left": a, "right": b}}, "right": c}}: the last operator
  // is outermost.
  void chain(const Expression& e) {
    const auto key = [&](std::size_t i) -> std::string_view {
      if (e.op == Op::sum) return e.signs[i] == '+' ? "+" : "-";
      return std::ranges::find(forms, e.op, &Form::op)->key;
    };
    for (std::size_t i = e.operands.size() - 1; i > 0; --i)
      writer_.begin_object().key(key(i)).begin_object().key("left");
    expression(*e.operands[0]);
    for (std::size_t i = 1; i < e.operands.size(); ++i) {
      writer_.key("right");
      expression(*e.operands[i]);
      writer_.end_object().end_object();
    }
  }

  void value(const Value& value) {
    switch (value.kind()) {
      case Kind::boolean: writer_.boolean(value.truth()); break;
      case Kind::integer: writer_.integer(value.integer()); break;
      case Kind::string: writer_.string(value.text()); break;
      default:  // a literal is one of four kinds
        writer_.begin_object().key("__entity");
        uid(value.uid());
        writer_.end_object();
    }
  }

  void target(std::string_view variable, const ScopeConstraint& scope) {
    if (scope.slot) {
      writer_.member("slot", std::format("?{}", variable));
      return;
    }
    writer_.key("entity");
    uid(scope.uids[0]);
  }

  void scope(std::string_view variable, const ScopeConstraint& scope) {
    writer_.key(variable).begin_object();
    switch (scope.kind) {
      case ScopeConstraint::Kind::any: writer_.member("op", "All"); break;
      case ScopeConstraint::Kind::equal:
        writer_.member("op", "==");
        target(variable, scope);
        break;
      case ScopeConstraint::Kind::in:
        writer_.member("op", "in");
        target(variable, scope);
        break;
      case ScopeConstraint::Kind::in_any:
        writer_.member("op", "in").key("entities").begin_array();
        for (const EntityUid& each : scope.uids) uid(each);
        writer_.end_array();
        break;
      case ScopeConstraint::Kind::is:
      case ScopeConstraint::Kind::is_in:
        writer_.member("op", "is").member("entity_type", scope.type);
        if (scope.kind == ScopeConstraint::Kind::is) break;
        writer_.key("in").begin_object();
        target(variable, scope);
        writer_.end_object();
    }
    writer_.end_object();
  }

  json::Writer writer_;
};

// ---- to text

// Every function is false after it has noted an error.
class Reading {
 public:
  Result<std::string> policy(json::Value tree) {
    const std::string_view effect = tree["effect"].text_or("");
    const bool good =
        only(tree, {"effect", "principal", "action", "resource", "conditions", "annotations"}) &&
        annotations(tree["annotations"]) &&
        (effect == "permit" || effect == "forbid" ||
         fail("`effect` must be \"permit\" or \"forbid\"")) &&
        put(effect) && put("(") && scope("principal", tree["principal"]) && put(", ") &&
        scope("action", tree["action"]) && put(", ") && scope("resource", tree["resource"]) &&
        put(")") && conditions(tree["conditions"]) && put(";\n");
    if (!good) return base::fail(Code::invalid, std::move(error_));
    return std::move(out_);
  }

 private:
  bool fail(std::string words) {
    if (error_.empty()) error_ = std::move(words);
    return false;
  }
  bool put(std::string_view text) {
    out_ += text;
    return true;
  }
  // An object that has no other members than these.
  bool only(json::Value tree, std::initializer_list<std::string_view> members) {
    if (!tree.is_object()) return fail("an object is missing");
    for (const json::Member member : tree.members())
      if (!std::ranges::contains(members, member.key))
        return fail(std::format("there is no member {} here", quoted(member.key)));
    return true;
  }
  bool path(json::Value tree) {
    const std::string_view text = tree.text_or("");
    for (std::string_view rest = text;;) {
      const std::size_t end = rest.find("::");
      if (!plain_name(rest.substr(0, end)))
        return fail(std::format("{} is no name of an entity type", quoted(text)));
      if (end == std::string_view::npos) return put(text);
      rest.remove_prefix(end + 2);
    }
  }
  bool entity(json::Value tree) {
    const json::Value inner = tree["__entity"] ? tree["__entity"] : tree;
    if (!inner["id"].is_string()) return fail("an entity is {\"type\", \"id\"}");
    return only(inner, {"type", "id"}) && path(inner["type"]) && put("::") &&
           put(quoted(*inner["id"].string()));
  }

  bool annotations(json::Value tree) {
    if (!tree) return true;
    if (!tree.is_object()) return fail("`annotations` must be an object");
    for (const json::Member member : tree.members()) {
      if (!is_identifier(member.key))
        return fail(std::format("{} is no name of an annotation", quoted(member.key)));
      if (!member.value.is_null() && !member.value.is_string())
        return fail("an annotation's value is a string or null");
      put("@");
      put(member.key);
      if (member.value.is_string()) put(std::format("({})", quoted(*member.value.string())));
      put("\n");
    }
    return true;
  }

  bool target(std::string_view variable, json::Value tree) {
    if (tree["slot"]) {
      const std::string slot = std::format("?{}", variable);
      if (tree["slot"].text_or("") != slot) return fail(std::format("the slot here is {}", slot));
      return put(slot);
    }
    return entity(tree["entity"]);
  }

  bool scope(std::string_view variable, json::Value tree) {
    const std::string_view op = tree["op"].text_or("");
    put(variable);
    if (op == "All") return only(tree, {"op"});
    if (op == "==")
      return only(tree, {"op", "entity", "slot"}) && put(" == ") && target(variable, tree);
    if (op == "in" && tree["entities"]) {
      if (!only(tree, {"op", "entities"})) return false;
      put(" in [");
      bool first = true;
      for (const json::Value each : tree["entities"].elements()) {
        if (!std::exchange(first, false)) put(", ");
        if (!entity(each)) return false;
      }
      return tree["entities"].is_array() ? put("]") : fail("`entities` must be an array");
    }
    if (op == "in")
      return only(tree, {"op", "entity", "slot"}) && put(" in ") && target(variable, tree);
    if (op == "is") {
      if (!only(tree, {"op", "entity_type", "in"}) || !put(" is ") || !path(tree["entity_type"]))
        return false;
      if (!tree["in"]) return true;
      return only(tree["in"], {"entity", "slot"}) && put(" in ") && target(variable, tree["in"]);
    }
    return fail(std::format("`{}` needs an `op`: \"All\", \"==\", \"in\" or \"is\"", variable));
  }

  bool conditions(json::Value tree) {
    if (!tree.is_array()) return fail("`conditions` must be an array");
    for (const json::Value condition : tree.elements()) {
      const std::string_view kind = condition["kind"].text_or("");
      if (kind != "when" && kind != "unless") return fail("`kind` must be \"when\" or \"unless\"");
      if (!only(condition, {"kind", "body"}) || !put("\n") || !put(kind) || !put(" { ") ||
          !expression(condition["body"]) || !put(" }"))
        return false;
    }
    return true;
  }

  // As an operand: in parentheses, which the printer takes away again where they are not needed.
  bool operand(json::Value tree) { return put("(") && expression(tree) && put(")"); }

  bool expression(json::Value tree) {
    if (nesting_ >= max_nesting)
      return fail(std::format("nested more than {} levels deep", max_nesting));
    ++nesting_;
    const bool good = node(tree);
    --nesting_;
    return good;
  }

  bool node(json::Value tree) {
    if (!tree.is_object() || tree.size() != 1)
      return fail("an expression is an object with one member");
    const json::Member only_member = *tree.members().begin();
    const std::string_view key = only_member.key;
    const json::Value body = only_member.value;
    if (const auto* const form = std::ranges::find(forms, key, &Form::key); form != forms.end())
      return is_chain(form->op) ? chain(tree, form->op) : operation(*form, body);
    if (key == "Value") return value(body);
    if (key == "Var") {
      for (const auto& [op, name] : variables)
        if (body.text_or("") == name) return put(name);
      return fail("`Var` must be principal, action, resource or context");
    }
    if (key == "if-then-else")
      return only(body, {"if", "then", "else"}) && put("if ") && expression(body["if"]) &&
             put(" then ") && expression(body["then"]) && put(" else ") && expression(body["else"]);
    if (key == ".") {
      if (!only(body, {"left", "attr"}) || !operand(body["left"])) return false;
      const auto name = body["attr"].string();
      if (!name) return fail("`attr` must be a string");
      return plain_name(*name) ? put(".") && put(*name) : put(std::format("[{}]", quoted(*name)));
    }
    if (key == "has")
      return only(body, {"left", "attr"}) && operand(body["left"]) && put(" has ") &&
             names(body["attr"]);
    if (key == "like")
      return only(body, {"left", "pattern"}) && operand(body["left"]) && put(" like ") &&
             pattern(body["pattern"]);
    if (key == "is") {
      if (!only(body, {"left", "entity_type", "in"}) || !operand(body["left"]) || !put(" is ") ||
          !path(body["entity_type"]))
        return false;
      return !body["in"] || (put(" in ") && operand(body["in"]));
    }
    if (key == "Set") return list("[", body, "]");
    if (key == "Record") {
      if (!body.is_object()) return fail("`Record` must be an object");
      return record(body, [this](json::Value item) { return expression(item); });
    }
    return call(key, body);
  }

  bool operation(const Form& form, json::Value body) {
    put(form.before);
    if (form.shape == Shape::unary)
      return only(body, {"arg"}) && operand(body["arg"]) && put(form.after);
    return only(body, {"left", "right"}) && operand(body["left"]) && put(form.between) &&
           operand(body["right"]);
  }

  // A tree that leans to the left is a chain, of any length.
  bool chain(json::Value tree, Op op) {
    std::vector<std::pair<const Form*, json::Value>> rest;  // from right to left
    for (;;) {
      if (!tree.is_object() || tree.size() != 1) break;
      const json::Member member = *tree.members().begin();
      const auto* const form = std::ranges::find(forms, member.key, &Form::key);
      if (form == forms.end() || form->op != op) break;
      if (!only(member.value, {"left", "right"})) return false;
      rest.emplace_back(form, member.value["right"]);
      tree = member.value["left"];
    }
    if (!operand(tree)) return false;
    for (auto each = rest.rbegin(); each != rest.rend(); ++each)
      if (!put(each->first->between) || !operand(each->second)) return false;
    return true;
  }

  bool names(json::Value tree) {
    if (tree.is_string())
      return put(plain_name(*tree.string()) ? std::string(*tree.string()) : quoted(*tree.string()));
    if (!tree.is_array() || tree.size() == 0)
      return fail("`attr` must be a name or a list of them");
    bool first = true;
    for (const json::Value each : tree.elements()) {
      const std::string_view name = each.text_or("");
      if (!plain_name(name))
        return fail(std::format("{} cannot stand in a path of attributes", quoted(name)));
      if (!std::exchange(first, false)) put(".");
      put(name);
    }
    return true;
  }

  bool pattern(json::Value tree) {
    if (!tree.is_array()) return fail("`pattern` must be an array");
    put("\"");
    for (const json::Value each : tree.elements()) {
      if (each.text_or("") == "Wildcard") {
        put("*");
        continue;
      }
      const auto text = each["Literal"].string();
      if (!text || !only(each, {"Literal"}))
        return fail("a pattern consists of \"Wildcard\" and {\"Literal\"}");
      const std::string escaped = quoted(*text);
      for (const char c : std::string_view(escaped).substr(1, escaped.size() - 2)) {
        if (c == '*') out_ += '\\';
        out_ += c;
      }
    }
    return put("\"");
  }

  bool list(std::string_view open, json::Value tree, std::string_view close) {
    if (!tree.is_array()) return fail("an array is missing");
    put(open);
    bool first = true;
    for (const json::Value each : tree.elements()) {
      if (!std::exchange(first, false)) put(", ");
      if (!expression(each)) return false;
    }
    return put(close);
  }

  template <class Item>
  bool record(json::Value tree, const Item& item) {
    put("{");
    bool first = true;
    for (const json::Member member : tree.members()) {
      if (!std::exchange(first, false)) put(", ");
      put(quoted(member.key));
      put(": ");
      if (!item(member.value)) return false;
    }
    return put("}");
  }

  // Functions and methods of the extension types.
  bool call(std::string_view key, json::Value arguments) {
    const auto function = function_named(key);
    if (!function) return fail(std::format("there is no expression {}", quoted(key)));
    if (!is_method(*function)) return put(key) && list("(", arguments, ")");
    if (!arguments.is_array() || arguments.size() == 0)
      return fail(std::format("the method `{}` needs a receiver", key));
    if (!operand(arguments.at(0)) || !put(".") || !put(key) || !put("(")) return false;
    bool first = true;
    std::size_t i = 0;
    for (const json::Value each : arguments.elements()) {
      if (i++ == 0) continue;
      if (!std::exchange(first, false)) put(", ");
      if (!expression(each)) return false;
    }
    return put(")");
  }

  bool value(json::Value tree) {
    if (nesting_ >= max_nesting)
      return fail(std::format("nested more than {} levels deep", max_nesting));
    ++nesting_;
    const bool good = any_value(tree);
    --nesting_;
    return good;
  }
  bool any_value(json::Value tree) {
    if (const auto truth = tree.boolean()) return put(*truth ? "true" : "false");
    if (const auto text = tree.string()) return put(quoted(*text));
    if (const auto number = tree.integer()) return put(std::format("{}", *number));
    if (tree.is_array()) {
      put("[");
      bool first = true;
      for (const json::Value each : tree.elements()) {
        if (!std::exchange(first, false)) put(", ");
        if (!value(each)) return false;
      }
      return put("]");
    }
    if (!tree.is_object()) return fail("a value is no null and no number with a fraction");
    if (tree["__entity"]) return only(tree, {"__entity"}) && entity(tree);
    if (tree["__extn"]) return only(tree, {"__extn"}) && extension(tree["__extn"]);
    if (tree["__expr"]) return fail("`__expr` is not supported");
    return record(tree, [this](json::Value item) { return value(item); });
  }
  bool extension(json::Value tree) {
    const std::string_view name = tree["fn"].text_or("");
    const auto function = function_named(name);
    if (!function || is_method(*function) || !only(tree, {"fn", "arg", "args"}))
      return fail("an extension value is {\"fn\", \"arg\"}");
    const json::Value argument = tree["args"] ? tree["args"].at(0) : tree["arg"];
    if (tree["args"] && (tree["arg"] || tree["args"].size() != 1))
      return fail("an extension value takes one argument");
    return put(name) && put("(") && value(argument) && put(")");
  }

  std::string out_;
  std::string error_;
  std::uint32_t nesting_ = 0;
};

std::optional<EntityUid> slot_value(json::Value values, std::string_view slot,
                                    std::optional<base::Error>& error) {
  if (!values[slot]) return std::nullopt;
  auto uid = uid_from_json(values[slot]);
  if (uid) return *uid;
  error = std::move(uid).error();
  return std::nullopt;
}

}  // namespace

std::string to_json(const Policy& policy) {
  std::string out;
  Writing(out).policy(policy);
  return out;
}

std::string to_json(const PolicySet& policies) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  writer.key("staticPolicies").begin_object();
  for (const Policy& policy : policies.policies())
    if (policy.template_id.empty()) writer.key(policy.id).raw(to_json(policy));
  writer.end_object().key("templates").begin_object();
  for (const Policy& policy : policies.templates()) writer.key(policy.id).raw(to_json(policy));
  writer.end_object().key("templateLinks").begin_array();
  for (const Policy& policy : policies.policies()) {
    if (policy.template_id.empty()) continue;
    const Policy& form = *policies.find(policy.template_id);
    writer.begin_object()
        .member("templateId", policy.template_id)
        .member("newId", policy.id)
        .key("values")
        .begin_object();
    const auto value = [&](std::string_view slot, const ScopeConstraint& asked,
                           const ScopeConstraint& filled) {
      if (!asked.slot) return;
      writer.key(slot).begin_object().key("__entity").begin_object();
      writer.member("type", filled.uids[0].type()).member("id", filled.uids[0].id());
      writer.end_object().end_object();
    };
    value("?principal", form.principal, policy.principal);
    value("?resource", form.resource, policy.resource);
    writer.end_object().end_object();
  }
  writer.end_array().end_object();
  return out;
}

Result<std::string> policy_text(json::Value tree) { return Reading().policy(tree); }

Result<PolicySet> policies_from_json(json::Value tree, std::string_view file) {
  if (!tree.is_object())
    return base::fail(Code::invalid, std::format("{}: a policy set is an object", file));
  PolicySet::Builder builder(Naming::by_order);
  for (const json::Member part : tree.members()) {
    if (part.key == "templateLinks") continue;
    if ((part.key != "staticPolicies" && part.key != "templates") || !part.value.is_object())
      return base::fail(Code::invalid, std::format("{}: a policy set has the members "
                                                   "staticPolicies, templates, templateLinks",
                                                   file));
    for (const json::Member member : part.value.members()) {
      const std::string place = std::format("{}: {}", file, member.key);
      // Upstream also allows the text of a policy here.
      auto text = member.value.is_string() ? Result<std::string>(*member.value.string())
                                           : policy_text(member.value);
      if (!text) return base::within(place, std::move(text).error());
      const bool slots = part.key == "templates";
      if (auto added = builder.add_one(*text, place, member.key, slots); !added)
        return std::unexpected(std::move(added).error());
    }
  }
  for (const json::Value link : tree["templateLinks"].elements()) {
    std::optional<base::Error> error;
    const auto principal = slot_value(link["values"], "?principal", error);
    const auto resource = slot_value(link["values"], "?resource", error);
    if (error) return base::within(std::format("{}: templateLinks", file), *std::move(error));
    auto linked = builder.link(link["templateId"].text_or(""), link["newId"].text_or(""), principal,
                               resource);
    if (!linked) return base::within(std::format("{}: templateLinks", file), linked.error());
  }
  return builder.build();
}

}  // namespace latticegate::cedar
