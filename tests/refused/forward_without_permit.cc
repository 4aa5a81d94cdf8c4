// Nothing is forwarded that policy did not permit: forward() takes a Permit, and nothing converts
// to one.
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
  (void)gateway::forward(policy::Permit{}, ticket, link, loop, message,
                         abort);  // expect: is private within this context
#endif
  return gateway::forward(permit, ticket, link, loop, message, abort);
}
