#include <algorithm>
#include <format>
#include <set>
#include <string>
#include <utility>

#include "cedar/conform.h"
#include "cedar/detail/example.h"
#include "cedar/extension.h"
#include "json/write.h"

namespace latticegate::cedar {
namespace {

void write(const EntityUid& uid, json::Writer& writer) {
  writer.begin_object()
      .member("type", std::string(uid.type()))
      .member("id", std::string(uid.id()))
      .end_object();
}

void write_call(std::string_view function, const std::string& argument, json::Writer& writer) {
  writer.begin_object().key("__extn").begin_object();
  writer.member("fn", std::string(function)).member("arg", argument).end_object().end_object();
}

void write(const Value& value, json::Writer& writer) {
  switch (value.kind()) {
    case Kind::boolean: writer.boolean(value.truth()); return;
    case Kind::integer: writer.integer(value.integer()); return;
    case Kind::string: writer.string(value.text()); return;
    case Kind::entity:
      writer.begin_object().key("__entity");
      write(value.uid(), writer);
      writer.end_object();
      return;
    case Kind::set:
      writer.begin_array();
      for (const Value& element : value.elements()) write(element, writer);
      writer.end_array();
      return;
    case Kind::record: {
      std::vector<const Field*> sorted;
      for (const Field& field : value.fields()) sorted.push_back(&field);
      std::ranges::sort(sorted, {}, [](const Field* field) { return field->name.text(); });
      writer.begin_object();
      for (const Field* const field : sorted) {
        writer.key(field->name.text());
        write(field->value, writer);
      }
      writer.end_object();
      return;
    }
    case Kind::decimal: write_call("decimal", decimal_text(value.integer()), writer); return;
    case Kind::duration: write_call("duration", duration_text(value.integer()), writer); return;
    case Kind::ip: write_call("ip", ip_text(value.range()), writer); return;
    case Kind::datetime: {
      // datetime("...") as text; what has no such text is not made for examples.
      const std::string text = datetime_text(value.integer());
      const std::size_t from = text.find('"') + 1;
      write_call("datetime", text.substr(from, text.find('"', from) - from), writer);
      return;
    }
    default: writer.null();
  }
}

}  // namespace

std::string to_json(const Example& example) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("request").begin_object();
  writer.member("principal", to_text(example.request.principal))
      .member("action", to_text(example.request.action))
      .member("resource", to_text(example.request.resource));
  writer.key("context");
  write(example.request.context, writer);
  writer.end_object().key("entities").begin_array();
  const Entity* const action = example.entities.find(example.request.action);
  std::vector<const Entity*> sorted;
  for (const Entity& entity : example.entities.all())
    // Of the actions, what this one is and lies in.
    if (!is_action_type(entity.uid.type()) || entity.uid == example.request.action ||
        (action != nullptr && action->in(entity.uid)))
      sorted.push_back(&entity);
  std::ranges::sort(sorted, {}, [](const Entity* entity) { return to_text(entity->uid); });
  for (const Entity* const entity : sorted) {
    writer.begin_object().key("uid");
    write(entity->uid, writer);
    writer.key("attrs");
    write(entity->attributes, writer);
    writer.key("parents").begin_array();
    for (const EntityUid& parent : entity->parents) write(parent, writer);
    writer.end_array();
    if (!entity->tags.fields().empty()) {
      writer.key("tags");
      write(entity->tags, writer);
    }
    writer.end_object();
  }
  writer.end_array().end_object();
  return out;
}

ExampleMaker::ExampleMaker(const Formulas& formulas, const Solver& solver, Arena& arena)
    : formulas_(formulas), solver_(solver), arena_(arena) {}

std::optional<Example> ExampleMaker::make(const Case& chosen, std::span<const States> masks) {
  return build(chosen, masks, {});
}

std::optional<Example> ExampleMaker::build(const Case& chosen, std::span<const States> masks,
                                           std::span<const EntityUid> extra_parents) {
  chosen_ = chosen;
  masks_.assign(masks.begin(), masks.end());
  drafts_.clear();
  const Circumstances& circumstances = solver_.circumstances();
  Example example;
  EntityUid* const uids[] = {&example.request.principal, &example.request.action,
                             &example.request.resource};
  for (TermId id = 0; id < 3; ++id) {
    if (!chosen_[id].present) return std::nullopt;
    const Value value = value_of(id);
    if (!value.is(Kind::entity)) return std::nullopt;
    *uids[id] = value.uid();
    drafts_.try_emplace(value.uid());
  }
  if (!chosen_[Formulas::context].present) return std::nullopt;
  example.request.context = value_of(Formulas::context);
  for (const EntityUid& parent : extra_parents) {
    Draft& draft = drafts_[example.request.principal];
    if (parent != example.request.principal && !std::ranges::contains(draft.parents, parent))
      draft.parents.push_back(parent);
  }
  Entities::Builder builder;
  const bool declared = circumstances.schema != nullptr;
  if (declared)
    for (const SchemaAction& action : circumstances.schema->actions())
      if (!circumstances.open || action.uid != circumstances.action)
        builder.add(action.uid, Value::empty_record(), action.parents);
  for (const auto& [uid, draft] : drafts_) {
    const bool is_action = uid == example.request.action;
    if (declared && is_action && !circumstances.open) continue;
    std::vector<EntityUid> parents = draft.parents;
    if (is_action) std::ranges::copy(circumstances.in, std::back_inserter(parents));
    builder.add(uid, is_action && declared ? Value::empty_record() : draft.attributes, parents,
                draft.tags);
  }
  auto entities = builder.build();
  if (!entities) return std::nullopt;
  example.entities = *std::move(entities);
  if (!declared) return example;
  for (const Entity& entity : example.entities.all())
    if (!(circumstances.open && entity.uid == example.request.action) &&
        !conforms(entity, *circumstances.schema))
      return std::nullopt;
  if (!circumstances.open && !conforms(example.request, *circumstances.schema)) return std::nullopt;
  return example;
}

bool ExampleMaker::must(AtomId atom) const {
  return (masks_[atom] & (state_no | state_fails)) == 0;
}

Value ExampleMaker::value_of(TermId id) {
  const TermValue& candidate = solver_.candidates(id)[chosen_[id].candidate];
  switch (candidate.shape) {
    case TermValue::Shape::text:
      return Value::string(arena_.copy(std::string_view(std::format("other-{}", id))));
    case TermValue::Shape::set: return set_of(id);
    case TermValue::Shape::record:
      return content_of(id, Term::Kind::attribute, solver_.info(id).type);
    case TermValue::Shape::exact:
      if (candidate.value.is(Kind::entity)) return entity_of(id, candidate.value.uid());
      return copy(candidate.value, arena_);
  }
  return {};
}

// The attributes or tags that the case gives it, and what else the type asks for.
Value ExampleMaker::content_of(TermId id, Term::Kind kind, const Type* type) {
  std::vector<std::pair<Name, Value>> fields;
  for (const TermId child : formulas_.terms()[id].children) {
    const Term& term = formulas_.terms()[child];
    if (term.kind != kind || !chosen_[child].present) continue;
    fields.emplace_back(Name(arena_.copy(term.name.text())), value_of(child));
  }
  if (kind == Term::Kind::attribute && type != nullptr && type->is(Type::Kind::record))
    for (const TypeAttribute& attribute : type->attributes)
      if (attribute.required && std::ranges::none_of(fields, [&](const auto& field) {
            return field.first.text() == attribute.name;
          }))
        fields.emplace_back(Name(attribute.name), default_of(*attribute.type));
  RecordBuilder record(arena_);
  for (const auto& [name, value] : fields) record.add(name, value);
  return record.finish();
}

Value ExampleMaker::entity_of(TermId id, const EntityUid& uid) {
  const Term& term = formulas_.terms()[id];
  const EntityUid mine = copy(uid, arena_);
  const Value value = Value::entity(mine, arena_);
  const bool root = term.kind == Term::Kind::variable;
  const bool asked =
      std::ranges::any_of(term.children, [&](TermId child) { return chosen_[child].present; });
  std::vector<EntityUid> parents;
  for (const AtomId atom : term.atoms) {
    const Atom& one = formulas_.atoms()[atom];
    if (one.kind == Atom::Kind::in && must(atom) && one.value.uid() != uid)
      parents.push_back(copy(one.value.uid(), arena_));
  }
  if (!root && !asked && parents.empty()) return value;
  const Type* attributes = nullptr;
  if (const Schema* const schema = solver_.circumstances().schema)
    if (const SchemaEntity* const entity = schema->entity_type(uid.type()))
      attributes = entity->attributes;
  Draft draft{.attributes = content_of(id, Term::Kind::attribute, attributes),
              .tags = content_of(id, Term::Kind::tag, nullptr),
              .parents = std::move(parents)};
  drafts_.insert_or_assign(mine, std::move(draft));
  return value;
}

Value ExampleMaker::set_of(TermId id) {
  std::vector<Value> elements;
  bool needs_one = false;
  for (const AtomId atom : formulas_.terms()[id].atoms) {
    const Atom& one = formulas_.atoms()[atom];
    if (one.kind == Atom::Kind::contains && must(atom)) elements.push_back(copy(one.value, arena_));
    if (one.kind == Atom::Kind::empty && (masks_[atom] & state_yes) == 0) needs_one = true;
  }
  if (needs_one && elements.empty()) {
    const Type* const type = solver_.info(id).type;
    elements.push_back(type != nullptr && type->element != nullptr ? default_of(*type->element)
                                                                   : Value::string("element"));
  }
  return Value::set(elements, arena_);
}

Value ExampleMaker::default_of(const Type& type) {
  switch (type.kind) {
    case Type::Kind::boolean:
    case Type::Kind::nowise: return Value::boolean(false);
    case Type::Kind::always: return Value::boolean(true);
    case Type::Kind::integer: return Value::integer(0);
    case Type::Kind::string: return Value::string("");
    case Type::Kind::decimal: return Value::decimal(0);
    case Type::Kind::datetime: return Value::datetime(0);
    case Type::Kind::duration: return Value::duration(0);
    case Type::Kind::ip: return Value::ip({.address = {203, 0, 113, 1}}, arena_);
    case Type::Kind::set: return Value::empty_set();
    case Type::Kind::record: {
      RecordBuilder record(arena_);
      for (const TypeAttribute& attribute : type.attributes)
        if (attribute.required) record.add(attribute.name, default_of(*attribute.type));
      return record.finish();
    }
    case Type::Kind::entity: {
      const Schema* const schema = solver_.circumstances().schema;
      const SchemaEntity* const entity =
          schema == nullptr ? nullptr : schema->entity_type(type.names[0]);
      const bool listed = entity != nullptr && entity->enumerated && !entity->ids.empty();
      return Value::entity(EntityUid(type.names[0], listed ? entity->ids[0] : "any"), arena_);
    }
    default: return Value::empty_record();
  }
}

// ---- chance

void ExampleMaker::add_random(TermId id, bool present, Dice& dice) {
  const Solver::Info& info = solver_.info(id);
  const Term& term = formulas_.terms()[id];
  present = present && !info.candidates.empty();
  bool holds = false;
  chosen_[id].present = present;
  if (present) {
    chosen_[id].candidate = dice.roll(info.candidates.size());
    holds = info.candidates[chosen_[id].candidate].holds_children();
  }
  for (const AtomId atom : term.atoms) masks_[atom] = dice.roll(3) == 0 ? state_yes : any_state;
  for (const TermId child : term.children)
    add_random(child, holds && (solver_.info(child).required || dice.roll(5) != 0), dice);
}

std::optional<Example> ExampleMaker::at_random(Dice& dice) {
  chosen_.assign(formulas_.terms().size(), {});
  masks_.assign(formulas_.atoms().size(), any_state);
  for (TermId id = 0; id < 4; ++id) add_random(id, true, dice);
  const Case chosen = chosen_;
  const std::vector<States> masks = masks_;
  return vary(chosen, masks, dice);
}

std::optional<Example> ExampleMaker::vary(const Case& chosen, std::span<const States> masks,
                                          Dice& dice) {
  chosen_ = chosen;
  masks_.assign(masks.begin(), masks.end());
  std::vector<EntityUid> entities;
  for (TermId id = 4; id < chosen.size(); ++id) {
    const Term& term = formulas_.terms()[id];
    if (term.kind == Term::Kind::computed || term.parent == nothing || !chosen[term.parent].present)
      continue;
    if (dice.roll(4) == 0) add_random(id, chosen_[id].present || dice.roll(2) == 0, dice);
    if (!chosen_[id].present) continue;
    const TermValue& candidate = solver_.candidates(id)[chosen_[id].candidate];
    if (candidate.value.is(Kind::entity)) entities.push_back(candidate.value.uid());
  }
  std::vector<EntityUid> parents;
  for (const EntityUid& uid : entities)
    if (dice.roll(2) == 0) parents.push_back(uid);
  const Case varied = chosen_;
  const std::vector<States> varied_masks = masks_;
  return build(varied, varied_masks, parents);
}

}  // namespace latticegate::cedar
