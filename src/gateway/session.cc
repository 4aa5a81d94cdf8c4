#include "gateway/session.h"

#include <algorithm>
#include <array>
#include <format>
#include <functional>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace latticegate::gateway {
namespace {

constexpr std::size_t most_server_requests = 64;
constexpr std::size_t most_tasks = 256;

bool in_use(const Session& session) {
  return session.streams.load() > 0 || session.requests->size() > 0;
}

}  // namespace

std::optional<std::string> ServerRequests::add(Origin origin) {
  const std::scoped_lock lock(mutex_);
  if (waiting_.size() >= most_server_requests) return std::nullopt;
  std::string id = std::format("\"lg-{}\"", next_++);
  waiting_.emplace(id, std::move(origin));
  return id;
}

std::optional<ServerRequests::Origin> ServerRequests::take(std::string_view client_id) {
  const std::scoped_lock lock(mutex_);
  const auto found = waiting_.find(client_id);
  if (found == waiting_.end()) return std::nullopt;
  Origin origin = std::move(found->second);
  waiting_.erase(found);
  return origin;
}

void Tasks::add(std::string id, std::shared_ptr<const mcp::Message> call) {
  const std::scoped_lock lock(mutex_);
  if (calls_.size() >= most_tasks) calls_.pop_front();
  calls_.emplace_back(std::move(id), std::move(call));
}

std::shared_ptr<const mcp::Message> Tasks::find(std::string_view id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(
      calls_, id, [](const auto& entry) { return std::string_view(entry.first); });
  return found == calls_.end() ? nullptr : found->second;
}

void RequestIds::add(std::string client_id, Way way) {
  const std::scoped_lock lock(mutex_);
  ways_.insert_or_assign(std::move(client_id), std::move(way));
}

void RequestIds::remove(std::string_view client_id) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = ways_.find(client_id); found != ways_.end()) ways_.erase(found);
}

std::optional<RequestIds::Way> RequestIds::find(std::string_view client_id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = ways_.find(client_id);
  if (found == ways_.end()) return std::nullopt;
  return found->second;
}

std::size_t RequestIds::size() const {
  const std::scoped_lock lock(mutex_);
  return ways_.size();
}

std::shared_ptr<Session> Members::find(std::string_view server) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_server_.find(server);
  return found == by_server_.end() ? nullptr : found->second;
}

bool Members::put(std::shared_ptr<Session> member) {
  const std::scoped_lock lock(mutex_);
  if (ended_) return false;
  by_server_.insert_or_assign(member->server, std::move(member));
  return true;
}

void Members::drop(const Session& member) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_server_.find(member.server);
  if (found != by_server_.end() && found->second.get() == &member) by_server_.erase(found);
}

std::vector<std::shared_ptr<Session>> Members::end() {
  std::vector<std::shared_ptr<Session>> taken;
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  for (auto& [server, member] : by_server_) taken.push_back(std::move(member));
  by_server_.clear();
  return taken;
}

std::vector<std::shared_ptr<Session>> Members::all() const {
  std::vector<std::shared_ptr<Session>> list;
  const std::scoped_lock lock(mutex_);
  for (const auto& [server, member] : by_server_) list.push_back(member);
  return list;
}

net::Task<void> end_links(net::Loop& loop, std::shared_ptr<Session> session) {
  if (session->link) co_await session->link->end(loop);
  for (const std::shared_ptr<Session>& member : session->members.end())
    co_await member->link->end(loop);
}

std::shared_ptr<Session> Sessions::add(std::shared_ptr<Session> session, crypto::Random& random,
                                       std::string_view prefix) {
  std::array<std::byte, 16> bytes{};
  random.fill(bytes);
  session->id = std::string(prefix) + base::to_hex(bytes);
  const std::scoped_lock lock(mutex_);
  by_id_.emplace(session->id, session);
  return session;
}

std::shared_ptr<Session> Sessions::find(std::string_view id, const Principal& principal,
                                        std::string_view server) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  if (found == by_id_.end() || found->second->principal.get() != &principal ||
      found->second->server != server)
    return nullptr;
  return found->second;
}

bool Sessions::has(std::string_view id, const Principal& principal) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_id_.find(std::string(id));
  return found != by_id_.end() && found->second->principal.get() == &principal;
}

void Sessions::remove(std::string_view id) {
  const std::scoped_lock lock(mutex_);
  by_id_.erase(std::string(id));
}

std::shared_ptr<Session> Sessions::modern(const Principal& principal,
                                          std::string_view server) const {
  const std::scoped_lock lock(mutex_);
  const auto found = modern_.find({principal.id(), std::string(server)});
  return found == modern_.end() ? nullptr : found->second;
}

void Sessions::put_modern(const Principal& principal, std::shared_ptr<Session> session) {
  const std::scoped_lock lock(mutex_);
  std::string server = session->server;
  modern_.insert_or_assign({principal.id(), std::move(server)}, std::move(session));
}

void Sessions::remove_modern(const Session& session) {
  const std::scoped_lock lock(mutex_);
  const auto found = modern_.find({session.principal->id(), session.server});
  if (found != modern_.end() && found->second.get() == &session) modern_.erase(found);
}

std::vector<std::shared_ptr<Session>> Sessions::take_all(const Principal& principal) {
  std::vector<std::shared_ptr<Session>> taken;
  const std::scoped_lock lock(mutex_);
  const auto take = [&](auto& table) {
    std::erase_if(table, [&](auto& entry) {
      if (entry.second->principal.get() != &principal) return false;
      taken.push_back(entry.second);
      return true;
    });
  };
  take(by_id_);
  take(modern_);
  return taken;
}

std::vector<std::shared_ptr<Session>> Sessions::take_all_at(std::string_view server) {
  std::vector<std::shared_ptr<Session>> taken;
  const std::scoped_lock lock(mutex_);
  const auto take = [&](auto& table) {
    std::erase_if(table, [&](auto& entry) {
      if (entry.second->server != server) {
        if (auto member = entry.second->members.find(server)) {
          entry.second->members.drop(*member);
          taken.push_back(std::move(member));
        }
        return false;
      }
      taken.push_back(entry.second);
      return true;
    });
  };
  take(by_id_);
  take(modern_);
  return taken;
}

std::vector<std::shared_ptr<Session>> Sessions::take_oldest(std::size_t most, const Principal* of) {
  struct Idle {
    std::int64_t used;
    std::function<std::shared_ptr<Session>()> take;
  };
  std::vector<Idle> idle;
  const std::scoped_lock lock(mutex_);
  const auto look = [&](auto& table) {
    for (auto entry = table.begin(); entry != table.end(); ++entry) {
      const std::shared_ptr<Session>& session = entry->second;
      if (session.use_count() > 1 || in_use(*session)) continue;  // an exchange holds it
      if (of != nullptr && session->principal.get() != of) continue;
      idle.push_back({session->last_used_ns.load(std::memory_order_relaxed),
                      [&table, entry] { return std::move(table.extract(entry).mapped()); }});
    }
  };
  look(by_id_);
  look(modern_);
  most = std::min(most, idle.size());
  std::ranges::partial_sort(idle, idle.begin() + static_cast<std::ptrdiff_t>(most), {},
                            &Idle::used);
  std::vector<std::shared_ptr<Session>> taken;
  taken.reserve(most);
  for (const Idle& one : std::span(idle).first(most)) taken.push_back(one.take());
  return taken;
}

std::vector<std::shared_ptr<Session>> Sessions::take_idle(std::int64_t before_ns) {
  std::vector<std::shared_ptr<Session>> taken;
  const std::scoped_lock lock(mutex_);
  const auto take = [&](auto& table) {
    std::erase_if(table, [&](auto& entry) {
      const Session& session = *entry.second;
      if (session.last_used_ns.load(std::memory_order_relaxed) >= before_ns || in_use(session))
        return false;
      taken.push_back(entry.second);
      return true;
    });
  };
  take(by_id_);
  take(modern_);
  return taken;
}

std::vector<std::shared_ptr<Session>> Sessions::take_everything() {
  std::vector<std::shared_ptr<Session>> taken;
  const std::scoped_lock lock(mutex_);
  for (auto& [id, session] : by_id_) taken.push_back(session);
  for (auto& [key, session] : modern_) taken.push_back(session);
  by_id_.clear();
  modern_.clear();
  return taken;
}

std::size_t Sessions::size() const {
  const std::scoped_lock lock(mutex_);
  return by_id_.size() + modern_.size();
}

bool Sessions::busy() const {
  const std::scoped_lock lock(mutex_);
  const auto working = [](const auto& entry) { return entry.second->requests->size() > 0; };
  return std::ranges::any_of(by_id_, working) || std::ranges::any_of(modern_, working);
}

}  // namespace latticegate::gateway
