// TLS 1.3 over any socket, post-quantum first: OpenSSL works directly on the non-blocking
// descriptor, with the group lists of a pqc::Profile (docs/decisions/0005-own-tls-stream.md).
//
// Contexts are immutable once made and shared by all loops; a reload makes new ones. Errors:
// Code::crypto with OpenSSL's reason for certificates, keys and handshakes that are not acceptable.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/stream.h"
#include "pqc/profile.h"

namespace latticegate::net {

struct TlsServerOptions {
  pqc::Profile profile{};
  std::string certificate_pem;  // leaf first, then the chain
  std::string key_pem;
  std::string client_ca_pem;  // empty: clients are not asked for a certificate
  bool require_client_certificate = false;
};

struct TlsClientOptions {
  pqc::Profile profile{};
  std::string ca_pem;           // empty: the system's trust store
  std::string server_name;      // verified against the certificate, and sent as SNI unless numeric
  std::string certificate_pem;  // our own, for mutual TLS; may be empty
  std::string key_pem;
};

class TlsContext {
 public:
  static base::Result<std::shared_ptr<const TlsContext>> server(const TlsServerOptions& options);
  static base::Result<std::shared_ptr<const TlsContext>> client(const TlsClientOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  struct State;
  const State& state() const { return *state_; }

 private:
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Shakes hands on a connected socket as server or client (by the context's kind) and gives the
// stream. The descriptor is taken over in any case. Under profile `required` a connection without a
// post-quantum group is refused.
Task<base::Result<std::unique_ptr<Stream>>> tls_handshake(Loop& loop,
                                                          std::shared_ptr<const TlsContext> context,
                                                          int fd, Peer peer,
                                                          std::chrono::milliseconds timeout);

}  // namespace latticegate::net
