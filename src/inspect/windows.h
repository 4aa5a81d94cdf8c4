// The windows over which a model takes its highest value: shared by the model and its trainer.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "inspect/model.h"

namespace latticegate::inspect {

inline constexpr std::size_t most_sentences = 4;  // of a window
// Counted to a window's features: what a word or two say weighs little.
inline constexpr std::uint32_t shrink = 24;
constexpr std::uint32_t features_in(std::uint32_t words) {
  return words * features_per_word + shrink;
}

// A number for each head; they are added, multiplied and compared all at once.
using Whole [[gnu::vector_size(heads * sizeof(std::int32_t))]] = std::int32_t;
using Real [[gnu::vector_size(heads * sizeof(float))]] = float;

// Calls add(gathered, buckets) for the features of each word of a sentence, close(gathered) for its
// sum (Whole or Real), and window(sum, words, first, last) for each window. Sums of sentences are
// kept, so that a feature is looked up once.
template <class Gathered, class Add, class Close, class Window>
void windows(std::span<const Word> words, std::uint32_t bits, Add&& add, Close&& close,
             Window&& window) {
  using Sum = decltype(close(std::declval<const Gathered&>()));
  struct Sentence {
    Gathered gathered{};
    Sum sum{};
    std::uint32_t words = 0;
    std::size_t first = 0;
  };
  std::array<Sentence, most_sentences> ring;
  std::size_t sentences = 0;
  const auto finish = [&](std::size_t last) {
    Sentence& own = ring[(sentences - 1) % most_sentences];
    own.sum = close(own.gathered);
    Sum sum{};
    std::uint32_t count = 0;
    for (std::size_t back = 0; back < most_sentences && back < sentences; ++back) {
      const Sentence& sentence = ring[(sentences - 1 - back) % most_sentences];
      if (back > 0 && count + sentence.words > widest_window) break;
      sum += sentence.sum;
      count += sentence.words;
      window(sum, count, sentence.first, last);
    }
  };
  Features features(bits);
  for (std::size_t at = 0; at < words.size(); ++at) {
    const Word& word = words[at];
    if (word.first) {
      if (at > 0) finish(at - 1);
      Sentence& fresh = ring[sentences++ % most_sentences];
      fresh = {};
      fresh.first = at;
    }
    Sentence& sentence = ring[(sentences - 1) % most_sentences];
    ++sentence.words;
    add(sentence.gathered, features.of(word));
  }
  if (!words.empty()) finish(words.size() - 1);
}

}  // namespace latticegate::inspect
