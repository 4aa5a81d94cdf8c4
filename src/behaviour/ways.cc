#include "behaviour/ways.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <format>
#include <span>

namespace latticegate::behaviour {
namespace {

constexpr std::uint32_t steps_to_learn = 200;
constexpr std::uint32_t often_enough = 6;
constexpr double most_bits = 10;
constexpr double share = 0.12;    // of a step in the running mean
constexpr double least_bits = 3;  // below it nothing is surprising
constexpr double above_usual = 0.9;
constexpr std::chrono::minutes pause(10);

std::size_t spread(std::size_t value) { return value * 2654435761U >> 8; }

void bump(std::span<std::uint8_t> row, std::uint8_t& count) {
  if (count == 255)
    for (std::uint8_t& other : row) other /= 2;
  ++count;
}

}  // namespace

std::size_t Ways::place_of(std::uint64_t tool) {
  for (std::size_t i = 1; i < tools - 1; ++i) {
    if (names_[i] == tool) return i;
    if (names_[i] == 0) {
      names_[i] = tool;
      return i;
    }
  }
  return tools - 1;
}

double Ways::chance(std::size_t tool) const {
  const std::size_t context = before_that_ * tools + before_;
  const std::uint8_t seen = contexts_[spread(context) % contexts_.size()];
  if (seen >= often_enough) {
    const std::uint8_t with = triples_[spread(context * tools + tool) % triples_.size()];
    return (with + 0.25) / (seen + 0.25 * tools / 4);
  }
  const auto row = std::span(pairs_).subspan(std::size_t{before_} * tools, tools);
  std::uint32_t all = 0;
  for (const std::uint8_t count : row) all += count;
  if (all >= often_enough) return (row[tool] + 0.25) / (all + 0.25 * tools / 4);
  std::uint32_t uses = 0;
  std::uint32_t total = 0;
  for (std::size_t from = 0; from < tools; ++from)
    for (std::size_t to = 1; to < tools; ++to) {
      total += pairs_[from * tools + to];
      uses += to == tool ? pairs_[from * tools + to] : 0U;
    }
  return (uses + 0.25) / (total + 0.25 * tools / 4);
}

void Ways::learn(std::size_t tool) {
  const std::size_t context = before_that_ * tools + before_;
  std::uint8_t& seen = contexts_[spread(context) % contexts_.size()];
  std::uint8_t& with = triples_[spread(context * tools + tool) % triples_.size()];
  if (seen == 255) {
    for (std::uint8_t& count : contexts_) count /= 2;
    for (std::uint8_t& count : triples_) count /= 2;
  }
  ++seen;
  if (with < 255) ++with;
  const auto row = std::span(pairs_).subspan(std::size_t{before_} * tools, tools);
  bump(row, row[tool]);
}

std::optional<Ways::Surprise> Ways::step(std::uint64_t tool, base::Time at, bool teach) {
  if (at - last_ > pause) {
    before_ = before_that_ = 0;
    mean_ = 0;
  }
  last_ = at;
  const std::size_t place = place_of(tool);
  const double bits = std::min(most_bits, -std::log2(chance(place)));
  mean_ += (bits - mean_) * share;
  std::optional<Surprise> surprise;
  if (steps_ >= steps_to_learn && mean_ >= least_bits) {
    const double usual = static_cast<double>(surprises_.usual()) / 16;
    if (mean_ > usual + above_usual) {
      surprise = Surprise{mean_, usual};
      mean_ = usual;  // told once
    }
  }
  if (teach && !surprise) {
    if (steps_ >= steps_to_learn / 2) surprises_.add(static_cast<std::uint64_t>(mean_ * 16));
    if (steps_ < 1'000'000) ++steps_;
  }
  if (teach) learn(place);
  before_that_ = before_;
  before_ = static_cast<std::uint8_t>(place);
  return surprise;
}

namespace {

// "17,3z,255,...": numbers, and runs of zeros.
template <class Numbers>
void write(const Numbers& numbers, std::string& out) {
  std::size_t zeros = 0;
  const auto flush = [&] {
    if (zeros > 0) out += std::format("{}z,", zeros);
    zeros = 0;
  };
  for (const auto number : numbers) {
    if (number == 0) {
      ++zeros;
      continue;
    }
    flush();
    out += std::format("{},", number);
  }
  flush();
}

template <class Numbers>
void read(std::string_view& text, Numbers& numbers) {
  std::size_t at = 0;
  while (at < numbers.size() && !text.empty()) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const bool zeros = text.starts_with('z');
    if (zeros) text.remove_prefix(1);
    if (text.starts_with(',')) text.remove_prefix(1);
    if (zeros)
      at += std::min<std::uint64_t>(number, numbers.size() - at);
    else
      numbers[at++] = static_cast<typename Numbers::value_type>(number);
  }
}

}  // namespace

std::string Ways::save() const {
  std::string out = std::format("{},", steps_);
  write(names_, out);
  write(pairs_, out);
  write(triples_, out);
  write(contexts_, out);
  std::array<std::uint64_t, Sketch::buckets> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i)
    counts[i] = static_cast<std::uint64_t>(surprises_.counts()[i]);
  write(counts, out);
  return out;
}

Ways Ways::load(std::string_view saved) {
  Ways out;
  std::array<std::uint32_t, 1> steps{};
  read(saved, steps);
  out.steps_ = steps[0];
  read(saved, out.names_);
  read(saved, out.pairs_);
  read(saved, out.triples_);
  read(saved, out.contexts_);
  std::array<std::uint64_t, Sketch::buckets> counts{};
  read(saved, counts);
  std::array<float, Sketch::buckets> floats{};
  for (std::size_t i = 0; i < counts.size(); ++i) floats[i] = static_cast<float>(counts[i]);
  out.surprises_ = Sketch::restored(floats, static_cast<std::uint64_t>(most_bits * 16));
  return out;
}

}  // namespace latticegate::behaviour
