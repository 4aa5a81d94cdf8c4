// Tracing: the trail of one principal (provenance/trail.h), behind a lock, and what it says of the
// servers as they are configured.
//
// It hangs on the principal and not on a session: whoever has a session with each of three servers
// is still one model with one memory. It is kept over restarts (gateway/learnt.h).
#pragma once
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "behaviour/conversation.h"
#include "config/config.h"
#include "json/value.h"
#include "provenance/purpose.h"
#include "provenance/trail.h"

namespace latticegate::gateway {

// What reading from a server's tool means; `tool` is empty for resources and prompts. The labels
// point into the configuration.
struct Labels {
  std::span<const std::string> taint{};
  std::span<const std::string> domains{};
  bool sensitive = false;
};
Labels labels_of(const config::Server& server, std::string_view tool, std::int64_t private_from);
// Whether anything there is has such labels: otherwise there is nothing to trace.
bool has_labels(const config::Config& config);
// Adds what was read to what the policies of a conversation see.
void add_labels(behaviour::Totals& totals, std::span<const std::string> taint,
                std::span<const std::string> domains, bool sensitive);

class Tracing {
 public:
  Tracing(const provenance::Limits& limits, provenance::Key key)
      : trail_(limits, key), expiry_(limits.expiry) {}
  Tracing(provenance::Trail trail, const provenance::Limits& limits)
      : trail_(std::move(trail)), expiry_(limits.expiry) {}

  provenance::Origins before(json::Value arguments, const provenance::Sink& sink, base::Time now);
  // True when it came from a source that had not been read before.
  bool after(json::Value answer, const provenance::Source& source, base::Time now,
             std::span<const std::string> revealed);
  // What it is for (provenance/purpose.h): of the configuration with each call, empty: nothing; of
  // the client before its arguments are looked at.
  void purpose_of_operator(std::string_view text, base::Time now);
  // `untrusted`: it read something untrusted, as far as anybody but the trail knows.
  void say(provenance::Said by, std::string_view text, bool untrusted, base::Time now);
  // Calls `names(const Purpose&)` under the lock, if anything was said.
  template <class With>
  void purpose(base::Time now, const With& with) {
    const std::scoped_lock lock(mutex_);
    purpose_.expire(now, expiry_);
    if (purpose_.stated()) with(std::as_const(purpose_));
  }
  // Adds what the principal read in all its sessions.
  void add_sources(behaviour::Totals& totals, base::Time now) const;
  // What is to be kept, if it changed since the last time.
  std::optional<std::string> changes(base::Time now);

 private:
  mutable std::mutex mutex_;
  provenance::Trail trail_;
  provenance::Purpose purpose_;
  std::string of_operator_;
  base::Time of_operator_at_{};
  std::chrono::seconds expiry_;
  bool changed_ = false;
};

}  // namespace latticegate::gateway
