// The part of an exchange in which a decided call is over: what is counted, and what follows for
// the agent's standing.
#include <algorithm>
#include <format>

#include "gateway/exchange.h"
#include "gateway/halts.h"
#include "gateway/meters.h"

namespace latticegate::gateway {
namespace {

bool is_answered(audit::Outcome outcome) {
  return outcome == audit::Outcome::ok || outcome == audit::Outcome::tool_error ||
         outcome == audit::Outcome::rpc_error || outcome == audit::Outcome::withheld;
}

bool is_new(const behaviour::Signal& signal) {
  return behaviour::name(signal.kind).starts_with("new_");
}

bool concerns(const behaviour::Objective& objective, const std::vector<std::string>& groups) {
  return objective.groups.empty() || std::ranges::any_of(groups, [&](const std::string& group) {
           return std::ranges::contains(objective.groups, group);
         });
}

}  // namespace

void Exchange::call_is_over(audit::Outcome outcome) {
  Shared& shared = worker_.shared();
  const ServerMeters& meters = worker_.meters_of(route_);
  meters.calls.at(static_cast<std::size_t>(outcome))->add();
  if (is_answered(outcome)) {
    const auto whole = worker_.loop().clock().instant() - started_;
    meters.whole->observe(whole);
    meters.own->observe(whole - outside_);
    if (outcome != audit::Outcome::withheld && rows_ > 0) meters.records->add(rows_);
  }
  if (task_call_) return;  // asking after a task is no call of its own
  for (const auto& budget : snapshot_->budgets)
    if (concerns(budget->objective(), admitted_->caller->groups))
      budget->count({.denied = outcome == audit::Outcome::denied,
                     .novel = std::ranges::any_of(risk_.signals, is_new),
                     .score = risk_.score,
                     .records = rows_},
                    at_);
  const behaviour::Settings& settings = snapshot_->config->behaviour;
  if (!settings.kill || by_ladder_) return;
  if (const auto change =
          shared.ladders.note(admitted_->caller->agent.value(), risk_, at_, settings))
    worker_.tell_ladder(*change);
}

std::optional<std::string> Exchange::halted() const {
  const std::string_view tool = tool_ ? std::string_view(tool_->name) : std::string_view();
  const auto halt = worker_.shared().halts->find(route_.config->name, tool);
  if (!halt) return std::nullopt;
  return halt_sentence(*halt, spoken_.empty() ? tool : std::string_view(spoken_));
}

}  // namespace latticegate::gateway
