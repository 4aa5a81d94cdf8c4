#include "behaviour/watch.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <format>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace latticegate::behaviour {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t stripe_count = 64;
constexpr std::size_t longest_name = 1024;
constexpr base::Bytes longest_row{64 * 1024};

// No agent has such a name.
std::string group_name(std::string_view group) {
  std::string name("\ngroup ");
  return name.append(group);
}
std::uint64_t bit_of(std::string_view agent) {
  return std::uint64_t{1} << (std::hash<std::string_view>{}(agent) * 0x9E3779B97F4A7C15U >> 58);
}

std::string row_key(std::uint64_t key) { return std::format("{:016x}", key); }

std::uint64_t hash_of(const Pair& pair) {
  std::uint64_t hash = 0;
  for (const std::string_view part : {pair.agent, pair.server, pair.tool}) {
    hash ^= std::hash<std::string_view>{}(part);
    hash *= 0x9E3779B97F4A7C15U;  // so that the order counts
    hash ^= hash >> 32;
  }
  return hash;
}

Usual usual_in(const Baseline& known, base::Time now, const Settings& settings) {
  return {.since = known.since(),
          .samples = known.samples(),
          .mature = known.mature(now, settings),
          .asked = known.usual_asked(),
          .records = known.usual_records(),
          .bytes = known.usual_bytes(),
          .calls_per_minute = known.usual_calls_per_minute(),
          .records_a_day = known.usual_day(),
          .arguments = known.arguments().sentences()};
}

}  // namespace

// A hash map with a list through its entries, quietest first.
struct Watch::Stripe {
  struct Entry {
    std::string agent;
    std::string server;
    std::string tool;
    std::uint64_t key = 0;
    bool changed = true;       // since it was saved
    std::uint64_t agents = 0;  // of a group: who taught, each a bit; two may share one
    Baseline baseline;
    Entry* quieter = nullptr;
    Entry* livelier = nullptr;

    bool known_to_others(std::string_view name) const {
      return std::popcount(agents & ~bit_of(name)) >= 2;
    }
    bool is(const Pair& pair) const {
      return agent == pair.agent && server == pair.server && tool == pair.tool;
    }
  };

  mutable std::mutex mutex;
  std::unordered_map<std::uint64_t, std::unique_ptr<Entry>> entries;
  Entry* quietest = nullptr;
  Entry* liveliest = nullptr;
  std::size_t most = 0;
  std::vector<std::uint64_t> forgotten;  // rows that are to go

  // Two names with one hash take neighbouring keys; the names decide.
  Entry* find(std::uint64_t key, const Pair& pair) const {
    for (auto at = entries.find(key); at != entries.end(); at = entries.find(++key))
      if (at->second->is(pair)) return at->second.get();
    return nullptr;
  }

  Entry& find_or_add(std::uint64_t key, const Pair& pair) {
    if (Entry* found = find(key, pair)) {
      touch(*found);
      return *found;
    }
    if (entries.size() >= most) forget(*quietest);
    while (entries.contains(key)) ++key;
    auto entry = std::make_unique<Entry>();
    entry->agent = pair.agent;
    entry->server = pair.server;
    entry->tool = pair.tool;
    entry->key = key;
    Entry& added = *entry;
    entries.emplace(key, std::move(entry));
    append(added);
    return added;
  }

  void forget(Entry& entry) {
    forgotten.push_back(entry.key);
    unlink(entry);
    entries.erase(entry.key);
  }

  void touch(Entry& entry) {
    entry.changed = true;
    if (&entry == liveliest) return;
    unlink(entry);
    append(entry);
  }

  void unlink(Entry& entry) {
    (entry.quieter != nullptr ? entry.quieter->livelier : quietest) = entry.livelier;
    (entry.livelier != nullptr ? entry.livelier->quieter : liveliest) = entry.quieter;
    entry.quieter = entry.livelier = nullptr;
  }

  void append(Entry& entry) {
    entry.quieter = liveliest;
    (liveliest != nullptr ? liveliest->livelier : quietest) = &entry;
    liveliest = &entry;
  }
};

Watch::Watch(std::size_t pairs) : stripes_(std::make_unique<Stripe[]>(stripe_count)) {
  for (std::size_t i = 0; i < stripe_count; ++i)
    stripes_[i].most = std::max<std::size_t>(1, (pairs + stripe_count - 1) / stripe_count);
}
Watch::~Watch() = default;

Watch::Stripe& Watch::stripe_of(std::uint64_t key) const { return stripes_[key >> 58]; }

template <class With>
void Watch::with_group(const Pair& pair, const With& with) {
  const std::string name = group_name(pair.group);
  const Pair of_group{name, pair.server, pair.tool};
  const std::uint64_t key = hash_of(of_group);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  with(stripe.find_or_add(key, of_group));
}

Risk Watch::before(const Pair& pair, const Intent& intent, const Settings& settings) {
  Risk risk;
  {
    const std::uint64_t key = hash_of(pair);
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    risk = stripe.find_or_add(key, pair).baseline.before(intent, settings);
  }
  if (risk.learning && intent.asked && settings.habits && !pair.group.empty())
    with_group(pair, [&](const auto& entry) {
      if (entry.known_to_others(pair.agent))
        risk.join(entry.baseline.before_of_peer(intent, settings));
    });
  return risk;
}

Risk Watch::after(const Pair& pair, const Observation& seen, const Settings& settings,
                  Lessons& lessons) {
  Risk risk;
  std::optional<Lesson> lesson;
  {
    const std::uint64_t key = hash_of(pair);
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    Stripe::Entry& entry = stripe.find_or_add(key, pair);
    risk = entry.baseline.after(seen, settings, lesson);
    if (lesson) lessons.add({.pair = entry.key, .lesson = *lesson});
  }
  if (settings.habits && !pair.group.empty() && (risk.learning || lesson))
    with_group(pair, [&](auto& entry) {
      Risk of_peers;
      if (risk.learning && entry.known_to_others(pair.agent))
        of_peers = entry.baseline.after_of_peer(seen, settings);
      if (lesson && of_peers.signals.empty()) {
        entry.agents |= bit_of(pair.agent);
        lessons.add({.pair = entry.key, .lesson = entry.baseline.learn_of_peer(seen, settings)});
      }
      risk.join(std::move(of_peers));
    });
  return risk;
}

void Watch::unlearn(Lessons& lessons) {
  for (const Lessons::Entry& taught : lessons.all()) {
    Stripe& stripe = stripe_of(taught.pair);
    const std::lock_guard lock(stripe.mutex);
    const auto found = stripe.entries.find(taught.pair);
    if (found == stripe.entries.end()) continue;
    found->second->baseline.unlearn(taught.lesson);
    found->second->changed = true;
  }
  lessons.clear();
}

bool Watch::change(const Pair& pair, const std::function<void(Baseline&)>& with) {
  const std::uint64_t key = hash_of(pair);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  Stripe::Entry* entry = stripe.find(key, pair);
  if (entry == nullptr) return false;
  with(entry->baseline);
  entry->changed = true;
  return true;
}

bool Watch::ratify(const Pair& pair) {
  return change(pair, [](Baseline& baseline) { baseline.ratify(); });
}

bool Watch::relearn(const Pair& pair) {
  return change(pair, [](Baseline& baseline) { baseline = {}; });
}

std::optional<Usual> Watch::usual(const Pair& pair, base::Time now,
                                  const Settings& settings) const {
  const std::uint64_t key = hash_of(pair);
  const Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  const Stripe::Entry* entry = stripe.find(key, pair);
  if (entry == nullptr) return std::nullopt;
  return usual_in(entry->baseline, now, settings);
}

std::vector<std::pair<std::string, Usual>> Watch::usual_of(std::string_view agent, base::Time now,
                                                           const Settings& settings) const {
  std::vector<std::pair<std::string, Usual>> all;
  for (std::size_t i = 0; i < stripe_count; ++i) {
    const std::lock_guard lock(stripes_[i].mutex);
    for (const auto& [key, entry] : stripes_[i].entries)
      if (entry->agent == agent)
        all.emplace_back(std::format("{}/{}", entry->server, entry->tool),
                         usual_in(entry->baseline, now, settings));
  }
  std::ranges::sort(all, {}, &std::pair<std::string, Usual>::first);
  return all;
}

std::size_t Watch::size() const {
  std::size_t pairs = 0;
  for (std::size_t i = 0; i < stripe_count; ++i) {
    const std::lock_guard lock(stripes_[i].mutex);
    pairs += stripes_[i].entries.size();
  }
  return pairs;
}

void Watch::save(const Keep& keep) {
  for (std::size_t i = 0; i < stripe_count; ++i) {
    Stripe& stripe = stripes_[i];
    const std::lock_guard lock(stripe.mutex);
    for (const std::uint64_t key : std::exchange(stripe.forgotten, {}))
      if (!stripe.entries.contains(key)) keep(row_key(key), std::nullopt);
    for (Stripe::Entry* entry = stripe.quietest; entry != nullptr; entry = entry->livelier) {
      if (!std::exchange(entry->changed, false)) continue;
      std::string text;
      json::Writer out(text);
      out.begin_object()
          .member("agent", entry->agent)
          .member("server", entry->server)
          .member("tool", entry->tool);
      if (entry->agents != 0) out.member("agents", std::format("{:x}", entry->agents));
      out.key("baseline");
      entry->baseline.save(out);
      out.end_object();
      keep(row_key(entry->key), std::move(text));
    }
  }
}

base::Result<bool> Watch::load(std::string_view key, std::string_view saved) {
  auto document = json::Document::parse(saved, {.size = longest_row, .depth = 9, .nodes = 4000});
  if (!document) return std::unexpected(std::move(document).error());
  const json::Value root = document->root();
  const auto agent = root["agent"].string();
  const auto server = root["server"].string();
  const auto tool = root["tool"].string();
  if (!agent || !server || !tool ||
      std::max({agent->size(), server->size(), tool->size()}) > longest_name)
    return fail(Code::malformed, "agent, server and tool are needed");
  auto baseline = Baseline::load(root["baseline"]);
  if (!baseline) return std::unexpected(std::move(baseline).error());
  const Pair pair{*agent, *server, *tool};
  const std::uint64_t hash = hash_of(pair);
  Stripe& stripe = stripe_of(hash);
  const std::lock_guard lock(stripe.mutex);
  if (const Stripe::Entry* known = stripe.find(hash, pair)) return row_key(known->key) == key;
  Stripe::Entry& added = stripe.find_or_add(hash, pair);
  added.baseline = *std::move(baseline);
  const std::string_view agents = root["agents"].text_or({});
  std::from_chars(agents.data(), agents.data() + agents.size(), added.agents, 16);
  added.changed = row_key(added.key) != key;
  return !added.changed;
}

}  // namespace latticegate::behaviour
