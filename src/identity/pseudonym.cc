#include "identity/pseudonym.h"

#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace latticegate::identity {
namespace {

// Lengths keep the fields apart, whatever they contain.
crypto::Digest digest_of(std::string_view key, std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  }
  return crypto::hmac_sha256(key, text);
}

// 20 characters of five bits, lower-case base32 of RFC 4648.
std::string letters(const crypto::Digest& digest) {
  constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out;
  std::uint64_t bits = 0;
  unsigned held = 0;
  for (const std::byte byte : digest) {
    bits = bits << 8U | std::to_integer<unsigned>(byte);
    for (held += 8; held >= 5 && out.size() < 20; held -= 5)
      out += alphabet[bits >> (held - 5) & 31U];
    if (out.size() == 20) break;
  }
  return out;
}

}  // namespace

std::string person_pseudonym(std::string_view key, std::string_view tenant, std::string_view user) {
  return "p:" + letters(digest_of(key, {"person", tenant, user}));
}

std::string pseudonym(std::string_view key, const CallerProfile& profile) {
  if (profile.user) return person_pseudonym(key, profile.tenant.value(), profile.user->id.value());
  return "w:" + letters(digest_of(key, {"agent", profile.tenant.value(), profile.agent.value()}));
}

std::string conversation_pseudonym(std::string_view key, const CallerProfile& profile) {
  const std::string_view user =
      profile.user ? std::string_view(profile.user->id.value()) : std::string_view();
  return "c-" + crypto::to_hex(digest_of(key, {"conversation", profile.tenant.value(),
                                               profile.agent.value(), user}))
                    .substr(0, 12);
}

}  // namespace latticegate::identity
