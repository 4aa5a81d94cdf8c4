#include <algorithm>
#include <array>
#include <cstddef>
#include <format>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "base/suggest.h"
#include "cedar/detail/expression_parser.h"
#include "cedar/detail/function.h"
#include "cedar/detail/temporal_parser.h"
#include "cedar/extension.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t most_temporal = 64;

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
std::string suggestion(std::string_view word, bool methods) {
  std::vector<std::string_view> names = function_names(methods);
  if (methods)
    for (const BuiltinMethod& b : builtins) names.push_back(b.name);
  const auto near = base::nearest(word, names);
  return near ? std::format(" (did you mean `{}`?)", *near) : std::string();
}

}  // namespace

// temporal { condition }: what it computes comes to Cedar as an attribute of the context, which
// gets its name together with the policy.
ExpressionParser::Node ExpressionParser::temporal(std::uint32_t begin) {
  if (!temporal_) {
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

ExpressionParser::Node ExpressionParser::fail(std::uint32_t offset, std::string_view message) {
  cursor_.fail(offset, message);
  return nullptr;
}
ExpressionParser::Node ExpressionParser::too_deep(std::uint32_t offset) {
  cursor_.fail(offset, std::format("nested more than {} levels deep", max_nesting),
               base::Code::too_large);
  return nullptr;
}

ExpressionParser::Node ExpressionParser::finish(Expression node, std::uint32_t begin,
                                                std::span<const Node> operands) {
  node.span = {begin, cursor_.end()};
  for (const Node operand : operands) node.depth = std::max(node.depth, operand->depth + 1);
  if (node.depth > max_nesting) return too_deep(begin);
  node.operands = arena_.copy(operands);
  return arena_.make(node);
}
ExpressionParser::Node ExpressionParser::make(Op op, std::uint32_t begin,
                                              std::initializer_list<Node> operands) {
  return finish({.op = op}, begin, {operands.begin(), operands.size()});
}
ExpressionParser::Node ExpressionParser::literal(const Value& value, std::uint32_t begin) {
  return finish({.op = Op::literal, .value = value}, begin, {});
}

ExpressionParser::Node ExpressionParser::expression() {
  const std::uint32_t begin = cursor_.begin();
  if (nesting_ >= max_nesting) return too_deep(begin);
  ++nesting_;
  const Node node = cursor_.take_word("if") ? conditional(begin) : disjunction();
  --nesting_;
  return node;
}

ExpressionParser::Node ExpressionParser::conditional(std::uint32_t begin) {
  const Node guard = expression();
  if (guard == nullptr || !cursor_.expect_word("then")) return nullptr;
  const Node yes = expression();
  if (yes == nullptr || !cursor_.expect_word("else")) return nullptr;
  const Node no = expression();
  return no == nullptr ? nullptr : make(Op::conditional, begin, {guard, yes, no});
}

// One operand, or a chain of them joined by one operator: a loop, so that length is not depth.
template <class Operand>
ExpressionParser::Node ExpressionParser::chain(Op op, Token joint, const Operand& operand) {
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
ExpressionParser::Node ExpressionParser::disjunction() {
  return chain(Op::disjunction, Token::logical_or, [this] { return conjunction(); });
}
ExpressionParser::Node ExpressionParser::conjunction() {
  return chain(Op::conjunction, Token::logical_and, [this] { return relation(); });
}
ExpressionParser::Node ExpressionParser::product() {
  return chain(Op::product, Token::star, [this] { return unary(); });
}
ExpressionParser::Node ExpressionParser::sum() {
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

ExpressionParser::Node ExpressionParser::relation() {
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

ExpressionParser::Node ExpressionParser::has(Node left, std::uint32_t begin) {
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

ExpressionParser::Node ExpressionParser::unary() {
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

ExpressionParser::Node ExpressionParser::integer(bool negative, std::uint32_t begin) {
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
  return literal(Value::integer(static_cast<std::int64_t>(negative ? ~number + 1 : number)), begin);
}

ExpressionParser::Node ExpressionParser::member() {
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
bool ExpressionParser::list(Token close, std::string_view what, std::vector<Node>& out) {
  while (!cursor_.at(close)) {
    const Node element = expression();
    if (element == nullptr) return false;
    out.push_back(element);
    if (!cursor_.take(Token::comma)) break;
  }
  return cursor_.expect(close, what);
}

ExpressionParser::Node ExpressionParser::method(Node self, std::string_view name,
                                                std::uint32_t place, std::uint32_t begin) {
  cursor_.next();
  std::vector<Node> operands{self};
  if (!list(Token::right_paren, "`,` or `)`", operands)) return nullptr;
  if (const auto* const builtin = std::ranges::find(builtins, name, &BuiltinMethod::name);
      builtin != builtins.end()) {
    if (operands.size() != builtin->arguments + 1)
      return fail(place, std::format("`{}` takes {} argument{}, found {}", name, builtin->arguments,
                                     builtin->arguments == 1 ? "" : "s", operands.size() - 1));
    return finish({.op = builtin->op}, begin, operands);
  }
  const auto function = function_named(name);
  if (!function)
    return fail(place, std::format("there is no method `{}`{}", name, suggestion(name, true)));
  if (!is_method(*function))
    return fail(place, std::format("`{0}` is a function, not a method (write {0}(...))", name));
  return finish({.op = Op::extension, .function = *function}, begin, operands);
}

ExpressionParser::Node ExpressionParser::call(std::string_view name, std::uint32_t begin) {
  cursor_.next();
  const auto function = function_named(name);
  if (std::ranges::contains(builtins, name, &BuiltinMethod::name) ||
      (function && is_method(*function)))
    return fail(begin, std::format("`{0}` is a method, not a function (write x.{0}(...))", name));
  if (!function)
    return fail(begin, std::format("there is no function `{}`{}", name, suggestion(name, false)));
  std::vector<Node> operands;
  if (!list(Token::right_paren, "`,` or `)`", operands)) return nullptr;
  Expression node{.op = Op::extension, .function = *function};
  node.value = constant_call(node.function, operands);
  return finish(node, begin, operands);
}

ExpressionParser::Node ExpressionParser::primary() {
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
      return inner != nullptr && cursor_.expect(Token::right_paren, "an operator or `)`") ? inner
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

ExpressionParser::Node ExpressionParser::word(std::uint32_t begin) {
  if (cursor_.take_word("true")) return literal(Value::boolean(true), begin);
  if (cursor_.take_word("false")) return literal(Value::boolean(false), begin);
  if (cursor_.peek(1).token == Token::path) {
    EntityUid uid;
    return cursor_.entity(uid) ? literal(Value::entity(uid, arena_), begin) : nullptr;
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

ExpressionParser::Node ExpressionParser::record(std::uint32_t begin) {
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
    return fail(std::next(twice)->second,
                std::format("the attribute `{}` stands twice in this record", twice->first.text()));
  Expression node{.op = Op::record, .path = arena_.copy(std::span<const Name>(names))};
  node.value = constant_record(names, operands);
  return finish(node, begin, operands);
}

// ---- constants: what the literals compute is computed once, here. Failing calls stay calls and
// fail at run time.

Value ExpressionParser::constant_call(Function function, const std::vector<Node>& operands) {
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
      if (const auto v = parse_ip(text)) return Value::ip(*v, arena_);
      return {};
    default: return {};
  }
}
Value ExpressionParser::constant_set(const std::vector<Node>& elements) {
  std::vector<Value> values;
  values.reserve(elements.size());
  for (const Node element : elements) {
    if (!element->value) return {};
    values.push_back(element->value);
  }
  return Value::set(values, arena_);
}
Value ExpressionParser::constant_record(const std::vector<Name>& names,
                                        const std::vector<Node>& operands) {
  std::vector<Field> fields;
  fields.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!operands[i]->value) return {};
    fields.push_back({names[i], operands[i]->value});
  }
  return Value::record(fields, arena_);
}

}  // namespace latticegate::cedar
