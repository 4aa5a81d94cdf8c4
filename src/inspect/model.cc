#include "inspect/model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "inspect/windows.h"

namespace latticegate::inspect {
namespace {

constexpr std::string_view magic = "LGMODEL2";
constexpr std::uint32_t least_bits = 8, most_bits = 18;  // 1 MiB
constexpr float most_excess = 6;  // of a head over a knot: no head decides alone without bound

template <class T>
bool take(std::string_view& bytes, T& value) {
  if (bytes.size() < sizeof(T)) return false;
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return true;
}

bool finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

}  // namespace

float Blend::blend(const std::array<float, heads>& values) const {
  float whole = 0;
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t k = 0; k < knots; ++k)
      whole += weight[head][k] * std::clamp(values[head] - knot[head][k], 0.0F, most_excess);
  // Among texts that excite no head the values still give an order.
  float most = -most_excess;
  for (std::size_t head = 0; head < heads; ++head)
    if (weight[head][0] + weight[head][1] > 0)
      most = std::max(most, std::clamp(values[head] - knot[head][0], -most_excess, 0.0F));
  return whole + most * 0.01F;
}

namespace {

// Between two steps in proportion; above the last on the line of the last two.
float along(const std::array<float, Blend::steps>& from, const std::array<float, Blend::steps>& to,
            float value) {
  if (!(value > from.front())) return 0;
  std::size_t at = 1;
  while (at < Blend::steps - 1 && value > from[at]) ++at;
  const float width = std::max(from[at] - from[at - 1], 1e-6F);
  return std::clamp(to[at - 1] + (to[at] - to[at - 1]) * (value - from[at - 1]) / width, 0.0F,
                    9.0F);
}

}  // namespace

Model::Model(const Parts& parts) : parts_(parts) {
  for (std::uint32_t count = 0; count < roots_.size(); ++count)
    roots_[count] = 1.0F / std::sqrt(static_cast<float>(features_in(count)));
}

float Blend::score(float blended) const { return along(sum, rarity, blended); }
float Blend::score_together(float said) const { return along(together, rarity, said); }

base::Result<Model> Model::read(std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little, "models are little-endian");
  const auto malformed = [] { return base::fail(base::Code::malformed, "not a model"); };
  if (!bytes.starts_with(magic)) return malformed();
  bytes.remove_prefix(magic.size());
  Parts parts;
  std::uint32_t reading = 0;
  if (!take(bytes, parts.bits) || !take(bytes, reading) || !take(bytes, parts.scale) ||
      !take(bytes, parts.bias) || !take(bytes, parts.blend.knot) ||
      !take(bytes, parts.blend.weight) || !take(bytes, parts.blend.sum) ||
      !take(bytes, parts.blend.rarity) || !take(bytes, parts.blend.together))
    return malformed();
  if (parts.bits < least_bits || parts.bits > most_bits || reading > 1) return malformed();
  parts.reading = static_cast<Reading>(reading);
  if (!finite(parts.scale) || !finite(parts.bias) || !finite(parts.blend.sum) ||
      !finite(parts.blend.rarity) || !finite(parts.blend.together))
    return malformed();
  for (std::size_t head = 0; head < heads; ++head)
    if (!finite(parts.blend.knot[head]) || !finite(parts.blend.weight[head])) return malformed();
  const std::size_t buckets = std::size_t{1} << parts.bits;
  if (bytes.size() != buckets * heads) return malformed();
  // Bytes are read as bytes.
  parts.weights = {reinterpret_cast<const std::array<std::int8_t, heads>*>(bytes.data()), buckets};
  return Model(parts);
}

std::string Model::write() const {
  std::string out(magic);
  const auto put = [&out](const auto& value) {
    out.append(std::bit_cast<std::array<char, sizeof(value)>>(value).data(), sizeof(value));
  };
  put(parts_.bits);
  put(static_cast<std::uint32_t>(parts_.reading));
  put(parts_.scale);
  put(parts_.bias);
  put(parts_.blend.knot);
  put(parts_.blend.weight);
  put(parts_.blend.sum);
  put(parts_.blend.rarity);
  put(parts_.blend.together);
  for (const auto& weights : parts_.weights) put(weights);
  return out;
}

namespace {

using Four [[gnu::vector_size(16)]] = std::uint32_t;
using Bytes [[gnu::vector_size(16)]] = std::int8_t;
using Shorts [[gnu::vector_size(16)]] = std::int16_t;

// Eight of the bytes as numbers of 16 bits: each byte twice, of which the shift leaves the upper
// one with its sign.
template <int from>
Shorts widened(Bytes bytes) {
  const Bytes twice = __builtin_shufflevector(
      bytes, bytes, from, from, from + 1, from + 1, from + 2, from + 2, from + 3, from + 3,
      from + 4, from + 4, from + 5, from + 5, from + 6, from + 6, from + 7, from + 7);
  return std::bit_cast<Shorts>(twice) >> 8;
}

}  // namespace

Judged Model::judge(std::string_view text, std::vector<Word>& words) const {
  read_words(text, words, parts_.reading);
  Judged judged;
  if (words.empty()) {
    judged.value.fill(-std::numeric_limits<float>::max());
    return judged;
  }
  // Weights of two features in a vector; of a sentence 16 bits hold the sum.
  static_assert(longest_sentence * features_per_word * 128 < 32768 && features_per_word == 6);
  const auto* const weights = parts_.weights.data();
  Real highest = Real{} - std::numeric_limits<float>::infinity();
  windows<Shorts>(
      words, parts_.bits,
      [weights](Shorts& sum, const Buckets& buckets) {
        const auto of = [&](std::size_t feature) {
          return std::bit_cast<std::uint32_t>(weights[buckets[feature]]);
        };
        const Bytes first = std::bit_cast<Bytes>(Four{of(0), of(1), of(2), of(3)});
        const Bytes rest = std::bit_cast<Bytes>(Four{of(4), of(5), 0, 0});
        sum += widened<0>(first) + widened<8>(first) + widened<0>(rest);
      },
      [](const Shorts& sum) {
        return Whole{sum[0] + sum[4], sum[1] + sum[5], sum[2] + sum[6], sum[3] + sum[7]};
      },
      [&](const Whole& sum, std::uint32_t count, std::size_t first, std::size_t last) {
        const Real value = __builtin_convertvector(sum, Real) * roots_[count];
        const auto above = std::bit_cast<std::array<std::uint64_t, 2>>(value > highest);
        if ((above[0] | above[1]) == 0) return;
        for (std::size_t head = 0; head < heads; ++head) {
          if (value[head] <= highest[head]) continue;
          highest[head] = value[head];
          judged.begin[head] = words[first].begin;
          judged.end[head] = words[last].end;
        }
      });
  judged.value = std::bit_cast<std::array<float, heads>>(highest);
  float most = -1;
  for (std::size_t head = 0; head < heads; ++head) {
    judged.value[head] = judged.value[head] * parts_.scale[head] + parts_.bias[head];
    const Blend& blend = parts_.blend;
    const float part = (blend.weight[head][0] + blend.weight[head][1]) *
                       std::clamp(judged.value[head] - blend.knot[head][0], 0.0F, most_excess);
    if (part > most) {
      most = part;
      judged.head = head;
    }
  }
  judged.score = parts_.blend.score(parts_.blend.blend(judged.value));
  return judged;
}

}  // namespace latticegate::inspect
