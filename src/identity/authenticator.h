// From a request's credential to its Caller, by rules that the operator wrote down.
//
// Bearer tokens are known only by their SHA-256. Client certificates are known by one of their
// names, and only names of a chain that TLS has verified may be passed in. Anonymous callers exist
// only where the rules say so in so many words, and then only from a loopback address.
//
// What decides when there are several: a presented Authorization header must be good, never is a
// bad one passed over for a certificate or for anonymity; a token and a certificate together must
// belong to the same agent, unless no rule knows the certificate; a presented certificate without a
// rule is not anonymous.
//
// Posture: the header is hostile. One Authorization value, scheme Bearer (any case), one token of
// RFC 6750 token68 syntax, at most 8 KiB. Look-up is by full digest, so timing tells nothing about
// other tokens. Immutable after make(); safe from any thread. Costs one SHA-256 and one hash
// look-up per call.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "identity/caller.h"

namespace latticegate::identity {

inline constexpr base::Bytes longest_authorization{8 * 1024};

// `profile.method` and `profile.fingerprint` are filled in by make(); the rest is taken as it is.
struct TokenRule {
  crypto::Digest sha256{};
  CallerProfile profile;
};

// Which name of a certificate a rule speaks of: a URI SAN (SPIFFE id), a DNS SAN, the subject's
// common name, or the whole subject in RFC 2253 form ("CN=finance-bot,O=Acme").
enum class NameKind : std::uint8_t { uri, dns, common_name, subject };
struct CertificateName {
  NameKind kind{};
  std::string text;
  bool operator==(const CertificateName&) const = default;
};
// "spiffe://domain/path", "dns:host", "cn:name", "dn:subject". Code::invalid with what is expected
// otherwise.
[[nodiscard]] base::Result<CertificateName> parse_certificate_name(std::string_view text);
// The inverse.
std::string describe(const CertificateName& name);

struct CertificateRule {
  CertificateName name;
  CallerProfile profile;
};

struct Rules {
  std::vector<TokenRule> tokens;
  std::vector<CertificateRule> certificates;
  std::optional<CallerProfile> loopback;  // the anonymous caller; absent: nobody is anonymous
};

// What the request says about who sent it. Views are read during authenticate() only.
struct Credentials {
  std::span<const std::string_view>
      authorization{};  // every Authorization header value, as received
  const crypto::Certificate* certificate = nullptr;  // the verified leaf; null: none was presented
  std::string_view address{};  // of the connection: "127.0.0.1", "::1", "unix"
  // A proxy's header (Forwarded, X-Forwarded-For, X-Real-IP, Via) was present: then the loopback
  // address is the proxy's and says nothing about who asks, so nobody is anonymous.
  bool forwarded = false;
};

class Authenticator {
 public:
  // Code::invalid when two rules claim one credential, an agent id is empty, or a URI is not a
  // valid SPIFFE id.
  [[nodiscard]] static base::Result<Authenticator> make(Rules rules);

  // Code::malformed: the header breaks its syntax or there are several (HTTP 400).
  // Code::unauthenticated: no credential, or one that nobody has (HTTP 401). The detail never holds
  // the token.
  [[nodiscard]] base::Result<Caller> authenticate(const Credentials& credentials) const;

  // Who has a credential that another gateway of the same rules accepted, by what that one says of
  // it (as in CallerProfile). Code::unauthenticated when no rule here gives it to that agent.
  [[nodiscard]] base::Result<Caller> accepted_elsewhere(Method method, std::string_view fingerprint,
                                                        std::string_view agent) const;

  Authenticator(Authenticator&&) noexcept;
  Authenticator& operator=(Authenticator&&) noexcept;
  ~Authenticator();

 private:
  struct Tables;
  explicit Authenticator(std::unique_ptr<const Tables> tables);
  std::unique_ptr<const Tables> tables_;
};

// The WWW-Authenticate value for a refusal (RFC 6750 section 3): plain "Bearer" when no credential
// came, otherwise with an error code and no description.
std::string_view challenge(const Credentials& credentials, const base::Error& error);

// True for 127.0.0.0/8, ::1, their mapped form, and "unix" (a socket file).
bool is_loopback(std::string_view address);

}  // namespace latticegate::identity
