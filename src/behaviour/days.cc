#include "behaviour/days.h"

#include <algorithm>
#include <cmath>
#include <format>

namespace latticegate::behaviour {
namespace {

constexpr std::uint32_t days_to_learn = 5;
constexpr std::uint32_t days_to_drift = 20;
constexpr double quick = 1.0 / 8;
constexpr double slowly = 1.0 / 60;
constexpr double grown = 2.5;
constexpr double least_allowed = 2;
constexpr double after_pause = 0.6;  // what was left over
constexpr double rare = 4.2;         // standard deviations

std::int64_t day_of(base::Time at) {
  return std::chrono::floor<std::chrono::days>(at).time_since_epoch().count();
}

// Whole weekdays between two days, up to a week.
std::int64_t missed_weekdays(std::int64_t from, std::int64_t to) {
  std::int64_t missed = 0;
  if (from == 0 || to - from > 14) return 0;  // the beginning, or another life
  for (std::int64_t day = from + 1; day < to; ++day) {
    const std::chrono::weekday weekday{std::chrono::sys_days(std::chrono::days(day))};
    if (weekday != std::chrono::Saturday && weekday != std::chrono::Sunday) ++missed;
  }
  return missed;
}

void number(json::Writer& out, std::string_view key, double value) {
  out.key(key).raw(std::format("{}", value));
}

double read(json::Value saved) {
  const double value = saved.number().value_or(0);
  return std::isfinite(value) && value >= 0 ? value : 0;
}

}  // namespace

bool Days::weekend() const {
  const std::chrono::weekday day{std::chrono::sys_days(std::chrono::days(day_))};
  return day == std::chrono::Saturday || day == std::chrono::Sunday;
}

// Few weekends are judged like weekdays.
double Days::mean() const {
  const std::size_t kind = weekend() ? 1 : 0;
  const bool enough = closed_of_[kind] >= 2;
  return enough || closed_of_[1 - kind] == 0 ? means_[kind] : std::max(means_[0], means_[1]);
}

double Days::doubt() const {
  const double of_kind = static_cast<double>(closed_of_[weekend() ? 1 : 0]);
  return (weekend() ? 1.3 : 1) * (1 + 0.5 / (1 + of_kind));
}

// At first more is allowed, because few days tell little about how they stray.
double Days::allowed() const {
  const double known = static_cast<double>(closed_);
  const double square = (stray_ * known + 0.1 * 4) / (known + 4);
  return std::max(least_allowed, std::exp(rare * std::sqrt(square))) * doubt() + credit_;
}

void Days::close() {
  if (today_ == 0) return;
  const auto total = static_cast<double>(today_);
  const std::size_t kind = weekend() ? 1 : 0;
  const bool first = closed_ < days_to_learn;
  const double usual_day = std::max(1.0, mean());
  if (!first) {  // a day that was told of is not held against it again
    const double slack = 1 + 1.5 * std::sqrt(stray_);
    carried_ = spoiled_ ? 0 : std::max(0.0, carried_ + total / usual_day - slack);
  }
  if (!spoiled_ || first) {
    const double taught = first ? total : std::min(total, 1.5 * usual_day);
    if (closed_ > 0) {
      const double off = std::clamp(std::log(std::max(1.0, taught) / usual_day), -1.5, 1.5);
      stray_ += (off * off - stray_) * std::max(quick, 1.0 / closed_);
    }
    means_[kind] += (taught - means_[kind]) * std::max(quick, 1.0 / (closed_of_[kind] + 1));
    const double now = std::max(means_[0], means_[1]);
    slow_ = first ? now : slow_ + (now - slow_) * slowly;
    ++closed_of_[kind];
    ++closed_;
  }
  today_ = 0;
  told_ = 0;
  spoiled_ = false;
  drift_told_ = false;
}

Days::Excess Days::add(std::uint64_t amount, base::Time at) {
  if (const std::int64_t day = day_of(at); day > day_) {  // a clock that goes back stays in its day
    close();
    credit_ = missed_weekdays(day_, day) > 0 && closed_of_[0] >= days_to_learn ? after_pause : 0;
    day_ = day;
  }
  today_ += amount;
  Excess excess{.today = today_, .usual = usual()};
  if (closed_ < days_to_learn || mean() < 1) return excess;
  excess.days = carried_ + static_cast<double>(today_) / mean() - allowed() + 1;
  excess.alarm = excess.days >= told_ + 1;
  if (excess.alarm) told_ = std::floor(excess.days);
  if (closed_ >= days_to_drift && std::max(means_[0], means_[1]) > grown * slow_ && !drift_told_)
    excess.drift = drift_told_ = true;
  return excess;
}

void Days::save(json::Writer& out) const {
  out.begin_object().member("day", day_).member("closed", std::int64_t{closed_});
  out.member("today",
             static_cast<std::int64_t>(std::min<std::uint64_t>(today_, std::uint64_t{1} << 62)));
  number(out, "mean", means_[0]);
  number(out, "mean_weekend", means_[1]);
  out.member("closed_weekend", std::int64_t{closed_of_[1]});
  number(out, "slow", slow_);
  number(out, "stray", stray_);
  number(out, "carried", carried_);
  out.member("spoiled", spoiled_).end_object();
}

base::Result<Days> Days::load(json::Value saved) {
  Days out;
  if (!saved.exists()) return out;  // saved before there were days
  if (!saved.is_object()) return base::fail(base::Code::malformed, "saved days are an object");
  out.day_ = saved["day"].integer().value_or(0);
  out.closed_ = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(saved["closed"].integer().value_or(0), 0, 1'000'000));
  out.today_ =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, saved["today"].integer().value_or(0)));
  out.means_ = {read(saved["mean"]), read(saved["mean_weekend"])};
  out.closed_of_[1] = std::min(out.closed_, static_cast<std::uint32_t>(std::max<std::int64_t>(
                                                0, saved["closed_weekend"].integer().value_or(0))));
  out.closed_of_[0] = out.closed_ - out.closed_of_[1];
  out.slow_ = read(saved["slow"]);
  out.stray_ = read(saved["stray"]);
  out.carried_ = read(saved["carried"]);
  out.spoiled_ = saved["spoiled"].boolean().value_or(false);
  return out;
}

}  // namespace latticegate::behaviour
