// Values, entities and requests from JSON (Cedar's JSON forms).
//
// Two trust levels. `Escapes::honoured` reads {"__entity": {...}} and {"__extn": {...}}: only for
// configuration and test data of our own. `Escapes::data` never does: such keys are ordinary
// attributes, so a tool argument can never pose as an entity. In both, numbers must be plain 64-bit
// integers and null is refused: whoever converts arguments by a schema (module policy) decides
// about the rest before or builds the record itself.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "cedar/arena.h"
#include "cedar/entity.h"
#include "cedar/schema.h"
#include "cedar/type.h"
#include "cedar/value.h"
#include "json/value.h"

namespace latticegate::cedar {

enum class Escapes : std::uint8_t { data, honoured };

// The value; its strings are views into the JSON document. Code::invalid with the place ("at
// .input.limit: ...").
[[nodiscard]] base::Result<Value> value_from_json(json::Value tree, Escapes escapes, Arena& arena);

// Directed by a type: a string stands for a decimal, ipaddr, datetime or duration where the type
// says so, and, with escapes honoured, {"type", "id"} for an entity. A value of another kind than
// the type asks for is read as without a type: whether values fit their types is another question
// (conform.h).
[[nodiscard]] base::Result<Value> value_from_json(json::Value tree, Escapes escapes,
                                                  const Type& type, Arena& arena);

// Adds the entities of a JSON array of {"uid", "attrs", "parents", "tags"}; escapes are honoured,
// strings are copied. With a schema, attributes and tags are read by their types, and an entity
// that does not conform to it is refused (conform.h).
[[nodiscard]] base::Result<void> add_entities(json::Value array, Entities::Builder& builder,
                                              const Schema* schema = nullptr);

// {"type": "User", "id": "bob"} or {"__entity": {...}}; views into the document.
[[nodiscard]] base::Result<EntityUid> uid_from_json(json::Value tree);
// `User::"bob"`, in Cedar's own syntax. The id is unescaped into the arena.
[[nodiscard]] base::Result<EntityUid> parse_uid(std::string_view text, Arena& arena);

}  // namespace latticegate::cedar
