#include "behaviour/baseline.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <limits>
#include <utility>

namespace latticegate::behaviour {
namespace {

using base::Code;
using base::fail;

constexpr std::uint32_t minutes_to_learn = 5;
constexpr float asked_to_learn = 5;

// How the score of a signal grows: `at_threshold` when the threshold is just passed, `per_decade`
// for each factor of ten above it, never more than `most`.
struct Scale {
  double at_threshold;
  double per_decade;
  double most = 100;
};
constexpr Scale record_scale{70, 20};
// Bytes vary more than records, and files are of any size.
constexpr Scale byte_scale{55, 15};
constexpr Scale rate_scale{50, 20};
// A limit in the arguments of an agent that never gave one: the answer will show whether it
// matters.
constexpr Scale first_limit_scale{50, 12, 75};

constexpr std::uint32_t certain = 100;
constexpr std::string_view of_group = ", by others of its group";
constexpr std::uint64_t unbounded = std::numeric_limits<std::uint64_t>::max();

struct Measured {
  std::uint64_t seen = 0;
  std::uint64_t usual = 0;
  std::uint64_t floor = 0;
  Scale scale;
};

// The score, or 0 when the value is not unusual.
std::uint32_t score(const Measured& what, double factor) {
  const double threshold =
      std::max(factor * static_cast<double>(std::max<std::uint64_t>(what.usual, 1)),
               static_cast<double>(what.floor));
  const auto seen = static_cast<double>(what.seen);
  if (seen < threshold) return 0;
  const double points =
      what.scale.at_threshold + what.scale.per_decade * std::log10(seen / threshold);
  return static_cast<std::uint32_t>(std::clamp(points, 1.0, what.scale.most));
}

std::string sentence(const Signal& signal) {
  std::string_view what;
  switch (signal.kind) {
    case Kind::records: what = "records answered"; break;
    case Kind::records_asked: what = "records asked for"; break;
    case Kind::bytes: what = "bytes answered"; break;
    case Kind::call_rate: what = "calls in one minute"; break;
    case Kind::records_cap:
      return std::format("{} records in one call, configured maximum {}", signal.seen,
                         signal.usual);
    case Kind::day_volume:
      return std::format("{} records today, usually about {} a day (since {})", signal.seen,
                         signal.usual, base::to_rfc3339(signal.since));
    case Kind::drift:
      return std::format("the usual {} records a day have grown slowly to {}", signal.usual,
                         signal.seen);
    default: break;  // of the agent as a whole
  }
  return std::format("{} {}, usually at most {} ({} calls since {})", signal.seen, what,
                     signal.usual, signal.samples, base::to_rfc3339(signal.since));
}

base::Result<base::Time> read_time(json::Value saved) {
  const auto ms = saved.integer();
  constexpr std::int64_t far = 9'000'000'000'000;  // year 2255; further does not fit nanoseconds
  if (!ms || *ms < 0 || *ms > far)
    return fail(Code::malformed, "a saved time is milliseconds since 1970");
  return base::Time(std::chrono::milliseconds(*ms));
}

std::uint32_t read_count(json::Value saved) {
  const auto count = saved.integer().value_or(0);
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(count, 0, std::numeric_limits<std::uint32_t>::max()));
}

std::int64_t minute_of(base::Time time) {
  return std::chrono::floor<std::chrono::minutes>(time).time_since_epoch().count();
}

}  // namespace

bool Baseline::mature(base::Time now, const Settings& settings) const {
  if (matured_) return true;
  if (ratified_) return samples_ > 0;
  return samples_ >= std::max(1U, settings.learn_calls) && now - since_ >= settings.learn_time;
}

void Baseline::age(base::Time now, const Settings& settings) {
  if (aged_ == base::Time{} || now < aged_) {
    aged_ = now;
    return;
  }
  const auto step = std::max<std::chrono::nanoseconds>(settings.half_life, std::chrono::minutes(1));
  if (now - aged_ < step / 64) return;
  // A clock that jumps far ahead must not make us forget everything.
  const double halvings = std::min(
      8.0, std::chrono::duration<double>(now - aged_) / std::chrono::duration<double>(step));
  const auto share = static_cast<float>(std::exp2(-halvings));
  for (Sketch* sketch : {&asked_, &records_, &bytes_, &calls_}) sketch->age(share);
  aged_ = now;
}

// Adds a signal when the value is unusual.
void Baseline::judge(Kind kind, std::uint64_t seen, std::uint64_t usual, std::uint32_t points,
                     Risk& risk) const {
  if (points == 0) return;
  Signal signal{.kind = kind,
                .score = points,
                .usual = usual,
                .seen = seen,
                .since = since_,
                .samples = samples_};
  if (kind == Kind::records_cap) {
    signal.since = {};
    signal.samples = 0;
  }
  signal.sentence = sentence(signal);
  risk.add(std::move(signal));
}

std::uint32_t Baseline::count_call(base::Time now) {
  const std::int64_t minute = minute_of(now);
  if (minute != minute_) {
    if (calls_in_minute_ > 0 && !minute_alarmed_) {
      calls_.add(calls_in_minute_);
      ++minutes_;
    }
    minute_ = minute;
    calls_in_minute_ = 0;
    minute_alarmed_ = false;
  }
  return ++calls_in_minute_;
}

Risk Baseline::before(const Intent& intent, const Settings& settings) {
  age(intent.at, settings);
  matured_ = mature(intent.at, settings);
  const std::uint32_t calls = count_call(intent.at);
  Risk risk;
  risk.learning = !mature(intent.at, settings);
  const std::uint64_t cap = intent.max_records.value_or(settings.max_records.value_or(unbounded));
  if (intent.asked && *intent.asked > cap)
    judge(Kind::records_cap, *intent.asked, cap, certain, risk);
  if (settings.habits) arguments_.before(intent.given, intent.at, !risk.learning, since_, risk);
  if (risk.learning) return risk;
  if (calls >= settings.floor_calls && minutes_ >= minutes_to_learn) {
    const std::uint64_t usual = calls_.usual();
    const Measured rate{
        .seen = calls, .usual = usual, .floor = settings.floor_calls, .scale = rate_scale};
    const std::uint32_t points = score(rate, settings.factor);
    minute_alarmed_ = minute_alarmed_ || points > 0;
    judge(Kind::call_rate, calls, usual, points, risk);
  }
  if (intent.asked) judge_asked(*intent.asked, settings, risk);
  return risk;
}

Risk Baseline::after(const Observation& seen, const Settings& settings,
                     std::optional<Lesson>& lesson) {
  age(seen.at, settings);
  Risk risk;
  risk.learning = !mature(seen.at, settings);
  const std::uint64_t cap = seen.max_records.value_or(settings.max_records.value_or(unbounded));
  if (seen.records > cap) judge(Kind::records_cap, seen.records, cap, certain, risk);
  if (!risk.learning) judge_sizes(seen, settings, risk);
  // Also while it learns calls: a day has its own time to learn.
  if (!seen.failed) judge_day(seen, settings, risk);
  if (seen.teach && !minute_alarmed_ && risk.signals.empty())
    lesson = learn(seen, settings, !risk.learning);
  return risk;
}

void Baseline::judge_asked(std::uint64_t asked, const Settings& settings, Risk& risk) const {
  if (asked < settings.floor_records) return;
  const bool knows = asked_.total() >= asked_to_learn;
  const std::uint64_t usual = std::max(asked_.usual(), records_.usual());
  judge(Kind::records_asked, asked, usual,
        score({.seen = asked,
               .usual = usual,
               .floor = settings.floor_records,
               .scale = knows ? record_scale : first_limit_scale},
              settings.factor),
        risk);
}

// Below the floor nothing is an alarm, so that most calls never ask the distribution.
void Baseline::judge_sizes(const Observation& seen, const Settings& settings, Risk& risk) const {
  if (seen.records >= settings.floor_records) {
    const std::uint64_t usual = records_.usual();
    judge(Kind::records, seen.records, usual,
          score({.seen = seen.records,
                 .usual = usual,
                 .floor = settings.floor_records,
                 .scale = record_scale},
                settings.factor),
          risk);
  }
  if (seen.bytes >= settings.floor_bytes) {
    const std::uint64_t usual = bytes_.usual();
    judge(Kind::bytes, seen.bytes, usual,
          score({.seen = seen.bytes,
                 .usual = usual,
                 .floor = settings.floor_bytes,
                 .scale = byte_scale},
                settings.factor),
          risk);
  }
}

bool Baseline::knows_peers(const Settings& settings) const {
  return samples_ >= 3 * std::max(1U, settings.learn_calls);
}

Risk Baseline::before_of_peer(const Intent& intent, const Settings& settings) const {
  Risk risk;
  if (!knows_peers(settings) || !intent.asked) return risk;
  judge_asked(*intent.asked, settings, risk);
  for (Signal& signal : risk.signals) signal.sentence += of_group;
  return risk;
}

Risk Baseline::after_of_peer(const Observation& seen, const Settings& settings) const {
  Risk risk;
  if (!knows_peers(settings)) return risk;
  judge_sizes(seen, settings, risk);
  for (Signal& signal : risk.signals) signal.sentence += of_group;
  return risk;
}

Lesson Baseline::learn_of_peer(const Observation& seen, const Settings& settings) {
  age(seen.at, settings);
  Observation sizes = seen;
  sizes.given = {};
  return learn(sizes, settings, knows_peers(settings));
}

void Baseline::judge_day(const Observation& seen, const Settings& settings, Risk& risk) {
  const Days::Excess excess = days_.add(seen.records, seen.at);
  if (excess.alarm && excess.today >= settings.floor_records) {
    // Of one tool a day strays far; the agent's whole day is habit.h's.
    constexpr double at_threshold = 70;
    constexpr double per_day = 20;
    judge(Kind::day_volume, excess.today, excess.usual,
          static_cast<std::uint32_t>(std::min(100.0, at_threshold + per_day * (excess.days - 1))),
          risk);
    days_.spoil();
  }
  constexpr std::uint32_t drift_points = 50;
  if (excess.drift && excess.usual >= settings.floor_records)
    judge(Kind::drift, excess.usual, excess.usual * 2 / 5, drift_points, risk);
}

Lesson Baseline::learn(const Observation& seen, const Settings& settings, bool mature) {
  if (samples_ == 0) since_ = seen.at;
  if (samples_ < std::numeric_limits<std::uint32_t>::max()) ++samples_;
  // A mature baseline moves by a factor of two at most per lesson; what is too small ever to raise
  // the threshold above the floor is learnt as it is.
  const auto tempered = [&](const Sketch& sketch, std::uint64_t value, std::uint64_t floor) {
    const auto harmless = static_cast<std::uint64_t>(static_cast<double>(floor) / settings.factor);
    if (!mature || value <= harmless) return value;
    return std::min(value, std::max(harmless, 2 * std::min(sketch.usual(), unbounded / 2)));
  };
  Lesson lesson;
  const auto teach = [&](Sketch& sketch, std::uint64_t value, std::uint64_t floor) {
    const std::uint64_t taught = tempered(sketch, value, floor);
    sketch.add(taught);
    return static_cast<std::uint8_t>(Sketch::bucket_of(taught));
  };
  lesson.records = teach(records_, seen.records, settings.floor_records);
  lesson.bytes = teach(bytes_, seen.bytes, settings.floor_bytes);
  if (seen.asked) lesson.asked = teach(asked_, *seen.asked, settings.floor_records);
  if (settings.habits) lesson.arguments = arguments_.learn(seen.given, mature);
  return lesson;
}

void Baseline::unlearn(const Lesson& lesson) {
  records_.remove(lesson.records);
  bytes_.remove(lesson.bytes);
  asked_.remove(lesson.asked);  // 0xff is no bucket
  arguments_.unlearn(lesson.arguments);
  if (samples_ > 0) --samples_;
}

void Baseline::save(json::Writer& out) const {
  out.begin_object();
  out.member("since", base::to_unix_ms(since_));
  out.member("aged", base::to_unix_ms(aged_));
  out.member("samples", std::int64_t{samples_});
  out.member("minutes", std::int64_t{minutes_});
  out.member("ratified", ratified_);
  out.member("matured", matured_);
  for (const auto& [key, sketch] : {std::pair{"asked", &asked_}, std::pair{"records", &records_},
                                    std::pair{"bytes", &bytes_}, std::pair{"calls", &calls_}}) {
    out.key(key);
    sketch->save(out);
  }
  out.key("days");
  days_.save(out);
  out.key("arguments");
  arguments_.save(out);
  out.end_object();
}

base::Result<Baseline> Baseline::load(json::Value saved) {
  Baseline out;
  for (const auto& [key, time] : {std::pair{"since", &out.since_}, std::pair{"aged", &out.aged_}}) {
    auto read = read_time(saved[key]);
    if (!read) return base::within(key, std::move(read).error());
    *time = *read;
  }
  for (const auto& [key, sketch] :
       {std::pair{"asked", &out.asked_}, std::pair{"records", &out.records_},
        std::pair{"bytes", &out.bytes_}, std::pair{"calls", &out.calls_}}) {
    auto read = Sketch::load(saved[key]);
    if (!read) return base::within(key, std::move(read).error());
    *sketch = *read;
  }
  auto days = Days::load(saved["days"]);
  if (!days) return base::within("days", std::move(days).error());
  out.days_ = *days;
  auto arguments = Arguments::load(saved["arguments"]);
  if (!arguments) return base::within("arguments", std::move(arguments).error());
  out.arguments_ = *std::move(arguments);
  out.samples_ = read_count(saved["samples"]);
  out.minutes_ = read_count(saved["minutes"]);
  out.ratified_ = saved["ratified"].boolean().value_or(false);
  out.matured_ = saved["matured"].boolean().value_or(false);
  return out;
}

}  // namespace latticegate::behaviour
