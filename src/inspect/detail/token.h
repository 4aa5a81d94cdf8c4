// Judging a candidate secret: entropy, checksums, structure, placeholders.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "inspect/finding.h"
#include "inspect/rules.h"

namespace latticegate::inspect {

// Shannon entropy over the characters of the text itself, in bits per character.
double entropy(std::string_view text);

// CRC-32 (IEEE) of the text as six base-62 digits, zero-padded: the tail of GitHub's and npm's
// tokens.
std::string crc32_base62(std::string_view text);

// True when the check holds for the token; `body` is what stands behind the anchor.
// TokenCheck::none holds.
bool holds(TokenCheck check, std::string_view token, std::string_view body);

// True for a secret that is written for documentation: it contains one of the words, is one of the
// values (both lower case), or has a template marker.
bool is_placeholder(std::string_view secret, std::span<const std::string> words,
                    std::span<const std::string> values);

// True when nobody would draw it at random: hardly any different characters, or one long run of the
// same.
bool is_monotonous(std::string_view body);

}  // namespace latticegate::inspect
