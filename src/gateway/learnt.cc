#include "gateway/learnt.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "base/storage.h"

namespace latticegate::gateway {
namespace {

// Many rows are read by all cores, because a gateway that starts serves nobody.
constexpr std::size_t few = 1'000;

// Reads rows into a table; rows of versions before, which stood under one key, line by line.
template <class Table>
void restore_rows(Memory& memory, std::string_view space, Table& table, const base::Log& log) {
  std::vector<store::State::Entry> rows = memory.take(space);
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> bad{0};
  const auto read = [&] {
    for (std::size_t i = next++; i < rows.size(); i = next++) {
      store::State::Entry& row = rows[i];
      bool moves = false;
      for (std::string_view text = row.value; !text.empty();) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.empty()) continue;
        const auto stays = table.load(row.key, line);
        if (!stays)
          ++bad;
        else
          moves = moves || !*stays;
      }
      base::free_storage(row.value);
      if (moves) memory.put(std::string(space), row.key, std::nullopt);
    }
  };
  {
    std::vector<std::jthread> threads;
    const unsigned cores =
        rows.size() < few ? 1 : std::max(1U, std::thread::hardware_concurrency());
    for (unsigned i = 1; i < cores; ++i) threads.emplace_back(read);
    read();
  }
  if (bad > 0)
    log.warning("some of what was learnt cannot be read and is learnt anew",
                {{"what", std::string(space)}, {"rows", std::to_string(bad.load())}});
}

}  // namespace

void Learnt::restore(base::Time now, std::chrono::nanoseconds expiry) {
  restore_rows(memory_, "baselines", watch_, log_);
  restore_rows(memory_, "habits", habits_, log_);
  for (const auto& entry : memory_.take("ladder"))
    if (auto loaded = ladders_.load(entry.value); !loaded)
      log_.warning("saved standings cannot be read", {{"reason", base::describe(loaded.error())}});
  restore_trails(now, expiry);
}

void Learnt::restore_trails(base::Time now, std::chrono::nanoseconds expiry) {
  std::unordered_map<std::string, std::string> trails;
  for (store::State::Entry& entry : memory_.take("trails")) {
    const auto changed = provenance::Trail::changed_of(entry.value);
    if (!changed || now - *changed >= expiry) {
      memory_.put("trails", entry.key, std::nullopt);
      continue;
    }
    trails_.emplace(entry.key, *changed);
    trails.emplace(std::move(entry.key), std::move(entry.value));
  }
  principals_.restore_trails(std::move(trails));
}

void Learnt::save(base::Time now, std::chrono::nanoseconds expiry) {
  const auto into = [&](std::string_view space) {
    return [this, space](std::string key, std::optional<std::string> text) {
      memory_.put(std::string(space), std::move(key), std::move(text));
    };
  };
  watch_.save(into("baselines"));
  habits_.save(into("habits"));
  memory_.put("ladder", "all", ladders_.save());
  for (const auto& principal : principals_.all()) keep_trail(*principal, now);
  const std::scoped_lock lock(mutex_);
  std::erase_if(trails_, [&](const auto& trail) {
    if (now - trail.second < expiry) return false;
    memory_.put("trails", trail.first, std::nullopt);
    return true;
  });
}

void Learnt::keep_trail(Principal& principal, base::Time now) {
  // Under the lock, so that of two texts the newer is written last.
  const std::scoped_lock lock(mutex_);
  auto text = principal.trail_changes(now);
  if (!text) return;
  trails_[principal.id()] = now;
  memory_.put("trails", principal.id(), *std::move(text));
}

}  // namespace latticegate::gateway
