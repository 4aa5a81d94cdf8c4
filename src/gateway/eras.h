// What servers speak, as far as it was found out. A server that spoke modern keeps that verdict (a
// wrong one fails loudly); "legacy only" is forgotten after a while, because a server that learnt
// the modern era goes on answering the old handshake. Only answers count: an outage, a refused
// credential or, over HTTP, silence say nothing. Any thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "mcp/revision.h"

namespace latticegate::gateway {

class Eras {
 public:
  // `key` is ServerRoute::key, so that another configuration of a server begins anew.
  std::optional<bool> speaks(std::uint64_t key, mcp::Era era, base::Instant now) const;
  void note(std::uint64_t key, mcp::Era era, bool speaks, base::Instant now);

 private:
  struct Verdict {
    bool speaks = false;
    base::Instant at;
  };
  static constexpr auto horizon = std::chrono::minutes(10);
  mutable std::mutex mutex_;
  std::map<std::pair<std::uint64_t, mcp::Era>, Verdict> verdicts_;
};

}  // namespace latticegate::gateway
