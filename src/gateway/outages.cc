#include "gateway/outages.h"

#include <algorithm>

namespace latticegate::gateway {
namespace {

constexpr std::chrono::milliseconds first_rest{500};
constexpr std::chrono::milliseconds longest_rest{60'000};
constexpr std::uint32_t most_failures = 8;  // that count; 500 ms doubled so often is over a minute

}  // namespace

bool Outages::rests(std::string_view server, base::Instant now) const {
  const std::scoped_lock lock(mutex_);
  const auto found = outages_.find(server);
  return found != outages_.end() && now < found->second.until;
}

bool Outages::failed(std::string_view server, base::Instant now) {
  const std::scoped_lock lock(mutex_);
  Outage& outage = outages_[std::string(server)];
  // Requests that waited for it at the same time found out the same thing.
  if (now < outage.until) return false;
  outage.failures = std::min(outage.failures + 1, most_failures);
  outage.until = now + std::min(longest_rest, first_rest * (1 << (outage.failures - 1)));
  return outage.failures == 1;
}

bool Outages::answered(std::string_view server) {
  const std::scoped_lock lock(mutex_);
  const auto found = outages_.find(server);
  if (found == outages_.end()) return false;
  outages_.erase(found);
  return true;
}

std::vector<std::string> Outages::all() const {
  std::vector<std::string> servers;
  const std::scoped_lock lock(mutex_);
  for (const auto& [server, outage] : outages_) servers.push_back(server);
  return servers;
}

}  // namespace latticegate::gateway
