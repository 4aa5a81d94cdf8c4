// What a text says when its disguise is taken off: base64, hexadecimal, percent signs and character
// references (up to three layers), letters that look like others, leetspeak, ROT13, spaced letters,
// addresses spelled with "(at)" and "(dot)", and texts that say that they are written backwards.
//
// Bounded: at most `most_disclosed` texts and 64 KiB of them together; a text that shows no sign of
// a disguise costs one pass over its words. Pure. Posture: texts are hostile.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/words.h"

namespace latticegate::inspect {

inline constexpr std::size_t most_disclosed = 32;

struct Disclosed {
  std::string_view how;  // "base64", "hex", "percent", "references", "letters", "leet", "rot13",
                         // "spaced", "spelled", "reversed"
  std::string text;
  std::size_t begin = 0, end = 0;  // of the original, bytes
};

// `words` were read from the text.
std::vector<Disclosed> disclose(std::string_view text, std::span<const Word> words);

}  // namespace latticegate::inspect
