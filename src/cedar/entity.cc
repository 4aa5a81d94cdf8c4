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

bool same(const Entity& a, const Entity& b) {
  return a.attributes == b.attributes && a.tags == b.tags &&
         std::ranges::equal(a.parents, b.parents);
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
  const Entity* conflict = nullptr;
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
    if (!same(store.entities[position - 1], entity)) draft_->conflict = store.arena.make(entity);
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
  if (draft->conflict != nullptr)
    return base::fail(base::Code::conflict,
                      std::format("the entity {} is given twice with different content",
                                  to_text(draft->conflict->uid)));
  if (store.entities.size() > most_entities)
    return base::fail(base::Code::too_large, std::format("more than {} entities", most_entities));

  // Depth first without recursion: an entity is finished after all its parents.
  enum class Visit : std::uint8_t { not_yet, open, done };
  std::vector<Visit> visits(store.entities.size(), Visit::not_yet);
  std::vector<std::uint32_t> stack;
  std::vector<EntityUid> ancestors;
  for (std::uint32_t root = 0; root < store.entities.size(); ++root) {
    if (visits[root] == Visit::not_yet) stack.push_back(root);
    while (!stack.empty()) {
      const std::uint32_t at = stack.back();
      Entity& entity = store.entities[at];
      if (visits[at] == Visit::done) {
        stack.pop_back();
        continue;
      }
      visits[at] = Visit::open;
      ancestors.clear();
      for (const EntityUid& parent : entity.parents) {
        const std::uint32_t* const position = store.index.find(parent);
        ancestors.push_back(parent);
        if (position == nullptr) continue;
        const std::uint32_t above = *position - 1;
        if (visits[above] == Visit::open)
          return base::fail(base::Code::invalid,
                            std::format("the entity {} is its own ancestor (through its parent {})",
                                        to_text(entity.uid), to_text(parent)));
        if (visits[above] == Visit::not_yet) {
          stack.push_back(above);
          continue;
        }
        const auto higher = store.entities[above].ancestors;
        ancestors.insert(ancestors.end(), higher.begin(), higher.end());
      }
      if (stack.back() != at)
        continue;  // parents first; this one stays open below them on the stack
      entity.ancestors = sorted(ancestors, store.arena);
      visits[at] = Visit::done;
      stack.pop_back();
    }
  }
  return Entities(draft->store);
}

Entity make_entity(const EntityUid& uid, const Value& attributes,
                   std::span<const EntityUid> parents, const EntityView& known, Arena& arena,
                   const Value& tags) {
  std::size_t most = parents.size();
  for (const EntityUid& parent : parents)
    if (const Entity* const entity = known.find(parent)) most += entity->ancestors.size();
  const auto room = arena.array<EntityUid>(most);
  std::size_t count = 0;
  const auto add = [&](const EntityUid& ancestor) { room[count++] = ancestor; };
  for (const EntityUid& parent : parents) {
    add(parent);
    if (const Entity* const entity = known.find(parent))
      std::ranges::for_each(entity->ancestors, add);
  }
  std::ranges::sort(room);
  const auto rest = std::ranges::unique(room);
  return {uid, attributes, tags, parents, room.first(room.size() - rest.size())};
}

}  // namespace latticegate::cedar
