#include <algorithm>
#include <cstdint>
#include <format>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cedar/detail/smt.h"
#include "cedar/detail/smt_text.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t most_triples = 2'000;
constexpr std::int64_t milliseconds_in_second = 1'000;
constexpr std::int64_t milliseconds_in_minute = 60'000;
constexpr std::int64_t milliseconds_in_hour = 3'600'000;
constexpr std::int64_t milliseconds_in_day = 86'400'000;

// A value: its text, and when there is one.
struct Coded {
  const Type* type = nullptr;
  std::string text;
  std::string ok = "true";
};
using Maybe = std::optional<Coded>;

class Script {
 public:
  Script(const Formulas& formulas, const Solver& solver)
      : formulas_(formulas), solver_(solver), schema_(*solver.circumstances().schema) {}

  std::string about(std::span<const FormulaId> wanted) {
    std::set<FormulaId> needed;
    for (const FormulaId id : wanted) collect(id, needed);
    // Parts come before what they are parts of.
    std::string definitions;
    for (const FormulaId id : needed)
      definitions += std::format("(define-fun f{} () Bool {})\n", id, text_of(id));
    for (const FormulaId id : wanted) definitions += std::format("(assert f{})\n", id);
    add_transitivity();
    return "(set-logic ALL)\n" + head_ + definitions;
  }

 private:
  // ---- formulas

  void collect(FormulaId id, std::set<FormulaId>& needed) const {
    if (!needed.insert(id).second) return;
    for (const FormulaId part : formulas_.formula(id).parts) collect(part, needed);
  }

  std::string text_of(FormulaId id) {
    const Formula& f = formulas_.formula(id);
    switch (f.kind) {
      case Formula::Kind::always: return "true";
      case Formula::Kind::never: return "false";
      case Formula::Kind::literal: define(f.atom); return states_of(f.atom, f.states);
      default: break;
    }
    std::string text = f.kind == Formula::Kind::all ? "(and" : "(or";
    for (const FormulaId part : f.parts) text += std::format(" f{}", part);
    return text + ')';
  }

  static std::string states_of(AtomId atom, States states) {
    std::string text = "(or false";
    if ((states & state_yes) != 0) text += std::format(" y{}", atom);
    if ((states & state_no) != 0) text += std::format(" (not (or y{0} e{0}))", atom);
    if ((states & state_fails) != 0) text += std::format(" e{}", atom);
    return text + ')';
  }

  // ---- atoms: y is when it is true, e when it fails

  void define(AtomId id) {
    if (!atoms_.insert(id).second) return;
    if (const Maybe coded = coded_atom(formulas_.atoms()[id])) {
      head_ += std::format("(define-fun y{} () Bool {})\n", id, both(coded->ok, coded->text));
      head_ += std::format("(define-fun e{} () Bool {})\n", id, negated(coded->ok));
    } else {
      head_ += std::format("(declare-const y{0} Bool)\n(declare-const e{0} Bool)\n", id);
      head_ += std::format("(assert (not (and y{0} e{0})))\n", id);
    }
    head_ += std::format("(assert {})\n", states_of(id, solver_.possible(id)));
  }

  Maybe coded_atom(const Atom& atom) {
    if (atom.kind == Atom::Kind::has) return presence(atom.term, atom.child);
    if (atom.term == Formulas::action) return std::nullopt;
    const Maybe term = coded(atom.term);
    if (!term) return std::nullopt;
    const auto truth = [&](std::string text) {
      return Coded{&type_of(Type::Kind::boolean), std::move(text), term->ok};
    };
    switch (atom.kind) {
      case Atom::Kind::opaque:
      case Atom::Kind::truth: return term->type->is_boolean() ? term : std::nullopt;
      case Atom::Kind::less:
      case Atom::Kind::less_equal: {
        const Maybe value = constant(atom.value);
        if (!value || !is_number(term->type->kind) || !same(*term->type, *value->type))
          return std::nullopt;
        return truth(std::format(
            "({} {} {})", atom.kind == Atom::Kind::less ? "<" : "<=", term->text, value->text));
      }
      case Atom::Kind::equal: return equal(*term, constant(atom.value));
      case Atom::Kind::member: {
        std::string text = "(or false";
        for (const Value& value : atom.values) {
          const Maybe one = equal(*term, constant(value));
          if (!one) return std::nullopt;
          text += ' ' + one->text;
        }
        return truth(text + ')');
      }
      case Atom::Kind::like: return like(*term, atom.pattern);
      case Atom::Kind::contains: return contains(*term, constant(atom.value));
      case Atom::Kind::empty: return empty(*term);
      case Atom::Kind::in: return in(*term, constant(atom.value));
      case Atom::Kind::is: return is(*term, atom.type);
      default: return std::nullopt;
    }
  }

  // ---- terms

  // That the value is there: h of an optional attribute or a tag, x of an entity that a policy
  // reads attributes of without the request having it.
  std::string here(TermId id) {
    const Term& term = formulas_.terms()[id];
    const Solver::Info& info = solver_.info(id);
    if (info.impossible) return "false";
    if (info.required) return "true";
    const Solver::Info& parent = solver_.info(term.parent);
    std::string exists = "true";
    if (!parent.root && parent.type != nullptr && parent.type->is_entity()) {
      exists = std::format("x{}", term.parent);
      if (exists_.insert(term.parent).second)
        head_ += std::format("(declare-const {} Bool)\n", exists);
    }
    const TypeAttribute* const attribute = declared(term, parent);
    if (attribute != nullptr && attribute->required) return exists;
    std::string own = std::format("h{}", id);
    if (here_.insert(id).second) head_ += std::format("(declare-const {} Bool)\n", own);
    return both(exists, own);
  }

  const TypeAttribute* declared(const Term& term, const Solver::Info& parent) const {
    if (term.kind != Term::Kind::attribute || parent.type == nullptr ||
        !parent.type->is(Type::Kind::entity) || parent.type->names.size() != 1)
      return nullptr;
    const SchemaEntity* const entity = schema_.entity_type(parent.type->names[0]);
    return entity == nullptr ? nullptr : entity->attributes->attribute(term.name.text());
  }

  // When evaluation of the term gives a value. Nothing is known of terms that are computed.
  std::optional<std::string> ok(TermId id) {
    const Term& term = formulas_.terms()[id];
    if (term.kind == Term::Kind::variable) return "true";
    if (term.kind == Term::Kind::computed) return std::nullopt;
    const Solver::Info& parent = solver_.info(term.parent);
    // Otherwise the parent may be something that has no attributes.
    if (!parent.root && (parent.type == nullptr ||
                         !(parent.type->is(Type::Kind::record) || parent.type->is_entity())))
      return std::nullopt;
    auto above = ok(term.parent);
    if (!above) return std::nullopt;
    return both(*above, here(id));
  }

  Maybe coded(TermId id) {
    if (const auto found = terms_.find(id); found != terms_.end()) return found->second;
    Maybe made = fresh(id);
    return terms_.emplace(id, std::move(made)).first->second;
  }

  Maybe fresh(TermId id) {
    const Term& term = formulas_.terms()[id];
    if (term.kind == Term::Kind::computed)
      return term.expression == nullptr ? std::nullopt : coded(*term.expression);
    const Type* const type = solver_.info(id).type;
    if (type == nullptr || id == Formulas::action || sort_of(*type).empty()) return std::nullopt;
    const auto there = ok(id);
    if (!there) return std::nullopt;
    std::string name = std::format("v{}", id);
    declare(name, *type);
    return Coded{type, std::move(name), *there};
  }

  void declare(const std::string& name, const Type& type) {
    head_ += std::format("(declare-const {} {})\n", name, sort_of(type));
    if (is_number(type.kind)) head_ += std::format("(assert {})\n", in_range(name));
    if (!type.is(Type::Kind::entity)) return;
    const SchemaEntity* const entity = schema_.entity_type(type.names[0]);
    if (entity == nullptr || !entity->enumerated) return;
    for (const std::string_view one : entity->ids) index_of(type.names[0], one);
    head_ += std::format("(assert (and (<= 0 {0}) (< {0} {1})))\n", name, entity->ids.size());
  }

  // ---- values

  std::size_t index_of(std::string_view type, std::string_view id) {
    auto& known = entities_[type];
    return known.try_emplace(id, known.size()).first->second;
  }

  const Type* reference_to(std::string_view type) const {
    const SchemaEntity* const entity = schema_.entity_type(type);
    return entity == nullptr ? nullptr : entity->reference;
  }

  Maybe constant(const Value& value) {
    const auto of = [](Type::Kind kind, std::string text) {
      return Coded{&type_of(kind), std::move(text)};
    };
    switch (value.kind()) {
      case Kind::boolean: return of(Type::Kind::boolean, value.truth() ? "true" : "false");
      case Kind::integer: return of(Type::Kind::integer, number(value.integer()));
      case Kind::decimal: return of(Type::Kind::decimal, number(value.integer()));
      case Kind::datetime: return of(Type::Kind::datetime, number(value.integer()));
      case Kind::duration: return of(Type::Kind::duration, number(value.integer()));
      case Kind::string: {
        auto text = string_literal(value.text());
        return text ? Maybe(of(Type::Kind::string, *std::move(text))) : std::nullopt;
      }
      case Kind::entity: {
        const Type* const type = reference_to(value.uid().type());
        if (type == nullptr) return std::nullopt;
        const SchemaEntity* const entity = schema_.entity_type(value.uid().type());
        if (entity->enumerated) {
          for (const std::string_view one : entity->ids) index_of(value.uid().type(), one);
          if (!entity->has_id(value.uid().id())) return std::nullopt;
        }
        return Coded{type, std::format("{}", index_of(value.uid().type(), value.uid().id()))};
      }
      case Kind::set: {
        std::vector<Coded> elements;
        for (const Value& element : value.elements()) {
          Maybe one = constant(element);
          if (!one) return std::nullopt;
          elements.push_back(*std::move(one));
        }
        return set(elements);
      }
      default: return std::nullopt;
    }
  }

  Maybe set(std::span<const Coded> elements) {
    if (elements.empty()) return std::nullopt;  // its sort would be that of the other side
    const Type& element = *elements[0].type;
    const Type& type =
        sets_.try_emplace(&element, Type{.kind = Type::Kind::set, .element = &element})
            .first->second;
    const std::string sort = sort_of(type);
    if (sort.empty()) return std::nullopt;
    Coded out{&type, std::format("(as set.empty {})", sort)};
    for (const Coded& one : elements) {
      if (!comparable(*one.type, element)) return std::nullopt;
      out.text = std::format("(set.insert {} {})", one.text, out.text);
      out.ok = both(out.ok, one.ok);
    }
    return out;
  }

  // ---- operations on them; nothing for what is not carried over

  static Coded boolean(std::string text, std::string ok) {
    return {&type_of(Type::Kind::boolean), std::move(text), std::move(ok)};
  }

  static Maybe equal(const Coded& a, const Maybe& b) {
    if (!b || !comparable(*a.type, *b->type)) return std::nullopt;
    return boolean(std::format("(= {} {})", a.text, b->text), both(a.ok, b->ok));
  }

  static Maybe like(const Coded& text, std::span<const PatternPart> pattern) {
    if (!text.type->is(Type::Kind::string)) return std::nullopt;
    std::string shape = "(re.++ (str.to_re \"\") (str.to_re \"\")";
    for (const PatternPart& part : pattern) {
      const auto literal = string_literal(part.text);
      if (!literal) return std::nullopt;
      shape += part.wildcard ? std::string(" re.all") : std::format(" (str.to_re {})", *literal);
    }
    shape += ')';
    return boolean(std::format("(str.in_re {} {})", text.text, shape), text.ok);
  }

  static Maybe contains(const Coded& set, const Maybe& element) {
    if (!element || !set.type->is(Type::Kind::set) ||
        !comparable(*set.type->element, *element->type))
      return std::nullopt;
    return boolean(std::format("(set.member {} {})", element->text, set.text),
                   both(set.ok, element->ok));
  }

  static Maybe empty(const Coded& set) {
    if (!set.type->is(Type::Kind::set)) return std::nullopt;
    return boolean(std::format("(= {} (as set.empty {}))", set.text, sort_of(*set.type)), set.ok);
  }

  static Maybe is(const Coded& entity, std::string_view type) {
    if (!entity.type->is(Type::Kind::entity)) return std::nullopt;
    return boolean(entity.type->names[0] == type ? "true" : "false", entity.ok);
  }

  Maybe in(const Coded& lower, const Maybe& upper) {
    if (!upper || !lower.type->is(Type::Kind::entity) || !upper->type->is(Type::Kind::entity))
      return std::nullopt;
    const std::string_view below = lower.type->names[0];
    const std::string_view above = upper->type->names[0];
    const SchemaEntity* const entity = schema_.entity_type(below);
    if (entity == nullptr) return std::nullopt;
    std::string text = "(or false";
    if (below == above) text += std::format(" (= {} {})", lower.text, upper->text);
    if (std::ranges::contains(entity->ancestors, above)) {
      text += std::format(" ({} {} {})", within(below, above), lower.text, upper->text);
      points_[below].insert(lower.text);
      points_[above].insert(upper->text);
    }
    return boolean(text + ')', both(lower.ok, upper->ok));
  }

  std::string within(std::string_view below, std::string_view above) {
    const auto [found, added] =
        within_.try_emplace({below, above}, std::format("in{}", within_.size()));
    if (added) head_ += std::format("(declare-fun {} (Int Int) Bool)\n", found->second);
    return found->second;
  }

  // What lies in what lies in a third lies in the third; said of the entities that occur.
  void add_transitivity() {
    std::size_t count = 0;
    for (const auto& [lower, first] : within_)
      for (const auto& [upper, second] : within_) {
        const auto third = within_.find({lower.first, upper.second});
        if (lower.second != upper.first || third == within_.end()) continue;
        for (const std::string& a : points_[lower.first])
          for (const std::string& b : points_[lower.second])
            for (const std::string& c : points_[upper.second])
              if (++count <= most_triples)
                head_ +=
                    std::format("(assert (=> (and ({0} {3} {4}) ({1} {4} {5})) ({2} {3} {5})))\n",
                                first, second, third->second, a, b, c);
      }
  }

  Maybe presence(TermId parent, TermId child) {
    auto above = ok(parent);
    const Solver::Info& info = solver_.info(parent);
    const bool holds = info.root || (info.type != nullptr &&
                                     (info.type->is(Type::Kind::record) || info.type->is_entity()));
    if (!above || !holds || parent == Formulas::action) return std::nullopt;
    return boolean(here(child), *std::move(above));
  }

  // ---- expressions that no atom speaks of

  Maybe coded(const Expression& e) {
    if (e.op == Op::literal || e.value) return constant(e.value);
    switch (e.op) {
      case Op::principal:
      case Op::resource: {
        const auto term = formulas_.find_term(e);
        return term ? coded(*term) : std::nullopt;
      }
      case Op::attribute:
      case Op::get_tag: return attribute(e);
      case Op::conditional: return conditional(e);
      case Op::conjunction:
      case Op::disjunction: return chain(e);
      case Op::negation: {
        Maybe inner = truth(*e.operands[0]);
        return boolean(negated(inner->text), inner->ok);
      }
      case Op::minus:
      case Op::sum:
      case Op::product: return arithmetic(e);
      case Op::equal:
      case Op::unequal: {
        const Maybe left = coded(*e.operands[0]);
        Maybe same = left ? equal(*left, coded(*e.operands[1])) : std::nullopt;
        if (same && e.op == Op::unequal) same->text = negated(same->text);
        return same;
      }
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal: return order(e, e.op);
      case Op::in: {
        const Maybe lower = coded(*e.operands[0]);
        return lower ? in(*lower, coded(*e.operands[1])) : std::nullopt;
      }
      case Op::is: {
        const Maybe entity = coded(*e.operands[0]);
        return entity ? is(*entity, e.type) : std::nullopt;
      }
      case Op::like: {
        const Maybe text = coded(*e.operands[0]);
        return text ? like(*text, e.pattern) : std::nullopt;
      }
      case Op::is_empty: {
        const Maybe set = coded(*e.operands[0]);
        return set ? empty(*set) : std::nullopt;
      }
      case Op::contains: {
        const Maybe set = coded(*e.operands[0]);
        return set ? contains(*set, coded(*e.operands[1])) : std::nullopt;
      }
      case Op::contains_all:
      case Op::contains_any: return contains_many(e);
      case Op::set: {
        std::vector<Coded> elements;
        for (const Expression* const operand : e.operands) {
          Maybe one = coded(*operand);
          if (!one) return std::nullopt;
          elements.push_back(*std::move(one));
        }
        return set(elements);
      }
      case Op::extension: return extension(e);
      default: return std::nullopt;
    }
  }

  // A part that must be a boolean; what is not carried over may be anything.
  Maybe truth(const Expression& e) {
    Maybe inner = coded(e);
    if (inner && inner->type->is_boolean()) return inner;
    const std::size_t id = free_++;
    head_ += std::format("(declare-const b{0} Bool)\n(declare-const k{0} Bool)\n", id);
    return boolean(std::format("b{}", id), std::format("k{}", id));
  }

  Maybe attribute(const Expression& e) {
    const auto term = formulas_.find_term(e);
    if (!term) return std::nullopt;
    if (formulas_.terms()[*term].kind != Term::Kind::computed) return coded(*term);
    if (e.temporal == nullptr) return std::nullopt;
    // What a temporal condition says: yes, no, or that it has no answer.
    std::string name = std::format("v{}", *term);
    if (here_.insert(*term).second)
      head_ += std::format("(declare-const {} Bool)\n(declare-const h{} Bool)\n", name, *term);
    return boolean(std::move(name), std::format("h{}", *term));
  }

  Maybe conditional(const Expression& e) {
    const Maybe test = truth(*e.operands[0]);
    const Maybe then = coded(*e.operands[1]);
    const Maybe otherwise = coded(*e.operands[2]);
    if (!then || !otherwise || !comparable(*then->type, *otherwise->type)) return std::nullopt;
    const auto choice = [&](const std::string& a, const std::string& b) {
      return std::format("(ite {} {} {})", test->text, a, b);
    };
    return Coded{then->type, choice(then->text, otherwise->text),
                 both(test->ok, choice(then->ok, otherwise->ok))};
  }

  Maybe chain(const Expression& e) {
    const bool is_all = e.op == Op::conjunction;
    // From behind: the first decides whether the rest is looked at.
    Coded out = *truth(*e.operands.back());
    for (std::size_t i = e.operands.size() - 1; i-- > 0;) {
      const Coded one = *truth(*e.operands[i]);
      const std::string goes_on = is_all ? one.text : negated(one.text);
      out.text = std::format("({} {} {})", is_all ? "and" : "or", one.text, out.text);
      out.ok = both(one.ok, std::format("(=> {} {})", goes_on, out.ok));
    }
    return out;
  }

  // Every step must stay within 64 bits.
  Maybe arithmetic(const Expression& e) {
    Maybe out = coded(*e.operands[0]);
    if (!out || !out->type->is(Type::Kind::integer)) return std::nullopt;
    const auto step = [&](std::string text, const std::string& ok) {
      out->text = std::move(text);
      out->ok = both(both(out->ok, ok), in_range(out->text));
    };
    if (e.op == Op::minus) {
      step(std::format("(- {})", out->text), "true");
      return out;
    }
    for (std::size_t i = 1; i < e.operands.size(); ++i) {
      const Maybe next = coded(*e.operands[i]);
      if (!next || !next->type->is(Type::Kind::integer)) return std::nullopt;
      const char sign = e.op == Op::product ? '*' : e.signs[i];
      step(std::format("({} {} {})", sign, out->text, next->text), next->ok);
    }
    return out;
  }

  Maybe order(const Expression& e, Op op) {
    const Maybe left = coded(*e.operands[0]);
    const Maybe right = coded(*e.operands[1]);
    const bool by_method = e.op == Op::extension;
    if (!left || !right || !is_number(left->type->kind) || !same(*left->type, *right->type) ||
        left->type->is(Type::Kind::decimal) != by_method)
      return std::nullopt;
    const std::string_view sign = op == Op::less         ? "<"
                                  : op == Op::less_equal ? "<="
                                  : op == Op::greater    ? ">"
                                                         : ">=";
    return boolean(std::format("({} {} {})", sign, left->text, right->text),
                   both(left->ok, right->ok));
  }

  Maybe contains_many(const Expression& e) {
    const Maybe set = coded(*e.operands[0]);
    const Maybe other = coded(*e.operands[1]);
    if (!set || !other || !set->type->is(Type::Kind::set) || !comparable(*set->type, *other->type))
      return std::nullopt;
    const std::string ok = both(set->ok, other->ok);
    if (e.op == Op::contains_all)
      return boolean(std::format("(set.subset {} {})", other->text, set->text), ok);
    return boolean(std::format("(not (= (set.inter {} {}) (as set.empty {})))", set->text,
                               other->text, sort_of(*set->type)),
                   ok);
  }

  Maybe extension(const Expression& e) {
    switch (e.function) {
      case Function::less_than: return order(e, Op::less);
      case Function::less_than_or_equal: return order(e, Op::less_equal);
      case Function::greater_than: return order(e, Op::greater);
      case Function::greater_than_or_equal: return order(e, Op::greater_equal);
      case Function::offset: return moved(e, '+', Type::Kind::duration, Type::Kind::datetime);
      case Function::duration_since:
        return moved(e, '-', Type::Kind::datetime, Type::Kind::duration);
      case Function::to_milliseconds: return units(e, 1);
      case Function::to_seconds: return units(e, milliseconds_in_second);
      case Function::to_minutes: return units(e, milliseconds_in_minute);
      case Function::to_hours: return units(e, milliseconds_in_hour);
      case Function::to_days: return units(e, milliseconds_in_day);
      default: return std::nullopt;
    }
  }

  Maybe moved(const Expression& e, char sign, Type::Kind by, Type::Kind result) {
    const Maybe from = coded(*e.operands[0]);
    const Maybe other = coded(*e.operands[1]);
    if (!from || !other || !from->type->is(Type::Kind::datetime) || !other->type->is(by))
      return std::nullopt;
    std::string text = std::format("({} {} {})", sign, from->text, other->text);
    std::string ok = both(both(from->ok, other->ok), in_range(text));
    return Coded{&type_of(result), std::move(text), std::move(ok)};
  }

  // Towards zero.
  Maybe units(const Expression& e, std::int64_t size) {
    Maybe span = coded(*e.operands[0]);
    if (!span || !span->type->is(Type::Kind::duration)) return std::nullopt;
    if (size != 1)
      span->text =
          std::format("(ite (>= {0} 0) (div {0} {1}) (- (div (- {0}) {1})))", span->text, size);
    span->type = &type_of(Type::Kind::integer);
    return span;
  }

  const Formulas& formulas_;
  const Solver& solver_;
  const Schema& schema_;
  std::string head_;  // declarations, definitions of atoms, what holds of them
  std::set<AtomId> atoms_;
  std::set<TermId> here_;
  std::set<TermId> exists_;
  std::map<TermId, Maybe> terms_;
  std::map<std::string_view, std::map<std::string_view, std::size_t>> entities_;
  std::map<const Type*, Type> sets_;
  std::map<std::pair<std::string_view, std::string_view>, std::string> within_;
  std::map<std::string_view, std::set<std::string>> points_;
  std::size_t free_ = 0;
};

}  // namespace

std::string smt_script(const Formulas& formulas, const Solver& solver,
                       std::span<const FormulaId> wanted) {
  return Script(formulas, solver).about(wanted);
}

}  // namespace latticegate::cedar
