// Sends messages of one session to a server over HTTP, with the headers that belong there and a
// credential of ours. Any thread.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "gateway/upstream.h"

namespace latticegate::gateway {

class HttpSender {
 public:
  HttpSender(HttpTarget target, std::function<net::HttpPool&(net::Loop&)> pool)
      : target_(std::move(target)), pool_(std::move(pool)) {}

  // Sends and reads the answer's head. Another `path` than the target's when it is not empty. What
  // was refused for its token was not done: it is sent again with another one.
  net::Task<base::Result<std::unique_ptr<net::ClientConnection>>> send(net::Loop& loop,
                                                                       std::string_view method,
                                                                       const Outgoing& message,
                                                                       net::Abort* abort,
                                                                       std::string_view path = {});
  // Ends the session at the server, with little patience.
  net::Task<void> end(net::Loop& loop);
  // The headers, for an exchange that is made later.
  std::string headers(net::Loop& loop, const Outgoing& message) const;
  void opened(std::string_view session, std::string_view version);
  std::string version() const;

  net::HttpPool& pool(net::Loop& loop) const { return pool_(loop); }
  const HttpTarget& target() const { return target_; }

 private:
  std::string token(net::Loop& loop) const;
  std::string headers_with(const Outgoing& message, std::string_view authorization) const;

  HttpTarget target_;
  std::function<net::HttpPool&(net::Loop&)> pool_;
  mutable std::mutex mutex_;
  std::string session_;  // of the legacy era; empty before the handshake and after the end
  std::string version_;
};

}  // namespace latticegate::gateway
