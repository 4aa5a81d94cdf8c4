#include "pqc/profile.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <format>
#include <utility>

#include "base/suggest.h"

namespace latticegate::pqc {
namespace {

// The dear P-384 hybrid sits in a tuple of its own: inside one tuple the client's order would win,
// and a client that lists it first would cost 4.8 times the handshake although it also knows
// X25519MLKEM768.
constexpr auto table = std::to_array<Rules>({
    {.server_groups = "X25519MLKEM768:SecP256r1MLKEM768/SecP384r1MLKEM1024/X25519:P-256:P-384",
     .client_groups = "*X25519MLKEM768:*X25519:SecP256r1MLKEM768:SecP384r1MLKEM1024:P-256:P-384",
     .signature_algorithms = "",
     .cipher_suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
     .certificate_key = "",
     .classical_allowed = true},
    {.server_groups = "X25519MLKEM768:SecP256r1MLKEM768/SecP384r1MLKEM1024",
     .client_groups = "*X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024",
     .signature_algorithms = "",
     .cipher_suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
     .certificate_key = "",
     .classical_allowed = false},
    {.server_groups = "MLKEM1024",
     .client_groups = "*MLKEM1024",
     .signature_algorithms = "mldsa87",
     .cipher_suites = "TLS_AES_256_GCM_SHA384",
     .certificate_key = "ML-DSA-87",
     .classical_allowed = false},
});

constexpr auto names = std::to_array<std::string_view>({"preferred", "required", "cnsa"});
static_assert(table.size() == names.size());

constexpr auto post_quantum_groups =
    std::to_array<std::string_view>({"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024",
                                     "MLKEM512", "MLKEM768", "MLKEM1024"});

bool same(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

const Rules& rules(Profile profile) { return table[static_cast<std::size_t>(profile)]; }

std::string_view name(Profile profile) { return names[static_cast<std::size_t>(profile)]; }

base::Result<Profile> parse_profile(std::string_view text) {
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return static_cast<Profile>(found - names.begin());
  if (text == "cnsa2") return Profile::cnsa;
  const auto meant = base::nearest(text, names);
  return base::fail(base::Code::invalid,
                    std::format("unknown TLS profile \"{}\": {}", text,
                                meant ? std::format("did you mean \"{}\"?", *meant)
                                      : "one of preferred, required, cnsa"));
}

bool is_post_quantum(std::string_view group) {
  return std::ranges::any_of(post_quantum_groups,
                             [&](std::string_view known) { return same(group, known); });
}

bool acceptable(Profile profile, std::string_view group) {
  switch (profile) {
    case Profile::preferred: return true;
    case Profile::required: return is_post_quantum(group);
    case Profile::cnsa: return same(group, "MLKEM1024");
  }
  std::unreachable();
}

}  // namespace latticegate::pqc
