#include "gateway/halts.h"

#include <format>

namespace latticegate::gateway {

std::string Halts::name_of(std::string_view server, std::string_view tool) {
  return tool.empty() ? std::string(server) : std::format("{}/{}", server, tool);
}

std::string halt_sentence(const Kill& halt, std::string_view tool) {
  return std::format("Latticegate: {}{}{} is in quarantine{}", tool.empty() ? "this server" : "'",
                     tool, tool.empty() ? "" : "'",
                     halt.until ? std::format(" until {}", base::to_rfc3339(*halt.until))
                                : std::string(" until an operator releases it"));
}

std::optional<Kill> Halts::find(std::string_view server, std::string_view tool) const {
  if (size_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  auto found = halts_.find(server);
  if (found == halts_.end() && !tool.empty()) found = halts_.find(name_of(server, tool));
  if (found == halts_.end()) return std::nullopt;
  return found->second;
}

bool Halts::set(const std::string& name, Kill halt) {
  {
    const std::scoped_lock lock(mutex_);
    if (!halts_.emplace(name, halt).second) return false;
    size_.store(halts_.size(), std::memory_order_release);
  }
  remember_(name, halt);
  return true;
}

bool Halts::lift(const std::string& name) {
  {
    const std::scoped_lock lock(mutex_);
    if (halts_.erase(name) == 0) return false;
    size_.store(halts_.size(), std::memory_order_release);
  }
  remember_(name, std::nullopt);
  return true;
}

std::vector<std::pair<std::string, Kill>> Halts::all() const {
  const std::scoped_lock lock(mutex_);
  return {halts_.begin(), halts_.end()};
}

std::vector<std::string> Halts::over(base::Time now) const {
  std::vector<std::string> names;
  if (size_.load(std::memory_order_acquire) == 0) return names;
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, halt] : halts_)
    if (halt.until && *halt.until <= now) names.push_back(name);
  return names;
}

void Halts::restore(std::vector<std::pair<std::string, Kill>> halts) {
  const std::scoped_lock lock(mutex_);
  for (auto& [name, halt] : halts) halts_.insert_or_assign(std::move(name), std::move(halt));
  size_.store(halts_.size(), std::memory_order_release);
}

}  // namespace latticegate::gateway
