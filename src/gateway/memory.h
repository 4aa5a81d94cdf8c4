// Memory: what the gateway must still know after a restart (kills, pins, baselines), written by a
// thread of its own so that no loop waits for a database.
#pragma once
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
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
  // Opens the file on the new thread and reads what is in it.
  [[nodiscard]] static base::Result<std::unique_ptr<Memory>> open(const std::filesystem::path& file,
                                                                  const base::Log& log);
  // Writes what is queued.
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // What was in a name space when it was opened.
  std::span<const store::State::Entry> remembered(std::string_view space) const;
  // The same, and lets go of it: some of it is large.
  std::vector<store::State::Entry> take(std::string_view space);
  // Any thread; written in order, usually within milliseconds. nullopt removes. A failure is
  // logged.
  void put(std::string space, std::string key, std::optional<std::string> value);

 private:
  struct Change {
    std::string space;
    std::string key;
    std::optional<std::string> value;
  };
  explicit Memory(const base::Log& log) : log_(log) {}
  base::Result<void> read(store::State& state);
  void run(store::State& state, const std::stop_token& stop);
  void write(store::State& state, std::span<const Change> changes);
  const base::Log& log_;
  std::map<std::string, std::vector<store::State::Entry>, std::less<>> remembered_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Change> changes_;
  std::jthread thread_;
};

}  // namespace latticegate::gateway
