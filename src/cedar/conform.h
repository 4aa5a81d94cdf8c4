// Whether values, entities and requests are what a schema says: the half of validation that needs
// no policy. A policy that validates can only fail at run time on what conforms by a missing
// entity, by overflow, or by a text that is no decimal, address or time.
//
// Errors are Code::invalid with words like "at .input.limit: expected Long, found \"x\"".
#pragma once
#include "base/result.h"
#include "cedar/entity.h"
#include "cedar/evaluate.h"
#include "cedar/schema.h"
#include "cedar/type.h"
#include "cedar/value.h"

namespace latticegate::cedar {

// The value has the type, and every entity in it whose type is enumerated has a declared id.
// Records are closed: no attribute that is not listed. Value::unknown() fits everything.
[[nodiscard]] base::Result<void> conforms(const Value& value, const Type& type,
                                          const Schema& schema);

// Declared type and id; attributes, tags and ancestors as declared. An action must be exactly the
// schema's.
[[nodiscard]] base::Result<void> conforms(const Entity& entity, const Schema& schema);
// All of them; the first that does not conform is named.
[[nodiscard]] base::Result<void> conforms(const Entities& entities, const Schema& schema);

// Declared action; principal and resource of types that it applies to, with declared ids; the
// context of its type.
[[nodiscard]] base::Result<void> conforms(const Request& request, const Schema& schema);

}  // namespace latticegate::cedar
