#include "gateway/conversation.h"

#include <algorithm>
#include <format>
#include <span>
#include <utility>

#include "identity/pseudonym.h"

namespace latticegate::gateway {
namespace {

constexpr std::chrono::hours quiet_time(1);

}  // namespace

std::optional<Kill> Principal::killed() const {
  const std::scoped_lock lock(mutex_);
  return killed_;
}

std::string stop_sentence(const Principal& principal) {
  const auto kill = principal.killed();
  return std::format("Latticegate stopped this conversation ({}). Calls are refused until {}",
                     principal.id(),
                     kill && kill->until ? base::to_rfc3339(*kill->until)
                                         : std::string("an operator releases it"));
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

std::shared_ptr<Tracing> Principal::tracing(const provenance::Limits& limits, provenance::Key key) {
  const std::scoped_lock lock(mutex_);
  if (!tracing_ && !kept_trail_.empty())
    if (auto kept = provenance::Trail::load(std::exchange(kept_trail_, {}), limits, key))
      tracing_ = std::make_shared<Tracing>(*std::move(kept), limits);
  if (!tracing_) tracing_ = std::make_shared<Tracing>(limits, key);
  return tracing_;
}

std::optional<std::string> Principal::trail_changes(base::Time now) {
  std::shared_ptr<Tracing> tracing;
  {
    const std::scoped_lock lock(mutex_);
    tracing = tracing_;
  }
  return tracing ? tracing->changes(now) : std::nullopt;
}

std::optional<behaviour::Throttle::Empty> Principal::throttle(
    std::span<const behaviour::Rate> rates, base::Instant now) {
  const std::scoped_lock lock(mutex_);
  return throttle_.take(rates, now);
}

void Principals::end_everything() {
  for (const auto& principal : all()) principal->open().end(OpenCalls::End::stopping);
}

std::shared_ptr<Principal> Principals::find(const identity::Caller& caller, std::size_t limit,
                                            base::Instant now) {
  std::string id = identity::conversation_pseudonym(id_key_, caller.profile());
  const std::scoped_lock lock(mutex_);
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    known->second->seen_ = now;
    return known->second;
  }
  if (by_id_.size() >= limit && !make_room(limit)) return nullptr;
  auto made = std::make_shared<Principal>(id, identity::pseudonym(key_, caller.profile()),
                                          caller->agent.value(),
                                          caller->user ? caller->user->id.value() : std::string());
  made->seen_ = now;
  if (const auto kept = kept_trails_.find(id); kept != kept_trails_.end()) {
    made->kept_trail_ = std::move(kept->second);
    kept_trails_.erase(kept);
  }
  if (const Kill* const kill = holding(*made)) mark(*made, *kill);
  by_id_.emplace(std::move(id), made);
  return made;
}

bool Principals::make_room(std::size_t limit) {
  // Only find() and the other members, which need the mutex, make a second holder out of the
  // table's own: what nobody holds now, nobody can come to hold meanwhile.
  std::vector<decltype(by_id_)::iterator> idle;
  for (auto entry = by_id_.begin(); entry != by_id_.end(); ++entry)
    if (entry->second.use_count() == 1 && !entry->second->is_killed()) idle.push_back(entry);
  const std::size_t surplus = by_id_.size() - limit;  // after a reload with a lower limit
  const std::size_t leaving = std::min(idle.size(), surplus + leaving_at_once(limit));
  std::ranges::partial_sort(idle, idle.begin() + static_cast<std::ptrdiff_t>(leaving), {},
                            [](const auto& entry) { return entry->second->seen_; });
  for (const auto& entry : std::span(idle).first(leaving)) by_id_.erase(entry);
  return by_id_.size() < limit;
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

std::string Principals::agent_id(std::string_view agent) { return "agent:" + std::string(agent); }
std::string Principals::user_id(std::string_view user) { return "user:" + std::string(user); }

bool Principals::names(std::string_view id, const Principal& principal) {
  if (id == principal.id() || id == everybody) return true;
  if (id.starts_with("agent:")) return id.substr(6) == principal.agent();
  return id.starts_with("user:") && !principal.user().empty() && id.substr(5) == principal.user();
}

const Kill* Principals::holding(const Principal& principal) const {
  for (const std::string& id :
       {std::string(everybody), agent_id(principal.agent()),
        principal.user().empty() ? std::string() : user_id(principal.user()), principal.id()})
    if (const auto kill = kills_.find(id); kill != kills_.end()) return &kill->second;
  return nullptr;
}

std::vector<std::shared_ptr<Principal>> Principals::named(std::string_view id) const {
  std::vector<std::shared_ptr<Principal>> list;
  const std::scoped_lock lock(mutex_);
  for (const auto& [known, principal] : by_id_)
    if (names(id, *principal)) list.push_back(principal);
  return list;
}

std::vector<std::string> Principals::over(base::Time now) const {
  std::vector<std::string> list;
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, kill] : kills_)
    if (kill.until && *kill.until <= now) list.push_back(id);
  return list;
}

void Principals::mark(Principal& principal, const Kill& kill) {
  const std::scoped_lock lock(principal.mutex_);
  principal.killed_ = kill;
  principal.killed_flag_.store(true, std::memory_order_release);
}

bool Principals::kill(const Principal& principal, Kill kill) {
  kill.agent = principal.agent();
  kill.user = principal.user();
  std::shared_ptr<Principal> known;
  {
    const std::scoped_lock lock(mutex_);
    if (!kills_.emplace(principal.id(), kill).second) return false;
    if (const auto entry = by_id_.find(principal.id()); entry != by_id_.end())
      known = entry->second;
  }
  if (known) {
    mark(*known, kill);
    known->open().end(OpenCalls::End::killed);
  }
  (void)remember_(principal.id(), kill);
  return true;
}

bool Principals::kill_all_of(const std::string& id, Kill kill) {
  std::vector<std::shared_ptr<Principal>> known;
  {
    const std::scoped_lock lock(mutex_);
    if (!kills_.emplace(id, kill).second) return false;
    for (const auto& [name, principal] : by_id_)
      if (names(id, *principal)) known.push_back(principal);
  }
  for (const auto& principal : known) {
    mark(*principal, kill);
    principal->open().end(OpenCalls::End::killed);
  }
  (void)remember_(id, kill);
  return true;
}

bool Principals::release(const std::string& id) {
  {
    const std::scoped_lock lock(mutex_);
    if (kills_.erase(id) == 0) return false;
    for (const auto& [name, principal] : by_id_) {
      if (!names(id, *principal)) continue;
      if (const Kill* const other = holding(*principal)) {  // another one holds on
        mark(*principal, *other);
        continue;
      }
      const std::scoped_lock inner(principal->mutex_);
      principal->killed_.reset();
      principal->conversation_.reset();
      principal->killed_flag_.store(false, std::memory_order_release);
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
