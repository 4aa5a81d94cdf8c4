// Meters: what the gateway counts for collectors (docs/guide/metrics.md has the list, made from
// here).
//
// Numbers that the call path counts are added where the call ends (outcome.cc); all others are
// looked up when somebody asks. Labels are servers, outcomes, channels, objectives and other names
// of the configuration; never an agent, a user or a tool, whose number nobody bounds.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "audit/record.h"
#include "telemetry/registry.h"

namespace latticegate::gateway {

struct Shared;

inline constexpr std::size_t outcome_kinds = static_cast<std::size_t>(audit::Outcome::withheld) + 1;

// Of one server; valid as long as the Meters.
struct ServerMeters {
  std::array<telemetry::Counter*, outcome_kinds> calls{};
  telemetry::Counter* records = nullptr;
  telemetry::Histogram* whole = nullptr;
  telemetry::Histogram* own = nullptr;
};

class Meters {
 public:
  // `shared` outlives it.
  explicit Meters(const Shared& shared);
  // Looks up; whoever counts each call keeps it.
  ServerMeters of_server(std::string_view server);
  // A connection's first request. Empty: without TLS.
  void connected(std::string_view tls_version, std::string_view group);
  // How long it took from a kill until nothing was open for whom it stopped.
  void stopped(std::chrono::nanoseconds took) { stops_.with({}).observe(took); }
  void approval(std::string_view state) { approvals_.with({state}).add(); }
  void decoy() { decoys_.with({}).add(); }
  void alert(std::string_view channel, std::string_view result) {
    alerts_.with({channel, result}).add();
  }

  std::string text() const { return registry_.text(); }
  std::string reference() const { return registry_.reference(); }

 private:
  void ask_state(const Shared& shared);
  void ask_log(const Shared& shared);
  void ask_behaviour(const Shared& shared);
  void ask_process();
  telemetry::Registry registry_;
  telemetry::Counters& calls_;
  telemetry::Counters& records_;
  telemetry::Histograms& whole_;
  telemetry::Histograms& own_;
  telemetry::Counters& connections_;
  telemetry::Histograms& stops_;
  telemetry::Counters& approvals_;
  telemetry::Counters& decoys_;
  telemetry::Counters& alerts_;
};

}  // namespace latticegate::gateway
