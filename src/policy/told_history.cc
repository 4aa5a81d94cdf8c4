#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/suggest.h"
#include "cedar/from_json.h"
#include "policy/detail/told_history.h"

namespace latticegate::policy {
namespace {

using base::Code;
using cedar::Value;

constexpr std::array<std::string_view, 9> known{
    "ago", "action", "kind", "input", "output", "derived", "principal", "resource", "user"};
constexpr base::Time now{std::chrono::hours(1'000'000)};  // of the request; only distances count

struct Told {
  cedar::EntityUid action;
  cedar::EntityUid principal;
  std::string_view kind = "request";
  base::Time at{};
  Value fields;
};

std::optional<std::chrono::seconds> span_of(std::string_view text) {
  std::int64_t amount = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && at < 9; ++at)
    amount = amount * 10 + (text[at] - '0');
  if (at == 0 || at + 1 != text.size()) return std::nullopt;
  switch (text[at]) {
    case 's': return std::chrono::seconds(amount);
    case 'm': return std::chrono::minutes(amount);
    case 'h': return std::chrono::hours(amount);
    case 'd': return std::chrono::hours(24 * amount);
    default: return std::nullopt;
  }
}

base::Result<cedar::EntityUid> uid_of(json::Value given, const cedar::EntityUid& otherwise,
                                      cedar::Arena& arena) {
  if (!given) return otherwise;
  if (given.is_string()) return cedar::parse_uid(*given.string(), arena);
  return cedar::uid_from_json(given);
}

base::Result<Told> told_of(json::Value entry, const cedar::Request& request, cedar::Arena& arena) {
  for (const json::Member member : entry.members())
    if (!std::ranges::contains(known, member.key)) {
      const auto near = base::nearest(member.key, known);
      return base::fail(Code::invalid,
                        std::format("unknown key \"{}\"{}", member.key,
                                    near ? std::format(" (did you mean \"{}\"?)", *near) : ""));
    }
  Told told;
  const auto ago = span_of(entry["ago"].text_or(""));
  if (!ago)
    return base::fail(Code::invalid, "ago: how long before the request, 30s, 10m, 2h or 1d");
  told.at = now - *ago;
  if (!entry["action"]) return base::fail(Code::invalid, "action: missing");
  auto action = uid_of(entry["action"], {}, arena);
  if (!action) return base::within("action", std::move(action).error());
  auto principal = uid_of(entry["principal"], request.principal, arena);
  if (!principal) return base::within("principal", std::move(principal).error());
  auto resource = uid_of(entry["resource"], request.resource, arena);
  if (!resource) return base::within("resource", std::move(resource).error());
  told.action = *action;
  told.principal = *principal;
  told.kind = entry["kind"].text_or(told.kind);
  if (told.kind != "request" && told.kind != "response" && told.kind != "error")
    return base::fail(Code::invalid, "kind: request, response or error");
  cedar::RecordBuilder record(arena);
  record.add("callerPrincipal", Value::entity(*principal, arena))
      .add("callerResource", Value::entity(*resource, arena));
  for (const std::string_view part : {"input", "output", "derived"}) {
    if (!entry[part]) continue;
    auto value = cedar::value_from_json(entry[part], cedar::Escapes::honoured, arena);
    if (!value) return base::within(part, std::move(value).error());
    record.add(part, *value);
  }
  if (entry["user"]) {
    auto user = uid_of(entry["user"], {}, arena);
    if (!user) return base::within("user", std::move(user).error());
    record.add("callerUser", Value::entity(*user, arena));
  }
  told.fields = record.finish();
  return told;
}

// The request as an event.
Told latest(const cedar::Request& request, cedar::Arena& arena) {
  cedar::RecordBuilder record(arena);
  record.add("callerPrincipal", Value::entity(request.principal, arena))
      .add("callerResource", Value::entity(request.resource, arena));
  for (const std::string_view part : {"input", "derived"})
    if (const Value value = request.context.field(cedar::Name(part))) record.add(part, value);
  const Value session = request.context.field(cedar::Name("session"));
  if (session.is(cedar::Kind::record))
    if (const Value user = session.field(cedar::Name("user"))) record.add("callerUser", user);
  return {.action = request.action,
          .principal = request.principal,
          .at = now,
          .fields = record.finish()};
}

}  // namespace

base::Result<Value> context_after(const TemporalRules& rules, json::Value history,
                                  const cedar::Request& request, const cedar::EntityView& entities,
                                  cedar::Arena& arena) {
  if (history && !history.is_array()) return base::fail(Code::invalid, "history: not an array");
  std::vector<Told> events;
  for (const json::Value entry : history.elements()) {
    auto told = told_of(entry, request, arena);
    if (!told)
      return base::within(std::format("history[{}]", events.size()), std::move(told).error());
    events.push_back(*std::move(told));
  }
  std::ranges::stable_sort(events, {}, &Told::at);
  events.push_back(latest(request, arena));
  std::vector<Recalled> recalled;
  for (std::size_t i = 0; i < whose_count; ++i) {
    if (rules.monitors.at(i) == nullptr) continue;
    temporal::State state({.size = base::Bytes{std::uint64_t{16} * 1024 * 1024}});
    state.attend(rules.monitors.at(i));
    for (const Told& told : events) {
      const bool own = static_cast<Whose>(i) != Whose::everyone;
      if (own && told.principal != request.principal) continue;
      const cedar::Entity* const action = entities.find(told.action);
      const RecordFields fields(told.fields);
      const temporal::Event event{
          .action = told.action,
          .groups = action == nullptr ? std::span<const cedar::EntityUid>() : action->ancestors,
          .kind = told.kind,
          .at = told.at,
          .fields = &fields};
      if (&told == &events.back())
        recall(rules, static_cast<Whose>(i), state, event, request, cedar::EntityView(entities),
               recalled);
      else
        state.observe(event);
    }
  }
  return with_recalled(request.context, recalled, arena);
}

}  // namespace latticegate::policy
