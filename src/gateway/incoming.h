// What a client posted, as a message of an era. What is none is answered here.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/worker.h"
#include "mcp/revision.h"

namespace latticegate::gateway {

struct Incoming {
  mcp::Message message;
  mcp::Era era{};
  std::int64_t bytes = 0;
};
net::Task<std::optional<Incoming>> receive(Worker& worker, net::ServerRequest& request,
                                           const Snapshot& snapshot);

// An error as a JSON body. `id` is JSON text or empty, as is `data`.
net::Task<void> reject(net::ServerRequest& request, std::string_view id, int status, int code,
                       std::string_view sentence, std::string_view data = {});

// A legacy session by the headers of a request; without it the request is answered.
net::Task<std::shared_ptr<Session>> legacy_session(Worker& worker, net::ServerRequest& request,
                                                   std::string_view id, const Principal& principal,
                                                   std::string_view server);

// Whether an Accept header admits a type.
bool admits(std::string_view accept, std::string_view type);

}  // namespace latticegate::gateway
