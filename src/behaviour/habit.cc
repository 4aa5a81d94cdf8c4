#include "behaviour/habit.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <utility>

#include "base/log.h"

namespace latticegate::behaviour {
namespace {

constexpr std::uint32_t acts_to_learn = 50;
constexpr std::uint32_t days_to_learn = 3;
constexpr float fade = 0.97F;  // a day; half in about three weeks
constexpr std::int64_t hour_s = 3600;
constexpr std::uint32_t days_to_learn_volume = 5;
constexpr std::uint64_t few_repeats = 12;
constexpr std::uint64_t few_refusals = 5;

struct Weight {
  Kind kind;
  double points;
};
// By Thing.
constexpr std::array<Weight, thing_kinds> weights{{{Kind::new_tool, 35},
                                                   {Kind::new_server, 55},
                                                   {Kind::new_segment, 95},
                                                   {Kind::new_domain, 95},
                                                   {Kind::new_schema, 92},
                                                   {Kind::new_table, 30},
                                                   {Kind::new_host, 40},
                                                   {Kind::new_path, 25}}};

constexpr double locked_more = 20;
constexpr double at_night = 50;
constexpr double out_of_order = 50;
constexpr double per_bit = 10;
constexpr double surplus_points = 92;

std::int64_t seconds_of(base::Time at) {
  return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}
std::int64_t day_of(base::Time at) {
  return std::chrono::floor<std::chrono::days>(at).time_since_epoch().count();
}
std::string date(base::Time at) { return base::to_rfc3339(at).substr(0, 10); }

}  // namespace

std::string_view name(Thing kind) {
  switch (kind) {
    case Thing::tool: return "tool";
    case Thing::server: return "server";
    case Thing::segment: return "segment";
    case Thing::domain: return "data domain";
    case Thing::schema: return "schema";
    case Thing::table: return "table";
    case Thing::host: return "host";
    case Thing::path: return "path";
  }
  std::unreachable();
}

std::uint64_t Habit::hash_of(const Touched& thing) {
  // FNV-1a, the same in every process: it is saved.
  std::uint64_t hash = 0xCBF29CE484222325U ^ static_cast<std::uint64_t>(thing.kind);
  for (const char c : thing.name.substr(0, longest_name)) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3U;
  }
  return hash;
}

std::string_view name(Phase phase) {
  switch (phase) {
    case Phase::learning: return "learning";
    case Phase::mature: return "mature";
    case Phase::ratified: return "ratified";
    case Phase::locked: return "locked";
  }
  std::unreachable();
}

// Hours that were told of taught nothing: who says that they are normal lets them be learnt anew.
void Habit::ratify(base::Time at) {
  course_ = {};
  more_ = {};
  order_ = Order::ratified;
  ratified_ = seconds_of(at);
}

void Habit::lock(bool locked, base::Time at) {
  if (order_ == Order::none) ratified_ = seconds_of(at);
  order_ = locked ? Order::locked : Order::ratified;
}

Phase Habit::phase() const {
  if (order_ == Order::locked) return Phase::locked;
  if (order_ == Order::ratified) return Phase::ratified;
  return acts_ >= acts_to_learn && all_days_ >= days_to_learn ? Phase::mature : Phase::learning;
}

const Habit::Known* Habit::find(std::uint64_t hash) const {
  const auto at = std::ranges::lower_bound(known_, hash, {}, &Known::hash);
  return at != known_.end() && at->hash == hash ? &*at : nullptr;
}

void Habit::touch(const Touched& thing, base::Time at) {
  const std::uint64_t hash = hash_of(thing);
  auto place = std::ranges::lower_bound(known_, hash, {}, &Known::hash);
  if (place != known_.end() && place->hash == hash) {
    place->last = seconds_of(at);
    ++place->times;
    return;
  }
  if (order_ == Order::locked) return;
  if (known_.size() >= most_known) {
    known_.erase(std::ranges::min_element(known_, {}, &Known::last));
    place = std::ranges::lower_bound(known_, hash, {}, &Known::hash);
  }
  known_.insert(place, {thing.kind, std::string(thing.name.substr(0, longest_name)), hash,
                        seconds_of(at), seconds_of(at), 1});
  const auto kind = static_cast<std::size_t>(thing.kind);
  if (!judges() || news_day_[kind] == day_of(at)) return;
  news_day_[kind] = day_of(at);
  news_[kind] += 1;
}

// A new day fades what was learnt, a new ten minutes close their counts.
void Habit::turn(base::Time at) {
  if (since_ == base::Time{}) since_ = at;
  if (const std::int64_t day = day_of(at); day > day_) {
    day_ = day;
    days_ = days_ * fade + 1;
    ++all_days_;
    for (float& count : news_) count *= fade;
    course_.close(fade);
    more_.close();
  }
  const std::int64_t window = seconds_of(at) / 600;
  if (window == window_) return;
  window_ = window;
  // What was an alarm does not make itself usual: it teaches little, once the agent is known.
  const bool teaches = order_ != Order::locked;
  if (repeated_ > 0 && teaches)
    repeats_.add(judges() && repeated_ > 2 * std::max(repeats_.usual(), few_repeats / 2)
                     ? few_repeats
                     : repeated_);
  repeated_ = 0;
  for (Window* one : {&denials_, &errors_}) {
    if (one->count > 0 && teaches)
      one->usual.add(judges() ? std::min<std::uint64_t>(
                                    one->count, std::max(few_refusals, one->usual.usual() * 3 / 2))
                              : one->count);
    one->count = 0;
  }
}

void Habit::add(Kind kind, double points, std::uint64_t usual, std::uint64_t seen,
                std::string sentence, Risk& risk) const {
  if (order_ == Order::locked) points += locked_more;
  if (points < 1) return;
  risk.add({.kind = kind,
            .score = static_cast<std::uint32_t>(std::min(points, 100.0)),
            .usual = usual,
            .seen = seen,
            .since = since_,
            .samples = acts_,
            .sentence = std::move(sentence)});
}

void Habit::judge_things(const Act& act, const Peers& peers, Risk& risk) const {
  std::array<bool, thing_kinds> told{};
  for (const Touched& thing : act.touched) {
    const auto kind = static_cast<std::size_t>(thing.kind);
    if (told[kind] || find(hash_of(thing)) != nullptr) continue;
    told[kind] = true;
    std::uint64_t others = 0;
    std::string examples;
    for (const Known& known : known_) {
      if (known.kind != thing.kind) continue;
      if (++others <= 4) examples += (examples.empty() ? "" : ", ") + known.name;
    }
    // A kind of which nothing was ever seen is not news but something else: the tool will be new.
    if (others == 0 && thing.kind != Thing::segment && thing.kind != Thing::domain) continue;
    const double common = std::min(0.95, news_[kind] / (days_ + 2.0));
    double points = weights[kind].points * (1 - common);
    const bool of_peers = peers && peers(thing);
    if (of_peers) points /= 3;
    add(weights[kind].kind, points, others, others + 1,
        std::format("first use of the {} {}; known are {}{} (since {}, {} calls on {} days){}",
                    name(thing.kind), base::printable(thing.name.substr(0, longest_name)),
                    examples.empty() ? "none" : examples, others > 4 ? ", ..." : "", date(since_),
                    acts_, all_days_, of_peers ? "; others of its group use it" : ""),
        risk);
  }
}

void Habit::judge_hour(base::Time at, Risk& risk) {
  constexpr std::uint32_t days = 10;
  constexpr float enough = 200;
  constexpr float seldom = 0.002F;
  if (all_days_ < days) return;
  const std::size_t now = Course::hour_of(at);
  const std::size_t first = now / 24 * 24;
  float total = 0;
  for (std::size_t hour = 0; hour < 48; ++hour) total += course_.calls(hour);
  float near = 0;
  for (const std::size_t step : {23U, 0U, 1U}) near += course_.calls(first + (now + step) % 24);
  if (total < enough || near > seldom * total) return;
  if (at - hour_told_ < std::chrono::hours(1)) return;
  hour_told_ = at;
  add(Kind::hour, at_night, 0, 1,
      std::format("a call at {:02}:00 UTC on a {}, when there were almost none (since {})",
                  now % 24, first == 0 ? "weekday" : "weekend", date(since_)),
      risk);
}

void Habit::judge_loop(const Act& act, Risk& risk) {
  const std::uint64_t call = act.tool * 31 + act.arguments;
  const auto repeats = static_cast<std::uint64_t>(std::ranges::count(latest_, call));
  latest_[next_] = call;
  next_ = (next_ + 1) % latest_.size();
  const std::uint64_t usual = repeats >= few_repeats ? repeats_.usual() : 0;
  if (repeats >= few_repeats && repeats > 2 * usual) {
    add(Kind::loop, repeats >= 28 ? 75 : 50, usual, repeats,
        std::format("the same call {} times among the latest 32, usually at most {}", repeats,
                    usual),
        risk);
  }
  repeated_ = std::max(repeated_, repeats);
}

void Habit::judge_walk(const Act& act, Risk& risk) {
  constexpr std::uint32_t least = 15;
  constexpr std::uint32_t many = 60;
  if (!act.number) return;
  auto walk = std::ranges::find(walks_, act.tool, &Walk::tool);
  if (walk == walks_.end()) {
    walk = std::ranges::min_element(walks_, {}, &Walk::run);
    *walk = {.tool = act.tool, .last = *act.number, .step = 0, .run = 0};
    return;
  }
  const std::int64_t step = static_cast<std::int64_t>(static_cast<std::uint64_t>(*act.number) -
                                                      static_cast<std::uint64_t>(walk->last));
  walk->last = *act.number;
  if (step == 0) return;
  if (step == walk->step && std::abs(step) <= 1'000) {
    ++walk->run;
  } else {
    if (walk->run > 2 && walk->run < least && order_ != Order::locked) runs_.add(walk->run);
    walk->step = step;
    walk->run = 1;
  }
  if (walk->run < least) return;
  const std::uint64_t usual = runs_.usual();
  if (walk->run <= 2 * usual) return;
  add(Kind::enumeration, walk->run >= many ? 85 : 55, usual, walk->run,
      std::format("{} calls in a row, each with the number before and {}; usually at most {}",
                  walk->run, step, usual),
      risk);
}

void Habit::judge_window(Window& window, Kind kind, std::uint64_t least, Risk& risk) {
  if (window.count < least) return;
  const std::uint64_t usual = window.usual.usual();
  if (window.count <= 3 * usual) return;
  add(kind, window.count >= 4 * least ? 80 : 55, usual, window.count,
      std::format("{} calls {} within ten minutes, usually at most {}", window.count,
                  kind == Kind::denials ? "refused" : "failed", usual),
      risk);
}

// Many calls of a usual size, one after the other, are no jump and still a scrape: a day's worth of
// records within an hour, where hours never brought more than about half of it.
void Habit::judge_hour_volume(std::uint64_t records, base::Time at, const Settings& settings,
                              Risk& risk) {
  constexpr double above = 1.8;
  constexpr double of_day = 0.8;
  constexpr double points = 92;
  constexpr float hours = 10;
  const std::chrono::duration<double, std::ratio<hour_s>> passed = at - lately_at_;
  lately_ = lately_ * std::exp(-std::max(0.0, passed.count())) + static_cast<double>(records);
  lately_at_ = std::max(lately_at_, at);
  if (const std::int64_t hour = seconds_of(at) / hour_s; hour != peak_hour_) {
    if (peak_ >= 1 && order_ != Order::locked) peaks_.add(static_cast<std::uint64_t>(peak_));
    peak_hour_ = hour;
    peak_ = 0;
  }
  const auto day = static_cast<double>(records_.usual());
  const auto usual = static_cast<double>(peaks_.usual());
  const bool alarm = records_.closed() >= days_to_learn_volume && peaks_.total() >= hours &&
                     lately_ >= static_cast<double>(settings.floor_records) &&
                     lately_ >= of_day * day && lately_ >= above * usual;
  if (!alarm) {
    peak_ = std::max(peak_, lately_);
    return;
  }
  peak_ = 0;  // teaches nothing
  add(Kind::hour_volume, points, peaks_.usual(), static_cast<std::uint64_t>(lately_),
      std::format("{:.0f} records within about an hour, usually at most {} and about {} a day",
                  lately_, peaks_.usual(), records_.usual()),
      risk);
}

// Calls of a usual size at a usual pace, above what these hours bring.
void Habit::judge_surplus(std::uint64_t records, base::Time at, const Settings& settings,
                          Risk& risk) {
  const double expected = course_.between(added_at_, at);
  added_at_ = std::max(added_at_, at);
  const auto day = static_cast<double>(records_.usual());
  const auto day_calls = static_cast<double>(calls_.usual());
  if (records_.closed() < days_to_learn_volume || !course_.known() || day < 1 || day_calls < 1)
    return;
  const double share = (static_cast<double>(records) / day + 1 / day_calls) / 2;
  const Surplus::Excess excess = more_.add(share, expected, records_.doubt(), records_.left_over());
  if (!excess.alarm || excess.days * day < static_cast<double>(settings.floor_records)) return;
  add(Kind::surplus, surplus_points, static_cast<std::uint64_t>(excess.usual * day),
      static_cast<std::uint64_t>(excess.days * day),
      std::format("{:.1f} usual days of work above what these hours bring, usually at most {:.1f}",
                  excess.days, excess.usual),
      risk);
}

Risk Habit::before(const Act& act, const Settings& settings, const Peers& peers) {
  Risk risk;
  if (!settings.habits) return risk;
  turn(act.at);
  ++acts_;
  judge_loop(act, risk);
  judge_walk(act, risk);
  judge_window(denials_, Kind::denials, few_refusals, risk);
  judge_window(errors_, Kind::errors, 15, risk);
  const auto surprise = ways_.step(act.tool, act.at, order_ != Order::locked);
  if (judges()) {
    judge_things(act, peers, risk);
    judge_hour(act.at, risk);
    if (surprise)
      add(Kind::order, out_of_order + per_bit * std::min(3.0, surprise->bits - surprise->usual),
          static_cast<std::uint64_t>(surprise->usual), static_cast<std::uint64_t>(surprise->bits),
          std::format("its latest steps are surprising ({:.1f} bits each, usually at most {:.1f})",
                      surprise->bits, surprise->usual),
          risk);
  }
  note(risk, act.at);
  return risk;
}

Risk Habit::after(const Act& act, const Deed& deed, const Settings& settings) {
  Risk risk;
  if (!settings.habits) return risk;
  if (deed.denied) ++denials_.count;
  if (deed.failed) ++errors_.count;
  if (deed.denied) return risk;
  const Days::Excess excess = records_.add(deed.records, act.at);
  if (excess.alarm && excess.today >= settings.floor_records)
    add(Kind::day_volume, std::min(100.0, 90 + 5 * (excess.days - 1)), excess.usual, excess.today,
        std::format("{} records today from all tools, usually about {} a day", excess.today,
                    excess.usual),
        risk);
  judge_hour_volume(deed.records, act.at, settings, risk);
  const Days::Excess busy = calls_.add(1, act.at);
  if (busy.alarm && busy.today >= settings.floor_records)
    add(Kind::day_volume, std::min(100.0, 90 + 5 * (busy.days - 1)), busy.usual, busy.today,
        std::format("{} calls today, usually about {} a day", busy.today, busy.usual), risk);
  judge_surplus(deed.records, act.at, settings, risk);
  if (!risk.signals.empty()) spoil();
  if (excess.drift && excess.usual >= settings.floor_records)
    add(Kind::drift, 50, excess.usual * 2 / 5, excess.usual,
        std::format("the usual records of a day have grown slowly to {}", excess.usual), risk);
  note(risk, act.at);
  if (!deed.teach) return risk;
  for (const Touched& thing : act.touched) touch(thing, act.at);
  if (order_ != Order::locked) course_.add(act.at);
  return risk;
}

void Habit::unlearn(base::Time at) {
  const std::int64_t since = seconds_of(at) - hour_s;
  std::erase_if(
      known_, [&](const Known& known) { return known.first >= since && known.first > ratified_; });
  spoil();
}

// Today teaches nothing.
void Habit::spoil() {
  records_.spoil();
  calls_.spoil();
  more_.spoil();
  course_.spoil();
}

void Habit::note(const Risk& risk, base::Time at) {
  for (const Signal& signal : risk.signals) {
    // One line for what goes on.
    if (!deviations_.empty() && deviations_.back().kind == signal.kind &&
        at - deviations_.back().at < std::chrono::hours(1))
      deviations_.pop_back();
    deviations_.push_back({at, signal.kind, signal.score, signal.sentence});
    if (deviations_.size() > most_deviations) deviations_.pop_front();
  }
}

std::vector<std::string> Habit::sentences() const {
  std::vector<std::string> out;
  out.push_back(std::format("{} calls on {} day{} since {}; {}.", acts_, all_days_,
                            all_days_ == 1 ? "" : "s", date(since_), name(phase())));
  for (std::size_t kind = 0; kind < thing_kinds; ++kind) {
    std::vector<const Known*> of_kind;
    for (const Known& known : known_)
      if (static_cast<std::size_t>(known.kind) == kind) of_kind.push_back(&known);
    if (of_kind.empty()) continue;
    std::ranges::sort(of_kind, std::greater(), &Known::times);
    std::string line = std::format("Uses {} {}{}: ", of_kind.size(), name(static_cast<Thing>(kind)),
                                   of_kind.size() > 1 ? "s" : "");
    for (std::size_t i = 0; i < std::min<std::size_t>(8, of_kind.size()); ++i)
      line += std::format("{}{} ({})", i > 0 ? ", " : "", base::printable(of_kind[i]->name),
                          of_kind[i]->times);
    out.push_back(line + (of_kind.size() > 8 ? ", ..." : "."));
  }
  for (const std::size_t first : {std::size_t{0}, std::size_t{24}}) {
    std::string hours;
    for (std::size_t hour = 0; hour < 24; ++hour)
      if (course_.calls(first + hour) >= 1) hours += std::format(" {:02}", hour);
    if (!hours.empty())
      out.push_back(std::format("Works on {} at{} o'clock UTC.",
                                first == 0 ? "weekdays" : "weekends", hours));
  }
  if (records_.closed() > 0)
    out.push_back(std::format("Reads about {} records a day.", records_.usual()));
  return out;
}

}  // namespace latticegate::behaviour
