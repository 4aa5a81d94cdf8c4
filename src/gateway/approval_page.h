// The page behind an approval link (gateway/approval_link.h), for the person that it was sent to:
// what waits, and two buttons. Only the button answers; to look at it, as programs that preview
// links do, does not. No scripts, nothing from elsewhere.
#pragma once
#include "gateway/worker.h"
#include "net/http_server.h"

namespace latticegate::gateway {

// Whether a request is for it; then it needs no credential but the link.
bool is_approval_page(const net::Head& head);
net::Task<void> answer_approval_page(Worker& worker, net::ServerRequest& request);

// The key of links, made of the one of this gateway's states.
std::string approval_link_key(std::string_view state_key);

}  // namespace latticegate::gateway
