#include "net/outlet.h"

#include "net/socket.h"

namespace latticegate::net {

using base::Result;

Task<Result<void>> Outlet::send(std::string text) {
  const bool fresh = stream_ == nullptr;
  if (fresh) CO_CHECK(co_await connect());
  stream_->set_deadline(loop_.clock().instant() + timeout_);
  auto sent = co_await stream_->write_one(fresh ? recent_ + text : text);
  if (!sent) {
    stream_.reset();
    co_return sent;
  }
  stream_->clear_deadline();
  recent_ = std::move(text);
  co_return Result<void>();
}

Task<Result<void>> Outlet::connect() {
  CO_TRY(const auto addresses, co_await resolve(loop_, host_, port_));
  CO_TRY(auto connected, co_await connect_socket(loop_, addresses, timeout_));
  if (tls_) {
    CO_TRY(stream_,
           co_await tls_handshake(loop_, tls_, connected.fd, std::move(connected.peer), timeout_));
  } else {
    stream_ = socket_stream(loop_, connected.fd, std::move(connected.peer));
  }
  co_return Result<void>();
}

}  // namespace latticegate::net
