// Planted values: marks that prove by themselves that we made them, in answers that we made up.
//
// A mark is 24 hexadecimal digits: 12 at random, and 12 of an HMAC over them. Nobody without the
// key makes one, or tells one from any other id; nothing has to be remembered to know one again,
// also after a restart. It is an id as it stands, and a part of addresses, names and UUIDs.
//
// Looking costs a pass over the strings; an HMAC only for what has the form. Found where it stands
// as it was given, in whatever case, and in what inspection decoded (Findings::revealed); not in
// pieces, nor under another's encryption.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "crypto/random.h"
#include "json/value.h"

namespace latticegate::inspect {

std::string plant(std::string_view key, crypto::Random& random);
// As a UUID of version 4.
std::string as_uuid(std::string_view mark);

bool has_planted(std::string_view key, std::string_view text);
// In the strings and names of a value, or in one of the texts.
bool has_planted(std::string_view key, json::Value value, std::span<const std::string> revealed);

}  // namespace latticegate::inspect
