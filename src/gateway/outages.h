// Servers that did not answer when a list of several servers was made. Such a server is left out
// for a while, so that it does not slow everybody down, and then asked again; the while doubles up
// to a minute. Calls of its tools are tried all the same. Any thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace latticegate::gateway {

class Outages {
 public:
  // Whether it is left out now.
  bool rests(std::string_view server, base::Instant now) const;
  // True when it answered until now.
  bool failed(std::string_view server, base::Instant now);
  // True when it had failed.
  bool answered(std::string_view server);
  std::vector<std::string> all() const;

 private:
  struct Outage {
    std::uint32_t failures = 0;
    base::Instant until{};
  };
  mutable std::mutex mutex_;
  std::map<std::string, Outage, std::less<>> outages_;
};

}  // namespace latticegate::gateway
