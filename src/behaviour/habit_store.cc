// A habit as it is kept over restarts.
#include <algorithm>
#include <cmath>
#include <format>
#include <utility>

#include "behaviour/habit.h"

namespace latticegate::behaviour {

// What the counts of ten minutes and the lengths of loops and walks are held against.
auto Habit::usuals(auto& of) {
  return std::array{std::pair{"denials", &of.denials_.usual},
                    std::pair{"errors", &of.errors_.usual}, std::pair{"repeats", &of.repeats_},
                    std::pair{"runs", &of.runs_}, std::pair{"peaks", &of.peaks_}};
}

void Habit::save(json::Writer& out) const {
  out.begin_object()
      .member("since", base::to_unix_ms(since_))
      .member("day", day_)
      .member("days", std::int64_t{all_days_})
      .member("acts", std::int64_t{acts_})
      .member("order", static_cast<std::int64_t>(order_))
      .member("ratified", ratified_);
  out.key("weight").raw(std::format("{}", days_));
  out.key("known").begin_array();
  for (const Known& known : known_)
    out.begin_array()
        .integer(static_cast<std::int64_t>(known.kind))
        .string(known.name)
        .integer(known.first)
        .integer(known.last)
        .integer(known.times)
        .end_array();
  out.end_array().key("news").begin_array();
  for (const float count : news_) out.raw(std::format("{}", count));
  out.end_array().key("hours").begin_array();
  for (std::size_t hour = 0; hour < 48; ++hour) out.raw(std::format("{}", course_.calls(hour)));
  out.end_array().member("ways", ways_.save());
  for (const auto& [key, sketch] : usuals(*this)) {
    out.key(key);
    sketch->save(out);
  }
  out.key("records");
  records_.save(out);
  out.key("calls");
  calls_.save(out);
  out.member("added", base::to_unix_ms(added_at_)).key("surplus");
  more_.save(out);
  out.key("deviations").begin_array();
  for (const Deviation& deviation : deviations_)
    out.begin_array()
        .integer(base::to_unix_ms(deviation.at))
        .integer(static_cast<std::int64_t>(deviation.kind))
        .integer(deviation.score)
        .string(deviation.sentence)
        .end_array();
  out.end_array().end_object();
}

namespace {

base::Time read_time(json::Value saved) {
  constexpr std::int64_t far = 9'000'000'000'000;
  return base::Time(
      std::chrono::milliseconds(std::clamp<std::int64_t>(saved.integer().value_or(0), 0, far)));
}

float read_float(json::Value saved) {
  const double value = saved.number().value_or(0);
  return std::isfinite(value) && value >= 0 ? static_cast<float>(std::min(value, 1e6)) : 0;
}

std::uint32_t read_count(json::Value saved) {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(saved.integer().value_or(0), 0, 4'000'000'000));
}

template <class Numbers>
void read_floats(json::Value saved, Numbers& numbers) {
  std::size_t at = 0;
  for (const json::Value one : saved.elements())
    if (at < numbers.size()) numbers[at++] = read_float(one);
}

}  // namespace

base::Result<Habit> Habit::load(json::Value saved) {
  if (!saved.is_object()) return base::fail(base::Code::malformed, "a saved habit is an object");
  Habit out;
  out.since_ = read_time(saved["since"]);
  out.day_ = saved["day"].integer().value_or(0);
  out.all_days_ = read_count(saved["days"]);
  out.acts_ = read_count(saved["acts"]);
  out.order_ =
      static_cast<Order>(std::clamp<std::int64_t>(saved["order"].integer().value_or(0), 0, 2));
  out.ratified_ = saved["ratified"].integer().value_or(0);
  out.days_ = read_float(saved["weight"]);
  for (const json::Value one : saved["known"].elements()) {
    const std::int64_t kind = one.at(0).integer().value_or(-1);
    const auto text = one.at(1).string();
    if (kind < 0 || kind >= static_cast<std::int64_t>(thing_kinds) || !text ||
        out.known_.size() == most_known)
      return base::fail(base::Code::malformed, "a saved thing is [kind, name, first, last, times]");
    const Touched thing{static_cast<Thing>(kind), *text};
    out.known_.push_back({thing.kind, std::string(text->substr(0, longest_name)), hash_of(thing),
                          one.at(2).integer().value_or(0), one.at(3).integer().value_or(0),
                          read_count(one.at(4))});
  }
  std::ranges::sort(out.known_, {}, &Known::hash);
  read_floats(saved["news"], out.news_);
  read_floats(saved["hours"], out.course_.learnt());
  out.ways_ = Ways::load(saved["ways"].text_or({}));
  for (const auto& [key, sketch] : usuals(out)) {
    if (!saved[key]) continue;  // of an older version
    auto read = Sketch::load(saved[key]);
    if (!read) return base::within(key, std::move(read).error());
    *sketch = *read;
  }
  auto records = Days::load(saved["records"]);
  if (!records) return base::within("records", std::move(records).error());
  out.records_ = *records;
  auto calls = Days::load(saved["calls"]);
  if (!calls) return base::within("calls", std::move(calls).error());
  out.calls_ = *calls;
  out.added_at_ = read_time(saved["added"]);
  auto surplus = Surplus::load(saved["surplus"]);
  if (!surplus) return base::within("surplus", std::move(surplus).error());
  out.more_ = *surplus;
  for (const json::Value one : saved["deviations"].elements()) {
    if (out.deviations_.size() == most_deviations) break;
    const std::int64_t kind = one.at(1).integer().value_or(0);
    out.deviations_.push_back(
        {read_time(one.at(0)),
         static_cast<Kind>(std::clamp<std::int64_t>(kind, 0, static_cast<std::int64_t>(last_kind))),
         read_count(one.at(2)), std::string(one.at(3).text_or({}))});
  }
  return out;
}

}  // namespace latticegate::behaviour
