#include "cedar/schema.h"

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/suggest.h"
#include "cedar/detail/builtin.h"
#include "cedar/detail/lexer.h"
#include "cedar/detail/uid_table.h"

namespace latticegate::cedar {

struct Schema::Store {
  Arena arena{4096};
  std::vector<SchemaEntity> entity_types;
  std::vector<SchemaAction> actions;
  std::unordered_map<std::string_view, std::size_t> by_name;
  UidTable<const SchemaAction*> by_uid;
};

namespace {

using Source = SchemaSource;
using Kind = Source::Type::Kind;

// All ancestors of all entity types or actions together.
constexpr std::size_t largest_closure = 4'000'000;

// What a declaration is called in its namespace's JSON form, for messages about JSON.
constexpr std::string_view of_entities = "entityTypes";
constexpr std::string_view of_actions = "actions";
constexpr std::string_view of_types = "commonTypes";

// A resolved type with what it costs to walk it.
struct Sized {
  const Type* type = nullptr;  // null: failed
  std::uint32_t parts = 1;
  std::uint32_t depth = 1;
};

class Resolver {
 public:
  Resolver(const Source& source, Schema::Store& store) : source_(source), store_(store) {}

  base::Result<void> run() {
    const bool done = declare() && check_shadowing() && resolve_types() && resolve_entities() &&
                      close_entities() && resolve_actions() && close_actions();
    if (error_) return std::unexpected(std::move(*error_));
    base::check(done, "what went wrong left an error");
    return {};
  }

 private:
  struct CommonType {
    const Source::CommonType* written = nullptr;
    const Source::Namespace* space = nullptr;
    enum class State : std::uint8_t { untouched, open, done } state = State::untouched;
    Sized resolved;
  };

  // ---- errors: all return whether it went well

  bool fail(Source::Place place, std::string_view message, base::Code code = base::Code::invalid) {
    if (error_) return false;
    std::string where(source_.name);
    if (source_.text != nullptr) {
      const Location at = source_.text->locate(place);
      where = std::format("{}:{}:{}", at.file, at.line, at.column);
    } else {
      where += std::format(": at {}{}{}.{}", space_ == nullptr ? "" : space_->name,
                           space_ == nullptr || space_->name.empty() ? "" : ".", part_, name_);
    }
    error_ = base::Error{code, std::format("{}: {}", where, message)};
    return false;
  }
  // What is being looked at, for messages about JSON.
  void look_at(const Source::Namespace& space, std::string_view part, std::string_view name) {
    space_ = &space;
    part_ = part;
    name_ = name;
  }

  // ---- names

  bool declare() {
    for (const Source::Namespace& space : source_.namespaces) {
      for (const Source::CommonType& common : space.types)
        if (!declare_common(space, common)) return false;
      for (const Source::Entity& entity : space.entities) {
        look_at(space, of_entities, entity.name);
        if (entity.name == "Action")
          return fail(entity.place, "the entity type `Action` is that of the actions");
        if (!entity_names_.insert(qualified(space.name, entity.name)).second)
          return fail(entity.place,
                      std::format("the entity type `{}` is declared twice", entity.name));
      }
      for (const Source::Action& action : space.actions) {
        look_at(space, of_actions, action.id);
        if (!action_names_.emplace(qualified(space.name, "Action"), action.id).second)
          return fail(action.place,
                      std::format("the action {} is declared twice", quoted(action.id)));
      }
    }
    return true;
  }

  bool declare_common(const Source::Namespace& space, const Source::CommonType& common) {
    look_at(space, of_types, common.name);
    if (std::ranges::contains(reserved_types, common.name))
      return fail(common.place,
                  std::format("`{}` is reserved; a type cannot be called so", common.name));
    if (!common_.emplace(qualified(space.name, common.name), CommonType{&common, &space, {}, {}})
             .second)
      return fail(common.place, std::format("the type `{}` is declared twice", common.name));
    return true;
  }

  // A name outside of any namespace can be meant everywhere: none within a namespace may hide it.
  bool check_shadowing() {
    for (const Source::Namespace& space : source_.namespaces) {
      if (space.name.empty()) continue;
      const auto hides = [&](const std::string& name) {
        return common_.contains(name) || entity_names_.contains(name);
      };
      const auto complain = [&](Source::Place place, std::string_view name) {
        return fail(place, std::format("`{0}::{1}` hides the `{1}` outside of any namespace",
                                       space.name, name));
      };
      for (const Source::CommonType& common : space.types) {
        look_at(space, of_types, common.name);
        if (hides(common.name)) return complain(common.place, common.name);
      }
      for (const Source::Entity& entity : space.entities) {
        look_at(space, of_entities, entity.name);
        if (hides(entity.name)) return complain(entity.place, entity.name);
      }
      for (const Source::Action& action : space.actions) {
        look_at(space, of_actions, action.id);
        if (action_names_.contains({"Action", action.id}))
          return complain(action.place, std::format("Action::{}", quoted(action.id)));
      }
    }
    return true;
  }

  // Where a name may be declared, best first. One that is qualified already is what it is.
  std::vector<std::string> candidates(const std::string& name) const {
    if (space_->name.empty() || name.contains("::")) return {name};
    return {qualified(space_->name, name), name};
  }

  std::string suggestion(std::string_view name, bool entities_only) const {
    std::vector<std::string_view> known(entity_names_.begin(), entity_names_.end());
    if (!entities_only) {
      for (const auto& [common, _] : common_) known.push_back(common);
      for (const Builtin& builtin : builtins) known.push_back(builtin.name);
    }
    if (name == "Boolean" && !entities_only) return " (did you mean `Bool`?)";
    const auto near = base::nearest(name, known);
    return near ? std::format(" (did you mean `{}`?)", *near) : std::string();
  }

  // ---- types

  bool resolve_types() {
    for (auto& [name, common] : common_)
      if (resolve_common(common, common.written->place).type == nullptr) return false;
    return true;
  }

  Sized resolve_common(CommonType& common, Source::Place user) {
    if (common.state == CommonType::State::done) return common.resolved;
    if (common.state == CommonType::State::open) {
      fail(user, std::format("the type `{}` contains itself", common.written->name));
      return {};
    }
    common.state = CommonType::State::open;
    const auto* const space = space_;
    const std::string_view part = part_;
    const std::string_view name = name_;
    look_at(*common.space, of_types, common.written->name);
    common.resolved = type(common.written->type);
    if (space != nullptr) look_at(*space, part, name);
    common.state = CommonType::State::done;
    return common.resolved;
  }

  Sized type(const Source::Type& written) {
    if (depth_ >= deepest_type) return too_large(written.place);
    ++depth_;
    Sized sized = type_inside(written);
    --depth_;
    if (sized.type != nullptr && (sized.parts > largest_type || sized.depth > deepest_type))
      return too_large(written.place);
    return sized;
  }

  Sized too_large(Source::Place place) {
    fail(place,
         std::format("a type with common types written out has at most {} parts and {} levels",
                     largest_type, deepest_type),
         base::Code::too_large);
    return {};
  }

  Sized type_inside(const Source::Type& written) {
    switch (written.kind) {
      case Kind::set: {
        const Sized element = type(written.element[0]);
        if (element.type == nullptr) return {};
        Type set{.kind = Type::Kind::set};
        set.element = element.type;
        return {store_.arena.make(set), element.parts + 1, element.depth + 1};
      }
      case Kind::record: return record(written);
      case Kind::builtin: return {builtin(written.text)};
      default: return named(written);
    }
  }

  Sized record(const Source::Type& written) {
    Sized sized;
    std::vector<TypeAttribute> attributes;
    for (const Source::Attribute& attribute : written.attributes) {
      const Sized part = type(attribute.type);
      if (part.type == nullptr) return {};
      attributes.push_back(
          {store_.arena.copy(std::string_view(attribute.name)), part.type, attribute.required});
      sized.parts = std::min(sized.parts + part.parts, largest_type + 1);
      sized.depth = std::max(sized.depth, part.depth + 1);
    }
    std::ranges::sort(attributes, {}, &TypeAttribute::name);
    Type record{.kind = Type::Kind::record};
    record.attributes = store_.arena.copy(std::span<const TypeAttribute>(attributes));
    sized.type = store_.arena.make(record);
    return sized;
  }

  Sized named(const Source::Type& written) {
    std::string_view name = written.text;
    const bool certainly_builtin = name.starts_with("__cedar::");
    if (certainly_builtin) {
      name.remove_prefix(9);
    } else {
      for (const std::string& candidate : candidates(written.text)) {
        if (const auto found = common_.find(candidate);
            found != common_.end() && written.kind != Kind::entity)
          return resolve_common(found->second, written.place);
        if (const auto found = entity_names_.find(candidate);
            found != entity_names_.end() && written.kind != Kind::common)
          return {reference(*found)};
      }
    }
    const Type* const plain = written.kind == Kind::entity ? nullptr : builtin(name);
    if (plain == nullptr)
      fail(written.place, std::format("there is no type `{}`{}", written.text,
                                      suggestion(name, written.kind == Kind::entity)));
    return {plain};
  }

  // The type of entities of that type; made once.
  const Type* reference(std::string_view name) {
    const Type*& known = references_[std::string(name)];
    if (known != nullptr) return known;
    const std::string_view kept = store_.arena.copy(name);
    Type type{.kind = Type::Kind::entity};
    type.names = store_.arena.copy(std::span(&kept, 1));
    known = store_.arena.make(type);
    return known;
  }

  // A type that is a record, whether written out or by name.
  const Type* record_type(const Source::Type& written, std::string_view what) {
    const Sized sized = type(written);
    if (sized.type == nullptr) return nullptr;
    if (sized.type->is(Type::Kind::record)) return sized.type;
    fail(written.place, std::format("{} is a record, not {}", what, to_text(*sized.type)));
    return nullptr;
  }

  // ---- entity types

  bool resolve_entities() {
    const Type* const nothing = store_.arena.make(Type{.kind = Type::Kind::record});
    empty_record_ = nothing;
    for (const Source::Namespace& space : source_.namespaces)
      for (const Source::Entity& entity : space.entities) {
        look_at(space, of_entities, entity.name);
        if (!resolve_entity(entity)) return false;
      }
    return true;
  }

  bool resolve_entity(const Source::Entity& written) {
    SchemaEntity entity;
    entity.reference = reference(qualified(space_->name, written.name));
    entity.name = entity.reference->names[0];
    if (!entity_list(written.parents, entity.parents)) return false;
    entity.attributes = empty_record_;
    if (written.shape) entity.attributes = record_type(*written.shape, "the shape of an entity");
    if (written.tags) entity.tags = type(*written.tags).type;
    if (entity.attributes == nullptr || (written.tags && entity.tags == nullptr)) return false;
    if (written.enumeration) {
      entity.enumerated = true;
      std::vector<std::string_view> ids;
      for (const std::string& id : *written.enumeration)
        ids.push_back(store_.arena.copy(std::string_view(id)));
      std::ranges::sort(ids);
      entity.ids = store_.arena.copy(std::span<const std::string_view>(ids));
    }
    store_.by_name.emplace(entity.name, store_.entity_types.size());
    store_.entity_types.push_back(entity);
    return true;
  }

  bool entity_list(const std::vector<Source::Reference>& written,
                   std::span<const std::string_view>& out) {
    std::vector<std::string_view> names;
    for (const Source::Reference& one : written) {
      const std::string* found = nullptr;
      for (const std::string& candidate : candidates(one.name))
        if (const auto at = entity_names_.find(candidate); found == nullptr)
          found = at == entity_names_.end() ? nullptr : &*at;
      if (found == nullptr)
        return fail(one.place, std::format("there is no entity type `{}`{}", one.name,
                                           suggestion(one.name, true)));
      names.push_back(reference(*found)->names[0]);
    }
    out = store_.arena.copy(std::span<const std::string_view>(names));
    return true;
  }

  // ---- hierarchies

  // All that can be reached from `start` by `parents`, without recursion. Nothing above the limit.
  template <class T, class F>
  std::optional<std::set<T>> closure(std::span<const T> start, F&& parents) {
    std::set<T> reached;
    std::vector<T> open(start.begin(), start.end());
    while (!open.empty()) {
      const T next = open.back();
      open.pop_back();
      if (!reached.insert(next).second) continue;
      if (++closed_ > largest_closure) return std::nullopt;
      for (const T& parent : parents(next)) open.push_back(parent);
    }
    return reached;
  }

  bool close_entities() {
    for (SchemaEntity& entity : store_.entity_types) {
      const auto all = closure(entity.parents, [&](std::string_view name) {
        return store_.entity_types[store_.by_name.at(name)].parents;
      });
      if (!all) return fail(0, "the entity types have too many ancestors", base::Code::too_large);
      const std::vector<std::string_view> sorted(all->begin(), all->end());
      entity.ancestors = store_.arena.copy(std::span<const std::string_view>(sorted));
    }
    return true;
  }

  // ---- actions

  EntityUid kept(std::string_view type, std::string_view id) {
    return copy(EntityUid(type, id), store_.arena);
  }

  bool resolve_actions() {
    for (const Source::Namespace& space : source_.namespaces)
      for (const Source::Action& action : space.actions) {
        look_at(space, of_actions, action.id);
        if (!resolve_action(action)) return false;
      }
    return true;
  }

  bool resolve_action(const Source::Action& written) {
    SchemaAction action;
    const std::string type = qualified(space_->name, "Action");
    action.uid = kept(type, written.id);
    action.reference = reference(type);
    action.context = empty_record_;
    if (!groups(written, action)) return false;
    if (written.applies) {
      const Source::AppliesTo& applies = *written.applies;
      if (!entity_list(applies.principals, action.principals) ||
          !entity_list(applies.resources, action.resources))
        return false;
      if (applies.context) action.context = record_type(*applies.context, "a context");
      if (action.context == nullptr) return false;
    }
    places_.emplace_back(space_, &written);
    store_.actions.push_back(action);
    return true;
  }

  bool groups(const Source::Action& written, SchemaAction& action) {
    std::vector<EntityUid> parents;
    const std::string own = qualified(space_->name, "Action");
    for (const Source::ActionReference& group : written.parents) {
      // A bare `Action` is this namespace's, or else that outside of any.
      std::string type = group.type.empty() ? own : group.type;
      if (type == "Action" && action_names_.contains({own, group.id})) type = own;
      if (!action_names_.contains({type, group.id}))
        return fail(group.place, std::format("there is no action {}::{}", type, quoted(group.id)));
      parents.push_back(kept(type, group.id));
    }
    action.parents = store_.arena.copy(std::span<const EntityUid>(parents));
    return true;
  }

  bool close_actions() {
    for (const SchemaAction& action : store_.actions) store_.by_uid.at(action.uid) = &action;
    for (std::size_t i = 0; i < store_.actions.size(); ++i) {
      SchemaAction& action = store_.actions[i];
      look_at(*places_[i].first, of_actions, places_[i].second->id);
      const auto all = closure(action.parents, [&](const EntityUid& uid) {
        return (*store_.by_uid.find(uid))->parents;
      });
      if (!all) return fail(0, "the actions have too many ancestors", base::Code::too_large);
      if (all->contains(action.uid))
        return fail(places_[i].second->place,
                    std::format("the action {} is above itself", to_text(action.uid)));
      const std::vector<EntityUid> sorted(all->begin(), all->end());
      action.ancestors = store_.arena.copy(std::span<const EntityUid>(sorted));
    }
    return true;
  }

  const Source& source_;
  Schema::Store& store_;
  std::optional<base::Error> error_;
  const Source::Namespace* space_ = nullptr;
  std::string_view part_;
  std::string_view name_;
  std::map<std::string, CommonType, std::less<>> common_;
  std::set<std::string, std::less<>> entity_names_;
  std::set<std::pair<std::string, std::string>> action_names_;
  std::map<std::string, const Type*> references_;
  std::vector<std::pair<const Source::Namespace*, const Source::Action*>> places_;
  const Type* empty_record_ = nullptr;
  std::size_t closed_ = 0;
  std::uint32_t depth_ = 0;
};

}  // namespace

bool SchemaEntity::may_be_in(std::string_view other) const {
  return name == other || std::ranges::binary_search(ancestors, other);
}

bool SchemaEntity::has_id(std::string_view id) const {
  return !enumerated || std::ranges::binary_search(ids, id);
}

bool SchemaAction::in(const EntityUid& other) const {
  return uid == other || std::ranges::binary_search(ancestors, other);
}

Schema::Schema() : store_(std::make_shared<const Store>()) {}
Schema::Schema(std::shared_ptr<const Store> store) : store_(std::move(store)) {}

std::span<const SchemaEntity> Schema::entity_types() const { return store_->entity_types; }
std::span<const SchemaAction> Schema::actions() const { return store_->actions; }

const SchemaEntity* Schema::entity_type(std::string_view name) const {
  const auto found = store_->by_name.find(name);
  return found == store_->by_name.end() ? nullptr : &store_->entity_types[found->second];
}

const SchemaAction* Schema::action(const EntityUid& uid) const {
  const auto* const found = store_->by_uid.find(uid);
  return found == nullptr ? nullptr : *found;
}

void Schema::add_action_entities(Entities::Builder& builder) const {
  for (const SchemaAction& action : store_->actions)
    builder.add(action.uid, Value::empty_record(), action.parents);
}

bool is_action_type(std::string_view type) {
  return type == "Action" || type.ends_with("::Action");
}

base::Result<Schema> resolve(const SchemaSource& source) {
  auto store = std::make_shared<Schema::Store>();
  if (auto done = Resolver(source, *store).run(); !done) return std::unexpected(done.error());
  return Schema(std::move(store));
}

base::Result<Schema> parse_schema(std::string_view text, std::string_view file) {
  const auto source = read_schema_text(text, file);
  if (!source) return std::unexpected(source.error());
  return resolve(*source);
}

base::Result<Schema> parse_schema(json::Value tree, std::string_view file) {
  const auto source = read_schema_json(tree, file);
  if (!source) return std::unexpected(source.error());
  return resolve(*source);
}

}  // namespace latticegate::cedar
