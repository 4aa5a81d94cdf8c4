#include "cedar/detail/scope_index.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace latticegate::cedar {
namespace {

constexpr std::size_t large = 8;  // candidates above which a bucket is split
constexpr std::size_t most_checks = std::numeric_limits<std::uint16_t>::max();

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
      add_once(draft.all, atom(types_.at(EntityUid(constraint.type, {})).is[position]));
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
    add_once(draft.choice, atom(uids_.at(uid).in[position]));
  return true;
}

void ScopeIndex::add(Candidate candidate,
                     const std::array<std::vector<ScopeConstraint>, 3>& scope) {
  Draft draft{.candidate = candidate, .all = {}, .choice = {}};
  for (std::size_t position = 0; position < scope.size(); ++position)
    for (const ScopeConstraint& constraint : scope[position])
      if (!collect(constraint, position, draft)) return;
  drafts_.push_back(std::move(draft));
}

AtomId ScopeIndex::rarest(std::span<const AtomId> atoms, AtomId except) const {
  AtomId best = 0;
  for (const AtomId atom : atoms)
    if (atom != except && (best == 0 || frequencies_[atom] < frequencies_[best])) best = atom;
  return best;
}

std::vector<ScopeIndex::Placed> ScopeIndex::placed() const {
  std::vector<Placed> out;
  std::vector<std::uint32_t> sizes(atom_count_, 0);
  const auto place = [&](const Draft& draft, AtomId first, std::size_t earlier) {
    Placed placed{.first = first, .second = 0, .candidate = draft.candidate, .checks = draft.all};
    std::erase(placed.checks, first);
    placed.candidate.conjunction = static_cast<std::uint16_t>(placed.checks.size());
    const bool by_choice = earlier < draft.choice.size();
    const auto others = std::span(draft.choice).first(by_choice ? earlier : draft.choice.size());
    placed.checks.insert(placed.checks.end(), others.begin(), others.end());
    (by_choice ? placed.candidate.earlier : placed.candidate.choice) =
        static_cast<std::uint16_t>(others.size());
    ++sizes[first];
    out.push_back(std::move(placed));
  };
  for (const Draft& draft : drafts_) {
    const AtomId best = rarest(draft.all);
    const auto common =
        std::ranges::max_element(draft.choice, {}, [&](AtomId atom) { return frequencies_[atom]; });
    const bool by_choice =
        common != draft.choice.end() && (best == 0 || frequencies_[*common] < frequencies_[best]);
    if (by_choice) {
      for (std::size_t i = 0; i < draft.choice.size(); ++i) place(draft, draft.choice[i], i);
    } else {
      place(draft, best, draft.choice.size());
    }
  }
  for (Placed& placed : out) {
    if (placed.first == 0 || sizes[placed.first] <= large) continue;
    const auto rest = std::span<const AtomId>(placed.checks).first(placed.candidate.conjunction);
    placed.second = rarest(rest);
    if (placed.second == 0) continue;
    std::erase(placed.checks, placed.second);
    --placed.candidate.conjunction;
  }
  std::ranges::stable_sort(out, {}, [](const Placed& placed) {
    return std::tuple(placed.first, placed.second, placed.candidate.policy);
  });
  return out;
}

void ScopeIndex::finish() {
  frequencies_.assign(atom_count_, 0);
  for (const Draft& draft : drafts_)
    for (const auto* const atoms : {&draft.all, &draft.choice})
      for (const AtomId atom : *atoms) ++frequencies_[atom];
  buckets_.assign(atom_count_, {});
  for (Placed& placed : placed()) {
    placed.candidate.checks = static_cast<std::uint32_t>(checks_.size());
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
    if (types_.empty()) continue;
    if (const TypeAtoms* const found = types_.find(EntityUid(uids[position]->type(), {})))
      add(found->is[position]);
  }
}

}  // namespace latticegate::cedar
