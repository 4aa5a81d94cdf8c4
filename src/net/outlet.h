// Outlet: a connection that takes bytes and acknowledges nothing, such as syslog over TCP or TLS.
// It is made when it is needed, and made anew after a break; then what was sent last is sent again,
// because nobody knows whether it arrived.
//
// One loop, one send() at a time.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/loop.h"
#include "net/stream.h"
#include "net/tls.h"

namespace latticegate::net {

class Outlet {
 public:
  // Without a context in plain TCP.
  Outlet(Loop& loop, std::string host, std::uint16_t port, std::shared_ptr<const TlsContext> tls,
         std::chrono::milliseconds timeout = std::chrono::seconds(10))
      : loop_(loop), host_(std::move(host)), port_(port), tls_(std::move(tls)), timeout_(timeout) {}

  // All of it, within the time or not at all as far as we know.
  Task<base::Result<void>> send(std::string text);

 private:
  Task<base::Result<void>> connect();
  Loop& loop_;
  std::string host_;
  std::uint16_t port_;
  std::shared_ptr<const TlsContext> tls_;
  std::chrono::milliseconds timeout_;
  std::unique_ptr<Stream> stream_;
  std::string recent_;
};

}  // namespace latticegate::net
