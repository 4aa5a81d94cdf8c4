// Policies and expressions as text, and their structural equality.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <format>
#include <string>
#include <string_view>

#include "cedar/detail/lexer.h"
#include "cedar/expression.h"
#include "cedar/policy_set.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {
namespace {

// How tightly an expression binds. An operand that binds less than its place asks for gets
// parentheses.
enum class Bond : std::uint8_t {
  whole,
  disjunction,
  conjunction,
  relation,
  sum,
  product,
  unary,
  member
};

Bond bond(const Expression& e) {
  switch (e.op) {
    case Op::conditional: return Bond::whole;
    case Op::disjunction: return Bond::disjunction;
    case Op::conjunction: return Bond::conjunction;
    case Op::equal:
    case Op::unequal:
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
    case Op::in:
    case Op::has:
    case Op::like:
    case Op::is:
    case Op::is_in: return Bond::relation;
    case Op::sum: return Bond::sum;
    case Op::product: return Bond::product;
    case Op::negation:
    case Op::minus: return Bond::unary;
    case Op::literal:
      return e.value.is(Kind::integer) && e.value.integer() < 0 ? Bond::unary : Bond::member;
    default: return Bond::member;
  }
}

std::string_view symbol(Op op) {
  switch (op) {
    case Op::disjunction: return " || ";
    case Op::conjunction: return " && ";
    case Op::product: return " * ";
    case Op::equal: return " == ";
    case Op::unequal: return " != ";
    case Op::less: return " < ";
    case Op::less_equal: return " <= ";
    case Op::greater: return " > ";
    case Op::greater_equal: return " >= ";
    case Op::in: return " in ";
    case Op::contains: return ".contains(";
    case Op::contains_all: return ".containsAll(";
    case Op::contains_any: return ".containsAny(";
    case Op::is_empty: return ".isEmpty(";
    case Op::has_tag: return ".hasTag(";
    case Op::get_tag: return ".getTag(";
    default: return {};
  }
}

bool plain_name(std::string_view name) { return is_identifier(name) && !is_reserved(name); }

class Printer {
 public:
  explicit Printer(std::string& out) : out_(out) {}

  void write(const Expression& e, Bond wanted = Bond::whole) {
    const bool parentheses = bond(e) < wanted;
    if (parentheses) out_ += '(';
    node(e);
    if (parentheses) out_ += ')';
  }

 private:
  void node(const Expression& e) {
    switch (e.op) {
      case Op::literal: out_ += to_text(e.value); break;
      case Op::principal: out_ += "principal"; break;
      case Op::action: out_ += "action"; break;
      case Op::resource: out_ += "resource"; break;
      case Op::context: out_ += "context"; break;
      case Op::conditional:
        out_ += "if ";
        write(*e.operands[0]);
        out_ += " then ";
        write(*e.operands[1]);
        out_ += " else ";
        write(*e.operands[2]);
        break;
      case Op::disjunction: joined(e, Bond::conjunction); break;
      case Op::conjunction: joined(e, Bond::relation); break;
      case Op::product: joined(e, Bond::unary); break;
      case Op::equal:
      case Op::unequal:
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal:
      case Op::in: joined(e, Bond::sum); break;
      case Op::sum:
        for (std::size_t i = 0; i < e.operands.size(); ++i) {
          if (i > 0) out_ += e.signs[i] == '+' ? " + " : " - ";
          write(*e.operands[i], Bond::product);
        }
        break;
      case Op::negation:
        out_ += '!';
        write(*e.operands[0], Bond::member);
        break;
      case Op::minus:
        // Parentheses always: a minus directly before a number would become part of it.
        out_ += "-(";
        write(*e.operands[0]);
        out_ += ')';
        break;
      case Op::has:
        write(*e.operands[0], Bond::sum);
        out_ += " has ";
        if (e.path.size() == 1 && !plain_name(e.path[0].text())) {
          out_ += quoted(e.path[0].text());
        } else {
          for (std::size_t i = 0; i < e.path.size(); ++i) {
            if (i > 0) out_ += '.';
            out_ += e.path[i].text();
          }
        }
        break;
      case Op::like:
        write(*e.operands[0], Bond::sum);
        out_ += " like ";
        pattern(e);
        break;
      case Op::is:
      case Op::is_in:
        write(*e.operands[0], Bond::sum);
        out_ += " is ";
        out_ += e.type;
        if (e.op == Op::is) break;
        out_ += " in ";
        write(*e.operands[1], Bond::sum);
        break;
      case Op::attribute:
        if (e.temporal != nullptr) {
          out_ += std::format("temporal {{ {} }}", e.temporal->text);
          break;
        }
        write(*e.operands[0], Bond::member);
        if (!e.indexed && plain_name(e.path[0].text())) {
          out_ += '.';
          out_ += e.path[0].text();
        } else {
          out_ += '[';
          out_ += quoted(e.path[0].text());
          out_ += ']';
        }
        break;
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::has_tag:
      case Op::get_tag:
        write(*e.operands[0], Bond::member);
        out_ += symbol(e.op);
        list(e, 1);
        out_ += ')';
        break;
      case Op::set:
        out_ += '[';
        list(e, 0);
        out_ += ']';
        break;
      case Op::record:
        out_ += '{';
        for (std::size_t i = 0; i < e.operands.size(); ++i) {
          if (i > 0) out_ += ", ";
          const std::string_view key = e.path[i].text();
          out_ += plain_name(key) ? std::string(key) : quoted(key);
          out_ += ": ";
          write(*e.operands[i]);
        }
        out_ += '}';
        break;
      case Op::extension: {
        const bool method = is_method(e.function);
        if (method) {
          write(*e.operands[0], Bond::member);
          out_ += '.';
        }
        out_ += name(e.function);
        out_ += '(';
        list(e, method ? 1 : 0);
        out_ += ')';
        break;
      }
    }
  }

  void joined(const Expression& e, Bond operand) {
    for (std::size_t i = 0; i < e.operands.size(); ++i) {
      if (i > 0) out_ += symbol(e.op);
      write(*e.operands[i], operand);
    }
  }

  void list(const Expression& e, std::size_t first) {
    for (std::size_t i = first; i < e.operands.size(); ++i) {
      if (i > first) out_ += ", ";
      write(*e.operands[i]);
    }
  }

  void pattern(const Expression& e) {
    out_ += '"';
    for (const PatternPart& part : e.pattern) {
      if (part.wildcard) {
        out_ += '*';
        continue;
      }
      const std::string escaped = quoted(part.text);
      for (const char c : std::string_view(escaped).substr(1, escaped.size() - 2)) {
        if (c == '*') out_ += '\\';
        out_ += c;
      }
    }
    out_ += '"';
  }

  std::string& out_;
};

void print_scope(std::string_view variable, const ScopeConstraint& scope, std::string& out) {
  out += variable;
  const auto target = [&] {
    return scope.slot ? std::format("?{}", variable) : to_text(scope.uids[0]);
  };
  switch (scope.kind) {
    case ScopeConstraint::Kind::any: break;
    case ScopeConstraint::Kind::equal: out += std::format(" == {}", target()); break;
    case ScopeConstraint::Kind::in: out += std::format(" in {}", target()); break;
    case ScopeConstraint::Kind::is: out += std::format(" is {}", scope.type); break;
    case ScopeConstraint::Kind::is_in:
      out += std::format(" is {} in {}", scope.type, target());
      break;
    case ScopeConstraint::Kind::in_any:
      out += " in [";
      for (std::size_t i = 0; i < scope.uids.size(); ++i) {
        if (i > 0) out += ", ";
        out += to_text(scope.uids[i]);
      }
      out += ']';
  }
}

bool same_scope(const ScopeConstraint& a, const ScopeConstraint& b) {
  return a.kind == b.kind && a.slot == b.slot && a.type == b.type &&
         std::ranges::equal(a.uids, b.uids);
}

}  // namespace

std::string print(const Expression& expression) {
  std::string out;
  Printer(out).write(expression);
  return out;
}

std::string print(std::string_view variable, const ScopeConstraint& scope) {
  std::string out;
  print_scope(variable, scope, out);
  return out;
}

std::string print(const Policy& policy) {
  std::string out;
  for (const Annotation& annotation : policy.annotations) {
    out += std::format("@{}", annotation.key);
    if (!annotation.bare) out += std::format("({})", quoted(annotation.value));
    out += '\n';
  }
  out += name(policy.effect);
  out += " (";
  print_scope("principal", policy.principal, out);
  out += ", ";
  print_scope("action", policy.action, out);
  out += ", ";
  print_scope("resource", policy.resource, out);
  out += ')';
  for (const Condition& condition : policy.conditions) {
    out += condition.unless ? "\nunless { " : "\nwhen { ";
    Printer(out).write(*condition.expression);
    out += " }";
  }
  out += ";\n";
  return out;
}

std::string print(const PolicySet& set) {
  std::string out;
  for (const auto list : {set.templates(), set.policies()})
    for (const Policy& policy : list) {
      if (!out.empty()) out += '\n';
      out += print(policy);
    }
  return out;
}

bool same(const Expression& a, const Expression& b) {
  if (a.temporal != nullptr || b.temporal != nullptr)
    return a.temporal != nullptr && b.temporal != nullptr && a.temporal->text == b.temporal->text;
  if (a.op != b.op || a.function != b.function || a.type != b.type || a.signs != b.signs ||
      !std::ranges::equal(a.path, b.path) || a.operands.size() != b.operands.size())
    return false;
  if (a.op == Op::literal && !(a.value == b.value)) return false;
  const auto same_part = [](const PatternPart& x, const PatternPart& y) {
    return x.wildcard == y.wildcard && x.text == y.text;
  };
  if (!std::ranges::equal(a.pattern, b.pattern, same_part)) return false;
  for (std::size_t i = 0; i < a.operands.size(); ++i)
    if (!same(*a.operands[i], *b.operands[i])) return false;
  return true;
}

bool same(const Policy& a, const Policy& b) {
  const auto same_annotation = [](const Annotation& x, const Annotation& y) {
    return x.key == y.key && x.value == y.value && x.bare == y.bare;
  };
  const auto same_condition = [](const Condition& x, const Condition& y) {
    return x.unless == y.unless && same(*x.expression, *y.expression);
  };
  return a.effect == b.effect && same_scope(a.principal, b.principal) &&
         same_scope(a.action, b.action) && same_scope(a.resource, b.resource) &&
         std::ranges::equal(a.annotations, b.annotations, same_annotation) &&
         std::ranges::equal(a.conditions, b.conditions, same_condition);
}

}  // namespace latticegate::cedar
