// Decoy: a made-up answer in place of a refusal (@obligation("honeypot")), so that whoever turned
// an agent goes on, believes what it has, and gives itself away: every text of it that may be an id
// or an address carries a planted value (inspect/planted.h), which nobody has a use for.
//
// It has the form of the tool's outputSchema where there is one and the form can be met, otherwise
// it is a short list. Names and hosts are nobody's (RFC 2606). Nothing of it comes from a server.
//
// Posture: a server wrote the schema. At most 400 values, 12 deep; what cannot be met by simple
// values (patterns, unions that contradict) falls back to the list. Pure.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "crypto/random.h"
#include "json/value.h"

namespace latticegate::gateway {

struct Decoy {
  std::string result;  // of tools/call, JSON text
  std::size_t marks = 0;
};
// `schema` may be absent. `key`: of the planted values.
Decoy make_decoy(json::Value schema, std::string_view key, crypto::Random& random);

}  // namespace latticegate::gateway
