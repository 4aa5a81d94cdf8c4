// The rows that training and calibration use: shared data, read through `xz -dc`.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "inspect/model.h"

namespace latticegate::train {

struct Row {
  std::string text;
  std::string family;
  std::string source;
  bool attack = false;
  std::uint32_t begin = 0, end = 0;  // where the attack stands; 0, 0: not known
  // Per head: 1 should be high, 0 should be low, -1 not trained on.
  std::array<std::int8_t, inspect::heads> wanted{};
};

// The rows of a file; empty, with a sentence on standard error, when it cannot be read.
std::vector<Row> read_rows(const std::string& path);

}  // namespace latticegate::train
