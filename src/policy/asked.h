// Asked: the question of one call as JSON, for the record, so that it can be decided again later,
// under other policies, without the call.
//
//   {"action": entity, "context": {...}, "left_out": [["lat"]], "missing": "size",
//    "principal": entity, "redacted": 2, "resource": entity, "world": "9f86d081884c7d65"}
//
// Entities are in Cedar's JSON form with what belongs to this call alone: attributes and direct
// parents of principal and resource, all groups of the action. Users, groups of groups, segments
// and servers are the World's; `world` names it (Engine::world). The context is as it was asked,
// without what temporal conditions said: that is computed again.
//
// Values are in Cedar's JSON form, canonical (RFC 8785), with three additions so that every value
// comes back as it was: {"__extn": {"arg": "9007199254740993", "fn": "long"}} for a number that
// RFC 8785 has no digits for; {"arg": "ms:-99", "fn": "datetime"} for a time without a text; and
// {"__record": [["__entity", ...]]} for a record of the client's with a name that begins with "__",
// so that no argument comes back as an entity.
//
// What is not there:
//   strings in which inspection found secrets are replaced by their marks (inspect/redact.h), as a
//   whole; `redacted` counts the secrets
//   people are a mark, the same for one person everywhere: "u-" and 12 hexadecimal digits
//   arguments that no policy read and that have no exact value are named in `left_out`
// and, in place of the whole context, by the word in `missing`:
//   size         it is above the limit in bytes
//   depth        it is nested deeper than most_asked_depth
//   inspection   not all of it was inspected, so it could hold a secret
//   redaction    a secret is the name of an argument, or without its secrets it is no question
//   arguments    they could not be judged, so the call was refused whatever the policies say
//   off          the operator does not want it
//   sealed       it stands, as a question like this one, in the body that is kept with the record
//
// Pure. The reader takes what the writer wrote, from a log that somebody may have written instead:
// it is bounded by the JSON limits, and what is odd is an error. Fuzz target: fuzz/asked_fuzz.cc.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/arena.h"
#include "cedar/entity.h"
#include "cedar/evaluate.h"
#include "inspect/finding.h"
#include "json/value.h"
#include "policy/world.h"

namespace latticegate::policy {

inline constexpr std::uint32_t most_asked_depth = 24;

// How a question is written.
struct Recording {
  bool context = true;       // false: `missing` is `without`
  std::size_t bytes = 8192;  // of all
  // What inspection looked at, and found: the arguments, the URI or the name of the call are the
  // members "arguments", "uri" and "name" of it. Null: nothing was found.
  json::Value scanned{};
  const inspect::Findings* findings = nullptr;
  std::string_view redaction_key{};
  std::string_view without = "off";
};

// The mark of a person: keyed (World::person_key), so that nobody finds out who it is by trying
// names.
std::string person_mark(std::string_view key, std::string_view user);

// People by their marks.
using People = std::map<std::string, std::string, std::less<>>;
People people_of(const World& world);

// A question that was read. Views of the JSON document and of the arena.
struct PastCall {
  cedar::Request request;  // the context is empty when it is missing
  cedar::Entity principal, resource, action;
  std::string_view missing{};
  std::string_view world{};
  std::int64_t redacted = 0;
  bool unknown_person = false;  // of whom the World does not know any more; the mark stands
  std::vector<std::vector<std::string_view>> left_out{};
};
// `store`: what the World knows, for what is above the direct parents. Code::malformed with the
// place.
[[nodiscard]] base::Result<PastCall> read_asked(json::Value asked, const cedar::Entities& store,
                                                const People& people, cedar::Arena& arena);

}  // namespace latticegate::policy
