// ScopeIndex: which policies' scopes match a request, without looking at those that do not.
//
// A scope is a conjunction of atoms such as "the principal is in Group::"staff"" or "the resource's
// type is Doc". A request brings its atoms along: its own uids and types and the ancestors of its
// entities, as far as policies name them. Every policy stands in one bucket, under the rarest of
// its atoms, and large buckets are split once more by the second rarest; so a request visits the
// few buckets of its own atoms. What remains of a scope is checked there, by number.
//
// Built once, then only read.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cedar/detail/graph.h"
#include "cedar/detail/uid_table.h"
#include "cedar/entity.h"
#include "cedar/evaluate.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {

using AtomId = std::uint32_t;

// A policy as the index keeps it, in one of its buckets.
struct Candidate {
  PolicyIndex policy = 0;
  Effect effect = Effect::permit;
  bool repeated = false;          // it stands in further buckets, one for each atom of a list
  std::uint32_t checks = 0;       // what its scope asks besides its bucket: a stretch of atoms
  std::uint32_t check_count = 0;  // that all have to be present
  std::uint32_t list = 0;         // a stretch of atoms of which one has to be present or, if it is
  std::uint32_t list_count = 0;   // repeated, none may: the policy is taken in their bucket then
  std::uint32_t literals = 0;     // the conditions: a stretch of the program's
  std::uint32_t literal_count = 0;
};

// The atoms of one request.
class AtomMarks {
 public:
  void fit(std::size_t atoms) {
    marks_.assign(atoms, 0);
    present_.assign(atoms, 0);
    count_ = 0;
    stamp_ = 0;
  }
  void clear() {
    count_ = 0;
    if (++stamp_ == 0) fit(marks_.size()), stamp_ = 1;
  }
  void add(AtomId atom) {
    if (marks_.data()[atom] == stamp_) return;
    marks_.data()[atom] = stamp_;
    present_.data()[count_++] = atom;  // each once: there is room for all
  }
  bool has(AtomId atom) const { return marks_.data()[atom] == stamp_; }
  std::span<const AtomId> present() const { return {present_.data(), count_}; }

 private:
  std::vector<std::uint32_t> marks_;
  std::vector<AtomId> present_;
  std::size_t count_ = 0;
  std::uint32_t stamp_ = 0;
};

class ScopeIndex {
 public:
  // To be built: add() each policy, then finish().
  void add(Candidate candidate, const std::array<std::vector<ScopeConstraint>, 3>& scope);
  void finish();

  std::size_t atoms() const { return atom_count_; }
  std::size_t size() const { return candidates_.size(); }

  // The atoms that the three entities bring along; null for those that do not exist.
  void mark(const Request& request, const std::array<const Entity*, 3>& entities,
            AtomMarks& marks) const;

  // Calls visit(candidate) once for every policy whose scope matches, in no particular order.
  template <class Visit>
  void for_each_match(const AtomMarks& marks, const Visit& visit) const {
    const auto each = [&](const Bucket& bucket) {
      for (std::uint32_t i = bucket.first; i < bucket.last; ++i)
        if (const Candidate& candidate = candidates_.data()[i]; matches(candidate, marks))
          visit(candidate);
    };
    each(rest_);
    for (const AtomId atom : marks.present()) {
      const Bucket& bucket = buckets_.data()[atom];
      each(bucket);
      if (!bucket.split) continue;
      for (const AtomId second : marks.present())
        if (const auto found = pairs_.find(pair(atom, second)); found != pairs_.end())
          each(found->second);
    }
  }

 private:
  struct Bucket {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    bool split = false;
  };
  // What is asked of one uid: by position in the scope, as `==` and as `in`. 0 is: nothing.
  struct UidAtoms {
    std::array<AtomId, 3> equal{};
    std::array<AtomId, 3> in{};
  };
  // From type names to atoms. Policies name few types: one by one they are found faster than by
  // their hash.
  class TypeTable {
   public:
    AtomId& at(std::string_view type);
    AtomId find(std::string_view type) const {  // 0 when it is not there
      if (hashed_.empty()) {
        for (const auto& [name, atom] : few_)
          if (same_bytes(name, type)) return atom;
        return 0;
      }
      const AtomId* const found = hashed_.find(EntityUid(type, {}));
      return found == nullptr ? 0 : *found;
    }

   private:
    std::vector<std::pair<std::string_view, AtomId>> few_;
    UidTable<AtomId> hashed_;  // all of them once they are many
  };
  struct Draft {
    Candidate candidate;
    std::vector<AtomId> all;   // atoms that all have to be present
    std::vector<AtomId> list;  // one of these, unless empty
  };

  bool matches(const Candidate& candidate, const AtomMarks& marks) const {
    const AtomId* check = checks_.data() + candidate.checks;
    for (const AtomId* const end = check + candidate.check_count; check != end; ++check)
      if (!marks.has(*check)) return false;
    if (candidate.list_count == 0) return true;
    const AtomId* item = checks_.data() + candidate.list;
    for (const AtomId* const end = item + candidate.list_count; item != end; ++item)
      if (marks.has(*item)) return !candidate.repeated;
    return candidate.repeated;
  }
  static std::uint64_t pair(AtomId first, AtomId second) {
    return (std::uint64_t{first} << 32U) | second;
  }
  AtomId atom(AtomId& place) {
    if (place == 0) place = static_cast<AtomId>(atom_count_++);
    return place;
  }
  // False when the constraint can never match.
  bool collect(const ScopeConstraint& constraint, std::size_t position, Draft& draft);
  AtomId rarest(std::span<const AtomId> atoms) const;
  // The draft as it stands in one bucket, and where that is.
  struct Placed;
  std::vector<Placed> placed();

  std::size_t atom_count_ = 1;
  UidTable<UidAtoms> uids_;
  // What is asked of types, by position in the scope.
  std::array<TypeTable, 3> types_;
  std::vector<Bucket> buckets_;
  Bucket rest_;
  std::unordered_map<std::uint64_t, Bucket> pairs_;
  std::vector<Candidate> candidates_;
  std::vector<AtomId> checks_;
  // While building:
  std::vector<Draft> drafts_;
  std::vector<std::uint32_t> frequencies_;
};

}  // namespace latticegate::cedar
