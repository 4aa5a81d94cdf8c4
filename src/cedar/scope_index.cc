#include "cedar/detail/scope_index.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace latticegate::cedar {
namespace {

constexpr std::size_t large = 8;         // candidates above which a bucket is split
constexpr std::size_t most_in_line = 6;  // types that are looked for one by one

void add_once(std::vector<AtomId>& atoms, AtomId atom) {
  if (!std::ranges::contains(atoms, atom)) atoms.push_back(atom);
}

}  // namespace

struct ScopeIndex::Placed {
  AtomId first = 0;  // 0: in the bucket that every request visits
  AtomId second = 0;
  Candidate candidate;
  std::vector<AtomId> checks;
};

AtomId& ScopeIndex::TypeTable::at(std::string_view type) {
  if (hashed_.empty()) {
    const auto known = std::ranges::find(few_, type, &std::pair<std::string_view, AtomId>::first);
    if (known != few_.end()) return known->second;
    if (few_.size() < most_in_line) return few_.emplace_back(type, 0).second;
    for (const auto& [name, atom] : few_) hashed_.at(EntityUid(name, {})) = atom;
  }
  return hashed_.at(EntityUid(type, {}));
}

bool ScopeIndex::collect(const ScopeConstraint& constraint, std::size_t position, Draft& draft) {
  if (constraint.slot) return false;
  using Of = ScopeConstraint::Kind;
  switch (constraint.kind) {
    case Of::any: return true;
    case Of::equal:
      add_once(draft.all, atom(uids_.at(constraint.uids[0]).equal[position]));
      return true;
    case Of::is_in:
    case Of::is:
      add_once(draft.all, atom(types_.at(position).at(constraint.type)));
      if (constraint.kind == Of::is) return true;
      [[fallthrough]];
    case Of::in: add_once(draft.all, atom(uids_.at(constraint.uids[0]).in[position])); return true;
    case Of::in_any: break;
  }
  if (constraint.uids.empty()) return false;
  if (constraint.uids.size() == 1) {
    add_once(draft.all, atom(uids_.at(constraint.uids[0]).in[position]));
    return true;
  }
  for (const EntityUid& uid : constraint.uids)
    draft.list.push_back(atom(uids_.at(uid).in[position]));
  std::ranges::sort(draft.list);
  const auto again = std::ranges::unique(draft.list);
  draft.list.erase(again.begin(), again.end());
  return true;
}

void ScopeIndex::add(Candidate candidate,
                     const std::array<std::vector<ScopeConstraint>, 3>& scope) {
  Draft draft{.candidate = candidate, .all = {}, .list = {}};
  for (std::size_t position = 0; position < scope.size(); ++position)
    for (const ScopeConstraint& constraint : scope[position])
      if (!collect(constraint, position, draft)) return;
  drafts_.push_back(std::move(draft));
}

AtomId ScopeIndex::rarest(std::span<const AtomId> atoms) const {
  AtomId best = 0;
  for (const AtomId atom : atoms)
    if (best == 0 || frequencies_[atom] < frequencies_[best]) best = atom;
  return best;
}

std::vector<ScopeIndex::Placed> ScopeIndex::placed() {
  std::vector<Placed> out;
  std::vector<std::uint32_t> sizes(atom_count_, 0);
  const auto place = [&](const Draft& draft, AtomId first, std::size_t list_count) {
    Placed placed{.first = first, .second = 0, .candidate = draft.candidate, .checks = draft.all};
    std::erase(placed.checks, first);
    placed.candidate.list_count = static_cast<std::uint32_t>(list_count);
    ++sizes[first];
    out.push_back(std::move(placed));
  };
  for (Draft& draft : drafts_) {
    const AtomId best = rarest(draft.all);
    const auto common =
        std::ranges::max_element(draft.list, {}, [&](AtomId atom) { return frequencies_[atom]; });
    draft.candidate.list = static_cast<std::uint32_t>(checks_.size());
    checks_.insert(checks_.end(), draft.list.begin(), draft.list.end());
    draft.candidate.repeated =
        common != draft.list.end() && (best == 0 || frequencies_[*common] < frequencies_[best]);
    if (draft.candidate.repeated) {
      for (std::size_t i = 0; i < draft.list.size(); ++i) place(draft, draft.list[i], i);
    } else {
      place(draft, best, draft.list.size());
    }
  }
  for (Placed& placed : out) {
    if (placed.first == 0 || sizes[placed.first] <= large) continue;
    placed.second = rarest(placed.checks);
    if (placed.second != 0) std::erase(placed.checks, placed.second);
  }
  std::ranges::stable_sort(out, {}, [](const Placed& placed) {
    return std::tuple(placed.first, placed.second, placed.candidate.policy);
  });
  return out;
}

void ScopeIndex::finish() {
  frequencies_.assign(atom_count_, 0);
  for (const Draft& draft : drafts_)
    for (const auto* const atoms : {&draft.all, &draft.list})
      for (const AtomId atom : *atoms) ++frequencies_[atom];
  buckets_.assign(atom_count_, {});
  for (Placed& placed : placed()) {
    placed.candidate.checks = static_cast<std::uint32_t>(checks_.size());
    placed.candidate.check_count = static_cast<std::uint32_t>(placed.checks.size());
    checks_.insert(checks_.end(), placed.checks.begin(), placed.checks.end());
    const auto at = static_cast<std::uint32_t>(candidates_.size());
    candidates_.push_back(placed.candidate);
    const auto [bucket, fresh] = [&]() -> std::pair<Bucket*, bool> {
      if (placed.second != 0) {
        buckets_[placed.first].split = true;
        const auto [found, made] = pairs_.try_emplace(pair(placed.first, placed.second));
        return {&found->second, made};
      }
      Bucket& whole = placed.first == 0 ? rest_ : buckets_[placed.first];
      return {&whole, whole.first == whole.last};
    }();
    if (fresh) bucket->first = at;
    bucket->last = at + 1;
  }
  drafts_.clear();
  frequencies_.clear();
}

void ScopeIndex::mark(const Request& request, const std::array<const Entity*, 3>& entities,
                      AtomMarks& marks) const {
  const EntityUid* const uids[] = {&request.principal, &request.action, &request.resource};
  const auto add = [&](AtomId atom) {
    if (atom != 0) marks.add(atom);
  };
  for (std::size_t position = 0; position < entities.size(); ++position) {
    if (const UidAtoms* const found = uids_.find(*uids[position])) {
      add(found->equal[position]);
      add(found->in[position]);
    }
    if (entities[position] != nullptr)
      for (const EntityUid& ancestor : entities[position]->ancestors)
        if (const UidAtoms* const found = uids_.find(ancestor)) add(found->in[position]);
    add(types_.at(position).find(uids[position]->type()));
  }
}

}  // namespace latticegate::cedar
