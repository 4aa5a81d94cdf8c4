#include "gateway/memory.h"

namespace latticegate::gateway {

base::Result<std::unique_ptr<Memory>> Memory::open(const std::filesystem::path& file, const base::Log& log) {
  auto state = store::State::open(file);
  if (!state) return std::unexpected(std::move(state).error());
  return std::unique_ptr<Memory>(new Memory(*std::move(state), log));
}

Memory::Memory(store::State state, const base::Log& log)
    : state_(std::move(state)), log_(log), thread_([this](const std::stop_token& stop) { run(stop); }) {}

Memory::~Memory() {
  thread_.request_stop();
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Memory::put(std::string space, std::string key, std::optional<std::string> value) {
  {
    const std::scoped_lock lock(mutex_);
    changes_.push_back({std::move(space), std::move(key), std::move(value)});
  }
  changed_.notify_one();
}

void Memory::run(const std::stop_token& stop) {
  for (;;) {
    std::vector<Change> changes;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [this] { return !changes_.empty(); });
      changes.swap(changes_);
    }
    if (changes.empty()) return;   // asked to stop, and nothing is left
    for (const Change& change : changes) {
      const auto done = change.value ? state_.put(change.space, change.key, *change.value) : state_.remove(change.space, change.key);
      if (!done) log_.error("state cannot be written", {{"space", change.space}, {"reason", base::describe(done.error())}});
    }
  }
}

}  // namespace latticegate::gateway
