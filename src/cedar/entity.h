// Entities: the immutable store of who and what exists, with all ancestors computed when it is
// built.
//
// Lifetimes
//   Entities            a snapshot; copies share it, cheap to copy, readable from any thread
//   Entity, Value, ...  views into the Entities (or the Arena) that they came from
// One call may see further entities, or other versions of stored ones, without a copy of the store:
// EntityView.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/arena.h"
#include "cedar/value.h"

namespace latticegate::cedar {

struct Entity {
  EntityUid uid;
  Value attributes = Value::empty_record();
  Value tags = Value::empty_record();
  std::span<const EntityUid> parents;
  std::span<const EntityUid> ancestors;  // transitive closure of the parents, sorted

  // Whether it is below `other`, or is `other`.
  bool in(const EntityUid& other) const;
};

class Entities {
 public:
  class Builder;
  Entities();  // empty
  // The entity, or null when it is not here.
  const Entity* find(const EntityUid& uid) const;
  std::span<const Entity> all() const;
  std::size_t size() const { return all().size(); }

 private:
  struct Store;
  explicit Entities(std::shared_ptr<const Store> store);
  std::shared_ptr<const Store> store_;
};

// Collects entities and builds the snapshot. What is added is copied; the arguments may die
// afterwards.
class Entities::Builder {
 public:
  Builder();
  Builder(Builder&&) noexcept;
  Builder& operator=(Builder&&) noexcept;
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  ~Builder();

  // Parents need not exist. `attributes` and `tags` are records or no value.
  void add(const EntityUid& uid, const Value& attributes, std::span<const EntityUid> parents,
           const Value& tags = {});
  // All entities of another snapshot.
  void add(const Entities& others);

  // Code::conflict when one uid was added twice with different content (attributes,
  // tags, ancestors), Code::invalid when an
  // entity is its own ancestor, Code::too_large above 2^24 entities. The builder is empty
  // afterwards.
  [[nodiscard]] base::Result<Entities> build();

 private:
  struct Draft;
  std::unique_ptr<Draft> draft_;
};

// The entities that one evaluation sees: the extra ones first (few: they are searched in line),
// then the snapshot. A view: both must outlive it.
class EntityView {
 public:
  EntityView(const Entities& stored, std::span<const Entity> extra = {})
      : stored_(&stored), extra_(extra) {}
  const Entity* find(const EntityUid& uid) const {
    for (const Entity& entity : extra_)
      if (entity.uid == uid) return &entity;
    return stored_->find(uid);
  }

 private:
  const Entities* stored_;
  std::span<const Entity> extra_;
};

// An entity for one call, for the `extra` of an EntityView: its ancestors are its parents and what
// is above them in `known`. An extra entity hides a stored one of the same uid, but ancestors of
// other entities stay as they were computed. The views stay the caller's; what is computed lies in
// the arena.
Entity make_entity(const EntityUid& uid, const Value& attributes,
                   std::span<const EntityUid> parents, const EntityView& known, Arena& arena,
                   const Value& tags = Value::empty_record());

}  // namespace latticegate::cedar
