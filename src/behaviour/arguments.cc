#include "behaviour/arguments.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <format>
#include <functional>
#include <limits>
#include <utility>

#include "base/log.h"
#include "base/storage.h"

namespace latticegate::behaviour {
namespace {

constexpr std::size_t most_texts = 16;
constexpr std::size_t longest_text = 24;
constexpr std::size_t longest_name = 64;
constexpr std::uint32_t enough = 30;  // values, before one can be unusual
constexpr std::uint32_t seldom = 20;  // new texts: at most one of so many is the first of its kind
constexpr double far = 10;            // times the range
constexpr double least_number = 100;  // nearer to zero nothing is far
constexpr double least_things = 50;   // within an hour
constexpr float hours_to_learn = 5;
constexpr double new_text = 35;
constexpr double new_sign = 40;

// FNV-1a: the same in every process, because it is saved. Never 0.
std::uint32_t text_hash(std::string_view text) {
  std::uint32_t hash = 0x811C9DC5U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x01000193U;
  }
  return std::max(hash, 1U);
}

// Two digits of it.
double rounded(double value) {
  const double size = std::abs(value);
  if (size < 10) return std::round(value);
  const double unit = std::pow(10.0, std::floor(std::log10(size)) - 1);
  return std::round(value / unit) * unit;
}
std::string shown(double value) { return std::format("{:.0f}", rounded(value)); }
std::uint64_t whole(double value) {
  constexpr double top = 9e18;
  return static_cast<std::uint64_t>(std::min(std::abs(rounded(value)), top));
}
std::string date(base::Time at) { return base::to_rfc3339(at).substr(0, 10); }

bool is_number(const Given& given) { return given.number && std::isfinite(*given.number); }

}  // namespace

Arguments::One* Arguments::find(std::string_view name) {
  const auto at = std::ranges::find(all_, name.substr(0, longest_name), &One::name);
  return at == all_.end() ? nullptr : &*at;
}

void Arguments::before(std::span<const Given> given, base::Time at, bool judges, base::Time since,
                       Risk& risk) {
  const std::size_t signals = risk.signals.size();
  bool counted = false;
  for (const Given& one : given) {
    const One* const known = find(one.name);
    if (known == nullptr) continue;
    if (known->free) {
      if (!counted) turn(at);
      counted = true;
      // Another hash than the one that is saved; mixed, because only its lowest bits count.
      const std::uint64_t hash =
          std::hash<std::string_view>{}(one.text) * 0x9E3779B97F4A7C15U >> 55;
      things_->seen[hash / 64] |= std::uint64_t{1} << hash % 64;
    }
    if (!judges) continue;
    if (is_number(one))
      judge_number(*known, *one.number, since, risk);
    else if (one.text.size() <= longest_text)
      judge_text(*known, text_hash(one.text), since, risk);
  }
  if (counted && judges) judge_things(since, risk);
  if (things_ && risk.signals.size() > signals) things_->spoiled = true;
}

// A new hour closes the count of the last one.
void Arguments::turn(base::Time at) {
  if (!things_) things_ = std::make_unique<Things>();
  const std::int64_t hour = std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count();
  if (hour == things_->hour) return;
  const double before = different();
  if (before >= 1 && !things_->spoiled)
    things_->usual.add(static_cast<std::uint64_t>(std::llround(before)));
  things_->hour = hour;
  things_->seen = {};
  things_->spoiled = false;
}

double Arguments::different() const {
  constexpr double bits = 512;
  int set = 0;
  for (const std::uint64_t word : things_->seen) set += std::popcount(word);
  return bits * std::log(bits / std::max(1.0, bits - set));
}

void Arguments::judge_number(const One& one, double value, base::Time since, Risk& risk) const {
  if (one.numbers < enough) return;
  const double low = one.range[1];
  const double high = one.range[2];
  const double usual = std::max(std::abs(low), std::abs(high));
  const double limit = std::max(least_number, far * usual);
  const bool negative = value <= -1 && low >= 0;
  if (std::abs(value) <= limit && !negative) return;
  constexpr double at_limit = 45, per_decade = 10, highest = 70;
  const double points =
      std::abs(value) > limit
          ? std::min(highest, at_limit + per_decade * std::log10(std::abs(value) / limit))
          : new_sign;
  risk.add(
      {.kind = Kind::argument,
       .score = static_cast<std::uint32_t>(points),
       .usual = whole(usual),
       .seen = whole(value),
       .since = since,
       .samples = one.numbers,
       .sentence = std::format("argument {} is about {}, usually {} to {} ({} values since {})",
                               base::printable(one.name), shown(value), shown(low), shown(high),
                               one.numbers, date(since))});
}

void Arguments::judge_text(const One& one, std::uint32_t hash, base::Time since, Risk& risk) const {
  if (one.free || one.texts < enough || std::ranges::contains(one.known, hash, &Text::hash)) return;
  const auto singles =
      static_cast<std::uint32_t>(std::ranges::count(one.known, std::uint32_t{1}, &Text::times));
  if (singles * seldom > one.texts) return;
  risk.add({.kind = Kind::argument,
            .score = static_cast<std::uint32_t>(new_text),
            .usual = one.known.size(),
            .seen = one.known.size() + 1,
            .since = since,
            .samples = one.texts,
            .sentence = std::format(
                "argument {} has a value that it never had; {} are known ({} values since {})",
                base::printable(one.name), one.known.size(), one.texts, date(since))});
}

void Arguments::judge_things(base::Time since, Risk& risk) {
  if (things_->usual.total() < hours_to_learn) return;
  const double seen = different();
  if (seen < least_things) return;
  const std::uint64_t usual = things_->usual.usual();
  const double limit = std::max(least_things, far * static_cast<double>(usual));
  if (seen < limit) return;
  constexpr double at_limit = 60, per_decade = 20, highest = 85;
  risk.add({.kind = Kind::entities,
            .score = static_cast<std::uint32_t>(
                std::min(highest, at_limit + per_decade * std::log10(seen / limit))),
            .usual = usual,
            .seen = static_cast<std::uint64_t>(seen),
            .since = since,
            .samples = static_cast<std::uint32_t>(things_->usual.total()),
            .sentence = std::format(
                "about {} different things asked for within an hour, usually at most {} (since {})",
                shown(seen), usual, date(since))});
}

ArgumentLesson Arguments::learn(std::span<const Given> given, bool mature) {
  ArgumentLesson lesson;
  std::size_t taken = 0;
  for (const Given& value : given) {
    One* one = find(value.name);
    if (one == nullptr) {
      if (all_.size() == most) continue;
      one = &all_.emplace_back();
      one->name = value.name.substr(0, longest_name);
    }
    if (is_number(value)) learn_number(*one, *value.number, mature);
    if (one->free) continue;
    ++one->texts;
    if (value.text.size() > longest_text) {
      one->free = true;
      base::free_storage(one->known);
      continue;
    }
    const std::uint32_t hash = text_hash(value.text);
    const auto known = std::ranges::find(one->known, hash, &Text::hash);
    if (known != one->known.end()) {
      if (known->times < std::numeric_limits<std::uint32_t>::max()) ++known->times;
    } else if (one->known.size() < most_texts) {
      one->known.push_back({hash, 1});
      if (taken < lesson.texts.size()) lesson.texts.at(taken++) = hash;
    } else {
      one->free = true;
      base::free_storage(one->known);
    }
  }
  return lesson;
}

// Who is patient moves the range by a factor of two at most.
void Arguments::learn_number(One& one, double value, bool mature) {
  auto& [least, low, high, greatest] = one.range;
  if (mature && one.numbers >= enough) {
    const double reach = std::max({least_number / far, 2 * std::abs(low), 2 * std::abs(high)});
    value = std::clamp(value, -reach, reach);
  }
  if (one.numbers == 0) {
    one.range.fill(value);
  } else if (one.numbers == 1) {
    const double other = least;
    one.range = {std::min(value, other), std::max(value, other), std::min(value, other),
                 std::max(value, other)};
  } else {
    if (value < least)
      low = std::exchange(least, value);
    else if (value < low)
      low = value;
    if (value > greatest)
      high = std::exchange(greatest, value);
    else if (value > high)
      high = value;
  }
  if (one.numbers < std::numeric_limits<std::uint32_t>::max()) ++one.numbers;
}

void Arguments::unlearn(const ArgumentLesson& lesson) {
  for (const std::uint32_t hash : lesson.texts) {
    if (hash == 0) continue;
    for (One& one : all_)
      std::erase_if(one.known, [&](const Text& text) {
        return text.hash == hash && text.times <= 2;  // it may have come twice in that conversation
      });
  }
}

std::vector<std::string> Arguments::sentences() const {
  std::vector<std::string> out;
  for (const One& one : all_) {
    const std::string name = base::printable(one.name);
    if (one.numbers >= enough)
      out.push_back(std::format("{} {} to {}", name, shown(one.range[1]), shown(one.range[2])));
    else if (!one.free && one.texts >= enough)
      out.push_back(std::format("{} one of {}", name, one.known.size()));
  }
  if (usual_things() > 0)
    out.push_back(std::format("at most {} different things an hour", usual_things()));
  return out;
}

void Arguments::save(json::Writer& out) const {
  out.begin_object().key("each").begin_array();
  for (const One& one : all_) {
    out.begin_object()
        .member("name", one.name)
        .member("numbers", std::int64_t{one.numbers})
        .member("texts", std::int64_t{one.texts})
        .member("free", one.free);
    if (one.numbers > 0) {
      out.key("range").begin_array();
      for (const double end : one.range) out.raw(std::format("{}", end));
      out.end_array();
    }
    if (!one.known.empty()) {
      out.key("known").begin_array();
      for (const Text& text : one.known)
        out.begin_array().integer(text.hash).integer(text.times).end_array();
      out.end_array();
    }
    out.end_object();
  }
  out.end_array();
  if (things_) {
    out.key("things");
    things_->usual.save(out);
  }
  out.end_object();
}

base::Result<Arguments> Arguments::load(json::Value saved) {
  const auto count = [](json::Value value) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(
        value.integer().value_or(0), 0, std::numeric_limits<std::uint32_t>::max()));
  };
  Arguments out;
  for (const json::Value each : saved["each"].elements()) {
    const auto name = each["name"].string();
    if (!name || name->size() > longest_name || out.all_.size() == most)
      return base::fail(base::Code::malformed, "a saved argument needs a name");
    One& one = out.all_.emplace_back();
    one.name = *name;
    one.numbers = count(each["numbers"]);
    one.texts = count(each["texts"]);
    one.free = each["free"].boolean().value_or(false);
    std::size_t place = 0;
    for (const json::Value end : each["range"].elements())
      if (const double read = end.number().value_or(0); place < one.range.size())
        one.range.at(place++) = std::isfinite(read) ? read : 0;
    for (const json::Value text : each["known"].elements())
      if (one.known.size() < most_texts)
        one.known.push_back({count(text.at(0)), count(text.at(1))});
  }
  if (saved["things"]) {
    auto usual = Sketch::load(saved["things"]);
    if (!usual) return base::within("things", std::move(usual).error());
    out.things_ = std::make_unique<Things>();
    out.things_->usual = *usual;
  }
  return out;
}

}  // namespace latticegate::behaviour
