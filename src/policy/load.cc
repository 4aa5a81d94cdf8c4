#include "policy/detail/load.h"

#include <algorithm>
#include <format>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/suggest.h"
#include "cedar/expression.h"
#include "policy/detail/model.h"

namespace latticegate::policy {
namespace {

using base::Code;
using cedar::EntityUid;
using cedar::Value;

constexpr std::string_view built_in_file = "latticegate-defaults.cedar";
constexpr std::string_view reserved = "latticegate-";

// One per line, so that a log stays readable not all of them.
std::string lines_of(std::span<const Diagnostic> errors) {
  constexpr std::size_t most = 50;
  std::string text;
  for (const Diagnostic& error : errors.first(std::min(errors.size(), most)))
    text += (text.empty() ? "" : "\n") + describe(error);
  if (errors.size() > most) text += std::format("\n... and {} more", errors.size() - most);
  return text;
}

// Some mean something for one effect only; for the other they would do nothing, unseen.
std::optional<std::string_view> misplaced(Obligation::Kind kind, cedar::Effect effect) {
  if (kind == Obligation::Kind::step_up && effect == cedar::Effect::permit)
    return "step_up lifts a forbid, and this is a permit: forbid what needs an approval";
  if (kind == Obligation::Kind::ask_client && effect == cedar::Effect::permit)
    return "ask_client is a way to get an approval, and this is a permit";
  if (kind == Obligation::Kind::honeypot && effect == cedar::Effect::permit)
    return "honeypot answers in place of a refusal, and this is a permit";
  if (kind == Obligation::Kind::throttle && effect == cedar::Effect::forbid)
    return "throttle bounds what a permit allows, and this is a forbid";
  return std::nullopt;
}

std::vector<Obligation> obligations_of(const cedar::Policy& policy,
                                       std::vector<Diagnostic>& errors) {
  const auto text = policy.annotation("obligation");
  if (!text) return {};
  auto obligations = parse_obligations(*text);
  if (!obligations) {
    errors.push_back(diagnostic_at(policy, policy.span, "obligation", obligations.error().detail));
    return {};
  }
  for (Obligation& obligation : *obligations) {
    obligation.policy = policy.id;
    if (const auto why = misplaced(obligation.kind, policy.effect))
      errors.push_back(diagnostic_at(policy, policy.span, "obligation", std::string(*why)));
  }
  // Who answers is whoever sits at the client, or the client: good for the lowest level only.
  const auto lifts = std::ranges::find(*obligations, Obligation::Kind::step_up, &Obligation::kind);
  if (std::ranges::contains(*obligations, Obligation::Kind::ask_client, &Obligation::kind) &&
      (lifts == obligations->end() || lifts->number > 1))
    errors.push_back(diagnostic_at(policy, policy.span, "obligation",
                                   "ask_client goes with step_up:1, and with no higher level"));
  const auto has = [&](Obligation::Kind kind) {
    return std::ranges::contains(*obligations, kind, &Obligation::kind);
  };
  if (has(Obligation::Kind::honeypot) &&
      (has(Obligation::Kind::step_up) || has(Obligation::Kind::kill_session) ||
       has(Obligation::Kind::quarantine)))
    errors.push_back(diagnostic_at(policy, policy.span, "obligation",
                                   "honeypot hides that the call was refused, and step_up, "
                                   "kill_session and quarantine tell it"));
  return *std::move(obligations);
}

// The uids that a policy names, with their places.
class Names {
 public:
  struct Entry {
    EntityUid uid;
    cedar::Span span;
  };
  explicit Names(const cedar::Policy& policy) {
    for (const cedar::ScopeConstraint* constraint :
         {&policy.principal, &policy.action, &policy.resource})
      for (const EntityUid& uid : constraint->uids) all.push_back({uid, constraint->span});
    for (const cedar::Condition& condition : policy.conditions) walk(*condition.expression);
  }
  std::vector<Entry> all;

 private:
  void walk(const cedar::Expression& expression) {
    if (expression.value.is(cedar::Kind::entity))
      all.push_back({expression.value.uid(), expression.span});
    for (const cedar::Expression* operand : expression.operands) walk(*operand);
  }
};

// What the World knows, by entity type.
std::map<std::string_view, std::set<std::string_view>> known_names(const World& world) {
  std::map<std::string_view, std::set<std::string_view>> known;
  known[model::segment].insert(model::unassigned);
  for (const identity::CallerProfile& agent : world.agents) {
    known[model::agent].insert(agent.agent.value());
    for (const std::string& group : agent.groups) known[model::group].insert(group);
    for (const std::string& segment : agent.segments) known[model::segment].insert(segment);
  }
  for (const identity::User& user : world.users) {
    known[model::user].insert(user.id.value());
    for (const std::string& role : user.roles) known[model::role].insert(role);
    for (const std::string& group : user.groups) known[model::group].insert(group);
  }
  for (const Named& group : world.groups) known[model::group].insert(group.name);
  for (const Named& segment : world.segments) known[model::segment].insert(segment.name);
  for (const ServerFacts& server : world.servers) {
    known[model::server].insert(server.name);
    if (!server.segment.empty()) known[model::segment].insert(server.segment);
  }
  return known;
}

std::vector<EntityUid> uids(std::string_view type, const std::vector<std::string>& ids) {
  std::vector<EntityUid> all;
  for (const std::string& id : ids) all.emplace_back(type, id);
  return all;
}

Value strings(const std::vector<std::string>& texts, cedar::Arena& arena) {
  std::vector<Value> values;
  for (const std::string& text : texts) values.push_back(Value::string(text));
  return Value::set(values, arena);
}

}  // namespace

ReadPolicies read_policies(std::span<const PolicyText> texts, bool built_in,
                           std::vector<Diagnostic>& errors, const World* world) {
  constexpr std::size_t most = 50;  // errors of one text
  constexpr cedar::PolicyLimits limits{.temporal = true};
  cedar::PolicySet::Builder builder(cedar::Naming::by_annotation, limits);
  const auto add = [&](std::string_view text, std::string_view file) {
    const auto added = builder.add(text, file);
    if (added) return;
    if (added.error().code == Code::malformed) {
      for (const base::Error& error : cedar::syntax_errors(text, file, limits, most))
        errors.push_back(diagnostic_of(error, file, "syntax"));
    } else {
      errors.push_back(diagnostic_of(
          added.error(), file, added.error().code == Code::conflict ? "duplicate_id" : "syntax"));
    }
  };
  if (built_in) add(built_in_policies(world), built_in_file);
  for (const PolicyText& text : texts) add(text.text, text.file);

  ReadPolicies read{.set = builder.build(), .obligations = {}, .temporal = {}};
  for (const cedar::Policy& policy : read.set.policies()) {
    read.obligations.push_back(obligations_of(policy, errors));
    const cedar::Location at = policy.locate(policy.span);
    if (policy.id.starts_with(reserved) && !(built_in && at.file == built_in_file))
      errors.push_back(diagnostic_at(
          policy, policy.span, "reserved_id",
          std::format("ids that begin with \"{}\" are those of built-in policies", reserved)));
  }
  for (const cedar::Policy& policy : read.set.templates()) obligations_of(policy, errors);
  read.temporal = temporal_rules(read.set, world, errors);
  return read;
}

base::Result<ReadPolicies> read_policies(std::span<const PolicyText> texts, bool built_in,
                                         const World* world) {
  std::vector<Diagnostic> errors;
  ReadPolicies read = read_policies(texts, built_in, errors, world);
  if (!errors.empty()) return base::fail(Code::invalid, lines_of(errors));
  return read;
}

void add_entities(const World& world, cedar::Entities::Builder& builder) {
  cedar::Arena arena;
  std::set<std::string_view> segments{model::unassigned};
  for (const Named& group : world.groups)
    builder.add({model::group, group.name}, {}, uids(model::group, group.in));
  builder.add({model::segment, model::unassigned}, {}, {});
  for (const Named& segment : world.segments)
    builder.add({model::segment, segment.name}, {}, uids(model::segment, segment.in));
  std::set<std::string_view> roles;
  for (const identity::User& user : world.users) {
    for (const std::string& role : user.roles) roles.insert(role);
    std::vector<EntityUid> parents = uids(model::group, user.groups);
    std::ranges::copy(uids(model::role, user.roles), std::back_inserter(parents));
    cedar::RecordBuilder record(arena);
    record.add("department", Value::string(user.department))
        .add("clearance", Value::integer(user.clearance))
        .add("residency", Value::string(user.residency));
    builder.add({model::user, user.id.value()}, record.finish(), parents);
  }
  for (const std::string_view role : roles) builder.add({model::role, role}, {}, {});
  for (const ServerFacts& server : world.servers) {
    const EntityUid parent(model::segment, server.segment.empty()
                                               ? model::unassigned
                                               : std::string_view(server.segment));
    cedar::RecordBuilder record(arena);
    record.add("region", Value::string(server.region))
        .add("verified", Value::boolean(server.verified))
        .add("sensitivity", Value::integer(server.sensitivity))
        .add("domains", strings(server.domains, arena));
    builder.add({model::server, server.name}, record.finish(), std::span(&parent, 1));
  }
  const EntityUid read_resource_groups[] = {model::mcp};
  builder.add(model::read_resource, {}, read_resource_groups);
  builder.add(model::get_prompt, {}, read_resource_groups);
}

base::Result<cedar::Entities> entities_of(const World& world) {
  cedar::Entities::Builder builder;
  add_entities(world, builder);
  auto entities = builder.build();
  if (!entities) return base::fail(Code::invalid, std::move(entities.error().detail));
  return entities;
}

std::vector<Diagnostic> unknown_names(const cedar::PolicySet& policies, const World& world) {
  const auto known = known_names(world);
  std::vector<Diagnostic> found;
  for (const cedar::Policy& policy : policies.policies()) {
    for (const Names::Entry& entry : Names(policy).all) {
      const std::string_view type = entry.uid.type();
      const bool checked = type == model::group || type == model::segment ||
                           type == model::server || type == model::user || type == model::role ||
                           type == model::agent;
      if (!checked) continue;
      const auto names = known.find(type);
      if (names != known.end() && names->second.contains(entry.uid.id())) continue;
      std::vector<std::string_view> candidates;
      if (names != known.end()) candidates.assign(names->second.begin(), names->second.end());
      const auto near = base::nearest(entry.uid.id(), candidates);
      found.push_back(diagnostic_at(
          policy, entry.span, "unknown_name",
          std::format("names {}, which nothing else knows{}", cedar::to_text(entry.uid),
                      near ? std::format(" (did you mean \"{}\"?)", *near) : "")));
    }
  }
  return found;
}

std::vector<Diagnostic> unlinked_templates(const cedar::PolicySet& policies) {
  std::vector<Diagnostic> found;
  for (const cedar::Policy& one : policies.templates())
    if (!std::ranges::contains(policies.policies(), one.id, &cedar::Policy::template_id))
      found.push_back(diagnostic_at(one, one.span, "unlinked_template",
                                    "is a template that nothing links, so it decides nothing; name "
                                    "an entity instead of its slot"));
  return found;
}

}  // namespace latticegate::policy
