// TLS profiles as values: which key-exchange groups, signatures and cipher suites each side of a
// connection may use.
//
// Only names, in the spelling of OpenSSL 3.5; `net` loads them and refuses to start when one does
// not load. In a group list ':' separates groups, '/' separates tuples (a server prefers the
// earlier tuple, also when that costs a round trip; inside a tuple the client's order wins), and
// '*' marks a group for which a client sends a key share at once. The word DEFAULT never appears:
// its expansion had a tuple bug (CVE-2026-2673). Sources: draft-ietf-tls-ecdhe-mlkem (hybrid
// groups), draft-ietf-tls-mlkem and CNSA 2.0 (MLKEM1024 alone). Pure; every string is static.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace latticegate::pqc {

enum class Profile : std::uint8_t {
  preferred,  // post-quantum whenever the peer can, classical otherwise
  required,   // post-quantum key exchange or no connection
  cnsa,       // CNSA 2.0: ML-KEM-1024, ML-DSA-87, AES-256 and nothing else
};

// What to load into a TLS context. An empty string means: leave the library's own list.
struct Rules {
  std::string_view server_groups;
  std::string_view client_groups;  // first contact with an upstream: nothing is known about it yet
  std::string_view signature_algorithms;
  std::string_view cipher_suites;    // TLS 1.3
  std::string_view certificate_key;  // of our own certificate, as crypto::Certificate::key; "" any
  bool classical_allowed;            // when false, assert is_post_quantum() after each handshake
};
const Rules& rules(Profile profile);

// "preferred", "required", "cnsa".
std::string_view name(Profile profile);
// Code::invalid with a suggestion for anything else. "cnsa2" is accepted as another name of cnsa.
[[nodiscard]] base::Result<Profile> parse_profile(std::string_view text);

// True for a negotiated group (spelling of SSL_get0_group_name, any case) that holds an ML-KEM
// share. Unknown and empty names are not post-quantum.
bool is_post_quantum(std::string_view group);

// Whether a connection that negotiated `group` may stay open under the profile. cnsa accepts
// MLKEM1024 alone.
bool acceptable(Profile profile, std::string_view group);

}  // namespace latticegate::pqc
