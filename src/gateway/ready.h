// Messages that the gateway makes itself in a server's place, and answers that are known already.
#pragma once
#include <memory>
#include <string_view>

#include "gateway/upstream.h"

namespace latticegate::gateway {

// Text of our own as a message; aborts when it is none.
mcp::Message own_message(std::string_view text);

// A reply of one message.
std::unique_ptr<Reply> ready_reply(std::string_view text);

}  // namespace latticegate::gateway
