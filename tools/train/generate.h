// Training rows of our own making: sentences from a file of phrases, and attacks planted into
// benign texts at known places.
//
// Everything is decided by the random numbers that are passed in: the same seed gives the same
// rows.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace latticegate::train {

// SplitMix64: small, and the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint32_t next();
  // 0 .. below - 1
  std::uint32_t below(std::size_t below) {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * below) >> 32);
  }
  bool chance(std::uint32_t percent) { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

// The format of phrases.txt: "[section]" begins a section, each other line is one choice; "{name}"
// is a line of another section, "{a|b|}" one of the alternatives. "#" in column one is a comment.
class Phrases {
 public:
  explicit Phrases(std::string_view text);
  std::string say(std::string_view section, Random& random) const;

 private:
  std::string expand(std::string_view line, Random& random, int depth) const;
  std::map<std::string, std::vector<std::string>, std::less<>> sections_;
};

struct Planted {
  std::string text;
  std::size_t begin = 0, end = 0;  // of what was planted
};
// Puts the payload into the carrier: at its start or end, between two sentences, in the middle of
// one, in place of a JSON string, in a comment or hidden element.
Planted plant(std::string_view payload, std::string_view carrier, Random& random);

// A text that is not an attack: a mail, a note, a review, a chat, a table, a list, a page.
std::string benign_text(const Phrases& phrases, Random& random);

}  // namespace latticegate::train
