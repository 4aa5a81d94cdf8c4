// Pseudonyms: what stands for people in records, the same one for the same person everywhere in one
// deployment.
//
// Keyed (HMAC-SHA-256), so that nobody who has the records finds out who it is by trying names;
// whoever has the key can. Pure.
#pragma once
#include <string>
#include <string_view>

#include "identity/caller.h"

namespace latticegate::identity {

// "p:" and 20 letters and digits.
std::string person_pseudonym(std::string_view key, std::string_view tenant, std::string_view user);
// Of whoever a call is made for: a person, or "w:..." for an agent that acts for nobody.
std::string pseudonym(std::string_view key, const CallerProfile& profile);
// Of the two together: "c-" and 12 hexadecimal digits.
std::string conversation_pseudonym(std::string_view key, const CallerProfile& profile);

}  // namespace latticegate::identity
