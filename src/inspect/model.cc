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

Judged Model::judge(std::string_view text, std::vector<Word>& words) const {
  read_words(text, words, parts_.reading);
  Judged judged;
  if (words.empty()) {
    judged.value.fill(-std::numeric_limits<float>::max());
    return judged;
  }
  judged.value.fill(-std::numeric_limits<float>::infinity());
  // Four weights in one addition: each lane of 16 bits gathers weight + 128 of a sentence, whose
  // 240 features cannot overflow it.
  static_assert(longest_sentence * features_per_word * 255 < 65536);
  using Sum = std::array<std::int32_t, heads>;
  const auto* const weights = parts_.weights.data();
  windows<std::uint64_t>(
      words, parts_.bits,
      [weights](std::uint64_t& lanes, std::uint32_t bucket) {
        const std::uint64_t four = std::bit_cast<std::uint32_t>(weights[bucket]) ^ 0x80808080U;
        const std::uint64_t pairs = (four | four << 16) & 0x0000FFFF0000FFFFULL;
        lanes += (pairs | pairs << 8) & 0x00FF00FF00FF00FFULL;
      },
      [](std::uint64_t lanes, std::uint32_t features) {
        Sum sum{};
        for (std::size_t head = 0; head < heads; ++head)
          sum[head] = static_cast<std::int32_t>(lanes >> (16 * head) & 0xFFFF) -
                      static_cast<std::int32_t>(128 * features);
        return sum;
      },
      [&](const Sum& sum, std::uint32_t count, std::size_t first, std::size_t last) {
        const float root = 1.0F / std::sqrt(static_cast<float>(count));
        for (std::size_t head = 0; head < heads; ++head) {
          const float value = static_cast<float>(sum[head]) * root;
          if (value <= judged.value[head]) continue;
          judged.value[head] = value;
          judged.begin[head] = words[first].begin;
          judged.end[head] = words[last].end;
        }
      });
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
