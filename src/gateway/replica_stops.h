// What stops at one replica stops at all of them (gateway/replicas.h): kills and quarantines,
// whoever ordered them, and what is released. Each is told at once to the others, sealed as
// requests are, and again a few times to one that does not answer; what cannot be told is logged.
// Each applies it, records it and keeps it over its own restarts. One that starts asks the others
// what is stopped; what was released while it was away it still holds, until that is released
// again.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "gateway/worker.h"

namespace latticegate::gateway {

// Where one tells the other, and asks.
inline constexpr std::string_view stops_path = "/replicas/stops";

struct Stop {
  Stopped what;
  std::optional<Kill> kill;  // nothing: it is released
};

// In the background.
void tell_replicas(Worker& worker, const Stop& stop);
// Asks every other replica what is stopped; for the start.
net::Task<void> ask_replicas(Worker& worker);
// What another one tells or asks: its name, and what it sent.
net::Task<void> answer_replica(Worker& worker, net::ServerRequest& request, std::string_view from,
                               std::string_view body);

}  // namespace latticegate::gateway
