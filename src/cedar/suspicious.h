// Texts and names that are not what they look like: letters of several scripts (a Cyrillic "a" in
// "admin"), characters that turn the direction of writing, characters that names do not have.
//
// By Unicode's security annex (UTS 39): single scripts after joining those that are written
// together (Han with Kana, Hangul or Bopomofo), and the identifier profile. The tables are those of
// Unicode 14 (script_table.cc). A reviewer's aid, never a decision.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace latticegate::cedar {

enum class Suspicion : std::uint8_t { none, bidirectional, mixed_scripts, unusual };

// UTF-8.
Suspicion suspicious_text(std::string_view text);
// Names, types and ids: printable ASCII and the characters usual in identifiers are fine.
Suspicion suspicious_name(std::string_view name);

// In quotes, with everything but printable ASCII written as \u{...}: so that a message cannot
// deceive in turn. Cut to about 100 bytes.
std::string escaped(std::string_view text);

}  // namespace latticegate::cedar
