// Replicas: several gateways that serve the same clients, behind any load balancer. Each
// conversation is at home at one of them: its sessions, streams, parked calls, tasks, and what it
// read and did are there. Whoever else is asked passes the request on (gateway/hand_over.h). So any
// replica serves any client, and nobody shakes off what a conversation has seen by reaching
// another one.
//
// Home is found by rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to
// increase hit rates", 1998) of the principal's id over the members: all find the same without
// asking, and when one is added or lost only its own share moves. The id of a legacy session
// begins with the name of the replica that opened it, and leads back there also after homes have
// moved. A member that cannot be reached is passed over for a while; what it remembered of its
// conversations is missing until it is back.
//
// What one tells another of a request is sealed with the key that all share (AES-256-GCM), bound to
// both ends, the request's line, its session and its body, and good for a minute. The receiver
// holds who asks against its own rules.
//
// Immutable; safe from any thread.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "crypto/random.h"
#include "identity/caller.h"
#include "net/http.h"
#include "net/http_client.h"
#include "net/stream.h"
#include "net/tls.h"

namespace latticegate::gateway {

// The header that carries what is sealed.
inline constexpr std::string_view handed_header = "latticegate-handed";

struct Replica {
  net::Url url;
  std::shared_ptr<const net::TlsContext> tls;  // null for http
  std::string pool;  // names its connections; changes when the way there does
};

// Whose request it is, and how it came to the replica that was asked.
struct Handed {
  std::string from;  // that replica
  identity::Method method{};
  std::string fingerprint;  // of the credential; with the method as in CallerProfile
  std::string agent;
  std::string address;
  std::string tls_version;
  std::string tls_group;
  std::string body;  // SHA-256 in hexadecimal; whoever reads the body compares
};

class Replicas {
 public:
  // Reads the authorities. Null for a gateway that is alone.
  static base::Result<std::shared_ptr<const Replicas>> make(const config::Replicas& config);

  const std::string& self() const { return self_; }
  std::vector<std::string> others() const;
  // Null for this one and for what is no member.
  const Replica* find(std::string_view name) const;
  // Where a principal's conversations are at home among the members that are not away.
  const std::string& home(std::string_view principal,
                          const std::function<bool(const std::string&)>& is_away) const;
  // Whose session it is; nothing when its id names no member.
  const std::string* home_of_session(std::string_view id) const;
  // In front of the ids of sessions that are opened here.
  std::string session_prefix() const;

  // `handed` without sender and body, which are filled in.
  std::string seal(std::string_view to, Handed handed, const net::Head& head, std::string_view body,
                   base::Time now, crypto::Random& random) const;
  // Code::forbidden for what no other member sealed for this one and this request, just now. Before
  // the body is read, so that nobody else makes us read one.
  [[nodiscard]] base::Result<Handed> open(const net::Head& head, base::Time now) const;

 private:
  explicit Replicas(const config::Replicas& config);

  std::string self_;
  std::string key_;
  std::map<std::string, Replica, std::less<>> members_;  // this one too
};

// Whether it is the body that was sealed.
bool is_its_body(const Handed& handed, std::string_view body);

// A key of 32 bytes for one use, the same at all replicas; `use` names it.
std::string replica_key(const config::Replicas& config, std::string_view use);

}  // namespace latticegate::gateway
