// Meters: what is counted while the program runs. Each is safe from any thread and costs an atomic
// addition.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace latticegate::telemetry {

class Counter {
 public:
  void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Upper bounds of a histogram's buckets, ascending; a last one without bound comes besides. The
// same for all series of a family, for ever: whoever compares two of them relies on it.
inline constexpr std::size_t most_buckets = 24;
using Bounds = std::span<const std::chrono::nanoseconds>;

// How long something took. The sum is kept in nanoseconds: 584 years of it.
class Histogram {
 public:
  explicit Histogram(Bounds bounds)
      : bounds_(bounds.first(std::min(bounds.size(), most_buckets))) {}

  void observe(std::chrono::nanoseconds took) {
    const std::int64_t count = std::max<std::int64_t>(took.count(), 0);
    // Few bounds, and most values are small.
    std::size_t bucket = 0;
    while (bucket < bounds_.size() && count > bounds_[bucket].count()) ++bucket;
    counts_.at(bucket).fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
  }

  Bounds bounds() const { return bounds_; }
  // Of the bucket itself, not added up; bounds().size() is the last one.
  std::uint64_t in_bucket(std::size_t bucket) const {
    return counts_.at(bucket).load(std::memory_order_relaxed);
  }
  std::chrono::nanoseconds sum() const {
    return std::chrono::nanoseconds(sum_.load(std::memory_order_relaxed));
  }

 private:
  Bounds bounds_;
  std::array<std::atomic<std::uint64_t>, most_buckets + 1> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

}  // namespace latticegate::telemetry
