#include "gateway/histories.h"

#include <algorithm>
#include <format>
#include <utility>
#include <vector>

#include "crypto/hash.h"

namespace latticegate::gateway {
namespace {

constexpr std::string_view space = "histories";
constexpr std::size_t most_written = std::size_t{4} * 1024 * 1024;  // bytes at once
constexpr std::size_t most_swept = 256;                             // entries at once

// Lengths keep tenant and agent apart.
std::string agent_key(const identity::CallerProfile& profile) {
  const std::string text = std::format("{}:{}{}", profile.tenant.value().size(),
                                       profile.tenant.value(), profile.agent.value());
  return "agent:" + crypto::to_hex(crypto::sha256(text)).substr(0, 32);
}

}  // namespace

void Histories::restore(base::Time now) {
  if (memory_ == nullptr) return;
  const std::scoped_lock lock(mutex_);
  for (const store::State::Entry& entry : memory_->remembered(space)) {
    auto history = std::make_shared<policy::History>(limits());
    if (auto loaded = history->load(entry.value, now); !loaded)
      log_.error("a saved history cannot be read; conditions about it have no answer for now",
                 {{"history", entry.key}, {"reason", base::describe(loaded.error())}});
    table_.emplace(entry.key, std::move(history));
  }
}

SharedHistories Histories::of(std::string_view principal, const identity::CallerProfile& profile,
                              std::size_t limit, base::Time now) {
  const std::scoped_lock lock(mutex_);
  return {find("conversation:" + std::string(principal), limit, now),
          find(agent_key(profile), limit, now), find("everyone", limit, now)};
}

std::shared_ptr<policy::History> Histories::find(std::string key, std::size_t limit,
                                                 base::Time now) {
  if (const auto known = table_.find(key); known != table_.end()) return known->second;
  if (table_.size() >= 2 * limit + 1) {
    for (auto entry = table_.begin(); entry != table_.end();) {
      const auto here = entry++;
      forget(here, now);
    }
    if (table_.size() >= 2 * limit + 1) {
      log_.warning("no room for another history: temporal conditions have no answer",
                   {{"history", key}, {"histories", std::to_string(table_.size())}});
      return nullptr;
    }
  }
  auto made = std::make_shared<policy::History>(limits());
  table_.emplace(std::move(key), made);
  return made;
}

// Only find(), which needs the mutex, makes a second holder out of the table's own.
bool Histories::forget(Table::iterator entry, base::Time now) {
  if (entry->second.use_count() > 1 || !entry->second->idle(now)) return false;
  if (memory_ != nullptr) memory_->put(std::string(space), entry->first, std::nullopt);
  table_.erase(entry);
  return true;
}

void Histories::save(base::Time now) {
  const std::scoped_lock lock(mutex_);
  std::size_t bytes = 0;
  auto entry = table_.upper_bound(written_);
  for (std::size_t left = table_.size(); left > 0 && bytes < most_written; --left, ++entry) {
    if (entry == table_.end()) entry = table_.begin();
    written_ = entry->first;
    if (memory_ == nullptr) break;
    auto text = entry->second->save_changes();
    if (!text) continue;
    bytes += text->size();
    memory_->put(std::string(space), entry->first, std::move(text));
  }
  entry = table_.upper_bound(swept_);
  for (std::size_t left = std::min(table_.size(), most_swept); left > 0; --left) {
    if (entry == table_.end()) entry = table_.begin();
    swept_ = entry->first;
    const auto here = entry++;
    forget(here, now);
    if (table_.empty()) return;
  }
}

void Histories::save_all() {
  if (memory_ == nullptr) return;
  const std::scoped_lock lock(mutex_);
  for (const auto& [key, history] : table_)
    if (auto text = history->save_changes()) memory_->put(std::string(space), key, std::move(text));
}

std::size_t Histories::size() const {
  const std::scoped_lock lock(mutex_);
  return table_.size();
}

}  // namespace latticegate::gateway
