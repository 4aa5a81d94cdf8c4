// The distribution of a size, in 64 numbers: counts per power of sqrt(2), ageing, and the usual
// maximum out of it.
//
// Small values are nearly exact (0, 1, 2, 3, 4-5, 6-7, 8-11, ...). Adding is O(1), asking scans 64
// numbers.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::behaviour {

class Sketch {
 public:
  static constexpr std::size_t buckets = 64;

  static std::size_t bucket_of(std::uint64_t value);
  // The largest value of a bucket.
  static std::uint64_t upper(std::size_t bucket);

  void add(std::uint64_t value);
  // Takes back one observation of that bucket.
  void remove(std::size_t bucket);
  // Multiplies every count by `share` (0..1).
  void age(float share);

  // The value that all but one in a hundred, and all but one single outlier, do not exceed; never
  // more than the largest value seen. 0 when nothing was added.
  std::uint64_t usual() const;

  float total() const { return total_; }
  std::uint64_t largest() const { return largest_; }
  const std::array<float, buckets>& counts() const { return counts_; }
  // For restoring; counts that are negative or not finite become 0.
  static Sketch restored(const std::array<float, buckets>& counts, std::uint64_t largest);
  // One JSON object; counts as in restored().
  void save(json::Writer& out) const;
  [[nodiscard]] static base::Result<Sketch> load(json::Value saved);

 private:
  std::array<float, buckets> counts_{};
  float total_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace latticegate::behaviour
