// The two ways out of the gateway.
//
// forward() sends what was decided and recorded: it takes the Permit, which only policy makes, and
// the Ticket, which only a durable append gives. pass() sends protocol messages that carry no
// decision (handshake, lists, pings, answers to server requests); it aborts on a method that needs
// one. Both return what answers.
#pragma once
#include <memory>

#include "gateway/upstream.h"
#include "policy/decision.h"
#include "store/journal.h"

namespace latticegate::gateway {

// Methods that reach data or have effects, and so need a Permit.
bool needs_permit(mcp::Method method);

net::Task<base::Result<std::unique_ptr<Reply>>> forward(const policy::Permit& permit,
                                                        const store::Ticket& ticket, Link& link,
                                                        net::Loop& loop, const Outgoing& message,
                                                        net::Abort& abort);

net::Task<base::Result<std::unique_ptr<Reply>>> pass(mcp::Method method, Link& link,
                                                     net::Loop& loop, const Outgoing& message,
                                                     net::Abort& abort);

}  // namespace latticegate::gateway
