// Memory: what the gateway must still know after a restart (kills, pins, baselines), written by a thread of its own so
// that no loop waits for a database.
#pragma once
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "store/state.h"

namespace latticegate::gateway {

class Memory {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<Memory>> open(const std::filesystem::path& file, const base::Log& log);
  // Writes what is queued.
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // At start only, before put() is used.
  base::Result<std::vector<store::State::Entry>> list(std::string_view space) { return state_.list(space); }
  // Any thread; written in order, usually within milliseconds. nullopt removes. A failure is logged.
  void put(std::string space, std::string key, std::optional<std::string> value);

 private:
  struct Change {
    std::string space;
    std::string key;
    std::optional<std::string> value;
  };
  Memory(store::State state, const base::Log& log);
  void run(const std::stop_token& stop);
  store::State state_;
  const base::Log& log_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Change> changes_;
  std::jthread thread_;
};

}  // namespace latticegate::gateway
