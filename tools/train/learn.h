// Learning: rows -> a model. Logistic loss with AdaGrad over windows: of an attack the window where
// it stands (or, where that is not known, the highest), of a benign text the highest and one at
// random. Lexical features are left out at random, so that shapes learn to carry what words carry.
//
// Deterministic: one thread, a fixed order, random numbers from the seed.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "inspect/model.h"
#include "rows.h"

namespace latticegate::train {

struct Recipe {
  std::uint32_t bits = 18;
  inspect::Reading reading = inspect::Reading::prose;
  int members = 8;  // of the ensemble, whose mean is the model
  int epochs = 6;
  float rate = 0.3F;
  std::uint32_t dropped = 40;  // percent of lexical features
  std::uint64_t seed = 1;
};

struct Learned {
  std::vector<std::array<std::int8_t, inspect::heads>> weights;
  inspect::Model::Parts parts;  // of these weights; their vector may be moved
};
Learned learn(std::span<const Row> rows, const Recipe& recipe);

// Fits how the heads are blended, and what a blend means in false positives, on development rows.
// Each family of attacks weighs the same, benign texts with the same highest window count once.
inspect::Blend calibrate(const inspect::Model& model, std::span<const Row> rows);

// Fits what model and rules mean together, on the same rows, each asked as `latticegate inspect`
// asks it.
void calibrate_together(std::string_view surface, std::span<const Row> rows,
                        inspect::Model::Parts& parts);

// The kind of an attack for weighing and reporting: its family without its ingredients.
std::string_view kind_of(const Row& row);

}  // namespace latticegate::train
