#include "gateway/stated.h"

#include <algorithm>
#include <format>
#include <optional>

namespace latticegate::gateway {
namespace {

constexpr std::size_t most_arguments = 64;

bool says(const provenance::Purpose& purpose, json::Value value) {
  if (const auto text = value.string()) return purpose.says(*text);
  if (value.is_number()) return purpose.says(value.digits());
  if (!value.is_array() || value.size() == 0 || value.size() > most_arguments) return false;
  return std::ranges::all_of(value.elements(),
                             [&](json::Value element) { return says(purpose, element); });
}

// Whether there are such things and all of them are named.
bool names_all(const provenance::Purpose& purpose, std::span<const behaviour::Touched> touched,
               behaviour::Thing kind) {
  bool any = false;
  for (const behaviour::Touched& thing : touched) {
    if (thing.kind != kind) continue;
    const bool named =
        kind == behaviour::Thing::host ? purpose.says(thing.name, true) : purpose.names(thing.name);
    if (!named) return false;
    any = true;
  }
  return any;
}

}  // namespace

std::string prompt_words(const mcp::Message& message) {
  std::string words(mcp::subject_of(message));
  for (const json::Member given : message.params()["arguments"].members())
    words += std::format("\n{}", given.value.text_or({}));
  return words;
}

provenance::Explained explain_call(const provenance::Purpose& purpose, const NamedCall& call) {
  provenance::Explained out{.stated = true, .late = purpose.late(), .by = {}, .things = {}};
  for (const provenance::Said by :
       {provenance::Said::configuration, provenance::Said::client, provenance::Said::prompt})
    if (purpose.by(by)) out.by.emplace_back(provenance::name(by));
  if (out.by.empty()) return out;
  if (purpose.names(call.tool)) out.things.emplace_back("tool");
  if (purpose.names(call.server)) out.things.emplace_back("server");
  if (names_all(purpose, call.touched, behaviour::Thing::table)) out.things.emplace_back("tables");
  if (names_all(purpose, call.touched, behaviour::Thing::host)) out.things.emplace_back("hosts");
  std::size_t count = 0;
  for (const json::Member argument : call.arguments.members()) {
    if (++count > most_arguments) break;
    if (says(purpose, argument.value))
      out.things.push_back(std::format("input.{}", argument.key.substr(0, 64)));
  }
  return out;
}

}  // namespace latticegate::gateway
