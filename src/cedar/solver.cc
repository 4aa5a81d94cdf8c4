#include "cedar/detail/solver.h"

#include <algorithm>
#include <format>
#include <limits>
#include <optional>
#include <ranges>
#include <utility>

#include "cedar/detail/operation.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t most_values = 96;
constexpr std::size_t most_enumerated = 32;
constexpr std::uint32_t most_rejected = 6;

// Every text of `narrow` is one of `wide`, seen from the patterns alone: the wildcard of `wide`
// takes anything, that of `narrow` is taken by nothing else.
bool covers(std::span<const PatternPart> wide, std::span<const PatternPart> narrow) {
  // As characters, with one that no text has for the wildcard.
  const auto flat = [](std::span<const PatternPart> pattern) {
    std::vector<int> out;
    for (const PatternPart& part : pattern) {
      if (part.wildcard)
        out.push_back(-1);
      else
        for (const char c : part.text) out.push_back(static_cast<unsigned char>(c));
    }
    return out;
  };
  const std::vector<int> w = flat(wide);
  const std::vector<int> n = flat(narrow);
  std::size_t i = 0;
  std::size_t j = 0;
  std::size_t star = w.size();
  std::size_t from = 0;
  while (j < n.size()) {
    if (i < w.size() && w[i] == -1) {
      star = i++;
      from = j;
    } else if (i < w.size() && w[i] == n[j]) {
      ++i;
      ++j;
    } else if (star < w.size()) {
      i = star + 1;
      j = ++from;
    } else {
      return false;
    }
  }
  while (i < w.size() && w[i] == -1) ++i;
  return i == w.size();
}

std::string_view prefix_of(std::span<const PatternPart> pattern) {
  return pattern.empty() || pattern.front().wildcard ? std::string_view() : pattern.front().text;
}
std::string_view suffix_of(std::span<const PatternPart> pattern) {
  return pattern.empty() || pattern.back().wildcard ? std::string_view() : pattern.back().text;
}

// No text has both.
bool exclude_each_other(std::span<const PatternPart> a, std::span<const PatternPart> b) {
  const std::string_view first = prefix_of(a);
  const std::string_view second = prefix_of(b);
  if (!first.starts_with(second) && !second.starts_with(first)) return true;
  const std::string_view third = suffix_of(a);
  const std::string_view fourth = suffix_of(b);
  return !third.ends_with(fourth) && !fourth.ends_with(third);
}

// Some texts of each pattern, and of two at once.
std::vector<std::string> texts_for(std::span<const std::span<const PatternPart>> patterns) {
  std::vector<std::string> out;
  for (const auto& pattern : patterns)
    for (const std::string_view filling : {"", "x"}) {
      std::string& text = out.emplace_back();
      for (const PatternPart& part : pattern) text += part.wildcard ? filling : part.text;
    }
  for (const auto& one : patterns)
    for (const auto& other : patterns)
      out.push_back(std::format("{}x{}", prefix_of(one), suffix_of(other)));
  return out;
}

Value ordered(Kind kind, std::int64_t number) {
  switch (kind) {
    case Kind::decimal: return Value::decimal(number);
    case Kind::datetime: return Value::datetime(number);
    case Kind::duration: return Value::duration(number);
    default: return Value::integer(number);
  }
}

bool is_ordered(Kind kind) {
  return kind == Kind::integer || kind == Kind::decimal || kind == Kind::datetime ||
         kind == Kind::duration;
}

// The kind of value that a type has; none for those without one.
Kind kind_of(const Type& type) {
  switch (type.kind) {
    case Type::Kind::boolean:
    case Type::Kind::always:
    case Type::Kind::nowise: return Kind::boolean;
    case Type::Kind::integer: return Kind::integer;
    case Type::Kind::string: return Kind::string;
    case Type::Kind::decimal: return Kind::decimal;
    case Type::Kind::ip: return Kind::ip;
    case Type::Kind::datetime: return Kind::datetime;
    case Type::Kind::duration: return Kind::duration;
    case Type::Kind::entity:
    case Type::Kind::any_entity: return Kind::entity;
    case Type::Kind::set: return Kind::set;
    case Type::Kind::record: return Kind::record;
    case Type::Kind::never: break;
  }
  return Kind::none;
}

}  // namespace

std::vector<Circumstances> circumstances_of(const AnalysisSettings& settings) {
  std::vector<Circumstances> out;
  if (settings.schema == nullptr) return {Circumstances{}};
  const auto add = [&](const SchemaAction& like, const EntityUid& uid,
                       std::span<const EntityUid> in, const OpenAction* open) {
    for (const std::string_view principal : like.principals)
      for (const std::string_view resource : like.resources)
        out.push_back({.schema = settings.schema,
                       .like = &like,
                       .action = uid,
                       .open = open != nullptr,
                       .in = in,
                       .open_attribute = open == nullptr ? std::string_view() : open->open,
                       .principal = principal,
                       .resource = resource});
  };
  for (const SchemaAction& action : settings.schema->actions()) {
    // Those that only serve as a model for open ones are no actions of their own.
    const bool model = std::ranges::contains(settings.open, &action, &OpenAction::like);
    if (!model) add(action, action.uid, action.ancestors, nullptr);
  }
  for (const OpenAction& open : settings.open) add(*open.like, open.uid, open.in, &open);
  return out;
}

Solver::Solver(const Formulas& formulas, const Circumstances& circumstances)
    : formulas_(formulas), circumstances_(circumstances) {
  infos_.resize(formulas.terms().size());
  learn_types();
  for (TermId term = 0; term < infos_.size(); ++term) learn_candidates(term);
  for (const Atom& atom : formulas.atoms()) {
    const Info& info = infos_[atom.term];
    const auto can_fail = [&](auto&& self, TermId term) -> bool {
      const Info& of = infos_[term];
      if (of.root) return false;
      const TermId parent = formulas_.terms()[term].parent;
      return parent == nothing || !of.required || self(self, parent);
    };
    States states = can_fail(can_fail, atom.term) ? state_fails : States{0};
    if (atom.kind == Atom::Kind::opaque) {
      states = any_state;
    } else if (atom.kind == Atom::Kind::has) {
      const Info& child = infos_[atom.child];
      for (const TermValue& candidate : info.candidates) {
        if (!candidate.holds_children()) {
          states |= state_fails;
          continue;
        }
        if (!child.impossible) states |= state_yes;
        if (!child.required) states |= state_no;
      }
    } else {
      for (const TermValue& candidate : info.candidates) states |= state_of(atom, candidate);
    }
    possible_.push_back(states);
  }
  for (TermId term = 0; term < infos_.size(); ++term) {
    Info& info = infos_[term];
    for (const TermValue& candidate : info.candidates) {
      std::vector<States>& states = info.states.emplace_back();
      for (const AtomId atom : formulas.terms()[term].atoms)
        states.push_back(state_of(formulas.atoms()[atom], candidate));
    }
  }
}

// ---- what is known of terms

void Solver::learn_types() {
  const Schema* const schema = circumstances_.schema;
  const auto& terms = formulas_.terms();
  for (TermId id = 0; id < terms.size(); ++id) {
    const Term& term = terms[id];
    Info& info = infos_[id];
    if (term.kind == Term::Kind::variable) {
      info.root = true;
      if (schema == nullptr) continue;
      if (term.variable == Op::context) info.type = circumstances_.like->context;
      if (term.variable == Op::principal)
        info.type = schema->entity_type(circumstances_.principal)->reference;
      if (term.variable == Op::resource)
        info.type = schema->entity_type(circumstances_.resource)->reference;
      continue;
    }
    if (term.kind == Term::Kind::computed) continue;
    const Info& parent = infos_[term.parent];
    info.impossible = parent.impossible;
    if (schema == nullptr || parent.impossible) continue;
    if (term.parent == Formulas::action) {
      info.impossible = true;  // actions have neither attributes nor tags
      continue;
    }
    if (term.parent == Formulas::context && !circumstances_.open_attribute.empty() &&
        term.kind == Term::Kind::attribute && term.name.text() == circumstances_.open_attribute) {
      static constexpr Type anything{.kind = Type::Kind::record, .open = true};
      info.type = &anything;
      info.required = true;
      continue;
    }
    if (parent.type == nullptr) continue;
    const Type* record = parent.type;
    if (parent.type->is(Type::Kind::entity) && parent.type->names.size() == 1) {
      const SchemaEntity* const entity = schema->entity_type(parent.type->names[0]);
      if (entity == nullptr) {
        info.impossible = true;  // an action as a value
        continue;
      }
      if (term.kind == Term::Kind::tag) {
        info.type = entity->tags;
        info.impossible = entity->tags == nullptr;
        continue;
      }
      record = entity->attributes;
    } else if (parent.type->is_entity()) {
      continue;
    }
    const TypeAttribute* const attribute =
        record->is(Type::Kind::record) && term.kind == Term::Kind::attribute
            ? record->attribute(term.name.text())
            : nullptr;
    if (attribute == nullptr) {
      info.impossible = !record->is(Type::Kind::record) || !record->open;
      continue;
    }
    info.type = attribute->type;
    // An entity that is only referred to may be missing.
    info.required = attribute->required && (parent.root || !parent.type->is_entity());
  }
}

std::vector<EntityUid> Solver::fresh_entities(TermId term) const {
  std::vector<EntityUid> out;
  const Schema* const schema = circumstances_.schema;
  const auto add = [&](std::string_view type) {
    if (schema != nullptr) {
      const SchemaEntity* const entity = schema->entity_type(type);
      if (entity == nullptr) return;
      if (entity->enumerated) {
        for (const std::string_view id : entity->ids | std::views::take(most_enumerated))
          out.emplace_back(type, id);
        if (entity->ids.size() <= most_enumerated) return;
      }
    }
    // One that no policy names.
    std::string id = std::format("any-{}", term);
    const auto named = [&](const Value& value) {
      return value.is(Kind::entity) && value.uid().id() == id;
    };
    while (std::ranges::any_of(formulas_.atoms(), [&](const Atom& atom) {
      return named(atom.value) || std::ranges::any_of(atom.values, named);
    }))
      id += '+';
    out.emplace_back(type, arena_.copy(std::string_view(id)));
  };
  const Type* const type = infos_[term].type;
  if (type != nullptr && type->is(Type::Kind::entity)) {
    for (const std::string_view name : type->names) add(name);
    return out;
  }
  std::vector<std::string_view> types;
  const auto mention = [&](std::string_view name) {
    if (!std::ranges::contains(types, name)) types.push_back(name);
  };
  for (const AtomId id : formulas_.terms()[term].atoms) {
    const Atom& atom = formulas_.atoms()[id];
    if (atom.kind == Atom::Kind::is) mention(atom.type);
    if (atom.value.is(Kind::entity)) mention(atom.value.uid().type());
    for (const Value& value : atom.values)
      if (value.is(Kind::entity)) mention(value.uid().type());
  }
  // One that nobody mentions, which with a schema would have to be declared.
  if (schema == nullptr) {
    types.emplace_back(term == Formulas::action ? "Action" : "Other");
  } else {
    for (const SchemaEntity& entity : schema->entity_types())
      if (!std::ranges::contains(types, entity.name)) {
        types.push_back(entity.name);
        break;
      }
  }
  for (const std::string_view name : types) add(name);
  return out;
}

void Solver::learn_candidates(TermId id) {
  Info& info = infos_[id];
  if (info.impossible) return;
  const Term& term = formulas_.terms()[id];
  std::vector<TermValue>& out = info.candidates;
  const auto add = [&](const TermValue& candidate) {
    if (candidate.shape == TermValue::Shape::exact &&
        std::ranges::any_of(out, [&](const TermValue& other) {
          return other.shape == candidate.shape && other.value == candidate.value &&
                 other.value.kind() == candidate.value.kind();
        }))
      return;
    out.push_back(candidate);
  };
  if (id == Formulas::action && circumstances_.schema != nullptr) {
    add({.value = Value::entity(&uids_.emplace_back(circumstances_.action))});
    return;
  }
  if (id == Formulas::context) {
    add({.shape = TermValue::Shape::record});
    return;
  }
  const Kind only = info.type == nullptr || info.type->is(Type::Kind::never)
                        ? (info.root ? Kind::entity : Kind::none)
                        : kind_of(*info.type);
  // Of the constants that the atoms name, and their neighbours: between two of them all atoms stay
  // as they are.
  std::vector<Kind> kinds;
  std::vector<std::span<const PatternPart>> patterns;
  const auto mention = [&](Kind kind) {
    if ((only == Kind::none || kind == only) && !std::ranges::contains(kinds, kind))
      kinds.push_back(kind);
  };
  const auto add_constant = [&](const Value& value, bool neighbours) {
    // What a record holds is the business of its children.
    if (value.is(Kind::record) || (only != Kind::none && value.kind() != only)) return;
    mention(value.kind());
    if (value.is(Kind::entity) && info.type != nullptr && info.type->is(Type::Kind::entity) &&
        !std::ranges::contains(info.type->names, value.uid().type()))
      return;
    add({.value = value});
    if (!neighbours || !is_ordered(value.kind())) return;
    if (value.integer() < std::numeric_limits<std::int64_t>::max())
      add({.value = ordered(value.kind(), value.integer() + 1)});
    if (value.integer() > std::numeric_limits<std::int64_t>::min())
      add({.value = ordered(value.kind(), value.integer() - 1)});
  };
  for (const AtomId atom_id : term.atoms) {
    const Atom& atom = formulas_.atoms()[atom_id];
    switch (atom.kind) {
      case Atom::Kind::less:
      case Atom::Kind::less_equal:
      case Atom::Kind::equal: add_constant(atom.value, true); break;
      case Atom::Kind::member:
        for (const Value& value : atom.values) add_constant(value, true);
        break;
      case Atom::Kind::like:
        mention(Kind::string);
        patterns.push_back(atom.pattern);
        break;
      case Atom::Kind::truth: mention(Kind::boolean); break;
      case Atom::Kind::contains:
      case Atom::Kind::empty: mention(Kind::set); break;
      case Atom::Kind::in: add_constant(atom.value, false); break;
      case Atom::Kind::is: mention(Kind::entity); break;
      default: break;
    }
  }
  if (only != Kind::none) mention(only);
  const bool unknown = only == Kind::none;
  // A record or entity whatever the policies do with it, for its children; something of which no
  // atom says anything.
  if (unknown) {
    if (!term.children.empty()) mention(Kind::entity);
    mention(Kind::record);
    mention(Kind::ip);
  }
  for (const Kind kind : kinds) {
    switch (kind) {
      case Kind::boolean:
        add({.value = Value::boolean(true)});
        add({.value = Value::boolean(false)});
        break;
      case Kind::integer:
      case Kind::decimal:
      case Kind::datetime:
      case Kind::duration:
        if (std::ranges::none_of(out, [&](const TermValue& one) { return one.value.is(kind); }))
          add({.value = ordered(kind, 0)});
        break;
      case Kind::string:
        // Those of one pattern always: one without a wildcard is a constant.
        for (std::size_t index = 0; const std::string& text : texts_for(patterns))
          if (index++ < 2 * patterns.size() || out.size() < most_values)
            add({.value = Value::string(texts_.emplace_back(text))});
        add({.shape = TermValue::Shape::text});
        break;
      case Kind::entity:
        for (const EntityUid& uid : fresh_entities(id))
          add({.value = Value::entity(&uids_.emplace_back(uid))});
        break;
      case Kind::set: add({.shape = TermValue::Shape::set}); break;
      case Kind::record: add({.shape = TermValue::Shape::record}); break;
      case Kind::ip: {
        IpRange range{.address = {203, 0, 113, 0}, .v6 = false, .prefix = 32};
        while (std::ranges::any_of(out, [&](const TermValue& one) {
          return one.value.is(Kind::ip) && one.value.range() == range;
        }))
          if (++range.address[3] == 0) ++range.address[2];
        add({.value = Value::ip(range, arena_)});
        break;
      }
      default: break;
    }
  }
  if (term.kind == Term::Kind::computed || (unknown && !term.atoms.empty())) return;
  // For examples: what other places compare with. Exact values never spoil a proof.
  for (const Value& value : formulas_.constants()) {
    if (out.size() >= most_values) return;
    add_constant(value, true);
    // A time of day.
    if (value.is(Kind::duration) && only == Kind::datetime)
      add_constant(Value::datetime(value.integer()), true);
  }
  if (is_ordered(only)) add({.value = ordered(only, 1)});
  if (only == Kind::ip)
    add({.value = Value::ip({.address = {127, 0, 0, 1}, .v6 = false, .prefix = 32}, arena_)});
}

std::span<const EntityUid> Solver::known_ancestors(const EntityUid& uid, bool& exact) const {
  exact = false;
  if (circumstances_.schema == nullptr) return {};
  if (uid == circumstances_.action) {
    exact = !circumstances_.open;
    return circumstances_.in;
  }
  const SchemaAction* const action = circumstances_.schema->action(uid);
  if (action == nullptr) return {};
  exact = true;
  return action->ancestors;
}

// ---- atoms

States Solver::state_of(const Atom& atom, const TermValue& candidate) const {
  using Shape = TermValue::Shape;
  const Value& value = candidate.value;
  const auto is = [](bool truth) { return truth ? state_yes : state_no; };
  constexpr States either = state_yes | state_no;
  switch (atom.kind) {
    case Atom::Kind::less:
    case Atom::Kind::less_equal:
      if (candidate.shape != Shape::exact || value.kind() != atom.value.kind()) return state_fails;
      return is(atom.kind == Atom::Kind::less ? value.integer() < atom.value.integer()
                                              : value.integer() <= atom.value.integer());
    case Atom::Kind::equal:
    case Atom::Kind::member: {
      const auto constants =
          atom.kind == Atom::Kind::equal ? std::span(&atom.value, 1) : std::span(atom.values);
      if (candidate.shape == Shape::exact)
        return is(std::ranges::any_of(constants, [&](const Value& one) { return one == value; }));
      const bool maybe =
          candidate.shape == Shape::record &&
          std::ranges::any_of(constants, [](const Value& one) { return one.is(Kind::record); });
      return maybe ? either : state_no;
    }
    case Atom::Kind::like:
      if (candidate.shape == Shape::text) return either;
      if (candidate.shape != Shape::exact || !value.is(Kind::string)) return state_fails;
      return is(matches(value.text(), atom.pattern));
    case Atom::Kind::truth:
      if (candidate.shape != Shape::exact || !value.is(Kind::boolean)) return state_fails;
      return is(value.truth());
    case Atom::Kind::contains:
      if (candidate.shape == Shape::set) return either;
      if (candidate.shape != Shape::exact || !value.is(Kind::set)) return state_fails;
      return is(value.contains(atom.value));
    case Atom::Kind::empty:
      if (candidate.shape == Shape::set) return either;
      if (candidate.shape != Shape::exact || !value.is(Kind::set)) return state_fails;
      return is(value.elements().empty());
    case Atom::Kind::is:
      if (candidate.shape != Shape::exact || !value.is(Kind::entity)) return state_fails;
      return is(value.uid().type() == atom.type);
    case Atom::Kind::in: {
      if (candidate.shape != Shape::exact || !value.is(Kind::entity)) return state_fails;
      const EntityUid& group = atom.value.uid();
      if (value.uid() == group) return state_yes;
      bool exact = false;
      const auto known = known_ancestors(value.uid(), exact);
      if (std::ranges::contains(known, group)) return state_yes;
      if (exact) return state_no;
      if (circumstances_.schema != nullptr) {
        const SchemaEntity* const entity = circumstances_.schema->entity_type(value.uid().type());
        if (entity != nullptr && !entity->may_be_in(group.type())) return state_no;
      }
      return either;
    }
    default: return any_state;
  }
}

bool Solver::fits_entity(TermId term, const TermValue& candidate,
                         std::span<const States> masks) const {
  // Who is in a group is in what the group is in.
  const auto& atoms = formulas_.terms()[term].atoms;
  for (const AtomId first : atoms) {
    const Atom& inner = formulas_.atoms()[first];
    if (inner.kind != Atom::Kind::in) continue;
    const auto states = static_cast<States>(masks[first] & state_of(inner, candidate));
    if (states != state_yes) continue;
    bool exact = false;
    const auto above = known_ancestors(inner.value.uid(), exact);
    for (const AtomId second : atoms) {
      const Atom& outer = formulas_.atoms()[second];
      if (outer.kind == Atom::Kind::in && (masks[second] & state_yes) == 0 &&
          std::ranges::contains(above, outer.value.uid()))
        return false;
    }
  }
  return true;
}

bool Solver::fits(TermId term, std::uint32_t index, std::span<const States> masks) const {
  const Info& info = infos_[term];
  const auto& atoms = formulas_.terms()[term].atoms;
  const std::vector<States>& states = info.states[index];
  for (std::size_t i = 0; i < atoms.size(); ++i)
    if ((states[i] & masks[atoms[i]]) == 0) return false;
  const TermValue& candidate = info.candidates[index];
  const auto must = [&](AtomId atom, States state) {
    return (masks[atom] & any_state & ~state_fails) == state;
  };
  if (candidate.shape == TermValue::Shape::text) {
    for (const AtomId first : atoms) {
      const Atom& one = formulas_.atoms()[first];
      if (one.kind != Atom::Kind::like || !must(first, state_yes)) continue;
      // Without a wildcard it would be one of the constants.
      if (std::ranges::none_of(one.pattern, &PatternPart::wildcard)) return false;
      for (const AtomId second : atoms) {
        const Atom& other = formulas_.atoms()[second];
        if (other.kind != Atom::Kind::like) continue;
        if (must(second, state_no) && covers(other.pattern, one.pattern)) return false;
        if (must(second, state_yes) && exclude_each_other(one.pattern, other.pattern)) return false;
      }
    }
  }
  if (candidate.shape == TermValue::Shape::set) {
    const bool is_empty = std::ranges::any_of(atoms, [&](AtomId atom) {
      return formulas_.atoms()[atom].kind == Atom::Kind::empty && must(atom, state_yes);
    });
    if (is_empty && std::ranges::any_of(atoms, [&](AtomId atom) {
          return formulas_.atoms()[atom].kind == Atom::Kind::contains && must(atom, state_yes);
        }))
      return false;
  }
  return !candidate.value.is(Kind::entity) || fits_entity(term, candidate, masks);
}

// ---- terms

bool Solver::may_fail(TermId id, std::span<const States> masks) const {
  const Term& term = formulas_.terms()[id];
  for (const AtomId atom : term.atoms)
    if ((masks[atom] & state_fails) == 0) return false;
  return std::ranges::all_of(term.children, [&](TermId child) {
    const AtomId has = formulas_.terms()[child].has;
    return (has == nothing || (masks[has] & state_fails) != 0) && may_fail(child, masks);
  });
}

void Solver::all_absent(TermId term, Case& chosen) const {
  chosen[term].present = false;
  for (const TermId child : formulas_.terms()[term].children) all_absent(child, chosen);
}

bool Solver::children_fit(TermId term, bool holds, std::span<const States> masks,
                          Case& chosen) const {
  for (const TermId child : formulas_.terms()[term].children) {
    const AtomId atom = formulas_.terms()[child].has;
    const States has = atom == nothing ? any_state : masks[atom];
    const Info& info = infos_[child];
    if (holds && (has & state_yes) != 0 && !info.impossible && may_be(child, masks, chosen))
      continue;
    const States absent = holds ? state_no : state_fails;
    if ((has & absent) == 0 || (holds && info.required) || !may_fail(child, masks)) return false;
    all_absent(child, chosen);
  }
  return true;
}

bool Solver::may_be(TermId term, std::span<const States> masks, Case& chosen) const {
  const Info& info = infos_[term];
  // What the children can be depends on the candidate only by whether it can have any.
  std::optional<bool> with;
  std::optional<bool> without;
  for (std::uint32_t i = 0; i < info.candidates.size(); ++i) {
    if (!fits(term, i, masks)) continue;
    const bool holds = info.candidates[i].holds_children();
    std::optional<bool>& known = holds ? with : without;
    if (!known) known = children_fit(term, holds, masks, chosen);
    if (!*known) continue;
    chosen[term] = {.present = true, .candidate = i};
    return true;
  }
  return false;
}

bool Solver::consistent(std::span<const States> masks, Case& chosen) const {
  const auto& terms = formulas_.terms();
  for (TermId id = 0; id < terms.size(); ++id) {
    if (terms[id].parent != nothing) continue;
    if (may_be(id, masks, chosen)) continue;
    if (infos_[id].root || !may_fail(id, masks)) return false;
    all_absent(id, chosen);
  }
  return true;
}

// ---- cases

struct Solver::Search {
  struct Branch {
    std::vector<States> masks;
    std::vector<FormulaId> open;  // `any` formulas
  };

  const Solver& solver;
  std::uint32_t steps;
  const std::function<bool(const Case&, std::span<const States>)>& accept;
  Case chosen;
  std::uint32_t rejected = 0;
  bool stopped = false;
  bool accepted = false;

  const Formula& formula(FormulaId id) const { return solver.formulas_.formula(id); }

  bool add(Branch& branch, FormulaId id) const {
    const Formula& f = formula(id);
    switch (f.kind) {
      case Formula::Kind::always: return true;
      case Formula::Kind::never: return false;
      case Formula::Kind::literal: return (branch.masks[f.atom] &= f.states) != 0;
      case Formula::Kind::all:
        return std::ranges::all_of(f.parts, [&](FormulaId part) { return add(branch, part); });
      case Formula::Kind::any: branch.open.push_back(id); return true;
    }
    return true;
  }

  bool viable(std::span<const States> masks, FormulaId id) const {
    const Formula& f = formula(id);
    const auto is = [&](FormulaId part) { return viable(masks, part); };
    switch (f.kind) {
      case Formula::Kind::always: return true;
      case Formula::Kind::never: return false;
      case Formula::Kind::literal: return (masks[f.atom] & f.states) != 0;
      case Formula::Kind::all: return std::ranges::all_of(f.parts, is);
      case Formula::Kind::any: return std::ranges::any_of(f.parts, is);
    }
    return true;
  }

  bool certain(std::span<const States> masks, FormulaId id) const {
    const Formula& f = formula(id);
    const auto is = [&](FormulaId part) { return certain(masks, part); };
    switch (f.kind) {
      case Formula::Kind::always: return true;
      case Formula::Kind::never: return false;
      case Formula::Kind::literal: return (masks[f.atom] & ~f.states & any_state) == 0;
      case Formula::Kind::all: return std::ranges::all_of(f.parts, is);
      case Formula::Kind::any: return std::ranges::any_of(f.parts, is);
    }
    return false;
  }

  // Takes out alternatives that are decided; false when one has no way left.
  bool propagate(Branch& branch) const {
    for (bool changed = true; changed;) {
      changed = false;
      const std::vector<FormulaId> open = std::exchange(branch.open, {});
      for (const FormulaId id : open) {
        if (certain(branch.masks, id)) continue;
        FormulaId way = nothing;
        std::size_t ways = 0;
        for (const FormulaId part : formula(id).parts)
          if (viable(branch.masks, part)) {
            way = part;
            ++ways;
          }
        if (ways == 0) return false;
        if (ways > 1) {
          branch.open.push_back(id);
        } else {
          if (!add(branch, way)) return false;
          changed = true;
        }
      }
    }
    return true;
  }

  void run(Branch branch) {
    if (stopped) return;
    if (steps-- == 0) {
      steps = 0;
      stopped = true;
      return;
    }
    if (!propagate(branch) || !solver.consistent(branch.masks, chosen)) return;
    if (branch.open.empty()) {
      if (accept(chosen, branch.masks)) {
        accepted = true;
        stopped = true;
      } else if (++rejected >= most_rejected) {
        stopped = true;
      }
      return;
    }
    // The alternative with the fewest ways.
    std::size_t best = 0;
    std::size_t fewest = SIZE_MAX;
    for (std::size_t i = 0; i < branch.open.size(); ++i) {
      const auto ways = static_cast<std::size_t>(
          std::ranges::count_if(formula(branch.open[i]).parts,
                                [&](FormulaId part) { return viable(branch.masks, part); }));
      if (ways < fewest) {
        fewest = ways;
        best = i;
      }
    }
    const FormulaId alternative = branch.open[best];
    branch.open.erase(branch.open.begin() + static_cast<std::ptrdiff_t>(best));
    for (const FormulaId part : formula(alternative).parts) {
      if (!viable(branch.masks, part)) continue;
      Branch next = branch;
      if (add(next, part)) run(std::move(next));
      if (stopped) return;
    }
  }
};

Solver::Outcome Solver::search(
    std::span<const FormulaId> formulas, std::uint32_t steps,
    const std::function<bool(const Case&, std::span<const States>)>& accept) {
  if (formulas_.too_large()) return Outcome::open;
  Search search{.solver = *this, .steps = steps, .accept = accept, .chosen = Case(infos_.size())};
  Search::Branch first{.masks = possible_, .open = {}};
  for (const FormulaId id : formulas)
    if (!search.add(first, id)) return Outcome::impossible;
  search.run(std::move(first));
  if (search.accepted) return Outcome::accepted;
  return search.stopped || search.rejected != 0 ? Outcome::open : Outcome::impossible;
}

bool Solver::excluded(FormulaId id) const {
  const Formula& f = formulas_.formula(id);
  const auto is = [&](FormulaId part) { return excluded(part); };
  switch (f.kind) {
    case Formula::Kind::always: return false;
    case Formula::Kind::never: return true;
    case Formula::Kind::literal: return (possible_[f.atom] & f.states) == 0;
    case Formula::Kind::all: return std::ranges::any_of(f.parts, is);
    case Formula::Kind::any: return std::ranges::all_of(f.parts, is);
  }
  return false;
}

}  // namespace latticegate::cedar
