#include "behaviour/habits.h"

#include <algorithm>
#include <bit>
#include <format>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace latticegate::behaviour {
namespace {

constexpr std::size_t stripe_count = 64;
constexpr std::size_t group_stripes = 16;
constexpr std::size_t most_of_groups = 65'536;  // things of all groups of one stripe
constexpr std::size_t longest_name = 1024;
constexpr base::Bytes longest_row{256 * 1024};

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

// The bit that stands for an agent in what its group knows; two agents may share one.
std::uint64_t bit_of(std::string_view agent) {
  return std::uint64_t{1} << (hash_of(agent) * 0x9E3779B97F4A7C15U >> 58);
}

}  // namespace

struct Habits::Stripe {
  struct Entry {
    std::string group;
    base::Time last{};
    bool changed = true;  // since it was saved
    Habit habit;
  };
  mutable std::mutex mutex;
  std::unordered_map<std::string, std::unique_ptr<Entry>> agents;
  std::size_t most = 0;
  std::vector<std::string> forgotten;  // rows that are to go

  Entry& of(const Who& who, base::Time at) {
    auto found = agents.find(std::string(who.agent));
    if (found == agents.end()) {
      if (agents.size() >= most) {
        const auto quietest = std::ranges::min_element(
            agents, {}, [](const auto& entry) { return entry.second->last; });
        forgotten.push_back(quietest->first);
        agents.erase(quietest);
      }
      found = agents.emplace(who.agent, std::make_unique<Entry>()).first;
    }
    Entry& entry = *found->second;
    entry.last = at;
    entry.changed = true;
    if (entry.group != who.group) entry.group = who.group;
    return entry;
  }
};

// Which agents of a group use a thing, by hash of both.
struct Habits::Group {
  mutable std::mutex mutex;
  std::unordered_map<std::uint64_t, std::uint64_t> users;
};

Habits::Habits(std::size_t agents)
    : stripes_(std::make_unique<Stripe[]>(stripe_count)),
      groups_(std::make_unique<Group[]>(group_stripes)) {
  for (std::size_t i = 0; i < stripe_count; ++i)
    stripes_[i].most = std::max<std::size_t>(1, (agents + stripe_count - 1) / stripe_count);
}
Habits::~Habits() = default;

Habits::Stripe& Habits::stripe_of(std::string_view agent) const {
  return stripes_[hash_of(agent) % stripe_count];
}

namespace {

std::uint64_t thing_key(std::string_view group, const Touched& thing) {
  return (hash_of(group) * 31 + static_cast<std::uint64_t>(thing.kind)) * 0x9E3779B97F4A7C15U ^
         hash_of(thing.name);
}

}  // namespace

bool Habits::peers_know(const Who& who, const Touched& thing) const {
  if (who.group.empty()) return false;
  const std::uint64_t key = thing_key(who.group, thing);
  const Group& group = groups_[key % group_stripes];
  const std::scoped_lock lock(group.mutex);
  const auto found = group.users.find(key);
  return found != group.users.end() && std::popcount(found->second & ~bit_of(who.agent)) >= 2;
}

void Habits::teach_group(const Who& who, const Touched& thing) {
  if (who.group.empty()) return;
  const std::uint64_t key = thing_key(who.group, thing);
  Group& group = groups_[key % group_stripes];
  const std::scoped_lock lock(group.mutex);
  const auto found = group.users.find(key);
  if (found != group.users.end())
    found->second |= bit_of(who.agent);
  else if (group.users.size() < most_of_groups)
    group.users.emplace(key, bit_of(who.agent));
}

Risk Habits::before(const Who& who, const Act& act, const Settings& settings) {
  Stripe& stripe = stripe_of(who.agent);
  const std::scoped_lock lock(stripe.mutex);
  return stripe.of(who, act.at).habit.before(act, settings, [&](const Touched& thing) {
    return peers_know(who, thing);
  });
}

Risk Habits::after(const Who& who, const Act& act, const Deed& deed, const Settings& settings) {
  Stripe& stripe = stripe_of(who.agent);
  const std::scoped_lock lock(stripe.mutex);
  if (deed.teach && !deed.denied)
    for (const Touched& thing : act.touched) teach_group(who, thing);
  return stripe.of(who, act.at).habit.after(act, deed, settings);
}

void Habits::note(const Who& who, const Risk& risk, base::Time at) {
  if (risk.signals.empty()) return;
  Stripe& stripe = stripe_of(who.agent);
  const std::scoped_lock lock(stripe.mutex);
  stripe.of(who, at).habit.note(risk, at);
}

void Habits::unlearn(std::string_view agent, base::Time at) {
  Stripe& stripe = stripe_of(agent);
  const std::scoped_lock lock(stripe.mutex);
  const auto found = stripe.agents.find(std::string(agent));
  if (found == stripe.agents.end()) return;
  found->second->habit.unlearn(at);
  found->second->changed = true;
}

bool Habits::order(std::string_view agent, Order order, base::Time at) {
  Stripe& stripe = stripe_of(agent);
  const std::scoped_lock lock(stripe.mutex);
  const auto found = stripe.agents.find(std::string(agent));
  if (found == stripe.agents.end()) return false;
  Habit& habit = found->second->habit;
  found->second->changed = true;
  switch (order) {
    case Order::ratify: habit.ratify(at); break;
    case Order::lock: habit.lock(true, at); break;
    case Order::unlock: habit.lock(false, at); break;
    case Order::forget: habit = Habit{}; break;
  }
  return true;
}

bool Habits::show(std::string_view agent, const std::function<void(const Habit&)>& with) const {
  const Stripe& stripe = stripe_of(agent);
  const std::scoped_lock lock(stripe.mutex);
  const auto found = stripe.agents.find(std::string(agent));
  if (found == stripe.agents.end()) return false;
  with(found->second->habit);
  return true;
}

std::vector<std::string> Habits::agents() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < stripe_count; ++i) {
    const std::scoped_lock lock(stripes_[i].mutex);
    for (const auto& [agent, entry] : stripes_[i].agents) names.push_back(agent);
  }
  std::ranges::sort(names);
  return names;
}

std::size_t Habits::size() const {
  std::size_t agents = 0;
  for (std::size_t i = 0; i < stripe_count; ++i) {
    const std::scoped_lock lock(stripes_[i].mutex);
    agents += stripes_[i].agents.size();
  }
  return agents;
}

void Habits::save(const Keep& keep) {
  for (std::size_t i = 0; i < stripe_count; ++i) {
    Stripe& stripe = stripes_[i];
    const std::scoped_lock lock(stripe.mutex);
    for (const std::string& agent : std::exchange(stripe.forgotten, {}))
      if (!stripe.agents.contains(agent)) keep(agent, std::nullopt);
    for (const auto& [agent, entry] : stripe.agents) {
      if (!std::exchange(entry->changed, false)) continue;
      std::string text;
      json::Writer out(text);
      out.begin_object()
          .member("agent", agent)
          .member("group", entry->group)
          .member("last", base::to_unix_ms(entry->last))
          .key("habit");
      entry->habit.save(out);
      out.end_object();
      keep(agent, std::move(text));
    }
  }
}

base::Result<bool> Habits::load(std::string_view key, std::string_view saved) {
  auto document = json::Document::parse(saved, {.size = longest_row, .depth = 8, .nodes = 5000});
  if (!document) return std::unexpected(std::move(document).error());
  const json::Value root = document->root();
  const auto agent = root["agent"].string();
  if (!agent || agent->size() > longest_name)
    return base::fail(base::Code::malformed, "an agent is needed");
  auto habit = Habit::load(root["habit"]);
  if (!habit) return std::unexpected(std::move(habit).error());
  const Who who{*agent, root["group"].text_or({})};
  for (const Habit::Known& known : habit->known()) teach_group(who, {known.kind, known.name});
  Stripe& stripe = stripe_of(*agent);
  const std::scoped_lock lock(stripe.mutex);
  constexpr std::int64_t far = 9'000'000'000'000;
  const base::Time last(std::chrono::milliseconds(
      std::clamp<std::int64_t>(root["last"].integer().value_or(0), 0, far)));
  Stripe::Entry& entry = stripe.of(who, last);
  entry.habit = *std::move(habit);
  entry.changed = key != *agent;
  return !entry.changed;
}

}  // namespace latticegate::behaviour
