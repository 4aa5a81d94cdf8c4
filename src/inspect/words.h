// A text as the models read it: words, marks and sentences, each word as a hash and as a shape.
//
// The text may be plain, Markdown, JSON or JSON inside of a JSON string: brackets and quotes of
// JSON separate like line feeds, escapes are read through. A word's shape is the word itself if it
// is one of the few hundred words that carry grammar (articles, modals, "please", "ignore",
// "instead"), else what it looks like (a name, a number, an address, a URL): features over shapes
// carry over to topics that no training row had.
//
// Linear in the text, no allocation when the buffers are reused. Pure; any thread. Posture: any
// bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace latticegate::inspect {

struct Word {
  std::uint32_t hash = 0;   // of the lower-case word, digits as one 0
  std::uint32_t shape = 0;  // of its shape
  std::uint32_t begin = 0;  // bytes of the text
  std::uint32_t end = 0;
  bool first = false;  // of its sentence
  bool data = false;   // has digits, or is an address
};

// A sentence has at most this many words; a longer one is cut.
inline constexpr std::uint32_t longest_sentence = 40;

enum class Reading : std::uint8_t {
  prose,  // quotes, brackets and backslashes separate
  code,   // they are words: for arguments, where they are what an attack is made of
};

// Replaces what is in `words`. Texts above 4 GiB are not read (the callers' budgets are far below).
void read_words(std::string_view text, std::vector<Word>& words, Reading reading = Reading::prose);

// How many words of two letters or more would have themselves as their shape if the text were
// rotated by 13 letters and read again. `text` begins with the first of the words, which were read
// from it in either way, and has no backslash.
std::size_t grammar_in_rot13(std::string_view text, std::span<const Word> words);

}  // namespace latticegate::inspect
