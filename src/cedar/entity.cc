#include "cedar/entity.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <format>
#include <utility>

#include "cedar/detail/uid_table.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t most_entities = std::size_t{1} << 24U;
constexpr std::size_t linear = 12;  // ancestors up to which a linear search is used

// The parents and all that is above them, sorted. `find` gives an entity by its uid, or null.
template <class Find>
std::span<const EntityUid> closure(std::span<const EntityUid> parents, const Find& find,
                                   Arena& arena) {
  std::size_t most = parents.size();
  for (const EntityUid& parent : parents)
    if (const Entity* const entity = find(parent)) most += entity->ancestors.size();
  const auto room = arena.array<EntityUid>(most);
  std::size_t count = 0;
  const auto add = [&](const EntityUid& ancestor) { room[count++] = ancestor; };
  for (const EntityUid& parent : parents) {
    add(parent);
    if (const Entity* const entity = find(parent)) std::ranges::for_each(entity->ancestors, add);
  }
  std::ranges::sort(room);
  const auto rest = std::ranges::unique(room);
  return room.first(room.size() - rest.size());
}

std::span<const EntityUid> sorted(std::span<const EntityUid> uids, Arena& arena) {
  const auto room = arena.array<EntityUid>(uids.size());
  std::ranges::copy(uids, room.begin());
  std::ranges::sort(room);
  const auto rest = std::ranges::unique(room);
  return room.first(room.size() - rest.size());
}

}  // namespace

bool Entity::in(const EntityUid& other) const {
  if (uid == other) return true;
  if (ancestors.size() > linear) return std::ranges::binary_search(ancestors, other);
  return std::ranges::find(ancestors, other) != ancestors.end();
}

struct Entities::Store {
  Arena arena{1024};
  std::vector<Entity> entities;
  UidTable<std::uint32_t> index;  // position + 1
};

Entities::Entities() : store_(std::make_shared<const Store>()) {}
Entities::Entities(std::shared_ptr<const Store> store) : store_(std::move(store)) {}

const Entity* Entities::find(const EntityUid& uid) const {
  const std::uint32_t* const position = store_->index.find(uid);
  return position == nullptr ? nullptr : &store_->entities[*position - 1];
}

std::span<const Entity> Entities::all() const { return store_->entities; }

struct Entities::Builder::Draft {
  std::shared_ptr<Store> store = std::make_shared<Store>();
  std::vector<Entity> again;  // second versions of entities
};

Entities::Builder::Builder() : draft_(std::make_unique<Draft>()) {}
Entities::Builder::Builder(Builder&&) noexcept = default;
Entities::Builder& Entities::Builder::operator=(Builder&&) noexcept = default;
Entities::Builder::~Builder() = default;

void Entities::Builder::add(const EntityUid& uid, const Value& attributes,
                            std::span<const EntityUid> parents, const Value& tags) {
  Store& store = *draft_->store;
  Entity entity;
  entity.uid = copy(uid, store.arena);
  if (attributes.is(Kind::record)) entity.attributes = copy(attributes, store.arena);
  if (tags.is(Kind::record)) entity.tags = copy(tags, store.arena);
  std::vector<EntityUid> mine;
  mine.reserve(parents.size());
  for (const EntityUid& parent : parents) mine.push_back(copy(parent, store.arena));
  entity.parents = sorted(mine, store.arena);
  std::uint32_t& position = store.index.at(entity.uid);
  if (position != 0) {
    draft_->again.push_back(entity);
    return;
  }
  store.entities.push_back(entity);
  position = static_cast<std::uint32_t>(store.entities.size());
}

void Entities::Builder::add(const Entities& others) {
  for (const Entity& entity : others.all())
    add(entity.uid, entity.attributes, entity.parents, entity.tags);
}

base::Result<Entities> Entities::Builder::build() {
  const auto draft = std::exchange(draft_, std::make_unique<Draft>());
  Store& store = *draft->store;
  if (store.entities.size() > most_entities)
    return base::fail(base::Code::too_large, std::format("more than {} entities", most_entities));
  const auto find = [&](const EntityUid& uid) -> Entity* {
    const std::uint32_t* const position = store.index.find(uid);
    return position == nullptr ? nullptr : &store.entities[*position - 1];
  };

  // Depth first without recursion: an entity is finished after all its parents.
  enum class Visit : std::uint8_t { not_yet, open, done };
  std::vector<Visit> visits(store.entities.size(), Visit::not_yet);
  const auto visit_of = [&](const Entity* entity) -> Visit& {
    return visits[static_cast<std::size_t>(entity - store.entities.data())];
  };
  std::vector<Entity*> stack;
  for (Entity& root : store.entities) {
    if (visit_of(&root) == Visit::not_yet) stack.push_back(&root);
    while (!stack.empty()) {
      Entity* const entity = stack.back();
      if (visit_of(entity) == Visit::done) {
        stack.pop_back();
        continue;
      }
      visit_of(entity) = Visit::open;
      for (const EntityUid& uid : entity->parents) {
        Entity* const parent = find(uid);
        if (parent == nullptr) continue;
        if (visit_of(parent) == Visit::open)
          return base::fail(base::Code::invalid,
                            std::format("the entity {} is its own ancestor (through its parent {})",
                                        to_text(entity->uid), to_text(uid)));
        if (visit_of(parent) == Visit::not_yet) stack.push_back(parent);
      }
      if (stack.back() != entity)
        continue;  // parents first; this one stays open below them on the stack
      entity->ancestors = closure(entity->parents, find, store.arena);
      visit_of(entity) = Visit::done;
      stack.pop_back();
    }
  }
  for (const Entity& twin : draft->again) {
    // Other parents are the same content when they lead to the same ancestors: some sources list
    // all of them as parents.
    const Entity& first = *find(twin.uid);
    if (!(first.attributes == twin.attributes) || !(first.tags == twin.tags) ||
        !std::ranges::equal(first.ancestors, closure(twin.parents, find, store.arena)))
      return base::fail(
          base::Code::conflict,
          std::format("the entity {} is given twice with different content", to_text(twin.uid)));
  }
  return Entities(draft->store);
}

Entity make_entity(const EntityUid& uid, const Value& attributes,
                   std::span<const EntityUid> parents, const EntityView& known, Arena& arena,
                   const Value& tags) {
  const auto find = [&](const EntityUid& other) { return known.find(other); };
  return {uid, attributes, tags, parents, closure(parents, find, arena)};
}

}  // namespace latticegate::cedar
