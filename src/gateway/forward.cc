#include "gateway/forward.h"

#include <array>

namespace latticegate::gateway {

bool needs_permit(mcp::Method method) {
  switch (method) {
    case mcp::Method::tools_call:
    case mcp::Method::resources_read:
    case mcp::Method::resources_subscribe:
    case mcp::Method::prompts_get:
    case mcp::Method::completion_complete:
    case mcp::Method::tasks_get:
    case mcp::Method::tasks_result:
    case mcp::Method::tasks_update:
    case mcp::Method::tasks_cancel: return true;
    default: return false;
  }
}

bool answers(const mcp::Message& message, std::string_view id) {
  return message.is_response() &&
         (message.id().exists() ? message.id_text() == id : message.error().exists());
}

net::Task<base::Result<std::unique_ptr<Reply>>> forward(const policy::Permit& permit,
                                                        const store::Ticket& ticket, Link& link,
                                                        net::Loop& loop, const Outgoing& message,
                                                        net::Abort& abort) {
  std::array<char, 36> uid{};
  crypto::write_to(uid.data(), ticket.call_uid());
  base::check(permit.call() == std::string_view(uid.data(), uid.size()),
              "a ticket belongs to another call than the permit");
  co_return co_await link.request(loop, message, abort);
}

net::Task<base::Result<std::unique_ptr<Reply>>> pass(mcp::Method method, Link& link,
                                                     net::Loop& loop, const Outgoing& message,
                                                     net::Abort& abort) {
  base::check(!needs_permit(method), "a method that needs a permit goes around the decision");
  co_return co_await link.request(loop, message, abort);
}

}  // namespace latticegate::gateway
