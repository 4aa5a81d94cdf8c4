#include "cedar/policy_set.h"

#include <algorithm>
#include <cstddef>
#include <format>
#include <limits>
#include <utility>

#include "cedar/detail/parser.h"
#include "cedar/detail/store.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {
namespace {

// The scope constraint with its slot filled.
ScopeConstraint fill(ScopeConstraint scope, const std::optional<EntityUid>& uid, Arena& arena) {
  if (!scope.slot) return scope;
  const EntityUid mine = copy(*uid, arena);
  scope.slot = false;
  scope.uids = arena.copy(std::span<const EntityUid>(&mine, 1));
  return scope;
}

// The attributes by which Cedar knows the temporal conditions of a policy.
void name_temporal(const Policy& policy, Arena& arena) {
  for (std::size_t i = 0; i < policy.temporal.size(); ++i)
    *policy.temporal[i].attribute =
        Name(arena.copy(std::string_view(std::format("{}__temporal_{}", policy.id, i))));
}

std::unexpected<base::Error> wrong_slot(std::string_view template_id, std::string_view slot,
                                        bool given) {
  return base::fail(base::Code::invalid,
                    std::format("the template `{}` {} a slot ?{}", template_id,
                                given ? "does not have" : "needs a value for", slot));
}

}  // namespace

std::string_view name(Effect effect) { return effect == Effect::permit ? "permit" : "forbid"; }

std::optional<std::string_view> Policy::annotation(std::string_view key) const {
  for (const Annotation& annotation : annotations)
    if (annotation.key == key) return annotation.value;
  return std::nullopt;
}

std::string_view Policy::text(Span stretch) const {
  return std::string_view(source->text).substr(stretch.begin, stretch.end - stretch.begin);
}

Location Policy::locate(Span stretch) const { return source->locate(stretch.begin); }

PolicySet::PolicySet() : store_(std::make_shared<const Store>()) {}
PolicySet::PolicySet(std::shared_ptr<const Store> store) : store_(std::move(store)) {}
std::span<const Policy> PolicySet::policies() const { return store_->policies; }
std::span<const Policy> PolicySet::templates() const { return store_->templates; }

const Policy* PolicySet::find(std::string_view id) const {
  const auto found = store_->by_id.find(id);
  return found == store_->by_id.end() ? nullptr : found->second;
}

std::span<const PolicyIndex> PolicySet::with_action_equal(const EntityUid& action) const {
  const auto* const found = store_->action_equal.find(action);
  return found == nullptr ? std::span<const PolicyIndex>() : *found;
}

std::span<const PolicyIndex> PolicySet::with_action_in(const EntityUid& group) const {
  const auto* const found = store_->action_in.find(group);
  return found == nullptr ? std::span<const PolicyIndex>() : *found;
}

std::span<const PolicyIndex> PolicySet::with_any_action() const { return store_->action_any; }

PolicySet::Builder::Builder(Naming naming, const PolicyLimits& limits)
    : draft_(std::make_shared<Store>()) {
  draft_->naming = naming;
  draft_->limits = limits;
}
PolicySet::Builder::Builder(Builder&&) noexcept = default;
PolicySet::Builder& PolicySet::Builder::operator=(Builder&&) noexcept = default;
PolicySet::Builder::~Builder() = default;

base::Result<std::vector<Policy>> PolicySet::Builder::read(std::string_view text,
                                                           std::string_view file) {
  if (text.size() > draft_->limits.size.count ||
      text.size() >= std::numeric_limits<std::uint32_t>::max())
    return base::fail(base::Code::too_large,
                      std::format("{}: {} bytes of policy text; the limit is {}", file, text.size(),
                                  draft_->limits.size.count));
  auto source = std::make_unique<const SourceFile>(file, text);
  auto parsed = parse_policy_text(*source, draft_->arena, draft_->limits);
  if (parsed) draft_->files.push_back(std::move(source));
  return parsed;
}

base::Result<void> PolicySet::Builder::add_one(std::string_view text, std::string_view file,
                                               std::string_view id, bool slots) {
  auto parsed = read(text, file);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (parsed->size() != 1 || parsed->front().is_template() != slots)
    return base::fail(base::Code::invalid,
                      std::format("{}: not exactly one {}", file, slots ? "template" : "policy"));
  if (draft_->ids.contains(id))
    return base::fail(base::Code::conflict,
                      std::format("{}: the policy id `{}` is taken", file, id));
  Policy& policy = parsed->front();
  policy.id = draft_->arena.copy(id);
  name_temporal(policy, draft_->arena);
  draft_->ids.emplace(policy.id, policy.locate(policy.span));
  (slots ? draft_->templates : draft_->policies).push_back(policy);
  return {};
}

base::Result<void> PolicySet::Builder::add(std::string_view text, std::string_view file) {
  auto parsed = read(text, file);
  if (!parsed) return std::unexpected(std::move(parsed).error());

  std::map<std::string_view, Location> fresh;
  std::size_t number = draft_->read;
  for (Policy& policy : *parsed) {
    policy.id = draft_->arena.copy(std::string_view(std::format("policy{}", number++)));
    const Location place = policy.locate(policy.span);
    if (draft_->naming == Naming::by_annotation)
      policy.id = policy.annotation("id").value_or(policy.id);
    name_temporal(policy, draft_->arena);
    const auto twin = draft_->ids.find(policy.id);
    const bool here = fresh.contains(policy.id);
    if (here || twin != draft_->ids.end()) {
      const Location first = here ? fresh[policy.id] : twin->second;
      return base::fail(
          base::Code::conflict,
          std::format("{}:{}:{}: the policy id `{}` is taken (first at {}:{}:{})", place.file,
                      place.line, place.column, policy.id, first.file, first.line, first.column));
    }
    fresh.emplace(policy.id, place);
  }
  draft_->read = number;
  draft_->ids.merge(fresh);
  for (const Policy& policy : *parsed)
    (policy.is_template() ? draft_->templates : draft_->policies).push_back(policy);
  return {};
}

base::Result<void> PolicySet::Builder::link(std::string_view template_id, std::string_view new_id,
                                            const std::optional<EntityUid>& principal,
                                            const std::optional<EntityUid>& resource) {
  const auto found = std::ranges::find(draft_->templates, template_id, &Policy::id);
  if (found == draft_->templates.end())
    return base::fail(base::Code::not_found, std::format("there is no template `{}`", template_id));
  if (draft_->ids.contains(new_id))
    return base::fail(base::Code::conflict, std::format("the policy id `{}` is taken", new_id));
  if (found->principal.slot != principal.has_value())
    return wrong_slot(template_id, "principal", principal.has_value());
  if (found->resource.slot != resource.has_value())
    return wrong_slot(template_id, "resource", resource.has_value());
  Policy policy = *found;
  policy.template_id = found->id;
  policy.id = draft_->arena.copy(new_id);
  policy.principal = fill(policy.principal, principal, draft_->arena);
  policy.resource = fill(policy.resource, resource, draft_->arena);
  draft_->ids.emplace(policy.id, policy.locate(policy.span));
  draft_->policies.push_back(policy);
  return {};
}

PolicySet PolicySet::Builder::build() {
  const auto store = std::exchange(draft_, std::make_shared<Store>());
  draft_->naming = store->naming;
  draft_->limits = store->limits;
  store->ids.clear();
  for (PolicyIndex i = 0; i < store->policies.size(); ++i) {
    const Policy& policy = store->policies[i];
    store->by_id.emplace(policy.id, &policy);
    const auto add = [i](std::vector<PolicyIndex>& list) {
      if (list.empty() || list.back() != i) list.push_back(i);
    };
    switch (policy.action.kind) {
      case ScopeConstraint::Kind::any: add(store->action_any); break;
      case ScopeConstraint::Kind::equal: add(store->action_equal.at(policy.action.uids[0])); break;
      default:
        for (const EntityUid& group : policy.action.uids) add(store->action_in.at(group));
    }
  }
  for (const Policy& policy : store->templates) store->by_id.emplace(policy.id, &policy);
  return PolicySet(store);
}

base::Result<PolicySet> parse_policies(std::string_view text, std::string_view file, Naming naming,
                                       const PolicyLimits& limits) {
  PolicySet::Builder builder(naming, limits);
  if (auto added = builder.add(text, file); !added)
    return std::unexpected(std::move(added).error());
  return builder.build();
}

}  // namespace latticegate::cedar
