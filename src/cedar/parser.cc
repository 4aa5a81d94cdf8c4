#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/suggest.h"
#include "cedar/detail/cursor.h"
#include "cedar/detail/parser.h"
#include "cedar/detail/temporal_parser.h"
#include "cedar/extension.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t most_annotations = 256;
constexpr std::size_t most_temporal = 64;

struct NamedFunction {
  std::string_view name;
  Function function;
};
constexpr std::array<NamedFunction, 22> functions{{
    {"decimal", Function::decimal},
    {"ip", Function::ip},
    {"datetime", Function::datetime},
    {"duration", Function::duration},
    {"lessThan", Function::less_than},
    {"lessThanOrEqual", Function::less_than_or_equal},
    {"greaterThan", Function::greater_than},
    {"greaterThanOrEqual", Function::greater_than_or_equal},
    {"isIpv4", Function::is_ipv4},
    {"isIpv6", Function::is_ipv6},
    {"isLoopback", Function::is_loopback},
    {"isMulticast", Function::is_multicast},
    {"isInRange", Function::is_in_range},
    {"offset", Function::offset},
    {"durationSince", Function::duration_since},
    {"toDate", Function::to_date},
    {"toTime", Function::to_time},
    {"toMilliseconds", Function::to_milliseconds},
    {"toSeconds", Function::to_seconds},
    {"toMinutes", Function::to_minutes},
    {"toHours", Function::to_hours},
    {"toDays", Function::to_days},
}};

struct BuiltinMethod {
  std::string_view name;
  Op op;
  std::size_t arguments;
};
constexpr std::array<BuiltinMethod, 6> builtins{{
    {"contains", Op::contains, 1},
    {"containsAll", Op::contains_all, 1},
    {"containsAny", Op::contains_any, 1},
    {"isEmpty", Op::is_empty, 0},
    {"hasTag", Op::has_tag, 1},
    {"getTag", Op::get_tag, 1},
}};

const NamedFunction* find_function(std::string_view name) {
  const auto* const found = std::ranges::find(functions, name, &NamedFunction::name);
  return found == functions.end() ? nullptr : found;
}

std::string suggestion(std::string_view word, bool methods) {
  std::vector<std::string_view> names;
  for (const NamedFunction& f : functions)
    if (is_method(f.function) == methods) names.push_back(f.name);
  if (methods)
    for (const BuiltinMethod& b : builtins) names.push_back(b.name);
  const auto near = base::nearest(word, names);
  return near ? std::format(" (did you mean `{}`?)", *near) : std::string();
}

// A recursive descent; every function returns null or false after the cursor has noted an error.
class Parser {
 public:
  Parser(const SourceFile& file, Arena& arena) : cursor_(file, arena), arena_(arena) {}

  base::Result<std::vector<Policy>> policies(const PolicyLimits& limits) {
    reads_temporal_ = limits.temporal;
    std::vector<Policy> all;
    while (!cursor_.at(Token::end)) {
      if (!parse_next(limits, all)) return std::unexpected(cursor_.error());
    }
    return all;
  }

  std::vector<base::Error> errors(const PolicyLimits& limits, std::size_t most) {
    reads_temporal_ = limits.temporal;
    std::vector<Policy> all;
    std::vector<base::Error> found;
    while (!cursor_.at(Token::end) && found.size() < most) {
      const std::uint32_t begin = cursor_.begin();
      if (parse_next(limits, all)) continue;
      found.push_back(cursor_.take_error());
      if (found.back().code == base::Code::too_large) break;
      if (found.back().code == base::Code::malformed) skip_policy(begin);
      // Behind a byte that is no token there is nothing to read.
      if (cursor_.at(Token::bad)) break;
    }
    return found;
  }

 private:
  using Node = const Expression*;

  bool parse_next(const PolicyLimits& limits, std::vector<Policy>& all) {
    const std::uint32_t begin = cursor_.begin();
    Policy policy;
    if (!parse_policy(policy)) return false;
    policy.source = &cursor_.file();
    if (policy.is_template() && !limits.templates)
      cursor_.fail(begin, "a template where only policies without slots are allowed",
                   base::Code::invalid);
    if (all.size() >= limits.policies)
      cursor_.fail(begin, std::format("more than {} policies", limits.policies),
                   base::Code::too_large);
    if (cursor_.failed()) return false;
    all.push_back(policy);
    return true;
  }

  // From within the policy that began there to where the next one may begin: behind a `;`, or at
  // what only begins a policy.
  void skip_policy(std::uint32_t begin) {
    if (cursor_.begin() == begin) cursor_.next();
    while (!cursor_.at(Token::end) && !cursor_.at(Token::bad)) {
      const bool effect = cursor_.at_word("permit") || cursor_.at_word("forbid");
      if (cursor_.at(Token::at) || (effect && cursor_.peek(1).token == Token::left_paren)) return;
      if (cursor_.take(Token::semicolon)) return;
      cursor_.next();
    }
  }

  // ---- policies

  bool parse_policy(Policy& policy) {
    const std::uint32_t begin = cursor_.begin();
    if (!parse_annotations(policy)) return false;
    if (cursor_.take_word("permit")) {
      policy.effect = Effect::permit;
    } else if (cursor_.take_word("forbid")) {
      policy.effect = Effect::forbid;
    } else {
      const bool word = cursor_.at(Token::identifier);
      const std::string_view found = cursor_.text(cursor_.peek());
      if (word && (found == "allow" || found == "grant"))
        return cursor_.expected("`permit` or `forbid`", "write `permit`");
      if (word && (found == "deny" || found == "reject"))
        return cursor_.expected("`permit` or `forbid`", "write `forbid`");
      return cursor_.expected("`permit` or `forbid`");
    }
    if (!cursor_.expect(Token::left_paren, "`(`") ||
        !parse_entity_scope("principal", policy.principal) || !next_in_scope("action") ||
        !parse_action_scope(policy.action) || !next_in_scope("resource") ||
        !parse_entity_scope("resource", policy.resource))
      return false;
    cursor_.take(Token::comma);
    if (!cursor_.expect(Token::right_paren, "`)` after the scope") || !parse_conditions(policy))
      return false;
    if (!cursor_.take(Token::semicolon))
      return cursor_.expected("`when`, `unless` or `;`", "a policy ends with `;`");
    policy.span = {begin, cursor_.end()};
    return true;
  }

  bool parse_annotations(Policy& policy) {
    std::vector<Annotation> found;
    while (cursor_.at(Token::at)) {
      const std::uint32_t begin = cursor_.begin();
      cursor_.next();
      if (!cursor_.at(Token::identifier)) return cursor_.expected("the name of an annotation");
      Annotation annotation{.key = cursor_.text(cursor_.next()), .value = {}};
      annotation.bare = !cursor_.take(Token::left_paren);
      if (!annotation.bare &&
          (!cursor_.string("the annotation's value as a string", annotation.value) ||
           !cursor_.expect(Token::right_paren, "`)`")))
        return false;
      if (std::ranges::contains(found, annotation.key, &Annotation::key))
        return cursor_.fail(begin,
                            std::format("the annotation `@{}` stands here twice", annotation.key));
      found.push_back(annotation);
      if (found.size() > most_annotations)
        return cursor_.fail(begin,
                            std::format("more than {} annotations on one policy", most_annotations),
                            base::Code::too_large);
    }
    policy.annotations = arena_.copy(std::span<const Annotation>(found));
    return true;
  }

  bool next_in_scope(std::string_view variable) {
    if (cursor_.take(Token::comma)) return true;
    return cursor_.expected(
        std::format("`,` and then `{}`", variable),
        cursor_.at(Token::right_paren)
            ? std::format("the scope names principal, action and resource; `{}` is missing",
                          variable)
            : std::string());
  }

  bool scope_variable(std::string_view variable) {
    if (cursor_.take_word(variable)) return true;
    return cursor_.expected(std::format("`{}`", variable),
                            "the scope is (principal, action, resource), in this order");
  }

  bool parse_entity_scope(std::string_view variable, ScopeConstraint& scope) {
    const std::uint32_t begin = cursor_.begin();
    if (!scope_variable(variable)) return false;
    const std::string slot = std::format("?{}", variable);
    if (cursor_.take(Token::equal)) {
      scope.kind = ScopeConstraint::Kind::equal;
      if (!entity_or_slot(slot, scope)) return false;
    } else if (cursor_.take_word("in")) {
      scope.kind = ScopeConstraint::Kind::in;
      if (!entity_or_slot(slot, scope)) return false;
    } else if (cursor_.take_word("is")) {
      scope.kind = ScopeConstraint::Kind::is;
      if (!cursor_.path("an entity type", scope.type)) return false;
      if (cursor_.at(Token::equal))
        return cursor_.expected("`in`, `,` or `)`", "`is` does not combine with `==`");
      if (cursor_.take_word("in")) {
        scope.kind = ScopeConstraint::Kind::is_in;
        if (!entity_or_slot(slot, scope)) return false;
      }
    } else if (!cursor_.at(Token::comma) && !cursor_.at(Token::right_paren)) {
      return cursor_.expected("`==`, `in`, `is`, `,` or `)`",
                              "other comparisons go into a `when { }`");
    }
    scope.span = {begin, cursor_.end()};
    return true;
  }

  bool entity_or_slot(std::string_view slot, ScopeConstraint& scope) {
    if (cursor_.at(Token::slot)) {
      if (cursor_.text(cursor_.peek()) != slot) return cursor_.expected(std::format("`{}`", slot));
      cursor_.next();
      scope.slot = true;
      return true;
    }
    if (cursor_.at(Token::left_bracket))
      return cursor_.expected("one entity", "a list of entities is possible for the action only");
    EntityUid uid;
    if (!entity(uid)) return false;
    scope.uids = arena_.copy(std::span<const EntityUid>(&uid, 1));
    return true;
  }

  bool parse_action_scope(ScopeConstraint& scope) {
    const std::uint32_t begin = cursor_.begin();
    if (!scope_variable("action")) return false;
    std::vector<EntityUid> uids;
    if (cursor_.take(Token::equal)) {
      scope.kind = ScopeConstraint::Kind::equal;
      if (!action_entity(uids)) return false;
    } else if (cursor_.take_word("in")) {
      if (cursor_.take(Token::left_bracket)) {
        scope.kind = ScopeConstraint::Kind::in_any;
        while (!cursor_.at(Token::right_bracket)) {
          if (!action_entity(uids)) return false;
          if (!cursor_.take(Token::comma)) break;
        }
        if (!cursor_.expect(Token::right_bracket, "`,` or `]`")) return false;
      } else {
        scope.kind = ScopeConstraint::Kind::in;
        if (!action_entity(uids)) return false;
      }
    } else if (!cursor_.at(Token::comma) && !cursor_.at(Token::right_paren)) {
      return cursor_.expected("`==`, `in`, `,` or `)`",
                              cursor_.at_word("is") ? "`is` is not possible for the action" : "");
    }
    scope.uids = arena_.copy(std::span<const EntityUid>(uids));
    scope.span = {begin, cursor_.end()};
    return true;
  }

  bool action_entity(std::vector<EntityUid>& uids) {
    const std::uint32_t begin = cursor_.begin();
    EntityUid uid;
    if (!entity(uid)) return false;
    if (uid.type() != "Action" && !uid.type().ends_with("::Action"))
      return cursor_.fail(
          begin,
          std::format("expected an entity of a type named `Action`, found `{}`", to_text(uid)));
    uids.push_back(uid);
    return true;
  }

  // Path '::' STR
  bool entity(EntityUid& uid) {
    std::string_view type;
    std::string_view id;
    if (cursor_.at(Token::string))
      return cursor_.expected("an entity", "an entity has a type, for example User::\"alice\"");
    if (!cursor_.path("an entity, for example User::\"alice\"", type) ||
        !cursor_.expect(Token::path, "`::` and the entity's id as a string") ||
        !cursor_.string("the entity's id as a string", id))
      return false;
    uid = EntityUid(type, id);
    return true;
  }

  bool parse_conditions(Policy& policy) {
    std::vector<Condition> conditions;
    while (cursor_.at_word("when") || cursor_.at_word("unless")) {
      const std::uint32_t begin = cursor_.begin();
      Condition condition;
      condition.unless = cursor_.text(cursor_.next()) == "unless";
      if (cursor_.at_word("temporal")) {
        condition.expression = temporal(cursor_.begin());
        if (condition.expression == nullptr) return false;
      } else {
        if (!cursor_.expect(Token::left_brace, "`{`")) return false;
        if (cursor_.at(Token::right_brace))
          return cursor_.expected("a condition", "it cannot be empty; write `true`");
        condition.expression = expression();
        if (condition.expression == nullptr ||
            !cursor_.expect(Token::right_brace, "an operator or `}`"))
          return false;
      }
      condition.span = {begin, cursor_.end()};
      conditions.push_back(condition);
    }
    policy.conditions = arena_.copy(std::span<const Condition>(conditions));
    const auto blocks = arena_.array<TemporalBlock>(blocks_.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      blocks_[i]->history = policy.annotation("history").value_or("");
      blocks[i] = *blocks_[i];
    }
    policy.temporal = blocks;
    blocks_.clear();
    return true;
  }

  // temporal { condition }: what it computes comes to Cedar as an attribute of the context, which
  // gets its name together with the policy.
  Node temporal(std::uint32_t begin) {
    if (!reads_temporal_) {
      cursor_.expected("an expression", "temporal conditions are not part of plain Cedar");
      return nullptr;
    }
    if (blocks_.size() >= most_temporal)
      return fail(begin,
                  std::format("more than {} temporal conditions in one policy", most_temporal));
    cursor_.next();
    if (!cursor_.expect(Token::left_brace, "`{`")) return nullptr;
    if (cursor_.at(Token::right_brace)) {
      cursor_.expected("a temporal condition", "it cannot be empty");
      return nullptr;
    }
    TemporalBlock block{.formula = parse_formula(cursor_)};
    if (block.formula == nullptr || !cursor_.expect(Token::right_brace, "`&&` or `}`"))
      return nullptr;
    block.span = {begin, cursor_.end()};
    block.text = arena_.copy(std::string_view(print(*block.formula)));
    const auto names = arena_.array<Name>(1);
    names[0] = Name();
    block.attribute = names.data();
    const Node context = finish({.op = Op::context}, begin, {});
    Expression node{.op = Op::attribute, .indexed = true, .path = names};
    const auto kept = arena_.array<TemporalBlock>(1);
    kept[0] = block;
    node.temporal = blocks_.emplace_back(kept.data());
    return finish(node, begin, {{context}});
  }

  // ---- expressions

  Node fail(std::uint32_t offset, std::string_view message) {
    cursor_.fail(offset, message);
    return nullptr;
  }
  Node too_deep(std::uint32_t offset) {
    cursor_.fail(offset, std::format("nested more than {} levels deep", max_nesting),
                 base::Code::too_large);
    return nullptr;
  }

  Node finish(Expression node, std::uint32_t begin, std::span<const Node> operands) {
    node.span = {begin, cursor_.end()};
    for (const Node operand : operands) node.depth = std::max(node.depth, operand->depth + 1);
    if (node.depth > max_nesting) return too_deep(begin);
    node.operands = arena_.copy(operands);
    return arena_.make(node);
  }
  Node make(Op op, std::uint32_t begin, std::initializer_list<Node> operands) {
    return finish({.op = op}, begin, {operands.begin(), operands.size()});
  }
  Node literal(const Value& value, std::uint32_t begin) {
    return finish({.op = Op::literal, .value = value}, begin, {});
  }

  Node expression() {
    const std::uint32_t begin = cursor_.begin();
    if (nesting_ >= max_nesting) return too_deep(begin);
    ++nesting_;
    const Node node = cursor_.take_word("if") ? conditional(begin) : disjunction();
    --nesting_;
    return node;
  }

  Node conditional(std::uint32_t begin) {
    const Node guard = expression();
    if (guard == nullptr || !cursor_.expect_word("then")) return nullptr;
    const Node yes = expression();
    if (yes == nullptr || !cursor_.expect_word("else")) return nullptr;
    const Node no = expression();
    return no == nullptr ? nullptr : make(Op::conditional, begin, {guard, yes, no});
  }

  // One operand, or a chain of them joined by one operator: a loop, so that length is not depth.
  template <class Operand>
  Node chain(Op op, Token joint, const Operand& operand) {
    const std::uint32_t begin = cursor_.begin();
    const Node first = operand();
    if (first == nullptr || !cursor_.at(joint)) return first;
    std::vector<Node> operands{first};
    while (cursor_.take(joint)) {
      const Node another = operand();
      if (another == nullptr) return nullptr;
      operands.push_back(another);
    }
    return finish({.op = op}, begin, operands);
  }
  Node disjunction() {
    return chain(Op::disjunction, Token::logical_or, [this] { return conjunction(); });
  }
  Node conjunction() {
    return chain(Op::conjunction, Token::logical_and, [this] { return relation(); });
  }
  Node product() {
    return chain(Op::product, Token::star, [this] { return unary(); });
  }
  Node sum() {
    const std::uint32_t begin = cursor_.begin();
    const Node first = product();
    if (first == nullptr || !(cursor_.at(Token::plus) || cursor_.at(Token::minus))) return first;
    std::vector<Node> operands{first};
    std::string signs = "+";
    while (cursor_.at(Token::plus) || cursor_.at(Token::minus)) {
      signs += cursor_.next().token == Token::plus ? '+' : '-';
      const Node another = product();
      if (another == nullptr) return nullptr;
      operands.push_back(another);
    }
    return finish({.op = Op::sum, .signs = arena_.copy(std::string_view(signs))}, begin, operands);
  }

  Node relation() {
    const std::uint32_t begin = cursor_.begin();
    const Node left = sum();
    if (left == nullptr) return nullptr;
    const auto comparison = [&](Op op) -> Node {
      cursor_.next();
      const Node right = sum();
      return right == nullptr ? nullptr : make(op, begin, {left, right});
    };
    switch (cursor_.peek().token) {
      case Token::equal: return comparison(Op::equal);
      case Token::unequal: return comparison(Op::unequal);
      case Token::less: return comparison(Op::less);
      case Token::less_equal: return comparison(Op::less_equal);
      case Token::greater: return comparison(Op::greater);
      case Token::greater_equal: return comparison(Op::greater_equal);
      case Token::identifier: break;
      default: return left;
    }
    if (cursor_.at_word("in")) return comparison(Op::in);
    if (cursor_.take_word("has")) return has(left, begin);
    if (cursor_.take_word("like")) {
      Expression node{.op = Op::like};
      if (!cursor_.pattern(node.pattern)) return nullptr;
      return finish(node, begin, {{left}});
    }
    if (cursor_.take_word("is")) {
      Expression node{.op = Op::is};
      if (!cursor_.path("an entity type", node.type)) return nullptr;
      if (!cursor_.take_word("in")) return finish(node, begin, {{left}});
      const Node right = sum();
      node.op = Op::is_in;
      return right == nullptr ? nullptr : finish(node, begin, {{left, right}});
    }
    return left;
  }

  Node has(Node left, std::uint32_t begin) {
    std::vector<Name> names;
    std::string_view name;
    if (cursor_.at(Token::string)) {
      if (!cursor_.string("an attribute name", name)) return nullptr;
      names.emplace_back(name);
    } else {
      do {
        if (!cursor_.name("an attribute name", name)) return nullptr;
        names.emplace_back(name);
      } while (cursor_.take(Token::dot));
    }
    return finish({.op = Op::has, .path = arena_.copy(std::span<const Name>(names))}, begin,
                  {{left}});
  }

  Node unary() {
    const std::uint32_t begin = cursor_.begin();
    const Token sign = cursor_.peek().token;
    if (sign != Token::exclaim && sign != Token::minus) return member();
    std::size_t count = 0;
    while (cursor_.at(sign)) {
      if (++count > 4) return fail(cursor_.begin(), "more than four unary operators in a row");
      cursor_.next();
    }
    if (cursor_.at(Token::exclaim) || cursor_.at(Token::minus))
      return fail(cursor_.begin(), "`!` and `-` do not combine (use parentheses)");
    Node node = nullptr;
    const Token follower = cursor_.peek(1).token;
    if (sign == Token::minus && cursor_.at(Token::integer) && follower != Token::dot &&
        follower != Token::left_bracket) {
      --count;  // the minus belongs to the literal
      node = integer(true, begin);
    } else {
      node = member();
    }
    for (; node != nullptr && count > 0; --count)
      node = make(sign == Token::minus ? Op::minus : Op::negation, begin, {node});
    return node;
  }

  Node integer(bool negative, std::uint32_t begin) {
    const Lexeme lexeme = cursor_.next();
    const std::uint64_t limit = (std::uint64_t{1} << 63U) - (negative ? 0 : 1);
    std::uint64_t number = 0;
    for (const char c : cursor_.text(lexeme)) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      if (number > (limit - digit) / 10)
        return fail(lexeme.begin, std::format("the number is too large (the limits are {} and {})",
                                              std::numeric_limits<std::int64_t>::min(),
                                              std::numeric_limits<std::int64_t>::max()));
      number = number * 10 + digit;
    }
    return literal(Value::integer(static_cast<std::int64_t>(negative ? ~number + 1 : number)),
                   begin);
  }

  Node member() {
    const std::uint32_t begin = cursor_.begin();
    Node node = primary();
    while (node != nullptr && (cursor_.at(Token::dot) || cursor_.at(Token::left_bracket))) {
      Expression access{.op = Op::attribute};
      std::string_view name;
      if (cursor_.take(Token::left_bracket)) {
        access.indexed = true;
        if (!cursor_.string("an attribute name as a string", name) ||
            !cursor_.expect(Token::right_bracket, "`]`"))
          return nullptr;
      } else {
        cursor_.next();
        const std::uint32_t place = cursor_.begin();
        if (!cursor_.name("an attribute or method name", name)) return nullptr;
        if (cursor_.at(Token::left_paren)) {
          node = method(node, name, place, begin);
          continue;
        }
      }
      const Name attribute(name);
      access.path = arena_.copy(std::span<const Name>(&attribute, 1));
      node = finish(access, begin, {{node}});
    }
    return node;
  }

  // Expr { ',' Expr } [','] up to the closing token.
  bool list(Token close, std::string_view what, std::vector<Node>& out) {
    while (!cursor_.at(close)) {
      const Node element = expression();
      if (element == nullptr) return false;
      out.push_back(element);
      if (!cursor_.take(Token::comma)) break;
    }
    return cursor_.expect(close, what);
  }

  Node method(Node self, std::string_view name, std::uint32_t place, std::uint32_t begin) {
    cursor_.next();
    std::vector<Node> operands{self};
    if (!list(Token::right_paren, "`,` or `)`", operands)) return nullptr;
    if (const auto* const builtin = std::ranges::find(builtins, name, &BuiltinMethod::name);
        builtin != builtins.end()) {
      if (operands.size() != builtin->arguments + 1)
        return fail(place,
                    std::format("`{}` takes {} argument{}, found {}", name, builtin->arguments,
                                builtin->arguments == 1 ? "" : "s", operands.size() - 1));
      return finish({.op = builtin->op}, begin, operands);
    }
    const NamedFunction* const function = find_function(name);
    if (function == nullptr)
      return fail(place, std::format("there is no method `{}`{}", name, suggestion(name, true)));
    if (!is_method(function->function))
      return fail(place, std::format("`{0}` is a function, not a method (write {0}(...))", name));
    return finish({.op = Op::extension, .function = function->function}, begin, operands);
  }

  Node call(std::string_view name, std::uint32_t begin) {
    cursor_.next();
    const NamedFunction* const function = find_function(name);
    if (std::ranges::contains(builtins, name, &BuiltinMethod::name) ||
        (function != nullptr && is_method(function->function)))
      return fail(begin, std::format("`{0}` is a method, not a function (write x.{0}(...))", name));
    if (function == nullptr)
      return fail(begin, std::format("there is no function `{}`{}", name, suggestion(name, false)));
    std::vector<Node> operands;
    if (!list(Token::right_paren, "`,` or `)`", operands)) return nullptr;
    Expression node{.op = Op::extension, .function = function->function};
    node.value = constant_call(node.function, operands);
    return finish(node, begin, operands);
  }

  Node primary() {
    const std::uint32_t begin = cursor_.begin();
    switch (cursor_.peek().token) {
      case Token::integer: return integer(false, begin);
      case Token::string: {
        std::string_view text;
        return cursor_.string("a string", text) ? literal(Value::string(text), begin) : nullptr;
      }
      case Token::left_paren: {
        cursor_.next();
        const Node inner = expression();
        return inner != nullptr && cursor_.expect(Token::right_paren, "an operator or `)`")
                   ? inner
                   : nullptr;
      }
      case Token::left_bracket: {
        cursor_.next();
        std::vector<Node> elements;
        if (!list(Token::right_bracket, "`,` or `]`", elements)) return nullptr;
        return finish({.op = Op::set, .value = constant_set(elements)}, begin, elements);
      }
      case Token::left_brace: return record(begin);
      case Token::identifier: return word(begin);
      default: cursor_.expected("an expression"); return nullptr;
    }
  }

  Node word(std::uint32_t begin) {
    if (cursor_.take_word("true")) return literal(Value::boolean(true), begin);
    if (cursor_.take_word("false")) return literal(Value::boolean(false), begin);
    if (cursor_.peek(1).token == Token::path) {
      EntityUid uid;
      return entity(uid) ? literal(Value::entity(uid, arena_), begin) : nullptr;
    }
    const std::string_view name = cursor_.text(cursor_.peek());
    if (name == "temporal" && cursor_.peek(1).token == Token::left_brace) return temporal(begin);
    if (is_reserved(name)) {
      cursor_.expected("an expression");
      return nullptr;
    }
    if (cursor_.peek(1).token == Token::left_paren) {
      cursor_.next();
      return call(name, begin);
    }
    if (cursor_.take_word("principal")) return make(Op::principal, begin, {});
    if (cursor_.take_word("action")) return make(Op::action, begin, {});
    if (cursor_.take_word("resource")) return make(Op::resource, begin, {});
    if (cursor_.take_word("context")) return make(Op::context, begin, {});
    static constexpr std::array<std::string_view, 6> known{"principal", "action", "resource",
                                                           "context",   "true",   "false"};
    const auto near = base::nearest(name, known);
    cursor_.expected(
        "an expression",
        near ? std::format("did you mean `{}`?", *near)
             : std::format("a bare word is no value; perhaps \"{0}\" or context.{0}", name));
    return nullptr;
  }

  Node record(std::uint32_t begin) {
    cursor_.next();
    std::vector<Name> names;
    std::vector<std::pair<Name, std::uint32_t>> places;
    std::vector<Node> operands;
    while (!cursor_.at(Token::right_brace)) {
      const std::uint32_t place = cursor_.begin();
      std::string_view name;
      const bool quoted = cursor_.at(Token::string);
      if (!(quoted ? cursor_.string("an attribute name", name)
                   : cursor_.name("an attribute name or `}`", name)))
        return nullptr;
      const Name key(name);
      places.emplace_back(key, place);
      if (!cursor_.expect(Token::colon, "`:`")) return nullptr;
      const Node value = expression();
      if (value == nullptr) return nullptr;
      names.push_back(key);
      operands.push_back(value);
      if (!cursor_.take(Token::comma)) break;
    }
    if (!cursor_.expect(Token::right_brace, "`,` or `}`")) return nullptr;
    std::ranges::sort(places);
    const auto twice =
        std::ranges::adjacent_find(places, {}, [](const auto& entry) { return entry.first; });
    if (twice != places.end())
      return fail(
          std::next(twice)->second,
          std::format("the attribute `{}` stands twice in this record", twice->first.text()));
    Expression node{.op = Op::record, .path = arena_.copy(std::span<const Name>(names))};
    node.value = constant_record(names, operands);
    return finish(node, begin, operands);
  }

  // ---- constants: what the literals compute is computed once, here. Failing calls stay calls and
  // fail at run time.

  static Value constant_call(Function function, const std::vector<Node>& operands, Arena& arena) {
    if (operands.size() != 1 || operands[0]->op != Op::literal ||
        !operands[0]->value.is(Kind::string))
      return {};
    const std::string_view text = operands[0]->value.text();
    switch (function) {
      case Function::decimal:
        if (const auto v = parse_decimal(text)) return Value::decimal(*v);
        return {};
      case Function::datetime:
        if (const auto v = parse_datetime(text)) return Value::datetime(*v);
        return {};
      case Function::duration:
        if (const auto v = parse_duration(text)) return Value::duration(*v);
        return {};
      case Function::ip:
        if (const auto v = parse_ip(text)) return Value::ip(*v, arena);
        return {};
      default: return {};
    }
  }
  Value constant_call(Function function, const std::vector<Node>& operands) {
    return constant_call(function, operands, arena_);
  }
  Value constant_set(const std::vector<Node>& elements) {
    std::vector<Value> values;
    values.reserve(elements.size());
    for (const Node element : elements) {
      if (!element->value) return {};
      values.push_back(element->value);
    }
    return Value::set(values, arena_);
  }
  Value constant_record(const std::vector<Name>& names, const std::vector<Node>& operands) {
    std::vector<Field> fields;
    fields.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!operands[i]->value) return {};
      fields.push_back({names[i], operands[i]->value});
    }
    return Value::record(fields, arena_);
  }

  Cursor cursor_;
  Arena& arena_;
  std::uint32_t nesting_ = 0;
  bool reads_temporal_ = false;
  std::vector<TemporalBlock*> blocks_;  // of the policy that is read
};

}  // namespace

std::string_view name(Function function) {
  return std::ranges::find(functions, function, &NamedFunction::function)->name;
}

std::optional<Function> function_named(std::string_view name) {
  const NamedFunction* const found = find_function(name);
  if (found == nullptr) return std::nullopt;
  return found->function;
}

bool is_method(Function function) {
  return function != Function::decimal && function != Function::ip &&
         function != Function::datetime && function != Function::duration;
}

std::size_t arity_of(Function function) {
  switch (function) {
    case Function::less_than:
    case Function::less_than_or_equal:
    case Function::greater_than:
    case Function::greater_than_or_equal:
    case Function::is_in_range:
    case Function::offset:
    case Function::duration_since: return 2;
    default: return 1;
  }
}

base::Result<void> check_encoding(const SourceFile& file) {
  if (base::is_utf8(file.text)) return {};
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::size_t end = i + 1 < file.lines.size() ? file.lines[i + 1] : file.text.size();
    if (!base::is_utf8(std::string_view(file.text).substr(file.lines[i], end - file.lines[i])))
      return base::fail(base::Code::malformed,
                        std::format("{}:{}:1: this line is not UTF-8", file.name, i + 1));
  }
  return base::fail(base::Code::malformed, std::format("{}:1:1: not UTF-8", file.name));
}

base::Result<std::vector<Policy>> parse_policy_text(const SourceFile& file, Arena& arena,
                                                    const PolicyLimits& limits) {
  if (auto encoding = check_encoding(file); !encoding) return std::unexpected(encoding.error());
  return Parser(file, arena).policies(limits);
}

std::vector<base::Error> syntax_errors(std::string_view text, std::string_view file,
                                       const PolicyLimits& limits, std::size_t most) {
  const SourceFile source(file, text);
  if (auto encoding = check_encoding(source); !encoding) return {std::move(encoding).error()};
  Arena arena;
  return Parser(source, arena).errors(limits, most);
}

}  // namespace latticegate::cedar
