// Bridges: a server of one era for clients of the other. A bridge is a Link around the Link to the
// server, so that an Exchange decides, records and inspects in one way, whatever the server speaks.
//
// Modern client, legacy server. One session at the server per principal, opened with what can be
// bridged (elicitation, sampling, roots); it does not depend on what a single request declares.
// When the server asks during a call, the call is parked and the client gets input_required;
// requestState is sealed (gateway/request_state.h), usable once and only by the same principal for
// the same request. What the request did not declare is refused to the server; if the call fails
// over it, the client hears which capability was missing. Parked calls have limits in number, time
// and bytes; at each the server hears notifications/cancelled. A parked call is a connection of
// this process, and replicas lead its client back here (gateway/replicas.h); after a restart it is
// told so and begins anew.
//
// Legacy client, modern server. The handshake is answered from server/discover; each request
// carries what the client declared then. input_required becomes requests of the server on the
// call's stream, at most 10 rounds a call. The listening stream is a subscription.
//
// Threads: as for Link, from any loop.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "gateway/upstream.h"

namespace latticegate::gateway {

struct BridgeOptions {
  std::chrono::milliseconds answer{120'000};  // from one message of an answer to the next
  std::chrono::milliseconds parked{300'000};  // until the client comes back with its answers
  std::size_t most_parked = 32;               // at a time
  std::size_t most_parked_bytes = std::size_t{1024} * 1024;  // of their questions
  std::function<std::string()> next_id;  // of messages that the bridge itself sends
  // requestState for a request in canonical form and a handle, and back: the handle of this
  // process, or why there is none.
  std::function<std::string(std::string_view request, std::string_view handle)> seal;
  std::function<base::Result<std::string>(std::string_view request, std::string_view state)> open;
  // A call was given up because nobody came back with answers.
  std::function<void(net::Loop&)> gave_up;
  // Runs a task beside the requests, on the loop given.
  std::function<void(net::Loop&, net::Task<void>)> spawn;
};

// The legacy server behind `inner`, as a modern one.
std::shared_ptr<Link> modern_face(std::shared_ptr<Link> inner, BridgeOptions options);

// The modern server behind `inner`, as a legacy one. For one session.
std::shared_ptr<Link> legacy_face(std::shared_ptr<Link> inner, BridgeOptions options);

}  // namespace latticegate::gateway
