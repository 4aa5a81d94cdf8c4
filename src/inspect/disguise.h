// What a text says when its disguise is taken off: base64, hexadecimal, what is compressed inside
// of them (gzip, zlib), percent signs and character references (up to three layers), letters that
// look like others, leetspeak, ROT13, spaced letters, addresses spelled with "(at)" and "(dot)",
// and texts that say that they are written backwards.
//
// A long text is taken in parts of 4 KiB that overlap by 512 bytes, so that a disguised piece is
// found wherever it stands. Bounded: at most `most_disclosed` texts and `most_disclosed_bytes` of
// them together; what is above is counted. A text that shows no sign of a disguise costs one pass
// over its words. Pure. Posture: texts are hostile; compressed ones are unpacked to the bound only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/words.h"

namespace latticegate::inspect {

inline constexpr std::size_t most_disclosed = 1024;
inline constexpr std::size_t most_disclosed_bytes = std::size_t{1024} * 1024;

struct Disclosed {
  std::string_view how;  // "base64", "hex", "compressed", "percent", "references", "letters",
                         // "leet", "rot13", "spaced", "spelled", "reversed"
  std::string text;
  std::size_t begin = 0, end = 0;  // of the original, bytes
};

struct Disclosure {
  std::vector<Disclosed> texts;
  std::uint64_t left_out = 0;  // bytes above the bounds
};

// `words` were read from the text; `plain`: that it is_plain_ascii() is known.
Disclosure disclose(std::string_view text, std::span<const Word> words, bool plain = false);

}  // namespace latticegate::inspect
