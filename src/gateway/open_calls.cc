#include "gateway/open_calls.h"

#include <utility>

namespace latticegate::gateway {

OpenCalls::Handle::Handle(Handle&& other) noexcept
    : entry_(std::move(other.entry_)),
      owner_(std::exchange(other.owner_, nullptr)),
      place_(other.place_) {}

OpenCalls::Handle& OpenCalls::Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    release();
    entry_ = std::move(other.entry_);
    owner_ = std::exchange(other.owner_, nullptr);
    place_ = other.place_;
  }
  return *this;
}

void OpenCalls::Handle::release() {
  if (owner_ == nullptr) return;
  const std::scoped_lock lock(owner_->mutex_);
  owner_->entries_.erase(place_);
  entry_->end = nullptr;  // a call that was posted but has not run does nothing
  owner_ = nullptr;
}

OpenCalls::Handle OpenCalls::open(net::Loop& loop, std::function<void(End)> end, std::string name) {
  Handle handle;
  handle.entry_ = std::make_shared<Entry>(Entry{&loop, std::move(end), std::move(name)});
  handle.owner_ = this;
  const std::scoped_lock lock(mutex_);
  handle.place_ = entries_.insert(entries_.end(), handle.entry_);
  return handle;
}

std::size_t OpenCalls::size() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

void OpenCalls::end(const std::shared_ptr<Entry>& entry, End why) {
  entry->loop->post([entry, why] {
    // Runs on the loop that also releases the entry, so nobody clears it meanwhile.
    if (const auto end = std::exchange(entry->end, nullptr)) end(why);
  });
}

std::size_t OpenCalls::end(End why) {
  const std::scoped_lock lock(mutex_);
  for (const auto& entry : entries_) end(entry, why);
  return entries_.size();
}

std::size_t OpenCalls::end(End why, std::string_view name) {
  const std::scoped_lock lock(mutex_);
  std::size_t ended = 0;
  for (const auto& entry : entries_) {
    if (entry->name != name) continue;
    end(entry, why);
    ++ended;
  }
  return ended;
}

}  // namespace latticegate::gateway
