#include <algorithm>
#include <array>
#include <cstdint>
#include <format>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/suggest.h"
#include "cedar/detail/temporal_parser.h"
#include "cedar/extension.h"

namespace latticegate::cedar {
namespace {

using Comparison = TemporalFormula::Comparison;
using Op = TemporalFormula::Op;

constexpr std::size_t most_fields = 64;
constexpr std::size_t most_domain = 16;
constexpr std::size_t most_conjuncts = 256;

struct Unit {
  std::string_view name;
  std::int64_t seconds;
};
constexpr std::array<Unit, 4> units{{{"s", 1}, {"m", 60}, {"h", 3'600}, {"d", 86'400}}};

class FormulaParser {
 public:
  explicit FormulaParser(Cursor& cursor) : cursor_(cursor), arena_(cursor.arena()) {}

  const TemporalFormula* condition() {
    if (nesting_ >= max_temporal_nesting) return too_deep();
    ++nesting_;
    const TemporalFormula* const read = conjunction();
    --nesting_;
    return read;
  }

 private:
  using Node = const TemporalFormula*;

  Node too_deep() {
    cursor_.fail(
        cursor_.begin(),
        std::format("a temporal condition nested more than {} levels deep", max_temporal_nesting),
        base::Code::too_large);
    return nullptr;
  }
  Node wrong(std::string_view what, std::string_view hint = {}) {
    cursor_.expected(what, hint);
    return nullptr;
  }

  Node finish(TemporalFormula formula, std::uint32_t begin, std::span<const Node> operands = {}) {
    formula.span = {begin, cursor_.end()};
    for (const Node operand : operands) formula.depth = std::max(formula.depth, operand->depth + 1);
    for (const TemporalTerm* const term : {&formula.left, &formula.right})
      if (term->body != nullptr) formula.depth = std::max(formula.depth, term->body->depth + 1);
    if (formula.depth > 4 * max_temporal_nesting) return too_deep();
    formula.operands = arena_.copy(operands);
    return arena_.make(formula);
  }

  // conjunct { && conjunct }
  Node conjunction() {
    const std::uint32_t begin = cursor_.begin();
    std::vector<Node> operands;
    do {
      const Node operand = conjunct();
      if (operand == nullptr) return nullptr;
      operands.push_back(operand);
      if (operands.size() > most_conjuncts) {
        cursor_.fail(cursor_.begin(), std::format("more than {} conjuncts", most_conjuncts),
                     base::Code::too_large);
        return nullptr;
      }
    } while (cursor_.take(Token::logical_and));
    if (cursor_.at(Token::logical_or))
      return wrong("`&&` or the end of the condition",
                   "there is no `||` in a temporal condition; write two policies, or two blocks: "
                   "`when { temporal { a } || temporal { b } }`");
    if (operands.size() == 1) return operands.front();
    return finish({.op = Op::conjunction}, begin, operands);
  }

  // ['!'...] basic ['since' within atom]
  Node conjunct() {
    const std::uint32_t begin = cursor_.begin();
    std::uint32_t negations = 0;
    while (cursor_.take(Token::exclaim))
      if (++negations > 4) {
        cursor_.fail(begin, "more than four negations in a row");
        return nullptr;
      }
    Node node = basic();
    for (; node != nullptr && negations > 0; --negations)
      node = finish({.op = Op::negation}, begin, {{node}});
    if (node == nullptr || !cursor_.at_word("since")) return node;
    cursor_.next();
    TemporalFormula since{.op = Op::since};
    if (!within(since.seconds, "since")) return nullptr;
    const Node anchor = atom("since");
    return anchor == nullptr ? nullptr : finish(since, begin, {{node, anchor}});
  }

  Node basic() {
    const std::uint32_t begin = cursor_.begin();
    for (const auto& [word, op] : {std::pair{std::string_view("formerly"), Op::formerly},
                                   std::pair{std::string_view("previous"), Op::previous}}) {
      if (!cursor_.at_word(word)) continue;
      cursor_.next();
      TemporalFormula formula{.op = op};
      if (!within(formula.seconds, word)) return nullptr;
      const Node body = atom(word);
      return body == nullptr ? nullptr : finish(formula, begin, {{body}});
    }
    if (cursor_.at_word("exists")) return exists(begin);
    return atom({});
  }

  // What `formerly`, `previous` and the right side of `since` take.
  Node atom(std::string_view of) {
    const std::uint32_t begin = cursor_.begin();
    if (!of.empty())
      for (const std::string_view word : {"formerly", "previous", "exists"})
        if (cursor_.at_word(word))
          return wrong(std::format("one event, or a condition in parentheses, after `{}`", of),
                       std::format("put parentheses around the `{}`", word));
    if (!of.empty() && cursor_.at(Token::exclaim))
      return wrong(std::format("one event, or a condition in parentheses, after `{}`", of),
                   "put parentheses around the negation");
    if (cursor_.at(Token::left_paren) && !at_aggregate(1)) {
      cursor_.next();
      const Node inner = condition();
      return inner != nullptr && cursor_.expect(Token::right_paren, "`&&` or `)`") ? inner
                                                                                   : nullptr;
    }
    if (cursor_.at(Token::identifier) && cursor_.peek(1).token == Token::left_paren) {
      if (cursor_.at_word("tp")) return moment(begin);
      if (!cursor_.at_word("decimal"))
        return wrong("an event, an operator or a comparison",
                     "macros and functions are not supported here");
    }
    return event_or_comparison(begin);
  }

  bool at_aggregate(std::size_t ahead) const {
    const auto word = [&](std::size_t i, std::string_view text) {
      const Lexeme& lexeme = cursor_.peek(i);
      return lexeme.token == Token::identifier && cursor_.text(lexeme) == text;
    };
    if (word(ahead, "count")) return word(ahead + 1, "for");
    return word(ahead, "sum") && word(ahead + 2, "for");
  }

  bool within(std::int64_t& seconds, std::string_view of) {
    if (!cursor_.take_word("within"))
      return cursor_.expected("`within` and a window such as 1h",
                              std::format("`{}` looks back over a window, always", of));
    if (cursor_.at(Token::slot))
      return cursor_.expected("a window such as 30s, 15m, 1h or 1d", "macros are not supported");
    const std::uint32_t place = cursor_.begin();
    if (!cursor_.at(Token::integer)) return cursor_.expected("a window such as 30s, 15m, 1h or 1d");
    std::int64_t amount = 0;
    for (const char c : cursor_.text(cursor_.next())) {
      if (amount > 100'000'000) return cursor_.fail(place, "the window is too long");
      amount = amount * 10 + (c - '0');
    }
    if (!cursor_.at(Token::identifier))
      return cursor_.expected("the unit of the window: s, m, h or d");
    const auto* const unit = std::ranges::find(units, cursor_.text(cursor_.peek()), &Unit::name);
    if (unit == units.end())
      return cursor_.expected("the unit of the window: s, m, h or d",
                              "for example 30s, 15m, 1h, 1d");
    cursor_.next();
    seconds = amount * unit->seconds;
    return true;
  }

  bool variable_name(std::string_view& name) {
    if (cursor_.at(Token::identifier) &&
        std::ranges::contains(reserved, cursor_.text(cursor_.peek())))
      return cursor_.expected("the name of a variable", "this word has a meaning of its own");
    return cursor_.name("the name of a variable", name);
  }

  // (x: T)
  bool binder(Variable& variable) {
    const std::uint32_t begin = cursor_.begin();
    if (!cursor_.expect(Token::left_paren, "`(name: Type)`") || !variable_name(variable.name))
      return false;
    if (!cursor_.take(Token::colon))
      return cursor_.expected(
          "`:` and the type of the variable",
          "Long, String, Bool, Timepoint, or a type of entities such as Mcp::Agent");
    if (!cursor_.path("the type of the variable", variable.type) ||
        !cursor_.expect(Token::right_paren, "`)`"))
      return false;
    variable.span = {begin, cursor_.end()};
    return true;
  }

  Node exists(std::uint32_t begin) {
    cursor_.next();
    TemporalFormula formula{.op = Op::exists};
    if (!binder(formula.variable) || !cursor_.expect(Token::dot, "`.` and then the condition"))
      return nullptr;
    const Node body = condition();
    return body == nullptr ? nullptr : finish(formula, begin, {{body}});
  }

  Node moment(std::uint32_t begin) {
    cursor_.next();
    cursor_.next();
    TemporalFormula formula{.op = Op::moment};
    formula.variable.span = {cursor_.begin(), cursor_.peek().end};
    if (!variable_name(formula.variable.name) || !cursor_.expect(Token::right_paren, "`)`"))
      return nullptr;
    return finish(formula, begin);
  }

  Node event_or_comparison(std::uint32_t begin) {
    if (cursor_.at(Token::identifier) && cursor_.peek(1).token == Token::path) {
      std::string_view type;
      std::string_view id;
      if (!cursor_.path("an action", type) ||
          !cursor_.expect(Token::path, "`::` and an id as a string") ||
          !cursor_.string("an id as a string", id))
        return nullptr;
      if (cursor_.at(Token::path)) return event(EntityUid(type, id), begin);
      if (cursor_.at(Token::left_brace))
        return wrong("`::request`, `::response` or `::error` after the action",
                     "an event has a kind");
      TemporalTerm left{.kind = TemporalTerm::Kind::literal,
                        .span = {begin, cursor_.end()},
                        .value = Value::entity(EntityUid(type, id), arena_)};
      return comparison(left, begin);
    }
    TemporalTerm left;
    if (!term(left)) return nullptr;
    return comparison(left, begin);
  }

  Node event(const EntityUid& action, std::uint32_t begin) {
    cursor_.next();
    TemporalFormula formula{.op = Op::event, .action = action};
    if (!cursor_.name("the kind of the event: request, response or error", formula.kind))
      return nullptr;
    if (!cursor_.at(Token::left_brace))
      return wrong("`{` and what the fields of the event are, or `{}`");
    std::vector<FieldPattern> fields;
    while (cursor_.take(Token::left_brace)) {
      while (!cursor_.at(Token::right_brace)) {
        FieldPattern field;
        if (!field_pattern(field)) return nullptr;
        fields.push_back(field);
        if (fields.size() > most_fields) {
          cursor_.fail(field.span.begin, std::format("more than {} fields", most_fields),
                       base::Code::too_large);
          return nullptr;
        }
        if (!cursor_.take(Token::comma)) break;
      }
      if (!cursor_.expect(Token::right_brace, "`,` or `}`")) return nullptr;
    }
    formula.fields = arena_.copy(std::span<const FieldPattern>(fields));
    return finish(formula, begin);
  }

  bool path(std::string_view what, std::vector<Name>& names) {
    std::string_view name;
    do {
      if (!cursor_.name(what, name)) return false;
      names.emplace_back(name);
    } while (cursor_.take(Token::dot));
    return true;
  }

  bool field_pattern(FieldPattern& field) {
    const std::uint32_t begin = cursor_.begin();
    std::vector<Name> names;
    if (!path("a field of the event, for example input.user", names) ||
        !cursor_.expect(Token::colon, "`:` and what the field is"))
      return false;
    field.path = arena_.copy(std::span<const Name>(names));
    if (at_aggregate(0))
      return cursor_.fail(cursor_.begin(),
                          "a count or sum can only be compared, not be the value of a field");
    if (!term(field.term)) return false;
    field.span = {begin, cursor_.end()};
    return true;
  }

  Node comparison(const TemporalTerm& left, std::uint32_t begin) {
    TemporalFormula formula{.op = Op::comparison, .left = left};
    switch (cursor_.peek().token) {
      case Token::equal: formula.comparison = Comparison::equal; break;
      case Token::less: formula.comparison = Comparison::less; break;
      case Token::less_equal: formula.comparison = Comparison::less_equal; break;
      case Token::greater: formula.comparison = Comparison::greater; break;
      case Token::greater_equal: formula.comparison = Comparison::greater_equal; break;
      case Token::unequal:
        return wrong("`==`, `<`, `<=`, `>` or `>=`", "there is no `!=` here; write !(a == b)");
      default:
        return wrong("`==`, `<`, `<=`, `>` or `>=`",
                     left.kind == TemporalTerm::Kind::variable
                         ? std::format("a word alone is no condition; an event is written "
                                       "Mcp::Action::\"server/tool\"::request{{ }}")
                         : std::string());
    }
    cursor_.next();
    if (!term(formula.right)) return nullptr;
    return finish(formula, begin);
  }

  bool integer(bool negative, std::int64_t& number) {
    const Lexeme lexeme = cursor_.next();
    const std::uint64_t limit = (std::uint64_t{1} << 63U) - (negative ? 0 : 1);
    std::uint64_t read = 0;
    for (const char c : cursor_.text(lexeme)) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      if (read > (limit - digit) / 10) return cursor_.fail(lexeme.begin, "the number is too large");
      read = read * 10 + digit;
    }
    number = static_cast<std::int64_t>(negative ? ~read + 1 : read);
    return true;
  }

  bool term(TemporalTerm& out) {
    const std::uint32_t begin = cursor_.begin();
    if (!bare_term(out)) return false;
    out.span = {begin, cursor_.end()};
    return true;
  }

  bool bare_term(TemporalTerm& out) {
    constexpr std::string_view what = "a value: a literal, a variable, context.x or principal";
    out.kind = TemporalTerm::Kind::literal;
    switch (cursor_.peek().token) {
      case Token::left_paren: {
        if (!at_aggregate(1))
          return cursor_.expected(what, "only a count or sum stands in parentheses here");
        if (++nesting_ > max_temporal_nesting) return too_deep() != nullptr;
        cursor_.next();
        const bool read = bare_term(out) && cursor_.expect(Token::right_paren, "`&&` or `)`");
        --nesting_;
        return read;
      }
      case Token::star:
        cursor_.next();
        out.kind = TemporalTerm::Kind::wildcard;
        return true;
      case Token::minus:
      case Token::integer: {
        const bool negative = cursor_.take(Token::minus);
        if (!cursor_.at(Token::integer)) return cursor_.expected("a number after `-`");
        std::int64_t number = 0;
        if (!integer(negative, number)) return false;
        out.value = Value::integer(number);
        return true;
      }
      case Token::string: {
        std::string_view text;
        if (!cursor_.string("a string", text)) return false;
        out.value = Value::string(text);
        return true;
      }
      case Token::left_bracket:
        return cursor_.expected(what, "sets are not supported in temporal conditions");
      case Token::slot:
        return cursor_.expected(what, "macros and templates are not supported here");
      case Token::identifier: break;
      default: return cursor_.expected(what);
    }
    if (cursor_.at_word("true") || cursor_.at_word("false")) {
      out.value = Value::boolean(cursor_.text(cursor_.next()) == "true");
      return true;
    }
    if (at_aggregate(0)) return aggregate(out);
    if (cursor_.peek(1).token == Token::path) {
      std::string_view type;
      std::string_view id;
      if (!cursor_.path("an entity", type) ||
          !cursor_.expect(Token::path, "`::` and the entity's id as a string") ||
          !cursor_.string("the entity's id as a string", id))
        return false;
      out.value = Value::entity(EntityUid(type, id), arena_);
      return true;
    }
    if (cursor_.at_word("decimal") && cursor_.peek(1).token == Token::left_paren)
      return decimal(out);
    for (const auto& [word, kind] :
         {std::pair{std::string_view("context"), TemporalTerm::Kind::context},
          std::pair{std::string_view("principal"), TemporalTerm::Kind::principal},
          std::pair{std::string_view("resource"), TemporalTerm::Kind::resource}}) {
      if (!cursor_.take_word(word)) continue;
      out.kind = kind;
      std::vector<Name> names;
      if (cursor_.take(Token::dot)) {
        if (!path("an attribute name", names)) return false;
      } else if (kind == TemporalTerm::Kind::context) {
        return cursor_.expected("`.` and a field of the context", "for example context.input.user");
      }
      out.path = arena_.copy(std::span<const Name>(names));
      return true;
    }
    if (cursor_.take_word("_")) {
      out.kind = TemporalTerm::Kind::wildcard;
      return true;
    }
    out.kind = TemporalTerm::Kind::variable;
    return variable_name(out.name);
  }

  bool decimal(TemporalTerm& out) {
    cursor_.next();
    cursor_.next();
    const std::uint32_t place = cursor_.begin();
    std::string_view text;
    if (!cursor_.string("the number as a string", text)) return false;
    const auto number = parse_decimal(text);
    if (!number)
      return cursor_.fail(place, "not a decimal number with at most four digits behind the point");
    out.value = Value::decimal(*number);
    return cursor_.expect(Token::right_paren, "`)`");
  }

  // count for (a: T), ... . where condition; sum v for ...
  bool aggregate(TemporalTerm& out) {
    out.kind =
        cursor_.text(cursor_.next()) == "sum" ? TemporalTerm::Kind::sum : TemporalTerm::Kind::count;
    if (out.kind == TemporalTerm::Kind::sum && !variable_name(out.name)) return false;
    if (!cursor_.expect_word("for")) return false;
    std::vector<Variable> domain;
    do {
      Variable variable;
      if (!binder(variable)) return false;
      if (std::ranges::contains(domain, variable.name, &Variable::name))
        return cursor_.fail(variable.span.begin,
                            std::format("the variable `{}` stands here twice", variable.name));
      domain.push_back(variable);
      if (domain.size() > most_domain)
        return cursor_.fail(variable.span.begin, std::format("more than {} variables", most_domain),
                            base::Code::too_large);
    } while (cursor_.take(Token::comma));
    if (!cursor_.expect(Token::dot, "`,` or `.` and then `where`") || !cursor_.expect_word("where"))
      return false;
    out.domain = arena_.copy(std::span<const Variable>(domain));
    out.body = condition();
    return out.body != nullptr;
  }

  static constexpr std::array<std::string_view, 14> reserved{
      "formerly", "previous", "since", "within",    "exists",   "tp",      "count",
      "sum",      "for",      "where", "principal", "resource", "context", "decimal"};

  Cursor& cursor_;
  Arena& arena_;
  std::uint32_t nesting_ = 0;
};

class FormulaPrinter {
 public:
  std::string run(const TemporalFormula& formula) {
    write(formula, false);
    return std::move(out_);
  }

 private:
  void path(std::span<const Name> names) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i > 0) out_ += '.';
      out_ += names[i].text();
    }
  }
  void scope(std::string_view word, std::span<const Name> names) {
    out_ += word;
    if (!names.empty()) out_ += '.';
    path(names);
  }

  void window(const TemporalFormula& formula) {
    out_ += std::format(" within {}s ", formula.seconds);
  }

  void term(const TemporalTerm& term) {
    switch (term.kind) {
      case TemporalTerm::Kind::literal: out_ += to_text(term.value); break;
      case TemporalTerm::Kind::context: scope("context", term.path); break;
      case TemporalTerm::Kind::principal: scope("principal", term.path); break;
      case TemporalTerm::Kind::resource: scope("resource", term.path); break;
      case TemporalTerm::Kind::variable: out_ += term.name; break;
      case TemporalTerm::Kind::wildcard: out_ += '_'; break;
      case TemporalTerm::Kind::count:
      case TemporalTerm::Kind::sum:
        out_ += term.kind == TemporalTerm::Kind::sum ? std::format("(sum {} for ", term.name)
                                                     : std::string("(count for ");
        for (std::size_t i = 0; i < term.domain.size(); ++i)
          out_ += std::format("{}({}: {})", i > 0 ? ", " : "", term.domain[i].name,
                              term.domain[i].type);
        out_ += ". where ";
        write(*term.body, true);
        out_ += ')';
        break;
    }
  }

  // `whole`: with parentheses unless it is an atom.
  void write(const TemporalFormula& formula, bool atom) {
    const bool simple =
        formula.op == Op::event || formula.op == Op::moment || formula.op == Op::comparison;
    if (atom && !simple) {
      out_ += '(';
      write(formula, false);
      out_ += ')';
      return;
    }
    switch (formula.op) {
      case Op::conjunction:
        for (std::size_t i = 0; i < formula.operands.size(); ++i) {
          if (i > 0) out_ += " && ";
          write(*formula.operands[i], formula.operands[i]->op == Op::exists ||
                                          formula.operands[i]->op == Op::conjunction);
        }
        break;
      case Op::negation:
        out_ += '!';
        write(*formula.operands[0], true);
        break;
      case Op::formerly:
      case Op::previous:
        out_ += formula.op == Op::formerly ? "formerly" : "previous";
        window(formula);
        write(*formula.operands[0], true);
        break;
      case Op::since:
        write(*formula.operands[0], formula.operands[0]->op != Op::negation);
        out_ += " since";
        window(formula);
        write(*formula.operands[1], true);
        break;
      case Op::event:
        out_ += std::format("{}::{}{{", to_text(formula.action), formula.kind);
        for (std::size_t i = 0; i < formula.fields.size(); ++i) {
          if (i > 0) out_ += ", ";
          path(formula.fields[i].path);
          out_ += ": ";
          term(formula.fields[i].term);
        }
        out_ += '}';
        break;
      case Op::comparison: {
        static constexpr std::array<std::string_view, 5> symbols{" == ", " < ", " <= ", " > ",
                                                                 " >= "};
        term(formula.left);
        out_ += symbols.at(static_cast<std::size_t>(formula.comparison));
        term(formula.right);
        break;
      }
      case Op::exists:
        out_ += std::format("exists ({}: {}). ", formula.variable.name, formula.variable.type);
        write(*formula.operands[0], true);
        break;
      case Op::moment: out_ += std::format("tp({})", formula.variable.name); break;
    }
  }

  std::string out_;
};

}  // namespace

const TemporalFormula* parse_formula(Cursor& cursor) { return FormulaParser(cursor).condition(); }

std::string print(const TemporalFormula& formula) { return FormulaPrinter().run(formula); }

}  // namespace latticegate::cedar
