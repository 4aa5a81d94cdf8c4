// Keeps the index of a log (store/log_index.h) up to date while the log grows, on a thread that has
// the machine's spare time only: calls do not wait for it, the index lags behind instead.
#pragma once
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "base/result.h"

namespace latticegate::store {

class Indexer {
 public:
  // `failed` is called on its thread, once for each trouble that is another than the last one; the
  // log itself is as good as before. It must not throw.
  Indexer(std::filesystem::path index, std::filesystem::path log,
          std::function<void(const base::Error&)> failed,
          std::chrono::milliseconds every = std::chrono::seconds(10));
  Indexer(const Indexer&) = delete;
  Indexer& operator=(const Indexer&) = delete;
  // Stops; what is not in the index yet is taken in the next time.
  ~Indexer();

 private:
  void run(const std::stop_token& stop);
  base::Result<void> update(const std::stop_token& stop);

  const std::filesystem::path index_;
  const std::filesystem::path log_;
  const std::function<void(const base::Error&)> failed_;
  const std::chrono::milliseconds every_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace latticegate::store
