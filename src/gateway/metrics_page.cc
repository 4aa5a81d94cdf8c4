#include "gateway/metrics_page.h"

#include <algorithm>

#include "base/ascii.h"
#include "gateway/meters.h"
#include "gateway/worker.h"

namespace latticegate::gateway {
namespace {

// "host:port" -> "host"; brackets stay.
std::string_view without_port(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.ends_with(']')) return authority;
  return authority.substr(0, colon);
}

}  // namespace

bool from_here(const net::Head& head, const Snapshot& snapshot) {
  const std::string host = base::to_lower(without_port(head.host));
  if (std::ranges::find(snapshot.hosts, host) == snapshot.hosts.end()) return false;
  const auto origin = head.find("origin");
  if (!origin) return true;
  if (std::ranges::find(snapshot.config->listen.origins, *origin) !=
      snapshot.config->listen.origins.end())
    return true;
  const std::size_t scheme = origin->find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string name = base::to_lower(without_port(origin->substr(scheme + 3)));
  return std::ranges::find(snapshot.hosts, name) != snapshot.hosts.end();
}

net::Task<void> MetricsPage::handle(net::ServerRequest& request) {
  const net::Head& head = request.head();
  if (!from_here(head, *shared_.snapshot.load()))
    (void)co_await request.respond(403, "", "text/plain", "the Host or Origin is not ours\n");
  else if (head.target != "/metrics")
    (void)co_await request.respond(404, "", "text/plain", "metrics are at /metrics\n");
  else if (head.method != "GET")
    (void)co_await request.respond(405, "Allow: GET\r\n", "text/plain", "GET only\n");
  else
    (void)co_await request.respond(200, "", telemetry::content_type, shared_.meters->text());
}

}  // namespace latticegate::gateway
