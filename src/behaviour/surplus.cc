#include "behaviour/surplus.h"

#include <algorithm>
#include <cmath>
#include <format>

namespace latticegate::behaviour {
namespace {

constexpr double reference = 1.8;  // usual shares that an hour takes off
constexpr double least = 1.0;
constexpr double most = 1.2;
constexpr double young = 1;  // more is let pass while few days are known
constexpr double above_peaks = 1.6;

double read(json::Value saved) {
  const double value = saved.number().value_or(0);
  return std::isfinite(value) && value >= 0 ? std::min(value, 1e6) : 0;
}

}  // namespace

Surplus::Excess Surplus::add(double share, double expected, double doubt, double more) {
  sum_ = std::max(0.0, sum_ - reference * expected) + share;
  peak_ = std::max(peak_, sum_);
  Excess excess{.days = sum_, .usual = static_cast<double>(peaks_.usual()) / 100};
  const double allowed = std::clamp(above_peaks * excess.usual, least, most) * doubt *
                             (1 + young / (1 + static_cast<double>(peaks_.total()))) +
                         more;
  // Again with each further half of a usual day.
  excess.alarm = sum_ >= allowed + told_;
  if (excess.alarm) told_ = sum_ - allowed + 0.5;
  return excess;
}

void Surplus::close() {
  if (peak_ > 0 && !spoiled_) peaks_.add(static_cast<std::uint64_t>(peak_ * 100));
  if (spoiled_) sum_ = 0;  // a day that was told of is not held against the next
  peak_ = 0;
  told_ = 0;
  spoiled_ = false;
}

void Surplus::save(json::Writer& out) const {
  out.begin_object().key("sum").raw(std::format("{}", sum_));
  out.key("peak").raw(std::format("{}", peak_)).key("peaks");
  peaks_.save(out);
  out.member("spoiled", spoiled_).end_object();
}

base::Result<Surplus> Surplus::load(json::Value saved) {
  Surplus out;
  if (!saved.exists()) return out;  // of an older version
  if (!saved.is_object()) return base::fail(base::Code::malformed, "a saved surplus is an object");
  out.sum_ = read(saved["sum"]);
  out.peak_ = read(saved["peak"]);
  out.spoiled_ = saved["spoiled"].boolean().value_or(false);
  auto peaks = Sketch::load(saved["peaks"]);
  if (!peaks) return base::within("peaks", std::move(peaks).error());
  out.peaks_ = *peaks;
  return out;
}

}  // namespace latticegate::behaviour
