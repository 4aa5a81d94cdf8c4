#include "learn.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "generate.h"
#include "inspect/models.h"
#include "inspect/rules.h"
#include "inspect/scan.h"
#include "inspect/windows.h"
#include "json/value.h"

namespace latticegate::train {
namespace {

using inspect::heads;
using inspect::Word;
using Weights = std::array<float, heads>;

struct Net {
  std::vector<Weights> weight, square;
  Weights bias{}, bias_square{};
};

struct Window {
  Weights value{};
  std::uint32_t features = 0;
  std::size_t first = 0, last = 0;
};

class Learner {
 public:
  Learner(const Recipe& recipe, std::uint64_t seed) : recipe_(recipe), random_(seed) {
    net_.weight.resize(std::size_t{1} << recipe.bits);
    net_.square.resize(std::size_t{1} << recipe.bits);
  }

  void run(std::span<const Row> rows, std::span<const std::vector<Word>> words) {
    std::vector<std::size_t> order(rows.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (int epoch = 0; epoch < recipe_.epochs; ++epoch) {
      for (std::size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[random_.below(i)]);
      for (const std::size_t i : order)
        if (!words[i].empty()) study(rows[i], words[i], epoch == 0);
    }
  }

  const Net& net() const { return net_; }

 private:
  void study(const Row& row, std::span<const Word> words, bool first_time) {
    look(words);
    for (std::size_t head = 0; head < heads; ++head) {
      if (row.wanted[head] < 0) continue;
      const std::size_t best = highest(head);
      if (row.wanted[head] == 0) {
        update(words, windows_[best], head, 0);
        const std::size_t other = random_.below(windows_.size());
        if (other != best) update(words, windows_[other], head, 0);
      } else if (row.end > 0) {
        if (const Window* const there = where(row, words, head, first_time))
          update(words, *there, head, 1);
      } else {
        update(words, windows_[first_time ? random_.below(windows_.size()) : best], head, 1);
      }
    }
  }

  void look(std::span<const Word> words) {
    windows_.clear();
    using inspect::Real;
    inspect::windows<Real>(
        words, recipe_.bits,
        [this](Real& sum, const inspect::Buckets& buckets) {
          for (const std::uint32_t bucket : buckets)
            sum += std::bit_cast<Real>(net_.weight[bucket]);
        },
        [](const Real& sum) { return sum; },
        [this](const Real& sum, std::uint32_t count, std::size_t first, std::size_t last) {
          const std::uint32_t features = inspect::features_in(count);
          Window window{.value = {}, .features = features, .first = first, .last = last};
          const float root = 1.0F / std::sqrt(static_cast<float>(features));
          for (std::size_t head = 0; head < heads; ++head)
            window.value[head] = sum[head] * root + net_.bias[head];
          windows_.push_back(window);
        });
  }

  std::size_t highest(std::size_t head) const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < windows_.size(); ++i)
      if (windows_[i].value[head] > windows_[best].value[head]) best = i;
    return best;
  }

  // The highest window, or at first any, of which at least half is the attack.
  const Window* where(const Row& row, std::span<const Word> words, std::size_t head,
                      bool first_time) {
    const Window* found = nullptr;
    std::uint32_t seen = 0;
    for (const Window& window : windows_) {
      const std::uint32_t begin = words[window.first].begin, end = words[window.last].end;
      const std::uint32_t from = std::max(begin, row.begin), to = std::min(end, row.end);
      if (to <= from || 2 * (to - from) < end - begin) continue;
      ++seen;
      if (found == nullptr ||
          (first_time ? random_.below(seen) == 0 : window.value[head] > found->value[head]))
        found = &window;
    }
    return found;
  }

  void update(std::span<const Word> words, const Window& window, std::size_t head, float wanted) {
    const float slope = 1.0F / (1.0F + std::exp(-window.value[head])) - wanted;
    if (std::fabs(slope) < 1e-4F) return;
    const float each = slope / std::sqrt(static_cast<float>(window.features));
    inspect::Features features(recipe_.bits);
    for (std::size_t at = window.first; at <= window.last; ++at) {
      int feature = 0;
      for (const std::uint32_t bucket : features.of(words[at])) {
        const bool lexical = feature++ < 4;
        if (lexical && random_.chance(recipe_.dropped)) continue;
        float& square = net_.square[bucket][head];
        square += each * each;
        net_.weight[bucket][head] -= recipe_.rate * each / std::sqrt(square + 1e-6F);
      }
    }
    net_.bias_square[head] += slope * slope;
    net_.bias[head] -= recipe_.rate * slope / std::sqrt(net_.bias_square[head] + 1e-6F);
  }

  const Recipe& recipe_;
  Random random_;
  Net net_;
  std::vector<Window> windows_;
};

struct Scored {
  std::array<float, heads> value{};
  std::string_view kind;  // empty: benign
  std::string highest;    // benign: the windows, to count equal ones once
};

}  // namespace

std::string_view kind_of(const Row& row) {
  const std::string_view family = row.family;
  if (family.starts_with("bipia")) return "bipia";
  if (family.starts_with("zoo") || family.starts_with("injection")) return "other";
  return family.substr(0, family.find_first_of("(+"));
}

Learned learn(std::span<const Row> rows, const Recipe& recipe) {
  std::vector<std::vector<Word>> words(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    inspect::read_words(rows[i].text, words[i], recipe.reading);
  const std::size_t buckets = std::size_t{1} << recipe.bits;
  std::vector<Weights> mean(buckets);
  Learned learned;
  inspect::Model::Parts& parts = learned.parts;
  parts.bits = recipe.bits;
  parts.reading = recipe.reading;
  for (int member = 0; member < recipe.members; ++member) {
    Learner learner(recipe, recipe.seed + static_cast<std::uint64_t>(member) * 7919);
    learner.run(rows, words);
    const float share = 1.0F / static_cast<float>(recipe.members);
    for (std::size_t head = 0; head < heads; ++head) {
      for (std::size_t bucket = 0; bucket < buckets; ++bucket)
        mean[bucket][head] += learner.net().weight[bucket][head] * share;
      parts.bias[head] += learner.net().bias[head] * share;
    }
  }
  learned.weights.resize(buckets);
  for (std::size_t head = 0; head < heads; ++head) {
    // The few largest weights are cut, so that the many small ones keep their differences.
    std::vector<float> sizes;
    for (const Weights& weights : mean)
      if (weights[head] != 0) sizes.push_back(std::fabs(weights[head]));
    if (sizes.empty()) continue;
    const auto cut = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() * 999 / 1000);
    std::ranges::nth_element(sizes, cut);
    parts.scale[head] = *cut / 127.0F;
    for (std::size_t bucket = 0; bucket < buckets; ++bucket)
      learned.weights[bucket][head] = static_cast<std::int8_t>(
          std::clamp(std::round(mean[bucket][head] / parts.scale[head]), -127.0F, 127.0F));
  }
  parts.weights = learned.weights;
  return learned;
}

namespace {

constexpr std::array<double, inspect::Blend::steps> shares = {0.9,  0.7,  0.5,  0.3,  0.2,   0.1,
                                                              0.05, 0.03, 0.02, 0.01, 0.005, 0.002};

// The value that each share of the benign texts reaches; sorts them.
std::array<float, inspect::Blend::steps> steps_of(std::vector<float>& values) {
  std::array<float, inspect::Blend::steps> steps{};
  std::ranges::sort(values, std::greater<>());
  for (std::size_t step = 0; step < steps.size(); ++step) {
    const auto at = static_cast<std::size_t>(shares[step] * static_cast<double>(values.size()));
    steps[step] = values.empty() ? 0 : values[std::min(at, values.size() - 1)];
    if (step > 0) steps[step] = std::max(steps[step], steps[step - 1] + 1e-4F);
  }
  return steps;
}

}  // namespace

inspect::Blend calibrate(const inspect::Model& model, std::span<const Row> rows) {
  using inspect::Blend;
  std::vector<Scored> scored;
  std::vector<Word> words;
  std::array<std::vector<float>, heads> benign;
  std::array<std::set<std::string>, heads> seen;
  std::map<std::string_view, double> kinds;
  std::set<std::string> texts;
  double benign_rows = 0;
  for (const Row& row : rows) {
    const inspect::Judged judged = model.judge(row.text, words);
    Scored one{.value = judged.value, .kind = row.attack ? kind_of(row) : "", .highest = {}};
    if (row.attack) {
      kinds[one.kind] += 1;
    } else {
      for (std::size_t head = 0; head < heads; ++head) {
        const std::string window =
            row.text.substr(judged.begin[head], judged.end[head] - judged.begin[head]);
        if (seen[head].insert(window).second) benign[head].push_back(judged.value[head]);
        one.highest += window;
      }
      if (!texts.insert(one.highest).second) continue;
      ++benign_rows;
    }
    scored.push_back(std::move(one));
  }
  Blend blend;
  for (std::size_t head = 0; head < heads; ++head) {
    std::ranges::sort(benign[head], std::greater<>());
    if (benign[head].empty()) continue;
    blend.knot[head] = {benign[head][benign[head].size() / 20],
                        benign[head][benign[head].size() / 100]};
  }
  // Logistic regression over the excesses, weights not below 0; plain descent in a fixed order.
  constexpr double benign_weight = 20;  // what matters is the far end of the benign texts
  constexpr std::size_t size = heads * Blend::knots;
  std::array<double, size> weight{};
  double bias = 0;
  const auto excess = [&](const Scored& row, std::size_t i) {
    const std::size_t head = i / Blend::knots;
    return std::clamp(double{row.value[head]} - blend.knot[head][i % Blend::knots], 0.0, 6.0);
  };
  for (int round = 0; round < 600; ++round) {
    std::array<double, size> slope{};
    double bias_slope = 0;
    for (const Scored& row : scored) {
      double sum = bias;
      std::array<double, size> x{};
      for (std::size_t i = 0; i < size; ++i) sum += weight[i] * (x[i] = excess(row, i));
      if (row.kind == "other") continue;
      const bool attack = !row.kind.empty();
      const double share = attack ? 1.0 / kinds[row.kind] / static_cast<double>(kinds.size())
                                  : benign_weight / benign_rows;
      const double off = (1 / (1 + std::exp(-sum)) - (attack ? 1 : 0)) * share;
      for (std::size_t i = 0; i < size; ++i) slope[i] += off * x[i];
      bias_slope += off;
    }
    for (std::size_t i = 0; i < size; ++i)
      weight[i] = std::max(0.0, weight[i] - 0.3 * (slope[i] + 0.002 * weight[i]));
    bias -= 0.3 * bias_slope;
  }
  for (std::size_t i = 0; i < size; ++i)
    blend.weight[i / Blend::knots][i % Blend::knots] = static_cast<float>(weight[i]);

  std::vector<float> sums;
  for (const Scored& row : scored)
    if (row.kind.empty()) sums.push_back(blend.blend(row.value));
  blend.sum = steps_of(sums);
  for (std::size_t step = 0; step < Blend::steps; ++step)
    blend.rarity[step] = static_cast<float>(-std::log10(shares[step]));
  blend.together = blend.rarity;
  return blend;
}

void calibrate_together(std::string_view surface, std::span<const Row> rows,
                        inspect::Model::Parts& parts) {
  parts.blend.together = parts.blend.rarity;  // as it is said
  auto rules = inspect::RuleSet::built_in();
  base::check(rules.has_value(), "the built-in rules are good");
  auto scanner = inspect::Scanner::create(*std::move(rules));
  base::check(scanner.has_value(), "there is memory to scan with");
  inspect::use_models(*scanner, inspect::Models::only(surface, inspect::Model(parts)));
  using inspect::Surface;
  const Surface where = surface == "argument"        ? Surface::arguments
                        : surface == "tool_metadata" ? Surface::descriptor
                        : surface == "user_text"     ? Surface::user_text
                                                     : Surface::result;
  std::vector<float> said;
  for (const Row& row : rows) {
    if (row.attack) continue;
    const auto tree = where == Surface::arguments
                          ? json::Document::parse(row.text)
                          : base::Result<json::Document>(base::fail(base::Code::invalid, "text"));
    const inspect::Findings found = tree && tree->root().is_object()
                                        ? inspect::scan(*scanner, where, tree->root())
                                        : inspect::scan_text(*scanner, where, row.text);
    said.push_back(found.scores.all);
  }
  parts.blend.together = steps_of(said);
}

}  // namespace latticegate::train
