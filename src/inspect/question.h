// What a server may not ask of the people and the model behind a client: credentials in a form,
// a page at an address that is not what it seems, orders to the model.
//
// Names and titles of fields are read in 14 languages, whatever their case and separators. A field
// that asks for a name, a day or a number of an order is none of it. Pure. Posture: hostile.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "inspect/finding.h"
#include "json/value.h"

namespace latticegate::inspect {

// Why this question should not reach a client, for people; nothing when it may. `method` is
// elicitation/create or sampling/createMessage (others are no questions), `found` what scan() says
// of the parameters as user text.
std::optional<std::string> objection(std::string_view method, json::Value params,
                                     const Findings& found);

}  // namespace latticegate::inspect
