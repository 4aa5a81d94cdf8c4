// The requestState of a call that waits for its client's answers (gateway/bridge.h): which call, in
// which process, until when. The client carries it and can neither read nor make one; it is good
// for one principal, server and request only. That each is used once is the parked call's affair:
// it is there once.
//
// Replicas that share the key can read each other's. What waits at a server is a connection of one
// process and cannot travel: the conversation's home has it (gateway/replicas.h), and when that was
// started anew meanwhile it says so, and the client begins anew.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/random.h"

namespace latticegate::gateway {

inline constexpr std::size_t longest_state = 1024;

struct ParkedCall {
  std::string replica;  // the process that it waits in
  std::string handle;
  base::Time until{};
};

struct StateBinding {
  std::string_view key;        // 32 bytes
  std::string_view principal;  // its id
  std::string_view server;
  std::string_view request;  // all of what was asked, in a canonical form
};

std::string seal_state(const StateBinding& binding, const ParkedCall& call, crypto::Random& random);
// Code::invalid for what is none of this binding, Code::timeout for what came too late.
[[nodiscard]] base::Result<ParkedCall> open_state(const StateBinding& binding,
                                                  std::string_view text, base::Time now);

}  // namespace latticegate::gateway
