// Nothing is forwarded that is not on disk: only a durable append of the journal gives a Ticket.
#include "gateway/forward.h"

using namespace latticegate;

net::Task<base::Result<std::unique_ptr<gateway::Reply>>> send(const policy::Permit& permit,
                                                              const store::Ticket& ticket,
                                                              gateway::Link& link, net::Loop& loop,
                                                              const gateway::Outgoing& message,
                                                              net::Abort& abort);
net::Task<base::Result<std::unique_ptr<gateway::Reply>>> send(const policy::Permit& permit,
                                                              const store::Ticket& ticket,
                                                              gateway::Link& link, net::Loop& loop,
                                                              const gateway::Outgoing& message,
                                                              net::Abort& abort) {
#ifdef REFUSED
  (void)gateway::forward(permit, store::Ticket({}, 1), link, loop, message,
                         abort);  // expect: is private within this context
#endif
  return gateway::forward(permit, ticket, link, loop, message, abort);
}
