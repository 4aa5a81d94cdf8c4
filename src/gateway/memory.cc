#include "gateway/memory.h"

#include <algorithm>
#include <future>
#include <utility>

namespace latticegate::gateway {

base::Result<std::unique_ptr<Memory>> Memory::open(const std::filesystem::path& file,
                                                   const base::Log& log) {
  std::unique_ptr<Memory> memory(new Memory(log));
  std::promise<base::Result<void>> opened;
  auto outcome = opened.get_future();
  // The database belongs to this thread from its first to its last call.
  memory->thread_ = std::jthread([self = memory.get(), file, &opened](const std::stop_token& stop) {
    auto state = store::State::open(file);
    base::Result<void> read =
        state ? self->read(*state) : base::Result<void>(std::unexpected(state.error()));
    const bool good = read.has_value();
    opened.set_value(std::move(read));
    if (good) self->run(*state, stop);
  });
  if (auto done = outcome.get(); !done) return std::unexpected(std::move(done).error());
  return memory;
}

Memory::~Memory() {
  thread_.request_stop();
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

base::Result<void> Memory::read(store::State& state) {
  for (const std::string_view space : {"keys", "kills", "halts", "pins", "approvals", "baselines",
                                       "habits", "ladder", "histories", "trails", "rules"}) {
    auto entries = state.list(space);
    if (!entries) return std::unexpected(std::move(entries).error());
    remembered_.emplace(space, *std::move(entries));
  }
  return {};
}

std::span<const store::State::Entry> Memory::remembered(std::string_view space) const {
  const auto entries = remembered_.find(space);
  base::check(entries != remembered_.end(), "a name space that is not read at start");
  return entries->second;
}

std::vector<store::State::Entry> Memory::take(std::string_view space) {
  const auto entries = remembered_.find(space);
  base::check(entries != remembered_.end(), "a name space that is not read at start");
  return std::exchange(entries->second, {});
}

void Memory::put(std::string space, std::string key, std::optional<std::string> value) {
  {
    const std::scoped_lock lock(mutex_);
    changes_.push_back({std::move(space), std::move(key), std::move(value)});
  }
  changed_.notify_one();
}

void Memory::run(store::State& state, const std::stop_token& stop) {
  for (;;) {
    std::vector<Change> changes;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [this] { return !changes_.empty(); });
      changes.swap(changes_);
    }
    if (changes.empty()) return;  // asked to stop, and nothing is left
    // Many at once, because each transaction waits for the disk; not too many, so that what came
    // meanwhile does not wait for long.
    constexpr std::size_t together = 2'000;
    for (std::span<const Change> rest = changes; !rest.empty();) {
      const std::size_t count = std::min(together, rest.size());
      write(state, rest.first(count));
      rest = rest.subspan(count);
    }
  }
}

void Memory::write(store::State& state, std::span<const Change> changes) {
  std::vector<store::State::Change> all;
  for (const Change& change : changes)
    all.push_back({change.space, change.key,
                   change.value ? std::optional<std::string_view>(*change.value) : std::nullopt});
  if (state.apply(all)) return;
  // One that cannot be written does not take the others with it.
  for (const store::State::Change& change : all)
    if (const auto done = state.apply({&change, 1}); !done)
      log_.error("state cannot be written",
                 {{"space", std::string(change.space)}, {"reason", base::describe(done.error())}});
}

}  // namespace latticegate::gateway
