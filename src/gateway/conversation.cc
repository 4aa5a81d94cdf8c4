#include "gateway/conversation.h"

#include "crypto/hash.h"

namespace latticegate::gateway {
namespace {

constexpr std::chrono::hours quiet_time(1);

}  // namespace

std::string principal_id(const identity::CallerProfile& profile) {
  // Lengths keep the fields apart, whatever they contain.
  std::string key;
  for (const std::string_view part :
       {std::string_view(profile.tenant.value()), std::string_view(profile.agent.value()),
        profile.user ? std::string_view(profile.user->id.value()) : std::string_view(), std::string_view(profile.fingerprint)}) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  }
  return "c-" + crypto::to_hex(crypto::sha256(key)).substr(0, 12);
}

std::optional<Kill> Principal::killed() const {
  const std::scoped_lock lock(mutex_);
  return killed_;
}

std::shared_ptr<Conversation> Principal::conversation(base::Time now) {
  const std::scoped_lock lock(mutex_);
  if (conversation_) {
    const std::scoped_lock inner(conversation_->mutex);
    if (now - conversation_->totals.last < quiet_time) return conversation_;
  }
  conversation_ = std::make_shared<Conversation>();
  conversation_->totals.started = now;
  conversation_->totals.last = now;
  return conversation_;
}

Principal::Open::Open(Open&& other) noexcept
    : entry_(std::move(other.entry_)), owner_(std::exchange(other.owner_, nullptr)), place_(other.place_) {}

Principal::Open& Principal::Open::operator=(Open&& other) noexcept {
  if (this != &other) {
    release();
    entry_ = std::move(other.entry_);
    owner_ = std::exchange(other.owner_, nullptr);
    place_ = other.place_;
  }
  return *this;
}

void Principal::Open::release() {
  if (owner_ == nullptr) return;
  const std::scoped_lock lock(owner_->mutex_);
  owner_->open_.erase(place_);
  entry_->end = nullptr;  // a call that was posted but has not run does nothing
  owner_ = nullptr;
}

Principal::Open Principal::open(net::Loop& loop, std::function<void(End)> end) {
  Open handle;
  handle.entry_ = std::make_shared<Open::Entry>(Open::Entry{&loop, std::move(end)});
  handle.owner_ = this;
  const std::scoped_lock lock(mutex_);
  handle.place_ = open_.insert(open_.end(), handle.entry_);
  return handle;
}

void Principal::end_open(End why) {
  const std::scoped_lock lock(mutex_);
  for (const auto& entry : open_)
    entry->loop->post([entry, why] {
      // Runs on the loop that also releases the entry, so nobody clears it meanwhile.
      if (const auto end = std::exchange(entry->end, nullptr)) end(why);
    });
}

void Principals::end_everything() {
  for (const auto& principal : all()) principal->end_open(Principal::End::stopping);
}

std::size_t Principal::open_count() const {
  const std::scoped_lock lock(mutex_);
  return open_.size();
}

std::shared_ptr<Principal> Principals::find(const identity::Caller& caller) {
  std::string id = principal_id(caller.profile());
  const std::scoped_lock lock(mutex_);
  auto& entry = by_id_[id];
  if (!entry) {
    entry = std::make_shared<Principal>(id, caller->agent.value(), caller->user ? caller->user->id.value() : std::string());
    if (const auto kill = kills_.find(id); kill != kills_.end()) {
      entry->killed_ = kill->second;
      entry->killed_flag_.store(true, std::memory_order_release);
    }
  }
  return entry;
}

std::shared_ptr<Principal> Principals::find_by_id(std::string_view id) const {
  const std::scoped_lock lock(mutex_);
  const auto entry = by_id_.find(std::string(id));
  return entry == by_id_.end() ? nullptr : entry->second;
}

std::vector<std::shared_ptr<Principal>> Principals::all() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<Principal>> list;
  list.reserve(by_id_.size());
  for (const auto& [id, principal] : by_id_) list.push_back(principal);
  return list;
}

bool Principals::kill(const std::string& id, Kill kill) {
  std::shared_ptr<Principal> principal;
  {
    const std::scoped_lock lock(mutex_);
    if (!kills_.emplace(id, kill).second) return false;
    if (const auto entry = by_id_.find(id); entry != by_id_.end()) principal = entry->second;
  }
  if (principal) {
    {
      const std::scoped_lock lock(principal->mutex_);
      principal->killed_ = kill;
      principal->killed_flag_.store(true, std::memory_order_release);
    }
    principal->end_open(Principal::End::killed);
  }
  (void)remember_(id, kill);
  return true;
}

bool Principals::release(const std::string& id) {
  {
    const std::scoped_lock lock(mutex_);
    if (kills_.erase(id) == 0) return false;
    if (const auto entry = by_id_.find(id); entry != by_id_.end()) {
      const std::scoped_lock inner(entry->second->mutex_);
      entry->second->killed_.reset();
      entry->second->conversation_.reset();
      entry->second->killed_flag_.store(false, std::memory_order_release);
    }
  }
  (void)remember_(id, std::nullopt);
  return true;
}

std::vector<std::pair<std::string, Kill>> Principals::kills() const {
  const std::scoped_lock lock(mutex_);
  return {kills_.begin(), kills_.end()};
}

void Principals::restore(std::vector<std::pair<std::string, Kill>> kills) {
  const std::scoped_lock lock(mutex_);
  for (auto& [id, kill] : kills) kills_.insert_or_assign(std::move(id), std::move(kill));
}

}  // namespace latticegate::gateway
