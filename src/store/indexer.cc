#include "store/indexer.h"

#include <cstdint>
#include <utility>

#include "store/detail/thread.h"
#include "store/log_index.h"

namespace latticegate::store {
namespace {

constexpr std::uint64_t piece = 10'000;  // records; the end of the program waits for one

}  // namespace

Indexer::Indexer(std::filesystem::path index, std::filesystem::path log,
                 std::function<void(const base::Error&)> failed, std::chrono::milliseconds every)
    : index_(std::move(index)), log_(std::move(log)), failed_(std::move(failed)), every_(every) {
  thread_ = quiet_thread([this](const std::stop_token& stop) { run(stop); });
}

Indexer::~Indexer() {
  thread_.request_stop();
  thread_.join();
}

void Indexer::run(const std::stop_token& stop) {
  take_spare_time("audit-index");
  std::string told;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, stop, every_, [] { return false; }) && !stop.stop_requested()) {
    const auto done = update(stop);
    std::string trouble = done ? std::string() : base::describe(done.error());
    if (!done && trouble != told) failed_(done.error());
    told = std::move(trouble);
  }
}

base::Result<void> Indexer::update(const std::stop_token& stop) {
  auto index = LogIndex::open(index_, log_);
  if (!index) return std::unexpected(std::move(index).error());
  while (!stop.stop_requested()) {
    const auto taken = index->update(piece);
    if (!taken) return std::unexpected(taken.error());
    if (*taken < piece) break;
  }
  return {};
}

}  // namespace latticegate::store
