// MetricsPage: GET /metrics for collectors, on an address of its own (listen.metrics).
//
// Whoever reaches the address may read: there is no credential, and the numbers name servers,
// channels and objectives. A page in a browser does not (Host and Origin are checked as for calls).
#pragma once
#include <string_view>

#include "net/http_server.h"

namespace latticegate::gateway {

struct Shared;
struct Snapshot;

class MetricsPage final : public net::Handler {
 public:
  // `shared` outlives it.
  explicit MetricsPage(const Shared& shared) : shared_(shared) {}
  net::Task<void> handle(net::ServerRequest& request) override;

 private:
  const Shared& shared_;
};

// Whether a request names us as its host and comes from no foreign page. DNS rebinding: a browser's
// page may reach us by a name of its own; then Host or Origin is not ours.
bool from_here(const net::Head& head, const Snapshot& snapshot);

}  // namespace latticegate::gateway
