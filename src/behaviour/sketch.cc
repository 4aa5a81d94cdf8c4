#include "behaviour/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <format>
#include <limits>

namespace latticegate::behaviour {
namespace {

constexpr std::uint64_t top = std::uint64_t{1} << 31;  // everything from here on is one bucket
// Above this a float no longer counts by ones.
constexpr float most = 1'000'000;

}  // namespace

std::size_t Sketch::bucket_of(std::uint64_t value) {
  if (value == 0) return 0;
  value = std::min(value, top);
  const auto octave = static_cast<unsigned>(std::bit_width(value)) - 1;
  const bool upper_half = value * value >= std::uint64_t{1} << (2 * octave + 1);
  return 1 + 2 * octave + (upper_half ? 1 : 0);
}

std::uint64_t Sketch::upper(std::size_t bucket) {
  if (bucket == 0) return 0;
  if (bucket >= buckets - 1) return std::numeric_limits<std::uint64_t>::max();
  const std::size_t octave = (bucket - 1) / 2;
  if ((bucket - 1) % 2 == 1) return (std::uint64_t{1} << (octave + 1)) - 1;
  const auto square = static_cast<double>((std::uint64_t{1} << (2 * octave + 1)) - 1);
  return static_cast<std::uint64_t>(std::sqrt(square));
}

void Sketch::add(std::uint64_t value) {
  if (total_ > most) age(0.5F);
  counts_[bucket_of(value)] += 1;
  total_ += 1;
  largest_ = std::max(largest_, value);
}

void Sketch::remove(std::size_t bucket) {
  if (bucket >= buckets) return;
  const float taken = std::min(1.0F, counts_[bucket]);
  counts_[bucket] -= taken;
  total_ = std::max(0.0F, total_ - taken);
}

void Sketch::age(float share) {
  total_ = 0;
  for (float& count : counts_) {
    count *= share;
    total_ += count;
  }
}

std::uint64_t Sketch::usual() const {
  const float outliers = std::max(1.0F, total_ / 100);
  float above = 0;
  std::size_t highest = 0;
  for (std::size_t bucket = buckets; bucket-- > 0;) {
    if (counts_[bucket] <= 0) continue;
    highest = std::max(highest, bucket);
    above += counts_[bucket];
    if (above > outliers) return std::min(upper(bucket), largest_);
  }
  return std::min(upper(highest), largest_);  // at most one observation: it is all that is known
}

Sketch Sketch::restored(const std::array<float, buckets>& counts, std::uint64_t largest) {
  Sketch out;
  for (std::size_t i = 0; i < buckets; ++i) {
    const float count = std::isfinite(counts[i]) ? std::clamp(counts[i], 0.0F, most) : 0;
    out.counts_[i] = count;
    out.total_ += count;
  }
  out.largest_ = largest;
  return out;
}

void Sketch::save(json::Writer& out) const {
  out.begin_object();
  out.member("largest", static_cast<std::int64_t>(std::min<std::uint64_t>(
                            largest_, std::numeric_limits<std::int64_t>::max())));
  out.key("counts").begin_array();
  for (std::size_t bucket = 0; bucket < buckets; ++bucket)
    if (const float count = counts_[bucket]; count > 0)
      out.begin_array()
          .integer(static_cast<std::int64_t>(bucket))
          .raw(std::format("{:.4g}", count))
          .end_array();
  out.end_array().end_object();
}

base::Result<Sketch> Sketch::load(json::Value saved) {
  std::array<float, buckets> counts{};
  const auto largest = saved["largest"].integer();
  if (!largest || *largest < 0 || !saved["counts"].is_array())
    return base::fail(base::Code::malformed, "a saved distribution needs largest and counts");
  for (const json::Value pair : saved["counts"].elements()) {
    const auto bucket = pair.at(0).integer();
    const auto count = pair.at(1).number();
    if (!bucket || !count || *bucket < 0 || *bucket >= static_cast<std::int64_t>(buckets))
      return base::fail(base::Code::malformed, "a saved count is [bucket, number]");
    counts[static_cast<std::size_t>(*bucket)] = static_cast<float>(*count);
  }
  return restored(counts, static_cast<std::uint64_t>(*largest));
}

}  // namespace latticegate::behaviour
