// Halts: servers and tools that nobody may call for now, because an operator says so. Agents, users
// and everybody are stopped where their conversations are (conversation.h).
//
// Checked for each call; while there is none, that is one load of an atomic. Safe from any thread.
// Survives a restart.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "gateway/conversation.h"

namespace latticegate::gateway {

class Halts {
 public:
  // `remember` keeps one (or, with nullopt, forgets it).
  using Remember = std::function<void(const std::string& name, const std::optional<Kill>& halt)>;
  explicit Halts(Remember remember) : remember_(std::move(remember)) {}

  // "crm", or of a tool "crm/customers": names of servers have no slash.
  static std::string name_of(std::string_view server, std::string_view tool);

  // What holds for a server, or for it or its tool.
  std::optional<Kill> find(std::string_view server, std::string_view tool = {}) const;
  // False when it holds already.
  bool set(const std::string& name, Kill halt);
  // False when there was none.
  bool lift(const std::string& name);
  std::vector<std::pair<std::string, Kill>> all() const;
  // Those whose time is over.
  std::vector<std::string> over(base::Time now) const;
  // What was remembered before a restart; before any call.
  void restore(std::vector<std::pair<std::string, Kill>> halts);

 private:
  Remember remember_;
  mutable std::mutex mutex_;
  std::map<std::string, Kill, std::less<>> halts_;
  std::atomic<std::size_t> size_{0};
};

// For clients: that it is so, and until when; not why. `tool` may be empty.
std::string halt_sentence(const Kill& halt, std::string_view tool);

}  // namespace latticegate::gateway
