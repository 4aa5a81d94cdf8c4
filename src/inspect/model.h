// Linear models over hashed features of words: what a text sounds like.
//
// A model has four heads over one table, so that one look-up serves all of them; each head knows
// one kind of attack. Features of a sentence are its words, pairs, a pair with a gap, triples, and
// triples and fours of shapes (words.h). A window is one to four sentences in a row of at most
// `widest_window` words; its value for a head is (sum of weights) / sqrt(number of features) +
// bias. A text's value is that of its highest window, so that one planted sentence in a long text
// is found and has a place. The heads' values together give the score: -log10 of the share of
// benign development texts that score at least as high; 2 is one in a hundred.
//
// Weights are bytes that `./dev train` makes from data, the same bytes from the same data.
// Immutable, shared by threads.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inspect/words.h"

namespace latticegate::inspect {

inline constexpr std::size_t heads = 4;
inline constexpr std::uint32_t widest_window = 64;
inline constexpr std::uint32_t features_per_word = 6;

using Buckets = std::array<std::uint32_t, features_per_word>;

// The features that each word ends, of a text's words in their order from the beginning of a
// sentence on.
class Features {
 public:
  explicit Features(std::uint32_t bits) : shift_(64 - bits) {}

  // The bucket of each, in a table of 2^bits.
  Buckets of(const Word& word) {
    const auto bucket = [shift = shift_](std::uint64_t mix) {
      return static_cast<std::uint32_t>((mix * 0x9E3779B97F4A7C15ULL) >> shift);
    };
    if (word.first) hash_1_ = hash_2_ = shape_1_ = shape_2_ = shape_3_ = edge;
    const std::uint64_t h = word.hash, s = word.shape;
    const std::uint64_t pair = (hash_1_ * 0x85EBCA6BU) ^ (h << 17);
    const std::uint64_t shapes = (shape_2_ * 0xC2B2AE35U) ^ (shape_1_ << 21) ^ (s << 7);
    const Buckets buckets = {bucket(h * 0x27D4EB2FU + 1),
                             bucket(pair + 2),
                             bucket(((hash_2_ * 0x165667B1U) ^ (h << 13)) + 3),
                             bucket((hash_2_ * 0xD6E8FEB8U) ^ (pair * 3 + 4)),
                             bucket(shapes + 5),
                             bucket((shape_3_ * 0xFF51AFD7U) ^ (shapes * 5 + 6))};
    hash_2_ = std::exchange(hash_1_, h);
    shape_3_ = std::exchange(shape_2_, std::exchange(shape_1_, s));
    return buckets;
  }

 private:
  static constexpr std::uint64_t edge = 0x5BD1E995U;
  std::uint32_t shift_;
  // Of the words before, as far as they are of the sentence.
  std::uint64_t hash_1_ = edge, hash_2_ = edge, shape_1_ = edge, shape_2_ = edge, shape_3_ = edge;
};

// How the heads' values become one: for each head its excess over two knots, weighted; and what the
// sum means in false positives.
struct Blend {
  static constexpr std::size_t knots = 2;
  static constexpr std::size_t steps = 12;
  std::array<std::array<float, knots>, heads> knot{};
  std::array<std::array<float, knots>, heads> weight{};
  // Sums that one in 2, 3, 5, 10, ... of the benign development texts reaches, ascending, and
  // -log10 of that share.
  std::array<float, steps> sum{};
  std::array<float, steps> rarity{};
  // What model and rules say together (scan.h), which as many of the benign development texts
  // reach: rules that match raise what the model says, so that its own steps would promise too
  // much.
  std::array<float, steps> together{};

  float blend(const std::array<float, heads>& values) const;
  float score(float blended) const;
  float score_together(float said) const;
};

struct Judged {
  std::array<float, heads> value{};          // of the highest window; 0 is the border in training
  std::array<std::uint32_t, heads> begin{};  // that window, bytes of the text
  std::array<std::uint32_t, heads> end{};
  float score = 0;       // -log10 of the share of benign texts
  std::size_t head = 0;  // which contributes most
};

class Model {
 public:
  // What a model is made of.
  struct Parts {
    std::uint32_t bits = 0;
    Reading reading = Reading::prose;
    std::array<float, heads> scale{};  // of the bytes
    std::array<float, heads> bias{};
    Blend blend;
    std::span<const std::array<std::int8_t, heads>> weights;  // 2^bits; not owned
  };
  explicit Model(const Parts& parts);
  // Reads what write() made; Code::malformed for anything else. The bytes must outlive the model.
  [[nodiscard]] static base::Result<Model> read(std::string_view bytes [[clang::lifetimebound]]);
  std::string write() const;
  // Blend::score_together of this model.
  float together(float said) const { return parts_.blend.score_together(said); }

  // `words` is working space. A text without words has the score 0.
  Judged judge(std::string_view text, std::vector<Word>& words) const;

  const Parts& parts() const [[clang::lifetimebound]] { return parts_; }

 private:
  Parts parts_;
  std::array<float, widest_window + 1> roots_{};  // what a window's sum is multiplied by, per words
};

}  // namespace latticegate::inspect
